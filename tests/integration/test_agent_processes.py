"""Agents that are processes of their own: they answer, die, are started again, and never outlive their node."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psutil
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
    ProcessAgent,
    ProcessSettings,
    StreamBrokenError,
    child_link,
    limits,
)
from holdfast.errors import RetryExhaustedError
from holdfast.storage import Database, Durability
from tests.support.agent_children import BY_HAND, WITH_LIBRARY
from tests.support.agent_network import Network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

QUICK = ProcessSettings(delay=0.01, delay_max=0.1, stop_timeout=2.0)

SETTINGS = HostSettings(conversation=ConversationSettings(accept_after=0.01), drain=0.1)


class Bench:
    """A node with one process and one coroutine."""

    def __init__(self, host: AgentHost, agent: ProcessAgent) -> None:
        self.host = host
        self.agent = agent

    async def ask(self, body: object, **options: object) -> object:
        return await self.host.call("child", body, **options)  # type: ignore[arg-type]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.01)


async def echo(request: AgentRequest) -> object:
    return ["echo", request.body, request.id]


async def a_bench(
    folder: Path, command: list[str], settings: AgentSettings | None = None
) -> AsyncIterator[Bench]:
    async with Database(
        folder / "agents.db", {"agents": MIGRATIONS}, durability=Durability.PROCESS_DEATH
    ) as database:
        agent = ProcessAgent(*command, settings=QUICK)
        host = AgentHost(Network().node("me"), database, settings=SETTINGS)
        host.register("child", agent, settings)
        host.register("echo", echo)
        async with host:
            yield Bench(host, agent)
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert [name for name in names if name.startswith("holdfast-agent")] == []


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async for bench in a_bench(tmp_path, BY_HAND):
        yield bench


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Bench]:
    async for bench in a_bench(tmp_path, WITH_LIBRARY):
        yield bench


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_process_answers_while_it_is_being_started_and_after(bench: Bench) -> None:
    await bench.until(lambda: bench.agent.state == "running")
    answers = await asyncio.gather(*(bench.ask(number) for number in range(20)))

    assert [answer["said"] for answer in answers] == list(range(20))  # type: ignore[index]
    assert {answer["pid"] for answer in answers} == {bench.agent.pid}  # type: ignore[index]


async def test_what_it_fails_of_keeps_code_and_details(bench: Bench) -> None:
    await bench.until(lambda: bench.agent.state == "running")
    told = {"code": 13017, "message": "No.", "details": {"left": 2}, "retry_after": 1.5}

    with pytest.raises(AgentError, match="No") as caught:
        await bench.ask({"do": "fail", "error": told})

    error = caught.value
    assert (error.code, error.details["left"], error.retry_after) == (13017, 2, 1.5)


async def test_one_that_dies_is_started_again_and_its_request_is_not_run_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "holdfast.agents")
    await bench.until(lambda: bench.agent.state == "running")
    for _ in range(2):
        with pytest.raises(AgentError) as caught:
            await bench.ask({"do": "die"}, id="deadly")
        assert caught.value.code is AgentCode.CALL_INTERRUPTED

    await bench.until(lambda: bench.agent.state == "running")

    assert (await bench.ask("again"))["said"] == "again"  # type: ignore[index]
    assert bench.agent.starts == 2
    assert "last words" in caplog.text
    assert "exit code 3" in caplog.text


async def test_one_that_was_killed_is_started_again(bench: Bench) -> None:
    for _ in range(3):
        await bench.until(lambda: bench.agent.state == "running")
        pid = bench.agent.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await bench.until(lambda: bench.agent.pid not in {None, pid})

    await bench.until(lambda: bench.agent.state == "running")
    assert (await bench.ask(1))["said"] == 1  # type: ignore[index]


async def test_a_request_that_may_run_again_does_when_its_process_died(tmp_path: Path) -> None:
    again = AgentSettings(may_run_again=True)
    async for bench in a_bench(tmp_path, BY_HAND, again):
        asked = {"do": "die once", "file": str(tmp_path / "was here")}
        assert await bench.ask(asked) == "done"
        assert bench.agent.starts == 2
        with pytest.raises(AgentError) as caught:
            await bench.ask({"do": "die"})
        assert caught.value.code is AgentCode.CALL_INTERRUPTED
        assert bench.agent.starts == 2 + limits.CHILD_TRIES_MAX - (bench.agent.pid is None)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"do": "say", "text": "hello"}, "no line of the protocol"),
        ({"do": "say", "text": "[" * 30_000}, "no line of the protocol"),
        ({"do": "say", "text": '{"t":"call","c":-1,"to":"x"}'}, "no line of the protocol"),
        ({"do": "flood", "bytes": 2 * limits.LINE_BYTES_MAX}, "a line of more than"),
    ],
)
async def test_one_that_does_not_speak_the_protocol_is_started_again(
    bench: Bench, caplog: pytest.LogCaptureFixture, asked: object, problem: str
) -> None:
    await bench.until(lambda: bench.agent.state == "running")

    with pytest.raises(AgentError) as caught:
        await bench.ask(asked)

    assert caught.value.code is AgentCode.CALL_INTERRUPTED
    await bench.until(lambda: bench.agent.starts == 2 and bench.agent.state == "running")
    assert problem in caplog.text


async def test_one_that_hangs_is_killed_after_its_request_was_cancelled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_link, "CANCEL_GRACE", 0.1)
    await bench.until(lambda: bench.agent.state == "running")

    with pytest.raises(AgentError) as caught:
        await bench.ask({"do": "hang"}, timeout=0.2)

    assert caught.value.code is AgentCode.CALL_TIMEOUT
    await bench.until(lambda: bench.agent.starts == 2 and bench.agent.state == "running")
    assert (await bench.ask(1))["said"] == 1  # type: ignore[index]


async def test_one_that_does_not_read_is_killed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHILD_QUEUE_BYTES_MAX", 50_000)
    await bench.until(lambda: bench.agent.state == "running")

    asked = [{"do": "hang"}, *("x" * 40_000 for _ in range(7))]
    answers = await asyncio.gather(*(bench.ask(each) for each in asked), return_exceptions=True)

    codes = {answer.code for answer in answers if isinstance(answer, AgentError)}
    assert codes == {AgentCode.CALL_INTERRUPTED}
    await bench.until(lambda: bench.agent.state == "running")


async def test_what_it_writes_on_stderr_is_in_the_log_cut_and_bounded(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "holdfast.agents")
    await bench.until(lambda: bench.agent.state == "running")
    flood = [f"line {number}" for number in range(2 * limits.CHILD_LOG_BURST)]

    await bench.ask({"do": "log", "lines": ["l" * 3 * limits.LOG_LINE_BYTES_MAX]})
    await bench.ask({"do": "log", "lines": flood})
    await bench.until(lambda: f"line {limits.CHILD_LOG_BURST - 10}" in caplog.text)

    lines = [each.getMessage() for each in caplog.records if each.name.endswith("process.child")]
    assert lines[0] == "l" * limits.LOG_LINE_BYTES_MAX
    assert len(lines) <= 1.5 * limits.CHILD_LOG_BURST


async def test_it_calls_other_agents_and_hears_of_errors(bench: Bench) -> None:
    await bench.until(lambda: bench.agent.state == "running")

    body, error = cast("list[Any]", await bench.ask({"do": "call", "to": "echo"}))
    assert (body[:2], error) == (["echo", "asked"], None)

    body, error = cast("list[Any]", await bench.ask({"do": "call", "to": "nobody"}))
    assert (body, error["code"]) == (None, AgentCode.AGENT_UNKNOWN)


async def test_when_its_node_stops_nothing_of_it_is_left(tmp_path: Path) -> None:
    async for bench in a_bench(tmp_path, BY_HAND):
        pids = tmp_path / "grandchild"
        child = await bench.ask({"do": "fork", "file": str(pids)})
        await bench.until(lambda: pids.exists() and pids.read_text() != "")
        grandchild = int(pids.read_text())
        assert is_alive(child)  # type: ignore[arg-type]
        assert is_alive(grandchild)

    assert not is_alive(child)  # type: ignore[arg-type]
    await bench.until(lambda: not is_alive(grandchild))


async def test_one_that_cannot_be_started_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "holdfast.agents")
    async for bench in a_bench(tmp_path, [str(tmp_path / "no such program")]):
        await bench.until(lambda: bench.agent.starts >= 2 and bench.agent.state == "waiting")

        with pytest.raises(RetryExhaustedError, match="exit code 127"):
            await bench.ask(1, timeout=2.0)

        assert "cannot be started: No such file" in caplog.text


async def test_a_process_dies_with_its_node_that_was_killed(tmp_path: Path) -> None:
    node = tmp_path / "node.py"
    node.write_text(
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from holdfast.apps.agents import *\n"
        "from holdfast.storage import Database\n"
        "from tests.support.agent_network import Network\n"
        "async def main():\n"
        "    async with Database(Path(sys.argv[1]) / 'n.db', {'agents': MIGRATIONS}) as database:\n"
        "        host = AgentHost(Network().node('me'), database)\n"
        "        host.register('child', agent := ProcessAgent(*sys.argv[2:]))\n"
        "        async with host:\n"
        "            await host.call('child', 1)\n"
        "            print(agent.pid, flush=True)\n"
        "            await host.call('child', {'do': 'hang'})\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen(
        [sys.executable, str(node), str(tmp_path), *BY_HAND],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_alive(child)

    parent.kill()
    parent.wait()
    parent.stdout.close()

    async with asyncio.timeout(10):
        while is_alive(child):
            await asyncio.sleep(0.01)


# --- with the library for Python ---------------------------------------------------------------


async def test_with_the_library_a_process_is_a_coroutine_function(
    library: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "holdfast.agents")
    await library.until(lambda: library.agent.state == "running")

    assert await library.ask([1, "ü"], id="one") == ["one", "", [1, "ü"]]
    called = ["echo", "from the process", "two/1"]
    assert await library.ask({"call": "echo"}, id="two") == called
    with pytest.raises(AgentError, match="No such thing") as caught:
        await library.ask("fail")
    assert (caught.value.code, caught.value.retry_after) == (AgentCode.TOPIC_INVALID, 2.0)
    with pytest.raises(AgentError) as caught:
        await library.ask("break")
    assert caught.value.code is AgentCode.AGENT_FAILED
    assert "swordfish" not in str(caught.value.to_dict())
    with pytest.raises(AgentError) as caught:
        await library.ask({"call": "nobody"})
    assert caught.value.code is AgentCode.AGENT_UNKNOWN
    async with library.host.subscribe("children.*") as events:
        await library.ask("publish")
        event = await anext(events)
    assert (event.topic, event.body) == ("children.news", {"n": 1})
    await library.until(lambda: "swordfish" in caplog.text)
    assert "this is for the log" in caplog.text

    with pytest.raises(AgentError) as caught:
        await library.ask("wait", timeout=0.2)
    assert caught.value.code is AgentCode.CALL_TIMEOUT
    assert (await library.ask("x"))[2] == "x"  # type: ignore[index]
    assert library.agent.starts == 1, "what was cancelled has ended by itself"


async def test_streams_go_through_a_process_both_ways(library: Bench) -> None:
    await library.until(lambda: library.agent.state == "running")
    async with library.host.stream("child") as call:

        async def write() -> None:
            for piece in range(100):
                await call.send(piece)
            await call.end()

        writing = asyncio.create_task(write())
        assert [piece async for piece in call] == [10 * piece for piece in range(100)]
        assert await call.result() == sum(range(100))
        await writing


async def test_a_stream_through_a_process_that_dies_breaks(library: Bench) -> None:
    await library.until(lambda: library.agent.state == "running")
    async with library.host.stream("child") as call:
        await call.send(1)
        read = aiter(call)
        assert await anext(read) == 10
        assert library.agent.pid is not None

        os.kill(library.agent.pid, signal.SIGKILL)

        with pytest.raises(StreamBrokenError):
            await anext(read)
        with pytest.raises(AgentError) as caught:
            await call.result()
        assert caught.value.code is AgentCode.CALL_INTERRUPTED
