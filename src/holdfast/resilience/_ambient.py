"""Time, waiting and chance of the policies, reached at each use so that a simulation or a test can stand in.

``time.monotonic`` and an event loop's ``time()`` are the same clock on real loops, and one virtual clock in
``holdfast.testing``; so one function serves sync and async code.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_slept: ContextVar[list[float] | None] = ContextVar("holdfast_slept", default=None)
_jitter: ContextVar[random.Random | None] = ContextVar("holdfast_jitter", default=None)


def monotonic() -> float:
    """Return monotonic seconds."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait in this thread."""
    slept = _slept.get()
    if slept is not None:
        slept.append(seconds)
    else:
        time.sleep(seconds)


async def sleep_async(seconds: float) -> None:
    """Wait in this task."""
    slept = _slept.get()
    if slept is not None:
        slept.append(seconds)
        await asyncio.sleep(0)
    else:
        await asyncio.sleep(seconds)


def uniform(low: float, high: float) -> float:
    """Draw a number."""
    source = _jitter.get()
    return random.uniform(low, high) if source is None else source.uniform(low, high)


@contextmanager
def instant_waits(seed: int = 0) -> Iterator[list[float]]:
    """Let policies wait for nothing and draw their jitter from a seed, within this block.

    Yields:
        The seconds that would have been waited, one number a wait.
    """
    slept: list[float] = []
    tokens = _slept.set(slept), _jitter.set(random.Random(seed))
    try:
        yield slept
    finally:
        _slept.reset(tokens[0])
        _jitter.reset(tokens[1])
