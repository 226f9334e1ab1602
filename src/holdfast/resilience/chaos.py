"""Chaos: errors and delays by probability, to see what the other policies make of them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.errors import ConnectionFailedError
from holdfast.resilience import _ambient
from holdfast.resilience._decorating import Decorating
from holdfast.resilience.events import emit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Chaos(Decorating):
    """Makes calls fail and dawdle.

    Args:
        error_rate: share of calls that fail before they are made.
        error: makes the error.
        latency_rate: share of calls that are delayed.
        latency: seconds, from and to.
        seed: of its chance.
        name: in events.

    Attributes:
        is_on: switch it off to let everything through.
    """

    def __init__(
        self,
        *,
        error_rate: float = 0.0,
        error: Callable[[], Exception] = lambda: ConnectionFailedError("chaos"),
        latency_rate: float = 0.0,
        latency: tuple[float, float] = (0.05, 0.5),
        seed: int = 0,
        name: str = "chaos",
    ) -> None:
        for rate in (error_rate, latency_rate):
            if not 0 <= rate <= 1:
                raise ValueError(f"a rate must be in [0, 1], not {rate}")
        self.is_on = True
        self.name = name
        self._error_rate = error_rate
        self._error = error
        self._latency_rate = latency_rate
        self._latency = latency
        self._source = random.Random(seed)  # noqa: S311 - to be repeatable

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function, perhaps late, perhaps not at all."""
        _ambient.sleep(self._delay())
        self._fail()
        return func(*args, **kwargs)

    async def call_async(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await a coroutine function, perhaps late, perhaps not at all."""
        await _ambient.sleep_async(self._delay())
        self._fail()
        return await func(*args, **kwargs)

    def _delay(self) -> float:
        if not self.is_on or self._source.random() >= self._latency_rate:
            return 0.0
        delay = self._source.uniform(*self._latency)
        emit("chaos", self.name, "delayed", seconds=delay)
        return delay

    def _fail(self) -> None:
        if self.is_on and self._source.random() < self._error_rate:
            emit("chaos", self.name, "failed")
            raise self._error()
