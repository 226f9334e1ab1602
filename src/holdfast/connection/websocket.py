"""A WebSocket to a server, as an ``asyncio.Protocol`` on the sans-IO core of ``websockets``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from holdfast.connection.transport import FlowProtocol
from holdfast.errors import ConnectionFailedError, RateLimitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.connection.transport import Receiver

CLOSE_WAIT: Final = 3.0
"""Seconds that the peer has to answer a close frame until the transport is cut."""

SERVICE_UNAVAILABLE: Final = 503


class WebSocketTransport(FlowProtocol):
    """One connection; ``dial`` makes it, and waits for ``opened``.

    Args:
        url: ``ws://`` or ``wss://``.
        receiver: who is told.
        headers: to send with the request.
        subprotocols: offered with it.
        message_max: bytes of one message.
        is_text: whether messages are text frames.
    """

    def __init__(
        self,
        url: str,
        receiver: Receiver,
        *,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
        message_max: int,
        is_text: bool = True,
    ) -> None:
        super().__init__(receiver)
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._protocol = ClientProtocol(
            parse_uri(url),
            subprotocols=cast("Any", list(subprotocols)) or None,
            max_size=message_max,
        )
        self._headers = headers or {}
        self._is_text = is_text
        self._parts: list[bytes] = []

    def send(self, message: bytes) -> None:
        """Send one message; harmless when the connection is gone."""
        if self._protocol.state is State.OPEN:
            if self._is_text:
                self._protocol.send_text(message)
            else:
                self._protocol.send_binary(message)
            self._pass_on()

    def ping(self, number: int) -> None:
        """Ask for an answer."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(str(number).encode())
            self._pass_on()

    def close(self) -> None:
        """Say goodbye, and close when the peer has answered."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._pass_on()
            asyncio.get_running_loop().call_later(CLOSE_WAIT, self.abort)
        else:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        super().connection_made(transport)
        request = self._protocol.connect()
        for name, value in self._headers.items():
            request.headers[name] = value
        self._protocol.send_request(request)
        self._pass_on()

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self.bytes_in += len(data)
        self._protocol.receive_data(data)
        self._take_events()
        self._pass_on()

    def eof_received(self) -> bool:
        """The server sends nothing more."""
        self._protocol.receive_eof()
        self._take_events()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if not self.opened.done():
            self.opened.set_exception(
                ConnectionFailedError("The server closed the connection.", original=exc)
            )
        elif self._error is None and self._protocol.parser_exc is not None:
            self._error = self._protocol.parser_exc
        super().connection_lost(exc)

    def _take_events(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._answered()
            elif isinstance(event, Frame):
                self._take(event)

    def _answered(self) -> None:
        error = self._protocol.handshake_exc
        if self.opened.done():
            return
        if error is None:
            self.opened.set_result(None)
            return
        self.opened.set_exception(_refused(error))
        self._transport.close()

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            number = bytes(frame.data)
            if number.isdigit():
                self.receiver.ponged(int(number))
            return
        if frame.opcode is Opcode.CONT:
            self._parts.append(bytes(frame.data))
        elif frame.opcode in {Opcode.TEXT, Opcode.BINARY}:
            self._parts = [bytes(frame.data)]
        else:
            return
        if frame.fin:
            message = b"".join(self._parts)
            self._parts = []
            self.receiver.received(message)

    def _pass_on(self) -> None:
        for chunk in self._protocol.data_to_send():
            if self._transport.is_closing():
                return
            if chunk:
                self.write(chunk)
            else:
                self._end()


def _refused(error: Exception) -> Exception:
    if isinstance(error, InvalidStatus) and error.response.status_code == SERVICE_UNAVAILABLE:
        text = error.response.headers.get("Retry-After", "1")
        seconds = float(text) if text.isdigit() else 1.0
        return RateLimitError("The server asks to come later.", retry_after=seconds)
    kind = "handshake" if isinstance(error, InvalidHandshake) else "protocol"
    return ConnectionFailedError(f"The {kind} failed: {error}.", original=error)
