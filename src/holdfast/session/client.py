"""A session from Python: it reconnects by itself and loses nothing.

::

    async with SessionClient("ws://127.0.0.1:8400/ws", auth={"as": "player", …}) as client:
        reply = await client.send({"do": "answer", …})
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.errors import (
    ConnectionFailedError,
    ErrorCode,
    NetworkError,
    RateLimitError,
    RemoteProtocolError,
    ResilienceError,
    SessionError,
)
from holdfast.resilience import quick
from holdfast.session import client_machine as machine
from holdfast.session._ws_client import ClientSocket, connect_socket
from holdfast.session.wire import JSON, ClientPing
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from random import Random
    from types import TracebackType
    from typing import Self

    from holdfast.world import World

log = logging.getLogger("holdfast.client")

ACK_TIMEOUT: Final = 2.0
"""Seconds without acknowledgement after which the connection is probed, and again until it is replaced."""

CONNECT_TIMEOUT: Final = 10.0


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
    ) -> None:
        self._url = url
        self._on_state = on_state
        self._on_event = on_event
        self._headers = {} if headers is None else headers
        self._world: World = RealWorld() if world is None else world
        self._schedule = schedule
        self._machine = machine.ClientMachine(self._world.new_id(), auth)
        self._replies: dict[int, asyncio.Future[object]] = {}
        self._answers: dict[int, machine.Answered] = {}
        self._socket: ClientSocket | None = None
        self._gone = asyncio.Event()
        self._opened = asyncio.Event()
        self._finished: ResilienceError | None = None
        self._retry_after = 0.0
        self._last_heard = 0.0
        self._bytes_passed = 0
        self._task: asyncio.Task[None] | None = None
        self.status = ClientStatus.CONNECTING
        self.restored = 0
        self.lost_at: float | None = None
        self.restored_at: float | None = None

    @property
    def bytes_passed(self) -> int:
        """How many bytes went over all its connections, in both directions."""
        return self._bytes_passed + (0 if self._socket is None else self._socket.bytes_passed)

    @property
    def session(self) -> str | None:
        """The id of the session, None before it is open."""
        return self._machine.session

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="holdfast-session-client")
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
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._fail_replies(SessionError("The client was closed.", code=ErrorCode.SESSION_ENDED))

    async def send(self, body: object) -> object:
        """Send a message and return the reply once it is committed; it survives any cut.

        Raises:
            RefusedError: the application said no.
            OutboxFullError: 5101; too many wait already.
            SessionError: 6xxx; the session ended before the message was acknowledged.
        """
        seq, effects = self._machine.send(body)
        reply: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._replies[seq] = reply
        self._perform(effects)
        self._probe_when_late(seq)
        return await reply

    async def leave(self) -> None:
        """End the session for good."""
        self._perform(self._machine.leave())
        if self._task is not None and self._socket is not None:
            await asyncio.wait({self._task}, timeout=ACK_TIMEOUT)

    def cut(self) -> None:
        """Drop the connection as if the cable was pulled; it comes back by itself."""
        if self._socket is not None:
            self._socket.abort()

    # --- the connection, again and again ----------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        delays: Iterator[float] = iter((0.0,))
        while self._finished is None:
            delay = next(delays, 0.0)
            await asyncio.sleep(max(delay, self._retry_after))
            self._retry_after = 0.0
            try:
                await self._connect_once()
            except RateLimitError as error:
                self._retry_after = error.retry_after or 1.0
            except NetworkError as error:
                log.debug("attempt failed: %s", error)
            if self._opened.is_set():
                self._opened.clear()
                delays = self._schedule(self._world.random)
                self.lost_at = loop.time()
            elif self.restored == 0 and self.session is None:
                delays = self._schedule(self._world.random) if delay == 0.0 else delays
            self.status = ClientStatus.RECONNECTING
        self.status = ClientStatus.ENDED
        self._fail_replies(self._finished)

    async def _connect_once(self) -> None:
        """Open one connection and stay until it is lost."""
        loop = asyncio.get_running_loop()
        self._gone.clear()
        self._socket = await connect_socket(
            self._url, self._headers, self._received, self._gone.set, timeout=CONNECT_TIMEOUT
        )
        self._last_heard = loop.time()
        try:
            self._perform(self._machine.connected())
            while not self._gone.is_set():
                patience = self._machine.ping_interval + limits.PONG_TIMEOUT
                dead_at = self._last_heard + patience
                if loop.time() >= dead_at:
                    self._socket.abort()
                    return
                with contextlib.suppress(TimeoutError):  # then it looks how long it was silent
                    async with asyncio.timeout_at(dead_at):
                        await self._gone.wait()
        finally:
            self._socket.abort()
            self._bytes_passed += self._socket.bytes_passed
            self._socket = None
            self._machine.lost()

    def _received(self, message: bytes) -> None:
        self._last_heard = asyncio.get_running_loop().time()
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
                    self._replies = dict(enumerate(self._replies.values(), start=1))
                    self._answers.clear()
                case machine.Ended():
                    self._on_bye(effect)
        if outgoing and self._socket is not None:
            self._socket.send(JSON.join(outgoing))

    def _on_opened(self, *, is_new: bool) -> None:
        self.status = ClientStatus.OPEN
        self._opened.set()
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

    def _settle(self, seq: int) -> None:
        for number in [number for number in self._replies if number <= seq]:
            reply, answer = self._replies.pop(number), self._answers.pop(number, None)
            if reply.done():
                continue
            if answer is not None and answer.error is not None:
                reply.set_exception(RefusedError(answer.error))
            else:
                reply.set_result(None if answer is None else answer.ok)

    def _fail_replies(self, error: ResilienceError) -> None:
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(error)
        self._replies.clear()

    def _probe_when_late(self, seq: int) -> None:
        """An answer that does not come is the quickest sign of a dead connection."""
        loop = asyncio.get_running_loop()
        sent_at = loop.time()

        def probe() -> None:
            if seq in self._replies and self._socket is not None:
                self._socket.send(JSON.encode(ClientPing(0)))
                loop.call_later(ACK_TIMEOUT, give_up, self._socket)

        def give_up(socket: ClientSocket) -> None:
            if seq in self._replies and socket is self._socket and self._last_heard < sent_at:
                socket.abort()

        loop.call_later(ACK_TIMEOUT, probe)


__all__ = ["ClientStatus", "ConnectionFailedError", "RefusedError", "SessionClient"]
