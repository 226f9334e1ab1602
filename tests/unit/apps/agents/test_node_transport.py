"""Agents' frames as messages of a node: who a peer is, what is not said twice, what is not kept."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from holdfast.apps.agents import (
    MIGRATIONS,
    AgentCode,
    AgentError,
    AgentHost,
    limits,
    node_transport,
)
from holdfast.apps.agents.node_transport import KIND, NodeTransport
from holdfast.apps.agents.wire import Accepted, Request, encode
from holdfast.errors import OutboxFullError, ResilienceError
from holdfast.node import ContactChanged, MessageState
from holdfast.storage import Database, Durability
from holdfast.world import RealWorld
from tests.support.fake_node import FakeNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from holdfast.apps.agents import AgentRequest
    from holdfast.node import Node


class Pair:
    """Two nodes that have met, with their transports."""

    def __init__(self) -> None:
        self.ann, self.bob = FakeNode("ann"), FakeNode("bob")
        self.from_ann = NodeTransport(cast("Node", self.ann), RealWorld())
        self.from_bob = NodeTransport(cast("Node", self.bob), RealWorld())

    async def meet(self) -> None:
        await self.ann.create_identity("Ann")
        await self.bob.create_identity("Bob")
        made = await self.ann.invite("identity-0", name="bob")
        await self.bob.accept("identity-0", made.link, "ann")


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    pair = Pair()
    await pair.meet()
    async with pair.from_ann, pair.from_bob:
        yield pair


def a_request(budget_ms: int = 1000) -> bytes:
    return encode(Request("one", "agent", b"1", budget_ms, 0, False))


async def test_agents_on_two_nodes_call_each_other(pair: Pair, tmp_path: Path) -> None:
    async def double(request: AgentRequest) -> object:
        assert request.sender == "ann"
        return 2 * cast("int", request.body)

    async with AsyncExitStack() as stack:
        hosts = []
        for name, transport in (("ann", pair.from_ann), ("bob", pair.from_bob)):
            path = tmp_path / name / "agents.db"
            tables = {"agents": MIGRATIONS}
            opened = Database(path, tables, durability=Durability.PROCESS_DEATH)
            database = await stack.enter_async_context(opened)
            host = AgentHost(transport, database)
            host.register("double", double)
            hosts.append(await stack.enter_async_context(host))

        assert await hosts[0].call("double@bob", 21) == 42
        assert hosts[0].peers() == ("bob",)


async def test_what_is_said_again_is_left_out_while_it_is_on_its_way(pair: Pair) -> None:
    came: list[bytes] = []
    pair.from_bob.on_message(lambda peer, data: came.append(data))
    pair.ann.is_up = False
    for budget_ms in (1000, 900, 800):
        await pair.from_ann.send("bob", a_request(budget_ms), within=10)
        await pair.from_ann.send("bob", encode(Accepted("two")), within=10)
    assert pair.ann.sends == 2

    pair.ann.is_up = True
    pair.ann.flush()
    assert came == [a_request(1000), encode(Accepted("two"))]

    await pair.from_ann.send("bob", a_request(700), within=10)
    assert came[2:] == [a_request(700)], "it may have been lost behind the node"


async def test_what_has_expired_may_be_said_again(pair: Pair) -> None:
    pair.ann.is_up = False
    await pair.from_ann.send("bob", a_request(), within=10)
    (key,) = pair.ann.said
    pair.ann.becomes(*key, MessageState.EXPIRED)

    await pair.from_ann.send("bob", a_request(), within=10)

    assert pair.ann.sends == 2


async def test_what_was_not_taken_may_be_said_again(pair: Pair) -> None:
    pair.ann.refusing = OutboxFullError("full")
    with pytest.raises(ResilienceError):
        await pair.from_ann.send("bob", a_request(), within=10)
    pair.ann.refusing = None

    await pair.from_ann.send("bob", a_request(), within=10)

    assert pair.ann.sends == 1


async def test_what_is_remembered_of_the_way_is_bounded(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FRAMES_UNDER_WAY_MAX", 10)
    pair.ann.is_up = False
    for number in range(30):
        await pair.from_ann.send("bob", encode(Accepted(f"n{number}")), within=10)

    assert len(pair.from_ann._under_way) == len(pair.from_ann._keys) == 10


async def test_a_peer_is_known_by_the_name_that_was_given_to_him(pair: Pair) -> None:
    with pytest.raises(AgentError) as caught:
        await pair.from_ann.send("Bob", a_request(), within=10)
    assert caught.value.code is AgentCode.PEER_UNKNOWN

    await pair.ann.invite("identity-0", name="joe")
    assert pair.from_ann.peers() == ("bob",), "who was only invited is no peer"


async def test_a_second_contact_of_a_name_does_not_take_it(pair: Pair) -> None:
    came: list[str] = []
    pair.from_ann.on_message(lambda peer, data: came.append(peer))
    (bob,) = pair.ann.known.values()
    twin = replace(bob, id="twin")
    pair.ann.known["twin"] = twin
    pair.ann.tell(ContactChanged("twin"))

    (message,) = [m for m in pair.bob.said.values()] or [None]
    await pair.from_bob.send("ann", a_request(), within=10)
    ((_, message),) = [each for each in pair.ann.said.items() if each[1].kind == KIND]
    assert message is not None
    pair.ann.receive("twin", replace(message, id="of the twin"))

    assert came == ["bob"]


async def test_messages_of_people_are_nothing_for_agents(pair: Pair) -> None:
    came: list[str] = []
    pair.from_ann.on_message(lambda peer, data: came.append(peer))
    (contact,) = pair.bob.known

    await pair.bob.send(contact, "hello")

    assert came == []
    assert next(iter(pair.ann.known.values())).unread == 1


async def test_what_was_said_is_not_kept(pair: Pair) -> None:
    for number in range(3 * node_transport.TRIM_EVERY):
        await pair.from_ann.send("bob", encode(Accepted(f"n{number}")), within=10)
        await asyncio.sleep(0)

    async with asyncio.timeout(5):
        while max(len(pair.ann.said), len(pair.bob.said)) >= node_transport.TRIM_EVERY:
            await asyncio.sleep(0)
