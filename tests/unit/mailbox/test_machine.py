"""A gateway's mailboxes as a machine: who may do what, and when it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import limits
from holdfast.errors import ErrorCode
from holdfast.mailbox import wire
from holdfast.mailbox.key import MailboxKey, Purpose, token_hash
from holdfast.mailbox.machine import MailboxMachine
from holdfast.mailbox.record import (
    Cut,
    Expired,
    Fetch,
    Gone,
    Kept,
    NewEnvelope,
    Removed,
    Row,
    Seen,
    Send,
)
from holdfast.mailbox.settings import GatewaySettings

if TYPE_CHECKING:
    from holdfast.mailbox.record import Client
    from holdfast.mailbox.wire import Answer

PIN = b"p" * 32
TOKEN = b"t" * 32
OWNER, OTHER = MailboxKey(b"a" * 32), MailboxKey(b"b" * 32)
DAY = 24 * 3600.0


def machine(settings: GatewaySettings | None = None) -> MailboxMachine:
    return MailboxMachine(PIN, settings or GatewaySettings())


def connect(gateway: MailboxMachine, number: int = 1, *, greeted: bool = True) -> Client:
    client = gateway.connected(number, "192.0.2.1", bytes((number,)) * 32)
    if greeted:
        gateway.received(client, wire.Hello(0), 0.0)
        gateway.take_effects()
    return client


def said(gateway: MailboxMachine, client: Client) -> list[Answer]:
    return [
        effect.message
        for effect in gateway.take_effects()
        if isinstance(effect, Send) and effect.client is client
    ]


def commit(gateway: MailboxMachine, *kept: Kept) -> None:
    notes = gateway.take_notes()
    gateway.committed(notes, kept or [Kept()] * len(notes))


def refusal(gateway: MailboxMachine, client: Client) -> wire.Refused:
    (answer,) = said(gateway, client)
    assert isinstance(answer, wire.Refused)
    return answer


def create(gateway: MailboxMachine, client: Client, key: MailboxKey, *, now: float = 0.0) -> None:
    token = token_hash(TOKEN)
    proof = key.prove(Purpose.CREATE, PIN, client.nonce, token)
    gateway.received(client, wire.Create(1, key.public, token, proof), now)


def subscribe(gateway: MailboxMachine, client: Client, key: MailboxKey, now: float = 0.0) -> None:
    proof = key.prove(Purpose.SUBSCRIBE, PIN, client.nonce)
    gateway.received(client, wire.Subscribe(2, key.public, proof), now)


def deposit(key: MailboxKey = OWNER, number: int = 1, *, body: bytes = b"x") -> wire.Deposit:
    return wire.Deposit(9, key.mailbox, TOKEN, number.to_bytes(16), 3600, body)


def with_mailbox(settings: GatewaySettings | None = None) -> tuple[MailboxMachine, Client]:
    gateway = machine(settings)
    client = connect(gateway)
    create(gateway, client, OWNER)
    commit(gateway)
    gateway.take_effects()
    return gateway, client


def test_nothing_is_said_before_it_is_committed() -> None:
    gateway, client = with_mailbox()
    gateway.received(client, deposit(), 0.0)
    assert said(gateway, client) == []
    commit(gateway)
    assert said(gateway, client) == [wire.Done(9)]
    assert gateway.held == 1


def test_what_the_disk_did_not_take_is_refused_and_its_room_given_back() -> None:
    gateway, client = with_mailbox()
    gateway.received(client, deposit(body=b"x" * 100), 0.0)
    gateway.failed(gateway.take_notes(), 5.0)
    answer = refusal(gateway, client)
    assert (answer.code, answer.retry_ms) == (ErrorCode.STORAGE_UNAVAILABLE, 5000)
    assert (gateway.held, gateway.size) == (0, 0)


def test_a_mailbox_can_be_read_though_the_disk_takes_nothing() -> None:
    gateway, client = with_mailbox()
    subscribe(gateway, client, OWNER, now=DAY)
    gateway.failed(gateway.take_notes(), 5.0)
    answer, fetch = gateway.take_effects()
    assert isinstance(answer, Send)
    assert answer.message == wire.Done(2)
    assert isinstance(fetch, Fetch)
    subscribe(gateway, client, OWNER, now=DAY)
    (note,) = gateway.take_notes()
    assert isinstance(note, Seen)
    assert note.mailbox.seen_day != note.day, "the visit is still to be written"


def test_a_mailbox_that_the_disk_did_not_take_cannot_be_read() -> None:
    gateway = machine()
    client = connect(gateway)
    create(gateway, client, OWNER)
    subscribe(gateway, client, OWNER)
    gateway.failed(gateway.take_notes(), 5.0)
    created, read = said(gateway, client)
    assert isinstance(created, wire.Refused)
    assert created.code == ErrorCode.STORAGE_UNAVAILABLE
    assert isinstance(read, wire.Refused)
    assert read.code == ErrorCode.MAILBOX_UNKNOWN
    assert not client.reads


def test_a_mailbox_that_was_not_committed_is_none() -> None:
    gateway = machine()
    client = connect(gateway)
    create(gateway, client, OWNER)
    gateway.failed(gateway.take_notes(), 1.0)
    assert len(gateway) == 0


def test_a_wrong_token_and_an_unknown_mailbox_are_answered_alike() -> None:
    gateway, client = with_mailbox()
    wrong = wire.Deposit(9, OWNER.mailbox, b"w" * 32, bytes(16), 3600, b"x")
    gateway.received(client, wrong, 0.0)
    first = refusal(gateway, client)
    gateway.received(client, deposit(OTHER), 0.0)
    assert refusal(gateway, client) == first
    assert gateway.take_notes() == []


def test_a_proof_is_good_for_its_connection_and_purpose_only() -> None:
    gateway, _ = with_mailbox()
    other = connect(gateway, 2)
    for nonce, purpose in ((b"\x01" * 32, Purpose.SUBSCRIBE), (other.nonce, Purpose.DELETE)):
        proof = OWNER.prove(purpose, PIN, nonce)
        gateway.received(other, wire.Subscribe(2, OWNER.public, proof), 0.0)
        assert refusal(gateway, other).code == ErrorCode.MAILBOX_PROOF_REJECTED
    assert gateway.take_notes() == []


def test_a_proof_for_another_gateway_is_none() -> None:
    gateway, client = with_mailbox()
    proof = OWNER.prove(Purpose.SUBSCRIBE, b"q" * 32, client.nonce)
    gateway.received(client, wire.Subscribe(2, OWNER.public, proof), 0.0)
    assert refusal(gateway, client).code == ErrorCode.MAILBOX_PROOF_REJECTED


def test_only_its_reader_acknowledges() -> None:
    gateway, client = with_mailbox()
    gateway.received(client, wire.Acknowledge(3, OWNER.mailbox, (bytes(16),)), 0.0)
    assert refusal(gateway, client).code == ErrorCode.UNEXPECTED_FRAME
    assert gateway.take_notes() == []


def test_the_bound_of_envelopes_holds_for_those_on_their_way_to_the_disk() -> None:
    gateway, client = with_mailbox(GatewaySettings(mailbox_envelopes_max=2))
    for number in range(3):
        gateway.received(client, deposit(number=number), 0.0)
    answer = refusal(gateway, client)
    assert answer.code == ErrorCode.MAILBOX_FULL
    assert answer.retry_ms > 0
    assert len(gateway.take_notes()) == 2


def test_the_bounds_of_bytes_hold_for_a_mailbox_and_for_all() -> None:
    for settings, code in (
        (GatewaySettings(mailbox_bytes_max=10), ErrorCode.MAILBOX_FULL),
        (GatewaySettings(store_bytes_max=10), ErrorCode.GATEWAY_FULL),
    ):
        gateway, client = with_mailbox(settings)
        gateway.received(client, deposit(body=b"x" * 10), 0.0)
        gateway.received(client, deposit(number=2), 0.0)
        assert refusal(gateway, client).code == code


def test_the_rate_of_a_mailbox_has_a_bound_and_recovers() -> None:
    gateway, client = with_mailbox(GatewaySettings(deposit_rate=1.0, deposit_burst=1))
    gateway.received(client, deposit(), 0.0)
    gateway.received(client, deposit(number=2), 0.0)
    assert refusal(gateway, client).code == ErrorCode.RATE_LIMIT_EXCEEDED
    gateway.received(client, deposit(number=2), 1.1)
    assert len(gateway.take_notes()) == 2


def test_new_mailboxes_have_a_bound_for_one_address_and_for_all() -> None:
    for settings, code in (
        (GatewaySettings(create_rate=0.1, create_burst=1), ErrorCode.RATE_LIMIT_EXCEEDED),
        (GatewaySettings(mailboxes_max=1), ErrorCode.GATEWAY_FULL),
    ):
        gateway, client = with_mailbox(settings)
        create(gateway, client, OTHER)
        assert refusal(gateway, client).code == code
        assert len(gateway) == 1


def test_who_is_refused_again_and_again_is_cut() -> None:
    gateway, client = with_mailbox()
    for _ in range(limits.MAILBOX_REFUSALS_MAX + 1):
        gateway.received(client, deposit(OTHER), 0.0)
    assert any(isinstance(effect, Cut) for effect in gateway.take_effects())


def test_an_envelope_that_came_twice_takes_room_once() -> None:
    gateway, client = with_mailbox()
    gateway.received(client, deposit(), 0.0)
    commit(gateway)
    gateway.take_effects()
    gateway.received(client, deposit(), 0.0)
    commit(gateway, Kept(is_new=False, is_same=True))
    assert said(gateway, client) == [wire.Done(9)]
    gateway.received(client, deposit(body=b"y"), 0.0)
    commit(gateway, Kept(is_new=False, is_same=False))
    assert refusal(gateway, client).code == ErrorCode.DEPOSIT_REFUSED
    assert (gateway.held, gateway.size) == (1, 1)


def test_a_live_reader_is_handed_what_comes_and_an_acknowledged_envelope_makes_room() -> None:
    gateway, client = with_mailbox()
    subscribe(gateway, client, OWNER)
    commit(gateway)
    (fetch,) = (each for each in gateway.take_effects() if isinstance(each, Fetch))
    gateway.readers.fetched(fetch, [])
    gateway.received(client, deposit(), 0.0)
    commit(gateway)
    envelope = (1).to_bytes(16)
    assert wire.Envelope(OWNER.mailbox, envelope, b"x") in said(gateway, client)
    gateway.received(client, wire.Acknowledge(4, OWNER.mailbox, (envelope,)), 0.0)
    commit(gateway, Kept(removed=(Removed(1, envelope, 1),)))
    assert said(gateway, client) == [wire.Done(4)]
    assert (gateway.held, gateway.size) == (0, 0)


def test_what_was_read_before_its_acknowledgement_is_not_handed_over_after_it() -> None:
    gateway, client = with_mailbox()
    subscribe(gateway, client, OWNER)
    commit(gateway)
    (fetch,) = (each for each in gateway.take_effects() if isinstance(each, Fetch))
    one, two = Row(1, (1).to_bytes(16), b"x"), Row(2, (2).to_bytes(16), b"y")
    gateway.received(client, wire.Acknowledge(4, OWNER.mailbox, (one.id,)), 0.0)
    commit(gateway, Kept(removed=(Removed(1, one.id, 1),)))
    assert said(gateway, client) == [wire.Done(4)]
    gateway.readers.fetched(fetch, [one, two])
    (again,) = gateway.take_effects()
    assert isinstance(again, Fetch), "it is read again, from where it stopped"
    assert again.after == fetch.after
    gateway.readers.fetched(again, [two])
    assert said(gateway, client) == [wire.Envelope(OWNER.mailbox, two.id, b"y")]


def test_an_older_reader_is_told_that_another_has_come() -> None:
    gateway, first = with_mailbox()
    second = connect(gateway, 2)
    for client in (first, second):
        subscribe(gateway, client, OWNER)
        commit(gateway)
    assert wire.TakenOver(OWNER.mailbox) in said(gateway, first)
    gateway.received(first, wire.Acknowledge(3, OWNER.mailbox, ()), 0.0)
    assert refusal(gateway, first).code == ErrorCode.UNEXPECTED_FRAME


def test_an_envelope_waits_no_longer_than_the_gateway_allows() -> None:
    gateway, client = with_mailbox(GatewaySettings(envelope_ttl_max=7200.0))
    request = wire.Deposit(9, OWNER.mailbox, TOKEN, bytes(16), 2**31, b"x")
    gateway.received(client, request, 0.0)
    (note,) = gateway.take_notes()
    assert isinstance(note, NewEnvelope)
    assert note.due_hour == 3


def test_a_mailbox_whose_reader_stays_away_goes_and_one_that_is_read_stays() -> None:
    settings = GatewaySettings(mailbox_idle=2 * DAY)
    gateway, client = with_mailbox(settings)
    gateway.sweep(2 * DAY)
    assert [type(note) for note in gateway.take_notes()] == [Expired]
    subscribe(gateway, client, OWNER)
    commit(gateway)
    gateway.sweep(9 * DAY)
    assert [type(note) for note in gateway.take_notes()] == [Expired]
    gateway.lost(client)
    gateway.sweep(9 * DAY)
    assert [type(note) for note in gateway.take_notes()] == [Expired, Gone]
    assert len(gateway) == 0
