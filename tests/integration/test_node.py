"""Nodes over real gateways with TLS: people meet, talk, lose gateways and their own process, and lose no message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from holdfast.errors import InvitationError, NetworkError, NodeError
from holdfast.node import MessageState, PlainChanged
from holdfast.node._gates import Gates
from tests.support.nodes import World, befriend, until

if TYPE_CHECKING:
    from pathlib import Path

MODES = ["direct", "two_hop"]


@pytest.mark.parametrize("mode", MODES)
async def test_two_people_meet_by_a_link_and_talk_in_order(mode: str, tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        ada, bob = await world.person("ada", mode=mode), await world.person("bob", mode=mode)
        await befriend(ada, bob)
        to_bob, to_ada = ada.contact("bob"), bob.contact("ada")
        said = [f"line {n}" for n in range(40)]
        ids = [await ada.node.send(to_bob, text) for text in said]
        await bob.node.send(to_ada, b"\x00\xff", kind="piece")
        await until(lambda: len(bob.heard) >= 40 and ada.heard)

        assert bob.texts() == said
        assert (ada.heard[0].kind, ada.heard[0].body) == ("piece", b"\x00\xff")
        assert ada.node.safety_words(to_bob) == bob.node.safety_words(to_ada) != ()
        await until(lambda: not ada.node.queue().waiting)
        states = {(await ada.node.message(to_bob, each)).state for each in ids}  # type: ignore[union-attr]
        assert states == {MessageState.DELIVERED}


async def test_an_invitation_is_for_one_person_and_not_for_oneself(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        ada = await world.person("ada", mode="direct")
        bob, eve = (
            await world.person("bob", mode="direct"),
            await world.person("eve", mode="direct"),
        )
        invitation = await ada.node.invite(ada.me)
        with pytest.raises(InvitationError):
            await ada.node.accept(ada.me, invitation.link)
        await bob.node.accept(bob.me, invitation.link, "ada")
        await until(lambda: ada.node.contacts[0].state.value == "ready")
        with pytest.raises(InvitationError):
            await bob.node.accept(bob.me, invitation.link)
        late = await eve.node.accept(eve.me, invitation.link, "ada")
        await eve.node.send(late.id, "let me in")
        await bob.node.send(bob.contact("ada"), "it is I")
        await until(lambda: ada.texts() == ["it is I"])
        assert [each.told_name for each in ada.node.contacts] == ["bob"]


async def test_while_a_gateway_is_dead_the_other_one_carries(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        ada, bob = await world.person("ada"), await world.person("bob")
        await befriend(ada, bob)
        for victim in world.gateways:
            await victim.stop()
            text = f"without {victim.port}"
            await ada.node.send(ada.contact("bob"), text)
            await bob.node.send(bob.contact("ada"), text)
            await until(lambda text=text: text in bob.texts() and text in ada.texts())  # type: ignore[misc]
            await victim.start()
        await until(lambda: not ada.node.queue().waiting and not bob.node.queue().waiting)
        assert len(bob.heard) == len(ada.heard) == 3, "nothing is shown twice"


async def test_what_is_said_while_everything_is_away_arrives_once_afterwards(
    tmp_path: Path,
) -> None:
    async with World(tmp_path) as world:
        ada, bob = await world.person("ada"), await world.person("bob")
        await befriend(ada, bob)
        await bob.stop()
        for gateway in world.gateways:
            await gateway.stop()
        said = [f"into the dark {n}" for n in range(10)]
        for text in said:
            await ada.node.send(ada.contact("bob"), text)
        assert ada.node.queue().waiting or await ada.node.history(ada.contact("bob"))
        await ada.stop()
        for gateway in world.gateways:
            await gateway.start()
        await ada.start()
        await bob.start()
        await until(lambda: len(bob.heard) >= 10)
        await until(lambda: not ada.node.queue().waiting)
        assert bob.texts() == said


async def test_a_message_expires_and_the_next_one_arrives(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        ada, bob = (
            await world.person("ada", mode="direct"),
            await world.person("bob", mode="direct"),
        )
        await befriend(ada, bob)
        for gateway in world.gateways:
            await gateway.stop()
        to_bob = ada.contact("bob")
        short = await ada.node.send(to_bob, "soon worthless", ttl=0.3)
        await ada.node.send(to_bob, "worth it")
        states: list[Any] = []
        ada.node.on_change(lambda change: states.append(getattr(change, "state", None)))
        await until(lambda: MessageState.EXPIRED in states)
        for gateway in world.gateways:
            await gateway.start()
        ada.node.retry_now()
        bob.node.network_changed()
        await until(lambda: bob.texts() == ["worth it"])
        expired = await ada.node.message(to_bob, short)
        assert expired is not None and expired.state is MessageState.EXPIRED  # noqa: PT018 - one message


async def test_reading_is_told_only_to_whom_it_is_allowed(tmp_path: Path) -> None:
    """Threat model P19: who has read what is told to those who may know it."""
    async with World(tmp_path) as world:
        ada, bob = (
            await world.person("ada", mode="direct"),
            await world.person("bob", mode="direct"),
        )
        await befriend(ada, bob)
        to_bob, to_ada = ada.contact("bob"), bob.contact("ada")
        first = await ada.node.send(to_bob, "one")
        await until(lambda: len(bob.heard) == 1)
        await bob.node.mark_read(to_ada, bob.heard[-1].number)
        await bob.node.allow_read(to_ada, allowed=True)
        second = await ada.node.send(to_bob, "two")
        await until(lambda: len(bob.heard) == 2)
        assert bob.node.contacts[0].unread == 1
        await until(lambda: not ada.node.queue().waiting)
        assert (await ada.node.message(to_bob, first)).state is MessageState.DELIVERED  # type: ignore[union-attr]
        states: list[Any] = []
        ada.node.on_change(lambda change: states.append(getattr(change, "state", None)))
        await bob.node.mark_read(to_ada, bob.heard[-1].number)
        await until(lambda: MessageState.READ in states)
        assert (await ada.node.message(to_bob, second)).state is MessageState.READ  # type: ignore[union-attr]
        assert bob.node.contacts[0].unread == 0


async def test_a_room_of_three_talks_and_who_was_removed_hears_no_more(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        ada = await world.person("ada", mode="direct")
        bob, eve = (
            await world.person("bob", mode="direct"),
            await world.person("eve", mode="direct"),
        )
        await befriend(ada, bob)
        await befriend(ada, eve)
        room = await ada.node.create_room(ada.me, "tea", [ada.contact("bob"), ada.contact("eve")])
        await until(lambda: bob.node.rooms and eve.node.rooms)
        await until(lambda: all(len(each.node.rooms[0].members) == 2 for each in (bob, eve)))
        await ada.node.send(room.id, "welcome")
        await bob.node.send(room.id, "hello from bob")
        everybody = {"welcome", "hello from bob"}
        await until(lambda: everybody <= set(eve.texts()))
        await until(lambda: "hello from bob" in ada.texts() and "welcome" in bob.texts())
        await ada.node.remove_member(room.id, ada.contact("eve"))
        await until(lambda: not eve.node.rooms[0].is_open)
        await ada.node.send(room.id, "she is gone")
        await until(lambda: "she is gone" in bob.texts())
        assert "she is gone" not in eve.texts()
        with pytest.raises(NodeError):
            await eve.node.send(room.id, "may I?")


@pytest.mark.parametrize(
    "feature",
    ["hedge", "score", "breaker", "reorder", "self_test", "receipts", "fallback"],
)
async def test_a_node_works_without_any_one_of_its_features(feature: str, tmp_path: Path) -> None:
    async with World(tmp_path, gateways=2) as world:
        ada = await world.person("ada", mode="direct", **{feature: False})
        bob = await world.person("bob", mode="direct", **{feature: False})
        await befriend(ada, bob)
        for number in range(10):
            await ada.node.send(ada.contact("bob"), f"{number}")
        await until(lambda: len(bob.heard) >= 10)
        assert bob.texts() == [f"{number}" for number in range(10)]


async def test_without_retries_by_itself_the_button_tries_again(tmp_path: Path) -> None:
    async with World(tmp_path, gateways=2) as world:
        ada = await world.person("ada", mode="direct", retry=False)
        bob = await world.person("bob", mode="direct")
        await befriend(ada, bob)
        for gateway in world.gateways:
            await gateway.stop()
        await ada.node.send(ada.contact("bob"), "by hand")
        await until(lambda: ada.node.errors())
        for gateway in world.gateways:
            await gateway.start()
        bob.node.network_changed()

        def pressed() -> bool:
            ada.node.retry_now()
            return bool(bob.heard)

        await until(pressed)
        assert bob.texts() == ["by hand"]


async def test_when_the_choice_of_gateways_fails_messages_go_on_and_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World(tmp_path, gateways=2) as world:
        ada, bob = (
            await world.person("ada", mode="direct"),
            await world.person("bob", mode="direct"),
        )
        await befriend(ada, bob)
        told: list[Any] = []
        ada.node.on_change(lambda change: told.append(change))

        def fails(*_: object) -> None:
            raise ZeroDivisionError("a fault")

        with monkeypatch.context() as patch:
            patch.setattr(Gates, "ranked", fails)
            await ada.node.send(ada.contact("bob"), "in the plain way")
            await until(lambda: bob.texts() == ["in the plain way"])
            assert ada.node.is_plain
        await ada.node.send(ada.contact("bob"), "as always")
        await until(lambda: len(bob.heard) == 2)
        await until(lambda: not ada.node.is_plain)
        assert [each.is_plain for each in told if isinstance(each, PlainChanged)] == [True, False]


async def test_without_any_gateway_no_invitation_is_made(tmp_path: Path) -> None:
    async with World(tmp_path, gateways=2) as world:
        ada = await world.person("ada", mode="direct")
        for gateway in world.gateways:
            await gateway.stop()
        with pytest.raises(NetworkError):
            await ada.node.invite(ada.me)
        assert ada.node.contacts == ()


async def test_the_same_id_is_one_message(tmp_path: Path) -> None:
    async with World(tmp_path, gateways=2) as world:
        ada, bob = (
            await world.person("ada", mode="direct"),
            await world.person("bob", mode="direct"),
        )
        await befriend(ada, bob)
        for _ in range(3):
            assert await ada.node.send(ada.contact("bob"), "once", message_id="x" * 20) == "x" * 20
        await ada.node.send(ada.contact("bob"), "then")
        await until(lambda: len(bob.heard) >= 2)
        assert bob.texts() == ["once", "then"]
        found = await bob.node.search("ONCE")
        assert [each.text for each in found] == ["once"]
        assert await bob.node.delete_history(bob.contact("ada"), through=found[0].number) == 1
        assert [m.text for m in await bob.node.history(bob.contact("ada"))] == ["then"]
