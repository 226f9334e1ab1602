"""Those who mean harm: gateways that read, lie, forget and repeat, and strangers who come in numbers.

Everything here runs over real sockets with real TLS. A gateway that writes everything down is examined for what the
threat model says that it learns, and for anything beyond that.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import pytest

from holdfast.mailbox import GatewayAddress, MailboxKey
from holdfast.mailbox.key import mailbox_of
from holdfast.mailbox.wire import (
    Acknowledge,
    Create,
    Delete,
    Deposit,
    Done,
    Envelope,
    Piping,
    Refused,
    Subscribe,
    TakenOver,
    Welcome,
    encode,
)
from tests.support.lying_gateway import LiarHere, every_byte_written_down
from tests.support.nodes import GatewayHere, World, befriend, until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from holdfast.mailbox.wire import Request
    from holdfast.node._intake import Arrived, Intake
    from tests.support.lying_gateway import Ledger
    from tests.support.nodes import Person

GATEWAY_MODULES = {"gateway", "machine", "readers", "store", "pipes", "listener"}
"""Where a gateway logs; the nodes of these tests log in the same process."""

WINDOW = 12
"""Bytes in a row that two envelopes have in common only if somebody put them there."""


def forms(secret: bytes) -> set[bytes]:
    """How somebody might write it."""
    found = {secret, secret.hex().encode(), repr(secret)[2:-1].encode()}
    found |= {base64.b64encode(secret).rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")}
    return found


def secrets_of(person: Person) -> set[bytes]:
    """Keys of a person and of his conversations: none of them is for a gateway."""
    node = person.node
    found = set(node._publics.values())
    for view in node._desk.views.values():
        facts, inbox = view.facts, view.inbox
        found |= {facts.identity, facts.secret, facts.first_secret, facts.seal, facts.prekey}
        found |= {inbox.envelope_key, inbox.invitation_key}
        found |= {own.seed for own in inbox.places}
    return {each for each in found if each}


class Owned(NamedTuple):
    """What a gateway does not know of a mailbox: who reads it, and in which conversation."""

    reader: str
    conversation: bytes


def own_mailboxes(person: Person) -> dict[bytes, Owned]:
    """The mailboxes that a person reads."""
    return {
        MailboxKey(own.seed).mailbox: Owned(view.identity, view.facts.secret)
        for view in person.node._desk.views.values()
        for own in view.inbox.places
    }


def touched(requests: Iterable[Request]) -> tuple[set[bytes], set[bytes]]:
    """The mailboxes that a connection reads or owns, and those that it writes to."""
    reads: set[bytes] = set()
    writes: set[bytes] = set()
    for request in requests:
        match request:
            case Deposit():
                writes.add(request.mailbox)
            case Create() | Subscribe() | Delete():
                reads.add(mailbox_of(request.public))
            case Acknowledge():
                reads.add(request.mailbox)
            case _:
                pass
    return reads, writes


async def test_a_gateway_that_writes_down_every_byte_finds_nobody_in_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Threat model P1: bytes, store and logs of a gateway contain no text, no name, no key, and no link but the admitted ones."""
    caplog.set_level(logging.DEBUG, logger="holdfast")
    quick = {"mode": "direct", "self_test": True, "self_test_interval": 0.3}
    with every_byte_written_down() as ledger:
        async with World(tmp_path, gateways=2) as world:
            people = [await world.person(f"{name}-nightingale", **quick) for name in "abc"]
            ada, bob, eve = people
            other_face = (await ada.node.create_identity("another-face-of-ada")).id
            await befriend(ada, bob)
            invitation = await ada.node.invite(other_face, name="eve", note="a-note-in-the-link")
            await eve.node.accept(eve.me, invitation.link, "stranger-to-eve")
            await until(lambda: all(each.state.value == "ready" for each in ada.node.contacts))
            to_eve = invitation.contact
            words = [f"sentence-{n}-of-the-letter" for n in range(6)]
            for text in words:
                await ada.node.send(ada.contact(bob.name), text)
                await bob.node.send(bob.contact(ada.name), f"answer to {text}", kind="kind-of-talk")
                await ada.node.send(to_eve, f"aside {text}")
            room = await ada.node.create_room(
                ada.me, "the-room-in-question", [ada.contact(bob.name)]
            )
            await until(lambda: bob.node.rooms)
            await ada.node.send(room.id, "said-in-the-room")
            await bob.node.mark_read(bob.contact(ada.name), 10_000)
            await until(lambda: len(bob.heard) > len(words) and len(eve.heard) == len(words))
            await until(lambda: len(ada.heard) == len(words))
            await until(lambda: any(each.proven_ago is not None for each in ada.node.gateways()))
            await until(lambda: not any(person.node.queue().waiting for person in people))

            ids = {message.id for person in people for message in person.heard}
            contacts = {each.id for person in people for each in person.node.contacts}
            hidden = {
                each.encode() for each in {*words, *ids, *contacts, room.id, ada.me, other_face}
            }
            hidden |= {b"nightingale", b"another-face", b"a-note-in-the-link", b"stranger-to-eve"}
            hidden |= {b"sentence-", b"the-room-in-question", b"said-in-the-room", b"kind-of-talk"}
            hidden |= {secret for person in people for secret in secrets_of(person)}
            owners = {box: who for person in people for box, who in own_mailboxes(person).items()}
            for gateway in world.gateways:
                nothing_is_known(hidden, b"".join(each.data for each in ledger.of(gateway)))
                stored = b"".join(file.read_bytes() for file in gateway.folder.glob("gateway.db*"))
                nothing_is_known(hidden, stored)
                nobody_is_linked(ledger, gateway, owners)
    said = "\n".join(
        record.getMessage() for record in caplog.records if record.module in GATEWAY_MODULES
    ).encode()
    assert said
    boxes = {form for box in owners for form in forms(box)}
    nothing_is_known(hidden | boxes, said)


def nothing_is_known(hidden: Iterable[bytes], where: bytes) -> None:
    """None of these is there, however it is written."""
    assert where
    for secret in hidden:
        found = [form for form in forms(secret) if form in where]
        assert not found, f"{secret!r} is found as {found}"


def nobody_is_linked(ledger: Ledger, gateway: GatewayHere, owners: dict[bytes, Owned]) -> None:
    """What a gateway can tie together is what the table admits."""
    connections = ledger.said_by_clients(gateway)
    readers: dict[bytes, set[str]] = {}
    for owned in owners.values():
        readers.setdefault(owned.conversation, set()).add(owned.reader)
    bodies: dict[bytes, set[bytes]] = {}
    values: dict[bytes, set[bytes]] = {}
    for requests in connections.values():
        reads, writes = touched(requests)
        assert not (reads and writes), "one connection reads and writes"
        assert len({owners[box].reader for box in reads}) <= 1, "it reads for two identities"
        ends = {owners[box] for box in writes}
        talks = {end.conversation for end in ends}
        assert len(talks) == len(ends), "one connection writes to both ends of a conversation"
        writers = [readers[talk] - {end.reader} for end in ends for talk in (end.conversation,)]
        assert not writers or set.intersection(*writers), "it writes for two identities"
        for request in requests:
            match request:
                case Deposit():
                    bodies.setdefault(request.body, set()).add(request.mailbox)
                    values.setdefault(request.mailbox, set()).update((request.token, request.id))
                case _:
                    pass
    assert len(bodies) > len(owners), "there was traffic"
    assert all(len(boxes) == 1 for boxes in bodies.values())
    for one, other in combinations(values.values(), 2):
        assert not one & other, "two mailboxes have a token or an id in common"
    seen: set[bytes] = set()
    for body in bodies:
        windows = {body[at : at + WINDOW] for at in range(len(body) - WINDOW)}
        assert not windows & seen, "two envelopes have bytes in common"
        seen |= windows


async def test_with_two_hops_one_gateway_sees_the_address_and_the_other_one_the_mailbox(
    tmp_path: Path,
) -> None:
    """Threat model P2: the gateway that keeps never sees a client's address, the one that pipes never a mailbox or a token."""
    gateways = [GatewayHere(tmp_path / f"g{n}", f"127.0.1.{n}") for n in (1, 2, 3)]
    with every_byte_written_down() as ledger:
        async with World(tmp_path, gateways) as world:
            ada = await world.person("ada", mode="two_hop")
            bob = await world.person("bob", mode="two_hop")
            await befriend(ada, bob)
            for number in range(5):
                await ada.node.send(ada.contact("bob"), f"line {number}")
                await bob.node.send(bob.contact("ada"), f"line {number}")
            await until(lambda: len(ada.heard) == len(bob.heard) == 5)
            await until(lambda: not ada.node.queue().waiting and not bob.node.queue().waiting)
        others = {gateway.host for gateway in gateways}
        kept = piped = 0
        for gateway in gateways:
            seen = {heard.remote for heard in ledger.of(gateway)}
            assert seen <= others | {"127.0.0.1"}
            pipes = ledger.piped(gateway)
            remotes = ledger.remotes(gateway)
            for number, requests in ledger.said_by_clients(gateway).items():
                if any(isinstance(request, Piping) for request in requests):
                    continue  # that is another gateway itself
                assert remotes[number] in others - {gateway.host}, "it sees who reads or writes"
                kept += 1
            for number, said in pipes.items():
                assert remotes[number] == "127.0.0.1"
                assert said.startswith(b"\x16\x03"), "a handshake of TLS within that of the pipe"
                piped += 1
            through = b"".join(each.data for each in ledger.of(gateway) if each.connection in pipes)
            told = {value for other in gateways for value in told_to(ledger, other)}
            if through:
                nothing_is_known(told, through)
        assert kept == piped > 0


def told_to(ledger: Ledger, gateway: GatewayHere) -> set[bytes]:
    """All that clients tell a gateway that keeps: mailboxes, tokens, keys, proofs, ids and envelopes."""
    found: set[bytes] = set()
    for requests in ledger.said_by_clients(gateway).values():
        for request in requests:
            match request:
                case Deposit():
                    found |= {request.mailbox, request.token, request.id, request.body[:64]}
                case Create():
                    found |= {request.public, request.token, request.signature}
                case Subscribe() | Delete():
                    found |= {request.public, request.signature}
                case Acknowledge():
                    found |= {request.mailbox, *request.ids}
                case _:
                    pass
    return found


async def test_a_gateway_that_says_kept_and_drops_or_delays_costs_no_message(
    tmp_path: Path,
) -> None:
    """Threat model P4: what a lying gateway drops or delays comes through another one, once and in order."""
    first, second = liars = [LiarHere(tmp_path / f"g{number}") for number in range(2)]
    async with World(tmp_path, liars) as world:
        ada = await world.person("ada", mode="direct", resend_after=0.3)
        bob = await world.person("bob", mode="direct", resend_after=0.3)
        await befriend(ada, bob)
        said: list[str] = []

        async def talk_while(is_lying: str, liar: LiarHere) -> None:
            setattr(liar.liar, is_lying, True)
            while liar.liar.dropped < 3:
                for _ in range(4):
                    said.append(f"{is_lying} {len(said)}")
                    await ada.node.send(ada.contact("bob"), said[-1])
                await until(lambda: bob.texts() == said)
            await until(lambda: not ada.node.queue().waiting)

        await talk_while("drops", first)
        first.liar.drops = False
        await talk_while("delays", second)
        assert second.liar.let_go() >= 3
        last = "after what came too late"
        await ada.node.send(ada.contact("bob"), last)
        await until(lambda: last in bob.texts())
        await until(lambda: bob.node.statistics()["duplicates"])
        assert bob.texts() == [*said, last]


async def test_a_gateway_that_loses_envelopes_to_ourselves_is_found_out(tmp_path: Path) -> None:
    """Threat model P4: a gateway that drops is named, is asked last, and is trusted again when it does not drop."""
    first, _ = liars = [LiarHere(tmp_path / f"g{number}") for number in range(2)]
    async with World(tmp_path, liars) as world:
        quick = {"mode": "direct", "self_test": True, "self_test_interval": 0.2}
        ada, bob = await world.person("ada", **quick), await world.person("bob", **quick)
        await befriend(ada, bob)

        def scores() -> dict[str, float]:
            return {each.name.rpartition(":")[2]: each.score for each in ada.node.gateways()}

        first.liar.drops = True
        await until(lambda: scores()[str(first.port)] == 0.0)
        told = [each.code for each in ada.node.errors()]
        assert "GATEWAY_LOST_TEST" in told
        first.liar.drops = False
        await until(lambda: all(score > 0.5 for score in scores().values()))


async def test_what_is_handed_out_twice_and_in_another_order_is_shown_once_and_in_order(
    tmp_path: Path,
) -> None:
    """Threat model P5: twice, in the opposite order, or out of an old backup: each is shown once, in order."""
    (only,) = liars = [LiarHere(tmp_path / "g")]
    async with World(tmp_path, liars) as world:
        ada, bob = (
            await world.person("ada", mode="direct"),
            await world.person("bob", mode="direct"),
        )
        await befriend(ada, bob)
        await until(lambda: not ada.node.queue().waiting and not bob.node.queue().waiting)
        said = [f"line {number}" for number in range(12)]
        only.liar.mixes = True
        for text in said:
            await ada.node.send(ada.contact("bob"), text)
        await until(lambda: len(only.liar.to_mix) >= len(said))
        assert only.liar.mix() >= len(said)
        await until(lambda: only.liar.mix() and bob.texts() == said)
        only.liar.mixes = False
        only.liar.mix()
        await until(lambda: not ada.node.queue().waiting)

        await bob.stop()
        more = [f"while he is away {number}" for number in range(5)]
        for text in more:
            await ada.node.send(ada.contact("bob"), text)
        await until(lambda: only.gateway.statistics().envelopes >= len(more))
        only.back_up(tmp_path / "backup.db")
        await bob.start()
        await until(lambda: bob.texts() == [*said, *more])
        await until(
            lambda: not ada.node.queue().waiting and not only.gateway.statistics().envelopes
        )
        before = bob.node.statistics()["duplicates"]
        await only.stop()
        only.restore(tmp_path / "backup.db")
        await only.start()
        await until(lambda: bob.node.statistics()["duplicates"] != before)
        last = "after the backup"
        await ada.node.send(ada.contact("bob"), last)
        await until(lambda: last in bob.texts())
        assert bob.texts() == [*said, *more, last]


async def test_a_gateway_that_was_set_back_to_before_a_mailbox_was_made_gets_it_anew(
    tmp_path: Path,
) -> None:
    """Threat model P5: a mailbox that an old backup does not know is made again, and what was said meanwhile arrives."""
    (only,) = liars = [LiarHere(tmp_path / "g")]
    async with World(tmp_path, liars) as world:
        only.back_up(tmp_path / "empty.db")
        ada, bob = (
            await world.person("ada", mode="direct"),
            await world.person("bob", mode="direct"),
        )
        await befriend(ada, bob)
        await only.stop()
        only.restore(tmp_path / "empty.db")
        await ada.node.send(ada.contact("bob"), "into the void")
        await only.start()
        await until(lambda: bob.texts() == ["into the void"])
        await until(lambda: not ada.node.queue().waiting)


@pytest.mark.parametrize("which", [0, 1])
async def test_a_gateway_that_refuses_for_weeks_holds_up_no_message(
    which: int, tmp_path: Path
) -> None:
    """Threat model P4: who is told to come again in weeks asks the other gateway as soon as it is back."""
    liars = [LiarHere(tmp_path / f"g{number}") for number in range(2)]
    first, second = liars[which], liars[1 - which]
    async with World(tmp_path, liars) as world:
        one_by_one = {"hedge": False, "score": False, "breaker": False, "attempt_timeout": 0.3}
        ada = await world.person("ada", mode="direct", **one_by_one)
        bob = await world.person("bob", mode="direct")
        await befriend(ada, bob)
        await until(lambda: not ada.node.queue().waiting and not bob.node.queue().waiting)
        first.liar.refuses = (Deposit,)
        await second.stop()
        said = ["line 1", "line 2"]
        for text in said:
            await ada.node.send(ada.contact("bob"), text)
        await until(lambda: len(ada.node.errors()) >= len(said))
        assert first.liar.refused >= len(said)
        await second.start()
        bob.node.network_changed()
        await until(lambda: bob.texts() == said)


async def test_a_mailbox_that_cannot_be_read_for_a_moment_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threat model P4: a gateway that refuses to hand out what it holds is asked again."""
    monkeypatch.setattr("holdfast.node._gates.MAKE_AGAIN", 0.05)
    monkeypatch.setattr("holdfast.limits.MAILBOX_RETRY_MAX", 0.2)
    (only,) = liars = [LiarHere(tmp_path / "g")]
    async with World(tmp_path, liars) as world:
        ada = await world.person("ada", mode="direct")
        bob = await world.person("bob", mode="direct")
        await befriend(ada, bob)
        await bob.stop()
        await ada.node.send(ada.contact("bob"), "it lies there")
        only.liar.refuses = (Subscribe,)
        await bob.start()
        await until(lambda: only.liar.refused > 1)
        assert not bob.heard
        only.liar.refuses = ()
        await until(lambda: bob.texts() == ["it lies there"])


async def test_a_contact_who_lies_about_where_a_gateway_is_spoils_nobody_elses_way(
    tmp_path: Path,
) -> None:
    """Threat model P15: a false place for the key of a gateway is false for who gave it, and for nobody else."""
    async with World(tmp_path, gateways=3) as world:
        ours, of_bob, of_eve = (gateway.address for gateway in world.gateways)
        astray = GatewayAddress("127.0.0.1", of_eve.port, of_bob.pin)
        ada = await world.person("ada", mode="direct", gateways=(ours,))
        eve = await world.person("eve", mode="direct", gateways=(astray, of_eve))
        bob = await world.person("bob", mode="direct", gateways=(of_bob,))
        await befriend(ada, eve)
        for number in range(3):
            await ada.node.send(ada.contact("eve"), f"hello {number}")
        await until(lambda: len(eve.heard) == 3)
        await befriend(ada, bob)
        await ada.node.send(ada.contact("bob"), "are you there?")
        await until(lambda: bob.texts() == ["are you there?"])


async def test_a_gateway_that_hands_out_without_end_has_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threat model P4: what comes faster than it can be stored waits at the gateway, and what is true is read after it."""
    monkeypatch.setattr("holdfast.limits.NODE_ARRIVED_BYTES_MAX", 64 * 1024)
    (only,) = liars = [LiarHere(tmp_path / "g")]
    async with World(tmp_path, liars) as world:
        ada = await world.person("ada", mode="direct")
        bob = await world.person("bob", mode="direct")
        await befriend(ada, bob)
        intake, may_store = bob.node._intake, asyncio.Event()
        stores = type(intake)._store

        async def slowly(self: Intake, taken: list[Arrived]) -> None:
            await may_store.wait()
            await stores(self, taken)

        with monkeypatch.context() as patch:
            patch.setattr(type(intake), "_store", slowly)
            mailbox = next(iter(own_mailboxes(bob)))
            junk = [number.to_bytes(4096) for number in range(600)]
            only.liar.flood(mailbox, junk)
            await until(lambda: intake._held)
            (line,) = next(iter(intake._held)).client._reading.values()
            await until(lambda: len(line.connection._arrivals) >= 256)
            assert intake._waiting <= 64 * 1024 + 4096
            may_store.set()
            await until(lambda: bob.node.statistics()["refused"] == len(junk))
        await ada.node.send(ada.contact("bob"), "after the flood")
        await until(lambda: bob.texts() == ["after the flood"])
        assert not intake._held


async def test_a_gateway_that_talks_nonsense_is_not_listened_to(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Threat model P4: answers to nothing, to others, and such that are none, move no message and fill no log."""
    (only,) = liars = [LiarHere(tmp_path / "g")]
    async with World(tmp_path, liars) as world:
        ada = await world.person("ada", mode="direct")
        bob = await world.person("bob", mode="direct")
        await befriend(ada, bob)
        await until(lambda: not ada.node.queue().waiting and not bob.node.queue().waiting)
        told = [
            *[b"", b"\xc1", b"\x91" * 5000, b"\xdd\xff\xff\xff\xff", b"\x92\x42\xc0"] * 50,
            *[encode(Done(number)) for number in range(200)],
            encode(Refused(1, 2**32 - 1, "x" * 500, 2**32 - 1)),
            encode(Welcome(7, 99, bytes(32))),
            encode(TakenOver(bytes(16))),
            encode(Envelope(bytes(16), bytes(16), b"for nobody")),
        ]
        caplog.clear()
        only.liar.nonsense(told)
        await ada.node.send(ada.contact("bob"), "in spite of it")
        await until(lambda: bob.texts() == ["in spite of it"])
        await until(lambda: not ada.node.queue().waiting)
        only.liar.nonsense(told[:250])
        await bob.node.send(bob.contact("ada"), "indeed")
        await until(lambda: ada.texts() == ["indeed"])
        lines = only.gateway.statistics().accepted
        assert 0 < sum("no message" in record.getMessage() for record in caplog.records) <= lines
