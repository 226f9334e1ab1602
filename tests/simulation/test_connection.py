"""A reliable connection on a network that does everything at once: it comes back, alone, and says why it went."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from holdfast.connection import (
    ConnectionSettings,
    ConnectionState,
    ReliableConnection,
    StateChange,
)
from holdfast.connection.framing import Control, Framed
from holdfast.connection.machine import ConnectionMachine
from holdfast.errors import NetworkError
from holdfast.testing import (
    BlackHole,
    Cut,
    Flap,
    Freeze,
    Kill,
    PowerOff,
    Reset,
    Roam,
    Simulation,
    Skew,
    search,
    simulate,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.testing import Host

PORT = 7000
SETTINGS = ConnectionSettings(
    connect_timeout=5.0, heartbeat=5.0, heartbeat_timeout=5.0, initial_delay=0.5, max_delay=10.0
)
BACK_WITHIN = 30.0
"""Seconds: the largest delay, an attempt, and half a heartbeat."""


async def echo(host: Host) -> None:
    """The peer: answers messages and pings."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framing = Framed(1024)
        try:
            while data := await reader.read(4096):
                for found in framing.feed(data):
                    if isinstance(found, Control):
                        answer = framing.control(Control(is_answer=True, number=found.number))
                        writer.write(answer or b"")
                    else:
                        writer.write(framing.encode(found))
                await writer.drain()
        except OSError:
            pass  # the connection broke
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "0.0.0.0", PORT) as server:
        await server.serve_forever()


class Caller:
    """Says a number again and again, and notes which came back."""

    def __init__(self) -> None:
        self.said = 0
        self.heard = 0
        self.changes: list[StateChange] = []
        self.connection: ReliableConnection | None = None
        self.most_tasks = 0

    async def live(self, host: Host) -> None:
        connection = self.connection = ReliableConnection(
            f"tcp://server:{PORT}", settings=SETTINGS, world=host
        )
        connection.on_change(self.changed)
        async with connection:
            listening = asyncio.get_running_loop().create_task(self.listen(connection))
            while True:
                self.said += 1
                try:
                    await connection.send(b"%d" % self.said)
                except NetworkError:
                    pass  # it does not read: the connection says so by itself
                await asyncio.sleep(host.random.uniform(0.2, 2))
            await listening

    def changed(self, change: StateChange) -> None:
        self.changes.append(change)
        if len(self.changes) % 10:
            return  # to look at all tasks takes a while
        names = [task.get_name() for task in asyncio.all_tasks()]
        mine = [name for name in names if name.startswith("holdfast-connection")]
        self.most_tasks = max(self.most_tasks, len(mine))

    async def listen(self, connection: ReliableConnection) -> None:
        async for message in connection:
            self.heard = max(self.heard, int(message))


async def storm(world: Simulation) -> None:
    """Everything that can happen to a network and a server; then the connection is open and answers."""
    server, phone = world.host("server"), world.host("phone", "train")
    server.spawn(echo, server)
    caller = Caller()
    phone.spawn(caller.live, phone)
    links = [("server", "phone")]
    faults = {Cut: 3, Reset: 3, BlackHole: 2, Flap: 1}
    world.inject(faults, within=120, links=links, lasts=(0.5, 20))
    world.inject({Kill: 2, PowerOff: 1, Freeze: 2}, within=120, hosts=["server"], lasts=(0.5, 20))
    world.inject({Freeze: 1, Skew: 1}, within=120, hosts=["phone"], lasts=(0.5, 20))
    world.inject({Roam: 2}, within=120, hosts=["phone"], lasts=(0.5, 20))
    await world.calm()
    said = caller.said
    await world.until(
        lambda: caller.heard > said + 1, within=BACK_WITHIN, what="it is back and answers"
    )
    assert caller.connection is not None
    assert caller.connection.state is ConnectionState.CONNECTED
    assert caller.most_tasks <= 1, "two tasks for one connection"
    for change in caller.changes:
        assert change.new is ConnectionState.CONNECTED or change.reason or change.attempts == 0
    tries = [c.at for c in caller.changes if c.new is not ConnectionState.CONNECTED]
    for at in tries:
        assert sum(1 for other in tries if at <= other < at + 1) <= 25, "it hammers"


@simulate(seeds=50, minutes=5)
async def test_another_network_is_noticed_and_the_connection_moves_there(world: Simulation) -> None:
    """Nobody says so, unless the program is told and asks: then it takes two seconds."""
    server, phone = world.host("server"), world.host("phone", "cafe")
    server.spawn(echo, server)
    caller = Caller()
    phone.spawn(caller.live, phone)
    await world.until(lambda: caller.heard > 3, within=20, what="it is connected")
    connection = caller.connection
    assert connection is not None
    is_told = phone.random.random() < 0.5
    before = phone.address
    world.network.roam("phone")
    assert phone.address != before
    if is_told:
        phone.call(connection.probe)
    said = caller.said
    within = 8.0 if is_told else BACK_WITHIN
    await world.until(lambda: caller.heard > said, within=within, what="it is back")


@simulate(seeds=1000, minutes=10)
async def test_a_connection_comes_back_from_everything(world: Simulation) -> None:
    await storm(world)


def attempts_without_end(patch: pytest.MonkeyPatch) -> None:
    """An attempt into a black hole is waited for as long as the kernel likes."""
    patch.setattr(__name__ + ".SETTINGS", replace(SETTINGS, connect_timeout=1e6, heartbeat=None))


def never_again_after_a_loss(patch: pytest.MonkeyPatch) -> None:
    """A connection that breaks while hands are shaken forgets to plan the next attempt."""
    failed = ConnectionMachine.failed

    def forgets(self: ConnectionMachine, *args: object, **more: object) -> None:
        failed(self, *args, **more)  # type: ignore[arg-type]
        if self.attempts == 3:
            self.next_at = None

    patch.setattr(ConnectionMachine, "failed", forgets)


@pytest.mark.parametrize("bug", [attempts_without_end, never_again_after_a_loss])
def test_a_planted_bug_is_found(
    bug: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    simulation_note: Callable[[str], None],
) -> None:
    bug(monkeypatch)
    finding = search(storm, range(50), shrinking=0)
    assert finding.failure is not None, f"{bug.__doc__} was not found in 50 seeds"
    simulation_note(f"planted: {bug.__name__} was found after {finding.runs} seeds")
