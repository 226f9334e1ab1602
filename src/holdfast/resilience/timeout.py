"""Timeouts and deadlines: of a call, of an attempt, and of all that is done on behalf of one request.

Deadlines nest and only shrink: whoever is called with two seconds left cannot give itself ten.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from holdfast.errors import NetworkTimeoutError
from holdfast.resilience import _ambient
from holdfast.resilience._decorating import Decorating
from holdfast.resilience.events import emit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

P = ParamSpec("P")
T = TypeVar("T")

_deadline: ContextVar[float | None] = ContextVar("holdfast_deadline", default=None)


def remaining() -> float | None:
    """Return the seconds until the innermost deadline, None without one; never below 0."""
    ends = _deadline.get()
    return None if ends is None else max(0.0, ends - _ambient.monotonic())


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[float]:
    """Bound all that is done in this block, for those who ask ``remaining``.

    Yields:
        The seconds that there are: ``seconds``, or fewer when an outer deadline is nearer.

    Raises:
        NetworkTimeoutError: 1001; an outer deadline is over already.
    """
    now = _ambient.monotonic()
    outer = _deadline.get()
    ends = now + seconds if outer is None else min(outer, now + seconds)
    if ends <= now:
        raise NetworkTimeoutError("The deadline is over.")
    token = _deadline.set(ends)
    try:
        yield ends - now
    finally:
        _deadline.reset(token)


class Timeout(Decorating):
    """Ends a call that takes too long.

    A task is cancelled at the end of its time. A thread cannot be: there the deadline is announced (``remaining``),
    a call that is begun too late is refused, and a result that comes too late is an error.

    Args:
        seconds: that a call has, within its outer deadline.
        name: in errors and events.
    """

    def __init__(self, seconds: float, *, name: str = "timeout") -> None:
        if seconds <= 0:
            raise ValueError(f"seconds must be more than 0, not {seconds}")
        self.seconds = seconds
        self.name = name

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function; raises NetworkTimeoutError when it was too late."""
        now = _ambient.monotonic()
        outer = _deadline.get()
        ends = now + self.seconds
        if outer is not None and outer < ends:
            ends = outer
            if ends <= now:
                raise self._too_late()
        token = _deadline.set(ends)
        try:
            result = func(*args, **kwargs)
        finally:
            _deadline.reset(token)
        if _ambient.monotonic() > ends:
            raise self._too_late()
        return result

    async def call_async(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await a coroutine function; it is cancelled at the end of its time.

        Raises:
            NetworkTimeoutError: 1001; it was.
        """
        try:
            with deadline(self.seconds) as seconds:
                async with asyncio.timeout(seconds) as scope:
                    return await func(*args, **kwargs)
        except TimeoutError as error:
            if not scope.expired():
                raise  # the function's own
            raise self._too_late() from error

    @contextlib.asynccontextmanager
    async def _block(self) -> AsyncIterator[None]:
        try:
            with deadline(self.seconds) as seconds:
                async with asyncio.timeout(seconds) as scope:
                    yield
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise self._too_late() from error

    def block(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Return an ``async with`` block that ends in time; raises NetworkTimeoutError."""
        return self._block()

    def _too_late(self) -> NetworkTimeoutError:
        emit("timeout", self.name, "expired", seconds=self.seconds)
        return NetworkTimeoutError(f"{self.name}: not within {self.seconds:g} s.")
