"""A session from Python: it reconnects by itself and loses nothing.

::

    async with SessionClient("ws://127.0.0.1:8400/ws", auth={"as": "player", …}) as client:
        reply = await client.send({"do": "answer", …})

With an outbox what it sends survives the end of the process as well, and so does the session::

    async with (
        Database("client.db", CLIENT_MIGRATIONS) as database,
        Outbox(database, None) as outbox,
        SessionClient(url, auth, feed=outbox.feed("room")) as client,
    ):
        id = await client.post({"do": "say", …}, ttl=3600)    # returns when it is kept, online or not
        await outbox.outcome(id)
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw

from holdfast import limits
from holdfast.connection import Endpoint
from holdfast.errors import (
    ConnectionFailedError,
    DeliveryError,
    ErrorCode,
    LocalProtocolError,
    NetworkError,
    RateLimitError,
    RemoteProtocolError,
    ResilienceError,
    SessionError,
    StorageError,
)
from holdfast.resilience import quick
from holdfast.session import client_machine as machine
from holdfast.session._client_line import ClientLine
from holdfast.session._gate import Gate
from holdfast.session._keeping import Keeping
from holdfast.session.wire import JSON, ClientPing
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from random import Random
    from types import TracebackType
    from typing import Self

    from holdfast.connection import Transport
    from holdfast.delivery import Change, Feed, Message, Outbox
    from holdfast.world import World

log = logging.getLogger("holdfast.client")

ACK_TIMEOUT: Final = 2.0
"""Seconds without acknowledgement after which the connection is probed, and again until it is replaced."""

STORE_PATIENCE: Final = 1.0
"""Seconds until a store that failed is asked again."""


class ClientStatus(StrEnum):
    """What a person would be shown."""

    CONNECTING = "connecting"
    OPEN = "open"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


class RefusedError(ResilienceError):
    """The application answered a message with an error; ``answer`` is all of it."""

    def __init__(self, answer: Mapping[str, object]) -> None:
        super().__init__(str(answer.get("message", "refused")), details=dict(answer))
        self.answer = answer


@dataclass(slots=True)
class _Waiting:
    """Who waits for an acknowledgement: a caller, an outbox, or both."""

    reply: asyncio.Future[object] | None
    message: Message | None = None


def ignore(_channel: str, _data: object) -> None:
    """Do nothing with it."""


class SessionClient:
    """One session; use it as an async context manager.

    Args:
        url: of the hub, ``ws://`` or ``wss://``.
        auth: what the application asks for.
        on_state: called with a channel's name and its state, when one is shown.
        on_event: called with a channel's name and each event, in order and once.
        headers: to send with each handshake.
        schedule: makes the delays between attempts, in seconds; it is begun anew after each success.
        world: chance and ids.
        feed: of an outbox on a database with ``CLIENT_MIGRATIONS``: it keeps what is sent, and the
            session, for the next process. Such a client is entered without a connection too.
    """

    def __init__(
        self,
        url: str,
        auth: object,
        *,
        on_state: Callable[[str, object], None] = ignore,
        on_event: Callable[[str, object], None] = ignore,
        headers: Mapping[str, str] | None = None,
        schedule: Callable[[Random], Iterator[float]] = quick,
        world: World | None = None,
        feed: Feed | None = None,
    ) -> None:
        endpoint = Endpoint(url, headers=headers, subprotocols=[JSON.subprotocol])
        self._line = ClientLine(endpoint, self._received)
        self._on_state = on_state
        self._on_event = on_event
        self._world: World = RealWorld() if world is None else world
        self._schedule = schedule
        self._machine = machine.ClientMachine(self._world.new_id(), auth)
        self._auth = auth
        self._keeping = None if feed is None else Keeping(feed)
        self._callers: dict[str, asyncio.Future[object]] = {}
        self._gate = Gate(self._not_saved)
        self._feeds = asyncio.Event()
        self._waiting: dict[int, _Waiting] = {}
        self._answers: dict[int, machine.Answered] = {}
        self._opened = asyncio.Event()
        self._finished: ResilienceError | None = None
        self._retry_after = 0.0
        self._task: asyncio.Task[None] | None = None
        self._feeder: asyncio.Task[None] | None = None
        self.status = ClientStatus.CONNECTING
        self.restored = 0
        self.lost_at: float | None = None
        self.restored_at: float | None = None

    @property
    def bytes_passed(self) -> int:
        """How many bytes went over all its connections, in both directions."""
        return self._line.bytes_passed

    @property
    def session(self) -> str | None:
        """The id of the session, None before it is open."""
        return self._machine.session

    @property
    def outbox(self) -> Outbox | None:
        """Where what it sends is kept, and can be asked for; None without."""
        return None if self._keeping is None else self._keeping.outbox

    async def __aenter__(self) -> Self:
        if self._keeping is not None:
            await self._load(self._keeping)
        self._task = asyncio.create_task(self._run(), name="holdfast-session-client")
        if self._keeping is not None:
            self._feeder = asyncio.create_task(
                self._feed(self._keeping), name="holdfast-session-feeder"
            )
            return self
        waiter = asyncio.create_task(self._opened.wait())
        try:
            await asyncio.wait({waiter, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiter.cancel()
        if self._finished is not None:
            raise self._finished
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection; the session stays and can be resumed until it expires."""
        tasks = [task for task in (self._feeder, self._task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._fail_callers(SessionError("The client was closed.", code=ErrorCode.SESSION_ENDED))

    async def send(self, body: object, *, ttl: float | None = None) -> object:
        """Send a message and return the reply once it is committed; it survives any cut.

        Args:
            body: of the message, JSON-safe.
            ttl: as of ``post``; needs an outbox.

        Raises:
            RefusedError: the application said no.
            OutboxFullError: 5101; too many wait already.
            LocalProtocolError: 7003; it is too large.
            SessionError: 6xxx; the session ended before the message was acknowledged. One that is
                in an outbox stays there.
            DeliveryError: 5001; it expired in the outbox.
            StorageError: 8xxx; the outbox could not keep it.
        """
        raw = _encoded(body)
        if self._finished is not None:
            raise self._finished
        reply: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if self._keeping is None:
            self._give(raw, _Waiting(reply))
            return await reply
        message_id = self._world.new_id()
        self._callers[message_id] = reply
        try:
            await self._keeping.post(message_id, raw, ttl)
            return await reply
        finally:
            self._callers.pop(message_id, None)

    async def post(self, body: object, *, ttl: float | None = None) -> str:
        """Keep a message in the outbox, to be sent in its turn; nobody waits for the reply.

        Args:
            body: of the message, JSON-safe.
            ttl: seconds after which it is not sent any more, None for the outbox's own.

        Returns:
            Its id there, for ``status``, ``changes`` and ``outcome``.

        Raises:
            LocalProtocolError: 7003, it is too large; 7004, the client has no outbox.
            OutboxFullError, StorageError: as ``Outbox.submit``; nothing was kept.
        """
        raw = _encoded(body)
        if self._keeping is None:
            raise LocalProtocolError("Only a client with an outbox keeps messages.")
        message_id = self._world.new_id()
        await self._keeping.post(message_id, raw, ttl)
        return message_id

    async def leave(self) -> None:
        """End the session for good."""
        self._perform(self._machine.leave())
        if self._task is not None and self._line.transport is not None:
            await asyncio.wait({self._task}, timeout=ACK_TIMEOUT)
        if self._keeping is not None:
            await self._keeping.leave()

    def cut(self) -> None:
        """Drop the connection as if the cable was pulled; it comes back by itself."""
        self._line.cut()

    # --- the connection, again and again ----------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        delays: Iterator[float] = iter((0.0,))
        while self._finished is None:
            delay = next(delays, 0.0)
            await asyncio.sleep(max(delay, self._retry_after))
            self._retry_after = 0.0
            try:
                await self._line.stay(self._begin, self._patience)
            except RateLimitError as error:
                self._retry_after = error.retry_after or 1.0
            except NetworkError as error:
                log.debug("attempt failed: %s", error)
            self._machine.lost()
            if self._opened.is_set():
                self._opened.clear()
                delays = self._schedule(self._world.random)
                self.lost_at = loop.time()
            elif self.restored == 0 and self.session is None:
                delays = self._schedule(self._world.random) if delay == 0.0 else delays
            self.status = ClientStatus.RECONNECTING
        self.status = ClientStatus.ENDED
        self._fail_callers(self._finished)

    def _begin(self) -> None:
        self._perform(self._machine.connected())

    def _patience(self) -> float:
        return self._machine.ping_interval + limits.PONG_TIMEOUT

    def _received(self, message: bytes) -> None:
        try:
            for frame in JSON.server_frames(message):
                self._perform(self._machine.received(frame))
        except RemoteProtocolError as error:
            log.warning("the server breaks the protocol: %s", error)
            self.cut()

    def _perform(self, effects: list[machine.Effect]) -> None:  # noqa: C901 - one for each
        outgoing: list[bytes] = []
        for effect in effects:
            match effect:
                case machine.Transmit(frame):
                    outgoing.append(JSON.encode(frame))
                case machine.Opened(is_new):
                    self._on_opened(is_new=is_new)
                    self._save()
                case machine.Shown(channel, state, _):
                    self._on_state(channel, state)
                case machine.Delivered(channel, data):
                    self._on_event(channel, data)
                case machine.Answered():
                    self._answers[effect.seq] = effect
                case machine.Acknowledged(seq):
                    self._settle(seq)
                case machine.Postponed(retry_after):
                    loop = asyncio.get_running_loop()
                    loop.call_later(retry_after, lambda: self._perform(self._machine.send_again()))
                case machine.Renumbered():
                    self._waiting = dict(enumerate(self._waiting.values(), start=1))
                    self._answers.clear()
                    self._save()
                case machine.Ended():
                    self._on_bye(effect)
        if outgoing and self._line.transport is not None:
            self._gate.send(self._line.transport, JSON.join(outgoing))

    def _on_opened(self, *, is_new: bool) -> None:
        self.status = ClientStatus.OPEN
        self._opened.set()
        self._feeds.set()
        self.restored_at = asyncio.get_running_loop().time()
        if not is_new:
            self.restored += 1

    def _on_bye(self, effect: machine.Ended) -> None:
        frame = effect.frame
        if effect.again:
            self._retry_after = frame.retry_after or 0.0
            return
        self._finished = SessionError(
            frame.message, details={"code": frame.code, "name": frame.name}
        )

    def _give(self, raw: Raw, waiting: _Waiting) -> None:
        """Give a message to the machine, which repeats it until it is acknowledged."""
        seq, effects = self._machine.send(raw)
        self._waiting[seq] = waiting
        self._perform(effects)
        self._probe_when_late(seq)

    def _settle(self, seq: int) -> None:
        for number in [number for number in self._waiting if number <= seq]:
            waiting, answer = self._waiting.pop(number), self._answers.pop(number, None)
            if waiting.message is not None and self._keeping is not None:
                self._keeping.delivered(waiting.message)
            reply = waiting.reply
            if reply is None or reply.done():
                continue
            if answer is not None and answer.error is not None:
                reply.set_exception(RefusedError(answer.error))
            else:
                reply.set_result(None if answer is None else answer.ok)
        self._feeds.set()

    def _fail_callers(self, error: ResilienceError) -> None:
        replies = [waiting.reply for waiting in self._waiting.values()]
        for reply in (*replies, *self._callers.values()):
            if reply is not None and not reply.done():
                reply.set_exception(error)
        self._waiting.clear()

    # --- the outbox -------------------------------------------------------------------------

    async def _load(self, keeping: Keeping) -> None:
        """Go on where an earlier process stopped."""
        first_stream = self._world.new_id()
        memory, begun = await keeping.load(first_stream)
        self._machine = machine.ClientMachine(first_stream, self._auth, memory)
        self._waiting = {seq: _Waiting(None, message) for seq, message in begun.items()}
        keeping.outbox.on_queued(lambda _: self._feeds.set())
        keeping.outbox.on_expired(self._expired)

    async def _feed(self, keeping: Keeping) -> None:
        """Send what is in the outbox, while there is a connection."""
        while self._finished is None:
            await self._feeds.wait()
            self._feeds.clear()
            if self.status is not ClientStatus.OPEN:
                continue
            stream = self._machine.stream
            try:
                begun = await keeping.begin(self._machine)
            except StorageError as error:  # nothing was begun, all of it stays
                log.warning("messages wait for the store: %s", error)
                await asyncio.sleep(STORE_PATIENCE)
                self._feeds.set()
                continue
            self._send_begun(begun, is_misplaced=stream != self._machine.stream)

    def _send_begun(self, begun: list[tuple[Message, Raw]], *, is_misplaced: bool) -> None:
        """Give what was begun to the machine; ``is_misplaced`` when it has a new stream since."""
        if self._machine.state is machine.ClientState.ENDED:
            return  # the next process sends them
        effects: list[machine.Effect] = []
        for message, raw in begun:
            seq, more = self._machine.send(raw)
            self._waiting[seq] = _Waiting(self._callers.get(message.id), message)
            effects += more
        if is_misplaced:
            self._save()
        self._perform(effects)
        if begun:
            self._probe_when_late(self._machine.last_seq)
            self._feeds.set()

    def _save(self) -> None:
        """Store who we are and where our messages stand; nothing is sent until that is done."""
        if self._keeping is None:
            return
        begun = {
            seq: each.message for seq, each in self._waiting.items() if each.message is not None
        }
        try:
            self._gate.close_for(self._keeping.save(self._machine.memory, begun))
        except StorageError as error:
            self._not_saved(error)

    def _not_saved(self, error: BaseException) -> None:
        log.warning("the session cannot be stored, it connects again soon: %s", error)
        self._retry_after = STORE_PATIENCE
        self.cut()

    def _expired(self, change: Change) -> None:
        reply = self._callers.get(change.id)
        if reply is not None and not reply.done():
            reply.set_exception(DeliveryError("The message's time was over before it was sent."))

    def _probe_when_late(self, seq: int) -> None:
        """An answer that does not come is the quickest sign of a dead connection."""
        loop = asyncio.get_running_loop()
        sent_at = loop.time()

        def probe() -> None:
            if seq in self._waiting and self._line.transport is not None:
                self._line.transport.send(JSON.encode(ClientPing(0)))
                loop.call_later(ACK_TIMEOUT, give_up, self._line.transport)

        def give_up(socket: Transport) -> None:
            if (
                seq in self._waiting
                and socket is self._line.transport
                and self._line.last_heard < sent_at
            ):
                socket.abort()

        loop.call_later(ACK_TIMEOUT, probe)


def _encoded(body: object) -> Raw:
    raw = msgspec.json.encode(body)
    if len(raw) > limits.CLIENT_MESSAGE_BYTES_MAX:
        raise LocalProtocolError(
            f"The message has {len(raw)} bytes, {limits.CLIENT_MESSAGE_BYTES_MAX} are allowed.",
            code=ErrorCode.FRAME_TOO_LARGE,
        )
    return Raw(raw)


__all__ = ["ClientStatus", "ConnectionFailedError", "RefusedError", "SessionClient"]
