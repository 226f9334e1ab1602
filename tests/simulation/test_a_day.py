"""A day of a hundred sessions with heartbeats, cuts and server kills; prints how fast it passed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from holdfast.testing import Cut, Kill, Mode, PowerOff, Simulation, run
from tests.support.simulated import Town

if TYPE_CHECKING:
    from collections.abc import Callable

SESSIONS = 100
HOURS = 24


async def a_day(world: Simulation) -> dict[str, int]:
    town = Town(world, SESSIONS, profile="cafe")
    kinds = {Kill: 24, PowerOff: 6, Cut: 600}
    day = HOURS * 3600.0
    world.inject(kinds, within=day - 600, hosts=["server"], links=town.links, lasts=(0.5, 120))
    town.live(count=8, pause=day / 12)
    await asyncio.sleep(day - world.now)
    await town.settle(within=6 * 3600)
    town.check()
    return {
        "said": len(town.stored()),
        "restored": sum(person.client.restored for person in town.people),
    }


@pytest.mark.timeout(600)
def test_a_day_of_a_hundred_sessions(simulation_note: Callable[[str], None]) -> None:
    began = time.perf_counter()
    outcome = run(a_day, seed=24, minutes=60 * HOURS + 400, mode=Mode())
    took = time.perf_counter() - began
    simulation_note(
        f"{outcome.seconds / 3600:.1f} simulated hours of {SESSIONS} sessions in {took:.0f} s: "
        f"{outcome.seconds / 3600 / took:.2f} hours a second, {outcome.steps / took / 1000:.0f} k "
        f"callbacks a second, {len(outcome.plan)} faults, {outcome.value}"
    )
