"""Executors without threads: blocking work runs inline, in simulated time.

A pool of n workers is n moments at which a worker is free. Work begins when one is, its function runs at a moment
of its service time, and its result comes at the end of it: a process that is killed in between has done the work
and does not know it.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from asyncio import events
from typing import TYPE_CHECKING, Any, TypeVar, cast

from holdfast.testing.process import PROCESS

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from concurrent.futures import Executor

    from holdfast.testing.loop import SimLoop
    from holdfast.testing.process import Process

T = TypeVar("T")

SERVICE_TIME = 0.0002, 0.003
"""Seconds that blocking work takes: from, to."""

DEFAULT_WORKERS = 32


class Pools:
    """The executors of all processes.

    Args:
        loop: whose time passes.
        source: chance for service times.
    """

    def __init__(self, loop: SimLoop, source: random.Random) -> None:
        self._loop = loop
        self._source = source
        self._free: dict[tuple[Executor | None, Process | None], list[int]] = {}

    def submit(
        self, executor: Executor | None, func: Callable[..., T], args: tuple[Any, ...]
    ) -> asyncio.Future[T]:
        """Run ``func`` when a worker of this executor is free."""
        loop, source = self._loop, self._source
        process = PROCESS.get()
        free = self._free.get((executor, process))
        if free is None:
            workers = cast("int", getattr(executor, "_max_workers", DEFAULT_WORKERS))
            free = self._free[executor, process] = [0] * workers
        slowness = 1.0 if process is None else process.host.slowness
        begins = max(heapq.heappop(free), loop.now_ns)
        takes = source.uniform(*SERVICE_TIME) * slowness * 1e9
        ends = begins + int(takes)
        heapq.heappush(free, ends)
        result: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()
        runs = begins + int(takes * source.random())
        loop.call_at_ns(runs, self._run, result, func, args, ends, context=context)
        return result

    def _run(
        self, result: asyncio.Future[T], func: Callable[..., T], args: tuple[Any, ...], ends: int
    ) -> None:
        context = contextvars.copy_context()
        events._set_running_loop(None)  # as in a thread: there is no loop to be found
        try:
            value = func(*args)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits, as an executor does
            self._loop.call_at_ns(ends, _settle, result, None, error, context=context)
        else:
            self._loop.call_at_ns(ends, _settle, result, value, None, context=context)
        finally:
            events._set_running_loop(self._loop)


def _settle(result: asyncio.Future[T], value: T, error: BaseException | None) -> None:
    if result.done():
        return  # whoever waited was cancelled
    if error is None:
        result.set_result(value)
    else:
        result.set_exception(error)
