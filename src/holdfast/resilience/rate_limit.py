"""Rate limits: how often each may, and how long to wait otherwise.

Token buckets are kept in the form of the generic cell rate algorithm (ITU-T I.371): one number a bucket, the
moment at which it is full again, so waiting times are exact and a key costs no more than its name.
"""

from __future__ import annotations

import functools
import inspect
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypeVar, cast

from holdfast.errors import ErrorCode, RateLimitError
from holdfast.resilience import _ambient
from holdfast.resilience._keyed import Keyed
from holdfast.resilience.events import emit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

SLACK: Final = 1e-6
"""Seconds of waiting that count as none: sums of intervals are not exact in binary."""

P = ParamSpec("P")
T = TypeVar("T")

KEYS_MAX: Final = 1_000_000
"""Keys that a limiter remembers at most; one that is forgotten begins with a full bucket."""

WAIT_MAX: Final = 60.0
"""Seconds that ``wait`` waits at most by default."""


class TokenBucket:
    """Allows ``rate`` tokens a second in the long run and ``burst`` at once; not for threads.

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
        if wait > SLACK:
            return wait
        self._full_at = full_at
        return 0.0


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


class _Rule:
    """A configuration with its keys."""

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

    def reserve(self, key: str, now: float, tokens: float) -> float:
        """Take tokens of the future; returns the seconds until they are there."""
        wait = self.look(key, now, tokens)
        self.take(key, now, tokens)
        return wait

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


def _plain_allow(
    rule: _Rule, lock: threading.Lock, refusal: Callable[[str, float, float], RateLimitError]
) -> Callable[[str, float], None]:
    """Make ``RateLimiter.allow`` for nearly all calls: one function, one lock, one dict."""
    buckets, interval, window = cast("Keyed[str, float]", rule.buckets), rule.interval, rule.window

    def allow(key: str, tokens: float = 1.0) -> None:
        now = time.monotonic()
        with lock:
            full_at = buckets.young.get(key)
            is_young = full_at is not None
            if full_at is None:
                full_at = buckets.old.get(key, now)
            full_at = (max(full_at, now)) + tokens * interval
            wait = full_at - now - window
            if wait <= 0:
                if is_young:
                    buckets.young[key] = full_at
                else:
                    buckets.put(key, full_at)
                return
        raise refusal(key, tokens, wait)

    return allow


class RateLimiter:
    """Limits by key; safe under threads and tasks.

    ::

        limiter = RateLimiter(RateLimitConfig(max_requests=100, time_window=60.0, burst_size=10))
        limiter.allow("peer-17")                  # raises RateLimitError with retry_after
        limiter.set_limit("peer-17", RateLimitConfig(max_requests=10))
        await limiter.wait("peer-17")             # or waits for its turn

    Args:
        config: for keys without one of their own.
        tiers: configurations by name, for ``set_tier``.
        keys_max: keys that are remembered at most.
        name: in events.
    """

    def __init__(
        self,
        config: RateLimitConfig | None = None,
        *,
        tiers: Mapping[str, RateLimitConfig] | None = None,
        keys_max: int = KEYS_MAX,
        name: str = "rate_limit",
    ) -> None:
        self.name = name
        self._keys_max = keys_max
        self._default = _Rule(config or RateLimitConfig(), keys_max)
        self._tiers = {tier: _Rule(c, keys_max) for tier, c in (tiers or {}).items()}
        self._own: Keyed[str, _Rule] = Keyed(keys_max)
        self._has_own = False
        self._lock = threading.Lock()
        if self._default.buckets is not None:
            # Until a key has a limit of its own, this stands in for the method of the same name.
            self.__dict__["allow"] = _plain_allow(self._default, self._lock, self._refusal)

    # --- who may how much -------------------------------------------------------------------

    def set_limit(self, key: str, config: RateLimitConfig) -> None:
        """Give a key a limit of its own; it begins with a full bucket."""
        with self._lock:
            self._own.put(key, _Rule(config, 2))
            self._has_own = True
        self.__dict__.pop("allow", None)

    def set_tier(self, key: str, tier: str) -> None:
        """Put a key into a tier.

        Raises:
            KeyError: there is no such tier.
        """
        with self._lock:
            self._own.put(key, self._tiers[tier])
            self._has_own = True
        self.__dict__.pop("allow", None)

    def forget(self, key: str) -> None:
        """Forget all about a key."""
        with self._lock:
            rule = self._rule_of(key)
            rule.forget(key)
            self._own.remove(key)

    def __len__(self) -> int:
        rules = (self._default, *self._tiers.values())
        return sum(len(rule.buckets or rule.windows or ()) for rule in rules) + len(self._own)

    def _rule_of(self, key: str) -> _Rule:
        if self._has_own:
            found = self._own.get(key)
            if found is not None:
                return found
        return self._default

    # --- asking -----------------------------------------------------------------------------

    def check(self, key: str, tokens: float = 1.0, *, now: float | None = None) -> float:
        """Take tokens, or say how long to wait for them.

        Args:
            key: whose.
            tokens: how many this costs.
            now: monotonic seconds, for callers that know them.

        Returns:
            0.0 when they were taken, else the seconds after which they can be; nothing was taken.
        """
        if now is None:
            now = time.monotonic()
        with self._lock:
            rule = self._rule_of(key)
            wait = rule.look(key, now, tokens)
            if wait <= 0:
                rule.take(key, now, tokens)
            return wait

    def allow(self, key: str, tokens: float = 1.0) -> None:
        """Take tokens.

        Raises:
            RateLimitError: 2001, ``retry_after`` is exact; or 2002, so many can never be had at once.
        """
        wait = self.check(key, tokens)
        if wait > 0:
            raise self._refusal(key, tokens, wait)

    def allow_all(self, keys: Sequence[str], tokens: float = 1.0) -> None:
        """Take tokens of several keys (a peer, then all together), or of none of them.

        Raises:
            RateLimitError: as ``allow``; for the key that has to wait longest.
        """
        now = _ambient.monotonic()
        with self._lock:
            waits = [(self._rule_of(key).look(key, now, tokens), key) for key in keys]
            worst, slowest = max(waits, default=(0.0, ""))
            if worst <= 0:
                for key in keys:
                    self._rule_of(key).take(key, now, tokens)
                return
        raise self._refusal(slowest, tokens, worst)

    async def wait(self, key: str, tokens: float = 1.0, *, max_wait: float = WAIT_MAX) -> None:
        """Wait for tokens, first come, first served.

        Raises:
            RateLimitError: 2001; it would take longer than ``max_wait`` seconds; nothing was taken.

        Cancelled: the tokens are given back.
        """
        delay = self._reserve(key, tokens, max_wait)
        if delay > 0:
            try:
                await _ambient.sleep_async(delay)
            except BaseException:
                with self._lock:
                    self._rule_of(key).give_back(key, tokens)
                raise

    def wait_sync(self, key: str, tokens: float = 1.0, *, max_wait: float = WAIT_MAX) -> None:
        """As ``wait``, in a thread."""
        delay = self._reserve(key, tokens, max_wait)
        if delay > 0:
            _ambient.sleep(delay)

    def _reserve(self, key: str, tokens: float, max_wait: float) -> float:
        """Stand in the queue: the bucket's own number is the queue."""
        now = _ambient.monotonic()
        with self._lock:
            rule = self._rule_of(key)
            delay = rule.look(key, now, tokens)
            if delay <= max_wait:
                rule.take(key, now, tokens)
                return delay
        raise self._refusal(key, tokens, delay)

    def _refusal(self, key: str, tokens: float, wait: float) -> RateLimitError:
        config = self._rule_of(key).config
        burst = config.max_requests
        if config.algorithm == "token_bucket" and config.burst_size is not None:
            burst = config.burst_size
        emit("rate_limit", self.name, "rejected", key=key, tokens=tokens, retry_after=wait)
        if tokens > burst:
            return RateLimitError(
                f"{tokens:g} tokens can never be had at once; {burst:g} is the most.",
                code=ErrorCode.RATE_LIMIT_QUOTA_EXHAUSTED,
            )
        return RateLimitError(
            f"Too many requests of {key!r}; try again in {wait:.3f} s.",
            retry_after=wait,
            details={"limit": config.max_requests, "window": config.time_window},
        )

    # --- as a policy ------------------------------------------------------------------------

    def limit(self, key: str, tokens: float = 1.0) -> KeyLimit:
        """Return this limit for one key, as a policy of calls."""
        return KeyLimit(self, key, tokens)


class KeyLimit:
    """The limit of one key around calls: ``RateLimiter.limit`` makes it."""

    def __init__(self, limiter: RateLimiter, key: str, tokens: float) -> None:
        self._limiter = limiter
        self._key = key
        self._tokens = tokens

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function if the limit allows it; raises RateLimitError."""
        self._limiter.allow(self._key, self._tokens)
        return func(*args, **kwargs)

    async def call_async(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await a coroutine function if the limit allows it; raises RateLimitError."""
        self._limiter.allow(self._key, self._tokens)
        return await func(*args, **kwargs)

    def __call__(self, func: Callable[P, T]) -> Callable[P, T]:
        """Decorate a function or a coroutine function."""
        if inspect.iscoroutinefunction(func):

            @functools.wraps(func)
            async def limited_async(*args: Any, **kwargs: Any) -> Any:
                return await self.call_async(func, *args, **kwargs)

            return cast("Callable[P, T]", limited_async)

        @functools.wraps(func)
        def limited(*args: P.args, **kwargs: P.kwargs) -> T:
            return self.call(func, *args, **kwargs)

        return limited
