"""The same scenario functions pass on the simulated network, on real loopback with asyncio, and with uvloop."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from holdfast.testing import run
from tests.support.everywhere import EVERYWHERE

SCENARIOS = pytest.mark.parametrize("scenario", EVERYWHERE, ids=lambda function: function.__name__)


@SCENARIOS
def test_in_simulation(scenario) -> None:
    for seed in range(10):
        run(lambda world: scenario(), seed=seed)


@SCENARIOS
@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_on_real_loopback(scenario, factory) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(scenario(), 30))
