"""An event loop with virtual time: a day of waiting passes as fast as its callbacks run.

Theory. Time moves in one place only, ``_run_once``: when nothing is ready, to the next deadline. It is an int of
nanoseconds, so that nothing is lost by adding. What a standard loop leaves to memory addresses (the order in
which sets of tasks are iterated) is ordered by birth here, and what it leaves open (which of two ready tasks
runs first) is drawn from the seed. So one seed is one run, on every machine.

A callback belongs to the process that scheduled it, through its context. Those of a dead process are
dropped, those of a frozen one are kept until it thaws.

Private parts of asyncio that this rests on: ``_run_once``, ``_ready``, ``_stopping``, ``Handle._context``,
``Server``. They have been the same from 3.11 to 3.13; a test per version watches them.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import io
import itertools
import math
import threading
from asyncio import events
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, TypeVar, cast

from holdfast.testing.chance import HOLD_BACK_MAX, Mode
from holdfast.testing.errors import (
    DeadlockError,
    ForeignThreadError,
    LivelockError,
    NotSimulatedError,
    OutOfTimeError,
)
from holdfast.testing.executor import Pools
from holdfast.testing.process import PROCESS, ProcessState

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor
    from contextvars import Context

    from holdfast.testing.network import Network
    from holdfast.testing.process import Process

T = TypeVar("T")

START = 1000 * 10**9
"""Virtual nanoseconds at which every run begins; not 0, which programs tend to take for "never"."""

COLLECT_STEPS = 100_000
"""Steps between two garbage collections; a quiet week has few, and leaves little."""

TASKS_SHOWN = 30
"""Waiting tasks that an error names at most."""

LIVELOCK_STEPS = 1_000_000
"""Callbacks at one instant after which the run is given up."""


class SimFuture(asyncio.Future[T]):
    """A future that hashes by birth, so that sets of futures iterate alike in every run."""

    def __init__(self, *, birth: int, loop: asyncio.AbstractEventLoop) -> None:
        self._birth = birth
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._birth


class SimTask(asyncio.Task[T]):
    """A task that hashes by birth and knows its process."""

    def __init__(
        self, coro: Any, *, birth: int, loop: SimLoop, context: Context | None = None, **more: Any
    ) -> None:
        self._birth = birth  # before anything else: the constructor puts the task in a set
        self.process = PROCESS.get() if context is None else context.get(PROCESS)
        super().__init__(coro, loop=loop, context=context, **more)

    def __hash__(self) -> int:
        return self._birth


class SimLoop(asyncio.BaseEventLoop):
    """Runs unchanged asyncio programs in virtual time, on a simulated network.

    Args:
        order: chance for the order of steps and for the service times of executors.
        mode: how much of it is used.
    """

    def __init__(self, order: random.Random, mode: Mode = Mode()) -> None:  # noqa: B008 - frozen
        super().__init__()
        self.now_ns = START
        self.steps = 0
        self.steps_before = 0
        self._collects_after = COLLECT_STEPS
        self.ends_ns: int | None = None
        self.network: Network | None = None
        self._due: list[tuple[int, int, asyncio.Handle]] = []
        self._births = itertools.count(1)
        self._order = order
        self._mode = mode
        self._grid_ns = round(mode.grid * 1e9)
        self._pools = Pools(self, order)
        self._failure: BaseException | None = None
        self._is_orderly = not mode.shuffle and not mode.hold_back
        self.set_task_factory(self._new_task)  # type: ignore[arg-type]

    # --- time and callbacks -----------------------------------------------------------------

    def time(self) -> float:
        """Return virtual seconds."""
        return self.now_ns / 1e9

    def call_at(  # type: ignore[override] # as asyncio types it, before variadic generics
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule as asyncio does; never early, on a grid perhaps a little late."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        due = math.ceil(when * 1e9)
        if due / 1e9 < when:  # so that time() has reached what was announced
            due += 1
        self._push(due, handle)
        handle._scheduled = True  # type: ignore[attr-defined]
        return handle

    def call_at_ns(
        self, when: int, callback: Callable[..., object], *args: Any, context: Context
    ) -> asyncio.Handle:
        """Schedule at a virtual nanosecond."""
        handle = asyncio.Handle(callback, args, self, context)
        self._push(when, handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override] # as above
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule from the loop's own thread; from any other one the run fails."""
        if self._thread_id not in {None, threading.get_ident()}:  # type: ignore[attr-defined]
            self._failure = ForeignThreadError(
                f"Thread {threading.current_thread().name!r} called {callback!r} into the simulated "
                "loop. Threads cannot be repeated: give blocking work to loop.run_in_executor, which "
                "runs it in simulated time."
            )
            raise self._failure
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run blocking work without a thread, after a drawn service time."""
        return self._pools.submit(executor, func, args)

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future that hashes by birth."""
        return SimFuture(birth=next(self._births), loop=self)

    def fail(self, error: BaseException) -> None:
        """End the run with this error at the next step."""
        if self._failure is None:
            self._failure = error

    def left_of(self, process: Process) -> list[str]:
        """Name the tasks and timers of a process."""
        tasks = [
            f"task {task.get_name()}"
            for task in asyncio.all_tasks(self)
            if isinstance(task, SimTask) and task.process is process
        ]
        timers = [
            f"a timer of {_name(handle)} in {(due - self.now_ns) / 1e9:.3f} s"
            for due, _, handle in sorted(self._due, key=lambda entry: entry[:2])
            if not handle.cancelled() and handle._context.get(PROCESS) is process  # type: ignore[attr-defined]
        ]
        return sorted(tasks) + timers

    def requeue(self, handles: list[asyncio.Handle]) -> None:
        """Run callbacks that were kept back."""
        self._ready.extend(handles)  # type: ignore[attr-defined]

    # --- what a turn is ---------------------------------------------------------------------

    def _run_once(self) -> None:
        self._raise_failure()
        ready: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            self._wait()
        due, now = self._due, self.now_ns
        while due and due[0][0] <= now:
            handle = heapq.heappop(due)[2]
            if not handle.cancelled():
                ready.append(handle)
        turn = list(ready)
        ready.clear()
        self.steps += len(turn)
        if self.steps > LIVELOCK_STEPS:
            raise LivelockError(self._describe_livelock(turn))
        self._run_turn(turn if self._is_orderly else self._disordered(turn))

    def _wait(self) -> None:
        """Let time pass until something is due."""
        due = self._due
        while due and due[0][2].cancelled():
            heapq.heappop(due)
        if not due:
            raise DeadlockError(
                "Nothing is ready and nothing is scheduled; these wait for ever:\n"
                + waiting_tasks(self)
            )
        self._move_to(due[0][0])

    def _run_turn(self, turn: list[asyncio.Handle]) -> None:
        running = ProcessState.RUNNING
        for handle in turn:
            if handle.cancelled():
                continue
            process = handle._context.get(PROCESS)  # type: ignore[attr-defined]
            if process is None or process.state is running:
                task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
                handle._run()
                if isinstance(task, SimTask) and task.done():
                    self._check_interrupted(task)
                if self._failure is not None:
                    return  # what is left of the turn is of no interest any more
            elif process.state is ProcessState.FROZEN:
                process.parked.append(handle)

    def _check_interrupted(self, task: SimTask[Any]) -> None:
        """End the run when a step was interrupted from outside, as a test's own time-out does.

        asyncio would keep the interruption as the result of a task that nobody may ever look at, and the
        run would go on without it.
        """
        error = None if task.cancelled() else task._exception
        if error is not None and not isinstance(error, Exception):
            self.fail(error)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _move_to(self, when: int) -> None:
        if self.ends_ns is not None and when > self.ends_ns:
            seconds = (self.ends_ns - START) / 1e9
            raise OutOfTimeError(
                f"The scenario has not ended after {seconds:g} simulated seconds; these still wait:\n"
                + waiting_tasks(self)
            )
        if when > self.now_ns:
            self.now_ns = when
            self.steps_before += self.steps
            self.steps = 0
            if self.steps_before >= self._collects_after:  # counted, so that all runs are alike
                self._collects_after = self.steps_before + COLLECT_STEPS
                gc.collect()

    def _disordered(self, turn: list[asyncio.Handle]) -> list[asyncio.Handle]:
        """Postpone some steps of tasks and shuffle the others among their places.

        Only tasks: the order of plain callbacks is promised by asyncio, that of tasks is not.
        """
        if len(turn) == 1 and not self._mode.hold_back:
            return turn
        places: list[int] = []
        kept: list[asyncio.Handle] = []
        order, hold_back = self._order, self._mode.hold_back
        for handle in turn:
            if isinstance(getattr(handle._callback, "__self__", None), SimTask):  # type: ignore[attr-defined]
                if hold_back and type(handle) is asyncio.Handle and order.random() < hold_back:
                    later = self.now_ns + 1 + int(order.random() * HOLD_BACK_MAX * 1e9)
                    self._push(later, handle)
                    continue
                places.append(len(kept))
            kept.append(handle)
        if self._mode.shuffle and len(places) > 1:
            steps = [kept[place] for place in places]
            order.shuffle(steps)
            for place, handle in zip(places, steps, strict=True):
                kept[place] = handle
        return kept

    def _push(self, when: int, handle: asyncio.Handle) -> None:
        grid = self._grid_ns
        if grid:
            when = -(-when // grid) * grid
        heapq.heappush(self._due, (max(when, self.now_ns), next(self._births), handle))

    def _new_task(self, _: object, coro: Coroutine[Any, Any, T], **more: Any) -> asyncio.Task[T]:
        birth = next(self._births)
        more.setdefault("name", f"Task-{birth}")  # asyncio's own count goes on from run to run
        return SimTask(coro, birth=birth, loop=self, **more)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are dropped when they come due."""

    def _process_events(self, event_list: object) -> None:
        """There are none: no selector."""

    def _write_to_self(self) -> None:
        """Nobody sleeps who would have to be woken."""

    def _describe_livelock(self, turn: list[asyncio.Handle]) -> str:
        names = Counter(_name(handle) for handle in turn).most_common(10)
        busy = "\n".join(f"  {count} of {name}" for name, count in names)
        return (
            f"{LIVELOCK_STEPS} callbacks ran while no time passed, at {self.time():.6f} s. "
            f"Ready now:\n{busy}\nTasks:\n{waiting_tasks(self)}"
        )

    # --- the network ------------------------------------------------------------------------

    @property
    def net(self) -> Network:
        """The network that this loop is wired to."""
        if self.network is None:
            raise NotSimulatedError(
                "This loop has no network: run it through holdfast.testing.run."
            )
        return self.network

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> Any:
        """Resolve a name inside the simulation."""
        return await self.net.getaddrinfo(host, port, **more)

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **more: Any
    ) -> Any:
        """Connect through the simulated network."""
        return await self.net.create_connection(protocol_factory, host, port, **more)

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **more: Any
    ) -> Any:
        """Listen in the simulated network."""
        return await self.net.create_server(protocol_factory, host, port, **more)

    async def create_datagram_endpoint(
        self, protocol_factory: Any, local_addr: Any = None, remote_addr: Any = None, **more: Any
    ) -> Any:
        """Open a message link, which drops, doubles and reorders as its path does."""
        return await self.net.create_datagram_endpoint(
            protocol_factory, local_addr, remote_addr, **more
        )

    def _start_serving(self, protocol_factory: Any, sock: Any, *more: Any) -> None:
        self.net.start_serving(protocol_factory, sock, server=more[1] if len(more) > 1 else None)

    def _stop_serving(self, sock: Any) -> None:
        self.net.stop_serving(sock)


_SOCKETS = "sockets of the system have no virtual time; use streams or create_connection"
_PROCESSES = "a program is a host here; use Host.spawn and Host.kill"
_NOT_SIMULATED = {
    "add_reader": _SOCKETS,
    "add_writer": _SOCKETS,
    "sock_connect": _SOCKETS,
    "sock_accept": _SOCKETS,
    "sock_recv": _SOCKETS,
    "sock_sendall": _SOCKETS,
    "create_unix_connection": _SOCKETS,
    "create_unix_server": _SOCKETS,
    "connect_accepted_socket": _SOCKETS,
    "start_tls": "there is no TLS inside a simulation; test it on real sockets",
    "subprocess_exec": _PROCESSES,
    "subprocess_shell": _PROCESSES,
    "add_signal_handler": _PROCESSES,
}


def _refusal(name: str, why: str) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise NotSimulatedError(f"loop.{name} is not simulated: {why}.")

    return refuse


for _name_of, _why in _NOT_SIMULATED.items():
    setattr(SimLoop, _name_of, _refusal(_name_of, _why))


def waiting_tasks(loop: asyncio.AbstractEventLoop) -> str:
    """Name each task that is not done, with its process and where it waits."""
    tasks = [task for task in asyncio.all_tasks(loop) if isinstance(task, SimTask)]
    alive = [task for task in tasks if task.process is None or task.process.is_alive]
    lines = []
    for task in sorted(alive, key=lambda task: task._birth)[:TASKS_SHOWN]:
        process = task.process
        where = "" if process is None else f" on {process.name} ({process.state.value})"
        text = io.StringIO()
        task.print_stack(file=text)
        lines.append(f"- {task.get_name()}{where}\n" + _indented(text.getvalue()))
    if len(alive) > TASKS_SHOWN:
        lines.append(f"and {len(alive) - TASKS_SHOWN} more")
    return "\n".join(lines) or "  (no task at all)"


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.rstrip().splitlines()[1:])


def _name(handle: asyncio.Handle) -> str:
    callback = handle._callback  # type: ignore[attr-defined]
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return f"a step of {task.get_name()}"
    return str(getattr(callback, "__qualname__", callback))


def running_sim_loop() -> SimLoop:
    """Return the simulated loop that runs now.

    Raises:
        RuntimeError: none does.
    """
    return cast("SimLoop", events.get_running_loop())
