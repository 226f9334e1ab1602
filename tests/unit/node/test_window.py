"""A window of messages is acknowledged before it is full, and what has hardly left is not called missing."""

from __future__ import annotations

import asyncio
import random

import pytest

from holdfast import limits
from holdfast.mailbox import GatewayAddress
from holdfast.node import Mode, NodeSettings
from holdfast.node._courier import IN_HAND, IN_HAND_MAX, IN_HAND_TIMES, Courier
from holdfast.node._gates import PIPE_PAUSE_MAX, Gates
from holdfast.node._keyring import Keyring
from holdfast.resilience import CircuitState
from holdfast.testing import Simulation, simulate
from holdfast.world import RealWorld
from tests.unit.node.test_node import met, node_of, town_of

GATE = GatewayAddress("gate", 7000, bytes(32))
SLOW = 600.0
"""Seconds that acknowledgements may wait for company: far more than the tests."""


@simulate(seeds=1, minutes=30)
async def test_who_has_much_to_say_does_not_wait_for_acknowledgements(world: Simulation) -> None:
    # One place, so that nothing comes out of order; no second copy that would be acknowledged at once.
    town = await town_of(world, ack_delay=SLOW, places=1, resend_after=SLOW)
    one, other = town.people
    count = 3 * limits.NODE_WINDOW

    async def say() -> None:
        for number in range(count):
            await node_of(one).send(met(one, other).id, f"{number}")

    await one.host.run(say)
    began = world.now
    await town.until(lambda: len(other.shown) == count, within=60, what="all of it is there")
    await town.until(
        lambda: node_of(one).queue().waiting <= limits.NODE_ACK_EVERY,
        within=60,
        what="all but the last few are acknowledged",
    )
    assert world.now - began < SLOW


@simulate(seeds=2, minutes=30)
async def test_the_queue_tells_of_a_message_as_soon_as_it_is_accepted(world: Simulation) -> None:
    town = await town_of(world)
    one, other = town.people
    found: list[int] = []

    async def say() -> None:
        await node_of(one).send(met(one, other).id, "hello", priority=3)
        found.append(node_of(one).queue().by_priority.get(3, 0))

    await one.host.run(say)
    assert found == [1]
    other.host.kill()
    await one.host.run(say)
    await town.until(
        lambda: node_of(one).queue().at_gateway, within=60, what="a gateway has it, and it shows"
    )
    other.host.restart()
    await town.until(
        lambda: not node_of(one).queue().waiting, within=60, what="it was acknowledged"
    )


@simulate(seeds=2, minutes=30)
async def test_a_gateway_that_is_barred_is_tried_when_there_is_no_other(world: Simulation) -> None:
    town = await town_of(world)
    one, other = town.people
    breakers = [gate.breaker for gate in node_of(one)._gates._gates.values()]

    async def say() -> None:
        await node_of(one).send(met(one, other).id, "hello")

    for breaker in breakers:
        breaker.force_open()
    await one.host.run(say)
    await town.until(lambda: other.shown, within=6.0, what="it is heard")
    assert any(breaker.state is CircuitState.CLOSED for breaker in breakers)


@simulate(seeds=1, minutes=120)
async def test_gateways_that_are_away_for_an_hour_are_asked_ever_more_rarely(
    world: Simulation,
) -> None:
    town = await town_of(world, mode=Mode.TWO_HOP)
    one, other = town.people
    for host in town.gateways:
        host.kill()

    async def say() -> None:
        await node_of(one).send(met(one, other).id, "hello")

    await one.host.run(say)
    await asyncio.sleep(3600)
    turns = [gate._pipe for gate in node_of(one)._gates._gates.values()]
    assert 2 <= max(turns) <= 3600 / PIPE_PAUSE_MAX + 8  # of which 8 before the pause is longest
    for host in town.gateways:
        host.restart()
    await town.until(lambda: other.shown, within=300, what="it is heard")


def test_a_barred_gateway_is_tried_ever_more_rarely() -> None:
    settings = NodeSettings(gateways=(GATE,), mode="direct")
    gates = Gates(settings, RealWorld(), on_envelope=print, on_change=print, on_problem=print)
    gate = gates.get("me", GATE)
    tries = [second for second in range(3600) if gate.is_last_resort(float(second))]
    assert tries[:4] == [0, 1, 3, 7]
    assert len(tries) < 70


@pytest.mark.parametrize("slow", [0.01, 0.1, 5.0])
def test_what_was_just_taken_is_not_carried_again_because_something_overtook_it(
    slow: float,
) -> None:
    courier = Courier(NodeSettings(gateways=(GATE,), mode="direct"), random.Random(1))
    for seq in range(100):  # so that it knows what is usual
        courier.add(("ann", seq), 1, 0.0)
        courier.take(0.0)
        courier.landed(("ann", seq), slow, taken=True)
        if seq < 99:
            courier.done(("ann", seq))
    courier.missing(("ann", 99), slow + 0.01)
    assert courier.take(slow + 0.01) is None
    patience = min(IN_HAND_MAX, max(IN_HAND, IN_HAND_TIMES * slow))
    assert courier.next_at == pytest.approx(slow + patience, rel=0.001)
    assert courier.take(courier.next_at) == (("ann", 99), 1)


def test_the_keyring_keeps_the_keys_that_are_used() -> None:
    ring = Keyring()
    secrets = [bytes([number, number // 256]) * 16 for number in range(limits.NODE_KEYS_KEPT)]
    first = ring.pair(secrets[0], is_host=True)
    assert ring.pair(secrets[0], is_host=False) is not first
    for secret in secrets[2:]:
        ring.pair(secret, is_host=True)
        assert ring.pair(secrets[0], is_host=True) is first
    ring.pair(b"x" * 32, is_host=True)
    ring.pair(b"y" * 32, is_host=True)
    assert ring.pair(secrets[0], is_host=True) is first
    ring.forget()
    assert ring.pair(secrets[0], is_host=True) is not first
