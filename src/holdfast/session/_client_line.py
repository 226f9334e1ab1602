"""One connection of a client at a time: opened, heard, and dropped when it is silent for too long."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.connection import Endpoint, dial_any

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.connection import Transport

CONNECT_TIMEOUT: Final = 10.0

SERVER_MESSAGE_BYTES_MAX: Final = 16 * 1024 * limits.KIB
"""One message of the server; the largest snapshots stay far below."""


class ClientLine:
    """The way to the server.

    Args:
        endpoint: of the hub.
        on_message: called with each message.

    Attributes:
        transport: open now, or None.
        last_heard: seconds on the loop's clock.
    """

    def __init__(self, endpoint: Endpoint, on_message: Callable[[bytes], None]) -> None:
        self._endpoint = endpoint
        self._on_message = on_message
        self._gone = asyncio.Event()
        self._passed = 0
        self.transport: Transport | None = None
        self.last_heard = 0.0

    @property
    def bytes_passed(self) -> int:
        """In both directions, over all connections."""
        here = self.transport
        return self._passed + (0 if here is None else here.bytes_in + here.bytes_out)

    def cut(self) -> None:
        """Drop the connection."""
        if self.transport is not None:
            self.transport.abort()

    async def stay(self, begin: Callable[[], None], patience: Callable[[], float]) -> None:
        """Open one connection and stay until it is lost.

        Args:
            begin: called when it is open.
            patience: seconds of silence until it counts as dead.

        Raises:
            NetworkError: it could not be opened.
            RateLimitError: 2001; the server asks to come later.
        """
        loop = asyncio.get_running_loop()
        self._gone.clear()
        transport = self.transport = await dial_any(
            self._endpoint, self, timeout=CONNECT_TIMEOUT, message_max=SERVER_MESSAGE_BYTES_MAX
        )
        self.last_heard = loop.time()
        try:
            begin()
            while not self._gone.is_set():
                dead_at = self.last_heard + patience()
                if loop.time() >= dead_at:
                    return
                with contextlib.suppress(TimeoutError):  # then it looks how long it was silent
                    async with asyncio.timeout_at(dead_at):
                        await self._gone.wait()
        finally:
            transport.abort()
            self._passed += transport.bytes_in + transport.bytes_out
            self.transport = None

    # --- a receiver of the transport --------------------------------------------------------

    def received(self, message: bytes) -> None:
        """Take a message."""
        self.last_heard = asyncio.get_running_loop().time()
        self._on_message(message)

    def ponged(self, number: int) -> None:
        """Take an answer to a ping of the transport; the session has its own."""

    def lost(self, error: Exception | None) -> None:  # noqa: ARG002 - of the protocol
        """Take note that it is gone."""
        self._gone.set()
