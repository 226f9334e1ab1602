"""Two gateways and two routers while everything breaks: what was accepted arrives or its sender is told, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from holdfast.apps.i3.gateway.unconfirmed import Unconfirmed
from holdfast.apps.i3.router.muds import Muds
from holdfast.testing import (
    BlackHole,
    Cut,
    Flap,
    Freeze,
    Kill,
    PowerOff,
    Reset,
    Simulation,
    SlowDisk,
    search,
    simulate,
)
from tests.support.simulated_i3 import Network
from tests.support.simulated_mail import MailNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

SAID = 12
WRITTEN = 6
SEARCHED = 300


async def storm(world: Simulation) -> None:
    """Connections are reset, swallowed and cut; routers and gateways are killed; then all find together again."""
    network = Network(world)
    routers, muds = ["hub", "spare"], ["harbour", "keep"]
    network.live(SAID)
    links = network.links
    world.inject({Reset: 4, BlackHole: 2, Cut: 2, Flap: 1}, within=30, links=links, lasts=(0.5, 15))
    world.inject({Kill: 2, PowerOff: 1, Freeze: 1}, within=30, hosts=routers, lasts=(0.5, 15))
    world.inject({SlowDisk: 2}, within=10, hosts=muds, lasts=(5, 20))
    world.inject({Kill: 1, PowerOff: 1, Freeze: 1}, within=30, hosts=muds, lasts=(0.5, 10))
    await network.settle()
    network.check()


@simulate(seeds=1000, minutes=20)
async def test_what_a_gateway_accepted_arrives_or_its_sender_is_told(world: Simulation) -> None:
    await storm(world)


async def letters(world: Simulation) -> None:
    """Muds are killed while letters go to and fro past a router that comes and goes; then all come together again."""
    network = MailNetwork(world)
    network.live(WRITTEN)
    muds = ["harbour", "keep"]
    links = [("harbour", "keep"), ("hub", "harbour"), ("hub", "keep")]
    world.inject({Kill: 4, PowerOff: 2, Freeze: 1}, within=20, hosts=muds, lasts=(0.5, 10))
    world.inject({Reset: 4, BlackHole: 2, Cut: 1}, within=20, links=links, lasts=(0.5, 10))
    world.inject({Kill: 1}, within=20, hosts=["hub"], lasts=(0.5, 10))
    await network.settle(WRITTEN)
    await network.check()


@simulate(seeds=50, minutes=20)
async def test_letters_arrive_once_each_whoever_is_killed(world: Simulation) -> None:
    await letters(world)


def what_broke_off_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Messages that were not confirmed when the connection broke are dropped in silence."""

    def forget(self: Unconfirmed) -> list[object]:
        self.read_up_to(self._number)
        return []

    patch.setattr(Unconfirmed, "lost", forget)


def a_first_password_is_given_once(patch: pytest.MonkeyPatch) -> None:
    """A router believes that every answer arrives."""
    patch.setattr(Muds, "may_be_lost", lambda *_: False)


@pytest.mark.parametrize(
    "bug",
    [what_broke_off_is_forgotten, a_first_password_is_given_once],
)
def test_a_planted_bug_is_found(
    bug: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    simulation_note: Callable[[str], None],
) -> None:
    bug(monkeypatch)
    finding = search(storm, range(SEARCHED), shrinking=0)
    assert finding.failure is not None, f"{bug.__doc__} was not found in {SEARCHED} seeds"
    simulation_note(f"planted: {bug.__name__} was found after {finding.runs} seeds")
