"""The shell of one conversation: it owns its timer, its waiting callers and the way to the peer."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Protocol

from holdfast.apps.agents import limits
from holdfast.apps.agents.effects import (
    Admit,
    Answered,
    Effect,
    Flowed,
    Heard,
    PeerStarted,
    Send,
    Stop,
)
from holdfast.apps.agents.errors import AgentCode, AgentError
from holdfast.apps.agents.machine import Conversation
from holdfast.apps.agents.wire import AnyFrame, Request, encode
from holdfast.errors import NetworkError, ResilienceError
from holdfast.resilience import RetryBudget, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.apps.agents.settings import ConversationSettings
    from holdfast.apps.agents.transport import Transport
    from holdfast.world import World

log = logging.getLogger("holdfast.agents")


class Keeper(Protocol):
    """What a link needs of its host."""

    def admit(self, link: Link, request: Request) -> None:
        """Look a request up, and run it if it is new."""
        ...

    def stop(self, link: Link, id: str, error: AgentError) -> None:  # noqa: A002 - the word of the field
        """Stop a request that runs."""
        ...

    def heard(self, peer: str, event: Heard) -> None:
        """Tell those who listen."""
        ...


class Waiting:
    """A call that is open, and how many wait for its answer."""

    __slots__ = ("answer", "request", "waiters")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self.waiters = 0


class Link:
    """Everything that this node has open with one peer.

    Attributes:
        peer: its name; empty for this node itself.
        conversation: the machine.
        problem: why the last frame was not taken, None while they are.
        waiting: open calls by id.
        budget: for calls that are made again.

    Args:
        peer: its name; empty for this node itself.
        epoch: the life of this node.
        settings: of the conversation.
        transport: to other nodes; frames to this node itself take no way.
        keeper: the host.
        world: wall time.
    """

    def __init__(
        self,
        peer: str,
        epoch: str,
        *,
        settings: ConversationSettings,
        transport: Transport,
        keeper: Keeper,
        world: World,
    ) -> None:
        self.peer = peer
        self.conversation = Conversation(epoch, settings)
        self.problem: ResilienceError | None = None
        self.waiting: dict[str, Waiting] = {}
        self._transport = transport
        self._keeper = keeper
        self._world = world
        self._loop = asyncio.get_running_loop()
        self._moved: dict[tuple[str, bool], set[asyncio.Future[None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._queue: deque[tuple[bytes, float]] = deque(maxlen=limits.FRAMES_QUEUED_MAX)
        self._pump: asyncio.Task[None] | None = None
        self._is_closed = False
        # Frames are said again by the machine; so a few quick attempts are enough, and a budget keeps them few.
        self._retry = RetryPolicy(
            name=f"send to {peer}",
            max_attempts=4,
            initial_delay=0.2,
            max_delay=2.0,
            retry_on=NetworkError,
            budget=RetryBudget(),
        )
        self.budget = RetryBudget()

    # --- what happens -----------------------------------------------------------------------

    def wall_ms(self) -> int:
        """Return milliseconds since 1970."""
        return int(self._world.wall_now() * 1000)

    def received(self, frame: AnyFrame) -> None:
        """Take a frame of the peer."""
        if not self._is_closed:
            now = self._loop.time()
            self.perform(self.conversation.received(frame, now, self.wall_ms()))

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do what the machine asks for."""
        for effect in effects:
            match effect:
                case Send():
                    self._send(effect)
                case Admit():
                    self._keeper.admit(self, effect.request)
                case Stop():
                    self._keeper.stop(self, effect.id, effect.error)
                case Answered():
                    found = self.waiting.pop(effect.id, None)
                    if found is not None and not found.answer.done():
                        found.answer.set_result(effect)
                case Flowed():
                    self._wake(effect.id, is_up=effect.is_up)
                case Heard():
                    self._keeper.heard(self.peer, effect)
                case PeerStarted():
                    log.info("the node of %s has started anew", self.peer)
        self.rescheduled()

    def rescheduled(self) -> None:
        """Set the timer to what the machine waits for."""
        due = None if self._is_closed else self.conversation.next_deadline()
        if self._timer is not None:
            if due is not None and self._timer.when() == due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._on_time, due)

    def _on_time(self, due: float) -> None:
        self._timer = None
        # The clock may be a tick behind what was asked for; the deadline that was announced counts.
        now = max(due, self._loop.time())
        self.perform(self.conversation.on_time(now, self.wall_ms()))

    def say(self, frame: AnyFrame, within: float) -> None:
        """Send a frame beside the machine."""
        self._send(Send(frame, within))

    @property
    def is_sending(self) -> bool:
        """Whether frames wait for their way."""
        return self._pump is not None

    # --- calls ------------------------------------------------------------------------------

    def open(self, request: Request, due: float) -> Waiting:
        """Open a call, or join the one with this id that is open.

        Raises:
            AgentError: TOO_MANY; or REQUEST_ID_REUSED, what is open with this id is another request.
        """
        self._check_open()
        found = self.waiting.get(request.id)
        if found is not None:
            mine, theirs = request, found.request
            if (mine.agent, mine.body) == (theirs.agent, theirs.body) and not mine.is_stream:
                return found
            raise AgentError(
                AgentCode.REQUEST_ID_REUSED, f"Another call has the id {request.id!r}."
            )
        effects = self.conversation.call(request, due, self._loop.time())
        waiting = self.waiting[request.id] = Waiting(request)
        self.perform(effects)
        return waiting

    def withdraw(self, id: str) -> None:  # noqa: A002 - the word of the field
        """Nobody waits for a call any more; harmless when it has ended."""
        self.waiting.pop(id, None)
        self.perform(self.conversation.withdraw(id, self.wall_ms()))

    async def moved(self, id: str, *, is_up: bool) -> None:  # noqa: A002 - as above
        """Wait until a stream has moved, ended or broken."""
        self._check_open()
        key = id, is_up
        turn: asyncio.Future[None] = self._loop.create_future()
        self._moved.setdefault(key, set()).add(turn)
        try:
            await turn
        finally:
            waiting = self._moved.get(key)
            if waiting is not None:
                waiting.discard(turn)
                if not waiting:
                    del self._moved[key]

    def _wake(self, id_: str, *, is_up: bool) -> None:
        for turn in self._moved.pop((id_, is_up), ()):
            if not turn.done():
                turn.set_result(None)

    def _check_open(self) -> None:
        if self._is_closed:
            raise AgentError(AgentCode.NODE_STOPPING, "This node is being stopped.")

    # --- the way to the peer ----------------------------------------------------------------

    def _send(self, effect: Send) -> None:
        if not self.peer:
            self._loop.call_soon(self.received, effect.frame)
            return
        if len(self._queue) == self._queue.maxlen:
            log.warning("%d frames wait for %s, the oldest is dropped", len(self._queue), self.peer)
        self._queue.append((encode(effect.frame), self._loop.time() + effect.within))
        if self._pump is None and not self._is_closed:
            self._pump = self._loop.create_task(
                self._keep_sending(), name=f"holdfast-agents to {self.peer}"
            )

    async def _keep_sending(self) -> None:
        """Send what waits, in order; end when nothing does."""
        while self._queue:
            data, until = self._queue.popleft()
            within = until - self._loop.time()
            if within <= 0:
                continue
            try:
                await self._retry.call_async(self._transport.send, self.peer, data, within=within)
                self.problem = None
            except ResilienceError as error:
                # Said again by the machine if it matters; health checks show why it does not go out.
                self.problem = error
                log.warning("a frame for %s was not taken: %s", self.peer, error)
            except Exception as error:
                self.problem = NetworkError(
                    f"The way to {self.peer} failed: {error}", original=error
                )
                log.exception("the way to %s failed", self.peer)
        self._pump = None

    # --- the end ----------------------------------------------------------------------------

    async def close(self) -> None:
        """End everything; what waits is told that this node stops."""
        self._is_closed = True
        self.rescheduled()
        error = AgentError(AgentCode.NODE_STOPPING, "This node is being stopped.")
        for waiting in self.waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(error)
                waiting.answer.exception()  # looked at: perhaps nobody waits
        self.waiting.clear()
        for key in list(self._moved):
            self._wake(key[0], is_up=key[1])
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait({self._pump})

    async def flush(self, within: float) -> None:
        """Wait until what was said is on its way, for so many seconds at most."""
        if self._pump is not None:
            await asyncio.wait({self._pump}, timeout=within)
