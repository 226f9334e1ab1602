"""A simulated machine: it can be killed, powered off, frozen, restarted, and its clock can be wrong."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.testing.errors import SimulationError
from holdfast.testing.files import OpenFiles
from holdfast.testing.loop import SimTask
from holdfast.testing.path import PROFILES, Profile
from holdfast.testing.process import PROCESS, Process, ProcessState
from holdfast.world import text_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from holdfast.testing.simulation import Simulation

T = TypeVar("T")


class Host:
    """One machine with a name, an address, files and programs. ``Simulation.host`` makes it.

    It is also the ``holdfast.world.World`` of its programs: wall time, chance, ids and secrets.
    """

    def __init__(self, simulation: Simulation, name: str, profile: Profile | str) -> None:
        self.name = name
        self.is_up = True
        self.clock_skew = 0.0
        self._slow_factors: list[float] = []
        self.profile = PROFILES[profile] if isinstance(profile, str) else profile
        self.random: random.Random = simulation.chance.stream(f"host:{name}")
        self._simulation = simulation
        self._programs: list[tuple[Callable[..., Coroutine[Any, Any, object]], tuple[Any, ...]]]
        self._programs = []
        self._lives = 0
        self._left: Path | None = None
        self._left_open: OpenFiles | None = None
        self._lost_power = False
        self.process = self._new_life()
        self.address = simulation.network.add(self)

    # --- World ------------------------------------------------------------------------------

    def wall_now(self) -> float:
        """Return seconds since 1970, as this machine's clock shows them."""
        return self._simulation.clock.true_now() + self.clock_skew

    def new_id(self) -> str:
        """Return 96 random bits as 16 characters of ``[A-Za-z0-9_-]``."""
        return text_of(self.random.randbytes(12))

    def secret_bytes(self, size: int) -> bytes:
        """Return ``size`` bytes from the seed."""
        return self.random.randbytes(size)

    @property
    def folder(self) -> Path:
        """Where this life's files are; the next one finds them in its own."""
        return self.process.folder

    # --- programs ---------------------------------------------------------------------------

    def spawn(
        self, program: Callable[..., Coroutine[Any, Any, T]], *args: Any, may_fail: bool = False
    ) -> asyncio.Task[T]:
        """Start a program; ``restart`` starts it again.

        Args:
            program: coroutine function, the ``main`` of what runs on this machine.
            args: for it.
            may_fail: its exception does not fail the run.
        """
        task = self._start(program, args, may_fail=may_fail)
        self._programs.append((program, args))
        return task

    def run(self, program: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> asyncio.Task[T]:
        """Start something once, as a person at this machine would; await it for its result."""
        return self._start(program, args, may_fail=True)

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call a plain function as a part of this machine's process."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, self.process)
        return context.run(function, *args)

    def _start(
        self,
        program: Callable[..., Coroutine[Any, Any, T]],
        args: tuple[Any, ...],
        *,
        may_fail: bool,
    ) -> asyncio.Task[T]:
        if self.process.state is ProcessState.DEAD:
            raise SimulationError(f"{self.name} is dead; restart it before it runs anything.")
        loop = self._simulation.loop
        context = contextvars.copy_context()
        context.run(PROCESS.set, self.process)
        name = f"{self.name}:{getattr(program, '__name__', 'program')}"
        coroutine = context.run(program, *args)
        task: asyncio.Task[T] = context.run(lambda: loop.create_task(coroutine, name=name))
        # Held here: the loop itself has only weak references, as any asyncio loop.
        self.process.programs[task] = None
        if not may_fail:
            task.add_done_callback(self._simulation.program_ended, context=contextvars.Context())
        return task

    # --- verbs ------------------------------------------------------------------------------

    def kill(self) -> None:
        """End the process as ``kill -9`` does: no ``finally`` runs, the system closes its sockets."""
        self._die("killed", is_silent=False)

    def power_off(self) -> None:
        """Cut the power: silence on the network, and what was not flushed is lost."""
        self._die("power off", is_silent=True)

    def restart(self) -> None:
        """Start all programs anew on the files that are left; kills what still runs."""
        if self.process.state is not ProcessState.DEAD:
            self.kill()
        if not self.is_up:
            self.is_up = True
            for path in self._simulation.network.paths_of(self.name):
                path.opening()
        self.process = self._new_life()
        self._note("restart")
        for program, args in self._programs:
            self._start(program, args, may_fail=False)

    def freeze(self) -> None:
        """Stop the process in its tracks, as a suspended laptop or a very long pause does."""
        if self.process.state is ProcessState.RUNNING:
            self._note("freeze")
            self.process.state = ProcessState.FROZEN

    def thaw(self) -> None:
        """Let a frozen process go on; all that came due meanwhile runs at once."""
        if self.process.state is ProcessState.FROZEN:
            self._note("thaw")
            self.process.state = ProcessState.RUNNING
            parked, self.process.parked = self.process.parked, []
            self._simulation.loop.requeue(parked)

    def skew(self, seconds: float) -> None:
        """Set the wall clock forward or, with a negative number, back."""
        self._note("skew", f"{seconds:+g} s")
        self.clock_skew += seconds

    def slow_down(self, factor: float) -> None:
        """Make blocking work (the disk, mostly) this many times slower; the worst counts."""
        self._note("slow", f"x{factor:g}")
        self._slow_factors.append(factor)

    def speed_up(self, factor: float) -> None:
        """Undo one ``slow_down`` by this factor."""
        self._note("fast again", f"x{factor:g}")
        self._slow_factors.remove(factor)

    @property
    def slowness(self) -> float:
        """How many times slower blocking work is than usual."""
        return max(self._slow_factors, default=1.0)

    # --- life and death ---------------------------------------------------------------------

    def _new_life(self) -> Process:
        self._lives += 1
        folder = self._simulation.folder / f"{self.name}.{self._lives}"
        if self._left is None:
            folder.mkdir(parents=True)
        else:
            self._left.rename(folder)
        files = OpenFiles(folder, self._left_open, is_all_flushed=self._lost_power)
        return Process(self, self._lives, folder, files)

    def _die(self, how: str, *, is_silent: bool) -> None:
        process = self.process
        if process.state is ProcessState.DEAD:
            return
        self._note(how)
        process.state = ProcessState.DEAD
        process.parked.clear()
        left = process.folder.with_name(f"{self.name}.left-by-{process.life}")
        if is_silent:
            process.open_files.copy_after_power_loss(left, self._simulation.chance.stream("disk"))
        else:
            process.open_files.copy(left)
        self._left, self._left_open, self._lost_power = left, process.open_files, is_silent
        network = self._simulation.network
        if is_silent:
            self.is_up = False
        network.process_died(process, is_silent=is_silent)
        self._simulation.bury(
            [task for task in asyncio.all_tasks(self._simulation.loop)
             if isinstance(task, SimTask) and task.process is process]
        )  # fmt: skip
        process.open_files.release()

    def _note(self, kind: str, detail: str = "") -> None:
        self._simulation.trace.add(self.name, kind, detail)

    def __repr__(self) -> str:
        return f"<Host {self.name} at {self.address}, {self.process.state.value}>"
