"""A gateway's pipes: bytes of a client, passed on to another gateway and back.

Theory. A client names the other gateway by its pin, so there is nothing it could ask for but what is on our list: no
address of its choice, no machine of our network. We see who it is and which gateway it goes on to; what it says there
is TLS between those two. The other gateway sees us. A gateway that comes to us as a client would make a chain, and
chains make loops: who comes from the address of a gateway is refused. We know those on our list, and those who pipe to
us, since they tell us before they do (``_standing``). (Gateways that share one address with us are not told from
clients there; between those, one more hop would hide nothing.)

A pipe holds a bounded number of bytes each way: who reads slowly makes the other one wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, cast

from holdfast import limits
from holdfast.connection.transport import keep_alive
from holdfast.errors import ErrorCode, NetworkError
from holdfast.mailbox._standing import Standing
from holdfast.mailbox.wire import Done, Refused, encode

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Sequence

    from holdfast.connection import Control, Peer
    from holdfast.mailbox.address import GatewayAddress
    from holdfast.mailbox.settings import GatewaySettings
    from holdfast.mailbox.wire import Pipe, Piping

log = logging.getLogger("holdfast.mailbox")

RETRY: float = 5.0
"""Seconds after which a client may try a pipe again."""

LOOPBACK = frozenset({"127.0.0.1", "::1"})
ANYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound to


class Pipes:
    """The pipes of one gateway.

    Args:
        targets: gateways that it pipes to.
        pin: its own.
        settings: what is allowed.
        tls_to: our side of TLS to a target; it returns None only where the network is a simulated one.

    Raises:
        ValueError: there are too many targets, it is its own, or one is an onion service only.

    Attributes:
        open: pipes now.
        counts: pipes that were opened, and refusals, by name.
    """

    def __init__(
        self,
        targets: Sequence[GatewayAddress],
        pin: bytes,
        settings: GatewaySettings,
        tls_to: Callable[[GatewayAddress], ssl.SSLContext | None],
    ) -> None:
        if len(targets) > limits.PIPE_TARGETS_MAX:
            raise ValueError(f"A gateway pipes to {limits.PIPE_TARGETS_MAX} others at most.")
        if any(target.pin == pin for target in targets):
            raise ValueError("A gateway does not pipe to itself.")
        for target in targets:
            if target.is_hidden:
                raise ValueError(
                    f"{target.host} is an onion service: a gateway pipes to what is reached without Tor."
                )
        self._targets = {target.pin: target for target in targets}
        self._settings = settings
        self._host = ""
        self._tls_to = tls_to
        self._neighbours: set[str] = set()
        self._piping: Counter[str] = Counter()
        self._standing: dict[bytes, Standing] = {}
        self._own: frozenset[str] = LOOPBACK
        self._by_address: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self.open = 0
        self.counts: Counter[str] = Counter()

    async def start(self, host: str) -> None:
        """Learn where the gateways on the list are.

        Args:
            host: where we listen; pipes go out from there.
        """
        self._host = "" if host in ANYWHERE else host
        self._own = frozenset({host}) if self._host else LOOPBACK
        self._standing = {
            pin: Standing(target, self._tls_to(target), self._host)
            for pin, target in self._targets.items()
        }
        await self.refresh()

    async def refresh(self) -> None:
        """Look again where they are; called now and then."""
        loop = asyncio.get_running_loop()
        found: set[str] = set()
        for target in self._targets.values():
            try:
                async with asyncio.timeout(limits.PIPE_CONNECT_TIMEOUT):
                    infos = await loop.getaddrinfo(target.host, target.port, type=1)
            except OSError as error:
                log.warning("a gateway on the list is not found: %s", error)
            else:
                found.update(str(info[4][0]) for info in infos)
        self._neighbours |= found - self._own

    async def stop(self) -> None:
        """Open no more; those that are open end with their clients."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for standing in self._standing.values():
            standing.close()

    # --- gateways that pipe to us -----------------------------------------------------------

    def stands(self, peer: Peer, request: Piping) -> None:
        """A gateway says that it pipes to us: nobody gets a pipe from its address while its connection stands."""
        is_elsewhere = peer.remote not in self._own and peer.remote != peer.local[0]
        if is_elsewhere:
            self._piping[peer.remote] += 1
        peer.receiver = _Stands(self, peer, is_counted=is_elsewhere)
        peer.proved()
        peer.send(encode(Done(request.n)))

    def falls(self, address: str) -> None:
        """It stands no longer; who came from there a moment ago has said by then what he wants."""
        asyncio.get_running_loop().call_later(self._settings.proof_timeout, self._forget, address)

    def _forget(self, address: str) -> None:
        self._piping[address] -= 1
        if not self._piping[address]:
            del self._piping[address]

    # --- opening ----------------------------------------------------------------------------

    def asked(self, peer: Peer, request: Pipe) -> None:
        """A client asks for a pipe; from now on it is ours."""
        refusal = self._refusal(peer, request)
        if refusal is not None:
            code, text, retry = refusal
            self._refuse(peer, request.n, code, text, retry)
            return
        pipe = _Pipe(self, peer)
        peer.receiver = pipe
        self.open += 1
        self._by_address[peer.origin] += 1
        self.spawn(self._connect(pipe, request), "pipe")

    def _refusal(self, peer: Peer, request: Pipe) -> tuple[ErrorCode, str, float] | None:
        settings = self._settings
        if not self._targets or not settings.pipes_max:
            return ErrorCode.PIPE_REFUSED, "This gateway does not pipe.", 0
        if request.pin not in self._targets:
            return ErrorCode.PIPE_REFUSED, "That gateway is not on the list of this one.", 0
        if peer.remote in self._neighbours or peer.remote in self._piping:
            return ErrorCode.PIPE_REFUSED, "A gateway does not pipe for another gateway.", 0
        if (
            self.open >= settings.pipes_max
            or self._by_address[peer.origin] >= settings.pipes_per_address
        ):
            return ErrorCode.SERVER_OVERLOADED, "There are too many pipes already.", RETRY
        return None

    async def _connect(self, pipe: _Pipe, request: Pipe) -> None:
        target, peer = self._targets[request.pin], pipe.peer
        local = (self._host, 0) if self._host else None
        try:
            async with asyncio.timeout(limits.PIPE_CONNECT_TIMEOUT):
                await self._standing[target.pin].known()
                await asyncio.get_running_loop().create_connection(
                    lambda: _Far(pipe), target.host, target.port, local_addr=local
                )
        except (OSError, NetworkError) as error:  # a timeout is an OSError as well
            reason = str(error) or "it does not answer"
            log.info("the gateway %s cannot be reached: %s", target.name, reason)
            text = "The other gateway cannot be reached from here."
            self._refuse(peer, request.n, ErrorCode.PIPE_FAILED, text, RETRY)
            return
        if not peer.is_open:
            pipe.lost(None)
            return
        self.counts["opened"] += 1
        peer.send(encode(Done(request.n)))
        peer.reframe(Raw())
        pipe.is_open = True
        peer.proved()

    def _refuse(self, peer: Peer, n: int, code: ErrorCode, text: str, retry: float) -> None:
        self.counts[f"refused {code.name.lower()}"] += 1
        peer.send(encode(Refused(n, code, text, round(1000 * retry))))
        peer.close()

    def left(self, peer: Peer) -> None:
        """A pipe is no more."""
        self.open -= 1
        self._by_address[peer.origin] -= 1
        if not self._by_address[peer.origin]:
            del self._by_address[peer.origin]

    def spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        """Run something that belongs to a pipe."""
        task = asyncio.get_running_loop().create_task(work, name=f"holdfast-{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a pipe failed", exc_info=error)


class Raw:
    """No framing: bytes are what they are."""

    def feed(self, data: bytes) -> list[bytes | Control]:
        """Take bytes; they are one message."""
        return [data]

    def encode(self, message: bytes) -> bytes:
        """Return them."""
        return message

    def control(self, control: Control) -> bytes | None:  # noqa: ARG002 - of the protocol
        """There are none."""
        return None


class _Stands:
    """The connection of a gateway that pipes to us; it says nothing more, only its pings are answered."""

    def __init__(self, pipes: Pipes, peer: Peer, *, is_counted: bool) -> None:
        self._pipes = pipes
        self._peer = peer
        self._is_counted = is_counted

    def received(self, message: bytes) -> None:  # noqa: ARG002 - whatever it is
        """It has nothing more to say."""
        self._peer.abort()

    def ponged(self, number: int) -> None:
        """Nobody asked."""

    def lost(self, error: Exception | None) -> None:  # noqa: ARG002 - all ends are alike
        """It stands no longer."""
        if self._is_counted:
            self._pipes.falls(self._peer.remote)


class _Pipe:
    """One client's pipe: the receiver of what it sends."""

    def __init__(self, pipes: Pipes, peer: Peer) -> None:
        self.pipes = pipes
        self.peer = peer
        self.far: _Far | None = None
        self.is_open = False
        self._is_over = False

    def received(self, message: bytes) -> None:
        """Pass on what the client says."""
        if self.is_open and self.far is not None:
            self.far.write(message)
        else:
            self.peer.abort()  # it does not wait for the answer: nothing that it says has a place

    def ponged(self, number: int) -> None:
        """Nobody asked."""

    def lost(self, error: Exception | None) -> None:  # noqa: ARG002 - both ends close alike
        """The client is gone: so is the pipe."""
        if self._is_over:
            return
        self._is_over = True
        self.pipes.left(self.peer)
        if self.far is not None:
            self.far.close()

    def came(self, data: bytes) -> None:
        """Pass on what the gateway says, and let it wait while the client reads slowly."""
        self.peer.send(data)
        far = self.far
        if far is not None and not far.is_paused and self.peer.queued > limits.PIPE_BUFFER:
            far.pause()
            self.pipes.spawn(self._drain(far), "pipe-drain")

    async def _drain(self, far: _Far) -> None:
        try:
            while self.peer.is_open and self.peer.queued > limits.PIPE_BUFFER // 2:
                await self.peer.drained(limits.MAILBOX_READ_TIMEOUT)
                await asyncio.sleep(0)
        except NetworkError:
            self.peer.abort()  # it does not read at all
        far.resume()


class _Far(asyncio.Protocol):
    """The connection to the other gateway."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        self._transport: asyncio.Transport
        self.is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(limits.PIPE_BUFFER)
        self._pipe.far = self
        try:
            keep_alive(transport.get_extra_info("socket"))
        except NetworkError:  # it has gone already; ``connection_lost`` follows
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """The gateway says something."""
        if self._pipe.is_open:
            self._pipe.came(data)
        else:
            self._transport.abort()  # a gateway does not speak first

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as ``_Pipe.lost``
        """It is gone: so is the pipe."""
        if self._pipe.is_open:
            self._pipe.peer.close()

    def pause_writing(self) -> None:
        """The gateway reads slowly: let the client wait."""
        self._pipe.peer.pause()

    def resume_writing(self) -> None:
        """It has read."""
        self._pipe.peer.resume()

    def write(self, data: bytes) -> None:
        """Say something to the gateway."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def pause(self) -> None:
        """Read no more."""
        self.is_paused = True
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self.is_paused = False
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Close after what was said."""
        self._transport.close()
