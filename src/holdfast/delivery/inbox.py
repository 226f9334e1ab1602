"""The inbox: what arrives twice has its effect once.

::

    inbox = Inbox(database)
    accepted = await inbox.accept(sender, message_id, lambda c: c.execute("INSERT …"))
    # answer only now; if it was not accepted.is_new, the effect is already there

The id and the effect are one transaction. Whatever happens between the effect and the answer, ``kill -9``
included: the message comes again, and is known.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from holdfast import limits
from holdfast.delivery.clock import SteadyClock
from holdfast.world import RealWorld

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from holdfast.storage import Database
    from holdfast.world import World

T = TypeVar("T")

MIGRATIONS: Final = (
    """
    CREATE TABLE inbox (
        number INTEGER PRIMARY KEY,
        sender TEXT NOT NULL,
        id TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        UNIQUE (sender, id)
    );
    CREATE INDEX inbox_sender ON inbox (sender, number);
    CREATE TABLE inbox_total (only INTEGER PRIMARY KEY CHECK (only = 1), ids INTEGER NOT NULL);
    INSERT INTO inbox_total VALUES (1, 0);
    CREATE TRIGGER inbox_added AFTER INSERT ON inbox BEGIN
        UPDATE inbox_total SET ids = ids + 1;
    END;
    CREATE TRIGGER inbox_removed AFTER DELETE ON inbox BEGIN
        UPDATE inbox_total SET ids = ids - 1;
    END;
    """,
)

ADD: Final = "INSERT OR IGNORE INTO inbox (sender, id, at_ms) VALUES (?, ?, ?)"
NEWEST: Final = (
    "SELECT ifnull(max(at_ms), 0) FROM (SELECT at_ms FROM inbox ORDER BY number DESC LIMIT 1)"
)
TRIM_SENDER: Final = (
    "DELETE FROM inbox WHERE sender = :sender AND number <= "
    "(SELECT number FROM inbox WHERE sender = :sender ORDER BY number DESC LIMIT 1 OFFSET :keep)"
)
OLD: Final = "DELETE FROM inbox WHERE number IN (SELECT number FROM inbox ORDER BY number LIMIT ?) AND at_ms < ?"
OLDEST: Final = (
    "DELETE FROM inbox WHERE number IN (SELECT number FROM inbox ORDER BY number LIMIT ?)"
)

TRIM_EVERY: Final = 64
"""Messages between two looks at what can be forgotten; each look forgets more than came since."""


class Accepted(NamedTuple, Generic[T]):
    """What became of a message: whether it was new, and what its effect returned (None when it was not)."""

    is_new: bool
    value: T | None


class Inbox:
    """Remembers which messages have had their effect.

    What is remembered is bounded: a sender's ids by number, all of them by number and age. A message that
    comes again later than that has its effect again, so ``ttl`` must be longer than a message lives in its
    sender's outbox. A sender who floods pushes out his own ids first.

    Args:
        database: with ``MIGRATIONS``; the application's own tables are in it.
        ids_per_sender: ids of one sender that are remembered.
        ids_max: ids of all senders that are remembered.
        ttl: seconds that an id is remembered.
        world: wall time.
    """

    def __init__(
        self,
        database: Database,
        *,
        ids_per_sender: int = limits.INBOX_IDS_PER_SENDER,
        ids_max: int = limits.INBOX_IDS_MAX,
        ttl: float = limits.INBOX_TTL,
        world: World | None = None,
    ) -> None:
        self._database = database
        self._ids_per_sender = ids_per_sender
        self._ids_max = ids_max
        self._ttl_ms = int(ttl * 1000)
        self._world: World = RealWorld() if world is None else world
        self._clock: SteadyClock | None = None

    async def accept(
        self,
        sender: str,
        id: str,  # noqa: A002 - the word of the field
        effect: Callable[[sqlite3.Connection], T],
    ) -> Accepted[T]:
        """Let a message have its effect, unless it had it already; returns when that is durable.

        Args:
            sender: who sent it, as authenticated.
            id: chosen by the sender.
            effect: a function of the connection; it may run twice if its transaction is tried again.

        Raises:
            StorageError: 8xxx; nothing was kept, the message may come again.
            Exception: what the effect raised; as above.
        """
        now_ms = (self._clock or await self._started()).now_ms()

        def run(connection: sqlite3.Connection) -> Accepted[T]:
            added = connection.execute(ADD, (sender, id, now_ms))
            if added.rowcount == 0:
                return Accepted(is_new=False, value=None)
            if (added.lastrowid or 0) % TRIM_EVERY == 0:
                self._trim(connection, sender, now_ms)
            return Accepted(is_new=True, value=effect(connection))

        return await self._database.write(run)

    async def _started(self) -> SteadyClock:
        row = await self._database.fetch_one(NEWEST)
        newest = row[0] if row is not None else 0
        loop = asyncio.get_running_loop()
        floor = newest if isinstance(newest, int) else 0
        self._clock = SteadyClock(self._world.wall_now(), loop.time, floor_ms=floor)
        return self._clock

    def _trim(self, connection: sqlite3.Connection, sender: str, now_ms: int) -> None:
        connection.execute(TRIM_SENDER, {"sender": sender, "keep": self._ids_per_sender})
        connection.execute(OLD, (2 * TRIM_EVERY, now_ms - self._ttl_ms))
        total: int = connection.execute("SELECT ids FROM inbox_total").fetchone()[0]
        if total > self._ids_max:
            connection.execute(OLDEST, (total - self._ids_max,))
