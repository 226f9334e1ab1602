"""A node whose folder was restored from a backup: its pairs notice, renew their encryption, and lose nothing said since."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from holdfast import limits
from holdfast.crypto import IdentityKeys
from holdfast.node import ContactState, MessageState, _sending
from holdfast.node._work import Outcome
from holdfast.node.machine import Outgoing
from holdfast.node.wire import Cipher, Frame
from holdfast.testing import Simulation, simulate
from tests.support.simulated_chat import Person, Town

if TYPE_CHECKING:
    from holdfast.node import Node


class Restored(Person):
    """Whose folder can be copied and put back."""

    copy: bytes = b""
    is_put_back = False

    async def live(self) -> None:
        if self.is_put_back:
            self.is_put_back = False
            for old in self.host.folder.glob("node.db*"):
                old.unlink()
            (self.host.folder / "node.db").write_bytes(self.copy)
        await super().live()

    def back_up(self) -> None:
        """Copy the file as it is now."""
        path = self.host.folder / "node.db"
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(":memory:")) as copy:
            source.backup(copy)
            self.copy = copy.serialize()

    def put_back(self) -> None:
        """The machine dies, and what it has next is the copy."""
        self.host.kill()
        self.is_put_back = True
        self.host.restart()


class Backups:
    """Two people or three, the first of whom has backups."""

    def __init__(self, world: Simulation, people: int = 2) -> None:
        self.town = Town(world, people, 0, profile="lan")
        self.town.people[0] = Restored(self.town, self.town.people[0].host)
        self.first = self.town.people[0]
        self.other = self.town.people[1]
        self.said = 0

    async def meet(self) -> None:
        self.town.live()
        await self.lives()

    async def lives(self) -> None:
        await self.town.until(
            lambda: all(
                each.is_done and each.node and self._knows_all(each) for each in self.town.people
            ),
            within=300,
            what="all have met",
        )

    def _knows_all(self, person: Person) -> bool:
        friends = [person.friend(name) for name in self.town.friends(person.name)]
        return all(each is not None and each.state is ContactState.READY for each in friends)

    @property
    def restored(self) -> Restored:
        assert isinstance(self.first, Restored)
        return self.first

    async def put_back(self) -> None:
        self.first.is_done = False
        self.restored.put_back()
        await self.lives()

    async def say(self, one: Person, other: Person, count: int = 1) -> list[str]:
        """Say things that nobody has said before."""
        texts = [f"{one.name} {self.said + number}" for number in range(count)]
        self.said += count

        async def job() -> None:
            for text in texts:
                await node_of(one).send(contact_of(one, other), text)

        await one.host.run(job)
        return texts

    async def quiet(self, within: float = 600) -> None:
        await self.town.until(
            lambda: all(each.node and not each.node.queue().waiting for each in self.town.people),
            within=within,
            what="nothing waits",
        )

    async def all_is_well(self) -> None:
        """What is said in either direction arrives."""
        for one, other in ((self.first, self.other), (self.other, self.first)):
            texts = await self.say(one, other, 3)
            await self.quiet()
            assert (await other.host.run(other.heard, one.name))[-3:] == texts

    def codes(self, person: Person) -> set[str]:
        return {str(error.code) for error in person.host.call(node_of(person).errors)}

    def nothing_is_shown_twice(self, person: Person) -> None:
        assert not {key: times for key, times in person.shown.items() if times > 1}


def node_of(person: Person) -> Node:
    assert person.node is not None, "it lives"
    return person.node


def contact_of(person: Person, other: Person) -> str:
    contact = person.friend(other.name)
    assert contact is not None, "they have met"
    return contact.id


@pytest.mark.parametrize(
    ("before_it_hears", "answers"), [(1, False), (3, False), (9, False), (9, True)]
)
def test_what_a_node_accepts_after_it_was_set_back_arrives(
    *, before_it_hears: int, answers: bool
) -> None:
    """Fewer, as many and more messages than its contact has of those it forgot, before anybody can tell it."""

    @simulate(seeds=1, minutes=60)
    async def scenario(world: Simulation) -> None:
        backups = Backups(world)
        first, other = backups.first, backups.other
        await backups.meet()
        before = await backups.say(first, other, 2)
        await backups.quiet()
        backups.restored.back_up()
        before += await backups.say(first, other, 3)
        if answers:
            await backups.say(other, first, 2)
        await backups.quiet()
        for gate in backups.town.gateways:
            gate.kill()
        await backups.put_back()
        since = await backups.say(first, other, before_it_hears)
        for gate in backups.town.gateways:
            gate.restart()
        await backups.quiet()

        assert await other.host.run(other.heard, first.name) == [*before, *since]
        backups.nothing_is_shown_twice(other)
        assert "SESSION_RENEWED" in backups.codes(first)
        await backups.all_is_well()

    scenario()


@simulate(seeds=1, minutes=60)
async def test_who_was_set_back_and_only_listens_is_heard_again(world: Simulation) -> None:
    backups = Backups(world)
    first, other = backups.first, backups.other
    await backups.meet()
    await backups.say(other, first, 2)
    await backups.quiet()
    backups.restored.back_up()
    await backups.say(other, first, 3)
    await backups.say(first, other, 1)
    await backups.say(other, first, 3)
    await backups.quiet()
    await backups.put_back()
    since = await backups.say(other, first, 4)
    await backups.quiet()

    assert (await first.host.run(first.heard, other.name))[-4:] == since
    await backups.all_is_well()
    backups.nothing_is_shown_twice(other)


@simulate(seeds=1, minutes=240)
async def test_the_same_backup_twice_is_older_than_the_session_and_heals(world: Simulation) -> None:
    """The second time, the key with which it would begin anew is used up, and the contact is in a later session."""
    backups = Backups(world)
    first, other = backups.first, backups.other
    await backups.meet()
    before = await backups.say(first, other, 2)
    await backups.quiet()
    backups.restored.back_up()
    before += await backups.say(first, other, 2)
    await backups.quiet()
    since: list[str] = []
    for _ in range(3):
        await backups.put_back()
        since += await backups.say(first, other, 3)
        await backups.quiet(within=1200)
        await backups.all_is_well()

    heard = await other.host.run(other.heard, first.name)
    assert [text for text in heard if text in {*before, *since}] == [*before, *since]
    backups.nothing_is_shown_twice(other)
    assert "SESSION_ASKED" in backups.codes(first) | backups.codes(other)


@simulate(seeds=1, minutes=240)
async def test_when_both_were_set_back_they_find_each_other(world: Simulation) -> None:
    backups = Backups(world)
    town = backups.town
    town.people[1] = backups.other = Restored(town, town.people[1].host)
    first, other = backups.first, backups.other
    await backups.meet()
    for person in (first, other):
        assert isinstance(person, Restored)
        person.back_up()
        await backups.all_is_well()
    for person in (first, other):
        assert isinstance(person, Restored)
        person.is_done = False
        person.put_back()
    await backups.lives()
    await backups.say(first, other, 3)
    await backups.say(other, first, 3)
    await backups.quiet(within=3 * 3600)
    await backups.all_is_well()


@simulate(seeds=1, minutes=60)
async def test_a_room_hears_a_member_that_was_set_back(world: Simulation) -> None:
    backups = Backups(world, people=3)
    first, others = backups.first, backups.town.people[1:]
    await backups.meet()
    made: list[str] = []

    async def make() -> None:
        members = [contact_of(first, each) for each in others]
        identity = node_of(first).identities[0].id
        made.append((await node_of(first).create_room(identity, "tea", members)).id)

    async def say(person: Person, *texts: str) -> None:
        for text in texts:
            await node_of(person).send(made[0], text)

    async def heard(person: Person) -> list[str]:
        history = await node_of(person).history(made[0])
        return [each.text for each in history if each.state is MessageState.RECEIVED]

    await first.host.run(make)
    await backups.town.until(
        lambda: all(any(made[0] == room.id for room in node_of(each).rooms) for each in others),
        within=120,
        what="both are in the room",
    )
    await first.host.run(say, first, "one")
    await backups.quiet()
    backups.restored.back_up()
    await first.host.run(say, first, "two", "three")
    await backups.quiet()
    await backups.put_back()
    await first.host.run(say, first, "four")
    await backups.quiet()
    await first.host.run(say, first, "five")  # under an index that its old key has had
    await backups.quiet()
    await others[0].host.run(say, others[0], "welcome back")
    await backups.quiet()

    for each in others:
        assert [text for text in await each.host.run(heard, each) if text != "welcome back"] == [
            "one", "two", "three", "four", "five",
        ]  # fmt: skip
        backups.nothing_is_shown_twice(each)
    assert "welcome back" in await first.host.run(heard, first)
    assert "welcome back" in await others[1].host.run(heard, others[1])


@simulate(seeds=1, minutes=60)
async def test_a_request_for_a_new_session_is_good_in_its_session_only(world: Simulation) -> None:
    """A gateway that keeps one and hands it out again later changes nothing."""
    backups = Backups(world)
    first, other = backups.first, backups.other
    await backups.meet()

    async def throw(*frames: Frame) -> None:
        node = node_of(first)
        view = node._desk.views[contact_of(first, other)]
        for frame in frames:
            for place in view.facts.places:
                gate = node._gates.get(view.identity, place.gateway)
                await gate.deposit(place, node._post.sealed(view, frame), 3600.0)

    await first.host.run(
        throw,
        Frame(1, 0, Cipher.ANEW, bytes(range(32))),  # of a session that is over, or never was
        Frame(0, 0, Cipher.ANEW, bytes(31)),
        Frame(0, 0, Cipher.ANEW, bytes(32)),  # this is no key
    )
    await backups.all_is_well()
    view = node_of(other)._desk.views[contact_of(other, first)]
    assert view.epoch == 0
    assert "SESSION_RENEWED" not in backups.codes(other)


@pytest.mark.parametrize(
    ("state", "age", "is_asked"),
    [
        (ContactState.READY, limits.NODE_ASK_INTERVAL, True),
        (ContactState.READY, limits.NODE_ASK_INTERVAL - 0.001, False),
        (ContactState.INVITED, 3600.0, False),
    ],
)
def test_a_request_is_repeated_but_not_too_soon(
    *, state: ContactState, age: float, is_asked: bool
) -> None:
    keys = IdentityKeys.generate()
    work: Any = SimpleNamespace(now_ms=int(age * 1000), outcome=Outcome(), keys=lambda _: keys)
    pair: Any = SimpleNamespace(
        id="bob", identity="me", state=state, ratchet=None, rekeyed_ms=0, outgoing=Outgoing(3)
    )
    _sending.ask_again(work, pair)
    _sending.ask_again(work, pair)
    assert [(each, epoch) for each, (epoch, _) in work.outcome.asked.items()] == (
        [("bob", 3)] if is_asked else []
    )
