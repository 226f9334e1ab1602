"""Tasks without which a program is not itself: restarted when they die, and the end of it when that does not help."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

    from holdfast.world import World

log = logging.getLogger("holdfast.health")


@dataclass(slots=True)
class TaskReport:
    """How a supervised task does.

    Attributes:
        is_running: whether it runs now.
        restarts: how often it was started again.
        last_error: why it died last, empty when it never did.
        is_given_up: whether it died too often.
    """

    is_running: bool = False
    restarts: int = 0
    last_error: str = ""
    is_given_up: bool = False


class Supervisor:
    """Keeps tasks running; use it as an async context manager.

    Args:
        restarts_max: within ``window`` seconds; past it a task is given up.
        window: seconds.
        delay: seconds before a restart, doubling up to ``delay_max``, with jitter.
        delay_max: seconds.
        on_given_up: called with name and error when a critical task is given up; it should end the program.
        world: chance.
    """

    def __init__(
        self,
        *,
        restarts_max: int = 5,
        window: float = 60.0,
        delay: float = 0.1,
        delay_max: float = 5.0,
        on_given_up: Callable[[str, BaseException], object] | None = None,
        world: World | None = None,
    ) -> None:
        self._restarts_max = restarts_max
        self._window = window
        self._delay = delay
        self._delay_max = delay_max
        self._on_given_up = on_given_up
        self._world: World = RealWorld() if world is None else world
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.reports: dict[str, TaskReport] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cancel all and wait for them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def start(
        self, name: str, work: Callable[[], Awaitable[object]], *, is_critical: bool = True
    ) -> None:
        """Run ``work`` again whenever it raises; when it returns it is done.

        Args:
            name: of the task, used once.
            work: a coroutine function.
            is_critical: whether the program should end when it is given up.
        """
        assert name not in self._tasks, f"{name} is running already"
        self.reports[name] = TaskReport()
        self._tasks[name] = asyncio.create_task(
            self._keep(name, work, is_critical=is_critical), name=f"holdfast-supervised {name}"
        )

    async def _keep(
        self, name: str, work: Callable[[], Awaitable[object]], *, is_critical: bool
    ) -> None:
        report = self.reports[name]
        loop = asyncio.get_running_loop()
        deaths: deque[float] = deque(maxlen=self._restarts_max + 1)
        while True:
            report.is_running = True
            try:
                await work()
            except Exception as error:
                report.is_running = False
                report.last_error = f"{type(error).__name__}: {error}"
                deaths.append(loop.time())
                recent = sum(1 for at in deaths if at > loop.time() - self._window)
                if recent > self._restarts_max:
                    report.is_given_up = True
                    log.exception("%s died %d times, it is given up", name, recent)
                    if is_critical and self._on_given_up is not None:
                        self._on_given_up(name, error)
                    return
                report.restarts += 1
                delay = min(self._delay_max, self._delay * 2 ** (recent - 1))
                log.exception("%s died, it is started again in about %.1f s", name, delay)
                await asyncio.sleep(delay * self._world.random.uniform(0.5, 1.0))
            else:
                report.is_running = False
                return
