"""Two gateways and two routers while everything breaks: what was accepted arrives or its sender is told, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from holdfast.apps.i3.gateway._queue import Queue
from holdfast.apps.i3.gateway.unconfirmed import Unconfirmed
from holdfast.testing import (
    BlackHole,
    Cut,
    Flap,
    Freeze,
    Kill,
    PowerOff,
    Reset,
    Simulation,
    search,
    simulate,
)
from tests.support.simulated_i3 import Network

if TYPE_CHECKING:
    from collections.abc import Callable

SAID = 30


async def storm(world: Simulation) -> None:
    """Connections are reset, swallowed and cut; routers and gateways are killed; then all find together again."""
    network = Network(world)
    routers, muds = ["hub", "spare"], ["harbour", "keep"]
    network.live(SAID)
    world.inject(
        {Reset: 4, BlackHole: 2, Cut: 2, Flap: 1}, within=40, links=network.links, lasts=(0.5, 20)
    )
    world.inject({Kill: 3, PowerOff: 1, Freeze: 1}, within=40, hosts=routers, lasts=(0.5, 15))
    world.inject({Kill: 2, PowerOff: 1, Freeze: 1}, within=40, hosts=muds, lasts=(0.5, 10))
    await network.settle()
    network.check()


@simulate(seeds=1000, minutes=20)
async def test_what_a_gateway_accepted_arrives_or_its_sender_is_told(world: Simulation) -> None:
    await storm(world)
