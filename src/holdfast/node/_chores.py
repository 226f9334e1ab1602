"""What a node does beside: it gives up what is over, and proves its gateways with envelopes to itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from holdfast.errors import ResilienceError
from holdfast.mailbox import GatewayAddress
from holdfast.node import _said

if TYPE_CHECKING:
    from holdfast.node._desk import Desk
    from holdfast.node._gates import Gate, Gates
    from holdfast.node._intake import Intake

EXPIRY_LOOK: Final = 3600.0
"""Seconds between two looks for what expires, at most."""

SOONEST: Final = 0.05

TEST_PATIENCE: Final = 30.0
"""Seconds that an envelope to ourselves may take over an open connection, at most half the time between two."""


class Test(NamedTuple):
    """An envelope to ourselves that a gateway said it kept."""

    gate: Gate
    name: bytes
    since: float


class Chores:
    """Tasks that never end.

    Args:
        desk: what all share.
        gates: the gateways.
        intake: makes and knows envelopes to ourselves.
    """

    def __init__(self, desk: Desk, gates: Gates, intake: Intake) -> None:
        self._desk = desk
        self._gates = gates
        self._intake = intake
        self._look = asyncio.Event()

    def look_for_expiry(self) -> None:
        """Something was accepted that may expire sooner than all else."""
        self._look.set()

    async def expire(self) -> None:
        """Give up what is over, for ever."""
        while True:
            self._look.clear()
            next_ms = await self._desk.do(_said.next_expiry)
            wait = EXPIRY_LOOK
            if next_ms is not None:
                wait = min(wait, max(SOONEST, (next_ms - self._desk.now_ms()) / 1000))
            with suppress(TimeoutError):  # it is time to look
                async with asyncio.timeout(wait):
                    await self._look.wait()

    async def test(self) -> None:
        """Send envelopes to ourselves now and then, for ever, and look which came back."""
        desk = self._desk
        random, mean = desk.world.random, desk.settings.self_test_interval
        out: list[Test] = []
        while True:
            await asyncio.sleep(random.uniform(0.5 * mean, 1.5 * mean))
            out = [each for each in out if not self._is_over(each)]
            if not desk.views:
                continue
            view = random.choice(list(desk.views.values()))
            for own in view.inbox.places:
                gate = self._gates.get(view.identity, GatewayAddress.parse(own.gateway))
                made = self._intake.test(view, gate)
                if made is None:
                    continue
                place, body, name = made
                with suppress(ResilienceError):  # the gate has counted it
                    await gate.deposit(place, body, mean, is_test=True)
                    out.append(Test(gate, name, desk.now()))

    def _is_over(self, test: Test) -> bool:
        """Say whether nothing more is to be learnt from it; a gateway that lost it is found out."""
        gate = test.gate
        if not self._intake.is_out(test.name):
            return True
        patience = min(TEST_PATIENCE, 0.5 * self._desk.settings.self_test_interval)
        since = gate.read_since
        if since is None or self._desk.now() < max(since, test.since) + patience:
            return False  # it may be under way, or lies there until we read again
        gate.lost_test()
        return True
