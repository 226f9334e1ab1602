"""A unit of work: what is written and what is said about it become true together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from holdfast.errors import ResilienceError
    from holdfast.session.hub import Hub
    from holdfast.session.record import Session


class Transaction:
    """Collects writes and messages; nothing is sent before all is committed.

    Handlers change their memory at once and describe the rest here. Should the commit fail, nobody has
    heard of it, and the hub loads everything anew from the store.

    Attributes:
        now: monotonic seconds.
        now_ms: milliseconds on the server's clock.
    """

    __slots__ = ("_hub", "after", "failed", "is_done", "now", "now_ms", "operations", "writes")

    def __init__(self, hub: Hub, now: float, now_ms: int) -> None:
        self._hub = hub
        self.now = now
        self.now_ms = now_ms
        self.writes: list[tuple[str, Sequence[Sequence[object]]]] = []
        self.operations: list[Callable[[], None]] = []
        self.after: list[Callable[[], None]] = []
        self.failed: list[Callable[[ResilienceError], None]] = []
        self.is_done = False

    def execute(self, sql: str, params: Sequence[object] = ()) -> None:
        """Run one statement when this is committed."""
        self.writes.append((sql, (params,)))

    def executemany(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run one statement for each row when this is committed."""
        if rows:
            self.writes.append((sql, rows))

    def publish(self, channel: str, data: object) -> None:
        """Append an event to a channel, to be sent to all who read it.

        Args:
            channel: its name; it is made at first use.
            data: encoded once, now.
        """
        encoded = msgspec.json.encode(data)
        self.operations.append(partial(self._hub.operations.publish, self, channel, encoded))

    def tell(self, session: Session, data: object) -> None:
        """Append an event to a session's own channel."""
        encoded = msgspec.json.encode(data)
        self.operations.append(partial(self._hub.operations.tell, self, session, encoded))

    def join(self, session: Session, channel: str) -> None:
        """Put a session into a channel; it is sent a snapshot. Harmless when it is in."""
        self.operations.append(partial(self._hub.operations.join, self, session, channel))

    def part(self, session: Session, channel: str) -> None:
        """Take a session out of a channel; harmless when it is not in."""
        self.operations.append(partial(self._hub.operations.part, self, session, channel))

    def end(self, session: Session, error: ResilienceError) -> None:
        """End a session for good: its client is told why and does not come back."""
        self.operations.append(partial(self._hub.operations.end, self, session, error))

    def drop_channel(self, channel: str) -> None:
        """Forget a channel and its log; sessions in it are taken out without a word."""
        self.operations.append(partial(self._hub.operations.drop, self, channel))

    def discard(self) -> None:
        """Forget all that was collected: the handler refused after all."""
        self.writes.clear()
        self.operations.clear()
        self.after.clear()

    def run(self, connection: sqlite3.Connection) -> None:
        """Write everything; this is the job that the store commits."""
        for sql, rows in self.writes:
            if len(rows) == 1:
                connection.execute(sql, rows[0])
            else:
                connection.executemany(sql, rows)
