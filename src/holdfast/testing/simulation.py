"""A simulated world: hosts on a network, faults, a trace; and one run of a scenario in it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.testing import faults
from holdfast.testing.ambient import Clock, ambient
from holdfast.testing.chance import Chance, Mode
from holdfast.testing.errors import ProgramFailedError, PromiseBrokenError
from holdfast.testing.host import Host
from holdfast.testing.loop import START, SimLoop, SimTask
from holdfast.testing.network import Network
from holdfast.testing.path import NEUTRAL, Profile
from holdfast.testing.process import ProcessState
from holdfast.testing.trace import Trace

if TYPE_CHECKING:
    from holdfast.testing.faults import Fault

Scenario = Callable[["Simulation"], Coroutine[Any, Any, object]]

SHUTDOWN = 120.0
"""Virtual seconds that programs have to end when the scenario is over."""

FAULTS_SHOWN = 40

POLL = 0.02
"""Virtual seconds between two looks at a condition."""

_kept_for_ever: list[object] = []
"""Coroutines of dead processes that would not be closed."""


class Simulation:
    """What a scenario gets: it makes hosts, breaks things and waits for conditions.

    Args:
        seed: of all chance.
        minutes: simulated minutes within which the scenario has to end.
        plan: faults to use instead of drawn ones.
        mode: of the loop; drawn from the seed when None.
        keep: lines of the trace to keep; None for all.
        folder: where the files of hosts are.
    """

    def __init__(
        self,
        seed: int,
        folder: Path,
        *,
        minutes: float = 10.0,
        plan: Sequence[Fault] | None = None,
        mode: Mode | None = None,
        keep: int | None = 50,
    ) -> None:
        self.seed = seed
        self.folder = folder
        self.chance = Chance(seed)
        self.mode = Mode.drawn(self.chance.stream("mode")) if mode is None else mode
        self.loop = SimLoop(self.chance.stream("order"), self.mode)
        self.loop.ends_ns = START + round(minutes * 60e9)
        self.trace = Trace(lambda: self.loop.now_ns, keep)
        self.clock = Clock(self.loop)
        self.network = Network(self.loop, self.chance, self.trace)
        self.loop.network = self.network
        self.plan: list[Fault] = []
        self.unhandled: list[str] = []
        self._given = plan
        self._dead: list[SimTask[Any]] = []
        self._over_at = 0.0
        self.loop.set_exception_handler(self._unhandled)
        self.host("main")

    # --- for scenarios ----------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Virtual seconds since the start."""
        return (self.loop.now_ns - START) / 1e9

    def host(self, name: str, profile: Profile | str = "lan") -> Host:
        """Make a machine, reached by its name; ``profile`` is what its access is like."""
        if name in self.network.hosts:
            return self.network.hosts[name]
        return Host(self, name, profile)

    def note(self, kind: str, detail: str = "") -> None:
        """Write a line into the trace."""
        self.trace.add(self.network.here().name, kind, detail)

    def inject(
        self,
        kinds: Mapping[type[Any], int],
        *,
        within: float,
        hosts: Sequence[str] = (),
        links: Sequence[tuple[str, str]] = (),
        lasts: tuple[float, float] = (faults.SHORTEST, faults.LONGEST),
    ) -> list[Fault]:
        """Draw faults and let them happen; a plan given from outside goes before.

        Args:
            kinds: how many of each kind, such as ``{Kill: 2, Cut: 5}``.
            within: seconds from now in which they begin.
            hosts: names that ``Kill`` and its like hit.
            links: pairs of names that ``Cut`` and its like hit.
            lasts: seconds that they last, at least and at most.
        """
        if self._given is not None:
            drawn, self._given = list(self._given), ()
        else:
            source = self.chance.stream("faults")
            begins = self.now, self.now + within
            drawn = faults.draw(source, kinds, hosts=hosts, links=links, begins=begins, lasts=lasts)
        self.execute(drawn)
        return drawn

    def execute(self, plan: Sequence[Fault]) -> None:
        """Let these faults happen."""
        self.plan.extend(plan)
        for fault in plan:
            self._over_at = max(self._over_at, fault.at + fault.lasts)
            self.at(fault.at, lambda fault=fault: fault.begin(self))  # type: ignore[misc]
            self.at(fault.at + fault.lasts, lambda fault=fault: fault.end(self))  # type: ignore[misc]

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do something from outside at a time, in virtual seconds since the start."""
        self.loop.call_at_ns(START + round(when * 1e9), action, context=NEUTRAL)

    async def calm(self) -> None:
        """Wait until all faults are over."""
        await asyncio.sleep(max(0.0, self._over_at - self.now) + POLL)

    async def until(self, condition: Callable[[], object], *, within: float, what: str) -> None:
        """Wait for a condition.

        Args:
            condition: looked at each 20 ms.
            within: virtual seconds that it has.
            what: which promise this is.

        Raises:
            PromiseBrokenError: it has not come true.
        """
        ends = self.now + within
        while not condition():
            if self.now > ends:
                raise PromiseBrokenError(what, f"not within {within:g} s")
            await asyncio.sleep(POLL)

    # --- for hosts --------------------------------------------------------------------------

    def program_ended(self, task: asyncio.Task[Any]) -> None:
        """A program of a host has ended; that it failed ends the run."""
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            failure = ProgramFailedError(f"{task.get_name()} ended with {error!r}")
            failure.__cause__ = error
            self.loop.fail(failure)

    def bury(self, tasks: Sequence[SimTask[Any]]) -> None:
        """Keep the tasks of a dead process: freed, they would run their ``finally`` blocks."""
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._dead.extend(tasks)

    def _unhandled(self, _: object, context: dict[str, Any]) -> None:
        error = context.get("exception")
        text = f"{context.get('message')} {error!r}"
        self.unhandled.append(text)
        self.note("unhandled", type(error).__name__)

    # --- the end ----------------------------------------------------------------------------

    async def shut_down(self) -> None:
        """End the programs of all hosts by cancelling them, as at the end of a day."""
        for host in self.network.hosts.values():
            host.thaw()
        own = asyncio.current_task()
        alive = [
            task
            for task in asyncio.all_tasks()
            if isinstance(task, SimTask) and task is not own and _is_alive(task)
        ]
        for task in sorted(alive, key=hash):
            task.cancel()
        if alive:
            await asyncio.wait(alive, timeout=SHUTDOWN)
        await self.loop.shutdown_asyncgens()

    def dispose(self) -> None:
        """Let go of everything, now that nothing can be seen any more."""
        for host in self.network.hosts.values():
            host.process.state = ProcessState.DEAD
            host.process.open_files.release()
        self.network.close()
        disabled, hook = logging.root.manager.disable, sys.unraisablehook
        logging.disable()  # nobody is there to be told any more
        sys.unraisablehook = lambda _: None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Or a dying block that asks for a loop makes a real one.
            asyncio._set_running_loop(self.loop)
            for _ in range(3):  # a dying block may start further tasks, which never run
                self.bury([t for t in asyncio.all_tasks(self.loop) if isinstance(t, SimTask)])
                for task in self._dead:
                    _close(task)
            asyncio._set_running_loop(None)
            self._dead.clear()
            self.loop.close()
        sys.unraisablehook = hook
        logging.disable(disabled)


def _is_alive(task: SimTask[Any]) -> bool:
    return task.process is None or task.process.state is not ProcessState.DEAD


def _close(task: SimTask[Any]) -> None:
    """Close the coroutine of a dead task; its blocks find a closed loop and closed files."""
    coroutine: Any = task.get_coro()
    for _ in range(10):
        with contextlib.suppress(BaseException):  # whatever a dead block raises concerns nobody
            contextvars.Context().run(coroutine.close)
            return
    _kept_for_ever.append(task)


@dataclass(slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        digest: equal for equal runs.
        seconds: of simulated time.
        steps: callbacks that ran.
        error: why it failed, None when it did not.
        last: lines of the trace.
    """

    seed: int
    mode: Mode
    plan: list[Fault]
    digest: str
    seconds: float
    steps: int
    error: BaseException | None
    value: object = None
    last: list[str] = field(default_factory=list)

    def report(self) -> str:
        """Describe a failure so that it can be understood and repeated."""
        plan = faults.to_json(self.plan[:FAULTS_SHOWN])
        if len(self.plan) > FAULTS_SHOWN:
            plan += f"\nand {len(self.plan) - FAULTS_SHOWN} more"
        last = "\n".join(self.last)
        return (
            f"seed {self.seed}, mode: {self.mode}, failed after {self.seconds:.3f} simulated s\n"
            f"trace {self.digest}, its last lines:\n{last}\nfaults: {plan}"
        )


def attempt(
    scenario: Scenario,
    *,
    seed: int = 0,
    minutes: float = 10.0,
    plan: Sequence[Fault] | None = None,
    mode: Mode | None = None,
    keep: int | None = 50,
    debug: bool = False,
) -> Outcome:
    """Run a scenario once, and say how it went.

    Args:
        scenario: coroutine function of a ``Simulation``.
        seed: of all chance.
        minutes: simulated minutes that it has.
        plan: faults to use instead of drawn ones.
        mode: of the loop; drawn from the seed when None.
        keep: lines of the trace to keep; None for all.
        debug: switch on asyncio's debug mode; the run stays the same.
    """
    memory = Path("/dev/shm")  # noqa: S108 - hosts' files need no disk: power loss is simulated
    base = memory if memory.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="holdfast-simulation-", dir=base))
    sim = Simulation(seed, folder, minutes=minutes, plan=plan, mode=mode, keep=keep)
    sim.loop.set_debug(debug)
    error: BaseException | None = None
    value: object = None
    try:
        with ambient(sim.loop, sim.clock, sim.chance):
            try:
                value = sim.loop.run_until_complete(_whole(sim, scenario))
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as raised:  # noqa: BLE001 - reported with the seed that it came of
                error = raised
            seconds, digest = sim.now, sim.trace.digest
            sim.dispose()
    finally:
        asyncio.set_event_loop(None)
        shutil.rmtree(folder, ignore_errors=True)
    steps = sim.loop.steps_before + sim.loop.steps
    return Outcome(seed, sim.mode, sim.plan, digest, seconds, steps, error, value, sim.trace.last())


async def _whole(sim: Simulation, scenario: Scenario) -> object:
    value = await scenario(sim)
    await sim.shut_down()
    return value


def run(scenario: Scenario, **how: Any) -> Outcome:
    """Run a scenario as ``attempt`` does, and raise what it failed of, with a note for repeating it."""
    outcome = attempt(scenario, **how)
    if outcome.error is not None:
        outcome.error.add_note(outcome.report())
        raise outcome.error
    return outcome
