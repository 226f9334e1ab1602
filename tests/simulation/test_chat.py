"""Three gateways and people while everything breaks: nothing accepted is lost or shown twice, the order is kept."""

from __future__ import annotations

import asyncio
import statistics
from typing import TYPE_CHECKING

from holdfast.testing import (
    BlackHole,
    Cut,
    Flap,
    Kill,
    PowerOff,
    Profile,
    Reset,
    Simulation,
    run,
    simulate,
)
from tests.support.simulated_chat import Town

if TYPE_CHECKING:
    from collections.abc import Callable

BAD = Profile(latency=0.03, jitter=0.03, loss=0.3, bandwidth=1e6, window=128 * 1024)
WEEK = 7 * 86_400.0
FAILOVERS = 40


async def storm(world: Simulation, people: int = 2, count: int = 4) -> None:
    """A network that loses three of ten; gateways and people are killed, connections reset and swallowed."""
    town = Town(world, people, count, profile=BAD)
    town.live()
    gates = [host.name for host in town.gateways]
    names = [person.name for person in town.people]
    links = town.links
    world.inject({Cut: 3, Reset: 3, BlackHole: 2, Flap: 1}, within=20, links=links, lasts=(1, 15))
    world.inject({Kill: 2, PowerOff: 1}, within=20, hosts=gates, lasts=(1, 15))
    world.inject({Kill: 1, PowerOff: 1}, within=20, hosts=names, lasts=(1, 15))
    await town.settle()
    await town.check()


@simulate(seeds=100, minutes=60)
async def test_what_was_accepted_is_shown_once_and_in_order(world: Simulation) -> None:
    await storm(world)


@simulate(seeds=4, minutes=60)
async def test_ten_people_lose_nothing_either(world: Simulation) -> None:
    await storm(world, people=10, count=2)


@simulate(seeds=3, minutes=12_000)
async def test_who_was_away_for_a_week_gets_what_was_said_though_its_author_is_gone(
    world: Simulation,
) -> None:
    town = Town(world, people=2, count=3)
    one, other = town.people
    town.live()
    await town.until(lambda: one.is_done and other.friend(one.name), within=120, what="it is said")
    await town.until(
        lambda: one.node and one.node.queue().at_gateway + len(other.shown) >= town.count,
        within=120,
        what="gateways have it, or the other one",
    )
    other.host.kill()
    one.host.kill()
    await asyncio.sleep(WEEK)
    other.host.restart()
    await asyncio.sleep(120)
    heard = await other.host.run(other.heard, one.name)
    assert heard == [f"{one.name} {number}" for number in range(1, town.count + 1)]
    one.host.restart()
    await town.settle()
    await town.check()


def test_how_long_what_is_said_takes_when_a_gateway_is_dead(
    simulation_note: Callable[[str], None],
) -> None:
    took: list[float] = []

    async def scenario(world: Simulation) -> None:
        town = Town(world, people=2, count=8)
        town.live()
        killed_at = 3.0 + world.host("p0").random.random() * 3.0
        world.at(killed_at, town.gateways[0].power_off)
        await town.until(
            lambda: all(person.is_done for person in town.people), within=300, what="all is said"
        )
        await town.settle()
        await town.check()
        for person in town.people:
            for other in town.people:
                for text, at in person.said_at.items():
                    if at >= killed_at and text in other.shown_at:
                        took.append(other.shown_at[text] - at)

    for seed in range(FAILOVERS):
        run(scenario, seed=seed)
    took.sort()
    assert len(took) > FAILOVERS
    simulation_note(
        f"failover: {len(took)} messages after one of three gateways lost its power; seconds until they are shown: "
        f"median {statistics.median(took):.2f}, 95 of 100 within {took[len(took) * 95 // 100]:.2f}, "
        f"the slowest {took[-1]:.2f}"
    )
