"""The log of events: numbered, kept, so that a client that was away gets what it missed, once.

Theory. All events of a gateway are one log; their numbers only grow, also over a restart and a crash: a number is the
wall clock's at least (in 1/1024 of a millisecond), so that one given out and not stored is not given out again. An
event goes to the clients that listen at once and is written a moment later, many with one commit; a client that was
away is read to from memory or from the disk. Below ``floor`` the log no longer reaches; whoever asks for that is told
that it is not all.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from holdfast.apps.i3 import limits
from holdfast.apps.i3.api.methods import Permission
from holdfast.errors import StorageError
from holdfast.session import Packet

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from holdfast.apps.i3.gateway import Event
    from holdfast.storage import Database
    from holdfast.world import World

log = logging.getLogger("holdfast.i3")

TICKS: Final = 1024
"""Numbers of events that a millisecond has."""

GATHERED_FOR: Final = 0.02
"""Seconds that events are gathered before they are written: a commit costs as much as some hundred of them."""

PAUSE_AFTER_FAILURE: Final = 1.0
"""Seconds after which a write that failed is tried again."""

SEEN_WITH: Final = {
    "tell_received": Permission.TELL,
    "emoteto_received": Permission.TELL,
    "beep_received": Permission.TELL,
    "mail_received": Permission.MAIL,
    "channel_message": Permission.CHANNEL,
    "channel_emote": Permission.CHANNEL,
    "channel_joined": Permission.CHANNEL,
    "channel_left": Permission.CHANNEL,
    "user_joined_channel": Permission.CHANNEL,
    "user_left_channel": Permission.CHANNEL,
    "who_reply": Permission.INFO,
    "finger_reply": Permission.INFO,
    "locate_reply": Permission.INFO,
    "mud_online": Permission.INFO,
    "mud_offline": Permission.INFO,
}
"""The permission with which an event is seen; the others are for everybody."""

_encode: Final = msgspec.json.Encoder().encode


class Entry(NamedTuple):
    """An event in the log.

    Attributes:
        id: its number.
        permission: that a key needs to see it.
        packet: the notification, encoded once for all who get it.
    """

    id: int
    permission: Permission
    packet: Packet


class EventLog:
    """All events of a gateway; ``run`` writes them.

    Args:
        database: with the tables of ``store``.
        world: wall time.
        readers: says how far each key was sent, by name, to be kept with the events.

    Attributes:
        last: number of the last event; 0 before the first.
        floor: events up to this number may be gone.
        dropped: events that could not be kept.
    """

    def __init__(
        self, database: Database, world: World, readers: Callable[[], Iterable[tuple[str, int]]]
    ) -> None:
        self._database = database
        self._world = world
        self._readers = readers
        self._recent: deque[Entry] = deque(maxlen=limits.EVENTS_IN_MEMORY)
        self._unstored: deque[tuple[int, str, bytes]] = deque()
        self._work = asyncio.Event()
        self._bytes = 0
        self._sizes: deque[tuple[int, int]] = deque()
        self._second = (0, b"")
        self.last = 0
        self.floor = 0
        self.dropped = 0

    async def load(self) -> None:
        """Read where the log ends; raises StorageError."""
        floor = await self._database.fetch_one("SELECT id FROM i3_event_floor")
        rows = await self._database.fetch_all(
            "SELECT id, length(text) FROM i3_event ORDER BY id LIMIT ?", (limits.EVENTS_KEPT,)
        )
        self.floor = _number(floor[0]) if floor is not None else 0
        self._sizes.extend((_number(of), _number(size)) for of, size in rows)
        self._bytes = sum(size for _, size in self._sizes)
        self.last = max(self._sizes[-1][0] if self._sizes else 0, self.floor)

    # --- writing ----------------------------------------------------------------------------

    def append(self, event: Event) -> Entry:
        """Number an event and keep it; it is written soon."""
        wall = self._world.wall_now()
        number = self.last = max(self.last + 1, int(wall * 1000 * TICKS))
        method = type(event).method
        body = _encode(event)
        text = b'{"jsonrpc":"2.0","method":"%b","params":%b%b"event_id":%d,"timestamp":"%b"}}' % (
            method.encode(),
            body[:-1],
            b"," if len(body) > len(b"{}") else b"",
            number,
            self._stamp(wall),
        )
        entry = Entry(number, SEEN_WITH.get(method, Permission.NOBODY), Packet(text))
        self._recent.append(entry)
        self._unstored.append((number, method, text))
        if len(self._unstored) > limits.EVENTS_UNSTORED_MAX:
            lost = self._unstored.popleft()
            self.floor = max(self.floor, lost[0])
            self.dropped += 1
        self._work.set()
        return entry

    def _stamp(self, wall: float) -> bytes:
        """As ``stamp``, which takes longer than all the rest of an event."""
        second = int(wall)
        if second != self._second[0]:
            self._second = second, stamp(second)[: -len("000Z")].encode()
        return b"%b%03dZ" % (self._second[1], int((wall - second) * 1000))

    async def run(self) -> None:
        """Write what came, and delete what is too much, until cancelled."""
        while True:
            await self._work.wait()
            await asyncio.sleep(GATHERED_FOR)
            self._work.clear()
            try:
                await self.flush()
            except StorageError as error:
                # What is not written stays in memory and is tried again; the health check of the store tells.
                log.warning("events could not be kept: %s", error.message)
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
                self._work.set()

    async def flush(self) -> None:
        """Write what came until now; raises StorageError, and nothing is forgotten then."""
        rows = list(self._unstored)
        readers = list(self._readers())
        if not rows and not readers:
            return
        sizes = [(number, len(text)) for number, _, text in rows]
        count = len(self._sizes) + len(sizes)
        total = self._bytes + sum(size for _, size in sizes)
        floor = self._floor_for(sizes, count, total)

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR IGNORE INTO i3_event VALUES (?, ?, ?)", rows)
            connection.executemany("INSERT OR REPLACE INTO i3_reader VALUES (?, ?)", readers)
            if floor > self.floor or self.dropped:
                connection.execute("DELETE FROM i3_event WHERE id <= ?", (floor,))
                connection.execute("UPDATE i3_event_floor SET id = ?", (floor,))

        await self._database.write(write)
        stored = rows[-1][0] if rows else 0
        while self._unstored and self._unstored[0][0] <= stored:
            self._unstored.popleft()
        self._sizes.extend(sizes)
        self._bytes = total
        self.floor = max(self.floor, floor)
        while self._sizes and self._sizes[0][0] <= self.floor:
            self._bytes -= self._sizes.popleft()[1]

    def _floor_for(self, sizes: list[tuple[int, int]], count: int, total: int) -> int:
        """Return the number up to which events are too many: a tenth more than is kept may be there."""
        if count <= 1.1 * limits.EVENTS_KEPT and total <= limits.EVENT_BYTES_KEPT:
            return self.floor
        floor = self.floor
        for number, size in (*self._sizes, *sizes):
            if count <= limits.EVENTS_KEPT and total <= 0.9 * limits.EVENT_BYTES_KEPT:
                break
            floor, count, total = number, count - 1, total - size
        return floor

    # --- reading ----------------------------------------------------------------------------

    async def after(self, number: int) -> list[Entry]:
        """Return up to a page of events after a number, oldest first; empty when there are none.

        Raises:
            StorageError: 8xxx.
        """
        recent = self._recent
        if number >= self.last:
            return []
        if recent and recent[0].id <= number:
            return [entry for entry in recent if entry.id > number][: limits.EVENTS_PAGE]
        # What is not stored when the disk is asked is what the disk cannot know.
        unstored = [row for row in self._unstored if row[0] > number][: limits.EVENTS_PAGE]
        rows = await self._database.fetch_all(
            "SELECT id, method, text FROM i3_event WHERE id > ? ORDER BY id LIMIT ?",
            (number, limits.EVENTS_PAGE),
        )
        return [_entry(*row) for row in rows or unstored]


def stamp(seconds: float) -> str:
    """Write a time as clients know it: ISO 8601 in UTC, milliseconds, ``Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _entry(number: object, method: object, text: object) -> Entry:
    assert isinstance(text, bytes), "of our own table"
    permission = SEEN_WITH.get(str(method), Permission.NOBODY)
    return Entry(_number(number), permission, Packet(text))


def _number(value: object) -> int:
    assert isinstance(value, int), value
    return value
