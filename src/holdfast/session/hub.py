"""The hub: sessions, channels and connections of one application.

Theory. The hub has no socket, thread or clock. Transports tell it what came (``connect``, ``received``,
``lost``), a driver tells it the time (``on_time``), and a store commits its transactions in the order in which
they were closed. A transaction changes memory at once; what it has to say is sent when it is
committed, never before, and in order. If a commit fails, nobody has heard of what it contained: the
hub then lets go of all connections, reads everything anew from the store and goes on, just as
after a restart.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from holdfast import limits
from holdfast.errors import (
    ErrorCode,
    ProtocolError,
    RateLimitError,
    ResilienceError,
    ServerRestartingError,
    SessionError,
    StorageError,
)
from holdfast.ops import Untraced
from holdfast.resilience import RateLimitConfig, RateLimiter, TokenBucket
from holdfast.session import store, wire
from holdfast.session._closing import application_failed, close_code
from holdfast.session._commits import Commits
from holdfast.session._heartbeat import Heartbeat
from holdfast.session._loading import reload_for_ever, restore
from holdfast.session._operations import Operations
from holdfast.session._reception import Reception
from holdfast.session.connection import Connection, Handshake, Link, Packet
from holdfast.session.counts import HubCounts
from holdfast.session.machine import ConnectionState, Refusal
from holdfast.session.settings import HubSettings
from holdfast.session.timers import Timer, Timers
from holdfast.session.transaction import Transaction
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.ops import Traces
    from holdfast.session.application import Application
    from holdfast.session.channel import Channel
    from holdfast.session.record import Session
    from holdfast.storage import Database
    from holdfast.world import World

T = TypeVar("T")
log = logging.getLogger("holdfast.session")


class Hub:
    """Sessions that outlive their connections, and channels they read.

    Args:
        app: the program.
        database: where all is kept; None keeps sessions in memory only.
        world: chance, ids and secrets.
        settings: times and bounds.
        tracing: makes a span for each message; None makes none.
        clock: monotonic seconds; by default the running loop's.
    """

    def __init__(
        self,
        app: Application,
        *,
        database: Database | None = None,
        world: World | None = None,
        settings: HubSettings | None = None,
        tracing: Traces | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.app = app
        self.world: World = RealWorld() if world is None else world
        self.settings = HubSettings() if settings is None else settings
        self.sessions: dict[str, Session] = {}
        self.channels: dict[str, Channel] = {}
        self.connections: dict[Connection, None] = {}
        self.timers = Timers()
        self.heartbeat = Heartbeat(self)
        self.operations = Operations(self)
        self.counts = HubCounts()
        self.tracing: Traces = Untraced() if tracing is None else tracing
        self.is_ready = False
        self._database = database
        self._reception = Reception(self)
        self._clock = clock
        self._epoch_ms = 0.0
        self._started = 0.0
        self._commits = Commits(
            database, self._acknowledge, self._commit_failed, self.counts.commits.append, self.now
        )
        self._acks: dict[tuple[str, str], tuple[Session, int]] = {}
        self._applied: list[Callable[[], None]] = []
        self._is_draining = False
        self._reloading: asyncio.Task[None] | None = None
        self._admission = TokenBucket(limits.HANDSHAKE_RATE, limits.HANDSHAKE_BURST)
        self._addresses = RateLimiter(
            RateLimitConfig(limits.ADDRESS_HANDSHAKE_RATE, 1.0, limits.ADDRESS_HANDSHAKE_BURST),
            keys_max=limits.ADDRESSES_MAX,
            name="handshakes",
        )
        rate, burst = self.settings.message_rate, self.settings.message_burst
        self._messages = {
            tier: RateLimiter(
                RateLimitConfig(factor * rate, 1.0, max(1, factor * burst)),
                keys_max=2 * self.settings.sessions_max,
                name=f"messages of {tier}",
            )
            for tier, factor in limits.TIERS.items()
        }

    # --- for applications -------------------------------------------------------------------

    @property
    def database(self) -> Database:
        """The store.

        Raises:
            StorageError: 8004; this hub keeps everything in memory.
        """
        if self._database is None:
            raise StorageError("This hub has no store.", code=ErrorCode.STORAGE_CLOSED)
        return self._database

    @property
    def has_store(self) -> bool:
        """True unless this hub keeps everything in memory."""
        return self._database is not None

    def now(self) -> float:
        """Return monotonic seconds."""
        return asyncio.get_running_loop().time() if self._clock is None else self._clock()

    def now_ms(self) -> int:
        """Return the server's clock: wall time at the start plus what has passed since.

        It never jumps while the process lives; clients synchronise theirs to it.
        """
        return round(self._epoch_ms + 1000 * self.now())

    def uptime(self) -> float:
        """Return seconds since the start."""
        return self.now() - self._started

    def apply(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work now; it is committed and sent soon."""
        tx = self.begin()
        result = work(tx)
        self.close_transaction(tx)
        return result

    async def perform(self, work: Callable[[Transaction], T]) -> T:
        """Run a unit of work and return its result once it is committed.

        Raises:
            StorageError: 8xxx; nothing of it was kept.

        Cancelled: it is committed all the same.
        """
        if not self.is_ready:
            raise self.unavailable()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def succeed() -> None:
            if not done.done():
                done.set_result(None)

        def fail(error: ResilienceError) -> None:
            if not done.done():
                done.set_exception(error)

        tx = self.begin()
        result = work(tx)
        tx.after.append(succeed)
        tx.failed.append(fail)
        self.close_transaction(tx)
        await done
        return result

    def at(self, when_ms: int, work: Callable[[Transaction], None]) -> Timer:
        """Run a unit of work at a time of the server's clock."""
        due = self.now() + (when_ms - self.now_ms()) / 1000
        return self.timers.at(due, lambda: self.apply(work))

    # --- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read everything from the store and begin to take connections.

        Raises:
            StorageError: 8xxx; the store could not be read.
        """
        self._started = self.now()
        self._epoch_ms = 1000 * (self.world.wall_now() - self._started)
        await restore(self)
        self.heartbeat.start(self.now())
        self.is_ready = True

    async def stop(self, *, spread: float = 1.0) -> None:
        """Tell all clients when to come back, and let go of them.

        Args:
            spread: seconds over which their return is spread, so that they do not come as a herd.
        """
        self._is_draining = True
        for connection in tuple(self.connections):
            error = ServerRestartingError(
                "The server is being restarted.",
                retry_after=round(self.world.random.uniform(0.0, spread), 3),
            )
            self.bye(connection, error, again=True)
        if self._reloading is not None:
            self._reloading.cancel()
            await asyncio.gather(self._reloading, return_exceptions=True)
        self.is_ready = False
        if self._database is not None and not self._commits.is_idle:
            await self._database.write(lambda _: None)  # all before it is committed then
        self.timers.clear()

    def on_time(self, now: float) -> None:
        """Run what is due."""
        self.timers.fire_due(now)

    # --- for transports ---------------------------------------------------------------------

    def admit(self, address: str = "") -> float:
        """Say whether one more connection is welcome.

        Args:
            address: whence it comes; each has a limit of its own below that of all.

        Returns:
            0.0, or the seconds after which to try again.
        """
        refused = self.counts.connections_refused
        if not self.is_ready or self._is_draining:
            refused["NOT_READY"] += 1
            return 1.0
        if len(self.connections) >= self.settings.connections_max:
            refused["FULL"] += 1
            return 5.0
        now = self.now()
        wait = self._addresses.check(address, now=now) or self._admission.take(now)
        if wait:
            refused["TOO_FAST"] += 1
        return wait

    def connect(self, link: Link, codec: wire.Codec, handshake: Handshake) -> Connection:
        """Take a transport that has just been opened."""
        now = self.now()
        connection = Connection(link, codec, handshake, self.settings)
        self.connections[connection] = None
        self.counts.connections_opened += 1
        self.heartbeat.connected(connection, now)
        return connection

    def received(self, connection: Connection, message: bytes) -> None:
        """Take one message of a transport."""
        now = self.now()
        connection.silent_since = None
        session = connection.session
        if session is not None:
            session.last_heard_ms = self.now_ms()
        for frame in connection.conversation.receive(message, now):
            if isinstance(frame, Refusal):
                self._refuse(connection, frame)
            elif self.is_ready:
                self._act(connection, frame, now)
            else:
                self.bye(connection, self.unavailable(), again=True)
            if connection.conversation.state is ConnectionState.CLOSED:
                break

    def lost(self, connection: Connection) -> None:
        """A transport is gone; harmless when that is known."""
        if self.connections.pop(connection, connection) is None:
            self.counts.connections_closed[connection.ended_by or "LOST"] += 1
        connection.conversation.close()
        self.heartbeat.forget(connection)
        session = connection.session
        if session is None:
            return
        for name in session.channels:
            if name in self.channels:  # an ended session keeps the names of those dropped since
                self.channels[name].readers.pop(connection, None)
        if connection is session.connection:
            session.connection = None
        elif connection is session.opening:
            session.opening = None
        else:
            return  # it was replaced, and somebody else is there
        if self.is_ready and not session.is_ended:
            self.apply(partial(self._went, session))

    def overflowed(self, connection: Connection) -> None:
        """A transport has dropped what a slow reader did not take; spare it further events."""
        connection.is_lagging = True
        if connection.session is not None:
            for name in connection.session.channels:
                if name in self.channels:
                    self.channels[name].readers.pop(connection, None)

    def drained(self, connection: Connection) -> None:
        """A slow reader has read; it is to ask for what it missed."""
        connection.link.send(Packet(connection.codec.encode(wire.Resync())))

    # --- for the parts of the hub -----------------------------------------------------------

    @property
    def heartbeat_ms(self) -> tuple[int, int]:
        """What clients are told: the ping interval and the grace in milliseconds."""
        return round(1000 * self.settings.ping_interval), round(1000 * self.settings.grace)

    def begin(self) -> Transaction:
        """Begin a unit of work; ``close_transaction`` ends it."""
        return Transaction(self, self.now(), self.now_ms())

    def when_applied(self, tx: Transaction, callback: Callable[[], None]) -> None:
        """Run ``callback`` when all operations of ``tx`` so far are applied, to show their result."""
        tx.operations.append(lambda: self._applied.append(callback))

    def close_transaction(self, tx: Transaction) -> None:
        """Apply a unit of work in memory and hand it to the store."""
        operations, tx.operations = tx.operations, []
        outer, self._applied = self._applied, []
        for operation in operations:
            operation()
        for show in self._applied:
            show()
        self._applied = outer
        self._commits.take(tx)

    def bye(self, connection: Connection, error: ResilienceError, *, again: bool) -> None:
        """Say why a connection ends, and end it."""
        if connection.conversation.state is ConnectionState.CLOSED:
            return
        frame = wire.Bye(int(error.code), error.name, error.message, again, error.retry_after)
        connection.link.send(Packet(connection.codec.encode(frame)))
        connection.link.close(close_code(error, again=again), error.name)
        connection.ended_by = error.name
        self.lost(connection)

    def unavailable(self) -> StorageError:
        """Say that the store cannot be used for now."""
        return StorageError("The server cannot use its store for now.", retry_after=1.0)

    def let_go(self, error: ResilienceError) -> None:
        """End all connections; their clients come back by themselves."""
        for connection in tuple(self.connections):
            self.bye(connection, error, again=True)

    # --- frames -----------------------------------------------------------------------------

    def _act(self, connection: Connection, frame: wire.ClientFrame, now: float) -> None:
        session = connection.session
        if isinstance(frame, wire.Hello):
            self._reception.hello(connection, frame)
        elif isinstance(frame, wire.Resume):
            self._reception.resume(connection, frame)
        elif isinstance(frame, wire.ClientPing):
            pong = wire.Pong(frame.n, self.now_ms())
            connection.link.send(Packet(connection.codec.encode(pong)))
        elif session is None:
            raise AssertionError("no other frame is let through before a session is open")
        elif session.is_ended:
            pass  # its bye is being committed
        elif isinstance(frame, wire.Send):
            self._message(connection, session, frame)
        elif isinstance(frame, wire.ClientPong):
            self.heartbeat.answered(connection, frame.n, now)
        elif isinstance(frame, wire.Confirm):
            self._reception.confirm(session)
        elif isinstance(frame, wire.Sync):
            self._reception.sync(connection, session, frame)
        else:
            self._leave(session)

    def _message(self, connection: Connection, session: Session, frame: wire.Send) -> None:
        known = session.streams.get(frame.stream)
        if known is None and frame.seq != 1:
            self._answer_error(connection, _gap(frame.seq, 0), frame)
            return  # before a stream is made for it, which might forget another one
        others = tuple(session.streams) if known is None else ()
        stream = session.stream(frame.stream)
        if frame.seq <= stream.handled:
            if frame.seq <= stream.committed:
                ack = wire.Ack(frame.stream, stream.committed)
                connection.link.send(Packet(connection.codec.encode(ack)))
            return  # handled, but not committed yet: the ack follows the commit
        if frame.seq != stream.handled + 1:
            self._answer_error(connection, _gap(frame.seq, stream.handled), frame)
            return
        wait = self._messages[session.tier].check(session.id, now=self.now())
        if wait > 0:
            self.counts.messages_failed[ErrorCode.RATE_LIMIT_EXCEEDED.name] += 1
            error = RateLimitError(f"Too many messages of a {session.tier}.", retry_after=wait)
            self._answer_error(connection, error, frame)
            return
        stream.handled = frame.seq
        self.counts.messages += 1
        span = self.tracing.message(session=session.id)
        tx = self.begin()
        answer = self._answer(tx, connection, session, frame)
        if answer is not None:
            tx.tell(session, answer)
        tx.execute(store.SET_STREAM, (session.id, frame.stream, frame.seq, tx.now_ms))
        for other in others:
            if other not in session.streams:  # forgotten, to make room for this one
                tx.execute(store.REMOVE_STREAM, (session.id, other))

        def committed() -> None:
            stream.committed = max(stream.committed, frame.seq)
            self._acks[session.id, frame.stream] = session, stream.committed

        tx.after.append(committed)
        span.follow(tx)
        self.close_transaction(tx)

    def _answer(
        self, tx: Transaction, connection: Connection, session: Session, frame: wire.Send
    ) -> wire.Answer | None:
        """Let the application handle a message; what it refuses leaves nothing in the transaction."""
        refers = wire.Refers(frame.stream, frame.seq)
        try:
            reply = self.app.message(tx, session, connection.codec.to_json(frame.body))
            if reply is None:
                return None
            return wire.Answer(refers, ok=msgspec.Raw(msgspec.json.encode(reply)))
        except ResilienceError as error:
            self.counts.messages_failed[error.name] += 1
            tx.discard()
            return wire.Answer(refers, error=error.to_dict())
        except Exception:
            log.exception("the application failed at a message of session %s", session.id)
            self.counts.messages_failed[ErrorCode.APPLICATION_FAILED.name] += 1
            tx.discard()
            return wire.Answer(refers, error=application_failed().to_dict())

    def _leave(self, session: Session) -> None:
        def end(tx: Transaction) -> None:
            self.heartbeat.gone(tx, session)
            tx.end(session, SessionError("You left.", code=ErrorCode.SESSION_ENDED))

        self.apply(end)

    def _refuse(self, connection: Connection, refusal: Refusal) -> None:
        if refusal.is_final:
            again = isinstance(refusal.error, RateLimitError)
            self.bye(connection, refusal.error, again=again)
        else:
            self._answer_error(connection, refusal.error, refusal.frame)

    def _answer_error(
        self, connection: Connection, error: ResilienceError, frame: wire.Send | None
    ) -> None:
        stream, seq = (None, None) if frame is None else (frame.stream, frame.seq)
        said = wire.error_frame(error, stream=stream, seq=seq)
        connection.link.send(Packet(connection.codec.encode(said)))

    def _went(self, session: Session, tx: Transaction) -> None:
        self.heartbeat.went(tx, session)

    # --- commits ----------------------------------------------------------------------------

    def _acknowledge(self) -> None:
        """Send one ack a stream for all that was committed together."""
        acks, self._acks = self._acks, {}
        for (_, stream), (session, seq) in acks.items():
            connection = session.connection
            if connection is not None and not connection.is_lagging:
                ack = wire.Ack(stream, seq)
                connection.link.send(Packet(connection.codec.encode(ack)))

    def _commit_failed(self, error: ResilienceError) -> None:
        log.error("a commit failed, everything is read anew: %s", error)
        self.is_ready = False
        self._acks.clear()
        self.let_go(self.unavailable())
        self.timers.clear()
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.get_running_loop().create_task(reload_for_ever(self))


def _gap(seq: int, handled: int) -> ProtocolError:
    return ProtocolError(f"Message {seq} came after {handled}.", code=ErrorCode.SEQUENCE_GAP)
