"""Percentiles and rates over the last minutes, in bounded memory. No I/O, no clock.

Theory. A value is counted in the bucket of its logarithm, so that a percentile is wrong by two per cent at most
whatever the values are, and sketches add up (C. Masson, J. Rim, H. Lee, "DDSketch", VLDB 2019). Time is cut into
slices, each with a sketch; a window is the sum of its slices.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

ACCURACY: Final = 0.02
GAMMA: Final = (1 + ACCURACY) / (1 - ACCURACY)
SMALLEST: Final = 1e-9
BUCKETS_MAX: Final = 1024
"""Buckets of one sketch; past them the smallest values share one."""

WINDOWS: Final = {"1m": 60.0, "5m": 300.0, "60m": 3600.0}
FINE, FINE_SLICES = 5.0, 60
COARSE, COARSE_SLICES = 60.0, 60
"""Seconds of a slice, and how many are kept: five minutes in steps of 5 s, an hour in steps of a minute."""


class Sketch:
    """A set of numbers of which only the distribution is known."""

    __slots__ = ("_buckets", "_zeros", "count", "largest", "total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self._zeros = 0
        self.count = 0
        self.total = 0.0
        self.largest = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Count a value; those below a billionth count as nought."""
        self.count += times
        self.total += value * times
        self.largest = max(self.largest, value)
        if value < SMALLEST:
            self._zeros += times
            return
        index = math.ceil(math.log(value) / math.log(GAMMA))
        if index not in self._buckets and len(self._buckets) >= BUCKETS_MAX:
            index = max(index, min(self._buckets))
        self._buckets[index] = self._buckets.get(index, 0) + times

    def merge(self, other: Sketch) -> None:
        """Add what another one counted."""
        self.count += other.count
        self.total += other.total
        self.largest = max(self.largest, other.largest)
        self._zeros += other._zeros
        for index, times in other._buckets.items():
            self._buckets[index] = self._buckets.get(index, 0) + times

    def quantile(self, share: float) -> float:
        """Return the value below which that share lies, wrong by 2 % at most; 0 when nothing was counted."""
        rank = share * max(0, self.count - 1)
        seen = self._zeros
        if rank < seen or not self._buckets:
            return 0.0
        for index in sorted(self._buckets):
            seen += self._buckets[index]
            if rank < seen:
                return min(self.largest, 2 * GAMMA**index / (GAMMA + 1))
        return self.largest


class _Slices:
    __slots__ = ("_slices", "_step")

    def __init__(self, step: float, count: int) -> None:
        self._step = step
        self._slices: deque[tuple[float, Sketch]] = deque(maxlen=count)

    @property
    def has_begun(self) -> bool:
        return bool(self._slices)

    def add(self, now: float, value: float) -> None:
        start = now - now % self._step
        if not self._slices or self._slices[-1][0] < start:
            self._slices.append((start, Sketch()))
        self._slices[-1][1].add(value)

    def since(self, start: float) -> Sketch:
        found = Sketch()
        for begin, sketch in reversed(self._slices):
            if begin + self._step <= start:
                break
            found.merge(sketch)
        return found

    def points(self, start: float) -> list[tuple[float, Sketch]]:
        return [(begin, sketch) for begin, sketch in self._slices if begin + self._step > start]


class Trend:
    """What was observed in the last minute, five minutes, hour."""

    def __init__(self) -> None:
        self._fine = _Slices(FINE, FINE_SLICES)
        self._coarse = _Slices(COARSE, COARSE_SLICES)

    @property
    def has_begun(self) -> bool:
        """Whether anything was ever observed."""
        return self._coarse.has_begun

    def observe(self, now: float, value: float) -> None:
        """Note a value."""
        self._fine.add(now, value)
        self._coarse.add(now, value)

    def over(self, now: float, seconds: float) -> Sketch:
        """Return what was observed in the last ``seconds``, an hour at most."""
        slices = self._fine if seconds <= FINE * FINE_SLICES else self._coarse
        return slices.since(now - seconds)

    def series(self, now: float, seconds: float) -> list[tuple[float, Sketch]]:
        """Return the slices of the last ``seconds``, oldest first, each with when it began."""
        slices = self._fine if seconds <= FINE * FINE_SLICES else self._coarse
        return slices.points(now - seconds)
