"""Scenarios whose traces are compared between processes."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import websockets

from holdfast.testing import (
    BlackHole,
    Clog,
    Cut,
    Flap,
    Freeze,
    Kill,
    PowerOff,
    Reset,
    Skew,
    SlowDisk,
    attempt,
)
from tests.support.simulated import Town
from tests.support.simulated_quiz import Show

if TYPE_CHECKING:
    from holdfast.testing import Simulation

EVERYTHING = {
    Kill: 1, PowerOff: 1, Freeze: 1, Skew: 1, SlowDisk: 1,
    Cut: 2, Flap: 1, Clog: 1, Reset: 1, BlackHole: 1,
}  # fmt: skip


async def room(world: Simulation) -> None:
    """People talk in a room while everything breaks."""
    town = Town(world, 4)
    world.inject(EVERYTHING, within=30, hosts=["server"], links=town.links, lasts=(0.1, 15))
    town.live(8, 3.0)
    await town.settle()
    town.check()


async def quiz(world: Simulation) -> None:
    """A quiz is played while everything breaks; two want the same name."""
    show = Show(world, 4, rivals=1)
    world.inject(EVERYTHING, within=40, hosts=["server"], links=show.links, lasts=(0.1, 15))
    show.begin()
    await show.settle()
    show.check()


async def chat(world: Simulation) -> None:
    """The websockets library, with broadcasts over sets of connections and cancelled task groups."""

    async def serve() -> None:
        everybody = set()

        async def handle(connection) -> None:
            everybody.add(connection)
            try:
                async for message in connection:
                    async with asyncio.TaskGroup() as group:
                        for other in tuple(everybody):
                            group.create_task(other.send(message))
            except* websockets.ConnectionClosed:
                pass
            finally:
                everybody.discard(connection)

        async with websockets.serve(
            handle, "0.0.0.0", 80, ping_interval=5, ping_timeout=5
        ) as server:
            await server.serve_forever()

    async def talk(name: str) -> None:
        count = 0
        while count < 20:
            try:
                async with websockets.connect("ws://server/", ping_interval=5) as connection:
                    while count < 20:
                        await connection.send(f"{name} {count}")
                        async with asyncio.timeout(10):
                            heard = await connection.recv()
                        count += 1
                        world.note("heard", str(heard))
                        await asyncio.sleep(1)
            except (OSError, TimeoutError, websockets.WebSocketException):
                await asyncio.sleep(1)

    server = world.host("server")
    server.spawn(serve)
    names = [f"phone{number}" for number in range(6)]
    talks = [world.host(name, "train").run(talk, name) for name in names]
    links = [("server", name) for name in names]
    world.inject(EVERYTHING, within=30, hosts=["server"], links=links, lasts=(0.1, 15))
    await asyncio.gather(*talks)


SCENARIOS = {"room": room, "quiz": quiz, "chat": chat}


def digests(seeds: range, *, debug: bool = False) -> dict[str, list[str]]:
    """Run all with these seeds; return their traces' digests."""
    return {
        name: [attempt(scenario, seed=seed, debug=debug).digest for seed in seeds]
        for name, scenario in SCENARIOS.items()
    }


if __name__ == "__main__":
    print(json.dumps(digests(range(int(sys.argv[1])), debug="debug" in sys.argv)))
