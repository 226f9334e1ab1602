"""Three gateways and people while everything breaks: nothing accepted is lost or shown twice, the order is kept."""

from __future__ import annotations

from holdfast.testing import (
    BlackHole,
    Cut,
    Flap,
    Kill,
    PowerOff,
    Profile,
    Reset,
    Simulation,
    simulate,
)
from tests.support.simulated_chat import Town

BAD = Profile(latency=0.03, jitter=0.03, loss=0.3, bandwidth=1e6, window=128 * 1024)


async def storm(world: Simulation) -> None:
    """A network that loses three of ten; gateways and people are killed, connections reset and swallowed."""
    town = Town(world, people=3, count=4, profile=BAD)
    town.live()
    gates = [host.name for host in town.gateways]
    people = [person.name for person in town.people]
    links = town.links
    world.inject({Cut: 3, Reset: 3, BlackHole: 2, Flap: 1}, within=40, links=links, lasts=(1, 20))
    world.inject({Kill: 2, PowerOff: 1}, within=40, hosts=gates, lasts=(1, 20))
    world.inject({Kill: 1, PowerOff: 1}, within=40, hosts=people, lasts=(1, 20))
    await town.settle()
    await town.check()


@simulate(seeds=1000, minutes=40)
async def test_what_was_accepted_is_shown_once_and_in_order(world: Simulation) -> None:
    await storm(world)
