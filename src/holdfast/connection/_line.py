"""Between a transport and its connection: what was dropped has nothing more to say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.connection.transport import Receiver


class Line:
    """One transport's way to the connection; when it is cut, nothing more comes through."""

    def __init__(self, connection: Receiver) -> None:
        self._connection: Receiver | None = connection
        self.gone = asyncio.Event()

    def cut(self) -> None:
        """Let nothing through any more."""
        self._connection = None

    def received(self, message: bytes) -> None:
        """Pass a message on."""
        if self._connection is not None:
            self._connection.received(message)

    def ponged(self, number: int) -> None:
        """Pass an answer on."""
        if self._connection is not None:
            self._connection.ponged(number)

    def lost(self, error: Exception | None) -> None:
        """Pass the end on."""
        self.gone.set()
        if self._connection is not None:
            self._connection.lost(error)
