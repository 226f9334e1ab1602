"""``holdfast agent``: commands reach a running node, and say clearly what went wrong."""

from __future__ import annotations

import asyncio
import json
import stat
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, cast

import pytest
from typer.testing import CliRunner, Result

from holdfast.apps.agents import MIGRATIONS, AgentHost, AgentRequest, AgentSettings
from holdfast.apps.agents.control import SOCKET, Control
from holdfast.apps.agents.node_transport import NodeTransport
from holdfast.apps.agents.watch import Watch
from holdfast.cli.agent_node import Commands
from holdfast.cli.main import program
from holdfast.health import HealthChecker, HealthStatus
from holdfast.mailbox import GatewayAddress
from holdfast.storage import Database, Durability
from holdfast.world import RealWorld
from tests.support.fake_node import FakeNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from holdfast.node import Node

GATEWAY = str(GatewayAddress("127.0.0.1", 8410, b"p" * 32))


async def double(request: AgentRequest) -> object:
    return 2 * cast("int", request.body)


async def wait(request: AgentRequest) -> object:
    await asyncio.Event().wait()


class Town:
    """Two nodes that commands can talk with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: dict[str, FakeNode] = {}
        self.hosts: dict[str, AgentHost] = {}

    async def open(self, stack: AsyncExitStack, name: str) -> None:
        home = self.folder / name
        home.mkdir()
        (home / "agents.toml").write_text(
            f'name = "{name}"\ngateways = ["{GATEWAY}"]\nmode = "direct"\n'
        )
        node = self.nodes[name] = FakeNode(name)
        await node.create_identity(name)
        transport = NodeTransport(cast("Node", node), RealWorld())
        tables = {"agents": MIGRATIONS}
        database = Database(home / "a.db", tables, durability=Durability.PROCESS_DEATH)
        await stack.enter_async_context(database)
        await stack.enter_async_context(transport)
        host = self.hosts[name] = AgentHost(transport, database)
        host.register("double", double, AgentSettings(description="doubles a number"))
        host.register("wait", wait)
        await stack.enter_async_context(host)
        commands = Commands(cast("Node", node), host, Watch(host))
        await stack.enter_async_context(Control(home / "node", commands.act))

    async def says(self, name: str, *arguments: str) -> Result:
        config = str(self.folder / name / "agents.toml")

        def run() -> Result:
            return CliRunner().invoke(program, ["agent", *arguments, "--config", config])

        return await asyncio.to_thread(run)

    async def meet(self) -> None:
        link = (await self.says("ann", "invite", "--name", "bob")).stdout.strip()
        met = await self.says("bob", "accept", link, "--name", "ann")
        assert met.exit_code == 0, met.output


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    town = Town(tmp_path)
    async with AsyncExitStack() as stack:
        await town.open(stack, "ann")
        await town.open(stack, "bob")
        yield town


async def test_two_meet_and_call_each_other(town: Town) -> None:
    await town.meet()

    there = await town.says("ann", "call", "double@bob", "21")
    back = await town.says("bob", "call", "double@ann", "4")
    here = await town.says("ann", "call", "double", "1")

    assert [json.loads(each.stdout) for each in (there, back, here)] == [42, 8, 2]


async def test_the_list_shows_agents_peers_and_who_was_invited(town: Town) -> None:
    await town.meet()
    await town.says("ann", "invite", "--name", "joe")

    listed = (await town.says("ann", "list")).stdout

    for shown in ("double", "double@bob", "running", "doubles a number", "@joe", "invited"):
        assert shown in listed


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["call", "double@eve", "1"], "No peer is called 'eve'"),
        (["call", "nobody@bob", "1"], "No agent is called 'nobody'"),
        (["call", "double@bob", "{"], "not JSON"),
        (["call", "Double@bob"], "is no address"),
        (["call", "wait@bob", "--timeout", "0.2"], "in time"),
        (["call", "double@bob", "1", "--id", "a b"], "is no id"),
        (["accept", "holdfast:1xyz", "--name", "joe"], "This invitation is damaged"),
        (["invite", "--name", "bob"], "called 'bob' already"),
        (["invite", "--name", "a b"], "name"),
    ],
)
async def test_what_goes_wrong_is_said_in_a_line(
    town: Town, arguments: list[str], problem: str
) -> None:
    await town.meet()

    said = await town.says("ann", *arguments)

    assert said.exit_code == 1
    assert said.stdout == ""
    assert problem in said.stderr
    assert said.stderr.count("\n") == 1


async def test_a_peer_that_is_silent_is_told(town: Town) -> None:
    await town.meet()
    town.nodes["ann"].is_up = False

    called = await town.says("ann", "call", "double@bob", "1", "--timeout", "0.2")
    listed = await town.says("ann", "list", "--timeout", "0.2")

    assert "no sign of life" in called.stderr
    assert "silent" in listed.stdout


def test_without_a_node_the_command_says_how_to_start_one(tmp_path: Path) -> None:
    config = tmp_path / "agents.toml"
    config.write_text(f'name = "x"\ngateways = ["{GATEWAY}"]\nmode = "direct"\n')

    said = CliRunner().invoke(program, ["agent", "list", "--config", str(config)])

    assert said.exit_code == 1
    assert "start it with 'holdfast agent run'" in said.stderr


def test_a_bad_configuration_is_said_in_a_line(tmp_path: Path) -> None:
    config = tmp_path / "agents.toml"
    config.write_text("name = 1")

    said = CliRunner().invoke(program, ["agent", "run", str(config)])

    assert said.exit_code == 1
    assert "13019" in said.stderr
    assert said.stderr.count("\n") == 1


async def test_only_its_owner_can_give_commands(town: Town) -> None:
    mode = (town.folder / "ann" / "node" / SOCKET).stat().st_mode

    assert stat.S_IMODE(mode) == 0o600


async def test_nonsense_on_the_socket_is_answered_and_changes_nothing(town: Town) -> None:
    path = str(town.folder / "ann" / "node" / SOCKET)
    for line in (b"{}\n", b"[" * 90_000 + b"\n", b'{"type":"call"}\n', b"\xff\n", b"x" * 600_000):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line)
        assert b"error" in await reader.readline()
        writer.close()

    assert json.loads((await town.says("ann", "call", "double", "1")).stdout) == 2


async def test_a_command_that_is_ended_withdraws_its_call(town: Town) -> None:
    path = str(town.folder / "ann" / "node" / SOCKET)
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"type":"call","address":"wait"}\n')
    places = town.hosts["ann"].agents["wait"].bulkhead
    async with asyncio.timeout(10):
        while not places.active:
            await asyncio.sleep(0.01)

        writer.close()

        while places.active:
            await asyncio.sleep(0.01)


async def test_health_says_which_peer_is_silent_and_which_agent_is_away(town: Town) -> None:
    await town.meet()
    watch = Watch(town.hosts["ann"], interval=0.01, patience=0.2)
    health = HealthChecker(cache=0.0)
    watch.register(health)
    watching = asyncio.create_task(watch.live())
    async with asyncio.timeout(10):
        while "bob" not in watch.looks:
            await asyncio.sleep(0.01)
        assert (await health.get_overall_health()).status is HealthStatus.HEALTHY

        town.nodes["ann"].is_up = False
        while watch.looks["bob"].report is not None:
            await asyncio.sleep(0.01)

    found = await health.get_overall_health()
    assert found.status is HealthStatus.DEGRADED
    assert "bob" in found.checks["peers"].message
    watching.cancel()
    await asyncio.wait({watching})
    await health.close()
