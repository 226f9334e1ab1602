"""Keys made of what is stored of contacts, kept ready: to make one costs more than to use it.

All of it is in the views of contacts as well, as bytes; it is forgotten with the contact, or when others are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from holdfast import limits
from holdfast.crypto import EnvelopeKey, PairKey, SealKey

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")
V = TypeVar("V")


class Keyring:
    """The keys of one node that are in use."""

    def __init__(self) -> None:
        self._envelope: dict[bytes, EnvelopeKey] = {}
        self._seal: dict[bytes, SealKey] = {}
        self._pair: dict[tuple[bytes, bool], PairKey] = {}

    def envelope(self, raw: bytes) -> EnvelopeKey:
        """Return the key that opens what is sealed for us."""
        return _kept(self._envelope, raw, lambda: EnvelopeKey(raw))

    def seal(self, raw: bytes) -> SealKey:
        """Return the key that seals for a contact; raises ``EnvelopeError`` (9002) when it is none."""
        return _kept(self._seal, raw, lambda: SealKey(raw))

    def pair(self, secret: bytes, *, is_host: bool) -> PairKey:
        """Return the key that signs frames for a contact, and knows his."""
        return _kept(self._pair, (secret, is_host), lambda: PairKey(secret, is_host=is_host))

    def forget(self) -> None:
        """Forget all; what is still needed is made again."""
        self._envelope.clear()
        self._seal.clear()
        self._pair.clear()


def _kept(keys: dict[K, V], name: K, make: Callable[[], V]) -> V:
    key = keys.pop(name, None)
    if key is None:
        key = make()
        if len(keys) >= limits.NODE_KEYS_KEPT:
            del keys[next(iter(keys))]
    keys[name] = key  # the one used last is the last
    return key
