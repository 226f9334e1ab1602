"""Retry: the same call again, later, while there is hope and budget.

::

    policy = RetryPolicy(max_attempts=5, retry_on=ConnectionError)
    result = policy.call(fetch, url)                      # or await policy.call_async(...)
    fetch = policy(fetch)                                 # as a decorator, sync or async
    async for attempt in policy.attempts("fetch"):        # as a block; sync with a plain for
        with attempt:
            result = await fetch(url)

An exception that is no ``Exception`` (cancellation, Ctrl-C) passes at once: it is not retried and not counted.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

from holdfast.errors import RetryExhaustedError
from holdfast.resilience import _ambient, backoff
from holdfast.resilience._attempts import Attempts
from holdfast.resilience._decorating import Decorating
from holdfast.resilience.events import emit

if TYPE_CHECKING:
    from holdfast.resilience.budget import RetryBudget

P = ParamSpec("P")
T = TypeVar("T")
Strategy = Callable[["RetryPolicy"], Iterator[float]]
log = logging.getLogger("holdfast.resilience.retry")

OPERATIONS_MAX: Final = 1000
"""Operations of one policy that have statistics of their own; further ones share ``"(others)"``."""

RETRY_AFTER_SPREAD: Final = 0.1
"""Share added at random to a wait that a server asked for, so that those it asked do not return together."""


class RetryStatistics:
    """What became of the calls of one operation."""

    __slots__ = ("_calls", "failures", "retries")

    def __init__(self) -> None:
        # next() of a count is atomic under threads, which += is not, and the fastest there is.
        self._calls = itertools.count()
        self.retries = 0
        self.failures = 0

    @property
    def calls(self) -> int:
        """How many calls have ended, well or not."""
        return cast("int", self._calls.__reduce__()[1][0])

    @property
    def successes(self) -> int:
        """How many have ended well."""
        return self.calls - self.failures

    def to_dict(self) -> dict[str, int]:
        """Return all figures."""
        return {
            "calls": self.calls,
            "successes": self.successes,
            "failures": self.failures,
            "retries": self.retries,
        }


def exponential_backoff(policy: RetryPolicy) -> Iterator[float]:
    """Double each time, drawn between 0 and that (full jitter), unless ``jitter`` is off."""
    delays = backoff.exponential(
        initial=policy.initial_delay, maximum=policy.max_delay, base=policy.exponential_base
    )
    return backoff.full_jitter(delays, _ambient.uniform) if policy.jitter else delays


def fixed_delay(policy: RetryPolicy) -> Iterator[float]:
    """Wait the same each time."""
    return _spread(policy, backoff.fixed(initial=policy.initial_delay))


def linear_backoff(policy: RetryPolicy) -> Iterator[float]:
    """Wait ``initial_delay`` longer each time."""
    return _spread(policy, backoff.linear(initial=policy.initial_delay, maximum=policy.max_delay))


def fibonacci_backoff(policy: RetryPolicy) -> Iterator[float]:
    """Wait as the Fibonacci numbers grow."""
    delays = backoff.fibonacci(initial=policy.initial_delay, maximum=policy.max_delay)
    return _spread(policy, delays)


def decorrelated_jitter(policy: RetryPolicy) -> Iterator[float]:
    """Draw between ``initial_delay`` and three times the last wait."""
    return backoff.decorrelated(
        _ambient.uniform, initial=policy.initial_delay, maximum=policy.max_delay
    )


def _spread(policy: RetryPolicy, delays: Iterator[float]) -> Iterator[float]:
    if not policy.jitter:
        return delays
    return (delay * _ambient.uniform(0.75, 1.25) for delay in delays)


@dataclass(frozen=True, kw_only=True, eq=False)
class RetryPolicy(Decorating):
    """When and how often to try again; immutable, shared by sync and async code.

    Attributes:
        max_attempts: of one call, the first included.
        initial_delay: seconds before the second attempt, at most when there is jitter.
        max_delay: seconds between two attempts at most; what a server asks for may be longer.
        exponential_base: growth of the default strategy.
        jitter: vary the delays, so that those who failed together do not return together.
        strategy: makes the delays; any function from a policy to an iterator of seconds.
        retry_on: exception types, or a predicate of the exception.
        retry_result: predicate of a result that counts as a failure.
        deadline: seconds for the whole call; no wait is begun that ends after it.
        budget: shared with other calls to the same target.
        on_retry: called with the attempt's number, its error and the seconds until the next.
        name: in statistics, logs and events.
    """

    max_attempts: int = 3
    initial_delay: float = 1.0
    max_delay: float = 60.0
    exponential_base: float = 2.0
    jitter: bool = True
    strategy: Strategy = exponential_backoff
    retry_on: type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool] = (
        Exception
    )
    retry_result: Callable[[Any], bool] | None = None
    deadline: float | None = None
    budget: RetryBudget | None = None
    on_retry: Callable[[int, Exception | None, float], None] | None = None
    name: str = "retry"
    _operations: dict[str, RetryStatistics] = field(default_factory=dict, init=False, repr=False)
    _own: RetryStatistics = field(default_factory=RetryStatistics, init=False, repr=False)
    _is_simple: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the figures.

        Raises:
            ValueError: one makes no sense; the message names it.
        """
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts must be at least 1, not {self.max_attempts}")
        for name in ("initial_delay", "max_delay"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        if self.deadline is not None and self.deadline <= 0:
            raise ValueError(f"deadline must be more than 0, not {self.deadline}")
        self._operations[self.name] = self._own
        object.__setattr__(self, "_is_simple", self.retry_result is None and self.budget is None)

    # --- calls ------------------------------------------------------------------------------

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function, again if need be.

        Raises:
            RetryExhaustedError: 4001; attempts, deadline or budget are used up; ``__cause__`` is the last error.
            Exception: what is not to be retried, as it came.
        """
        if not self._is_simple:
            return self._repeat(self._own, self.name, func, args, kwargs)
        # The way of nearly all calls, kept free of everything that only failures need.
        started = 0.0 if self.deadline is None else _ambient.monotonic()
        try:
            result = func(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - judged and raised again there
            return self._repeat(self._own, self.name, func, args, kwargs, error, started)
        next(self._own._calls)
        return result

    async def call_async(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await a coroutine function, again if need be; raises as ``call`` does."""
        if not self._is_simple:
            return await self._repeat_async(self._own, self.name, func, args, kwargs)
        started = 0.0 if self.deadline is None else _ambient.monotonic()
        try:
            result = await func(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - judged and raised again there
            return await self._repeat_async(
                self._own, self.name, func, args, kwargs, error, started
            )
        next(self._own._calls)
        return result

    def attempts(self, operation: str | None = None) -> Attempts:
        """Return the attempts of a block, for ``for`` and ``async for``."""
        return Attempts(self, operation or self.name)

    def statistics(self, operation: str | None = None) -> RetryStatistics:
        """Return the figures of an operation; of the policy's own calls by default."""
        name = operation or self.name
        found = self._operations.get(name)
        if found is None:
            if len(self._operations) >= OPERATIONS_MAX:
                name = "(others)"
            found = self._operations.setdefault(name, RetryStatistics())
        return found

    # --- deciding ---------------------------------------------------------------------------

    def is_retryable(self, error: Exception) -> bool:
        """Say whether this error is worth another attempt."""
        wanted = self.retry_on
        if isinstance(wanted, type | tuple):
            return isinstance(error, wanted)
        return wanted(error)

    def next_delay(self, state: RetryState, error: Exception | None, operation: str) -> float:
        """Say how long to wait after a failed attempt.

        Raises:
            RetryExhaustedError: 4001; there is no further attempt.
            Exception: the error itself, when it is not to be retried.
        """
        if error is not None and not self.is_retryable(error):
            state.statistics.failures += 1
            next(state.statistics._calls)
            raise error
        number = state.number
        delay = next(state.delays, None)
        asked = getattr(error, "retry_after", None)
        if delay is not None and isinstance(asked, int | float) and asked > 0:
            delay = max(delay, asked * (1 + _ambient.uniform(0, RETRY_AFTER_SPREAD)))
        reason = self._why_not(number, delay, state.started)
        if reason is not None or delay is None:
            state.statistics.failures += 1
            next(state.statistics._calls)
            emit("retry", operation, "exhausted", attempts=number, reason=reason)
            log.info("%s failed after %d attempts (%s): %r", operation, number, reason, error)
            exhausted = RetryExhaustedError(
                f"{operation} failed after {number} attempts ({reason}): {error}",
                attempts=number,
                original=error,
            )
            exhausted.details["reason"] = reason
            raise exhausted from error
        state.statistics.retries += 1
        state.number += 1
        emit("retry", operation, "attempt_failed", attempt=number, delay=delay, error=repr(error))
        log.info("%s: attempt %d failed, the next in %.3f s: %r", operation, number, delay, error)
        if self.on_retry is not None:
            self.on_retry(number, error, delay)
        return delay

    def _why_not(self, number: int, delay: float | None, started: float) -> str | None:
        """Say why there is no further attempt; None when there is one."""
        if number >= self.max_attempts:
            return "attempts"
        if delay is None:
            return "strategy"
        if self.deadline is not None and (_ambient.monotonic() + delay >= started + self.deadline):
            return "deadline"
        if self.budget is not None and not self.budget.withdraw(_ambient.monotonic()):
            return "budget"
        return None

    # --- repeating --------------------------------------------------------------------------

    def begin(self, statistics: RetryStatistics, started: float | None = None) -> RetryState:
        """Begin a call; the budget earns by it."""
        if self.budget is not None:
            self.budget.deposit()
        if started is None:
            started = 0.0 if self.deadline is None else _ambient.monotonic()
        return RetryState(statistics, started, self.strategy(self))

    def _repeat(
        self,
        statistics: RetryStatistics,
        operation: str,
        func: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        error: Exception | None = None,
        started: float | None = None,
    ) -> T:
        state = self.begin(statistics, started)
        if error is not None:
            _ambient.sleep(self.next_delay(state, error, operation))
        while True:
            try:
                result = func(*args, **kwargs)
            except Exception as failed:  # noqa: BLE001 - next_delay raises it again, or its successor
                _ambient.sleep(self.next_delay(state, failed, operation))
                continue
            if self.retry_result is None or not self.retry_result(result):
                next(statistics._calls)
                return result
            _ambient.sleep(self.next_delay(state, None, operation))

    async def _repeat_async(
        self,
        statistics: RetryStatistics,
        operation: str,
        func: Callable[..., Awaitable[T]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        error: Exception | None = None,
        started: float | None = None,
    ) -> T:
        state = self.begin(statistics, started)
        if error is not None:
            await _ambient.sleep_async(self.next_delay(state, error, operation))
        while True:
            try:
                result = await func(*args, **kwargs)
            except Exception as failed:  # noqa: BLE001 - next_delay raises it again, or its successor
                await _ambient.sleep_async(self.next_delay(state, failed, operation))
                continue
            if self.retry_result is None or not self.retry_result(result):
                next(statistics._calls)
                return result
            await _ambient.sleep_async(self.next_delay(state, None, operation))


@dataclass(slots=True)
class RetryState:
    """How far one call has come.

    Attributes:
        statistics: where it counts.
        started: monotonic seconds, 0 when there is no deadline.
        delays: what is left of the schedule.
        number: of the attempt that is being made, from 1.
    """

    statistics: RetryStatistics
    started: float
    delays: Iterator[float]
    number: int = 1


async def retry_with_policy(
    func: Callable[[], Awaitable[T]], policy: RetryPolicy, operation_name: str
) -> T:
    """Await ``func()`` under a policy, with statistics of its own; raises as ``RetryPolicy.call``."""
    return await policy._repeat_async(
        policy.statistics(operation_name), operation_name, func, (), {}
    )


def retry_sync(func: Callable[[], T], policy: RetryPolicy, operation_name: str) -> T:
    """Call ``func()`` under a policy, with statistics of its own; raises as ``RetryPolicy.call``."""
    return policy._repeat(policy.statistics(operation_name), operation_name, func, (), {})
