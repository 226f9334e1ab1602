"""Agents on real nodes and gateways: each node is killed in turn while requests, events and streams run."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from examples.agents.town import configure
from holdfast.apps.agents import (
    MIGRATIONS,
    AgentCode,
    AgentHost,
    HostSettings,
    RemoteAgentError,
    StreamBrokenError,
)
from holdfast.apps.agents.control import AcceptWish, InviteWish, ListWish, Wish, ask
from holdfast.apps.agents.node_transport import NodeTransport
from holdfast.apps.agents.watch import Watch
from holdfast.apps.chat.demo import DemoGateways
from holdfast.crypto import Keystore
from holdfast.errors import ErrorCode, NetworkError, ResilienceError
from holdfast.health import HealthStatus
from holdfast.mailbox import GatewayAddress
from holdfast.node import NODE_MIGRATIONS, Mode, Node, NodeSettings
from holdfast.resilience import CircuitBreakerConfig
from holdfast.storage import Database
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

ROOT = Path(__file__).parents[2]
NODES = ("planner", "worker", "keeper")
TEXTS = [" ".join(f"w{(number * step) % 7}" for step in range(20)) for number in range(12)]
PIECES = 6
PACE = 1.0
"""Seconds between two requests, and two streams: the machine has other things to do."""

MORE = '''
"""Beside the agent of the example: one whose effect must happen once, one that tells, one that streams."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path


async def once(request):
    """Leave a line, and take a moment; nothing of it may happen a second time."""
    file = os.open(Path(__file__).with_name("done"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{request.id}\\n".encode())
    os.close(file)
    await asyncio.sleep(0.1)  # in which the node may be killed
    return ["done", request.id]


async def tell(request):
    """Publish a number."""
    request.host.publish("told.number", request.body)
    return request.body


async def tenfold(request):
    """Answer each piece of a stream with ten times as much, and end with the sum."""
    total = 0
    async for piece in request:
        total += piece
        await request.send(piece * 10)
    return total
'''

CONFIG = """
[agents.once]
function = "more:once"

[agents.tell]
function = "more:tell"

[agents.tenfold]
function = "more:tenfold"
"""

CLEAR = {
    AgentCode.AGENT_UNAVAILABLE,
    AgentCode.CALL_CANCELLED,
    AgentCode.CALL_INTERRUPTED,
    AgentCode.CALL_TIMEOUT,
    AgentCode.PEER_SILENT,
    AgentCode.REQUEST_STALE,
    AgentCode.STREAM_BROKEN,
    ErrorCode.CIRCUIT_BREAKER_HALF_OPEN,
    ErrorCode.CIRCUIT_BREAKER_OPEN,
    ErrorCode.RETRY_EXHAUSTED,
}
"""What a caller may be told while a node is away."""


QUICK = HostSettings(
    breaker=CircuitBreakerConfig(failure_threshold=5, timeout=1.0, expected_exception=NetworkError)
)
"""A silent peer is tried again after a second."""


class Nodes:
    """The three nodes of the example, each a process that can be killed."""

    def __init__(self, folder: Path, gateways: list[str]) -> None:
        self.folder = folder
        self.configs = configure(folder, gateways)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for name, config in self.configs.items():
            with config.open("a") as file:
                file.write(CONFIG)
            (folder / name / "more.py").write_text(MORE)

    def start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "holdfast.cli.main", "agent", "run", str(self.configs[name])],
                stdout=log, stderr=log, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
            )  # fmt: skip

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    async def asked(self, name: str, wish: Wish) -> Any:
        """What the node answers, as soon as it can be asked."""
        async with asyncio.timeout(60):
            while True:
                assert self.processes[name].poll() is None, self.log(name)
                try:
                    return await ask(self.folder / name / "node", wish, within=10)
                except ResilienceError as error:
                    if error.code != AgentCode.NODE_NOT_RUNNING:
                        raise
                    await asyncio.sleep(0.05)

    async def introduce(self, host: str, guest: str) -> None:
        made = await self.asked(host, InviteWish(guest))
        await self.asked(guest, AcceptWish(host, made["link"]))

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def done(self, name: str) -> Counter[str]:
        path = self.folder / name / "done"
        return Counter(path.read_text().split() if path.exists() else ())

    def results(self) -> int:
        with closing(sqlite3.connect(self.folder / "keeper" / "results.db")) as connection:
            return int(connection.execute("SELECT count(*) FROM result").fetchone()[0])

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)


class Client:
    """A node of this process that calls the others all the time; and what it saw."""

    def __init__(self, folder: Path, gateways: list[str]) -> None:
        self.folder = folder
        self.gateways = tuple(GatewayAddress.parse(each) for each in gateways)
        self.node: Node
        self.host: AgentHost
        self.answered: dict[str, Counter[str]] = {name: Counter() for name in NODES}
        self.interrupted: dict[str, set[str]] = {name: set() for name in NODES}
        self.heard: dict[str, list[int]] = {name: [] for name in NODES}
        self.whole: Counter[str] = Counter()
        self.ends = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        world, enter = RealWorld(), self._stack.enter_async_context
        self.folder.mkdir()
        tables = {**NODE_MIGRATIONS, "agents": MIGRATIONS}
        database = await enter(Database(self.folder / "node.db", tables))
        settings = NodeSettings(gateways=self.gateways, mode=Mode.DIRECT)
        keystore = Keystore.open(self.folder / "node.key", world=world)
        self.node = await enter(Node(database, keystore, settings, world=world))
        await self.node.create_identity("client")
        transport = await enter(NodeTransport(self.node, world))
        self.host = await enter(AgentHost(transport, database, settings=QUICK, world=world))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def meet(self, nodes: Nodes, name: str) -> None:
        made = await nodes.asked(name, InviteWish("client"))
        await self.node.accept(self.node.identities[0].id, made["link"], name)

    @property
    def progress(self) -> dict[str, int]:
        """Requests of each node that were answered."""
        return {name: len(answers) for name, answers in self.answered.items()}

    def is_beyond(self, before: dict[str, int]) -> bool:
        """Say whether every node has answered more."""
        return all(count > before[name] for name, count in self.progress.items())

    async def until_done(self, agent: str, name: str, id_: str, body: object = None) -> object:
        """Ask by one id until there is an answer; None when it is told that nobody knows how far it came."""
        while True:
            try:
                return await self.host.call(f"{agent}@{name}", body, id=id_, timeout=20)
            except ResilienceError as error:
                assert error.code in CLEAR, repr(error)
                assert error.to_dict()["message"]
                if error.code == AgentCode.CALL_INTERRUPTED:
                    return None
                await asyncio.sleep(0.2)

    async def request(self, name: str) -> None:
        """One effect after the other, each by an id of its own."""
        number = 0
        while not self.ends.is_set():
            number += 1
            id_ = f"{name}-{number}"
            answer = await self.until_done("once", name, id_)
            if answer is None:
                self.interrupted[name].add(id_)
            else:
                assert answer == ["done", id_]
                self.answered[name][id_] += 1
            await asyncio.sleep(PACE)

    async def listen(self, name: str) -> None:
        """Hear what a node tells, as long as all lives."""
        async with self.host.subscribe("told.*", name) as events:
            async for event in events:
                self.heard[name].append(cast("int", event.body))

    async def have_told(self, name: str) -> None:
        """Let it tell a number that was not told before, until one is heard."""
        number = before = max(self.heard[name], default=0)
        async with asyncio.timeout(90):
            while max(self.heard[name], default=0) == before:
                number += 1
                await self.until_done("tell", name, f"tell-{name}-{number}", number)

    async def stream(self, name: str) -> bool:
        """Send and read a stream; say whether it was whole."""
        read: list[object] = []
        total: object = None
        try:
            async with (
                self.host.stream(f"tenfold@{name}", timeout=30) as call,
                asyncio.TaskGroup() as group,
            ):

                async def write() -> None:
                    for piece in range(PIECES):
                        await call.send(piece)
                    await call.end()

                group.create_task(write())
                read.extend([piece async for piece in call])
                total = await call.result()
        except* ResilienceError as problems:
            for error in problems.exceptions:
                is_clear = isinstance(error, StreamBrokenError | RemoteAgentError)
                assert is_clear or getattr(error, "code", None) in CLEAR, repr(error)
        assert read == [10 * piece for piece in range(len(read))], "in order, without a gap"
        if total is not None:
            assert (len(read), total) == (PIECES, sum(range(PIECES))), "whole, or it says so"
            self.whole[name] += 1
        return total is not None

    async def streams(self, name: str) -> None:
        while not self.ends.is_set():
            await self.stream(name)
            await asyncio.sleep(PACE)


async def until(condition: Callable[[], object], within: float = 90) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)


async def looks_so(watch: Watch, *, away: str = "") -> None:
    """Look until all answer but the one who is away."""
    looking = asyncio.create_task(watch.live())

    def silent() -> set[str]:
        return {name for name, look in watch.looks.items() if look.report is None}

    try:
        await until(lambda: watch.looks and silent() == ({away} if away else set()))
    finally:
        looking.cancel()
        await asyncio.wait({looking})


async def is_away(nodes: Nodes, client: Client, watch: Watch, victim: str) -> None:
    """Who calls it is told so in good time, and so is who asks how all are."""
    await looks_so(watch, away=victim)
    health = await watch.check_peers()
    assert health.status is HealthStatus.DEGRADED
    assert f"{victim}: " in health.message
    teller = "planner" if victim != "planner" else "worker"
    listing = asyncio.create_task(nodes.asked(teller, ListWish(0.5)))
    with pytest.raises(ResilienceError, match=victim) as told:
        await client.host.call(f"once@{victim}", id=f"away-{victim}", timeout=0.5)
    assert told.value.code in CLEAR
    rows = {row["peer"]: row for row in (await listing)["peers"]}
    assert rows[victim]["problem"], "another node says so, too"


@pytest.mark.timeout(300)
async def test_each_node_is_killed_while_requests_events_and_streams_run(tmp_path: Path) -> None:
    async with DemoGateways(tmp_path / "gateways", 2) as gateways:
        nodes = Nodes(tmp_path, gateways.addresses)
        try:
            for name in NODES:
                nodes.start(name)
            async with Client(tmp_path / "client", gateways.addresses) as client:
                await play(nodes, client, gateways)
        finally:
            nodes.close()

    for name in NODES:
        done = nodes.done(name)
        twice = {id_: times for id_, times in done.items() if times > 1}
        assert not twice, f"done twice: {twice}"
        assert client.answered[name].keys() <= done.keys(), "answered, and not done"
        known = client.answered[name].keys() | client.interrupted[name] | {f"away-{name}"}
        assert done.keys() <= known, "done, and nobody was told"
        assert client.heard[name] == sorted(set(client.heard[name])), "an event came twice"
    assert nodes.results() == 1


async def play(nodes: Nodes, client: Client, gateways: DemoGateways) -> None:
    await asyncio.gather(*(client.meet(nodes, name) for name in NODES))
    await nodes.introduce("worker", "planner")
    await nodes.introduce("keeper", "planner")
    watch = Watch(client.host, interval=0.05, patience=1.0)
    await looks_so(watch)

    async with asyncio.TaskGroup() as group:
        listening = [group.create_task(client.listen(name)) for name in NODES]
        for name in NODES:
            group.create_task(client.request(name))
            group.create_task(client.streams(name))
        await asyncio.gather(*(client.have_told(name) for name in NODES))
        await until(lambda: all(client.answered[name] and client.whole[name] for name in NODES))
        job = {"texts": TEXTS, "pause": 0.5}
        planned = group.create_task(client.until_done("planner", "planner", "job", job))
        await until(lambda: nodes.log("worker").count("counting job") >= 2)
        for victim in NODES:
            before = client.progress
            nodes.kill(victim)
            await is_away(nodes, client, watch, victim)
            nodes.start(victim)
            if victim == "worker":  # and what was on its way has to find another one
                await gateways.kill(gateways.gateways[0].name)
                await gateways.start(gateways.gateways[0].name)
            await looks_so(watch)
            await client.have_told(victim)  # it knows again who listens
            assert await client.until_done("once", victim, f"away-{victim}") in (
                ["done", f"away-{victim}"], None,
            )  # fmt: skip
            await until(partial(client.is_beyond, before))
        client.ends.set()
        result = cast("dict[str, Any]", await planned)
        for task in listening:
            task.cancel()
    for name in NODES:
        assert await client.stream(name), "whole again when nothing breaks any more"
    assert result["words"] == Counter(" ".join(TEXTS).split())
