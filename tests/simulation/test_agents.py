"""Agents call and hear each other while everything breaks: answered once or failed clearly, heard once and in order."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from holdfast.apps.agents import (
    MIGRATIONS,
    AgentCode,
    AgentError,
    AgentHost,
    AgentRequest,
    AgentSettings,
    HostSettings,
    StreamBrokenError,
    limits,
)
from holdfast.apps.agents.effects import Effect, Heard
from holdfast.apps.agents.store import Answers, Found, Verdict
from holdfast.apps.agents.stream import Outflow
from holdfast.apps.agents.topics import Wishes
from holdfast.errors import ErrorCode, ResilienceError
from holdfast.storage import Database
from holdfast.testing import Cut, Kill, PowerOff, Reset, Simulation, Skew, search, simulate
from tests.support.agent_relay import RelayWay, relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.apps.agents.wire import Event
    from holdfast.testing import Host

PORT = 9000
NODES = ("ann", "bob", "joe")
GATES = ("gate1", "gate2")
CALLS = 5
TELLERS = ("bob", "joe")
STREAMS = 1
PIECES = 18
TRIES = 4
TIMEOUT = 30.0
LATE = 10.0
"""Seconds that a call may end after its time: a slow disk, an orderly refusal."""

ENDS_WITHIN = 1500
LOOK = 5
"""Seconds until every call must have come to its end, and between two looks."""

CLEAR = {
    AgentCode.CALL_INTERRUPTED,
    AgentCode.CALL_TIMEOUT,
    AgentCode.CALL_CANCELLED,
    AgentCode.PEER_SILENT,
    AgentCode.REQUEST_STALE,
    AgentCode.AGENT_UNAVAILABLE,
    AgentCode.STREAM_BROKEN,
    ErrorCode.CIRCUIT_BREAKER_OPEN,
    ErrorCode.RETRY_EXHAUSTED,
    ErrorCode.NETWORK_TIMEOUT,
}
"""What a caller may be told while nodes die."""


class Office:
    """A caller, two who answer, two relays; and what was seen from outside."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.ran: Counter[str] = Counter()
        self.answers: dict[str, object] = {}
        self.errors: dict[str, ResilienceError] = {}
        self.whole = 0
        self.broken = 0
        self.healed = asyncio.Event()
        for name in GATES:
            gate = world.host(name)
            gate.spawn(self.gate, gate)
        for name in NODES:
            node = world.host(name, profile="cafe" if name == "ann" else "lan")
            node.spawn(self.node, node)

    async def gate(self, host: Host) -> None:
        await relay(PORT, host.random, loss=0.1, double=0.1)

    async def node(self, host: Host) -> None:
        way = RelayWay(host.name, NODES, [(gate, PORT) for gate in GATES], host.random)
        async with Database(host.folder / "agents.db", {"agents": MIGRATIONS}) as database:
            agents = AgentHost(way, database, settings=HostSettings(drain=1.0), world=host)
            agents.register("note", self.note)
            agents.register("plan", self.plan, AgentSettings(may_run_again=True))
            agents.register("scale", self.scale)
            async with agents, asyncio.TaskGroup() as group:
                group.create_task(way.live())
                if host.name == "ann":
                    group.create_task(self.work(agents, host))

    # --- agents -----------------------------------------------------------------------------

    async def note(self, request: AgentRequest) -> object:
        """Has an effect, which must happen once for an id."""
        self.ran[request.id] += 1
        await asyncio.sleep(random.uniform(0, 3))
        return ["noted", request.id]

    async def plan(self, request: AgentRequest) -> object:
        """Asks another agent, by an id of its own: may run again."""
        return await request.host.call("note@joe", id=f"{request.id}/1")

    async def scale(self, request: AgentRequest) -> object:
        total = 0
        async for piece in request:
            assert isinstance(piece, int)
            total += piece
            await request.send(piece * 10)
        return total

    # --- the caller -------------------------------------------------------------------------

    async def work(self, agents: AgentHost, host: Host) -> None:
        """Ask for all that has no outcome yet; who was killed begins with what was open."""
        for number in range(CALLS):
            agent = ("note@bob", "note@joe", "plan@bob")[number % 3]
            await self.ask(agents, f"job{number}", agent)
            await asyncio.sleep(host.random.uniform(0, 2))
        while self.whole + self.broken < STREAMS:
            await self.stream(agents)
        await self.healed.wait()
        for _ in range(TRIES):
            if await self.stream(agents):
                return
        raise AssertionError("streams are whole again when nothing breaks any more")

    async def ask(self, agents: AgentHost, id_: str, agent: str) -> None:
        """Ask until there is an answer or an error that stays."""
        for _ in range(TRIES):
            if id_ in self.answers or id_ in self.errors:
                return
            try:
                async with asyncio.timeout(TIMEOUT + LATE):
                    answer = await agents.call(agent, id=id_, timeout=TIMEOUT)
                self.answers[id_] = answer
            except ResilienceError as error:
                assert error.code in CLEAR, f"{id_}: {error!r}"
                self.world.note("refused", f"{id_} {error.code}")
                if error.code == AgentCode.CALL_INTERRUPTED:
                    self.errors[id_] = error
                await asyncio.sleep(5)
        self.errors.setdefault(id_, AgentError(AgentCode.CALL_TIMEOUT, f"asked {TRIES} times"))

    async def stream(self, agents: AgentHost) -> bool:
        """Send and read a stream; say whether it was whole."""
        read: list[object] = []
        is_whole = False
        try:
            async with (
                # Its last pieces may be waited for after its answer.
                asyncio.timeout(TIMEOUT + limits.STREAM_PATIENCE + LATE),
                agents.stream("scale@joe", timeout=TIMEOUT) as call,
                asyncio.TaskGroup() as group,
            ):

                async def write() -> None:
                    for piece in range(PIECES):
                        await call.send(piece)
                    await call.end()

                group.create_task(write())
                read.extend([piece async for piece in call])
                total = await call.result()
            assert (len(read), total) == (PIECES, sum(range(PIECES))), "whole, or it says so"
            is_whole = True
        except* ResilienceError as problems:
            for error in problems.exceptions:
                code = getattr(error, "code", None)
                assert isinstance(error, StreamBrokenError) or code in CLEAR, repr(error)
        assert read == [10 * piece for piece in range(len(read))], "in order, without a gap"
        self.whole += is_whole
        self.broken += not is_whole
        return is_whole

    # --- the promises -----------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        ended = len(self.answers.keys() | self.errors.keys())
        return ended == CALLS and self.whole + self.broken >= STREAMS

    def check(self) -> None:
        twice = {id_: times for id_, times in self.ran.items() if times > 1}
        assert not twice, f"run twice: {twice}"
        for id_, answer in self.answers.items():
            ran = id_ if id_ in self.ran else f"{id_}/1"
            assert answer == ["noted", ran]
            assert self.ran[ran] == 1, f"{id_} was answered and did not run"


async def until(world: Simulation, condition: Callable[[], bool], what: str) -> None:
    """Look seldom, so that the run is quick."""
    for _ in range(ENDS_WITHIN // LOOK):
        if condition():
            break
        await asyncio.sleep(LOOK)
    await world.until(condition, within=1, what=what)


async def office_hours(world: Simulation) -> None:
    """Nodes and relays are killed and lose their power, cables are cut, clocks are wrong; all is accounted for."""
    office = Office(world)
    links = [(node, gate) for node in NODES for gate in GATES]
    world.inject({Kill: 2, PowerOff: 1}, within=30, hosts=NODES, lasts=(0.5, 15))
    world.inject({Kill: 2}, within=30, hosts=GATES, lasts=(0.5, 20))
    world.inject({Cut: 2, Reset: 2}, within=30, links=links, lasts=(0.5, 20))
    world.inject({Skew: 1}, within=30, hosts=NODES, lasts=(0.5, 20))
    await world.calm()
    await until(world, lambda: office.is_done, "every call comes to an end")
    whole = office.whole
    office.healed.set()
    await until(world, lambda: office.whole > whole, "streams are whole again")
    office.check()
    world.note("outcome", f"{len(office.answers)} answered, {office.whole} streams whole")


class Radio:
    """Two who tell numbers, one who listens; relays as above."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.heard: Counter[str] = Counter()
        self.missed = 0
        for name in GATES:
            gate = world.host(name)
            gate.spawn(self.gate, gate)
        for name in NODES:
            node = world.host(name, profile="cafe" if name == "ann" else "lan")
            node.spawn(self.node, node)

    async def gate(self, host: Host) -> None:
        await relay(PORT, host.random, loss=0.1, double=0.1)

    async def node(self, host: Host) -> None:
        way = RelayWay(host.name, NODES, [(gate, PORT) for gate in GATES], host.random)
        async with Database(host.folder / "agents.db", {"agents": MIGRATIONS}) as database:
            agents = AgentHost(way, database, settings=HostSettings(drain=1.0), world=host)
            async with agents, asyncio.TaskGroup() as group:
                group.create_task(way.live())
                if host.name != "ann":
                    group.create_task(self.tell(agents, host))
                    return
                for peer in TELLERS:
                    group.create_task(self.listen(agents, peer))

    async def tell(self, agents: AgentHost, host: Host) -> None:
        """One number after the other, from 1 in each life."""
        number = 0
        while True:
            number += 1
            agents.publish("told.number", [agents.epoch, number])
            agents.publish("other", "nobody asked for it")
            await asyncio.sleep(host.random.uniform(0.2, 2))

    async def listen(self, agents: AgentHost, peer: str) -> None:
        """Each number once, in order; between two of one life so many are missing as it is told."""
        life, before = "", 0
        async with agents.subscribe("told.*", peer) as events:
            async for event in events:
                assert isinstance(event.body, list)
                assert event.topic == "told.number"
                told, number = event.body
                if told == life:
                    assert number > before, "once, and in order"
                    assert event.missed == number - before - 1, "a gap is told as it is"
                    self.missed += event.missed
                life, before = told, number
                self.heard[peer] += 1


async def radio_hours(world: Simulation) -> None:
    """Events while nodes and relays die: what is heard is heard once and in order, and gaps are told."""
    radio = Radio(world)
    links = [(node, gate) for node in NODES for gate in GATES]
    world.inject({Kill: 3, PowerOff: 1}, within=40, hosts=NODES, lasts=(0.5, 15))
    world.inject({Kill: 2}, within=40, hosts=GATES, lasts=(0.5, 20))
    world.inject({Cut: 2, Reset: 2}, within=40, links=links, lasts=(0.5, 20))
    await world.calm()
    before = Counter(radio.heard)
    await until(
        world,
        lambda: all(radio.heard[peer] > before[peer] + 5 for peer in TELLERS),
        "who listens hears both again",
    )
    world.note("heard", f"{radio.heard.total()} events, {radio.missed} missed and told")


@simulate(seeds=25, minutes=40)
async def test_events_are_heard_once_in_order_and_gaps_are_told(world: Simulation) -> None:
    await radio_hours(world)


def gaps_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    """What was lost on the way is not told."""
    event = Wishes.event

    def quietly(self: Wishes, frame: Event) -> list[Effect]:
        return [replace(each, missed=0) for each in event(self, frame) if isinstance(each, Heard)]

    patch.setattr(Wishes, "event", quietly)


def events_are_taken_as_they_come(patch: pytest.MonkeyPatch) -> None:
    """What comes twice or late is shown as if it were new."""

    def blindly(self: Wishes, frame: Event) -> list[Effect]:
        return [Heard(frame.topic, frame.body, 0)]

    patch.setattr(Wishes, "event", blindly)


def a_wish_is_said_once(patch: pytest.MonkeyPatch) -> None:
    """Whoever has begun anew does not learn again who listens."""
    patch.setattr(Wishes, "say", lambda self, now: self._said(now) if self._version == 1 else [])
    patch.setattr(Wishes, "on_time", lambda self, now: [])
    patch.setattr(Wishes, "next_deadline", lambda self: None)


@pytest.mark.parametrize(
    "bug", [gaps_are_not_counted, events_are_taken_as_they_come, a_wish_is_said_once]
)
def test_a_planted_bug_of_events_is_found(
    bug: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    simulation_note: Callable[[str], None],
) -> None:
    bug(monkeypatch)
    finding = search(radio_hours, range(30), minutes=40, shrinking=0)
    assert finding.failure is not None, f"{bug.__doc__} was not found in 30 seeds"
    simulation_note(f"planted: {bug.__name__} was found after {finding.runs} seeds")


@simulate(seeds=170, minutes=40)
async def test_each_request_is_answered_once_or_fails_clearly(world: Simulation) -> None:
    await office_hours(world)


def nothing_is_noted_before_it_runs(patch: pytest.MonkeyPatch) -> None:
    """A request that has begun is noted only when it has ended."""

    async def begin(self: Answers, *args: object, **more: object) -> Found:
        return Found(Verdict.NEW)

    patch.setattr(Answers, "begin", begin)


def answers_are_not_kept(patch: pytest.MonkeyPatch) -> None:
    """What was answered is forgotten at once, so a lost answer is worked for again."""

    async def finish(self: Answers, peer: str, id: str, reply: bytes) -> None:
        await self.forget(peer, id)

    patch.setattr(Answers, "finish", finish)


def nothing_is_said_again(patch: pytest.MonkeyPatch) -> None:
    """Pieces of a stream are sent once."""
    patch.setattr(Outflow, "on_time", lambda self, now, within: [])
    patch.setattr(Outflow, "next_deadline", lambda self: None)


@pytest.mark.parametrize(
    "bug", [nothing_is_noted_before_it_runs, answers_are_not_kept, nothing_is_said_again]
)
def test_a_planted_bug_is_found(
    bug: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    simulation_note: Callable[[str], None],
) -> None:
    bug(monkeypatch)
    finding = search(office_hours, range(50), minutes=40, shrinking=0)
    assert finding.failure is not None, f"{bug.__doc__} was not found in 50 seeds"
    simulation_note(f"planted: {bug.__name__} was found after {finding.runs} seeds")
