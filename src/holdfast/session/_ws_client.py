"""A WebSocket to a server, as an ``asyncio.Protocol`` on the sans-IO core of ``websockets``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from holdfast import limits
from holdfast.errors import ConnectionFailedError, NetworkTimeoutError, RateLimitError
from holdfast.session.wire import JSON

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

MESSAGE_BYTES_MAX = 16 * 1024 * limits.KIB
"""One message of the server; the largest snapshots stay far below."""

SERVICE_UNAVAILABLE = 503


class ClientSocket(asyncio.Protocol):
    """One connection; ``connect_socket`` makes it."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        on_message: Callable[[bytes], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._protocol = ClientProtocol(
            parse_uri(url),
            subprotocols=cast("Any", [JSON.subprotocol]),
            max_size=MESSAGE_BYTES_MAX,
        )
        self._headers = headers
        self._on_message = on_message
        self._on_lost = on_lost
        self._parts: list[bytes] = []
        self.bytes_passed = 0
        self._transport: asyncio.Transport

    def send(self, message: bytes) -> None:
        """Send one text message; harmless when the connection is gone."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(message)
            self._transmit()

    def close(self) -> None:
        """Say goodbye and close."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._transmit()
        self._transport.close()

    def abort(self) -> None:
        """Cut at once."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        request = self._protocol.connect()
        for name, value in self._headers.items():
            request.headers[name] = value
        self._protocol.send_request(request)
        self._transmit()

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self.bytes_passed += len(data)
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._answered()
            elif isinstance(event, Frame):
                self._take(event)
        self._transmit()

    def eof_received(self) -> bool:
        """The server sends nothing more."""
        self._protocol.receive_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if not self.opened.done():
            self.opened.set_exception(
                ConnectionFailedError("The server closed the connection.", original=exc)
            )
        self._on_lost()

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
        if frame.opcode is Opcode.CONT:
            self._parts.append(bytes(frame.data))
        elif frame.opcode in {Opcode.TEXT, Opcode.BINARY}:
            self._parts = [bytes(frame.data)]
        else:
            return
        if frame.fin:
            message = b"".join(self._parts)
            self._parts = []
            self._on_message(message)

    def _transmit(self) -> None:
        for chunk in self._protocol.data_to_send():
            if self._transport.is_closing():
                return
            if chunk:
                self.bytes_passed += len(chunk)
                self._transport.write(chunk)
            else:
                self._transport.close()


async def connect_socket(
    url: str,
    headers: Mapping[str, str],
    on_message: Callable[[bytes], None],
    on_lost: Callable[[], None],
    *,
    timeout: float,  # noqa: ASYNC109 - a bound on the whole of it, raised as our own error
    tls: ssl.SSLContext | None = None,
) -> ClientSocket:
    """Open a WebSocket.

    Args:
        url: ``ws://`` or ``wss://``.
        headers: to send with the request.
        on_message: called with each message.
        on_lost: called once when the connection is gone.
        timeout: seconds until it has to be open.
        tls: for ``wss://``; the system's default when None.

    Raises:
        NetworkTimeoutError: 1001.
        ConnectionFailedError: 1002; refused, or not a WebSocket.
        RateLimitError: 2001; the server asks to come later, see ``retry_after``.
    """
    parts = urlsplit(url)
    is_tls = parts.scheme == "wss"
    port = parts.port or (443 if is_tls else 80)
    loop = asyncio.get_running_loop()
    socket: ClientSocket | None = None
    try:
        async with asyncio.timeout(timeout):
            _, socket = await loop.create_connection(
                lambda: ClientSocket(url, headers, on_message, on_lost),
                parts.hostname or "",
                port,
                ssl=(tls or True) if is_tls else None,
            )
            await socket.opened
    except TimeoutError as error:
        if socket is not None:
            socket.abort()
        raise NetworkTimeoutError(f"No answer from {url} within {timeout} s.") from error
    except OSError as error:
        raise ConnectionFailedError(f"Cannot connect to {url}: {error}.", original=error) from error
    except BaseException:
        if socket is not None:
            socket.abort()
        raise
    return socket


def _refused(error: Exception) -> Exception:
    if isinstance(error, InvalidStatus) and error.response.status_code == SERVICE_UNAVAILABLE:
        text = error.response.headers.get("Retry-After", "1")
        seconds = float(text) if text.isdigit() else 1.0
        return RateLimitError("The server asks to come later.", retry_after=seconds)
    kind = "handshake" if isinstance(error, InvalidHandshake) else "protocol"
    return ConnectionFailedError(f"The {kind} failed: {error}.", original=error)
