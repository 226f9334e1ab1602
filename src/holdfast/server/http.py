"""uvicorn's HTTP protocol with two bounds that it lacks: time and size of a request's head.

Without them a connection that never finishes its request is kept for ever, and its headers are collected
without end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from holdfast import limits

if TYPE_CHECKING:
    import asyncio


class BoundedHttpProtocol(HttpToolsProtocol):
    """Cuts a connection whose request is not complete in time, or whose head is too large."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._is_in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self._begin_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._end_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read, unless the head is larger than any honest one."""
        if self._is_in_head:
            if self._head_bytes > limits.HTTP_HEAD_BYTES_MAX:
                self.transport.abort()
                return
            self._head_bytes += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins; it has to be complete soon."""
        super().on_message_begin()
        if self._deadline is None:
            self._begin_waiting()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._end_waiting()
        self._head_bytes = 0
        self._is_in_head = True
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """The connection goes on as a WebSocket, which has bounds of its own."""
        self._end_waiting()
        super().handle_websocket_upgrade()

    def _begin_waiting(self) -> None:
        self._deadline = self.loop.call_later(limits.HTTP_REQUEST_TIMEOUT, self.transport.abort)

    def _end_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
