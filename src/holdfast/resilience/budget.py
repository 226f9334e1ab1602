"""A retry budget: retries are a share of all calls, so that they cannot become the outage."""

from __future__ import annotations

import threading


class RetryBudget:
    """Shared by all calls to one target; safe under threads.

    Each call earns ``ratio`` of a retry; besides, ``per_second`` retries are always allowed, so that a quiet
    client can retry too. Source: the retry budgets of Finagle (Twitter) and of Envoy.

    Args:
        ratio: retries a call, 0.1 for ten percent.
        per_second: retries a second that need no calls.
        burst: how much can be saved up, in retries.
    """

    def __init__(self, ratio: float = 0.1, per_second: float = 1.0, burst: float = 10.0) -> None:
        if ratio < 0 or per_second < 0 or burst < 1:
            raise ValueError("ratio and per_second must not be negative, burst be at least 1")
        self._ratio = ratio
        self._per_second = per_second
        self._burst = burst
        self._earned = 0.0
        self._floor = burst
        self._seen: float | None = None
        self._lock = threading.Lock()

    def deposit(self) -> None:
        """A call was made."""
        with self._lock:
            self._earned = min(self._burst, self._earned + self._ratio)

    def withdraw(self, now: float) -> bool:
        """Take one retry, if there is one.

        Args:
            now: monotonic seconds.
        """
        with self._lock:
            if self._seen is not None:
                passed = max(0.0, now - self._seen)
                self._floor = min(self._burst, self._floor + passed * self._per_second)
            self._seen = now
            if self._earned >= 1:
                self._earned -= 1
            elif self._floor >= 1:
                self._floor -= 1
            else:
                return False
            return True
