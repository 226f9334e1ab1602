"""An orderly end: drain, close, clean up; each phase with a time, all of it with one more, a second signal at once.

::

    async with ShutdownManager() as shutdown:
        shutdown.on(Phase.DRAINING, "clients", hub_tells_them)
        ...
        await shutdown.requested.wait()
    # here all phases have run
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

log = logging.getLogger("holdfast.shutdown")


class Phase(StrEnum):
    """Where a shutdown stands."""

    RUNNING = "running"
    DRAINING = "draining"
    CLOSING = "closing"
    CLEANUP = "cleanup"
    TERMINATED = "terminated"


@dataclass(frozen=True, kw_only=True)
class ShutdownSettings:
    """The knobs; times in seconds.

    Attributes:
        drain_timeout: for what is under way to be finished.
        close_timeout: for connections to be closed.
        cleanup_timeout: for files and the like.
        force_timeout: for all of it.
        save_state: whether steps named ``save_state`` are run.
        notify_peers: whether steps named ``notify_peers`` are run.
    """

    drain_timeout: float = 30.0
    close_timeout: float = 10.0
    cleanup_timeout: float = 5.0
    force_timeout: float = 60.0
    save_state: bool = True
    notify_peers: bool = True


Step = Callable[[], Awaitable[object]]
OPTIONAL = ("save_state", "notify_peers")


@dataclass(slots=True)
class StepReport:
    """How a step went: ``waiting``, ``running``, ``done``, ``failed``, ``too slow`` or ``skipped``."""

    phase: Phase
    state: str = "waiting"
    took: float = 0.0
    error: str = ""


class ShutdownManager:
    """Ends a program in order, on SIGTERM, SIGINT, SIGHUP or when asked.

    Args:
        settings: the knobs.
        signals: that end the program; none in a thread that is not the main one.

    Attributes:
        phase: where it stands.
        requested: set when the end was asked for.
        reason: why.
        steps: how each step went, by name.
    """

    def __init__(
        self,
        settings: ShutdownSettings | None = None,
        *,
        signals: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
    ) -> None:
        self.settings = ShutdownSettings() if settings is None else settings
        self._forced_listeners: list[Callable[[], object]] = []
        self._signals = signals
        self._steps: list[tuple[Phase, str, Step]] = []
        self._listeners: list[Callable[[Phase], object]] = []
        self._running: asyncio.Task[None] | None = None
        self.phase = Phase.RUNNING
        self.requested = asyncio.Event()
        self.reason = ""
        self.is_forced = False
        self.steps: dict[str, StepReport] = {}

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in self._signals:
            loop.add_signal_handler(number, self._signalled, number)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Run all phases, if nobody has; an error of the program ends it in order as well."""
        try:
            await self.run("the program has ended" if error is None else f"{type(error).__name__}")
        finally:
            loop = asyncio.get_running_loop()
            for number in self._signals:
                loop.remove_signal_handler(number)

    def on(self, phase: Phase, name: str, step: Step) -> None:
        """Add a step.

        Args:
            phase: draining, closing or cleanup; the steps of a phase run one after the other, as added.
            name: used once; ``save_state`` and ``notify_peers`` can be turned off by the settings.
            step: a coroutine function; what it raises is logged, and the next step is run.
        """
        assert phase in {Phase.DRAINING, Phase.CLOSING, Phase.CLEANUP}, phase
        assert name not in self.steps, f"there is a step {name!r} already"
        self._steps.append((phase, name, step))
        self.steps[name] = StepReport(phase)

    def on_phase(self, listener: Callable[[Phase], object]) -> None:
        """Call back with each phase."""
        self._listeners.append(listener)

    def on_forced(self, listener: Callable[[], object]) -> None:
        """Call back when a second signal came or the time is over; it should end the process."""
        self._forced_listeners.append(listener)

    def request(self, reason: str) -> None:
        """Ask for the end; harmless when it was asked for."""
        if not self.requested.is_set():
            self.reason = reason
            log.info("%s: ending", reason)
            self.requested.set()

    async def run(self, reason: str = "asked for") -> None:
        """Run all phases once; who calls later waits for the same."""
        self.request(reason)
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="holdfast-shutdown")
        await asyncio.shield(self._running)

    def statistics(self) -> dict[str, object]:
        """Return ``phase``, ``reason``, ``is_forced`` and the ``steps`` with state and seconds."""
        return {
            "phase": self.phase.value,
            "reason": self.reason,
            "is_forced": self.is_forced,
            "steps": {
                name: {"phase": each.phase.value, "state": each.state, "took": round(each.took, 3)}
                for name, each in self.steps.items()
            },
        }

    def _signalled(self, number: int) -> None:
        name = signal.Signals(number).name
        if self.requested.is_set():
            log.warning("%s again: ending at once", name)
            self._force()
        else:
            self.request(name)

    def _force(self) -> None:
        if not self.is_forced:
            self.is_forced = True
            for listener in self._forced_listeners:
                listener()

    async def _run(self) -> None:
        settings = self.settings
        try:
            async with asyncio.timeout(settings.force_timeout):
                await self._run_phase(Phase.DRAINING, settings.drain_timeout)
                await self._run_phase(Phase.CLOSING, settings.close_timeout)
                await self._run_phase(Phase.CLEANUP, settings.cleanup_timeout)
        except TimeoutError:
            log.warning("not done after %g s: ending at once", settings.force_timeout)
            self._force()
        self._enter(Phase.TERMINATED)

    async def _run_phase(self, phase: Phase, seconds: float) -> None:
        self._enter(phase)
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        for of, name, step in self._steps:
            if of is not phase:
                continue
            report = self.steps[name]
            if name in OPTIONAL and not getattr(self.settings, name):
                report.state = "skipped"
                continue
            began = loop.time()
            report.state = "running"
            try:
                async with asyncio.timeout_at(ends) as limit:
                    await step()
                report.state = "done"
            except TimeoutError as error:
                report.state = "too slow" if limit.expired() else "failed"
                report.error = str(error)
                log.warning(
                    "%s, %s: %s after %.1f s", phase, name, report.state, loop.time() - began
                )
            except Exception as error:
                report.state, report.error = "failed", f"{type(error).__name__}: {error}"
                log.exception("%s, %s: it failed", phase, name)
            report.took = loop.time() - began

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        log.info("shutdown: %s", phase)
        for listener in self._listeners:
            listener(phase)
