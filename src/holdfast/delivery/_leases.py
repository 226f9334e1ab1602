"""How long an attempt may take: one timer for all that are under way, not one for each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.delivery.message import Message


class _Lease:
    __slots__ = ("ends", "is_over", "task")

    def __init__(self, task: asyncio.Task[object], ends: float) -> None:
        self.task = task
        self.ends = ends
        self.is_over = False


class Leases:
    """Cancels attempts that take too long.

    All leases are equally long, so they end in the order in which they began, and the timer is that of the
    oldest. ``asyncio.timeout`` for each would be a tenth of what an outbox does.

    Args:
        seconds: that an attempt may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[_Lease, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def attempt(self, send: Callable[[Message], Awaitable[object]], message: Message) -> None:
        """Send a message.

        Raises:
            TimeoutError: it took too long, and was cancelled.
        """
        task = asyncio.current_task()
        assert task is not None
        lease = _Lease(task, asyncio.get_running_loop().time() + self._seconds)
        self._running[lease] = None
        if self._timer is None:
            self._plan(lease)
        before = task.cancelling()
        try:
            await send(message)
        except asyncio.CancelledError:
            # As in `asyncio.timeout`: ours, unless somebody else has cancelled the task as well.
            if lease.is_over and task.uncancel() <= before:
                raise TimeoutError from None
            raise
        except BaseException:
            if lease.is_over:
                task.uncancel()
            raise
        else:
            if lease.is_over:
                task.uncancel()
        finally:
            self._running.pop(lease, None)

    def _plan(self, oldest: _Lease) -> None:
        self._timer = asyncio.get_running_loop().call_at(oldest.ends, self._end_some)

    def _end_some(self) -> None:
        """End those that are over; those that have ended by themselves are not here any more."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._running:
            oldest = next(iter(self._running))
            if oldest.ends > now:
                self._plan(oldest)
                return
            del self._running[oldest]
            oldest.is_over = True
            oldest.task.cancel()
