"""One WebSocket connection as an ``asyncio.Protocol``, whatever is spoken over it.

It drives the sans-IO protocol of the ``websockets`` library. All messages that a connection is owed in one turn of
the loop leave in one write, and a message for many is the same bytes object for all: both together are worth an
order of magnitude (measured: 16 to 26 times) over a write per message. What is spoken is a subclass:
``ws.HubProtocol`` for sessions; a program's own for another language.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from holdfast import limits
from holdfast.session.connection import Handshake

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.session import Packet

CLOSE_WAIT: Final = 3.0
"""Seconds that the peer has to answer a close frame until the transport is cut."""

WRITE_HIGH_WATER: Final = 64 * limits.KIB
"""Bytes in the transport's own buffer above which frames wait in ours, where they are counted."""


class TurnFlusher:
    """Flushes all connections that were sent something in this turn of the loop, at its end."""

    def __init__(self) -> None:
        self._dirty: list[WebSocketProtocol] = []

    def add(self, protocol: WebSocketProtocol) -> None:
        """Flush this one at the end of the turn."""
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._flush)
        self._dirty.append(protocol)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for protocol in dirty:
            protocol.flush()


class WebSocketProtocol(asyncio.Protocol, ABC):
    """One WebSocket connection.

    A subclass says in ``admit`` whether somebody may come, makes of a handshake in ``opened`` the function that
    takes messages, and is told in ``gone`` when it is over. A reader that is too slow has its queue dropped
    (``overflowed``) and is not sent anything until it has read (``drained``).

    Args:
        flusher: shared by all connections of the loop.
        path: where it is; another one is answered with 404.
        origins: allowed besides the one that the server is reached at.
        subprotocols: spoken here, the best first.
        message_max: bytes of one message from the peer; a longer one is answered with 1009.
    """

    def __init__(
        self,
        flusher: TurnFlusher,
        *,
        path: str = "/ws",
        origins: Sequence[str] = (),
        subprotocols: Sequence[str] = (),
        message_max: int = limits.FRAME_BYTES_MAX,
    ) -> None:
        self._flusher = flusher
        self._path = path
        self._origins = frozenset(origins)
        self._protocol = ServerProtocol(
            max_size=message_max,
            subprotocols=cast("Any", list(subprotocols)) or None,
            select_subprotocol=_chosen(subprotocols) if subprotocols else None,
        )
        self._receive: Callable[[bytes], object] | None = None
        self._queue: list[bytes] = []
        self._queued = 0
        self._is_text = True
        self._is_paused = False
        self._is_dropping = False
        self._is_closing = False
        self._parts: list[bytes] = []
        self._timeout: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._on_gone: Callable[[], None] = lambda: None

    # --- what is spoken ---------------------------------------------------------------------

    @abstractmethod
    def admit(self, remote: str) -> float:
        """Return 0.0 when this address may connect, else the seconds after which it should try again."""

    @abstractmethod
    def opened(self, handshake: Handshake, subprotocol: str) -> Callable[[bytes], object]:
        """Begin; return what takes each message of the peer. The subprotocol is empty when none was chosen."""

    @abstractmethod
    def gone(self) -> None:
        """End: the connection that was opened is no more."""

    @abstractmethod
    def overflowed(self) -> None:
        """Take note that the peer reads too slowly and that its queue was dropped."""

    @abstractmethod
    def drained(self, *, was_dropped: bool) -> None:
        """Take note that the peer has read; what was not sent because its queue was dropped is to be made good."""

    # --- sending ----------------------------------------------------------------------------

    def send(self, packet: Packet) -> None:
        """Send a frame with what else is owed in this loop turn."""
        if self._is_dropping or self._is_closing:
            return
        if not self._queue and not self._is_paused:
            self._flusher.add(self)
        data = packet.websocket(is_text=self._is_text)
        self._queue.append(data)
        self._queued += len(data)
        if self._queued > limits.QUEUE_BYTES_MAX:
            if not self._is_paused:
                self.flush()  # a large turn, not a slow reader
                return
            self._queue.clear()
            self._queued = 0
            self._is_dropping = True
            if self._receive is not None:
                self.overflowed()

    def when_gone(self, listener: Callable[[], None]) -> None:
        """Call back when the transport is gone."""
        self._on_gone = listener

    @property
    def is_paused(self) -> bool:
        """Whether the peer reads more slowly than we write, at this moment."""
        return self._is_paused

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, then close with this WebSocket code; harmless when closed."""
        if self._is_closing:
            return
        self.flush(force=True)
        self._is_closing = True
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            self._transmit()
            self._cut_after(CLOSE_WAIT)
        else:
            self._transport.close()

    def cut(self) -> None:
        """Drop the connection as if the cable was pulled."""
        self._transport.abort()

    def stall(self, seconds: float) -> None:
        """Let nothing through in either direction for a while, as a dead line does."""
        self._transport.pause_reading()
        self.pause_writing()
        asyncio.get_running_loop().call_later(seconds, self._unstall)

    def _unstall(self) -> None:
        if not self._is_closing:
            self._transport.resume_reading()
            self.resume_writing()

    def flush(self, *, force: bool = False) -> None:
        """Write what is queued, in one piece."""
        if not self._queue or (self._is_paused and not force):
            return
        data = b"".join(self._queue)
        self._queue.clear()
        self._queued = 0
        if not self._transport.is_closing():
            self._transport.write(data)

    # --- asyncio.Protocol -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a transport, fresh or from the HTTP server."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self._cut_after(limits.HANDSHAKE_TIMEOUT)

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame):
                self._take(event)
        self._transmit()
        if self._protocol.close_expected():
            self._cut_after(CLOSE_WAIT)

    def eof_received(self) -> bool:
        """The peer sends nothing more; nor will we."""
        self._protocol.receive_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """The transport is gone."""
        self._is_closing = True
        self._queue.clear()
        if self._timeout is not None:
            self._timeout.cancel()
        if self._receive is not None:
            self.gone()
        self._on_gone()

    def pause_writing(self) -> None:
        """The peer reads more slowly than we write."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """The peer has read."""
        self._is_paused = False
        was_dropped, self._is_dropping = self._is_dropping, False
        if self._receive is not None:
            self.drained(was_dropped=was_dropped)
        self.flush()

    def shutdown(self) -> None:
        """Close on behalf of the HTTP server, which is being stopped."""
        self.close(1012, "SERVER_RESTARTING")

    # --- the handshake ----------------------------------------------------------------------

    def _shake_hands(self, request: Request) -> None:
        if request.path.split("?", 1)[0] != self._path:
            self._reject(404, f"No WebSocket here; it is at {self._path}.\n")
            return
        if not self._is_origin_allowed(request):
            self._reject(403, "This origin may not connect.\n")
            return
        wait = self.admit(_remote(self._transport))
        if wait > 0:
            self._reject(503, "Too many connections; try again later.\n", retry_after=wait)
            return
        response = self._protocol.accept(request)
        self._protocol.send_response(response)
        self._transmit()
        if response.status_code != 101:  # noqa: PLR2004 - Switching Protocols
            return
        if self._timeout is not None:
            self._timeout.cancel()
        handshake = Handshake(
            remote=_remote(self._transport),
            path=request.path,
            headers={name.lower(): value for name, value in request.headers.raw_items()},
            cookies=cookies_of(request.headers.get_all("Cookie")),
        )
        self._receive = self.opened(handshake, str(self._protocol.subprotocol or ""))

    def _is_origin_allowed(self, request: Request) -> bool:
        """Same host as the page's, or a listed origin; a client that is no browser sends none."""
        given = request.headers.get_all("Origin")
        if not given:
            return True
        hosts = request.headers.get_all("Host")
        return len(given) == 1 and (
            given[0] in self._origins or (len(hosts) == 1 and is_same_host(given[0], hosts[0]))
        )

    def _reject(self, status: int, text: str, *, retry_after: float | None = None) -> None:
        response = self._protocol.reject(status, text)
        if retry_after is not None:
            response.headers["Retry-After"] = str(max(1, round(retry_after)))
        self._protocol.send_response(response)
        self._transmit()

    # --- frames -----------------------------------------------------------------------------

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CONT:
            self._parts.append(bytes(frame.data))
        elif frame.opcode in {Opcode.TEXT, Opcode.BINARY}:
            self._parts = [bytes(frame.data)]
        else:
            return  # ping, pong and close are answered by the protocol itself
        if not frame.fin or self._receive is None or self._is_closing:
            return
        message = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        self._receive(message)

    def _transmit(self) -> None:
        """Write what the protocol itself has to say, after what was queued before."""
        chunks = self._protocol.data_to_send()
        if not chunks:
            return
        self.flush(force=True)
        for chunk in chunks:
            if self._transport.is_closing():
                return
            if chunk:
                self._transport.write(chunk)
            else:
                self._transport.close()

    def _cut_after(self, seconds: float) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
        loop = asyncio.get_running_loop()
        self._timeout = loop.call_later(seconds, self._transport.abort)


def cookies_of(headers: Sequence[str]) -> dict[str, str]:
    """Read cookies; a header that cannot be read counts as none."""
    cookies: dict[str, str] = {}
    for header in headers:
        try:
            cookies |= {name: morsel.value for name, morsel in SimpleCookie(header).items()}
        except CookieError:
            continue  # hostile or broken: whoever needs a cookie will miss it and say so
    return cookies


def is_same_host(origin: str, host: str) -> bool:
    """Say whether an Origin and a Host header name the same host and port."""
    parts = urlsplit(origin)
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()


def _chosen(spoken: Sequence[str]) -> Any:
    def choose(_: ServerProtocol, offered: Sequence[str]) -> Any:
        return next((name for name in offered if name in spoken), None)

    return choose


def _remote(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""
