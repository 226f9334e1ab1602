"""How long to wait before the next attempt: schedules as generators of seconds.

No sleep inside; whoever uses a schedule waits in its own way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator


def exponential(
    *, initial: float = 1.0, maximum: float = 30.0, base: float = 2.0
) -> Iterator[float]:
    """Yield ``initial``, then ``base`` times as much each time, at most ``maximum`` seconds."""
    delay = initial
    while True:
        yield min(delay, maximum)
        delay = min(delay * base, maximum)


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
