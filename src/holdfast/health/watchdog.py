"""Whether the event loop turns: how late it is, what holds it up, and a sign of life for systemd.

The lag is measured in the loop; a loop that stands still cannot say so, therefore a thread watches it, and writes
what it is doing into the log. Under systemd (``NOTIFY_SOCKET``, ``WATCHDOG_USEC``; sd_notify(3)) the loop itself
sends the sign of life, so that a process whose loop stands still is restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import threading
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

log = logging.getLogger("holdfast.health")

INTERVAL: Final = 0.1
"""Seconds between two looks."""

WINDOW: Final = 60.0
"""Seconds for which lags are remembered."""


class Systemd:
    """Speaks to systemd, or to nobody when it did not start us.

    Args:
        environment: the process's own by default.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        text = environment.get("WATCHDOG_USEC", "")
        self.interval = int(text) / 2e6 if text.isdigit() and int(text) else None
        """Seconds between two signs of life that are asked for; None: none are."""

    def tell(self, *words: str) -> None:
        """Send ``READY=1``, ``STOPPING=1``, ``STATUS=…`` and the like; harmless without systemd."""
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),  # systemd draws its own conclusions from silence
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.setblocking(False)
            sender.sendto("\n".join(words).encode(), self._address)


class LoopWatchdog:
    """Watches the loop it is entered in.

    Args:
        stalled_after: seconds without a turn after which the loop counts as stalled.
        systemd: told that we live.
    """

    def __init__(self, *, stalled_after: float = 1.0, systemd: Systemd | None = None) -> None:
        self._stalled_after = stalled_after
        self._systemd = Systemd({}) if systemd is None else systemd
        self._lags: deque[tuple[float, float]] = deque()
        self._turned_at = 0.0
        self._thread_id = 0
        self._is_over = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._watcher: asyncio.Future[None] | None = None
        self.stalls = 0
        self.longest_stall = 0.0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._turned_at = time.monotonic()
        self._thread_id = threading.get_ident()
        self._is_over.clear()
        self._task = loop.create_task(self._turn_for_ever(), name="holdfast-watchdog")
        self._watcher = loop.run_in_executor(None, self._watch)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._watcher is not None:
            await self._watcher

    @property
    def lag(self) -> float:
        """Seconds that the loop was late at most in the last minute."""
        self._forget(time.monotonic())
        return max((lag for _, lag in self._lags), default=0.0)

    def statistics(self) -> dict[str, float]:
        """Return ``lag`` and ``longest_stall`` in seconds, and ``stalls``, how often it stood still."""
        return {"lag": self.lag, "stalls": self.stalls, "longest_stall": self.longest_stall}

    async def _turn_for_ever(self) -> None:
        next_sign = 0.0
        while True:
            before = time.monotonic()
            await asyncio.sleep(INTERVAL)
            now = self._turned_at = time.monotonic()
            lag = max(0.0, now - before - INTERVAL)
            while self._lags and self._lags[-1][1] <= lag:
                self._lags.pop()  # a later and larger one outlives it
            self._lags.append((now, lag))
            self._forget(now)
            if lag >= self._stalled_after:
                self.stalls += 1
                self.longest_stall = max(self.longest_stall, lag)
            if self._systemd.interval is not None and now >= next_sign:
                self._systemd.tell("WATCHDOG=1")
                next_sign = now + self._systemd.interval

    def _forget(self, now: float) -> None:
        while self._lags and self._lags[0][0] < now - WINDOW:
            self._lags.popleft()

    def _watch(self) -> None:
        """Run in a thread: write down what a loop is doing that stands still, once for each time."""
        told_of = 0.0
        while not self._is_over.wait(self._stalled_after / 4):
            turned_at = self._turned_at
            silence = time.monotonic() - turned_at
            if silence < self._stalled_after + INTERVAL or told_of == turned_at:
                continue
            told_of = turned_at
            frame = sys._current_frames().get(self._thread_id)
            stack = "".join(traceback.format_stack(frame)) if frame is not None else "unknown\n"
            log.error("the event loop has stood still for %.1f s, in:\n%s", silence, stack)
