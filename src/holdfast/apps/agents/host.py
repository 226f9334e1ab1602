"""A node's agents: those that live here can be asked, those of peers can be called.

::

    host = AgentHost(transport, database)
    host.register("doubler", doubler)                   # async def doubler(request): return request.body * 2
    async with host:
        await host.call("doubler@bob", 21)              # 42, or an error that says what happened

A request runs at most once for its id, whatever is lost, doubled or killed in between: it is written down before it
runs, and its answer before it is sent. See ``docs/guides/agents.md``.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from holdfast.apps.agents import limits, wire
from holdfast.apps.agents.agent import NAME, AgentSettings, Registered, Resident, split
from holdfast.apps.agents.errors import COMES_BACK, AgentCode, AgentError
from holdfast.apps.agents.judging import judged, was_not_run
from holdfast.apps.agents.listening import Listening
from holdfast.apps.agents.outgoing import StreamCall
from holdfast.apps.agents.peers import Peers
from holdfast.apps.agents.report import REPORTER, NodeReport, read_report, report_of
from holdfast.apps.agents.running import Run
from holdfast.apps.agents.settings import ConversationSettings
from holdfast.apps.agents.store import Answers
from holdfast.apps.agents.wire import Request
from holdfast.errors import NetworkTimeoutError
from holdfast.resilience import (
    CircuitBreakerConfig,
    CircuitBreakerManager,
    RateLimitConfig,
    RetryPolicy,
    remaining,
)
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from holdfast.apps.agents.agent import Handler
    from holdfast.apps.agents.effects import Heard
    from holdfast.apps.agents.events import Subscription
    from holdfast.apps.agents.link import Link
    from holdfast.apps.agents.transport import Transport
    from holdfast.storage import Database
    from holdfast.world import World

log = logging.getLogger("holdfast.agents")


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    """How a host behaves.

    Attributes:
        conversation: when what is said again.
        call_timeout: seconds that a call has when its caller does not say.
        rate: what one peer may send.
        breaker: when a silent peer is left in peace.
        retry: of requests that were refused before they ran; its budget is for each peer.
        drain: seconds that running requests have when the host stops.
    """

    conversation: ConversationSettings = field(default_factory=ConversationSettings)
    call_timeout: float = limits.CALL_TIMEOUT
    rate: RateLimitConfig = field(
        default_factory=lambda: RateLimitConfig(limits.PEER_RATE, 1.0, limits.PEER_BURST)
    )
    breaker: CircuitBreakerConfig = field(
        default_factory=lambda: CircuitBreakerConfig(
            failure_threshold=5, timeout=15.0, expected_exception=COMES_BACK
        )
    )
    retry: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(
            name="agent call",
            max_attempts=5,
            initial_delay=0.2,
            max_delay=5.0,
            retry_on=was_not_run,
        )
    )
    drain: float = 5.0


class AgentHost:
    """Named agents, and calls between them; use it as an async context manager.

    Args:
        transport: to the nodes of peers.
        database: with ``MIGRATIONS`` among its own.
        settings: how it behaves.
        world: wall time, chance, ids.
    """

    def __init__(
        self,
        transport: Transport,
        database: Database,
        *,
        settings: HostSettings | None = None,
        world: World | None = None,
    ) -> None:
        self.settings = HostSettings() if settings is None else settings
        self.world: World = RealWorld() if world is None else world
        self.epoch = self.world.new_id()
        self.agents: dict[str, Registered] = {}
        self.breakers = CircuitBreakerManager(self.settings.breaker, breakers_max=limits.PEERS_MAX)
        self.answers = Answers(
            database, self.epoch, self.settings.conversation.answer_ttl, self.world
        )
        self._transport = transport
        self._peers = Peers(self, transport)
        self._listening = Listening(self._peers)
        self._runs: dict[tuple[str, str], Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._residents: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def register(self, name: str, agent: Handler, settings: AgentSettings | None = None) -> None:
        """Let an agent live here, before the host is entered.

        Args:
            name: small letters, digits, ``-`` and ``_``.
            agent: a coroutine function of an ``AgentRequest``, or a ``Resident``.
            settings: what it may.

        Raises:
            AgentError: ADDRESS_INVALID, the name is none or is taken; TOO_MANY.
        """
        if NAME.fullmatch(name) is None or name in self.agents:
            raise AgentError(
                AgentCode.ADDRESS_INVALID, f"An agent cannot be called {name!r} here, or one is."
            )
        if len(self.agents) >= limits.AGENTS_MAX:
            raise AgentError(AgentCode.TOO_MANY, f"{limits.AGENTS_MAX} agents live here already.")
        self.agents[name] = Registered(name, agent, settings or AgentSettings())

    # --- life -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        for agent in self.agents.values():
            if isinstance(agent.handler, Resident):
                task = asyncio.create_task(
                    agent.handler.live(self), name=f"holdfast-agent {agent.name}"
                )
                self._residents.add(task)
                task.add_done_callback(_tell_of_death)
        self._peers.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let running requests end for a while, then end everything."""
        self._is_stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self.settings.drain)
        left = [*self._tasks, *self._residents]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        self._listening.close()
        await self._peers.close(self.settings.drain)

    # --- calling ----------------------------------------------------------------------------

    async def call(
        self,
        address: str,
        body: object = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - a deadline that travels with the request
        id: str | None = None,  # noqa: A002 - the word of the field
        withdraw: bool = True,
    ) -> object:
        """Ask an agent and return its answer.

        Args:
            address: ``agent@peer``, or ``agent`` for one of this node.
            body: made of JSON values, up to ``limits.BODY_BYTES_MAX``.
            timeout: seconds; within an outer deadline it can only be shorter.
            id: of the caller's choice: the same again is the same request and gets the kept answer. New by default.
            withdraw: whether the agent is stopped when this call is cancelled; not, if the same id will be asked for.

        Raises:
            RemoteAgentError: the agent or its node answered with an error.
            RetryExhaustedError: 4001; it was refused several times before it ran.
            CircuitBreakerOpenError: 3001; the peer was silent lately.
            NetworkTimeoutError: PEER_SILENT; no sign of life in time.
            AgentError: CALL_TIMEOUT, BODY_TOO_LARGE, BODY_INVALID, ADDRESS_INVALID, TOO_MANY, PEER_UNKNOWN.

        Cancelled: the agent is told to stop (see ``withdraw``); whether it had ended is not known.
        """
        name, peer = self._resolved(address)
        data = wire.to_json(body)
        due = self._due(timeout)
        chosen = id or self.world.new_id()

        async def ask() -> object:
            return await self._ask(peer, name, data, due, chosen, withdraw=withdraw)

        loop = asyncio.get_running_loop()
        budget = self._peers.link(peer).budget
        policy = replace(self.settings.retry, deadline=max(0.001, due - loop.time()), budget=budget)
        if not peer:
            return await policy.call_async(ask)
        return await policy.call_async(self.breakers.get(peer).call_async, ask)

    def stream(
        self,
        address: str,
        body: object = None,
        *,
        timeout: float | None = None,
        id: str | None = None,  # noqa: A002 - as above
    ) -> StreamCall:
        """Open a call with pieces both ways; raises as ``call``, when it is entered and after that.

        A stream does not outlive its nodes: when one dies, it is broken, and its call ends with an error.
        """
        name, peer = self._resolved(address)
        due = self._due(timeout)
        link = self._peers.link(peer)
        request = self._request(
            link, name, wire.to_json(body), due, id or self.world.new_id(), is_stream=True
        )
        return StreamCall(link, request, due, address)

    async def report(self, peer: str, *, timeout: float = 5.0) -> NodeReport:  # noqa: ASYNC109 - as above
        """Ask a node which agents it has and how they do; it is a sign of life, too.

        Raises:
            As ``call``.
        """
        told = await self.call(f"{REPORTER}@{peer}" if peer else REPORTER, timeout=timeout)
        return read_report(told)

    async def _ask(
        self, peer: str, name: str, data: bytes, due: float, id_: str, *, withdraw: bool
    ) -> object:
        where = f"{name}@{peer}" if peer else name
        link = self._peers.link(peer)
        if asyncio.get_running_loop().time() >= due:
            raise NetworkTimeoutError(
                f"There was no time left to ask {where}.", code=AgentCode.CALL_TIMEOUT
            )
        waiting = link.open(self._request(link, name, data, due, id_, is_stream=False), due)
        waiting.waiters += 1
        try:
            end = await asyncio.shield(waiting.answer)
        except asyncio.CancelledError:
            if withdraw and waiting.waiters == 1:
                link.withdraw(id_)
            raise
        finally:
            waiting.waiters -= 1
        return judged(end, where)

    def _request(
        self, link: Link, name: str, data: bytes, due: float, id_: str, *, is_stream: bool
    ) -> Request:
        if wire.ID.fullmatch(id_) is None:
            raise AgentError(
                AgentCode.ADDRESS_INVALID,
                f"{id_!r} is no id: 1 to 64 letters, digits and any of _ . : / -",
            )
        left_ms = max(0, int((due - asyncio.get_running_loop().time()) * 1000))
        return Request(id_, name, data, left_ms, max(0, link.wall_ms()), is_stream)

    def _resolved(self, address: str) -> tuple[str, str]:
        if self._is_stopping:
            raise AgentError(AgentCode.NODE_STOPPING, "This node is being stopped.")
        name, peer = split(address)
        if peer and peer not in self._transport.peers():
            raise AgentError(
                AgentCode.PEER_UNKNOWN,
                f"No peer is called {peer!r} here; meet it first with an invitation.",
            )
        return name, peer

    def _due(self, seconds: float | None) -> float:
        outer = remaining()
        wanted = self.settings.call_timeout if seconds is None else seconds
        wanted = min(wanted, limits.CALL_TIMEOUT_MAX, float("inf") if outer is None else outer)
        return asyncio.get_running_loop().time() + wanted

    # --- events -----------------------------------------------------------------------------

    def publish(self, topic: str, body: object = None) -> None:
        """Tell all peers that want to hear of a topic, and those here; what is lost on the way is lost.

        Raises:
            AgentError: TOPIC_INVALID, BODY_TOO_LARGE, BODY_INVALID.
        """
        self._listening.publish(topic, body)

    def subscribe(self, topic: str, peer: str = "") -> Subscription:
        """Listen to a topic of a peer, or of this node.

        Args:
            topic: exact, or a prefix that ends in ``.*``, or ``*``.
            peer: its name; empty for this node.

        Raises:
            AgentError: TOPIC_INVALID, PEER_UNKNOWN; TOO_MANY when it is entered.
        """
        self._resolved(f"any@{peer}" if peer else "any")
        return self._listening.subscribe(topic, peer)

    def heard(self, peer: str, event: Heard) -> None:
        """Of a link: something happened at its peer."""
        self._listening.tell(peer, event.topic, event.body, event.missed)

    # --- answering --------------------------------------------------------------------------

    def admit(self, link: Link, request: Request) -> None:
        """Of a link: a request that does not run here now."""
        answering = link.conversation.answering
        if request.agent == REPORTER:
            link.perform(answering.finished(report_of(self, request, link.peer)))
            return
        agent = self.agents.get(request.agent)
        if agent is None or not agent.allows(link.peer):
            # The same answer for both: who may not ask learns nothing.
            error = AgentError(
                AgentCode.AGENT_UNKNOWN, f"No agent is called {request.agent!r}, or not for you."
            )
            link.perform(answering.refused(request.id, error))
            return
        if self._is_stopping:
            error = AgentError(
                AgentCode.NODE_STOPPING, "The node is being stopped.", retry_after=1.0
            )
            link.perform(answering.refused(request.id, error))
            return
        run = self._runs[link.peer, request.id] = Run(self, link, request, agent)
        task = asyncio.create_task(
            self._keep(link, request.id, run), name=f"holdfast-agent-run {request.id}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self, link: Link, id_: str, run: Run) -> None:
        try:
            await run.run()
        finally:
            del self._runs[link.peer, id_]
            link.perform(link.conversation.dropped(id_))

    def stop(self, link: Link, id: str, error: AgentError) -> None:  # noqa: A002 - as above
        """Of a link: a request was withdrawn, or its time is over."""
        run = self._runs.get((link.peer, id))
        if run is not None:
            run.stop(error)

    def peers(self) -> Sequence[str]:
        """Return the names of all peers that are known."""
        return self._transport.peers()

    @property
    def links(self) -> Mapping[str, Link]:
        """What is open with each peer, by its name."""
        return self._peers.links


def _tell_of_death(task: asyncio.Task[None]) -> None:
    """A resident ended by itself: it is of no use any more, and nobody else would say so."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s has died, its agent answers no more", task.get_name(), exc_info=error)
