"""Keys at rest, known answers, and words for two people."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from holdfast.crypto import IdentityKeys, Keystore, derive, safety_words
from holdfast.crypto.safety_words import WORD_COUNT, WORDS
from holdfast.errors import ErrorCode, KeystoreError

if TYPE_CHECKING:
    from pathlib import Path


def test_values_come_back_with_the_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "node" / "key"
    sealed = Keystore.open(path, "open sesame").seal("label", b"value")
    assert Keystore.open(path, "open sesame").unseal("label", sealed) == b"value"


@pytest.mark.parametrize("passphrase", ["open sesam", "", None])
def test_a_wrong_passphrase_opens_nothing(tmp_path: Path, passphrase: str | None) -> None:
    """Threat model P20: the file alone opens nothing."""
    Keystore.open(tmp_path / "key", "open sesame")
    with pytest.raises(KeystoreError) as raised:
        Keystore.open(tmp_path / "key", passphrase)
    assert raised.value.code != ErrorCode.KEYSTORE_DAMAGED


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    Keystore.open(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[[[[[[",
        b'{"version":2,"protected":false,"key":""}',
        b'{"version":1,"protected":false,"key":"AAAA"}',
        b'{"version":1,"protected":true,"key":"AAAA","iterations":1000000}',
    ],
)
def test_a_damaged_file_is_named_and_takes_no_time(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(KeystoreError) as raised:
        Keystore.open(tmp_path / "key", "words")
    assert raised.value.code == ErrorCode.KEYSTORE_DAMAGED


def test_another_passphrase_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    store = Keystore.open(path, "old")
    sealed = store.seal("label", b"value")
    store.save(path, "new")
    assert Keystore.open(path, "new").unseal("label", sealed) == b"value"
    with pytest.raises(KeystoreError):
        Keystore.open(path, "old")


def test_values_cannot_be_swapped_or_changed() -> None:
    store = Keystore(b"k" * 32)
    sealed = store.seal("ratchet of one", b"value")
    for label, value in (
        ("ratchet of another", sealed),
        ("ratchet of one", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        ("ratchet of one", b""),
        ("ratchet of one", bytes(12)),
    ):
        with pytest.raises(KeystoreError):
            store.unseal(label, value)
    with pytest.raises(KeystoreError):
        Keystore(b"l" * 32).unseal("ratchet of one", sealed)


def test_a_value_is_never_sealed_to_the_same_bytes() -> None:
    store = Keystore(b"k" * 32)
    assert len({store.seal("label", b"value") for _ in range(20)}) == 20


def test_derive_gives_the_known_answer_of_rfc_5869() -> None:
    found = derive(
        bytes.fromhex("0b" * 22),
        bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"),
        salt=bytes.fromhex("000102030405060708090a0b0c"),
        size=42,
    )
    assert found.hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


def test_there_are_256_words_and_none_twice() -> None:
    assert len(WORDS) == len(set(WORDS)) == 256


def test_both_sides_see_the_same_words_and_a_third_one_others() -> None:
    one, other, between = (IdentityKeys.generate().public for _ in range(3))
    words = safety_words(one, other)
    assert len(words) == WORD_COUNT
    assert words == safety_words(other, one)
    assert words != safety_words(one, between)
    assert safety_words(one, between) != safety_words(between, other)
