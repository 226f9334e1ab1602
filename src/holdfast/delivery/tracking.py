"""Who wants to know: callbacks, live subscriptions, counters."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from holdfast import limits
from holdfast.delivery.message import Change, DeliveryState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType
    from typing import Self

    from holdfast.delivery.message import Message

Callback = Callable[[Change], None]
log = logging.getLogger("holdfast.delivery")


class Changes:
    """A live subscription; use it as a context manager and iterate over it.

    A subscriber that is too slow loses the oldest changes; ``missed`` counts them.
    """

    def __init__(self, tracker: Tracker, id_: str | None) -> None:
        self._tracker = tracker
        self._id = id_
        self._queue: deque[Change] = deque()
        self._arrived = asyncio.Event()
        self.missed = 0

    def __enter__(self) -> Self:
        self._tracker.subscribers.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tracker.subscribers.remove(self)

    def take(self, change: Change) -> None:
        """Keep a change until it is asked for."""
        if self._id is not None and change.id != self._id:
            return
        if len(self._queue) >= limits.CHANGES_QUEUED_MAX:
            self._queue.popleft()
            self.missed += 1
        self._queue.append(change)
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[Change]:
        while True:
            while self._queue:
                yield self._queue.popleft()
            self._arrived.clear()
            await self._arrived.wait()


class Tracker:
    """Tells of changes, and counts them."""

    def __init__(self) -> None:
        self.subscribers: list[Changes] = []
        self.callbacks: dict[DeliveryState, list[Callback]] = {}
        self.counts: Counter[DeliveryState] = Counter()

    @property
    def is_watched(self) -> bool:
        """Whether anybody wants to know of each step."""
        return bool(self.subscribers or self.callbacks)

    def tell(
        self, message: Message, state: DeliveryState, at_ms: int, reason: str | None = None
    ) -> None:
        """Count a message's new state and tell whoever wants to know."""
        self.counts[state] += 1
        if not self.is_watched:
            return
        change = Change(
            message.id, message.destination, state, at_ms / 1000, message.attempts, reason
        )
        for subscriber in self.subscribers:
            subscriber.take(change)
        for callback in self.callbacks.get(state, ()):
            try:
                callback(change)
            except Exception:  # a listener's bug is not the message's
                log.exception("a callback for %s messages failed", state)
