"""A pipeline of policies around a call, in the order that makes sense.

::

    policy = Policy(
        timeout=10.0,                                     # for everything
        retry=RetryPolicy(max_attempts=4),
        rate_limit=limiter.limit("payments"),
        circuit_breaker=CircuitBreaker("payments"),
        bulkhead=Bulkhead(20),
        attempt_timeout=2.0,                              # for one attempt
        fallback=Fallback(None),
    )
    await policy.call_async(charge, order)

From the outside to the inside: fallback (answers whatever fails), timeout (bounds the retries too), retry (each
attempt passes all that follows), rate limit (retries count), circuit breaker (refusals of the limit are not its
target's failures), bulkhead (only what is really called takes a place), hedge, attempt timeout, chaos.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast

from holdfast.resilience._decorating import Decorating
from holdfast.resilience.timeout import Timeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.resilience.bulkhead import Bulkhead
    from holdfast.resilience.chaos import Chaos
    from holdfast.resilience.circuit_breaker import CircuitBreaker
    from holdfast.resilience.fallback import Fallback
    from holdfast.resilience.hedge import Hedge
    from holdfast.resilience.rate_limit import KeyLimit
    from holdfast.resilience.retry import RetryPolicy

P = ParamSpec("P")
T = TypeVar("T")


class CallPolicy(Protocol):
    """What all policies are: something that makes a call in its own way. Yours fits in as well."""

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function."""
        ...

    async def call_async(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await a coroutine function."""
        ...


class Policy(Decorating):
    """Several policies as one.

    Args:
        timeout: seconds, or a ``Timeout``, for the whole of a call.
        retry: makes further attempts.
        circuit_breaker: refuses calls to what is broken.
        bulkhead: bounds concurrency.
        rate_limit: of one key; ``RateLimiter.limit`` makes it.
        fallback: answers for what failed.
        hedge: asks twice when it takes long.
        attempt_timeout: seconds, or a ``Timeout``, for one attempt.
        chaos: breaks calls on purpose, closest to them.
        order: names in an order of your own, from the outside to the inside.

    Attributes:
        order: names of the policies, from the outside to the inside.
    """

    DEFAULT_ORDER = (
        "fallback", "timeout", "retry", "rate_limit", "circuit_breaker", "bulkhead", "hedge",
        "attempt_timeout", "chaos",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - one for each policy, by name
        self,
        *,
        timeout: float | Timeout | None = None,
        retry: RetryPolicy | None = None,
        circuit_breaker: CircuitBreaker | None = None,
        bulkhead: Bulkhead | None = None,
        rate_limit: KeyLimit | None = None,
        fallback: Fallback | None = None,
        hedge: Hedge | None = None,
        attempt_timeout: float | Timeout | None = None,
        chaos: Chaos | None = None,
        order: tuple[str, ...] = DEFAULT_ORDER,
    ) -> None:
        given: dict[str, CallPolicy | None] = {
            "timeout": _timeout(timeout),
            "retry": retry,
            "circuit_breaker": circuit_breaker,
            "bulkhead": bulkhead,
            "rate_limit": rate_limit,
            "fallback": fallback,
            "hedge": hedge,
            "attempt_timeout": _timeout(attempt_timeout),
            "chaos": chaos,
        }
        wanted = {name for name, policy in given.items() if policy is not None}
        missing = wanted - set(order)
        if missing or set(order) - set(given):
            raise ValueError(
                f"order must name each policy that is given, and no other: {sorted(missing)} "
                f"missing, {sorted(set(order) - set(given))} unknown"
            )
        self.order = tuple(name for name in order if name in wanted)
        policies = [cast("CallPolicy", given[name]) for name in self.order]
        # Each policy's call takes a function and its arguments; so the next one's call can be that
        # function, and a pipeline needs no closure made for a call.
        self._calls = tuple(policy.call for policy in policies)
        self._calls_async = tuple(policy.call_async for policy in policies)

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function through all policies."""
        if not self._calls:
            return func(*args, **kwargs)
        first, *rest = self._calls
        return cast("T", first(*rest, func, *args, **kwargs))

    async def call_async(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await a coroutine function through all policies."""
        if not self._calls_async:
            return await func(*args, **kwargs)
        first, *rest = self._calls_async
        return cast("T", await first(*rest, func, *args, **kwargs))

    def __repr__(self) -> str:
        return f"<Policy {' > '.join(self.order) or 'empty'}>"


def _timeout(given: float | Timeout | None) -> Timeout | None:
    return Timeout(given) if isinstance(given, int | float) else given
