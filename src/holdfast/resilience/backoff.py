"""How long to wait before the next attempt: schedules as generators of seconds.

No sleep inside; whoever uses a schedule waits in its own way. A strategy of one's own is any function that
returns an iterator of seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    Uniform = Callable[[float, float], float]


def fixed(*, initial: float = 1.0) -> Iterator[float]:
    """Yield the same delay for ever."""
    while True:
        yield initial


def linear(
    *, initial: float = 1.0, maximum: float = 60.0, step: float | None = None
) -> Iterator[float]:
    """Yield ``initial``, then ``step`` (by default ``initial``) more each time, at most ``maximum``."""
    delay = initial
    while True:
        yield min(delay, maximum)
        delay = min(delay + (initial if step is None else step), maximum)


def exponential(
    *, initial: float = 1.0, maximum: float = 30.0, base: float = 2.0
) -> Iterator[float]:
    """Yield ``initial``, then ``base`` times as much each time, at most ``maximum`` seconds."""
    delay = initial
    while True:
        yield min(delay, maximum)
        delay = min(delay * base, maximum)


def fibonacci(*, initial: float = 1.0, maximum: float = 60.0) -> Iterator[float]:
    """Yield ``initial`` times 1, 1, 2, 3, 5, 8 …, at most ``maximum`` seconds."""
    delay, following = initial, initial
    while True:
        yield min(delay, maximum)
        delay, following = min(following, maximum), min(delay + following, maximum)


def decorrelated(
    uniform: Uniform, *, initial: float = 1.0, maximum: float = 60.0
) -> Iterator[float]:
    """Yield a draw between ``initial`` and three times the last one, at most ``maximum`` seconds.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    delay = initial
    while True:
        delay = min(maximum, uniform(initial, 3 * delay))
        yield delay


def full_jitter(delays: Iterator[float], uniform: Uniform) -> Iterator[float]:
    """Yield a draw between 0 and each delay; it spreads a herd best (source as above)."""
    for delay in delays:
        yield uniform(0.0, delay)


def jittered(delay: float, source: random.Random, share: float = 0.25) -> float:
    """Vary a delay by up to ``share`` of it in both directions.

    Bounded jitter spreads a herd without the half-minute tail that full jitter has on a doubling
    schedule (measured with 1000 clients), and keeps a countdown that is shown true.
    """
    return delay * source.uniform(1 - share, 1 + share)


def quick(source: random.Random) -> Iterator[float]:
    """Yield the schedule for people who wait: at once, then 0.5 s growing to 3 s, jittered."""
    yield source.uniform(0.0, 0.25)
    for delay in exponential(initial=0.5, maximum=3.0, base=1.6):
        yield jittered(delay, source)
