"""What a policy costs when nothing fails: ``python benchmarks/resilience.py`` (peers: dependency group ``bench``).

Each policy around a function that returns a constant, beside a bare call and every named peer that is installed, sync
and async, in one run. Printed: the best of several rounds in nanoseconds a call, the spread of the rounds in
per cent, and how many times ours a peer costs.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import itertools
import statistics
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

from holdfast.resilience import (
    Bulkhead,
    CircuitBreaker,
    CircuitBreakerConfig,
    Fallback,
    Policy,
    RateLimitConfig,
    RateLimiter,
    RetryPolicy,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROUNDS = 7
KEYS = 100_000


def bare() -> int:
    return 1


async def bare_async() -> int:
    return 1


def timed(call: Callable[[], object], number: int) -> list[float]:
    """Return nanoseconds a call, a number for each round."""
    rounds = []
    for _ in range(ROUNDS):
        repeat = itertools.repeat(None, number)
        began = time.perf_counter_ns()
        for _ in repeat:
            call()
        rounds.append((time.perf_counter_ns() - began) / number)
    return rounds


async def timed_async(call: Callable[[], Awaitable[object]], number: int) -> list[float]:
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        for _ in range(number):
            await call()
        rounds.append((time.perf_counter_ns() - began) / number)
    return rounds


class Table:
    """Rows of one section; the first one is ours, and what others are compared with."""

    def __init__(self, title: str) -> None:
        self.ours = 0.0
        print(f"\n{title}")

    def row(self, name: str, rounds: list[float], *, is_ours: bool = False) -> None:
        best = min(rounds)
        if is_ours:
            self.ours = best
        spread = 100 * statistics.pstdev(rounds) / best
        ratio = f"{best / self.ours:7.1f} x ours" if self.ours and not is_ours else ""
        print(f"  {name:<42}{best:9.0f} ns  ±{spread:3.0f} %{ratio}")


def peer(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"  {name:<42}  not installed")
        return None


def retries(number: int) -> None:
    table = Table("retry, sync")
    table.row("bare call", timed(bare, number))
    policy = RetryPolicy()
    table.row("holdfast RetryPolicy.call", timed(lambda: policy.call(bare), number), is_ours=True)
    table.row("holdfast, decorated", timed(policy(bare), number))
    if tenacity := peer("tenacity"):
        guarded = tenacity.retry(stop=tenacity.stop_after_attempt(3))(bare)
        table.row("tenacity", timed(guarded, number // 20))
    if stamina := peer("stamina"):
        table.row("stamina", timed(stamina.retry(on=ValueError, attempts=3)(bare), number // 20))
    if backoff := peer("backoff"):
        guarded = backoff.on_exception(backoff.expo, ValueError, max_tries=3)(bare)
        table.row("backoff", timed(guarded, number // 10))


async def retries_async(number: int) -> None:
    table = Table("retry, async")
    table.row("bare await", await timed_async(bare_async, number))
    policy = RetryPolicy()
    ours = await timed_async(lambda: policy.call_async(bare_async), number)
    table.row("holdfast RetryPolicy.call_async", ours, is_ours=True)
    if tenacity := peer("tenacity"):
        guarded = tenacity.retry(stop=tenacity.stop_after_attempt(3))(bare_async)
        table.row("tenacity", await timed_async(guarded, number // 20))
    if stamina := peer("stamina"):
        guarded = stamina.retry(on=ValueError, attempts=3)(bare_async)
        table.row("stamina", await timed_async(guarded, number // 20))
    if backoff := peer("backoff"):
        guarded = backoff.on_exception(backoff.expo, ValueError, max_tries=3)(bare_async)
        table.row("backoff", await timed_async(guarded, number // 10))


def breakers(number: int) -> None:
    table = Table("circuit breaker, closed, sync")
    breaker = CircuitBreaker("a")
    table.row(
        "holdfast CircuitBreaker.call", timed(lambda: breaker.call(bare), number), is_ours=True
    )
    window = CircuitBreaker("b", CircuitBreakerConfig(window_calls=100))
    table.row("holdfast, window of 100 calls", timed(lambda: window.call(bare), number // 5))
    seconds = CircuitBreaker("c", CircuitBreakerConfig(window_time=10.0))
    table.row("holdfast, window of 10 s", timed(lambda: seconds.call(bare), number // 5))
    if pybreaker := peer("pybreaker"):
        theirs = pybreaker.CircuitBreaker(fail_max=5)
        table.row("pybreaker", timed(lambda: theirs.call(bare), number // 5))
    if purgatory := peer("purgatory"):
        guarded = purgatory.SyncCircuitBreakerFactory()("a")(bare)
        table.row("purgatory", timed(guarded, number // 5))


async def breakers_async(number: int) -> None:
    table = Table("circuit breaker, closed, async")
    breaker = CircuitBreaker("a")
    ours = await timed_async(lambda: breaker.call_async(bare_async), number)
    table.row("holdfast CircuitBreaker.call_async", ours, is_ours=True)
    if purgatory := peer("purgatory"):
        guarded = purgatory.AsyncCircuitBreakerFactory()("a")(bare_async)
        table.row("purgatory", await timed_async(guarded, number // 5))


def limiters(number: int) -> None:
    keys = [f"peer-{index:06d}" for index in range(KEYS)]
    config = RateLimitConfig(1e9, 1.0, 1e9)
    limits = peer("limits")
    for title, source in (("one key", ["peer"]), (f"{KEYS:,} keys", keys)):
        table = Table(f"rate limit, {title}")
        limiter = RateLimiter(config)
        around = itertools.cycle(source).__next__
        for key in source:
            limiter.allow(key)
        table.row(
            "holdfast RateLimiter.allow",
            timed(lambda: limiter.allow(around()), number),
            is_ours=True,
        )
        sliding = RateLimiter(RateLimitConfig(1e9, 1.0, None, algorithm="sliding_window"))
        table.row("holdfast, sliding window", timed(lambda: sliding.allow(around()), number // 5))
        if limits:
            for name in ("FixedWindowRateLimiter", "MovingWindowRateLimiter"):
                strategy = getattr(limits.strategies, name)(limits.storage.MemoryStorage())
                item = limits.RateLimitItemPerSecond(10**6)
                row = timed(lambda: strategy.hit(item, around()), number // 50)
                table.row(f"limits {name}", row)
    gc.collect()
    tracemalloc.start()
    limiter = RateLimiter(config)
    for key in keys:
        limiter.allow(key)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"  memory: {size / KEYS:.0f} bytes a key besides its name")


async def limiters_async(number: int) -> None:
    table = Table("rate limit, async")
    limiter = RateLimiter(RateLimitConfig(1e9, 1.0, 1e9))
    ours = await timed_async(lambda: limiter.wait("peer"), number)
    table.row("holdfast RateLimiter.wait", ours, is_ours=True)
    if aiolimiter := peer("aiolimiter"):
        theirs = aiolimiter.AsyncLimiter(1e9, 1.0)
        table.row("aiolimiter acquire", await timed_async(theirs.acquire, number // 2))


def pipeline() -> Policy:
    return Policy(
        timeout=5.0,
        retry=RetryPolicy(),
        rate_limit=RateLimiter(RateLimitConfig(1e9, 1.0, 1e9)).limit("peer"),
        circuit_breaker=CircuitBreaker("all"),
        bulkhead=Bulkhead(10),
        fallback=Fallback(None),
    )


def main() -> None:
    """Measure and print."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    retries(number)
    asyncio.run(retries_async(number // 3))
    breakers(number)
    asyncio.run(breakers_async(number // 3))
    limiters(number)
    asyncio.run(limiters_async(number // 3))
    policy = pipeline()
    table = Table(
        "everything: fallback > timeout > retry > rate limit > circuit breaker > bulkhead"
    )
    table.row("holdfast Policy.call", timed(lambda: policy.call(bare), number // 5), is_ours=True)
    ours = asyncio.run(timed_async(lambda: policy.call_async(bare_async), number // 10))
    table.row("holdfast Policy.call_async", ours)


if __name__ == "__main__":
    main()
