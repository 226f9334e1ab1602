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
    Partition,
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


def storm(world: Simulation, town: Town) -> None:
    """All people live, in a network that breaks; gateways and people are killed. For each two people so many faults."""
    town.live()
    gates = [host.name for host in town.gateways]
    names = [person.name for person in town.people]
    pairs, links = len(names) // 2, town.links
    broken = {Cut: 3 * pairs, Reset: 3 * pairs, BlackHole: 2 * pairs, Flap: pairs}
    world.inject(broken, within=20, links=links, lasts=(1, 15))
    world.inject({Kill: 2, PowerOff: 1, Partition: 1}, within=20, hosts=gates, lasts=(1, 15))
    world.inject({Kill: pairs, PowerOff: pairs}, within=20, hosts=names, lasts=(1, 15))


@simulate(seeds=100, minutes=60)
async def test_what_was_accepted_is_shown_once_and_in_order(world: Simulation) -> None:
    town = Town(world, people=2, count=4, profile=BAD)
    storm(world, town)
    await town.settle()
    await town.check()


@simulate(seeds=4, minutes=12_000)
async def test_ten_people_lose_nothing_either_though_they_are_away_for_a_week(
    world: Simulation,
) -> None:
    town = Town(world, people=10, count=3, profile=BAD)
    storm(world, town)
    await asyncio.sleep(10 + 40 * world.host("main").random.random())
    for person in town.people:
        person.host.kill()
    await world.calm()
    for person in town.people:
        person.host.kill()  # those whom a fault of the storm has called back
    await asyncio.sleep(WEEK)
    for person in town.people:
        person.host.restart()
    await town.settle()
    await town.check()


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
