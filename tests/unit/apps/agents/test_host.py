"""Two nodes in one loop: calls, streams, events, and what each refuses."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
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
    ConversationSettings,
    HostSettings,
    RemoteAgentError,
    StreamBrokenError,
)
from holdfast.errors import (
    CircuitBreakerOpenError,
    ErrorCode,
    NetworkTimeoutError,
    RateLimitError,
    RetryExhaustedError,
)
from holdfast.resilience import CircuitBreakerConfig, RateLimitConfig, RetryPolicy, remaining
from holdfast.storage import Database, Durability
from tests.support.agent_network import Network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

QUICK = ConversationSettings(
    resend=0.05, resend_max=0.2, accept_after=0.02, chunk_resend=0.05, confirm_after=0.01,
    patience=2.0, topics_lease=1.0,
)  # fmt: skip
SETTINGS = HostSettings(
    conversation=QUICK,
    retry=replace(HostSettings().retry, initial_delay=0.01, max_delay=0.05),
    drain=0.2,
)


class Stage:
    """Nodes, each with a store of its own, that can be stopped and started again."""

    def __init__(self, folder: Path, network: Network) -> None:
        self.folder = folder
        self.network = network
        self.settings = SETTINGS
        self._stacks: dict[str, AsyncExitStack] = {}

    async def start(self, name: str, prepare: Callable[[AgentHost], object] = id) -> AgentHost:
        stack = self._stacks[name] = AsyncExitStack()
        path = self.folder / name / "agents.db"
        database = await stack.enter_async_context(
            Database(path, {"agents": MIGRATIONS}, durability=Durability.PROCESS_DEATH)
        )
        host = AgentHost(self.network.node(name), database, settings=self.settings)
        prepare(host)
        return await stack.enter_async_context(host)

    async def stop(self, name: str) -> None:
        await self._stacks.pop(name).aclose()

    async def close(self) -> None:
        for name in list(self._stacks):
            await self.stop(name)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path, Network())
    stage.network.node("ann"), stage.network.node("bob")
    yield stage
    await stage.close()


async def double(request: AgentRequest) -> object:
    assert isinstance(request.body, int)
    return request.body * 2


async def test_an_agent_of_a_peer_answers(stage: Stage) -> None:
    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("double", double))

    assert await ann.call("double@bob", 21) == 42


async def test_an_agent_of_the_same_node_answers(stage: Stage) -> None:
    ann = await stage.start("ann", lambda host: host.register("double", double))

    assert await ann.call("double", 21) == 42
    assert stage.network.sent[1:] == []  # but the news that it has started


async def test_a_quick_answer_costs_one_frame_each_way(stage: Stage) -> None:
    await stage.start("bob", lambda host: host.register("double", double))
    stage.settings = HostSettings()
    ann = await stage.start("ann")
    await ann.links["bob"].flush(5)
    stage.network.sent.clear()

    await ann.call("double@bob", 1)

    assert [sender for sender, _, _ in stage.network.sent] == ["ann", "bob"]


async def test_a_request_with_the_same_id_runs_once_and_its_answer_is_kept(stage: Stage) -> None:
    ran: list[object] = []

    async def note(request: AgentRequest) -> object:
        ran.append(request.body)
        return len(ran)

    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("note", note))

    answers = [await ann.call("note@bob", "x", id="job/1") for _ in range(3)]
    assert (answers, ran) == ([1, 1, 1], ["x"])

    await stage.stop("bob")
    await stage.start("bob", lambda host: host.register("note", note))
    assert await ann.call("note@bob", "x", id="job/1") == 1
    assert ran == ["x"]


async def test_an_id_that_is_used_for_something_else_is_refused(stage: Stage) -> None:
    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("double", double))
    await ann.call("double@bob", 1, id="one")

    with pytest.raises(RemoteAgentError) as caught:
        await ann.call("double@bob", 2, id="one")

    assert caught.value.code is AgentCode.REQUEST_ID_REUSED


async def test_two_who_ask_with_one_id_share_the_answer(stage: Stage) -> None:
    ran = 0

    async def slow(request: AgentRequest) -> object:
        nonlocal ran
        ran += 1
        await asyncio.sleep(0.1)
        return ran

    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("slow", slow))

    assert await asyncio.gather(*(ann.call("slow@bob", id="both") for _ in range(2))) == [1, 1]


async def test_what_is_lost_doubled_and_reordered_is_answered_once(stage: Stage) -> None:
    network = stage.network
    network.loss, network.double, network.delay = 0.3, 0.3, (0.0, 0.05)
    ran: list[object] = []

    async def note(request: AgentRequest) -> object:
        ran.append(request.body)
        return request.body

    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("note", note))

    wanted = list(range(30))
    assert await asyncio.gather(*(ann.call("note@bob", n) for n in wanted)) == wanted
    assert sorted(ran) == wanted  # type: ignore[type-var]


async def test_the_error_of_an_agent_keeps_its_code_and_details(stage: Stage) -> None:
    async def limited(request: AgentRequest) -> object:
        raise RateLimitError(
            "Only one a day.", code=ErrorCode.RATE_LIMIT_QUOTA_EXHAUSTED, details={"left": 0},
            retry_after=3.0,
        )  # fmt: skip

    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("limited", limited))

    with pytest.raises(RemoteAgentError, match="limited@bob: Only one a day") as caught:
        await ann.call("limited@bob")

    error = caught.value
    assert (error.code, error.details["left"], error.retry_after) == (2002, 0, 3.0)


async def test_the_text_of_an_unexpected_failure_stays_at_its_node(stage: Stage) -> None:
    async def broken(request: AgentRequest) -> object:
        raise KeyError("the password is swordfish")

    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("broken", broken))

    with pytest.raises(RemoteAgentError, match="KeyError") as caught:
        await ann.call("broken@bob")

    assert caught.value.code is AgentCode.AGENT_FAILED
    assert "swordfish" not in str(caught.value.to_dict())


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("nobody@bob", AgentCode.AGENT_UNKNOWN),
        ("secret@bob", AgentCode.AGENT_UNKNOWN),
        ("double@eve", AgentCode.PEER_UNKNOWN),
        ("Double!@bob", AgentCode.ADDRESS_INVALID),
        ("nobody", AgentCode.AGENT_UNKNOWN),
    ],
)
async def test_who_cannot_be_asked_is_said_clearly(
    stage: Stage, address: str, code: AgentCode
) -> None:
    ann = await stage.start("ann")
    await stage.start(
        "bob", lambda host: host.register("secret", double, AgentSettings(allow=("joe",)))
    )

    with pytest.raises(AgentError) as caught:
        await ann.call(address)

    assert caught.value.code is code


async def test_a_deadline_travels_and_only_shrinks(stage: Stage) -> None:
    left: list[float] = []

    async def far(request: AgentRequest) -> object:
        left.append(remaining() or 0.0)
        return None

    async def near(request: AgentRequest) -> object:
        left.append(remaining() or 0.0)
        return await request.host.call("far@ann", timeout=100.0)

    ann = await stage.start("ann", lambda host: host.register("far", far))
    await stage.start("bob", lambda host: host.register("near", near))

    await ann.call("near@bob", timeout=5.0)

    assert 5.0 >= left[0] >= left[1] > 0


async def test_an_agent_that_is_too_slow_is_stopped_at_both_ends(stage: Stage) -> None:
    stopped = asyncio.Event()

    async def slow(request: AgentRequest) -> object:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("slow", slow))

    with pytest.raises(AgentError) as caught:
        await ann.call("slow@bob", timeout=0.1)

    assert caught.value.code is AgentCode.CALL_TIMEOUT
    await asyncio.wait_for(stopped.wait(), 2)


async def test_a_caller_that_is_cancelled_stops_the_agent(stage: Stage) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def slow(request: AgentRequest) -> object:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("slow", slow))
    call = asyncio.create_task(ann.call("slow@bob"))
    await begun.wait()

    call.cancel()

    await asyncio.wait_for(stopped.wait(), 2)
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_what_was_stopped_is_not_run_again_under_its_id(stage: Stage) -> None:
    ran = 0

    async def slow(request: AgentRequest) -> object:
        nonlocal ran
        ran += 1
        await asyncio.Event().wait()

    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("slow", slow))
    for _ in range(2):
        with pytest.raises(AgentError) as caught:
            await ann.call("slow@bob", id="once", timeout=0.1)

    assert caught.value.code in {AgentCode.CALL_TIMEOUT, AgentCode.CALL_CANCELLED}
    assert ran == 1


async def test_what_may_run_again_does_after_it_was_stopped(stage: Stage) -> None:
    ran = 0

    async def second(request: AgentRequest) -> object:
        nonlocal ran
        ran += 1
        if ran == 1:
            await asyncio.Event().wait()
        return "done"

    ann = await stage.start("ann")
    again = AgentSettings(may_run_again=True)
    await stage.start("bob", lambda host: host.register("second", second, again))
    with pytest.raises(AgentError):
        await ann.call("second@bob", id="job", timeout=0.1)

    assert await ann.call("second@bob", id="job") == "done"
    assert ran == 2


async def test_a_peer_that_is_silent_opens_its_breaker(stage: Stage) -> None:
    stage.settings = replace(
        SETTINGS,
        breaker=CircuitBreakerConfig(
            failure_threshold=2,
            timeout=60.0,
            expected_exception=SETTINGS.breaker.expected_exception,
        ),
    )
    ann = await stage.start("ann")
    for _ in range(2):
        with pytest.raises(NetworkTimeoutError) as caught:
            await ann.call("double@bob", 1, timeout=0.05)
        assert caught.value.code is AgentCode.PEER_SILENT

    with pytest.raises(CircuitBreakerOpenError):
        await ann.call("double@bob", 1)


async def test_errors_of_an_agent_do_not_open_the_breaker_of_its_peer(stage: Stage) -> None:
    async def broken(request: AgentRequest) -> object:
        raise NetworkTimeoutError("my own network")

    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("broken", broken))
    for _ in range(10):
        with pytest.raises(RemoteAgentError):
            await ann.call("broken@bob")

    assert ann.breakers.get("bob").state.value == "closed"


async def test_a_busy_agent_refuses_and_the_same_request_comes_again(stage: Stage) -> None:
    gate = asyncio.Event()
    ran: list[object] = []

    async def narrow(request: AgentRequest) -> object:
        ran.append(request.body)
        await gate.wait()
        return request.body

    tight = AgentSettings(max_concurrent=1, max_waiting=0)
    stage.settings = replace(
        SETTINGS, retry=replace(SETTINGS.retry, max_attempts=2, initial_delay=0.01, max_delay=0.01)
    )
    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("narrow", narrow, tight))
    first = asyncio.create_task(ann.call("narrow@bob", 1, id="first"))
    while not ran:
        await asyncio.sleep(0.001)
    with pytest.raises(RetryExhaustedError) as caught:
        await ann.call("narrow@bob", 2, id="second")
    cause = caught.value.__cause__
    assert isinstance(cause, RemoteAgentError)
    assert cause.code is AgentCode.AGENT_BUSY

    gate.set()

    assert await first == 1
    assert await ann.call("narrow@bob", 2, id="second") == 2
    assert ran == [1, 2]


async def test_one_who_floods_is_refused_before_anything_is_run(stage: Stage) -> None:
    stage.settings = replace(SETTINGS, retry=RetryPolicy(max_attempts=1))
    ann = await stage.start("ann")
    stage.settings = replace(SETTINGS, rate=RateLimitConfig(1, 60.0, 3))
    bob = await stage.start("bob", lambda host: host.register("double", double))

    done = await asyncio.gather(
        *(ann.call("double@bob", n, timeout=5.0) for n in range(20)), return_exceptions=True
    )

    refused = [each for each in done if isinstance(each, RetryExhaustedError)]
    assert 0 < 20 - len(refused) <= 3
    assert {error.__cause__.code for error in refused} == {2001}  # type: ignore[union-attr]
    assert not bob.links["ann"].conversation.answering


async def test_a_stream_goes_both_ways_and_is_whole(stage: Stage) -> None:
    stage.network.loss, stage.network.double, stage.network.delay = 0.2, 0.2, (0.0, 0.02)

    async def scale(request: AgentRequest) -> object:
        total = 0
        async for piece in request:
            assert isinstance(piece, int)
            total += piece
            await request.send(piece * 10)
        return total

    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("scale", scale))

    async with ann.stream("scale@bob", timeout=30) as call:

        async def write() -> None:
            for piece in range(60):
                await call.send(piece)
            await call.end()

        writing = asyncio.create_task(write())
        assert [piece async for piece in call] == [10 * piece for piece in range(60)]
        assert await call.result() == sum(range(60))
        await writing


async def test_a_writer_waits_for_a_reader_that_is_slow(stage: Stage) -> None:
    sent = 0

    async def count(request: AgentRequest) -> object:
        nonlocal sent
        for piece in range(100):
            await request.send(piece)
            sent += 1
        return None

    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("count", count))

    async with ann.stream("count@bob") as call:
        await asyncio.sleep(0.3)
        assert sent <= 17
        assert [piece async for piece in call] == list(range(100))


async def test_a_stream_breaks_with_an_error_when_its_node_dies(stage: Stage) -> None:
    async def endless(request: AgentRequest) -> object:
        await request.send("first")
        await asyncio.Event().wait()

    def prepare(host: AgentHost) -> None:
        host.register("endless", endless)

    ann = await stage.start("ann")
    await stage.start("bob", prepare)

    async with ann.stream("endless@bob") as call:
        read = aiter(call)
        assert await anext(read) == "first"
        await stage.stop("bob")
        await stage.start("bob", prepare)
        with pytest.raises(StreamBrokenError):
            await anext(read)
        with pytest.raises(RemoteAgentError) as caught:
            await call.result()
        assert caught.value.code is AgentCode.CALL_INTERRUPTED


async def test_leaving_a_stream_stops_its_agent(stage: Stage) -> None:
    stopped = asyncio.Event()

    async def endless(request: AgentRequest) -> object:
        try:
            while True:
                await request.send("more")
        finally:
            stopped.set()

    ann = await stage.start("ann")
    bob = await stage.start("bob", lambda host: host.register("endless", endless))

    async with ann.stream("endless@bob") as call:
        assert await anext(aiter(call)) == "more"

    await asyncio.wait_for(stopped.wait(), 2)
    while not bob.links["ann"].conversation.is_idle:
        await asyncio.sleep(0.01)
    assert ann.links["bob"].conversation.is_idle


async def test_events_come_to_those_who_want_them_and_no_others(stage: Stage) -> None:
    ann, bob = await stage.start("ann"), await stage.start("bob")

    async with ann.subscribe("jobs.*", "bob") as events:
        while not bob.links["ann"].conversation.audience.wants("jobs.done"):
            await asyncio.sleep(0.001)
        bob.publish("weather", "rain")
        bob.publish("jobs.done", {"n": 1})
        event = await anext(events)

    assert (event.peer, event.topic, event.body, event.missed) == ("bob", "jobs.done", {"n": 1}, 0)


async def test_events_come_again_after_either_node_has_restarted(stage: Stage) -> None:
    ann, bob = await stage.start("ann"), await stage.start("bob")
    async with ann.subscribe("*", "bob") as events:
        await stage.stop("bob")
        bob = await stage.start("bob")
        while not (
            "ann" in bob.links and bob.links["ann"].conversation.audience.wants("jobs.done")
        ):
            await asyncio.sleep(0.001)

        bob.publish("jobs.done")

        assert (await anext(events)).topic == "jobs.done"


async def test_events_that_were_lost_are_counted(stage: Stage) -> None:
    ann, bob = await stage.start("ann"), await stage.start("bob")
    async with ann.subscribe("*", "bob") as events:
        while not ("ann" in bob.links and bob.links["ann"].conversation.audience.wants("t")):
            await asyncio.sleep(0.001)
        bob.publish("t", 1)
        assert (await anext(events)).body == 1
        stage.network.loss = 1.0
        bob.publish("t", 2)
        bob.publish("t", 3)
        await bob.links["ann"].flush(1.0)
        stage.network.loss = 0.0

        bob.publish("t", 4)

        event = await anext(events)
    assert (event.body, event.missed) == (4, 2)


async def test_a_node_tells_of_the_agents_that_one_may_ask(stage: Stage) -> None:
    ann = await stage.start("ann")

    def prepare(host: AgentHost) -> None:
        host.register("double", double, AgentSettings(description="doubles"))
        host.register("secret", double, AgentSettings(allow=("joe",)))

    bob = await stage.start("bob", prepare)

    report = await ann.report("bob")

    assert report.life == bob.epoch
    assert [(each.name, each.state, each.description) for each in report.agents] == [
        ("double", "running", "doubles")
    ]


async def test_frames_of_nonsense_change_nothing(stage: Stage) -> None:
    bob = await stage.start("bob", lambda host: host.register("double", double))
    ann = await stage.start("ann")

    for data in (b"", b"\xff", b"\x93\x01\xa1a", b"\x91" * 30_000, b"x" * 1_000_000):
        stage.network.node("bob").arrive("ann", data)

    assert await ann.call("double@bob", 2) == 4
    async with asyncio.timeout(10):  # the answer leaves before all is put away
        while len(bob.links["ann"].conversation.answering):
            await asyncio.sleep(0.01)


async def test_a_host_that_stops_leaves_nothing_behind(stage: Stage) -> None:
    async def slow(request: AgentRequest) -> object:
        await asyncio.Event().wait()

    ann = await stage.start("ann")
    await stage.start("bob", lambda host: host.register("slow", slow))
    call = asyncio.create_task(ann.call("slow@bob"))
    await asyncio.sleep(0.05)

    await stage.close()

    with pytest.raises(AgentError) as caught:
        await call
    assert caught.value.code is AgentCode.NODE_STOPPING
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert [name for name in names if name.startswith("holdfast-agent")] == []


async def test_what_is_too_large_or_no_json_is_refused_before_it_is_sent(stage: Stage) -> None:
    ann = await stage.start("ann")
    for body, code in (
        ("x" * 50_000, AgentCode.BODY_TOO_LARGE),
        (object(), AgentCode.BODY_INVALID),
    ):
        with pytest.raises(AgentError) as caught:
            await ann.call("double@bob", body)
        assert caught.value.code is code
