"""Messages of one destination for an owner who sends them itself, in order and several at a time.

A worker hands one ordered message over and waits for its outcome before the next; a protocol that numbers
messages and repeats them by itself need not wait. It takes what follows, begins it, and says what arrived.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from holdfast.delivery import store
from holdfast.delivery.message import DeliveryState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from holdfast.delivery._desk import Desk
    from holdfast.delivery.message import Message
    from holdfast.delivery.outbox import Outbox


class Feed:
    """Made by ``Outbox.feed``.

    Attributes:
        outbox: it is of.
        destination: of its messages.
    """

    def __init__(self, outbox: Outbox, desk: Desk, destination: str) -> None:
        self.outbox = outbox
        self.destination = destination
        self._desk = desk

    async def following(self, limit: int) -> list[Message]:
        """Return the ordered messages that were not begun, oldest first, up to ``limit``.

        Raises:
            StorageError: 8xxx; the store cannot be read.
        """
        return await self._read(store.FOLLOWING, limit)

    async def begun(self) -> list[Message]:
        """Return those that were begun and have not arrived, oldest first; see ``resumed``."""
        return await self._read(store.BEGUN, -1)

    async def _read(self, sql: str, limit: int) -> list[Message]:
        rows = await self._desk.database.fetch_all(sql, (self.destination, limit))
        found = [store.message_of(row) for row in rows]
        # The store shows a message a moment before its sender is told that it is there.
        now, new = self._desk.now_ms(), self._desk.unannounced
        return [each for each in found if each.expires_ms > now and each.number not in new]

    async def begin(
        self,
        messages: Sequence[Message],
        within: Callable[[sqlite3.Connection, Sequence[Message]], object],
    ) -> list[Message]:
        """Note that messages are going to be sent: from here on they do not expire.

        Args:
            messages: in their order.
            within: run in the same transaction with those that were still there.

        Returns:
            Those that were still there; the others have expired meanwhile.

        Raises:
            StorageError: 8xxx; nothing was begun.
        """

        def run(connection: sqlite3.Connection) -> list[Message]:
            there = [
                each
                for each in messages
                if connection.execute(store.BEGIN, (store.NEVER_MS, each.number)).rowcount
            ]
            within(connection, there)
            return there

        await self._desk.database.room()
        begun = await asyncio.shield(self._desk.database.submit(run))
        for message in begun:
            self.resumed(message)
        return begun

    def resumed(self, message: Message) -> None:
        """Note that a message is on its way which an earlier process has begun."""
        self._desk.begun.add(message.number)
        self._desk.tracker.tell(message, DeliveryState.SENDING, self._desk.now_ms())

    def delivered(self, message: Message) -> None:
        """Its destination has it; stored soon."""
        message.attempts += 1
        self._desk.ledger.delivered(message, self._desk.now_ms())
