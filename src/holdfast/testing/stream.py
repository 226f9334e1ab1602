"""Simulated TCP: two transports and the bytes under way between them.

Theory. A stream never loses bytes while its connection lives: what a path loses is sent again, and arrives
later. At most a window of bytes is under way or unread; what exceeds it waits in the sender's buffer, which
is what ``get_write_buffer_size`` and ``pause_writing`` tell about. Boundaries of writes mean nothing: what
arrives is sometimes in two pieces and sometimes joined to what came before.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from holdfast.testing.flow import Flow, Nowhere
from holdfast.testing.path import NEUTRAL
from holdfast.testing.sockets import SimSocket, error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import Context

    from holdfast.testing.network import Network
    from holdfast.testing.path import Path
    from holdfast.testing.process import Process

HIGH_WATER: Final = 64 * 1024
"""Bytes in the sender's buffer above which it is asked to pause, as asyncio has it."""


class Connection:
    """Two transports joined by two flows."""

    def __init__(
        self,
        network: Network,
        there: Path,
        back: Path,
        client: tuple[Context, Process | None, tuple[str, int]],
        server: tuple[Context, Process | None, tuple[str, int]],
    ) -> None:
        loop = network.loop
        self.network = network
        up, down = Flow(loop, there, back), Flow(loop, back, there)
        self.client = SimTransport(self, client, server[2], up, down)
        self.server = SimTransport(self, server, client[2], down, up)
        up.sender = down.receiver = self.client
        up.receiver = down.sender = self.server
        self.flows = up, down

    def refuse(self, flow: Flow) -> None:
        """Answer what reaches a closed end with a reset."""
        if not flow.sender.is_gone:
            self._reset(flow.sender, flow.back)

    def reset(self) -> None:
        """Reset both ends, as a gateway does that has forgotten the connection."""
        up, down = self.flows
        self._reset(up.sender, down.path)
        self._reset(down.sender, up.path)

    def black_hole(self) -> None:
        """Swallow whatever is sent from now on, for ever, and tell nobody."""
        up, down = self.flows
        up.path = down.back = cast("Path", Nowhere(up.path))
        down.path = up.back = cast("Path", Nowhere(down.path))

    def _reset(self, transport: SimTransport, path: Path) -> None:
        def arrived() -> None:
            if path.is_open:  # a reset is sent once: what is lost of it is lost
                transport.lose(error_of(errno.ECONNRESET))

        due = path.arrival(0)
        self.network.loop.call_at_ns(due, arrived, context=NEUTRAL)

    def ended(self) -> None:
        """Forget the connection when both ends are gone."""
        if self.client.is_gone and self.server.is_gone:
            self.network.forget(self)


class SimTransport(asyncio.Transport):
    """One end of a simulated connection."""

    def __init__(
        self,
        connection: Connection,
        end: tuple[Context, Process | None, tuple[str, int]],
        peer: tuple[str, int],
        outgoing: Flow,
        incoming: Flow,
    ) -> None:
        self.context, self.process, address = end
        super().__init__(
            {"sockname": address, "peername": peer, "socket": SimSocket(address, peer)}
        )
        self.connection = connection
        self.is_gone = False
        self._loop = connection.network.loop
        self._out = outgoing
        self._in = incoming
        self._protocol: asyncio.BaseProtocol | None = None
        self._detach: Callable[[], None] | None = None
        self._unread: deque[bytes] = deque()
        self._has_ended = False
        self._is_reading = False
        self._is_closing = False
        self._is_finished = False
        self._is_paused = False
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4

    def begin(self, protocol: asyncio.BaseProtocol, detach: Callable[[], None] | None) -> None:
        """Hand the connection to its protocol."""
        self._protocol = protocol
        self._detach = detach
        if self.is_gone:  # reset before it was taken
            self.is_gone = False
            protocol.connection_made(self)
            self.lose(error_of(errno.ECONNRESET))
            return
        protocol.connection_made(self)
        self.resume_reading()

    # --- reading ----------------------------------------------------------------------------

    def take(self, data: bytes) -> None:
        """Bytes have arrived."""
        self._unread.append(data)
        self._read()

    def take_end(self) -> None:
        """The other end has said its last."""
        self._has_ended = True
        self._read()

    def _read(self) -> None:
        while self._is_reading and self._unread and not self._is_closing:
            data = self._unread.popleft()
            self._in.acknowledge(len(data))
            try:
                self._feed(data)
            except Exception as error:  # noqa: BLE001 - told and ended as asyncio's own transports do
                self._fatal(error, "Fatal error: protocol.data_received() call failed.")
        if self._has_ended and self._is_reading and not self._unread and not self._is_closing:
            self._is_reading = False
            try:
                stays = cast("asyncio.Protocol", self._protocol).eof_received()
            except Exception as error:  # noqa: BLE001 - as above
                self._fatal(error, "Fatal error: protocol.eof_received() call failed.")
                return
            if not stays:
                self.close()

    def _feed(self, data: bytes) -> None:
        protocol = self._protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            while data:
                buffer = memoryview(protocol.get_buffer(len(data)))
                size = min(len(buffer), len(data))
                buffer[:size] = data[:size]
                protocol.buffer_updated(size)
                data = data[size:]
        else:
            cast("asyncio.Protocol", protocol).data_received(data)

    def is_reading(self) -> bool:
        """Return True unless reading is paused."""
        return self._is_reading

    def pause_reading(self) -> None:
        """Leave what arrives where it is; the window fills up."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Read again."""
        if not self._is_reading and not self._is_closing:
            self._is_reading = True
            if self._unread or self._has_ended:
                self._loop.call_soon(self._read, context=self.context)

    # --- writing ----------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        """Send bytes."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data: expecting a bytes-like object, got {type(data).__name__}")
        if self._is_finished:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data or self.is_gone or self._is_closing:
            return
        self._out.write(bytes(data))
        self.buffer_changed()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[int]]) -> None:
        """Send several pieces as one."""
        self.write(b"".join(list_of_data))

    def buffer_changed(self) -> None:
        """Tell the protocol to pause or go on; finish a close that waited for the buffer."""
        size = self._out.backlog_size
        if not self._is_paused and size > self._high:
            self._is_paused = True
            cast("asyncio.Protocol", self._protocol).pause_writing()
        elif self._is_paused and size <= self._low:
            self._is_paused = False
            self._loop.call_soon(self._resume_writing, context=self.context)
        if size == 0 and self._is_closing:
            self._finish_closing()
        elif size == 0 and self._is_finished:
            self._out.finish()

    def _resume_writing(self) -> None:
        if not self.is_gone and not self._is_paused:
            cast("asyncio.Protocol", self._protocol).resume_writing()

    def can_write_eof(self) -> bool:
        """Return True: a stream can be half-closed."""
        return True

    def write_eof(self) -> None:
        """Say that nothing more comes, and go on reading."""
        if not self._is_finished and not self._is_closing:
            self._is_finished = True
            if not self._out.backlog_size:
                self._out.finish()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait for the window."""
        return self._out.backlog_size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low and the high mark in bytes."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks, as asyncio does."""
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low

    # --- ending -----------------------------------------------------------------------------

    def is_closing(self) -> bool:
        """Return True when it is closed or being closed."""
        return self._is_closing

    def close(self) -> None:
        """Send what is buffered, then close."""
        if self._is_closing:
            return
        self._is_closing = True
        self._is_reading = False
        if not self._out.backlog_size:
            self._finish_closing()

    def abort(self) -> None:
        """Close at once; what is buffered is forgotten."""
        if self.is_gone:
            return
        self._is_closing = True
        self._is_reading = False
        self._out.discard_backlog()
        self._finish_closing()

    def lose(self, error: OSError) -> None:
        """The connection has ended under us."""
        if self.is_gone:
            return
        self._is_closing = True
        self._is_reading = False
        self._out.discard_backlog()
        self._out.is_dead = True
        self._gone(error)

    def die(self, *, is_silent: bool) -> None:
        """The process has died: its protocol hears nothing, the other end perhaps.

        Args:
            is_silent: the machine died too, so that nobody closes the connection.
        """
        if self.is_gone:
            return
        has_unread = bool(self._unread)
        self.is_gone = self._is_closing = True
        self._is_reading = False
        self._out.discard_backlog()
        if is_silent:
            self._out.is_dead = True
        elif has_unread:
            self.connection.refuse(self._in)
        elif not self._is_finished:
            self._out.finish()
        self.connection.ended()

    def _finish_closing(self) -> None:
        if self.is_gone:
            return
        if not self._is_finished:
            self._out.finish()
        self._gone(None)

    def _gone(self, error: OSError | None) -> None:
        self.is_gone = True
        self._unread.clear()
        self.connection.ended()
        if self._protocol is not None:
            self._loop.call_soon(self._say_lost, error, context=self.context)

    def _say_lost(self, error: OSError | None) -> None:
        protocol = cast("asyncio.BaseProtocol", self._protocol)
        try:
            protocol.connection_lost(error)
        finally:
            if self._detach is not None:
                self._detach()

    def _fatal(self, error: Exception, message: str) -> None:
        self._loop.call_exception_handler(
            {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
        )
        self.abort()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return cast("asyncio.BaseProtocol", self._protocol)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give the connection to another protocol."""
        self._protocol = protocol
