"""A contact who means harm and knows the protocol: what he says is well formed, signed, and a lie."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from holdfast import limits
from holdfast.crypto import PairKey, SealKey
from holdfast.node import MessageState, _room_rows, _sending
from holdfast.node.machine import Outgoing
from holdfast.node.wire import (
    Card,
    Cipher,
    Frame,
    Introduce,
    Introduced,
    Place,
    RoomKeyGiven,
    RoomLeft,
    RoomMember,
    RoomSay,
    RoomState,
    Say,
    Seen,
    encode,
)
from holdfast.testing import Simulation, simulate
from tests.unit.node.test_node import met, node_of, quiet, tells, throw, town_of

if TYPE_CHECKING:
    from random import Random

    from holdfast.node._work import Work
    from holdfast.node.wire import Content
    from tests.support.simulated_chat import Person

LARGEST = 2**48 - 1


def signed(one: Person, other: Person, frame: Frame) -> bytes:
    """A frame of one as the other takes it: signed and sealed."""
    facts = node_of(one)._desk.views[met(one, other).id].facts
    key = PairKey(facts.secret, is_host=facts.is_host)
    return SealKey(facts.seal).seal(key.signed(encode(frame)))


def test_what_is_said_to_be_missing_has_a_bound() -> None:
    outgoing = Outgoing(next_seq=1_000_000)
    said = outgoing.acknowledged(0, 0, ((999_000, 999_001),))
    assert said.gone == tuple(range(1, limits.NODE_GAPS_MAX + 1))
    assert said.missing == ()


@simulate(seeds=1, minutes=30)
async def test_who_says_again_and_again_that_all_is_missing_is_sent_little(
    world: Simulation,
) -> None:
    """Threat model P15: a lie about what is missing costs one envelope at a time, and nobody else waits for it."""
    town = await town_of(world, people=3)
    one, other, third = town.people

    async def say() -> None:
        for number in range(40):
            await node_of(one).send(met(one, other).id, f"{number}")

    await one.host.run(say)
    await quiet(town)
    epoch = node_of(one)._desk.views[met(one, other).id].epoch
    lie = Frame(epoch, 0, Cipher.NOTHING, b"", ack_epoch=epoch, ack=0, held=((39, 39),))
    before: Any = node_of(one).statistics()["sent"]
    flood = [signed(other, one, lie) for _ in range(40)]
    throwing = asyncio.ensure_future(other.host.run(throw, other, one, *flood))
    await tells(town, one, third, "in the middle of it")
    await throwing
    assert len(node_of(one)._post._flying) < limits.NODE_SENDING_MAX // 2
    await quiet(town)
    after: Any = node_of(one).statistics()["sent"]
    thrown = len(flood) * node_of(one).settings.places
    assert after - before < 2 * thrown, "not thirty-eight for each"
    await tells(town, other, one, "we may still talk")


@simulate(seeds=2, minutes=30)
async def test_numbers_that_cannot_be_are_passed_over(world: Simulation) -> None:
    """Threat model P15: sessions and numbers out of nowhere, and receipts for what was never said, change nothing."""
    town = await town_of(world)
    one, other = town.people
    await tells(town, one, other, "before")
    await tells(town, other, one, "before as well")
    epoch = node_of(other)._desk.views[met(other, one).id].epoch
    frames = [
        Frame(LARGEST, 1, Cipher.PAIR, b"x" * 100),
        Frame(epoch + 2, 1, Cipher.FIRST, b"x" * 100),
        Frame(epoch, LARGEST, Cipher.PAIR, b"x" * 100),
        Frame(epoch, 0, Cipher.PAIR, b"x" * 100),
        Frame(epoch, 0, Cipher.NOTHING, b"", ack_epoch=LARGEST, ack=LARGEST),
        Frame(epoch, 0, Cipher.NOTHING, encode(Seen("never-said"))),
    ]
    await other.host.run(throw, other, one, *(signed(other, one, each) for each in frames))
    await asyncio.sleep(60)
    await tells(town, one, other, "after")
    await tells(town, other, one, "after as well")
    history = await one.host.run(node_of(one).history, met(one, other).id)
    received = [each.text for each in history if each.state is MessageState.RECEIVED]
    assert received == ["before as well", "after as well"]


async def says(one: Person, other: Person, *contents: Content) -> None:
    """Say things that no face of a node says, through the ratchet."""
    contact = met(one, other).id

    def job(work: Work) -> None:
        for content in contents:
            _sending.enqueue(work, work.pair(contact), content, priority=1)
        _sending.pump(work, work.pair(contact))

    await one.host.run(node_of(one)._desk.do, job)


async def received(one: Person, conversation: str) -> list[str]:
    history = await one.host.run(node_of(one).history, conversation)
    return [each.text for each in history if each.state is MessageState.RECEIVED]


@simulate(seeds=2, minutes=30)
async def test_a_second_message_of_one_id_and_one_from_another_century_do_no_harm(
    world: Simulation,
) -> None:
    """Threat model P15: what was said under an id stays what it was, and no date puts a message before others."""
    town = await town_of(world)
    one, other = town.people
    await says(
        other, one,
        Say("same-id", "", b"from the far future", LARGEST),
        Say("same-id", "", b"changed afterwards", 1),
        Say("old-id", "", b"from 1970", 0),
    )  # fmt: skip
    await tells(town, other, one, "now")
    told = ["from the far future", "from 1970", "now"]
    assert await received(one, met(one, other).id) == told
    assert max(one.shown.values()) == 1


@simulate(seeds=2, minutes=30)
async def test_what_cannot_be_done_is_reported_and_the_next_thing_is_read(
    world: Simulation,
) -> None:
    """Threat model P15: keys that are none, rooms that are not his, and what only an owner may say stop nothing."""
    town = await town_of(world, people=3)
    one, other, third = town.people
    nobody = b"n" * 32
    await says(
        other, one,
        RoomKeyGiven("room.unknown", "this is no key"),
        RoomState("room.without-us", 1, "x", (RoomMember(nobody, "n"),)),
        Introduce("room.unknown", nobody, "n"),
        Introduced("room.unknown", nobody, "n", "holdfast:1noise"),
        RoomLeft("room.unknown"),
        RoomSay("room.unknown", "id", "", b"hello?", 0, 0),
        Seen("never-said", "room.unknown"),
    )  # fmt: skip
    await tells(town, other, one, "and this is good")
    await tells(town, third, one, "so is this")
    assert not node_of(one).rooms
    assert "RATCHET_REFUSED" in {each.code for each in node_of(one).errors()}


@simulate(seeds=2, minutes=30)
async def test_a_contact_fills_neither_our_rooms_nor_our_contacts(
    world: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threat model P15: whoever opens rooms without end, or has us invite the whole world, ends at a bound of his own."""
    monkeypatch.setattr(limits, "NODE_ROOMS_PER_CONTACT", 3)
    monkeypatch.setattr(limits, "NODE_INTRODUCED_MAX", 4)
    town = await town_of(world, people=3)
    one, other, third = town.people
    own = RoomMember(next(iter(node_of(one)._publics.values())), "p0")
    crowd = tuple(RoomMember(bytes([number]) * 32, "n") for number in range(1, 9))
    rooms = [RoomState(f"room.{number:03}", 1, "x", (own, *crowd)) for number in range(8)]
    await says(other, one, *rooms)
    await tells(town, other, one, "rooms")
    assert len(node_of(one).rooms) == 3
    before = len(node_of(one)._desk.views)
    for member in (*crowd, RoomMember(b"s" * 32, "a stranger")):
        await says(other, one, Introduce("room.000", member.key, "n"))
        await quiet(town)
    assert len(node_of(one)._desk.views) == before + 4
    await tells(town, third, one, "and I am heard")


@simulate(seeds=2, minutes=30)
async def test_a_false_clock_silences_no_room(world: Simulation) -> None:
    """Threat model P15: a message that puts the clock of a room to its end is read, and so are all after it."""
    town = await town_of(world, people=3)
    one, other, third = town.people
    made: list[str] = []

    async def make() -> None:
        members = [met(one, other).id, met(one, third).id]
        identity = node_of(one).identities[0].id
        made.append((await node_of(one).create_room(identity, "friends", members)).id)

    await one.host.run(make)
    (room,) = made
    await town.until(
        lambda: all(node_of(each).rooms for each in (other, third)), within=120, what="all are in"
    )
    await quiet(town)

    def at_its_end(work: Work) -> None:
        row = _room_rows.load(work, room)
        assert row is not None
        row.clock = LARGEST - 1
        _room_rows.save(work, row)

    await other.host.run(node_of(other)._desk.do, at_its_end)
    for person, text in ((other, "at the end of time"), (one, "after it"), (third, "me too")):
        await person.host.run(node_of(person).send, room, text)
        await quiet(town)
    assert await received(one, room) == ["at the end of time", "me too"]
    assert await received(third, room) == ["at the end of time", "after it"]


def anything(random: Random, rooms: list[str], links: list[str]) -> Content:
    """Something that can be said, with values at the ends of what they may be."""
    number = random.choice([0, 1, 2, LARGEST])
    room = random.choice([*rooms, "room.", "room.nowhere", "x", "r" * limits.NODE_ID_MAX])
    name = random.choice(["", "n", "\0", "\u202e" * limits.NODE_NAME_MAX, "'; --"])
    key = random.choice([bytes(32), b"\xff" * 32, random.randbytes(32)])
    body = random.choice([b"", b"\0", b"\xff\xfe", bytes(limits.NODE_BODY_BYTES_MAX)])
    kind = random.choice(["", ".", ".piece", "k" * limits.NODE_KIND_MAX])
    text = random.choice([*links, "", "holdfast:1", links[0][:-7], "holdfast:1" + "A" * 2000])
    members = tuple(RoomMember(random.randbytes(32), name) for _ in range(random.choice([0, 64])))
    match random.randrange(9):
        case 0:
            return Say(random.choice(["a", room]), kind, body, number)
        case 1:
            return Seen(room, random.choice(["", room]))
        case 2:
            return RoomSay(room, room, kind, body, number, number)
        case 3:
            return RoomState(room, number, name, members)
        case 4:
            return RoomKeyGiven(room, random.choice(["", "A" * 306, "\0" * 600, text[:600]]))
        case 5:
            return RoomLeft(room)
        case 6:
            return Introduce(room, key, name)
        case 7:
            return Introduced(room, key, name, text)
        case _:
            place = Place(
                random.choice(["", "[", "a b", "gate0"]), 1, key, name[:62], key[:16], key
            )
            return Card(name, (place,), random.randbytes(SealKey.SIZE), key, b"s" * (number % 33))


@simulate(seeds=2, minutes=60)
async def test_whatever_a_contact_says_the_others_are_heard(world: Simulation) -> None:
    """Threat model P15: things at the ends of what can be said, from a contact in our rooms, stop nothing of others."""
    town = await town_of(world, people=3)
    one, other, third = town.people
    rooms: list[str] = []

    async def make() -> None:
        members = [met(one, other).id, met(one, third).id]
        identity = node_of(one).identities[0].id
        rooms.append((await node_of(one).create_room(identity, "friends", members)).id)

    await one.host.run(make)
    await quiet(town)
    random = world.host("chance").random
    links = list(town.links_given.values())
    for _ in range(6):
        await says(other, one, *(anything(random, rooms, links) for _ in range(12)))
        await asyncio.sleep(5)
    await tells(town, third, one, "still there?")
    await tells(town, one, third, "yes")
    died = {name: each.last_error for name, each in node_of(one)._supervisor.reports.items()}
    assert not any(died.values()), died
