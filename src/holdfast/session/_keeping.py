"""What a client sends, kept in an outbox until the server has acknowledged it, and by whom it is known.

Theory. A message that was never sent is only in the outbox. Before it is sent it is given its place, a
stream and a number, and both are stored in one transaction; from there on it is sent again under the same
place until the server has it, by this process or by the next one, so that it is handled once. Nothing is
sent that rests on something unstored: the token of a session that was opened, the places of a new stream.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Raw

from holdfast import delivery, limits
from holdfast.session.client_machine import ClientMemory

if TYPE_CHECKING:
    import asyncio
    import sqlite3
    from collections.abc import Mapping, Sequence

    from holdfast.delivery import Change, Feed, Message
    from holdfast.session.client_machine import ClientMachine

CLIENT_MIGRATIONS: Final = {
    **delivery.MIGRATIONS,
    "client": (
        """
        CREATE TABLE client_session (
            name TEXT PRIMARY KEY, stream TEXT NOT NULL, session TEXT, token TEXT NOT NULL, last_seq INTEGER NOT NULL
        );
        CREATE TABLE client_place (
            number INTEGER PRIMARY KEY, name TEXT NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL
        );
        """,
    ),
}
"""Tables of an outbox and of clients that use it, for a ``Database``."""

SAVE: Final = "INSERT OR REPLACE INTO client_session VALUES (?, ?, ?, ?, ?)"
LOAD: Final = "SELECT stream, session, token, last_seq FROM client_session WHERE name = ?"
PLACE: Final = "INSERT OR REPLACE INTO client_place VALUES (?, ?, ?, ?)"
PLACES: Final = "SELECT number, stream, seq FROM client_place WHERE name = ?"
ADVANCE: Final = "UPDATE client_session SET last_seq = ? WHERE name = ?"
FORGET_PLACES: Final = (
    "DELETE FROM client_place WHERE name = ? AND number NOT IN (SELECT number FROM outbox)"
)

NOWHERE: Final = ("", -1)
ARRIVED: Final = ("", 0)
"""Places of a message that was given none, and of one that the server has."""


class Found(NamedTuple):
    """What an earlier process left.

    Attributes:
        memory: of its session.
        begun: its messages that the server may not have, by their number in the stream.
    """

    memory: ClientMemory
    begun: Mapping[int, Message]


class Keeping:
    """The memory of one client.

    Args:
        feed: of an outbox on a database with ``CLIENT_MIGRATIONS``; its destination names the session.
    """

    def __init__(self, feed: Feed) -> None:
        self.outbox = feed.outbox
        self.name = feed.destination
        self._feed = feed
        self._database = feed.outbox.database
        self._arrived: dict[str, int] = {}
        feed.outbox.on_delivered(self._noted)

    async def load(self, stream: str) -> Found:
        """Read what an earlier process left.

        Args:
            stream: begun when there was none.
        """
        begun = await self._feed.begun()
        places: dict[int, tuple[str, int]] = {
            number: (name, seq)
            for number, name, seq in await self._database.read(
                lambda c: c.execute(PLACES, (self.name,)).fetchall()
            )
        }
        row = await self._database.read(lambda c: c.execute(LOAD, (self.name,)).fetchone())
        stream, session, token, last_seq = row or (stream, None, "", 0)
        by_seq = {
            places[message.number][1]: message
            for message in begun
            if places.get(message.number, NOWHERE)[0] == stream
        }
        # A batch may have been begun while the session was stored without it.
        last_seq = max([last_seq, *by_seq])
        # The server acknowledges in order: before a hole all have arrived.
        first = next(seq for seq in count(last_seq, -1) if seq not in by_seq) + 1
        waiting = {seq: by_seq[seq] for seq in range(first, last_seq + 1)}
        arrived = {message.number for seq, message in by_seq.items() if seq < first}
        for message in begun:
            self._feed.resumed(message)
            place = places.get(message.number, NOWHERE)
            if place == ARRIVED or message.number in arrived:
                self.delivered(message)
            elif (
                place[0] != stream
            ):  # begun in a stream that was given up, or in a session that was left
                last_seq += 1
                waiting[last_seq] = message
        pending = {seq: message.body for seq, message in waiting.items()}
        memory = ClientMemory(stream, session, token, last_seq, pending)
        await self.save(memory, waiting)
        return Found(memory, waiting)

    def save(self, memory: ClientMemory, begun: Mapping[int, Message]) -> asyncio.Future[None]:
        """Store by what the session is known, and the place of each message that was begun.

        Raises:
            StorageError: 8xxx; also by the future.
        """
        row = (self.name, memory.stream, memory.session, memory.token, memory.last_seq)
        places = [(message.number, self.name, memory.stream, seq) for seq, message in begun.items()]
        places += [(number, self.name, *ARRIVED) for number in self._arrived.values()]

        def run(connection: sqlite3.Connection) -> None:
            connection.execute(SAVE, row)
            connection.execute(FORGET_PLACES, (self.name,))
            connection.executemany(PLACE, places)

        return self._database.submit(run)

    async def post(self, id: str, raw: Raw, ttl: float | None) -> None:  # noqa: A002 - the word of the field
        """Keep a message until its turn comes; raises as ``Outbox.submit``."""
        await self.outbox.submit(self.name, bytes(raw), id=id, ttl=ttl, ordered=True)

    async def begin(self, machine: ClientMachine) -> list[tuple[Message, Raw]]:
        """Give the next messages their places, as many as may be on their way.

        Returns:
            Them and their bodies; the caller gives them to the machine now, in this order.

        Raises:
            StorageError: 8xxx; none was begun.
        """
        room = limits.CLIENT_UNACKNOWLEDGED_MAX - machine.pending
        following = await self._feed.following(room) if room > 0 else []
        if not following:
            return []
        stream, last_seq = machine.stream, machine.last_seq

        def place(connection: sqlite3.Connection, there: Sequence[Message]) -> None:
            connection.execute(FORGET_PLACES, (self.name,))
            connection.executemany(
                PLACE,
                [
                    (message.number, self.name, stream, seq)
                    for seq, message in enumerate(there, start=last_seq + 1)
                ],
            )
            connection.execute(ADVANCE, (last_seq + len(there), self.name))

        begun = await self._feed.begin(following, place)
        return [(message, Raw(message.body)) for message in begun]

    def delivered(self, message: Message) -> None:
        """The server has it; until the outbox has stored that, a new stream must not send it again."""
        self._arrived[message.id] = message.number
        self._feed.delivered(message)

    def _noted(self, change: Change) -> None:
        self._arrived.pop(change.id, None)

    async def leave(self) -> None:
        """Forget the session; what the server has not acknowledged is sent in the next one."""
        await self._database.batch(
            [
                (f"DELETE FROM {table} WHERE name = ?", (self.name,))  # noqa: S608 - our own names
                for table in ("client_session", "client_place")
            ]
        )
