"""Token bucket in its GCRA form: one number per bucket, exact waiting times.

Source: the generic cell rate algorithm of ITU-T I.371, with the theoretical arrival time as state.
"""

from __future__ import annotations

from collections import OrderedDict


class TokenBucket:
    """Allows ``rate`` tokens a second in the long run and ``burst`` at once.

    Args:
        rate: tokens a second, more than 0.
        burst: tokens that a bucket at rest holds, at least 1.
    """

    __slots__ = ("_full_at", "_interval", "_window")

    def __init__(self, rate: float, burst: float) -> None:
        self._interval = 1.0 / rate
        self._window = burst / rate
        self._full_at = 0.0  # when the bucket will be full again, seconds

    def take(self, now: float, tokens: float = 1.0) -> float:
        """Take tokens, or say how long to wait for them.

        Args:
            now: monotonic seconds; a step backward is treated as no time passed.
            tokens: how many; more than ``burst`` can never be had.

        Returns:
            0.0 when they were taken, else the seconds until they can be; nothing was taken then.
        """
        full_at = max(self._full_at, now) + tokens * self._interval
        wait = full_at - now - self._window
        if wait > 0:
            return wait
        self._full_at = full_at
        return 0.0

    @property
    def full_at(self) -> float:
        """When the bucket is full again, in monotonic seconds."""
        return self._full_at


class KeyedTokenBucket:
    """A token bucket for each key, the least recently used forgotten beyond ``keys_max``.

    Forgetting a key gives it a full bucket again; the bound is generous, so that only an attacker
    with more addresses than that gains by it.
    """

    def __init__(self, rate: float, burst: float, keys_max: int) -> None:
        self._rate = rate
        self._burst = burst
        self._keys_max = keys_max
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, key: str, now: float, tokens: float = 1.0) -> float:
        """As ``TokenBucket.take``, for one key."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate, self._burst)
            if len(self._buckets) > self._keys_max:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(now, tokens)

    def __len__(self) -> int:
        return len(self._buckets)
