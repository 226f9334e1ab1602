"""Circuit breaker: do not call what is broken, and do not break what recovers.

::

    breaker = CircuitBreaker("payments", CircuitBreakerConfig(failure_threshold=5, timeout=30.0))
    breaker.call(charge, order)                 # or await breaker.call_async(...)
    charge = breaker(charge)                    # as a decorator, sync or async
    with breaker: ...                           # or async with

Safe under threads and tasks. Cancellation is neither a success nor a failure.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

from holdfast.errors import CircuitBreakerOpenError, ErrorCode
from holdfast.resilience import _ambient
from holdfast.resilience._breaker_machine import (
    BreakerMachine,
    CircuitBreakerConfig,
    CircuitState,
    Trigger,
)
from holdfast.resilience._decorating import Decorating
from holdfast.resilience.events import emit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

P = ParamSpec("P")
T = TypeVar("T")

_blocks: ContextVar[tuple[tuple[int, float], ...]] = ContextVar("holdfast_blocks", default=())
"""Tickets and beginnings of the ``with`` blocks that are open here, the innermost last."""

BREAKERS_MAX: Final = 10_000
"""Breakers of one manager; the least recently used is forgotten, and is closed if it comes again."""


class CircuitBreaker(Decorating):
    """Guards calls to one target.

    Args:
        name: in errors, events and statistics.
        config: when it opens and closes.
    """

    def __init__(self, name: str = "circuit", config: CircuitBreakerConfig | None = None) -> None:
        self.name = name
        self.config = CircuitBreakerConfig() if config is None else config
        self._machine = BreakerMachine(self.config)
        self._lock = threading.Lock()
        self._listeners: list[Callable[[CircuitBreaker, CircuitState, CircuitState], None]] = []
        # next() of a count is atomic under threads, which += is not, and the fastest there is.
        self._calls = itertools.count()
        self._failed = 0
        self._rejected = 0
        self._expected = self.config.expected_exception
        self._is_plain = not self.config.has_window

    # --- state ------------------------------------------------------------------------------

    @property
    def state(self) -> CircuitState:
        """What it does with calls; an open one whose timeout is over still says open."""
        return self._machine.state

    def statistics(self) -> dict[str, object]:
        """Return state, calls that were let through and ended, failures, rejected calls."""
        return {
            "state": self.state.value,
            "calls": cast("int", self._calls.__reduce__()[1][0]),
            "failures": self._failed,
            "rejected": self._rejected,
            "consecutive_failures": self._machine.failures,
        }

    def on_change(
        self, listener: Callable[[CircuitBreaker, CircuitState, CircuitState], None]
    ) -> None:
        """Tell a listener of each change: the breaker, the old state, the new one."""
        self._listeners.append(listener)

    def force_open(self) -> None:
        """Let nothing through until ``reset``."""
        self._by_hand(Trigger.FORCE_OPEN)

    def force_closed(self) -> None:
        """Let everything through until ``reset``."""
        self._by_hand(Trigger.FORCE_CLOSED)

    def reset(self) -> None:
        """Close it and forget what was."""
        self._by_hand(Trigger.RESET)

    def _by_hand(self, trigger: Trigger) -> None:
        with self._lock:
            before = self._machine.state
            self._machine.force(trigger)
        self._changed(before)

    def _changed(self, before: CircuitState) -> None:
        after = self._machine.state
        if after is before:
            return
        emit("circuit_breaker", self.name, after.value, before=before.value)
        for listener in self._listeners:
            listener(self, before, after)

    # --- calls ------------------------------------------------------------------------------

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function, if the breaker lets it through.

        Raises:
            CircuitBreakerOpenError: 3001 or 3002; ``retry_after`` says when to come again.
            Exception: what the function raised.
        """
        machine = self._machine
        if self._is_plain and machine.state is CircuitState.CLOSED:
            # The way of nearly all calls: no lock, no clock. A success after failures, and each
            # failure, take the longer one.
            ticket = machine.ticket
            try:
                result = func(*args, **kwargs)
            except BaseException as error:
                self._leave(ticket, 0.0, error)
                raise
            if machine.failures:
                self._leave(ticket, 0.0, None)
            else:
                next(self._calls)
            return result
        ticket, began = self._enter()
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            self._leave(ticket, began, error)
            raise
        self._leave(ticket, began, None)
        return result

    async def call_async(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await a coroutine function, if the breaker lets it through; raises as ``call`` does."""
        machine = self._machine
        if self._is_plain and machine.state is CircuitState.CLOSED:
            ticket = machine.ticket
            try:
                result = await func(*args, **kwargs)
            except BaseException as error:
                self._leave(ticket, 0.0, error)
                raise
            if machine.failures:
                self._leave(ticket, 0.0, None)
            else:
                next(self._calls)
            return result
        ticket, began = self._enter()
        try:
            result = await func(*args, **kwargs)
        except BaseException as error:
            self._leave(ticket, began, error)
            raise
        self._leave(ticket, began, None)
        return result

    def __enter__(self) -> Self:
        _blocks.set((*_blocks.get(), self._enter()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        *outer, (ticket, began) = _blocks.get()
        _blocks.set(tuple(outer))
        self._leave(ticket, began, error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    # --- in and out -------------------------------------------------------------------------

    def _enter(self) -> tuple[int, float]:
        now = _ambient.monotonic()
        machine = self._machine
        with self._lock:
            before = machine.state
            wait = machine.enter(now)
            ticket = machine.ticket
            if wait is not None:
                self._rejected += 1
        self._changed(before)
        if wait is None:
            return ticket, now
        emit("circuit_breaker", self.name, "rejected", retry_after=wait)
        is_probing = machine.state is CircuitState.HALF_OPEN
        raise CircuitBreakerOpenError(
            f"The circuit {self.name!r} is {machine.state.value}; try again in {wait:.3f} s.",
            code=ErrorCode.CIRCUIT_BREAKER_HALF_OPEN
            if is_probing
            else ErrorCode.CIRCUIT_BREAKER_OPEN,
            retry_after=wait,
        )

    def _leave(self, ticket: int, began: float, error: BaseException | None) -> None:
        now = _ambient.monotonic()
        took = now - began
        with self._lock:
            before = self._machine.state
            if error is None:
                self._machine.succeeded(ticket, now, took)
            elif isinstance(error, self._expected):
                self._failed += 1
                self._machine.failed(ticket, now, took)
            else:
                self._machine.abandoned(ticket)
        next(self._calls)
        self._changed(before)


class CircuitBreakerManager:
    """Breakers by name, such as one for each peer; bounded by least recent use.

    Args:
        config: of breakers that are made here.
        breakers_max: how many are kept.
    """

    def __init__(
        self, config: CircuitBreakerConfig | None = None, *, breakers_max: int = BREAKERS_MAX
    ) -> None:
        self._config = config
        self._breakers_max = breakers_max
        self._breakers: OrderedDict[str, CircuitBreaker] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, config: CircuitBreakerConfig | None = None) -> CircuitBreaker:
        """Return the breaker of this name, a new one if need be."""
        with self._lock:
            found = self._breakers.get(name)
            if found is None:
                found = CircuitBreaker(name, config or self._config)
                self._breakers[name] = found
                if len(self._breakers) > self._breakers_max:
                    self._breakers.popitem(last=False)
            else:
                self._breakers.move_to_end(name)
            return found

    def remove(self, name: str) -> None:
        """Forget a breaker; harmless when there is none."""
        with self._lock:
            self._breakers.pop(name, None)

    def statistics(self) -> dict[str, dict[str, object]]:
        """Return the statistics of all breakers."""
        with self._lock:
            breakers = tuple(self._breakers.items())
        return {name: breaker.statistics() for name, breaker in breakers}

    def __len__(self) -> int:
        return len(self._breakers)
