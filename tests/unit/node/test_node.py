"""A node on simulated gateways: what it promises to those who use it, each switch off, and to whom it does not listen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from holdfast import limits
from holdfast.crypto import PairKey, SealKey
from holdfast.errors import InvitationError, NodeError
from holdfast.mailbox import MailboxKey
from holdfast.node import ContactState, MessageState, Mode, Node
from holdfast.node._gates import Gates
from holdfast.node.model import PlainChanged, RoomChanged
from holdfast.testing import Simulation, simulate
from tests.support.simulated_chat import Person, Town

if TYPE_CHECKING:
    from holdfast.node import Contact, Message, Room

Job = "Callable[..., Coroutine[Any, Any, Any]]"
ONE = 1


def node_of(person: Person) -> Node:
    assert person.node is not None, "it lives"
    return person.node


def met(person: Person, other: Person) -> Contact:
    contact = person.friend(other.name)
    assert contact is not None, "they have met"
    return contact


async def town_of(world: Simulation, people: int = 2, count: int = 0, **knobs: Any) -> Town:
    """People who have met; each has heard of the other."""
    town = Town(world, people, count, profile="lan", **knobs)
    town.live()
    await town.until(
        lambda: all(
            person.is_done
            and person.node
            and sum(each.state is ContactState.READY for each in person.node.contacts)
            == len(town.friends(person.name))
            for person in town.people
        ),
        within=120,
        what="all have met",
    )
    return town


async def quiet(town: Town, *people: Person) -> None:
    """Wait until these people, or all, have nothing to send any more."""
    await town.until(
        lambda: not any(node_of(person).queue().waiting for person in people or town.people),
        within=300,
        what="nothing waits",
    )


async def last(person: Person, other: Person) -> Message:
    """The newest message of a conversation."""
    (found,) = await node_of(person).history(met(person, other).id, limit=1)
    return found


async def tells(town: Town, one: Person, other: Person, text: str = "hello") -> None:
    """What one says, the other hears, once."""

    async def say() -> None:
        await node_of(one).send(met(one, other).id, text)

    await one.host.run(say)
    await quiet(town, one)

    async def look() -> list[bytes]:
        history = await node_of(other).history(met(other, one).id)
        return [each.body for each in history if each.state is MessageState.RECEIVED]

    assert (await other.host.run(look)).count(text.encode()) == 1


@pytest.mark.parametrize(
    "switch",
    ["hedge", "score", "breaker", "reorder", "receipts", "fallback", "self_test"],
)
def test_a_node_works_with_a_feature_switched_off(switch: str) -> None:
    off: dict[str, Any] = {switch: False}

    @simulate(seeds=2, minutes=30)
    async def scenario(world: Simulation) -> None:
        town = Town(world, people=2, count=4, profile="train", **off)
        town.live()
        world.at(2.0, town.gateways[0].kill)
        world.at(12.0, town.gateways[0].restart)
        await town.settle()
        await town.check()

    scenario()


@simulate(seeds=2, minutes=30)
async def test_a_node_works_with_every_feature_switched_off(world: Simulation) -> None:
    off: dict[str, Any] = dict.fromkeys(
        ("hedge", "score", "breaker", "reorder", "receipts", "fallback", "self_test", "retry"),
        False,
    )
    town = Town(world, people=2, count=4, profile="lan", **off)
    town.live()
    for _ in range(60):
        await asyncio.sleep(1.0)
        for person in town.people:
            if person.node is not None:
                person.host.call(person.node.retry_now)
    await town.settle()
    await town.check()


@simulate(seeds=2, minutes=30)
async def test_with_two_hops_all_arrives_while_a_gateway_is_away(world: Simulation) -> None:
    town = Town(world, people=2, count=4, profile="cafe", mode=Mode.TWO_HOP)
    town.live()
    world.at(3.0, town.gateways[1].kill)
    world.at(20.0, town.gateways[1].restart)
    await town.settle()
    await town.check()


@simulate(seeds=1, minutes=30)
async def test_a_message_says_how_far_it_came(world: Simulation) -> None:
    town = await town_of(world)
    one, other = town.people

    async def say() -> None:
        contact = met(one, other).id
        again = await node_of(one).send(contact, "hello", message_id="same-id-0123456789")
        assert again == await node_of(one).send(contact, "hello", message_id="same-id-0123456789")

    await one.host.run(say)
    await quiet(town)
    assert (await one.host.run(last, one, other)).state is MessageState.DELIVERED
    message = await other.host.run(last, other, one)
    assert met(other, one).unread == ONE

    async def read(*, allowed: bool) -> None:
        await node_of(other).allow_read(met(other, one).id, allowed=allowed)
        await node_of(other).mark_read(met(other, one).id, message.number)

    await other.host.run(lambda: read(allowed=True))
    assert met(other, one).unread == 0
    for _ in range(60):
        await asyncio.sleep(0.5)
        if (await one.host.run(last, one, other)).state is MessageState.READ:
            return
    raise AssertionError("it was not told that it was read")


@simulate(seeds=1, minutes=30)
async def test_who_may_not_see_it_is_not_told_what_was_read(world: Simulation) -> None:
    town = await town_of(world)
    one, other = town.people
    await tells(town, one, other)
    message = await other.host.run(last, other, one)

    async def read() -> None:
        await node_of(other).mark_read(met(other, one).id, message.number)

    await other.host.run(read)
    await asyncio.sleep(60)
    assert (await one.host.run(last, one, other)).state is MessageState.DELIVERED


@simulate(seeds=1, minutes=30)
async def test_what_waits_too_long_expires_and_says_so(world: Simulation) -> None:
    town = await town_of(world)
    one, other = town.people
    for gate in town.gateways:
        gate.kill()

    async def say() -> None:
        await node_of(one).send(met(one, other).id, "too late", ttl=20.0)

    await one.host.run(say)
    await town.until(lambda: not node_of(one).queue().waiting, within=60, what="it expires")
    assert (await one.host.run(last, one, other)).state is MessageState.EXPIRED
    for gate in town.gateways:
        gate.restart()
    await tells(town, one, other, "in time")  # what expired leaves no gap behind


@simulate(seeds=1, minutes=30)
async def test_a_broken_choice_of_gateways_is_announced_and_messages_go_on(
    world: Simulation,
) -> None:
    town = await town_of(world)
    one, other = town.people
    told: list[PlainChanged] = []
    node_of(one).on_change(
        lambda each: told.append(each) if isinstance(each, PlainChanged) else None
    )
    with pytest.MonkeyPatch.context() as patch:

        def broken(*_: object) -> None:
            raise ZeroDivisionError("a bug")

        patch.setattr(Gates, "ranked", broken)
        await tells(town, one, other)
        assert node_of(one).is_plain
        assert told[0].is_plain
        assert "ZeroDivisionError" in told[0].reason
    await tells(town, one, other, "again")
    assert not node_of(one).is_plain
    assert not told[-1].is_plain


@simulate(seeds=1, minutes=30)
async def test_self_tests_prove_gateways_and_are_shown_to_nobody(world: Simulation) -> None:
    town = await town_of(world, self_test=True, self_test_interval=10.0)
    one = town.people[0]
    await town.until(
        lambda: any(each.proven_ago is not None for each in one.host.call(node_of(one).gateways)),
        within=120,
        what="a gateway is proven",
    )
    assert not one.shown


@simulate(seeds=1, minutes=30)
async def test_both_see_the_same_safety_words(world: Simulation) -> None:
    one, other = (await town_of(world)).people
    words = node_of(one).safety_words(met(one, other).id)
    assert len(words) == 10
    assert words == node_of(other).safety_words(met(other, one).id)


@simulate(seeds=1, minutes=30)
async def test_an_invitation_is_good_once(world: Simulation) -> None:
    """Threat model P14: neither its guest nor anybody else becomes a second contact with a used invitation."""
    town = await town_of(world, people=3)
    one, other, third = town.people
    link = town.links_given[one.name, other.name]
    await quiet(town)
    before = len(node_of(one).contacts)

    async def again(person: Person) -> None:
        await node_of(person).accept(node_of(person).identities[0].id, link, "again")

    for person in (one, other):
        with pytest.raises(InvitationError):
            await person.host.run(again, person)

    async def thief() -> None:
        fresh = await node_of(third).create_identity("thief")
        stolen = await node_of(third).accept(fresh.id, link, "stolen")
        await node_of(third).send(stolen.id, "I am p1")

    await third.host.run(thief)
    await asyncio.sleep(120)
    assert len(node_of(one).contacts) == before
    assert not one.shown
    await tells(town, one, other)


@simulate(seeds=1, minutes=30)
async def test_identities_of_one_node_have_nothing_in_common(world: Simulation) -> None:
    """Threat model P17: two identities share no key, no mailbox, no token and no connection."""
    town = await town_of(world)
    node = node_of(town.people[0])

    async def more() -> None:
        fresh = await node.create_identity("other face")
        await node.invite(fresh.id, name="somebody")

    await town.people[0].host.run(more)
    first, second = node.identities
    by_identity: dict[str, set[bytes]] = {first.id: set(), second.id: set()}
    for view in node._desk.views.values():
        for own in view.inbox.places:
            by_identity[view.identity] |= {own.seed, own.token, MailboxKey(own.seed).mailbox}
        by_identity[view.identity] |= {view.inbox.envelope_key, view.facts.secret}
    assert all(by_identity.values())
    assert not by_identity[first.id] & by_identity[second.id]
    assert first.fingerprint != second.fingerprint
    clients = {(gate.identity, id(gate.client)) for gate in node._gates._gates.values()}
    assert len({client for _, client in clients}) == len(clients)
    assert {identity for identity, _ in clients} == {first.id, second.id}


@simulate(seeds=1, minutes=30)
async def test_who_is_removed_from_a_room_hears_nothing_more(world: Simulation) -> None:
    """Threat model P18: who has left a room reads nothing of it and is not heard in it."""
    town = await town_of(world, people=3)
    one, other, third = town.people
    made: list[str] = []

    async def make() -> None:
        identity = node_of(one).identities[0].id
        members = [met(one, other).id, met(one, third).id]
        made.append((await node_of(one).create_room(identity, "friends", members)).id)

    await one.host.run(make)
    (room,) = made

    def has(person: Person) -> bool:
        return any(each.id == room for each in node_of(person).rooms)

    await town.until(lambda: has(other) and has(third), within=120, what="both are in the room")

    async def say(person: Person, text: str) -> None:
        await node_of(person).send(room, text)

    async def heard(person: Person) -> list[bytes]:
        return [each.body for each in await node_of(person).history(room)]

    for person in town.people:
        await person.host.run(say, person, f"of {person.name}")
    await quiet(town)
    for person in town.people:
        assert sorted(await person.host.run(heard, person)) == [b"of p0", b"of p1", b"of p2"]

    async def remove() -> None:
        await node_of(one).remove_member(room, met(one, third).id)

    await one.host.run(remove)
    await quiet(town)
    await one.host.run(say, one, "without him")
    await other.host.run(say, other, "indeed")
    try:
        await third.host.run(say, third, "am I heard?")
    except NodeError:
        pass  # it knows already that it is out
    await quiet(town)
    assert {b"without him", b"indeed"} <= set(await other.host.run(heard, other))
    assert {b"without him", b"indeed"} <= set(await one.host.run(heard, one))
    assert b"am I heard?" not in [
        *await one.host.run(heard, one),
        *await other.host.run(heard, other),
    ]
    assert not {b"without him", b"indeed"} & set(await third.host.run(heard, third))


@simulate(seeds=1, minutes=30)
async def test_who_leaves_a_room_reads_nothing_more_and_the_others_are_told(
    world: Simulation,
) -> None:
    """Threat model P18: also who leaves by himself, be it a member or who opened the room."""
    town = await town_of(world, people=3)
    one, other, third = town.people
    made: list[str] = []

    async def make() -> None:
        identity = node_of(one).identities[0].id
        members = [met(one, other).id, met(one, third).id]
        made.append((await node_of(one).create_room(identity, "friends", members)).id)

    await one.host.run(make)
    (room,) = made

    def room_of(person: Person) -> Room | None:
        return next((each for each in node_of(person).rooms if each.id == room), None)

    def members(person: Person) -> set[str]:
        found = room_of(person)
        return set() if found is None else set(found.members)

    async def say(person: Person, text: str) -> None:
        await node_of(person).send(room, text)

    async def forget(person: Person, friend: Person) -> None:
        await node_of(person).remove_contact(met(person, friend).id)

    async def leave(person: Person) -> None:
        await node_of(person).leave_room(room)

    async def heard(person: Person) -> list[str]:
        return [each.text for each in await node_of(person).history(room)]

    await town.until(
        lambda: all(len(members(each)) == 2 for each in town.people), within=120, what="all are in"
    )
    for person in town.people:
        await person.host.run(say, person, f"of {person.name}")
    await quiet(town)
    with pytest.raises(NodeError, match="both in the room “friends”"):
        await third.host.run(forget, third, one)  # or nobody would know who speaks
    shown: list[RoomChanged] = []
    node_of(other).on_change(
        lambda each: shown.append(each) if isinstance(each, RoomChanged) else None
    )
    await third.host.run(leave, third)
    await town.until(
        lambda: (members(one), members(other)) == ({met(one, other).id}, {met(other, one).id}),
        within=120,
        what="both are told",
    )
    assert shown
    left = room_of(third)
    assert left is not None, "its history stays"
    assert not left.is_open
    with pytest.raises(NodeError, match="not in it any more"):
        await third.host.run(say, third, "am I heard?")
    await one.host.run(say, one, "without him")
    await other.host.run(say, other, "indeed")
    await quiet(town)
    assert {"without him", "indeed"} <= set(await one.host.run(heard, one))
    assert {"without him", "indeed"} <= set(await other.host.run(heard, other))
    assert sorted(await third.host.run(heard, third)) == ["of p0", "of p1", "of p2"]

    await third.host.run(forget, third, one)
    assert third.friend(one.name) is None
    third.host.kill()
    third.host.restart()  # it stays so
    await one.host.run(leave, one)
    await town.until(lambda: not members(other), within=120, what="the last one is told")
    await other.host.run(say, other, "alone")
    await asyncio.sleep(60)
    assert "alone" not in await one.host.run(heard, one)
    assert sorted(await third.host.run(heard, third)) == ["of p0", "of p1", "of p2"]


async def throw(person: Person, other: Person, *bodies: bytes) -> None:
    """Put raw envelopes into the mailboxes that the other one gave us."""
    view = node_of(person)._desk.views[met(person, other).id]
    for place in view.facts.places:
        gate = node_of(person)._gates.get(view.identity, place.gateway)
        for body in bodies:
            await gate.deposit(place, body, 3600.0)


@simulate(seeds=1, minutes=30)
async def test_a_peer_that_sends_noise_is_refused_and_then_read(world: Simulation) -> None:
    """Threat model P15: malformed, deeply nested, oversized and back-dated things are refused; the next good one is read."""
    town = await town_of(world)
    one, other = town.people
    await tells(town, one, other, "before")
    view = node_of(one)._desk.views[met(one, other).id]
    seal, facts = SealKey(view.facts.seal), view.facts
    key = PairKey(facts.secret, is_host=facts.is_host)
    frames = [
        b"",
        b"\xc1",
        b"\x91" * 5000,
        b"\xdd\xff\xff\xff\xff",
        b"\x97\x00\x01\x02\xc4\x00\x00\x00",
        bytes(40_000),
    ]
    bodies = [
        bytes(1648),
        *(seal.seal(frame) for frame in frames),
        *(seal.seal(key.signed(frame)) for frame in frames),
    ]
    await one.host.run(throw, one, other, *bodies)
    await town.until(
        lambda: node_of(other).statistics()["refused"] == 2 * len(bodies),
        within=120,
        what="each is refused",
    )
    assert node_of(other).errors()
    await tells(town, one, other, "after")
    await tells(town, other, one, "back")


@simulate(seeds=1, minutes=30)
async def test_what_comes_again_is_shown_once_also_after_a_restart(world: Simulation) -> None:
    """Threat model P16: each envelope is kept and handed out again, before and after a restart; it is shown once."""
    town = Town(world, people=2, count=0, profile="lan")
    thrown: list[tuple[Any, bytes]] = []
    town.live()
    one, other = town.people
    await town.until(
        lambda: one.is_done and other.is_done and one.friend(other.name) and other.friend(one.name),
        within=60,
        what="they have met",
    )
    with pytest.MonkeyPatch.context() as patch:
        seals = SealKey.seal

        def noted(self: SealKey, content: bytes) -> bytes:
            sealed = seals(self, content)
            thrown.append((self.raw, sealed))
            return sealed

        patch.setattr(SealKey, "seal", noted)
        for number in range(3):
            await tells(town, one, other, f"message {number}")
    view = node_of(one)._desk.views[met(one, other).id]
    recorded = [sealed for raw, sealed in thrown if raw == view.facts.seal]
    assert len(recorded) >= 3
    for _ in range(2):
        await one.host.run(throw, one, other, *recorded)
        await asyncio.sleep(20)
        other.host.kill()
        other.host.restart()
        await asyncio.sleep(20)
    heard = await other.host.run(other.heard, one.name)
    assert heard == ["message 0", "message 1", "message 2"]
    assert max(other.shown.values()) == 1


@simulate(seeds=1, minutes=30)
async def test_the_folder_contains_no_word_and_no_name_in_the_clear(world: Simulation) -> None:
    """Threat model P20: keys, names and words are sealed in every file of the data folder."""
    town = await town_of(world)
    one, other = town.people
    words = "a sentence that is easily found"
    await tells(town, one, other, words)
    view = node_of(one)._desk.views[met(one, other).id]
    secrets = [words.encode(), view.facts.secret, view.facts.first_secret, view.inbox.envelope_key]
    secrets = [secret for secret in secrets if secret]
    secrets += [own.seed for own in view.inbox.places]
    for person in town.people:
        content = b"".join(file.read_bytes() for file in sorted(person.host.folder.rglob("*.db*")))
        assert b"node_contact" in content  # it is the file that was meant
        for secret in secrets:
            assert secret not in content


@simulate(seeds=1, minutes=30)
async def test_what_cannot_be_sent_is_refused(world: Simulation) -> None:
    town = await town_of(world)
    one, other = town.people

    async def tries() -> None:
        contact = met(one, other).id
        with pytest.raises(NodeError):
            await node_of(one).send("nobody", "hello")
        with pytest.raises(ValueError, match="bytes"):
            await node_of(one).send(contact, bytes(limits.NODE_BODY_BYTES_MAX + 1))
        with pytest.raises(ValueError, match="id"):
            await node_of(one).send(contact, "hello", message_id="")
        with pytest.raises(InvitationError):
            await node_of(one).accept(node_of(one).identities[0].id, "holdfast:1noise")
        await node_of(one).send(contact, bytes(limits.NODE_BODY_BYTES_MAX), kind="piece")

    await one.host.run(tries)
    await quiet(town)
    assert (await other.host.run(last, other, one)).body == bytes(limits.NODE_BODY_BYTES_MAX)
