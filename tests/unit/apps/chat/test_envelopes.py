"""What a gateway could learn of envelopes by looking at them: sizes of a few classes, and no bytes twice."""

from __future__ import annotations

import base64
import random
from typing import TYPE_CHECKING

import pytest

from holdfast.crypto import CONTENT_BYTES_MAX, SIZES, EnvelopeKey, Keystore, SealKey
from holdfast.errors import EnvelopeError, KeystoreError
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from pathlib import Path

ALIKE = 8
"""Bytes in a row that two envelopes of random bytes have in common practically never."""


def runs_of(envelope: bytes) -> set[bytes]:
    return {envelope[start : start + ALIKE] for start in range(len(envelope) - ALIKE + 1)}


@pytest.mark.parametrize("size", [0, 1, 200, 5_000])
def test_two_copies_of_one_message_have_nothing_in_common(size: int) -> None:
    """Threat model P3: a retry is sealed anew, and no run of bytes tells that two envelopes are one message."""
    key = EnvelopeKey.generate(RealWorld())
    seal = SealKey(key.public)
    content = b"\x07" * size
    first, second = seal.seal(content), seal.seal(content)
    assert len(first) == len(second)
    assert not runs_of(first) & runs_of(second)
    assert key.open(first) == key.open(second) == content


def test_sizes_tell_a_class_only() -> None:
    """Threat model P3: all envelopes have one of a few sizes, whatever is in them."""
    seal = SealKey(EnvelopeKey.generate(RealWorld()).public)
    source = random.Random(1)
    sizes = {len(seal.seal(bytes(source.randrange(CONTENT_BYTES_MAX)))) for _ in range(60)}
    assert len(sizes) <= len(SIZES)
    assert len({len(seal.seal(bytes(size))) for size in range(0, 200, 7)}) == 1


def test_a_changed_envelope_is_refused_and_no_part_of_it_is_read() -> None:
    """Threat model P15: an envelope with one bit changed, cut off or made longer opens for nobody."""
    key = EnvelopeKey.generate(RealWorld())
    good = SealKey(key.public).seal(b"hello")
    source = random.Random(2)
    for place in source.sample(range(len(good)), 40):
        bad = bytearray(good)
        bad[place] ^= 1 << source.randrange(8)
        with pytest.raises(EnvelopeError):
            key.open(bytes(bad))
    for bad_length in (good[:-1], good + b"\0", b"", good[: len(good) // 2]):
        with pytest.raises(EnvelopeError):
            key.open(bad_length)
    with pytest.raises(EnvelopeError):
        EnvelopeKey.generate(RealWorld()).open(good)


def test_with_a_passphrase_the_file_of_the_keys_opens_nothing(tmp_path: Path) -> None:
    """Threat model P20: the key that seals all others is in no file in the clear, and nothing opens without it."""
    secret = bytes(range(32))
    Keystore(secret).save(tmp_path / "node.key", "a passphrase")
    sealed = Keystore(secret).seal("keys", b"the keys of an identity")
    file = (tmp_path / "node.key").read_bytes()
    assert secret not in file
    assert base64.b64encode(secret).rstrip(b"=") not in file
    assert b"the keys of" not in sealed
    for wrong in (None, "", "A passphrase"):
        with pytest.raises(KeystoreError):
            Keystore.open(tmp_path / "node.key", wrong)
    opened = Keystore.open(tmp_path / "node.key", "a passphrase")
    assert opened.unseal("keys", sealed) == b"the keys of an identity"
    with pytest.raises(KeystoreError):
        opened.unseal("other keys", sealed)
