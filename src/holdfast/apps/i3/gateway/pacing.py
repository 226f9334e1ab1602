"""How much leaves for a router, and what goes first: a state machine without clock or socket.

Theory. Public routers take ten packets a second from a mud and lose all that come above, so what leaves is measured
by a token bucket. What has to wait stands in one lane for each priority; the first lane goes first, but whoever has
waited for ``PATIENCE`` goes before all, so that tells without end do not keep a probe from leaving, and with it the
proof that they arrive. The lanes together are bounded, and the bound is told: the caller knows when to come again.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import Final, Generic, TypeVar

from holdfast.resilience.rate_limit import TokenBucket

T = TypeVar("T")

PATIENCE: Final = 5.0
"""Seconds that anything waits behind what is more important."""

STARTUP_COST: Final = 6.0
"""Packets as which a startup counts on a router that counts."""


class Priority(IntEnum):
    """What goes first."""

    MESSAGE = 0
    ANSWER = 1
    CHANNEL = 2
    PROBE = 3


class Pacer(Generic[T]):
    """What waits for its turn.

    Args:
        rate: packets a second; None: nothing ever waits.
        burst: packets at once.
        most: that wait, probes not counted, of which one is under way at a time.
    """

    def __init__(self, rate: float | None, burst: int, most: int) -> None:
        self._rate, self._burst, self._most = rate, burst, most
        self._bucket = None if rate is None else TokenBucket(rate, burst)
        self._lanes: tuple[deque[tuple[float, T]], ...] = tuple(deque() for _ in Priority)
        self._turn_at = 0.0
        self._paused_until = 0.0
        self.waiting = 0

    @property
    def next_at(self) -> float | None:
        """When ``take`` may have something again; None while nothing waits."""
        return max(self._turn_at, self._paused_until) if self.waiting else None

    @property
    def retry_after(self) -> float:
        """Seconds after which half of what waits has left."""
        return 1.0 if self._rate is None else max(1.0, self.waiting / self._rate / 2)

    def passes(self, now: float) -> bool:
        """Say whether a packet may leave at once, and count it if so."""
        if self._bucket is None:
            return True
        if self.waiting or now < self._paused_until:
            return False
        return self._bucket.take(now) == 0.0

    def offer(self, priority: Priority, item: T, now: float) -> bool:
        """Let something wait; return whether there was room, which there always is for a probe."""
        if self.waiting >= self._most and priority is not Priority.PROBE:
            return False
        if not self.waiting:
            self._turn_at = now
        self._lanes[priority].append((now, item))
        self.waiting += 1
        return True

    def take(self, now: float) -> T | None:
        """Return what may leave now, None when it is nobody's turn."""
        if not self.waiting or now < max(self._turn_at, self._paused_until):
            return None
        wait = 0.0 if self._bucket is None else self._bucket.take(now)
        if wait > 0.0:
            self._turn_at = now + wait
            return None
        lane = self._lane(now)
        self.waiting -= 1
        return lane.popleft()[1]

    def spend(self, now: float, packets: float) -> None:
        """Something left that counts as so many packets, whatever is allowed."""
        if self._bucket is not None:
            self._bucket.take(now, min(packets, self._burst))

    def pause(self, until: float) -> None:
        """Let nothing leave before then: the router throws away what comes."""
        if self._bucket is not None:
            self._paused_until = max(self._paused_until, until)

    def clear(self) -> list[T]:
        """Return all that waits, in the order in which it would have left, and let nothing wait any more."""
        left = [item for lane in self._lanes for _, item in lane]
        for lane in self._lanes:
            lane.clear()
        self.waiting = 0
        self._paused_until = 0.0
        return left

    def _lane(self, now: float) -> deque[tuple[float, T]]:
        filled = [lane for lane in self._lanes if lane]
        longest = min(filled, key=lambda lane: lane[0][0])
        return longest if now >= longest[0][0] + PATIENCE else filled[0]
