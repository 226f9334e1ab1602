"""What moves messages between two ends until it breaks; ``dial`` opens one."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from holdfast import limits
from holdfast.connection.framing import Control
from holdfast.errors import NetworkError, NetworkTimeoutError, RemoteProtocolError

if TYPE_CHECKING:
    from holdfast.connection.framing import Framing


class Receiver(Protocol):
    """Who is told what comes over a transport."""

    def received(self, message: bytes) -> None:
        """A message came."""

    def ponged(self, number: int) -> None:
        """The answer to a ping came."""

    def lost(self, error: Exception | None) -> None:
        """It is gone, told once; None when the peer closed it in order."""


class Transport(Protocol):
    """One open way to a peer.

    Attributes:
        bytes_in: received so far.
        bytes_out: sent so far.
    """

    bytes_in: int
    bytes_out: int

    def send(self, message: bytes) -> None:
        """Send a message; harmless when the transport is gone."""

    async def drained(self, timeout: float) -> None:  # noqa: ASYNC109 - of the peer, not of the call
        """Wait until the peer has taken enough; raises NetworkTimeoutError (1001) when it does not."""

    def ping(self, number: int) -> None:
        """Ask for an answer; ``Receiver.ponged`` is called with the number."""

    def pause(self) -> None:
        """Read no more, until ``resume``."""

    def resume(self) -> None:
        """Read on."""

    def close(self) -> None:
        """Say goodbye and close, after what was sent."""

    def abort(self) -> None:
        """Cut at once."""


class FlowProtocol(asyncio.Protocol):
    """What all transports over TCP share: flow control, counting, one word about the end.

    What is written within one turn of the loop leaves in one write: a system call costs more than a message.
    """

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.bytes_in = 0
        self.bytes_out = 0
        self._transport: asyncio.Transport
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._error: Exception | None = None
        self._is_lost = False
        self._owed: list[bytes] = []
        self._owed_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        keep_alive(transport.get_extra_info("socket"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._is_lost = True
        self._owed.clear()
        self._flowing.set()
        self.receiver.lost(self._error or exc)

    def pause_writing(self) -> None:
        """The peer reads too slowly."""
        self._flowing.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._flowing.set()

    async def drained(self, timeout: float) -> None:  # noqa: ASYNC109 - of the peer, not of the call
        """Wait until the peer has taken enough.

        Raises:
            NetworkTimeoutError: 1001; it has not within ``timeout`` seconds.
        """
        if self._flowing.is_set():
            return
        try:
            async with asyncio.timeout(timeout):
                await self._flowing.wait()
        except TimeoutError as error:
            raise NetworkTimeoutError(f"The peer has not read for {timeout:g} s.") from error

    def pause(self) -> None:
        """Read no more, until ``resume``."""
        if not self._is_lost:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if not self._is_lost:
            self._transport.resume_reading()

    def abort(self) -> None:
        """Cut at once."""
        self._transport.abort()

    def fail(self, error: Exception) -> None:
        """Cut, and say why."""
        self._error = error
        self._transport.abort()

    def write(self, data: bytes) -> None:
        """Send bytes with what else is written in this turn of the loop; harmless when the connection is gone."""
        if self._is_lost or self._transport.is_closing():
            return
        if not self._owed:
            asyncio.get_running_loop().call_soon(self._flush)
        self._owed.append(data)
        self._owed_bytes += len(data)
        self.bytes_out += len(data)
        if self._owed_bytes > JOINED_MAX:
            self._flush()  # so that the peer's pace is felt

    def _flush(self) -> None:
        owed, self._owed, self._owed_bytes = self._owed, [], 0
        if owed and not self._is_lost and not self._transport.is_closing():
            self._transport.write(owed[0] if len(owed) == 1 else b"".join(owed))

    def _end(self) -> None:
        """Close after what was written."""
        self._flush()
        self._transport.close()


class StreamTransport(FlowProtocol):
    """Messages over TCP or TLS.

    Args:
        receiver: who is told.
        framing: cuts the stream into messages.
    """

    def __init__(self, receiver: Receiver, framing: Framing) -> None:
        super().__init__(receiver)
        self._framing = framing

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self.bytes_in += len(data)
        try:
            for found in self._framing.feed(data):
                if not isinstance(found, Control):
                    self.receiver.received(found)
                elif found.is_answer:
                    self.receiver.ponged(found.number)
                else:
                    self.write(self._framing.control(Control(True, found.number)) or b"")
        except RemoteProtocolError as error:
            self.fail(error)

    def send(self, message: bytes) -> None:
        """Send a message; harmless when the connection is gone."""
        self.write(self._framing.encode(message))

    def reframe(self, framing: Framing) -> None:
        """Cut what comes from now on by another framing, and write what is sent by it."""
        self._framing = framing

    def ping(self, number: int) -> None:
        """Ask for an answer; does nothing where the framing has no pings."""
        data = self._framing.control(Control(is_answer=False, number=number))
        if data is not None:
            self.write(data)

    def close(self) -> None:
        """Close after what was sent."""
        self._end()


JOINED_MAX: Final = 64 * limits.KIB
"""Bytes that are written in one turn of the loop before they are handed on."""

KEEP_ALIVE = (
    ("TCP_KEEPIDLE", 30),
    ("TCP_KEEPINTVL", 10),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", 60_000),
)
"""The kernel's own signs of life, beneath ours: seconds, seconds, count; milliseconds for unacknowledged data."""


def keep_alive(of: Any) -> None:
    """Let the kernel notice dead peers, and send small messages at once."""
    if of is None or getattr(of, "family", None) not in {socket.AF_INET, socket.AF_INET6}:
        return
    try:
        of.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        of.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in KEEP_ALIVE:
            if hasattr(socket, name):
                of.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    except OSError as error:  # the peer has gone already
        raise NetworkError(f"The connection broke at once: {error}.", original=error) from error
