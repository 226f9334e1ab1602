"""An agent that is a process of its own, in whatever language, and speaks JSON lines (see ``child_wire``).

It is started again when it dies, after a wait that doubles while it dies soon; it is killed with everything that it
has started when its node stops, and by the kernel when its node is killed. What it writes on stderr comes into
the node's log. A request that it had when it died is not handed to the next life, because nobody knows how far it
came, unless the agent may run again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.apps.agents import limits
from holdfast.apps.agents.child_link import ChildDiedError, ChildLink
from holdfast.apps.agents.errors import AgentCode, AgentError
from holdfast.resilience import RateLimitConfig, RateLimiter

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping

    from holdfast.apps.agents.agent import AgentRequest
    from holdfast.apps.agents.host import AgentHost

log = logging.getLogger("holdfast.agents")

LEASH: Final = Path(__file__).with_name("_leash.py")

READ: Final = 16 * 1024
"""Bytes of stderr that are read at once."""

RUNNING: Final = "running"


@dataclass(frozen=True, kw_only=True)
class ProcessSettings:
    """How a process is kept.

    Attributes:
        folder: where it runs; the node's by default.
        environment: variables beside those of the node.
        start_timeout: seconds until it must have said that it is ready.
        stop_timeout: seconds that it has after SIGTERM.
        delay: seconds before it is started again, doubling up to ``delay_max``, with jitter.
        delay_max: seconds.
        calm: seconds that it must have run for the wait to be short again.
    """

    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    start_timeout: float = 15.0
    stop_timeout: float = 3.0
    delay: float = 0.2
    delay_max: float = 30.0
    calm: float = 30.0


class ProcessAgent:
    """An agent that is a process; ``AgentHost.register`` takes it.

    Args:
        command: the program and its arguments.
        settings: how it is kept.

    Attributes:
        state: ``running``, ``starting``, ``waiting`` (to be started again) or ``stopped``.
        problem: why it does not run.
        pid: of the process, None when there is none.
        starts: how often it was started.
    """

    def __init__(self, *command: str, settings: ProcessSettings | None = None) -> None:
        if not command:
            raise AgentError(AgentCode.CONFIG_INVALID, "A process needs a command.")
        self.state = "stopped"
        self.problem = "it was not started"
        self.pid: int | None = None
        self.starts = 0
        self._command = command
        self._settings = ProcessSettings() if settings is None else settings
        self._link: ChildLink | None = None
        self._up = asyncio.Event()

    async def __call__(self, request: AgentRequest) -> object:
        """Let the process answer; waits for it while it is being started."""
        settings = request.host.agents[request.agent].settings
        tries = limits.CHILD_TRIES_MAX if settings.may_run_again and not request.is_stream else 1
        for _ in range(tries):
            while self._link is None:
                await self._up.wait()
            try:
                return await self._link.ask(request)
            except ChildDiedError:
                log.info("the process of %s died with the request %s", request.agent, request.id)
        raise AgentError(
            AgentCode.CALL_INTERRUPTED,
            f"The process of {request.agent!r} died while it answered; nobody knows how far it came. "
            "It is not run again under this id.",
        )

    async def live(self, host: AgentHost) -> None:
        """Keep the process running until cancelled."""
        name = next(each.name for each in host.agents.values() if each.handler is self)
        settings, loop = self._settings, asyncio.get_running_loop()
        deaths = 0
        try:
            while True:
                began = loop.time()
                why = await self._one_life(name, host)
                deaths = 1 if loop.time() >= began + settings.calm else deaths + 1
                wait = min(settings.delay_max, settings.delay * 2 ** min(deaths - 1, 20))
                self._away("waiting", why)
                log.warning(
                    "the process of %s has ended: %s; again in about %.1f s", name, why, wait
                )
                await asyncio.sleep(wait * host.world.random.uniform(0.5, 1.0))
        finally:
            self._away("stopped", "its node is being stopped")

    def _away(self, state: str, problem: str) -> None:
        self.state, self.problem = state, problem
        self.pid = None
        self._link = None
        self._up.clear()

    async def _one_life(self, name: str, host: AgentHost) -> str:
        """Start it, let it live; return why it ended."""
        self.state, self.problem = "starting", self.problem if self.starts else "it is starting"
        self.starts += 1
        try:
            process = await self._start()
        except OSError as error:
            return f"it cannot be started: {error}"
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.pid = process.pid
        link = ChildLink(name, host, process.stdin)
        reading = asyncio.create_task(link.read(process.stdout), name=f"holdfast-agent {name} out")
        logging_ = asyncio.create_task(
            _logged(name, process.stderr), name=f"holdfast-agent {name} log"
        )
        ready = asyncio.create_task(self._readied(link), name=f"holdfast-agent {name} ready")
        why = ""
        try:
            why = await link.broken
        finally:
            self._away("stopped", why)
            ready.cancel()
            link.close()
            try:
                await self._end(process)
            finally:
                reading.cancel()
                logging_.cancel()
                await asyncio.gather(reading, ready, logging_, return_exceptions=True)
                await link.closed()
        code = process.returncode
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return f"{why} ({how})"

    async def _readied(self, link: ChildLink) -> None:
        try:
            async with asyncio.timeout(self._settings.start_timeout):
                await link.ready.wait()
        except TimeoutError:
            link.end(f"it was not ready within {self._settings.start_timeout:.0f} s")
            return
        self._link = link
        self.state, self.problem = RUNNING, ""
        self._up.set()

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(LEASH),
            str(os.getpid()),
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=limits.LINE_BYTES_MAX,
            cwd=self._settings.folder,
            env=os.environ | dict(self._settings.environment),
            start_new_session=True,  # a group of its own: Ctrl-C is the node's, and all of it can be killed
        )

    async def _end(self, process: Process) -> None:
        """End it and what it has started: politely, then not."""
        assert process.stdin is not None
        process.stdin.close()
        try:
            if process.returncode is None:
                _signal(process, signal.SIGTERM)
                async with asyncio.timeout(self._settings.stop_timeout):
                    await process.wait()
        except TimeoutError:
            log.warning("process %d does not end by itself, it is killed", process.pid)
        finally:
            _signal(process, signal.SIGKILL)
            await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    """Signal the process and its group."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return  # nobody is left of it (macOS says so by EPERM)


async def _logged(name: str, reader: asyncio.StreamReader) -> None:
    """Bring what it writes on stderr into the log, cut and bounded."""
    limiter = RateLimiter(
        RateLimitConfig(limits.CHILD_LOG_RATE, 1.0, limits.CHILD_LOG_BURST), name="log of an agent"
    )
    left_out = 0
    line = bytearray()
    child = logging.getLogger(f"holdfast.agents.process.{name}")

    def say() -> None:
        nonlocal left_out
        if limiter.check(name) > 0:
            left_out += 1
            return
        if left_out:
            child.warning("%d lines were left out: it writes too many", left_out)
            left_out = 0
        child.info("%s", line.decode("utf-8", "replace"))

    while data := await reader.read(READ):
        for index, part in enumerate(data.split(b"\n")):
            if index and line:
                say()
            if index:
                line.clear()
            line += part[: limits.LOG_LINE_BYTES_MAX - len(line)]
    if line:
        say()
