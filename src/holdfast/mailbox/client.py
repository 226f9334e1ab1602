"""A client of one gateway: mailboxes of its own that it reads, and those of others that it writes to.

::

    client = MailboxClient(gateway, TwoHop(other), on_envelope=took)
    async with client:
        await client.create(key, token)         # a mailbox of ours; the token is for whoever may write
        await client.subscribe(key)             # from now on took(mailbox, envelope_id, body)
        await client.acknowledge(key.mailbox, [envelope_id])
        await client.deposit(mailbox, token, envelope_id, body)

Theory. Reading and writing never share a connection, nor, where there are two paths, a way: otherwise the gateway
could tell who writes by what he reads. Reading is one connection that stays; writing is one that comes and goes.
An envelope is handed over at least once, until it is acknowledged. A deposit whose answer was lost can be made again
with the same id, and is one envelope.

Who holds envelopes back to put them in order acknowledges them when *he* has stored them, in order or not: the gateway
hands out no more than ``limits.MAILBOX_WINDOW`` of one mailbox that are not acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.connection import ConnectionQualityMonitor, ConnectionState
from holdfast.errors import ErrorCode, NetworkError, ResilienceError, SessionReplacedError
from holdfast.mailbox._line import TRYING, Line
from holdfast.mailbox.key import Purpose, token_hash
from holdfast.mailbox.path import Direct
from holdfast.mailbox.settings import MailboxSettings
from holdfast.mailbox.wire import (
    Acknowledge,
    Create,
    Delete,
    Deposit,
    Envelope,
    Subscribe,
    TakenOver,
)
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from holdfast.connection import Endpoint, Quality, StateChange
    from holdfast.mailbox.address import GatewayAddress
    from holdfast.mailbox.key import MailboxKey
    from holdfast.mailbox.path import GatewayPath
    from holdfast.mailbox.wire import Request
    from holdfast.world import World

log = logging.getLogger("holdfast.mailbox")

OnEnvelope = Callable[[bytes, bytes, bytes], object]
OnUnreadable = Callable[[bytes, ResilienceError], object]

HOUR: Final = 3600
DAY: Final = 24 * HOUR

ALL = ""
"""The lane of all mailboxes, where they share one."""


class MailboxClient:
    """Reads and writes mailboxes of one gateway; connects for reading from the first subscription on.

    Args:
        gateway: which one.
        path: the way to it for reading.
        writing_path: the way for writing; the same kind of path by default, on a connection of its own.
        settings: how it behaves.
        on_envelope: called with mailbox, envelope id and body, for each envelope, at least once.
        on_unreadable: called with a mailbox that was subscribed to and cannot be read (any more), and why: it is
            unknown to the gateway (5201), or another program reads it (5204).
        world: chance, wall time, ids.
    """

    def __init__(
        self,
        gateway: GatewayAddress,
        path: GatewayPath | None = None,
        *,
        writing_path: GatewayPath | None = None,
        settings: MailboxSettings | None = None,
        on_envelope: OnEnvelope | None = None,
        on_unreadable: OnUnreadable | None = None,
        world: World | None = None,
    ) -> None:
        self.gateway = gateway
        self.settings = MailboxSettings() if settings is None else settings
        self._path: GatewayPath = Direct() if path is None else path
        self._writing_path = self._path if writing_path is None else writing_path
        self._on_envelope = on_envelope
        self._on_unreadable = on_unreadable
        self._world: World = RealWorld() if world is None else world
        self._reading: dict[object, Line] = {}
        self._writing: dict[object, Line] = {}
        self._wanted: dict[bytes, MailboxKey] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[Callable[[StateChange], object]] = []
        self._monitor = ConnectionQualityMonitor()
        self._is_closed = False

    # --- life -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; nothing is handed over any more."""
        self._is_closed = True
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        lines = [*self._reading.values(), *self._writing.values()]
        self._reading.clear()
        self._writing.clear()
        await asyncio.gather(*(line.close() for line in lines))

    # --- writing ----------------------------------------------------------------------------

    async def deposit(
        self,
        mailbox: bytes,
        token: bytes,
        envelope_id: bytes,
        body: bytes,
        *,
        ttl: float = limits.MAILBOX_ENVELOPE_TTL,
        within: float | None = None,
        is_apart: bool = False,
    ) -> None:
        """Put an envelope into a mailbox; returns when the gateway has committed it.

        Args:
            mailbox: its address, 16 bytes.
            token: its deposit token, 32 bytes.
            envelope_id: 16 bytes, chosen at random for each envelope and gateway; the same in every attempt.
            body: at most ``limits.ENVELOPE_BYTES_MAX`` bytes.
            ttl: seconds after which the gateway deletes it; told in full hours, or days when it is more than one.
            within: seconds for an answer; the settings' when None.
            is_apart: over a connection that nothing else is written to, and which ends with the answer, so that the
                gateway cannot tell by whom this and other envelopes are.

        Raises:
            MailboxUnknownError: 5201; no such mailbox, or another token.
            MailboxFullError: 5202, 5206; not now, with ``retry_after``.
            RateLimitError: 2001; too fast, with ``retry_after``.
            DeliveryRefusedError: 5205; the id is taken by another envelope of this mailbox.
            NetworkError: 1001, 1002, 1003; whether it arrived is not known.
        """
        alone = object() if is_apart else None
        line = self._line(self._writing, mailbox, alone)
        seconds = _told(ttl)
        try:
            await line.call(
                lambda n: Deposit(n, mailbox, token, envelope_id, seconds, body),
                self._within(within),
            )
        except NetworkError:
            self._rest(line)
            raise
        except asyncio.CancelledError:
            if line.is_pausing:
                self._rest(line)
            raise
        finally:
            if alone is not None:
                self._later(self._parted(alone, line))

    # --- mailboxes of ours ------------------------------------------------------------------

    async def create(self, key: MailboxKey, token: bytes, *, within: float | None = None) -> None:
        """Make a mailbox, or give it another deposit token; harmless when it is there.

        Args:
            key: of the mailbox.
            token: 32 secret bytes, for those who may write to it.
            within: seconds for an answer.

        Raises:
            MailboxFullError: 5206; the gateway takes no more, with ``retry_after``.
            RateLimitError: 2001; too many at once, with ``retry_after``.
            NetworkError: 1001, 1002, 1003; whether it was made is not known.
        """
        line, hashed = self._line(self._reading, key.mailbox), token_hash(token)

        def make(number: int) -> Request:
            signature = key.prove(Purpose.CREATE, self.gateway.pin, _nonce(line), hashed)
            return Create(number, key.public, hashed, signature)

        await line.call(make, self._within(within))

    async def subscribe(self, key: MailboxKey, *, within: float | None = None) -> None:
        """Read a mailbox from now on, over all connections to come.

        The wish stands also when this raises a NetworkError; ``on_unreadable`` is called when it cannot be kept.

        Raises:
            MailboxUnknownError: 5201; no such mailbox (any more): make it anew.
            NetworkError: 1001, 1002, 1003; it is not read yet.
        """
        self._wanted[key.mailbox] = key
        line = self._line(self._reading, key.mailbox)
        try:
            await self._subscribe(line, key, self._within(within))
        except NetworkError:
            raise
        except ResilienceError:
            self._wanted.pop(key.mailbox, None)
            raise

    async def unsubscribe(self, mailbox: bytes) -> None:
        """Read a mailbox no more; what arrives stays at the gateway."""
        if self._wanted.pop(mailbox, None) is None:
            return
        place = mailbox if self.settings.is_isolated else ALL
        if place is not ALL or not self._wanted:
            line = self._reading.pop(place, None)
            if line is not None:
                await line.close()
        else:
            # The gateway stops when the connection is a new one, which reads the others only.
            line = self._reading[place]
            await line.close()
            line.start()

    async def acknowledge(
        self, mailbox: bytes, ids: Sequence[bytes], *, within: float | None = None
    ) -> None:
        """Say that envelopes have been stored here; the gateway deletes them.

        Raises:
            NetworkError: 1001, 1002, 1003; they may come again.
            ResilienceError: 7004; the mailbox is not read over this connection (any more).
        """
        line = self._line(self._reading, mailbox)
        most = limits.MAILBOX_ACKNOWLEDGED_MAX
        for start in range(0, len(ids), most):
            part = tuple(ids[start : start + most])
            await line.call(
                lambda n, part=part: Acknowledge(n, mailbox, part),  # type: ignore[misc]
                self._within(within),
            )

    async def delete(self, key: MailboxKey, *, within: float | None = None) -> None:
        """Delete a mailbox with all that is in it; harmless when there is none.

        Raises:
            NetworkError: 1001, 1002, 1003; whether it was deleted is not known.
        """
        self._wanted.pop(key.mailbox, None)
        line = self._line(self._reading, key.mailbox)

        def make(number: int) -> Request:
            signature = key.prove(Purpose.DELETE, self.gateway.pin, _nonce(line))
            return Delete(number, key.public, signature)

        await line.call(make, self._within(within))

    def hold(self, *, is_held: bool) -> None:
        """Let the gateway wait with what it hands out, or go on: for who cannot store as fast as it comes."""
        for line in self._reading.values():
            line.hold(is_held=is_held)

    # --- what is known ----------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The gateway's."""
        return self.gateway.name

    @property
    def state(self) -> ConnectionState:
        """Where reading stands: the best of its connections; of writing, where nothing is read."""
        order = (
            ConnectionState.CONNECTED,
            ConnectionState.RECONNECTING,
            ConnectionState.CONNECTING,
        )
        lines = self._reading or self._writing
        states = {line.connection.state for line in lines.values()}
        for state in order:
            if state in states:
                return state
        return next(iter(states), ConnectionState.DISCONNECTED)

    @property
    def quality(self) -> Quality | None:
        """How good the connection is; None before there was one."""
        known = self._monitor.all()
        return max(known.values(), key=lambda each: (each.grade, each.score), default=None)

    def on_change(
        self, listener: Callable[[StateChange], object]
    ) -> Callable[[StateChange], object]:
        """Call back for each change of a connection and each attempt in vain; usable as a decorator."""
        self._listeners.append(listener)
        return listener

    def probe(self) -> None:
        """Something may have happened (another network, a long sleep): look at all connections now."""
        for line in (*self._reading.values(), *self._writing.values()):
            if line.connection.state is not ConnectionState.DISCONNECTED:
                line.connection.probe()

    def hurry(self) -> None:
        """There is a reason to hope: what waits for its next attempt makes it now."""
        for line in (*self._reading.values(), *self._writing.values()):
            if line.connection.state in TRYING:
                line.connection.probe()

    def statistics(self) -> dict[str, object]:
        """Return figures: ``mailboxes`` that are read, ``reading`` and ``writing`` (of each connection)."""
        return {
            "mailboxes": len(self._wanted),
            "reading": [line.connection.statistics() for line in self._reading.values()],
            "writing": [line.connection.statistics() for line in self._writing.values()],
        }

    # --- inside -----------------------------------------------------------------------------

    def _within(self, within: float | None) -> float:
        return self.settings.call_timeout if within is None else within

    def _line(self, lines: dict[object, Line], mailbox: bytes, alone: object | None = None) -> Line:
        """Return the connection for a mailbox, or for one request alone; it is made when there is none."""
        place = alone or (mailbox if self.settings.is_isolated else ALL)
        line = lines.pop(place, None)
        if line is None:
            line = self._new_line(is_reading=lines is self._reading)
        lines[place] = line  # the one used last is the last
        if lines is self._writing and len(lines) > limits.MAILBOX_LINES_MAX:
            oldest = next(iter(lines))
            self._later(lines.pop(oldest).close())
        return line

    def _new_line(self, *, is_reading: bool) -> Line:
        path = self._path if is_reading else self._writing_path
        lane = self._world.new_id()
        line = Line(
            self._endpoint(path, lane),
            self.settings,
            name=f"{self.gateway.name} {'reading' if is_reading else 'writing'} {lane[:4]}",
            world=self._world,
            is_reading=is_reading,
            on_ready=lambda: self._renew(line),
            on_push=self._pushed,
            on_change=lambda change: self._changed(line, path, change),
        )
        self._monitor.watch(line.connection)
        return line

    def _endpoint(self, path: GatewayPath, lane: str) -> Endpoint:
        """Say where to connect to. A lane says nothing but that it is another one: no two connections share one."""
        return path.endpoint(self.gateway, self._world, lane=lane, is_plain=self.settings.is_plain)

    def _changed(self, line: Line, path: GatewayPath, change: StateChange) -> None:
        if change.new is ConnectionState.RECONNECTING and change.old is ConnectionState.CONNECTED:
            for each in (*self._reading.values(), *self._writing.values()):
                each.doubt()  # the gateway is one: what has broken here may have broken there in silence
        if path.has_lanes and change.new in TRYING and change.reason is not None:
            # Tor would build on the circuit that it has for this lane, and that may be what is broken.
            line.connection.reroute(self._endpoint(path, self._world.new_id()))
        if change.old is change.new and line in self._writing.values():
            self._rest(line)  # an attempt failed
        for listener in self._listeners:
            listener(change)

    def _renew(self, line: Line) -> None:
        """A new connection has been greeted: say again what is read over it."""
        for mailbox, key in self._wanted.items():
            place = mailbox if self.settings.is_isolated else ALL
            if self._reading.get(place) is line:
                self._later(self._renewed(line, key))

    async def _renewed(self, line: Line, key: MailboxKey) -> None:
        try:
            await self._subscribe(line, key, self.settings.call_timeout)
        except NetworkError:
            return  # the next connection renews it, and the state shows that this one is no good
        except ResilienceError as error:
            self._unreadable(key.mailbox, error)

    async def _subscribe(self, line: Line, key: MailboxKey, within: float) -> None:
        def make(number: int) -> Request:
            signature = key.prove(Purpose.SUBSCRIBE, self.gateway.pin, _nonce(line))
            return Subscribe(number, key.public, signature)

        await line.call(make, within)

    def _pushed(self, message: Envelope | TakenOver) -> None:
        if isinstance(message, TakenOver):
            self._unreadable(
                message.mailbox,
                SessionReplacedError(
                    "Another program reads this mailbox now; this one does not any more.",
                    code=ErrorCode.MAILBOX_TAKEN_OVER,
                ),
            )
        elif message.mailbox in self._wanted and self._on_envelope is not None:
            try:
                self._on_envelope(message.mailbox, message.id, message.body)
            except Exception:  # its bug is not the connection's; the envelope comes again
                log.exception("on_envelope failed")

    def _unreadable(self, mailbox: bytes, error: ResilienceError) -> None:
        if self._wanted.pop(mailbox, None) is None:
            return
        if self._on_unreadable is not None:
            try:
                self._on_unreadable(mailbox, error)
            except Exception:  # as above
                log.exception("on_unreadable failed")

    def _rest(self, line: Line) -> None:
        """Try no more to reach a gateway for writing when nobody waits for it: the next deposit tries at once.

        Otherwise a pause would grow for nobody, and hold up who comes next.
        """
        if not line.pending and line.connection.state is not ConnectionState.CONNECTED:
            self._later(self._rested(line))

    async def _parted(self, alone: object, line: Line) -> None:
        """Close a connection that was for one request; until then ``close`` finds it."""
        await line.close()
        self._writing.pop(alone, None)

    async def _rested(self, line: Line) -> None:
        if not line.pending and line.connection.state is not ConnectionState.CONNECTED:
            await line.connection.close()

    def _later(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="holdfast-mailbox-client")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _told(ttl: float) -> int:
    """Say how long an envelope may wait no finer than needed: to the second it would tell how old the message is."""
    step = HOUR if ttl <= DAY else DAY
    return int(min(max(1, math.ceil(ttl / step)) * step, 2**31 // DAY * DAY))


def _nonce(line: Line) -> bytes:
    nonce = line.nonce
    assert nonce is not None, "a request is made when the connection has been greeted"
    return nonce
