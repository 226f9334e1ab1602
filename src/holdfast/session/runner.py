"""Runs a hub on an event loop: starts it, wakes it when something is due, stops it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from holdfast.session.hub import Hub


class HubRunner:
    """An async context manager within which a hub lives.

    Args:
        hub: not started yet.
        spread: seconds over which clients are told to return when it ends.
    """

    def __init__(self, hub: Hub, *, spread: float = 1.0) -> None:
        self._hub = hub
        self._spread = spread
        self._handle: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._hub.timers.on_earlier = self._arm
        await self._hub.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._hub.stop(spread=self._spread)
        self._hub.timers.on_earlier = None
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self, due: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = asyncio.get_running_loop().call_at(due, self._fire, due)

    def _fire(self, due: float) -> None:
        self._handle = None
        # A loop may fire a timer a clock tick early; what was announced for now is due now.
        self._hub.on_time(max(due, self._hub.now()))
        following = self._hub.timers.next_deadline()
        if following is not None and self._handle is None:
            self._arm(following)
