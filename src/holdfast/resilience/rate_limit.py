"""Rate limits: how often each may, and how long to wait otherwise.

Token buckets are kept in the form of the generic cell rate algorithm (ITU-T I.371): one number a bucket, the
moment at which it is full again, so waiting times are exact and a key costs no more than its name.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from holdfast.errors import ErrorCode, RateLimitError
from holdfast.resilience import _ambient
from holdfast.resilience._decorating import Decorating
from holdfast.resilience._keyed import Keyed
from holdfast.resilience._limit_rules import SLACK, RateLimitConfig, Rule
from holdfast.resilience.events import emit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

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


def _plain_allow(
    rule: Rule, lock: threading.Lock, refusal: Callable[[str, float, float], RateLimitError]
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
        self._default = Rule(config or RateLimitConfig(), keys_max)
        self._tiers = {tier: Rule(c, keys_max) for tier, c in (tiers or {}).items()}
        self._own: Keyed[str, Rule] = Keyed(keys_max)
        self._has_own = False
        self._lock = threading.Lock()
        if self._default.buckets is not None:
            # Until a key has a limit of its own, this stands in for the method of the same name.
            self.__dict__["allow"] = _plain_allow(self._default, self._lock, self._refusal)

    # --- who may how much -------------------------------------------------------------------

    def set_limit(self, key: str, config: RateLimitConfig) -> None:
        """Give a key a limit of its own; it begins with a full bucket."""
        with self._lock:
            self._own.put(key, Rule(config, 2))
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

    def _rule_of(self, key: str) -> Rule:
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


class KeyLimit(Decorating):
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
