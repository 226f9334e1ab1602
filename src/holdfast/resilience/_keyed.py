"""A map from many keys to small values that forgets the oldest without ever stalling.

Theory. Two generations of a plain dict. A key is written to the young one; when that is full it becomes the old one,
and what the old one still held is forgotten. Freeing half a million entries at once takes tens of
milliseconds, so the forgotten generation is emptied by a few entries with each new key. A key that is asked for
moves to the young generation, so who is refused again and again is not forgotten for it.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

FREED_AT_A_TIME: Final = 4


class Keyed(Generic[K, V]):
    """At least the ``keys_max / 2`` most recently used keys, at most ``keys_max``.

    Attributes:
        young: where to look first; callers on a hot path use it directly.
        old: where to look next.
    """

    __slots__ = ("_dying", "_half", "old", "young")

    def __init__(self, keys_max: int) -> None:
        if keys_max < 2:  # noqa: PLR2004 - two generations
            raise ValueError(f"keys_max must be at least 2, not {keys_max}")
        self._half = keys_max // 2
        self.young: dict[K, V] = {}
        self.old: dict[K, V] = {}
        self._dying: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Return what is known of a key; asking keeps it from being forgotten."""
        found = self.young.get(key)
        if found is None:
            found = self.old.get(key)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: K, value: V) -> None:
        """Remember a value."""
        young = self.young
        if key not in young:
            if len(young) >= self._half:
                self._dying = self.old
                self.old, self.young = young, {}
                young = self.young
            for _ in range(min(FREED_AT_A_TIME, len(self._dying))):
                self._dying.popitem()
        young[key] = value

    def remove(self, key: K) -> None:
        """Forget a key; harmless when it is not known."""
        self.young.pop(key, None)
        self.old.pop(key, None)

    def __len__(self) -> int:
        return len(self.young) + sum(key not in self.young for key in self.old)
