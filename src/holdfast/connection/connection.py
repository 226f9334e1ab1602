"""One peer, and a connection to it that comes back.

::

    async with ReliableConnection("wss://a.example/ws", "wss://b.example/ws") as connection:
        await connection.send(b"hello")         # waits while there is no connection
        async for message in connection:        # goes on over every reconnect
            ...

What was sent into a connection that then broke may be lost: this is a transport that comes back, not a message
that must arrive (``holdfast.delivery``) and not a session (``holdfast.session``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from holdfast.connection._arrivals import Arrivals
from holdfast.connection._handshake import Shaking
from holdfast.connection._line import Line
from holdfast.connection._listeners import Listener, Listeners
from holdfast.connection._route import Route
from holdfast.connection.dial import ProxyFailedError, dial
from holdfast.connection.framing import Framed
from holdfast.connection.machine import ConnectionMachine
from holdfast.connection.settings import ConnectionSettings
from holdfast.connection.states import ConnectionState, Reason, reason_of
from holdfast.connection.vigil import Vigil
from holdfast.errors import (
    ConnectionFailedError,
    NetworkError,
    NetworkTimeoutError,
    RateLimitError,
    ResilienceError,
)
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType
    from typing import Self

    from holdfast.connection.endpoint import Candidate, Endpoint
    from holdfast.connection.framing import Framing
    from holdfast.connection.transport import Transport
    from holdfast.world import World

log = logging.getLogger("holdfast.connection")

SLEPT: Final = 5.0
"""Seconds that the wall clock went ahead of the loop's: the machine slept, or its clock was set."""

GOODBYE: Final = 1.0
"""Seconds that a peer has to take leave."""

Handshake = Callable[["ReliableConnection"], Awaitable[object]]
Admission = Callable[[], Awaitable[object]]


class ReliableConnection:
    """A connection that comes back by itself.

    Args:
        endpoints: of the one peer, as URLs or ``Endpoint``; the first is preferred.
        settings: how to try.
        handshake: run on each new connection before it counts as open; it may ``exchange`` messages.
        framing: of messages over TCP and TLS, made with the largest size.
        is_text: whether messages over WebSocket are text.
        admission: awaited before each attempt, such as a limit that several connections share.
        name: for logs and statistics; the first endpoint's by default.
        world: chance and wall time.

    Raises:
        ValueError: an endpoint's URL is none.
    """

    def __init__(
        self,
        *endpoints: Endpoint | str,
        settings: ConnectionSettings | None = None,
        handshake: Handshake | None = None,
        framing: Callable[[int], Framing] = Framed,
        is_text: bool = True,
        admission: Admission | None = None,
        name: str | None = None,
        world: World | None = None,
    ) -> None:
        self._route = Route(endpoints)
        self._trying: Candidate | None = None
        self.settings = ConnectionSettings() if settings is None else settings
        self.name = name or self._route.preferred.url
        self._handshake = handshake
        self._framing = framing
        self._is_text = is_text
        self._admission = admission
        self._world: World = RealWorld() if world is None else world
        self._machine = ConnectionMachine(self.settings, self._world.random)
        self._candidate: Candidate | None = None
        self._transport: Transport | None = None
        self._line = Line(self)
        self._vigil: Vigil | None = None
        self._is_closing = False
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._arrivals = Arrivals(self.settings.received_max)
        self._listeners = Listeners(self.name)
        self._shaking: Shaking | None = None
        self._task: asyncio.Task[None] | None = None
        self._passed = [0, 0]
        self.messages_in = 0
        self.messages_out = 0

    # --- life -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to connect; returns at once, and is harmless when it was begun."""
        self._machine.wanted(self._now())
        self._tell()
        if self._task is None or self._task.done():
            self._is_closing = False
            self._task = asyncio.create_task(self._run(), name=f"holdfast-connection {self.name}")
        self._wake.set()

    async def close(self) -> None:
        """Say goodbye, close, and end all that belongs to it."""
        self._is_closing = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self._machine.closed(self._now())
        self._tell()
        self._arrivals.look()
        if self._machine.opens:
            with contextlib.suppress(TimeoutError):  # a peer that is deaf is not waited for
                async with asyncio.timeout(GOODBYE):
                    await self._line.gone.wait()

    async def connected(self, within: float | None = None) -> None:
        """Wait until it is open.

        Args:
            within: seconds; None waits for ever.

        Raises:
            NetworkTimeoutError: 1001; it was not open in time.
            ConnectionFailedError: 1002; it was given up, or is closed.
        """
        try:
            async with asyncio.timeout(within):
                while self.state is not ConnectionState.CONNECTED:
                    self._check_hope()
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise NetworkTimeoutError(f"{self.name} is not open after {within:g} s.") from error

    # --- messages ---------------------------------------------------------------------------

    async def send(self, message: bytes, *, within: float | None = None) -> None:
        """Send a message when the connection is open, and wait while the peer reads too slowly.

        Args:
            message: at most ``settings.message_max`` bytes.
            within: seconds to wait for a connection; None waits for ever.

        Raises:
            NetworkTimeoutError: 1001; there was no connection in time, or the peer does not read.
            ConnectionFailedError: 1002; it was given up, or is closed.
            ValueError: the message is too large.
        """
        self._check(message)
        if self.state is ConnectionState.DISCONNECTED and not self._is_closing and self._task:
            self.start()
        while (transport := self._transport) is None or self.state is not ConnectionState.CONNECTED:
            await self.connected(within)
        self._put(transport, message)
        try:
            await transport.drained(self.settings.write_timeout)
        except NetworkTimeoutError as error:
            if self._vigil is not None and transport is self._transport:
                self._vigil.end(Reason.WRITE_TIMEOUT, str(error))
                self._wake.set()
            raise

    def send_now(self, message: bytes) -> bool:
        """Send a message if the connection is open; return whether it is. Nothing is waited for."""
        self._check(message)
        if self._transport is None or self.state is not ConnectionState.CONNECTED:
            return False
        self._put(self._transport, message)
        return True

    async def receive(self, within: float | None = None) -> bytes:
        """Return the next message, over as many connections as it takes.

        Raises:
            NetworkTimeoutError: 1001; none came in time.
            ConnectionFailedError: 1002; it was given up, or is closed, and all were read.
        """
        try:
            async with asyncio.timeout(within):
                return await self._arrivals.next(self._check_hope)
        except TimeoutError as error:
            raise NetworkTimeoutError(f"{self.name} said nothing for {within:g} s.") from error

    def take(self) -> list[bytes]:
        """Return what has come and was not read yet; nothing is waited for."""
        return self._arrivals.take()

    def _check_hope(self) -> None:
        if self._task is None or self.state is ConnectionState.FAILED:
            raise ConnectionFailedError(f"{self.name} is {self.state}.")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            try:
                yield await self.receive()
            except ConnectionFailedError:
                return  # it is over: given up or closed

    async def exchange(self, message: bytes) -> bytes:
        """Send a message and return the next one, within a handshake."""
        self.say(message)
        return await self.receive()

    def say(self, message: bytes) -> None:
        """Send a message within a handshake, whose answer comes to whoever reads the connection."""
        assert self._transport is not None, "only within a handshake"
        self._check(message)
        self._put(self._transport, message)

    def _check(self, message: bytes) -> None:
        most = self.settings.message_max
        if len(message) > most:
            raise ValueError(f"The message has {len(message)} bytes, {most} are allowed.")

    def _put(self, transport: Transport, message: bytes) -> None:
        if self._vigil is not None:
            self._vigil.sent(self._now())
        self.messages_out += 1
        transport.send(message)

    # --- what is known ----------------------------------------------------------------------

    @property
    def state(self) -> ConnectionState:
        """Where it stands."""
        return self._machine.state

    @property
    def endpoint(self) -> Endpoint | None:
        """The one that was tried last, which is the one it is open to; None before the first attempt."""
        return None if self._trying is None else self._trying.endpoint

    @property
    def rtt(self) -> float | None:
        """Seconds of the last round trip, None before there was one."""
        return None if self._vigil is None else self._vigil.heartbeat.rtt

    def on_change(self, listener: Listener) -> Listener:
        """Call back for each change and each attempt in vain; usable as a decorator."""
        self._listeners.of_changes.append(listener)
        return listener

    def on_rtt(self, listener: Callable[[float], object]) -> None:
        """Call back with each round trip that was measured, in seconds."""
        self._listeners.of_rtt.append(listener)

    def statistics(self) -> dict[str, object]:
        """Return figures.

        Returns:
            ``state``, ``address``, ``opens``, ``attempts`` (in vain, in a row), ``uptime`` and ``rtt`` in
            seconds (None when there is none), ``messages_in``, ``messages_out``, ``bytes_in``,
            ``bytes_out``, ``waiting`` (messages not read yet).
        """
        is_open = self.state is ConnectionState.CONNECTED
        here = self._transport
        return {
            "state": self.state.value,
            "address": self._machine.address,
            "opens": self._machine.opens,
            "attempts": self._machine.attempts,
            "uptime": self._now() - self._machine.opened_at if is_open else None,
            "rtt": self.rtt,
            "messages_in": self.messages_in,
            "messages_out": self.messages_out,
            "bytes_in": self._passed[0] + (0 if here is None else here.bytes_in),
            "bytes_out": self._passed[1] + (0 if here is None else here.bytes_out),
            "waiting": len(self._arrivals),
        }

    # --- news from outside ------------------------------------------------------------------

    def probe(self, within: float = 2.0) -> None:
        """Something may have happened (another network, a long sleep): ask for a sign of life, or try now."""
        now = self._now()
        if self._vigil is not None:
            self._vigil.heartbeat.probe(now, within)
        self._machine.hurry(now)
        self._wake.set()

    def reroute(self, *endpoints: Endpoint | str) -> None:
        """Try these from the next attempt on, in this order; an open connection stays."""
        self._route = Route(endpoints)

    def renew(self, message: str) -> None:
        """Who speaks over it knows that it is of no use: drop an open connection, and come back."""
        if self.state is ConnectionState.CONNECTED and self._vigil is not None:
            self._vigil.end(Reason.REQUESTED, message)
            self._wake.set()

    # --- a receiver of the transport --------------------------------------------------------

    def received(self, message: bytes) -> None:
        """Take a message of the transport."""
        if self._vigil is not None:
            self._vigil.received(self._now())
        self.messages_in += 1
        self._arrivals.add(message, self._transport)

    def ponged(self, number: int) -> None:
        """Take an answer to a ping."""
        rtt = None if self._vigil is None else self._vigil.answered(self._now(), number)
        if rtt is None:
            return
        if self._candidate is not None:
            self._route.measured(self._candidate, rtt)
        for listener in self._listeners.of_rtt:
            listener(rtt)

    def lost(self, error: Exception | None) -> None:
        """Take note that the transport is gone."""
        if self._vigil is not None:
            text = "the peer closed it" if error is None else str(error) or type(error).__name__
            self._vigil.end(reason_of(error), text)
            if self._shaking is not None:
                self._shaking.broke(text)
        self._wake.set()

    # --- the one task -----------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._come_back_for_ever()
        except Exception as error:  # a fault of the handshake or ours: somebody has to see it
            log.exception("the connection %s is given up", self.name)
            self._machine.broken(self._now(), f"{type(error).__name__}: {error}")
            self._tell()
            self._arrivals.look()

    async def _come_back_for_ever(self) -> None:
        machine = self._machine
        while not self._is_closing:
            if machine.next_at is None:
                await self._until(float("inf"))
                continue
            if self._now() < machine.next_at:
                await self._until(machine.next_at)
                continue
            transport = await self._attempt()
            if transport is not None:
                await self._stay(transport)

    async def _attempt(self) -> Transport | None:
        """Try one address once."""
        machine = self._machine
        if self._admission is not None:
            await self._admission()
        try:
            candidate = await self._route.next(self.settings.connect_timeout)
        except (OSError, NetworkError) as error:
            machine.tried(self._now(), "")
            self._failed(error)
            return None
        machine.tried(self._now(), str(candidate))
        self._trying = candidate
        settings = self.settings
        self._line = Line(self)
        vigil = self._vigil = Vigil(self._now(), settings)
        try:
            transport = self._transport = await dial(
                candidate,
                self._line,
                connect_timeout=settings.connect_timeout,
                handshake_timeout=settings.handshake_timeout,
                message_max=settings.message_max,
                framing=self._framing,
                is_text=self._is_text,
            )
            if self._handshake is not None:
                self._shaking = Shaking(settings.handshake_timeout)
                await self._shaking.through(self._handshake(self))
            if vigil.ending is not None:  # it broke while hands were shaken
                raise ConnectionFailedError(vigil.ending[1])
        except (OSError, ResilienceError) as error:
            if self._transport is not None:
                self._drop(self._transport)
            self._failed(error, candidate)
            return None
        except BaseException as error:
            if self._transport is not None:
                self._drop(self._transport)
            task = asyncio.current_task()
            if not isinstance(error, asyncio.CancelledError) or task is None or task.cancelling():
                raise
            # Something in the handshake was cancelled, not we: this attempt has failed.
            self._failed(ConnectionFailedError("The attempt was cancelled from inside."), candidate)
            return None
        self._route.worked(candidate)
        self._candidate = candidate
        return transport

    def _failed(self, error: Exception, candidate: Candidate | None = None) -> None:
        has_other = candidate is not None and self._route.failed(candidate)
        reason = reason_of(error)
        if isinstance(error, NetworkTimeoutError):
            reason = Reason(str(error.details.get("reason", reason)))
        elif isinstance(error, ProxyFailedError):
            reason = Reason.PROXY
        retry_after = error.retry_after if isinstance(error, RateLimitError) else None
        self._machine.failed(
            self._now(), reason, str(error), has_other=has_other, retry_after=retry_after
        )
        self._tell()
        self._arrivals.look()  # this may be the end

    async def _stay(self, transport: Transport) -> None:
        """Be open, until that ends."""
        now = self._now()
        vigil = self._vigil = Vigil(now, self.settings)
        self._machine.opened(now)
        self._tell()
        wall = self._world.wall_now()
        try:
            while vigil.ending is None:
                before, wall_before = now, wall
                await self._until(vigil.next_at)
                now, wall = self._now(), self._world.wall_now()
                if abs(wall - wall_before - (now - before)) > SLEPT:
                    vigil.heartbeat.probe(now, min(2.0, self.settings.heartbeat_timeout))
                if vigil.ending is None and (ping := vigil.look(now)) is not None:
                    transport.ping(ping)
        finally:
            is_idle = vigil.ending is not None and vigil.ending[0] is Reason.IDLE
            self._drop(transport, is_orderly=is_idle or self._is_closing)
        if is_idle:
            self._machine.idled(self._now())
        else:
            self._machine.lost(self._now(), *vigil.ending)
        self._tell()

    def _drop(self, transport: Transport, *, is_orderly: bool = False) -> None:
        self._transport = None
        self._line.cut()
        self._passed[0] += transport.bytes_in
        self._passed[1] += transport.bytes_out
        self._vigil = None
        self._arrivals.forget(transport)
        if is_orderly:
            transport.close()
        else:
            transport.abort()

    async def _until(self, at: float) -> None:
        """Wait for a time, or for somebody who has news."""
        self._wake.clear()
        if at == float("inf"):
            await self._wake.wait()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(at):
                await self._wake.wait()

    def _tell(self) -> None:
        changes, self._machine.changes = self._machine.changes, []
        self._listeners.tell(changes)
        if changes:
            self._news.set()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
