"""Events for those who listen on this node."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.apps.agents import limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """Something that happened at a peer.

    Attributes:
        peer: where; empty for this node.
        topic: what.
        body: as JSON values.
        missed: events of this peer that were lost before it, as far as is known.
    """

    peer: str
    topic: str
    body: object
    missed: int = 0


class Subscription:
    """Events of a topic of one peer. ``AgentHost.subscribe`` makes it; ``async with`` it and iterate over it.

    Args:
        opened: tells the peer.
        closed: tells it that it was enough.
    """

    def __init__(
        self,
        opened: Callable[[Subscription], None],
        closed: Callable[[Subscription], None],
    ) -> None:
        self._opened = opened
        self._closed = closed
        self._queue: deque[AgentEvent] = deque()
        self._dropped = 0
        self._came = asyncio.Event()
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._opened(self)
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self._closed(self)

    def put(self, event: AgentEvent) -> None:
        """Take an event; the oldest is dropped when too many wait."""
        if len(self._queue) >= limits.EVENTS_QUEUED_MAX:
            self._dropped += 1 + self._queue.popleft().missed
        self._queue.append(event)
        self._came.set()

    def close(self) -> None:
        """End the iteration, once what has come is read."""
        self._is_open = False
        self._came.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AgentEvent:
        while not self._queue:
            if not self._is_open:
                raise StopAsyncIteration
            self._came.clear()
            await self._came.wait()
        event = self._queue.popleft()
        if self._dropped:
            event = AgentEvent(event.peer, event.topic, event.body, event.missed + self._dropped)
            self._dropped = 0
        return event
