"""What a rate limit is: its figures, and the number or the three numbers that it keeps of each key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, cast

from holdfast.resilience._keyed import Keyed

SLACK: Final = 1e-6
"""Seconds of waiting that count as none: sums of intervals are not exact in binary."""


@dataclass(frozen=True, slots=True)
class RateLimitConfig:
    """How much one key may.

    Attributes:
        max_requests: tokens in ``time_window``, in the long run.
        time_window: seconds.
        burst_size: tokens at once after a rest (token bucket only); ``max_requests`` when None.
        algorithm: ``"token_bucket"`` spreads evenly; ``"sliding_window"`` allows all of
            ``max_requests`` at any moment of the window, and weighs the window before by its overlap.
    """

    max_requests: float = 100
    time_window: float = 60.0
    burst_size: float | None = 10
    algorithm: Literal["token_bucket", "sliding_window"] = "token_bucket"

    def __post_init__(self) -> None:
        """Check the figures.

        Raises:
            ValueError: one makes no sense; the message names it.
        """
        if self.max_requests <= 0 or self.time_window <= 0:
            raise ValueError("max_requests and time_window must be more than 0")
        if self.burst_size is not None and self.burst_size < 1:
            raise ValueError(f"burst_size must be at least 1, not {self.burst_size}")

    @property
    def interval(self) -> float:
        """Seconds that one token takes to come back."""
        return self.time_window / self.max_requests

    @property
    def window(self) -> float:
        """Seconds that a full bucket is worth."""
        burst = self.max_requests if self.burst_size is None else self.burst_size
        return burst * self.interval


class Rule:
    """A configuration with the keys that it holds for; callers hold a lock."""

    __slots__ = ("buckets", "config", "interval", "window", "windows")

    def __init__(self, config: RateLimitConfig, keys_max: int) -> None:
        self.config = config
        self.interval = config.interval
        self.window = config.window
        self.buckets: Keyed[str, float] | None = None
        self.windows: Keyed[str, tuple[float, float, float]] | None = None
        if config.algorithm == "token_bucket":
            self.buckets = Keyed(keys_max)
        else:
            self.windows = Keyed(keys_max)

    def look(self, key: str, now: float, tokens: float) -> float:
        """Say how long to wait for tokens; 0.0 when they can be had now."""
        if self.buckets is not None:
            full_at = self.buckets.get(key)
            start = now if full_at is None or full_at < now else full_at
            wait = start + tokens * self.interval - now - self.window
            return wait if wait > SLACK else 0.0
        return self._look_window(key, now, tokens)

    def take(self, key: str, now: float, tokens: float) -> None:
        """Take what ``look`` has allowed."""
        if self.buckets is not None:
            full_at = self.buckets.get(key)
            start = now if full_at is None or full_at < now else full_at
            self.buckets.put(key, start + tokens * self.interval)
        else:
            begin, before, count = self._window_of(key, now)
            cast("Keyed[str, tuple[float, float, float]]", self.windows).put(
                key, (begin, before, count + tokens)
            )

    def give_back(self, key: str, tokens: float) -> None:
        """Undo a ``take``."""
        if self.buckets is not None:
            full_at = self.buckets.get(key)
            if full_at is not None:
                self.buckets.put(key, full_at - tokens * self.interval)
        elif self.windows is not None:
            window = self.windows.get(key)
            if window is not None:
                begin, before, count = window
                self.windows.put(key, (begin, before, max(0.0, count - tokens)))

    def forget(self, key: str) -> None:
        """Begin anew with a key."""
        if self.buckets is not None:
            self.buckets.remove(key)
        if self.windows is not None:
            self.windows.remove(key)

    def _window_of(self, key: str, now: float) -> tuple[float, float, float]:
        """Return begin of the current window, count of the one before, count of this one."""
        length = self.config.time_window
        found = cast("Keyed[str, tuple[float, float, float]]", self.windows).get(key)
        if found is None or now < found[0] or now >= found[0] + 2 * length:
            return now, 0.0, 0.0
        begin, before, count = found
        if now >= begin + length:
            return begin + length, count, 0.0
        return begin, before, count

    def _look_window(self, key: str, now: float, tokens: float) -> float:
        length, most = self.config.time_window, self.config.max_requests
        begin, before, count = self._window_of(key, now)
        overlap = 1 - (now - begin) / length
        if before * overlap + count + tokens <= most:
            return 0.0
        room = most - count - tokens
        if before > 0 and room >= 0:
            return max(0.0, begin + length * (1 - room / before) - now)
        # This window itself is full: in the next one it is the one before, and fades.
        room = most - tokens
        fades = 1.0 if room <= 0 else max(0.0, 1 - room / count)
        return begin + length + length * fades - now
