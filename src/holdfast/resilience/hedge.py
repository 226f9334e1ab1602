"""Hedging: when an answer is late, ask once more and take the first that comes.

Source: J. Dean and L. A. Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013. Only for calls that
may be made twice, and only for coroutines: a thread that lost the race could not be ended.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.resilience import _ambient
from holdfast.resilience._decorating import Decorating
from holdfast.resilience.events import emit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.resilience.budget import RetryBudget

T = TypeVar("T")


class Hedge(Decorating):
    """Makes a second call when the first one is late.

    Args:
        delay: seconds to wait for an answer before the next call; about the 95th percentile is usual.
        max_hedges: further calls at most.
        budget: bounds the share of hedged calls.
        name: in events.
    """

    def __init__(
        self,
        delay: float,
        *,
        max_hedges: int = 1,
        budget: RetryBudget | None = None,
        name: str = "hedge",
    ) -> None:
        if delay < 0 or max_hedges < 1:
            raise ValueError("delay must not be negative, max_hedges at least 1")
        self.delay = delay
        self.max_hedges = max_hedges
        self.budget = budget
        self.name = name

    async def call_async(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await the first call that succeeds; the others are cancelled.

        Raises:
            Exception: of the call that failed last, when all did.
        """
        if self.budget is not None:
            self.budget.deposit()
        running: dict[asyncio.Task[T], None] = {}

        async def ask() -> T:
            return await func(*args, **kwargs)

        try:
            for left in range(self.max_hedges, -1, -1):
                running[asyncio.ensure_future(ask())] = None
                may_hedge = left > 0 and self._may_hedge()
                done, _ = await asyncio.wait(
                    running,
                    timeout=self.delay if may_hedge else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if done or not may_hedge:
                    break
                emit("hedge", self.name, "hedged", delay=self.delay)
            return await _first_success(running)
        finally:
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)

    def _may_hedge(self) -> bool:
        return self.budget is None or self.budget.withdraw(_ambient.monotonic())


async def _first_success(running: dict[asyncio.Task[T], None]) -> T:
    """Return the first result; when all fail, raise the error of the last."""
    while True:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del running[task]
            if (not task.cancelled() and task.exception() is None) or not running:
                return task.result()
