"""Deadlines in order, without a clock: whoever drives them says what time it is."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Timer:
    """One deadline; ``cancel`` makes it harmless."""

    __slots__ = ("_callback", "due")

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget the callback; harmless when it has run."""
        self._callback = None

    @property
    def is_cancelled(self) -> bool:
        """True when it will not run (any more)."""
        return self._callback is None

    def fire(self) -> None:
        """Run the callback, once."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Timers:
    """A heap of deadlines in monotonic seconds.

    Args:
        on_earlier: told when a deadline became the earliest, so that the driver wakes in time.
    """

    def __init__(self, on_earlier: Callable[[float], None] | None = None) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self.on_earlier = on_earlier

    def at(self, due: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` at ``due``."""
        timer = Timer(due, callback)
        earliest = self._heap[0][0] if self._heap else None
        heapq.heappush(self._heap, (due, next(self._count), timer))
        if self.on_earlier is not None and (earliest is None or due < earliest):
            self.on_earlier(due)
        return timer

    def next_deadline(self) -> float | None:
        """Return the earliest deadline; cancelled ones are dropped on the way."""
        while self._heap and self._heap[0][2].is_cancelled:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def fire_due(self, now: float) -> None:
        """Run all that is due, in order."""
        while (due := self.next_deadline()) is not None and due <= now:
            heapq.heappop(self._heap)[2].fire()

    def clear(self) -> None:
        """Forget all deadlines."""
        self._heap.clear()
