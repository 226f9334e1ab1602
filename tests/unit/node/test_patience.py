"""How long a node waits for a gateway that is away, on simulated gateways: not longer than it has to."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from holdfast.node import ContactState
from holdfast.testing import Simulation, simulate
from tests.support.simulated_chat import Person, Town

if TYPE_CHECKING:
    from holdfast.node import GatewayStatus, Node


def node_of(person: Person) -> Node:
    assert person.node is not None, "it lives"
    return person.node


async def town_of(world: Simulation, gateways: int) -> Town:
    """Two people who have met, each with a mailbox at every gateway."""
    town = Town(world, 2, 0, profile="lan", gateways=gateways, places=gateways)
    town.live()
    await town.until(
        lambda: all(
            person.is_done
            and person.node
            and [each.state for each in person.node.contacts] == [ContactState.READY]
            for person in town.people
        ),
        within=120,
        what="they have met",
    )
    return town


async def says(town: Town, one: Person, text: str) -> None:
    other = next(each for each in town.people if each is not one)
    contact = one.friend(other.name)
    assert contact is not None
    await one.host.run(node_of(one).send, contact.id, text)


def states(person: Person) -> list[str]:
    return [gateway.state for gateway in node_of(person).gateways()]


def only(person: Person) -> GatewayStatus:
    (gateway,) = node_of(person).gateways()
    return gateway


@simulate(seeds=2, minutes=30)
async def test_an_invitation_does_not_wait_for_a_gateway_that_says_nothing(
    world: Simulation,
) -> None:
    town = await town_of(world, gateways=3)
    one, other = town.people
    town.gateways[0].freeze()

    began = world.now
    me = node_of(one).identities[0].id
    invitation = await one.host.run(node_of(one).invite, me)
    assert world.now - began < 5, "a gateway is given fifteen seconds; two of three are enough"

    town.gateways[0].thaw()
    await town.until(lambda: states(one) == ["connected"] * 3, within=120, what="it is back")
    await asyncio.sleep(60)
    for gateway in town.gateways[1:]:
        gateway.kill()
    him = await other.host.run(node_of(other).create_identity, "another name of his")
    contact = await other.host.run(node_of(other).accept, him.id, invitation.link, "again")
    await other.host.run(node_of(other).send, contact.id, "through the one that was away")
    heard = f"{one.name} through the one that was away"
    await town.until(lambda: heard in one.shown_at, within=120, what="its mailbox was made later")


@simulate(seeds=3, minutes=30)
async def test_a_late_answer_makes_a_node_look_whether_its_connections_still_live(
    world: Simulation,
) -> None:
    town = await town_of(world, gateways=1)
    one, other = town.people
    changes: list[str] = []
    node_of(one).on_change(lambda _: changes.append(only(one).trouble))
    assert (only(one).state, only(one).trouble) == ("connected", "")
    await says(town, one, "all is well")
    await town.until(lambda: other.shown_at, within=10, what="it arrives")
    world.network.black_hole(one.name, town.gateways[0].name)  # as a circuit of Tor that died

    began = world.now
    await says(town, one, "into the dark")
    heard = f"{other.name} into the dark"
    await town.until(lambda: heard in other.shown_at, within=60, what="it arrives")
    assert world.now - began < 12, "the next sign of life is due after 25 s, and may take ten"
    await says(town, other, "back")
    answer = f"{one.name} back"
    await town.until(lambda: answer in one.shown_at, within=60, what="what reads is renewed too")
    assert world.now - began < 20
    assert "a ping was not answered" in changes
    assert not only(one).trouble


@simulate(seeds=3, minutes=60)
async def test_when_one_gateway_is_reached_again_the_others_are_tried_at_once(
    world: Simulation,
) -> None:
    town = await town_of(world, gateways=3)
    one = town.people[0]
    for gateway in town.gateways:
        gateway.kill()
    await asyncio.sleep(900)  # each waits up to a minute for its next attempt
    for gateway in town.gateways:
        gateway.restart()

    while "connected" not in states(one):
        await asyncio.sleep(0.1)
    first = world.now
    while states(one) != ["connected"] * 3:
        await asyncio.sleep(0.1)
    assert world.now - first < 2


@simulate(seeds=3, minutes=30)
async def test_a_gateway_that_never_answers_is_not_asked_first_for_ever(world: Simulation) -> None:
    town = await town_of(world, gateways=3)
    one, other = town.people
    world.network.cut(one.name, town.gateways[0].name)

    for number in range(40):
        await says(town, one, f"{number}")
        heard = f"{other.name} {number}"
        await town.until(lambda heard=heard: heard in other.shown_at, within=60, what="it arrives")  # type: ignore[misc]
    assert node_of(one).statistics()["hedges"] <= 12, "each of them is a message that came late"


async def talks(town: Town, one: Person) -> None:
    """Says something twenty times a second, for ever."""
    for number in itertools.count():
        await says(town, one, f"word {number}")
        await asyncio.sleep(0.05)


@simulate(seeds=10, minutes=30)
async def test_a_gateway_that_is_back_takes_over_at_once_when_the_other_one_dies(
    world: Simulation,
) -> None:
    town = await town_of(world, gateways=2)
    one, other = town.people
    talk = asyncio.create_task(talks(town, one))
    town.gateways[0].kill()
    await asyncio.sleep(8)
    town.gateways[0].restart()
    await town.until(
        lambda: states(one) == states(other) == ["connected"] * 2, within=120, what="it is back"
    )

    town.gateways[1].kill()
    talk.cancel()
    began = world.now
    await says(town, one, "now")
    heard = f"{other.name} now"
    await town.until(lambda: heard in other.shown_at, within=60, what="it arrives")
    took = other.shown_at[heard] - began
    assert took < 0.2, "who was tried in vain while it was away is not left to its backoff"


@simulate(seeds=5, minutes=30)
async def test_a_gateway_whose_connection_has_just_ended_is_not_waited_for(
    world: Simulation,
) -> None:
    town = await town_of(world, gateways=2)
    one, other = town.people
    town.gateways[0].kill()
    await asyncio.sleep(
        0.02
    )  # longer than the way of the news, shorter than the patience with one that is late

    for number in range(10):
        began = world.now
        await says(town, one, f"{number}")
        heard = f"{other.name} {number}"
        await town.until(lambda heard=heard: heard in other.shown_at, within=60, what="it arrives")  # type: ignore[misc]
        assert other.shown_at[heard] - began < node_of(one).settings.hedge_delay
