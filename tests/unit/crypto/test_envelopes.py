"""Envelopes: what a gateway holds says its size class and nothing else, and only its owner opens it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.crypto import (
    CONTENT_BYTES_MAX,
    ENVELOPE_BYTES_MAX,
    SIZES,
    EnvelopeKey,
    InvitationKey,
    InvitationSealKey,
    SealKey,
)
from holdfast.errors import EnvelopeError
from holdfast.world import RealWorld

WORLD = RealWorld()
KEY = EnvelopeKey.generate(WORLD)
SEAL = SealKey(KEY.public)
INVITED = InvitationKey.generate(WORLD)
INVITED_SEAL = InvitationSealKey(INVITED.public, INVITED.secret, WORLD)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000))
def test_what_is_sealed_is_opened_by_its_owner(content: bytes) -> None:
    assert KEY.open(SEAL.seal(content)) == content
    assert INVITED.open(INVITED_SEAL.seal(content)) == content


@pytest.mark.parametrize("length", [0, 1, 507, 508, 509, 1020, 4092, 32_764, CONTENT_BYTES_MAX])
def test_an_envelope_has_one_of_a_few_sizes_whichever_key_it_is_for(length: int) -> None:
    assert len(SEAL.seal(bytes(length))) in SIZES
    assert len(INVITED_SEAL.seal(bytes(length))) in SIZES


def test_short_contents_cannot_be_told_apart_by_size() -> None:
    assert len({len(SEAL.seal(bytes(length))) for length in range(0, 500, 50)}) == 1


def test_each_size_class_is_larger_and_the_last_is_the_limit() -> None:
    assert all(one < other for one, other in pairwise(SIZES))
    assert SIZES[-1] == ENVELOPE_BYTES_MAX
    assert len(SEAL.seal(bytes(CONTENT_BYTES_MAX))) == ENVELOPE_BYTES_MAX


@pytest.mark.parametrize("seal", [SEAL, INVITED_SEAL])
def test_what_does_not_fit_is_refused(seal: SealKey | InvitationSealKey) -> None:
    with pytest.raises(EnvelopeError):
        seal.seal(bytes(ENVELOPE_BYTES_MAX))


def test_copies_of_one_content_have_nothing_in_common() -> None:
    """Threat model P3: each copy is sealed anew; no run of bytes is the same in two of them."""
    copies = [SEAL.seal(b"the same words") for _ in range(4)]
    runs = [{copy[at : at + 8] for at in range(len(copy) - 7)} for copy in copies]
    for number, one in enumerate(runs):
        for other in runs[number + 1 :]:
            assert not one & other


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_changed_bit_anywhere_is_noticed(data: st.DataObject) -> None:
    sealed = bytearray(SEAL.seal(b"words"))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(EnvelopeError):
        KEY.open(bytes(sealed))


@pytest.mark.parametrize("size", [0, 1, SIZES[0] - 1, SIZES[0] + 1, ENVELOPE_BYTES_MAX + 1])
def test_what_has_no_size_of_ours_is_refused_unread(size: int) -> None:
    for key in (KEY, INVITED):
        with pytest.raises(EnvelopeError):
            key.open(bytes(size))


def test_noise_of_a_good_size_is_refused() -> None:
    for size in SIZES:
        with pytest.raises(EnvelopeError):
            KEY.open(WORLD.secret_bytes(size))


def test_nobody_else_opens_an_envelope() -> None:
    with pytest.raises(EnvelopeError):
        EnvelopeKey.generate(WORLD).open(SEAL.seal(b"words"))
    with pytest.raises(EnvelopeError):
        InvitationKey.generate(WORLD).open(INVITED_SEAL.seal(b"words"))


def test_an_invitations_envelope_needs_its_secret_too() -> None:
    other = InvitationKey(INVITED.raw[:32] + bytes(32))
    assert other.public == INVITED.public
    with pytest.raises(EnvelopeError):
        other.open(INVITED_SEAL.seal(b"words"))


def test_a_key_comes_back_from_its_bytes() -> None:
    assert EnvelopeKey(KEY.raw).open(SEAL.seal(b"words")) == b"words"
    assert InvitationKey(INVITED.raw).open(INVITED_SEAL.seal(b"words")) == b"words"


@pytest.mark.parametrize("size", [0, 31, 1215, 1217])
def test_what_is_no_key_is_refused(size: int) -> None:
    for kind in (EnvelopeKey, SealKey, InvitationKey):
        with pytest.raises(EnvelopeError):
            kind(bytes(size))


def test_a_weak_key_seals_nothing() -> None:
    with pytest.raises(EnvelopeError):
        InvitationSealKey(bytes(32), bytes(32), WORLD).seal(b"words")
