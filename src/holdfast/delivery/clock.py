"""A clock for due times: wall time that never jumps while a process lives, and never goes back over a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SteadyClock:
    """Milliseconds since 1970, carried on by a monotonic clock.

    Theory. Due times are stored, so they must mean the same in the next process: wall time. But a wall clock
    that is set while messages wait would send them all at once, expire them, or hold them back. So it is read
    once, at the start, and not believed when it lies before what was stored.

    Args:
        wall_now: seconds since 1970, read once.
        monotonic: seconds that only grow, such as ``loop.time``.
        floor_ms: the latest time that was stored.
    """

    def __init__(
        self, wall_now: float, monotonic: Callable[[], float], *, floor_ms: int = 0
    ) -> None:
        self._monotonic = monotonic
        self._base_ms = max(int(wall_now * 1000), floor_ms) - int(monotonic() * 1000)

    def now_ms(self) -> int:
        """Return the time in milliseconds since 1970."""
        return self._base_ms + int(self._monotonic() * 1000)
