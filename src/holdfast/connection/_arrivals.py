"""Messages that came and were not read yet: bounded, by letting the peer wait."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.connection.transport import Transport


class Arrivals:
    """A queue over as many connections as it takes.

    Args:
        most: messages that wait; then the transport is not read from until half of them are read.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._queue: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._paused: Transport | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, message: bytes, transport: Transport | None) -> None:
        """Take a message of a transport."""
        self._queue.append(message)
        self._news.set()
        if len(self._queue) >= self._most and self._paused is not transport:
            self._paused = transport
            if transport is not None:
                transport.pause()

    def forget(self, transport: Transport) -> None:
        """That transport is gone; what came over it stays."""
        if self._paused is transport:
            self._paused = None

    def look(self) -> None:
        """Let whoever waits look whether there is an end."""
        self._news.set()

    async def next(self, check: Callable[[], None]) -> bytes:
        """Return the next message.

        Args:
            check: called before each wait; it raises when none will come.
        """
        while not self._queue:
            check()
            self._news.clear()
            await self._news.wait()
        message = self._queue.popleft()
        self._go_on()
        return message

    def take(self) -> list[bytes]:
        """Return all that waits."""
        found = list(self._queue)
        self._queue.clear()
        self._go_on()
        return found

    def _go_on(self) -> None:
        """Let a peer that waits go on when there is room."""
        if self._paused is not None and len(self._queue) <= self._most // 2:
            paused, self._paused = self._paused, None
            paused.resume()
