"""Bulkhead: at most so many calls at once, at most so many waiting; one flooded hold does not sink the ship."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from holdfast.errors import ErrorCode, RateLimitError
from holdfast.resilience import _ambient
from holdfast.resilience._decorating import Decorating
from holdfast.resilience.events import emit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

P = ParamSpec("P")
T = TypeVar("T")


class BulkheadFullError(RateLimitError):
    """As many calls as may are under way, and as many as may are waiting."""

    default_code = ErrorCode.SERVER_OVERLOADED


class Bulkhead(Decorating):
    """Bounds concurrency; first come, first served; threads and tasks share it.

    Args:
        max_concurrent: calls under way at the same time; it may be changed at any time.
        max_waiting: calls that wait for a place; further ones are refused.
        name: in errors and events.
    """

    def __init__(
        self, max_concurrent: int = 10, max_waiting: int = 100, *, name: str = "bulkhead"
    ) -> None:
        if max_concurrent < 1 or max_waiting < 0:
            raise ValueError("max_concurrent must be at least 1, max_waiting at least 0")
        self.name = name
        self.max_concurrent = max_concurrent
        self.max_waiting = max_waiting
        self.active = 0
        self._waiting: deque[Callable[[], bool]] = deque()
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    # --- places -----------------------------------------------------------------------------

    def acquire(self) -> None:
        """Take a place, waiting in this thread.

        Raises:
            BulkheadFullError: 2003; too many wait already.
        """
        woken = threading.Event()

        def wake() -> bool:
            woken.set()
            return True

        if not self._enter(wake):
            woken.wait()

    async def acquire_async(self) -> None:
        """Take a place, waiting in this task; raises as ``acquire``."""
        if self._take_free():
            return
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        has_place = False

        def wake() -> bool:
            nonlocal has_place
            if turn.done():
                return False  # cancelled: the place goes to the next
            has_place = True
            if asyncio._get_running_loop() is loop:
                turn.set_result(None)
            else:
                loop.call_soon_threadsafe(_set, turn)
            return True

        if self._enter(wake):
            return
        try:
            await turn
        except BaseException:
            with self._lock:
                if wake in self._waiting:
                    self._waiting.remove(wake)
            if has_place:
                self.release()
            raise

    def release(self) -> None:
        """Give a place back; those who wait have it, and what else there is."""
        with self._lock:
            self.active -= 1
            while self._waiting and self.active < self.max_concurrent:
                if self._waiting.popleft()():
                    self.active += 1

    def _take_free(self) -> bool:
        with self._lock:
            if self.active < self.max_concurrent and not self._waiting:
                self.active += 1
                return True
        return False

    def _enter(self, wake: Callable[[], bool]) -> bool:
        with self._lock:
            if self.active < self.max_concurrent and not self._waiting:
                self.active += 1
                return True
            if len(self._waiting) < self.max_waiting:
                self._waiting.append(wake)
                return False
        emit("bulkhead", self.name, "rejected", active=self.active, waiting=self.waiting)
        raise BulkheadFullError(
            f"{self.name}: {self.active} calls are under way and {self.waiting} wait.",
            retry_after=1.0,
        )

    # --- forms ------------------------------------------------------------------------------

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function in a place of its own; raises BulkheadFullError."""
        if not self._take_free():
            self.acquire()
        try:
            return func(*args, **kwargs)
        finally:
            self.release()

    async def call_async(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await a coroutine function in a place of its own; raises BulkheadFullError."""
        if not self._take_free():
            await self.acquire_async()
        try:
            return await func(*args, **kwargs)
        finally:
            self.release()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    async def __aenter__(self) -> Self:
        await self.acquire_async()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class AdaptiveBulkhead(Bulkhead):
    """A bulkhead that finds its own width: one wider while calls are quick, narrower by a share when they slow down.

    Additive increase, multiplicative decrease, as TCP does it (V. Jacobson, 1988); the signal is the duration of a
    call against the best one seen lately, and errors.

    Args:
        initial: calls at once in the beginning.
        minimum: calls at once at least.
        maximum: calls at once at most.
        tolerance: a call this many times slower than the best one means too many at once.
        decrease: factor at each such call, at most once for all that were under way.
    """

    def __init__(
        self,
        initial: int = 10,
        *,
        minimum: int = 1,
        maximum: int = 200,
        tolerance: float = 2.0,
        decrease: float = 0.9,
        max_waiting: int = 100,
        name: str = "adaptive",
    ) -> None:
        super().__init__(initial, max_waiting, name=name)
        self._minimum = minimum
        self._maximum = maximum
        self._tolerance = tolerance
        self._decrease = decrease
        self._best: float | None = None
        self._width = float(initial)
        self._calm = 0

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function in a place of its own, and learn from how long it takes."""
        if not self._take_free():
            self.acquire()
        began = _ambient.monotonic()
        is_good = False
        try:
            result = func(*args, **kwargs)
            is_good = True
            return result
        finally:
            self.learned(_ambient.monotonic() - began, is_good=is_good)
            self.release()

    async def call_async(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await a coroutine function in a place of its own, and learn from how long it takes."""
        if not self._take_free():
            await self.acquire_async()
        began = _ambient.monotonic()
        is_good = False
        try:
            result = await func(*args, **kwargs)
            is_good = True
            return result
        except asyncio.CancelledError:
            is_good = True  # says nothing about the target
            raise
        finally:
            self.learned(_ambient.monotonic() - began, is_good=is_good)
            self.release()

    def learned(self, took: float, *, is_good: bool) -> None:
        """Take the duration of a call in seconds into account."""
        with self._lock:
            best = took if self._best is None else min(took, self._best * 1.001)
            self._best = (
                best  # drifts upward, so that a target that got slower for good is accepted
            )
            if is_good and took <= self._tolerance * best:
                if self.active >= self.max_concurrent:
                    self._width = min(self._maximum, self._width + 1 / self._width)
                self._calm = max(0, self._calm - 1)
            elif self._calm == 0:
                self._width = max(self._minimum, self._width * self._decrease)
                self._calm = self.active
            else:
                self._calm -= 1
            self.max_concurrent = max(self._minimum, int(self._width))


def _set(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
