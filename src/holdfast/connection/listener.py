"""The accepting side of TCP and TLS: a transport for each peer that connects, and no more of them than allowed.

::

    class Echo:                                     # a Receiver
        def __init__(self, peer): self.peer = peer
        def received(self, message): self.peer.send(message)
        def ponged(self, number): ...
        def lost(self, error): ...

    listener = Listener(Echo, framing=Lines)
    port = await listener.start("127.0.0.1")
    await listener.stop()

What strangers may do is bounded before anything is done for them: how many there are, how fast they come, how long
they may take to say who they are, how much may wait for one who does not read. With TLS they are counted from the
moment they connect, before hands are shaken.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast import limits
from holdfast.connection._door import Door, origin_of
from holdfast.connection.framing import Framed
from holdfast.connection.transport import StreamTransport
from holdfast.errors import ErrorCode, NetworkError, NetworkTimeoutError
from holdfast.resilience import RateLimitConfig, RateLimiter

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from holdfast.connection.framing import Framing
    from holdfast.connection.transport import Receiver

log = logging.getLogger("holdfast.connection")


@dataclass(frozen=True, kw_only=True)
class ListenerSettings:
    """What those who connect may do.

    Attributes:
        connections_max: at once (a further one is cut).
        per_address_max: at once from one address (likewise); the addresses of one customer of IPv6 count as one.
        accept_rate: connections a second from one address in the long run (likewise).
        accept_burst: at once from one address.
        proof_timeout: seconds until ``Peer.proved`` must have been called (cut); None: never.
        read_timeout: seconds without a byte (cut); None: never.
        write_queue_max: bytes that may wait for a peer (a slow reader is cut).
        message_max: bytes of one message (cut).
    """

    connections_max: int = limits.LISTENER_CONNECTIONS_MAX
    per_address_max: int = limits.LISTENER_CONNECTIONS_MAX
    accept_rate: float = limits.ADDRESS_HANDSHAKE_RATE
    accept_burst: int = limits.ADDRESS_HANDSHAKE_BURST
    proof_timeout: float | None = limits.HANDSHAKE_TIMEOUT
    read_timeout: float | None = None
    write_queue_max: int = 1024 * limits.KIB
    message_max: int = 1024 * limits.KIB


class Peer(StreamTransport):
    """One who has connected; a transport like any other.

    Attributes:
        remote: its address as text, without the port.
        origin: what limits count it under: its address, or for IPv6 the network that one customer has.
        local: the address and the port of ours to which it came.
        tls: the TLS object when the connection is encrypted.
    """

    def __init__(self, listener: Listener, framing: Framing) -> None:
        super().__init__(_Nobody(), framing)
        self._listener = listener
        self._proof: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self.remote = ""
        self.origin = ""
        self.is_inside = False
        self.local = ("", 0)
        self.tls: Any = None

    # --- what its owner does ----------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether something sent now could arrive."""
        return not self._is_lost and not self._transport.is_closing()

    @property
    def queued(self) -> int:
        """Bytes that wait until the peer reads."""
        return self._owed_bytes + self._transport.get_write_buffer_size()

    def proved(self) -> None:
        """It has said who it is: it may stay."""
        if self._proof is not None:
            self._proof.cancel()
            self._proof = None

    def write(self, data: bytes) -> None:
        """Send bytes; a peer for whom too many wait is cut."""
        super().write(data)
        if self.is_open and self.queued > self._listener.settings.write_queue_max:
            self._listener.slow += 1
            waiting = self.queued
            self.fail(
                NetworkError(
                    f"{self.remote} does not read: {waiting} bytes wait.",
                    code=ErrorCode.SLOW_READER,
                )
            )

    # --- of the loop ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it in, or cut it."""
        name = transport.get_extra_info("peername")
        self.remote = str(name[0]) if name else ""
        self.origin = origin_of(self.remote)
        ours = transport.get_extra_info("sockname")
        if ours:
            self.local = (str(ours[0]), int(ours[1]))
        self.tls = transport.get_extra_info("ssl_object")
        try:
            super().connection_made(transport)
        except NetworkError:  # it has gone already; ``connection_lost`` follows
            transport.abort()  # type: ignore[attr-defined]
            return
        if not self.is_inside and not self._listener._enters(self):
            self._transport.abort()
            return
        self._listener._begins(self)
        settings, loop = self._listener.settings, asyncio.get_running_loop()
        self._heard_at = loop.time()
        if settings.proof_timeout is not None:
            self._proof = loop.call_later(settings.proof_timeout, self._unproved)
        if settings.read_timeout is not None:
            self._reading = loop.call_later(settings.read_timeout, self._look)
        self.receiver = self._listener._welcome(self)

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if self._reading is not None:
            self._heard_at = asyncio.get_running_loop().time()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self.proved()
        if self._reading is not None:
            self._reading.cancel()
        self._listener._left(self)
        super().connection_lost(exc)

    def _unproved(self) -> None:
        limit = self._listener.settings.proof_timeout
        self._proof = None
        self.fail(NetworkTimeoutError(f"{self.remote} did not say who it is within {limit:g} s."))

    def _look(self) -> None:
        limit = self._listener.settings.read_timeout
        assert limit is not None, "the timer runs only where there is a limit"
        loop = asyncio.get_running_loop()
        due = self._heard_at + limit
        if loop.time() >= due:
            self.fail(NetworkTimeoutError(f"{self.remote} was silent for {limit:g} s."))
        else:
            self._reading = loop.call_at(due, self._look)


class Listener:
    """Takes connections over TCP or TLS.

    Args:
        welcome: makes the receiver of a peer that has connected.
        framing: cuts streams into messages, made with the largest size.
        settings: what peers may do.
        tls: makes it TLS.
        name: for the log.

    Attributes:
        peers: who is connected.
        accepted: connections that were taken, ever.
        refused: connections that were cut at once, because there were too many or they came too fast.
        slow: peers that were cut because they did not read.
    """

    def __init__(
        self,
        welcome: Callable[[Peer], Receiver],
        *,
        framing: Callable[[int], Framing] = Framed,
        settings: ListenerSettings | None = None,
        tls: ssl.SSLContext | None = None,
        name: str = "listener",
    ) -> None:
        self.settings = ListenerSettings() if settings is None else settings
        self.name = name
        self.peers: set[Peer] = set()
        self.accepted = 0
        self.refused = 0
        self.slow = 0
        self._welcome = welcome
        self._framing = framing
        self._tls = tls
        self._by_address: dict[str, int] = {}
        self._pace = RateLimiter(
            RateLimitConfig(self.settings.accept_rate, 1.0, self.settings.accept_burst),
            keys_max=limits.ADDRESSES_MAX,
            name=f"connections to {name}",
        )
        self._server: asyncio.Server | None = None
        self._door: Door | None = None
        self._inside = 0
        self._is_listening = False
        self._emptied = asyncio.Event()

    async def start(self, host: str, port: int = 0) -> int:
        """Listen; returns the port, a free one for 0.

        Raises:
            NetworkError: 1002; the address is taken or is not ours.
        """
        self._is_listening = True
        try:
            if self._tls is not None:
                self._door = Door(self._tls, self._comes, self._shaken, name=self.name)
                return await self._door.open(host, port, limits.LISTEN_BACKLOG)
            self._server = await asyncio.get_running_loop().create_server(
                self._new_peer, host, port, backlog=limits.LISTEN_BACKLOG
            )
        except OSError as error:
            self._is_listening = False
            raise NetworkError(
                f"{self.name} cannot listen on {host}:{port}: {error.strerror or error}. "
                "Another program may have the port, or the address is none of this machine.",
                code=ErrorCode.NETWORK_CONNECTION_FAILED,
                original=error,
            ) from error
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self, within: float = 1.0) -> None:
        """Take nobody any more, close to all, and cut those who have not gone after ``within`` seconds."""
        self._is_listening = False
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._door is not None:
            await self._door.close()
            self._door = None
        for peer in tuple(self.peers):
            peer.close()
        try:
            async with asyncio.timeout(within):
                await self._gone()
        except TimeoutError:
            for peer in tuple(self.peers):
                peer.abort()  # it does not read, or does not answer
            await self._gone()

    async def _gone(self) -> None:
        while self.peers:
            self._emptied.clear()
            await self._emptied.wait()

    def _new_peer(self) -> Peer:
        return Peer(self, self._framing(self.settings.message_max))

    def _comes(self, address: str) -> Peer | None:
        """Somebody has connected, with whom hands are to be shaken."""
        peer = self._new_peer()
        peer.origin = origin_of(address)
        return peer if self._enters(peer) else None

    def _enters(self, peer: Peer) -> bool:
        """Count somebody in, if there is room."""
        here = self._by_address.get(peer.origin, 0)
        settings = self.settings
        now = asyncio.get_running_loop().time()
        if (
            not self._is_listening
            or self._inside >= settings.connections_max
            or here >= settings.per_address_max
            or self._pace.check(peer.origin, now=now) > 0
        ):
            self.refused += 1
            return False
        peer.is_inside = True
        self._inside += 1
        self._by_address[peer.origin] = here + 1
        return True

    def _shaken(self, peer: Peer) -> None:
        """Hands were shaken, or could not be."""
        if peer not in self.peers:
            self._left(peer)

    def _begins(self, peer: Peer) -> None:
        """It is a connection, to be told of."""
        self.accepted += 1
        self.peers.add(peer)

    def _left(self, peer: Peer) -> None:
        if not peer.is_inside:
            return
        peer.is_inside = False
        self._inside -= 1
        here = self._by_address[peer.origin] - 1
        if here:
            self._by_address[peer.origin] = here
        else:
            del self._by_address[peer.origin]
        self.peers.discard(peer)
        if not self.peers:
            self._emptied.set()


class _Nobody:
    """Receives for a peer that was not let in."""

    def received(self, message: bytes) -> None:
        """Drop it."""

    def ponged(self, number: int) -> None:
        """Drop it."""

    def lost(self, error: Exception | None) -> None:
        """Nobody minds."""
