"""Ratchets of two and of rooms: replayed, reordered, changed, doubled and lost messages each have one outcome."""

from __future__ import annotations

import pytest

from holdfast.crypto import (
    IdentityKeys,
    PairKey,
    PairMessage,
    PairRatchet,
    RoomReceiver,
    RoomSender,
    fingerprint,
)
from holdfast.errors import EnvelopeError, KeystoreError, RatchetError


class Two:
    """Two who have met: both ratchets have answered each other."""

    def __init__(self) -> None:
        self.host, self.guest = IdentityKeys.generate(), IdentityKeys.generate()
        self.writes = self.guest.begin(self.host.public, self.host.new_prekey())
        self.first = self.writes.encrypt(b"first")
        self.reads, text = self.host.answer(self.guest.public, self.first)
        assert text == b"first"
        assert self.writes.decrypt(self.reads.encrypt(b"answer")) == b"answer"


def changed(message: PairMessage, at: int = -1) -> PairMessage:
    text = bytearray(message.ciphertext)
    text[at] ^= 1
    return PairMessage(message.kind, bytes(text))


def test_messages_go_both_ways() -> None:
    two = Two()
    for number in range(5):
        text = b"%d" % number
        assert two.reads.decrypt(two.writes.encrypt(text)) == text
        assert two.writes.decrypt(two.reads.encrypt(text)) == text


def test_the_same_words_never_look_the_same() -> None:
    two = Two()
    seen = {two.writes.encrypt(b"same").ciphertext for _ in range(50)}
    assert len(seen) == 50


def test_a_replayed_message_is_refused_and_the_next_one_read() -> None:
    two = Two()
    message = two.writes.encrypt(b"once")
    assert two.reads.decrypt(message) == b"once"
    for _ in range(3):
        with pytest.raises(RatchetError):
            two.reads.decrypt(message)
    assert two.reads.decrypt(two.writes.encrypt(b"next")) == b"next"


def test_a_first_message_that_is_replayed_begins_nothing() -> None:
    """Threat model P14, P16: a prekey is good once, also after the keys were stored and read again."""
    two = Two()
    again = IdentityKeys.from_bytes(two.host.to_bytes())
    for keys in (two.host, again):
        with pytest.raises(RatchetError):
            keys.answer(two.guest.public, two.first)


def test_two_guests_cannot_use_one_prekey() -> None:
    """Threat model P14: who comes second with the same invitation is refused."""
    host, prekey = IdentityKeys.generate(), b""
    prekey = host.new_prekey()
    guests = [IdentityKeys.generate() for _ in range(2)]
    firsts = [guest.begin(host.public, prekey).encrypt(b"hello") for guest in guests]
    host.answer(guests[0].public, firsts[0])
    with pytest.raises(RatchetError):
        host.answer(guests[1].public, firsts[1])


def test_messages_in_another_order_are_read() -> None:
    two = Two()
    messages = [two.writes.encrypt(b"%d" % number) for number in range(5)]
    assert [two.reads.decrypt(messages[at]) for at in (3, 0, 4, 1, 2)] == [
        b"3",
        b"0",
        b"4",
        b"1",
        b"2",
    ]


def test_a_lost_message_hinders_no_later_one() -> None:
    two = Two()
    two.writes.encrypt(b"lost")
    assert two.reads.decrypt(two.writes.encrypt(b"next")) == b"next"


@pytest.mark.parametrize("at", [0, 10, -1])
def test_a_changed_message_is_refused_and_the_true_one_read(at: int) -> None:
    two = Two()
    message = two.writes.encrypt(b"true")
    with pytest.raises(RatchetError):
        two.reads.decrypt(changed(message, at))
    assert two.reads.decrypt(message) == b"true"


def test_a_changed_first_message_uses_no_prekey_up() -> None:
    host, guest = IdentityKeys.generate(), IdentityKeys.generate()
    first = guest.begin(host.public, host.new_prekey()).encrypt(b"first")
    with pytest.raises(RatchetError):
        host.answer(guest.public, changed(first))
    assert host.answer(guest.public, first)[1] == b"first"


def test_a_first_message_under_a_false_name_is_refused() -> None:
    host, guest = IdentityKeys.generate(), IdentityKeys.generate()
    first = guest.begin(host.public, host.new_prekey()).encrypt(b"first")
    with pytest.raises(RatchetError):
        host.answer(IdentityKeys.generate().public, first)


@pytest.mark.parametrize("kind", [0, 1, 2, 255])
@pytest.mark.parametrize("text", [b"", b"\0", b"\3\n noise", bytes(500)])
def test_noise_is_refused(kind: int, text: bytes) -> None:
    two = Two()
    with pytest.raises(RatchetError):
        two.reads.decrypt(PairMessage(kind, text))
    with pytest.raises(RatchetError):
        two.host.answer(two.guest.public, PairMessage(kind, text))


def test_a_ratchet_goes_on_where_it_was_stored() -> None:
    two = Two()
    stored = two.reads.to_bytes()
    message = two.writes.encrypt(b"words")
    assert two.reads.decrypt(message) == b"words"
    # a crash before the commit: the ratchet of before reads the message once more
    assert PairRatchet.from_bytes(stored).decrypt(message) == b"words"
    # after the commit: it is refused
    with pytest.raises(RatchetError):
        PairRatchet.from_bytes(two.reads.to_bytes()).decrypt(message)


@pytest.mark.parametrize("key", [b"", bytes(32), bytes(31), b"x" * 33])
def test_what_is_no_key_begins_no_session(key: bytes) -> None:
    keys = IdentityKeys.generate()
    good = IdentityKeys.generate()
    with pytest.raises(RatchetError):
        keys.begin(key, good.new_prekey())
    with pytest.raises(RatchetError):
        keys.begin(good.public, key)


@pytest.mark.parametrize("kind", [IdentityKeys, PairRatchet, RoomSender, RoomReceiver])
def test_what_was_damaged_on_the_disk_is_named(kind: type[PairRatchet]) -> None:
    with pytest.raises(KeystoreError):
        kind.from_bytes(b"damaged")


def test_a_fingerprint_is_read_in_groups() -> None:
    assert fingerprint(bytes(32)).split()[:2] == ["AAAA", "AAAA"]
    assert fingerprint(bytes(32)) != fingerprint(b"\1" * 32)


# --- frames -----------------------------------------------------------------------------------


def test_a_frame_is_known_by_its_writer_and_direction() -> None:
    host, guest = (PairKey(b"s" * 32, is_host=is_host) for is_host in (True, False))
    assert guest.verified(host.signed(b"frame")) == b"frame"
    assert host.verified(guest.signed(b"frame")) == b"frame"
    with pytest.raises(EnvelopeError):
        host.verified(host.signed(b"frame"))  # thrown back at its writer
    with pytest.raises(EnvelopeError):
        PairKey(b"t" * 32, is_host=False).verified(host.signed(b"frame"))


@pytest.mark.parametrize("signed", [b"", b"short", bytes(16), bytes(500)])
def test_a_forged_frame_is_refused(signed: bytes) -> None:
    with pytest.raises(EnvelopeError):
        PairKey(b"s" * 32, is_host=True).verified(signed)


# --- rooms ------------------------------------------------------------------------------------


def test_all_members_read_what_was_encrypted_once() -> None:
    sender = RoomSender.generate()
    readers = [RoomReceiver.from_key(sender.key) for _ in range(3)]
    text = sender.encrypt(b"to all")
    assert [reader.decrypt(text) for reader in readers] == [(b"to all", 0)] * 3
    assert {reader.id for reader in readers} == {sender.id}


def test_a_newcomer_reads_from_today() -> None:
    sender = RoomSender.generate()
    before = sender.encrypt(b"before")
    newcomer = RoomReceiver.from_key(sender.key)
    assert newcomer.decrypt(sender.encrypt(b"after")) == (b"after", 1)
    with pytest.raises(RatchetError):
        newcomer.decrypt(before)


def test_who_has_left_does_not_read_under_the_key_made_anew() -> None:
    """Threat model P18: a member that was removed has the old key only; the new one tells him nothing."""
    old = RoomSender.generate()
    left = RoomReceiver.from_key(old.key)
    fresh = RoomSender.generate()
    assert fresh.id != old.id
    with pytest.raises(RatchetError):
        left.decrypt(fresh.encrypt(b"without you"))


def test_a_room_message_that_comes_again_has_the_index_it_had() -> None:
    sender = RoomSender.generate()
    reader = RoomReceiver.from_key(sender.key)
    text = sender.encrypt(b"words")
    assert reader.decrypt(text) == reader.decrypt(text) == (b"words", 0)
    assert sender.index == 1


def test_a_changed_room_message_is_refused() -> None:
    sender = RoomSender.generate()
    reader = RoomReceiver.from_key(sender.key)
    text = bytearray(sender.encrypt(b"words"))
    text[-1] ^= 1
    for noise in (bytes(text), b"", b"\3", bytes(200)):
        with pytest.raises(RatchetError):
            reader.decrypt(noise)


def test_room_keys_come_back_from_the_disk() -> None:
    sender = RoomSender.generate()
    reader = RoomReceiver.from_key(sender.key)
    sender.encrypt(b"one")
    again = RoomSender.from_bytes(sender.to_bytes())
    assert RoomReceiver.from_bytes(reader.to_bytes()).decrypt(again.encrypt(b"two")) == (b"two", 1)


@pytest.mark.parametrize("key", ["", "noise", "A" * 300])
def test_what_is_no_room_key_is_refused(key: str) -> None:
    with pytest.raises(RatchetError):
        RoomReceiver.from_key(key)
