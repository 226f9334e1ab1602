"""The claims of docs/resilience/comparison.md, each as a check: ``python benchmarks/resilience_claims.py``.

Peers come from the dependency group ``bench``; those that are not installed are passed over.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import threading
import time
from typing import TYPE_CHECKING, Any

from holdfast import resilience
from holdfast.resilience import CircuitBreaker, CircuitBreakerConfig

if TYPE_CHECKING:
    from collections.abc import Callable

CLAIMS: list[tuple[str, str, Callable[[Any], object]]] = []


def claim(package: str, text: str) -> Callable[[Callable[[Any], object]], Callable[[Any], object]]:
    def keep(check: Callable[[Any], object]) -> Callable[[Any], object]:
        CLAIMS.append((package, text, check))
        return check

    return keep


async def herd(guard: Callable[..., Any], fail: Callable[..., Any], wait: float) -> int:
    """Open a breaker, wait until it is half-open, send fifty calls at once; return how many got through."""
    for _ in range(5):
        try:
            await guard(fail)
        except Exception:
            pass
    await asyncio.sleep(wait)
    inside = 0

    async def probe() -> None:
        nonlocal inside
        inside += 1
        await asyncio.sleep(0.05)

    await asyncio.gather(*(guard(probe) for _ in range(50)), return_exceptions=True)
    return inside


async def _fail() -> None:
    raise ConnectionError


@claim("holdfast", "half-open lets one of fifty concurrent calls through")
def _(_: Any) -> object:
    breaker = CircuitBreaker("a", CircuitBreakerConfig(failure_threshold=5, timeout=0.05))
    found = asyncio.run(herd(breaker.call_async, _fail, 0.06))
    assert found == 1
    return found


@claim("purgatory", "half-open lets all fifty concurrent calls through")
def _(purgatory: Any) -> object:
    factory = purgatory.AsyncCircuitBreakerFactory(default_threshold=5, default_ttl=0.05)

    async def guard(call: Callable[..., Any]) -> None:
        async with await factory.get_breaker("a"):
            await call()

    found = asyncio.run(herd(guard, _fail, 0.06))
    assert found == 50
    return found


@claim(
    "pybreaker",
    "its calls wait for one another: four of 50 ms take 200 ms and more in four threads",
)
def _(pybreaker: Any) -> object:
    breaker = pybreaker.CircuitBreaker()
    began = time.perf_counter()
    work = [threading.Thread(target=lambda: breaker.call(time.sleep, 0.05)) for _ in range(4)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    took = time.perf_counter() - began
    assert took > 0.18
    return f"{took:.2f} s"


@claim("holdfast", "four calls of 50 ms in four threads take 50 ms")
def _(_: Any) -> object:
    breaker = CircuitBreaker()
    began = time.perf_counter()
    work = [threading.Thread(target=lambda: breaker.call(time.sleep, 0.05)) for _ in range(4)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    took = time.perf_counter() - began
    assert took < 0.15
    return f"{took:.2f} s"


@claim("tenacity", "no parameter for a budget shared by calls")
def _(tenacity: Any) -> object:
    names = set(inspect.signature(tenacity.BaseRetrying.__init__).parameters)
    assert not {name for name in names if "budget" in name}
    return len(names)


@claim("tenacity", "composes stop and wait conditions with operators, which ours does not")
def _(tenacity: Any) -> object:
    composed = tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(10)
    assert callable(composed)
    return type(composed).__name__


@claim("limits", "counts in Redis and Memcached for several processes, which ours does not yet")
def _(limits: Any) -> object:
    storages = [name for name in dir(limits.storage) if name.endswith("Storage")]
    assert "RedisStorage" in storages
    assert not [name for name in resilience.__all__ if "Redis" in name]
    return ", ".join(sorted(storages)[:6])


@claim(
    "limits", "a refused hit tells nothing but False; the time to wait has to be asked for apart"
)
def _(limits: Any) -> object:
    strategy = limits.strategies.MovingWindowRateLimiter(limits.storage.MemoryStorage())
    item = limits.RateLimitItemPerMinute(1)
    strategy.hit(item, "a")
    found = strategy.hit(item, "a")
    assert found is False
    return found


@claim("aiolimiter", "any number of tasks may wait: there is no bound")
def _(aiolimiter: Any) -> object:
    names = set(inspect.signature(aiolimiter.AsyncLimiter.__init__).parameters) - {"self"}
    assert names == {"max_rate", "time_period"}
    return sorted(names)


def main() -> None:
    """Check all, and say what was seen."""
    for package, text, check in CLAIMS:
        try:
            module = importlib.import_module(package)
        except ImportError:
            print(f"-  {package}: not installed, not checked: {text}")
            continue
        print(f"ok {package}: {text} [{check(module)}]")


if __name__ == "__main__":
    main()
