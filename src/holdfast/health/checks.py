"""Health checks: is each part well, and can the program do its job?

::

    health = HealthChecker()
    health.register_check("store", check_store, timeout=2.0)
    health.register_check("api", check_api, needs=["store"], is_critical=False)
    found = await health.get_overall_health()

A check returns nothing when all is well, or a bool, a ``HealthStatus`` or a ``HealthCheckResult``. One that raises
or hangs is unhealthy, never fatal.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.world import World

log = logging.getLogger("holdfast.health")

CHECK_THREADS: Final = 4
"""Checks that block and run at the same time; one that hangs occupies one of them until it returns."""


class HealthStatus(IntEnum):
    """How well something is; larger is worse."""

    HEALTHY = 0
    DEGRADED = 1
    UNHEALTHY = 2


@dataclass(frozen=True, slots=True)
class HealthCheckResult:
    """What a check found.

    Attributes:
        status: how well.
        message: for a person.
        details: figures that belong to it.
        timestamp: when it was found, seconds since 1970; 0 is filled in.
    """

    status: HealthStatus
    message: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    timestamp: float = 0.0


@dataclass(frozen=True, slots=True)
class OverallHealth:
    """All checks together.

    Attributes:
        status: unhealthy when a critical check is, degraded when anything is not well.
        uptime: seconds since the checker was made.
        checks: by name, in the order in which they were registered.
    """

    status: HealthStatus
    uptime: float
    checks: Mapping[str, HealthCheckResult]


Found = HealthCheckResult | HealthStatus | bool | None
Check = Callable[[], Found | Awaitable[Found]]


class _Registered:
    __slots__ = ("check", "is_critical", "name", "needs", "result", "running", "timeout", "until")

    def __init__(
        self, name: str, check: Check, needs: Sequence[str], timeout: float, *, is_critical: bool
    ) -> None:
        self.name = name
        self.check = check
        self.needs = tuple(needs)
        self.timeout = timeout
        self.is_critical = is_critical
        self.result: HealthCheckResult | None = None
        self.until = 0.0
        self.running: asyncio.Task[Found] | asyncio.Future[Found] | None = None


class HealthChecker:
    """Asks the parts of a program how they are.

    Args:
        cache: seconds for which an answer is good, so that probes cost nothing.
        world: wall time.
    """

    def __init__(self, *, cache: float = 1.0, world: World | None = None) -> None:
        self._cache = cache
        self._world: World = RealWorld() if world is None else world
        self._began = self._world.wall_now()
        self._checks: dict[str, _Registered] = {}
        self._pool = ThreadPoolExecutor(CHECK_THREADS, thread_name_prefix="holdfast-check")
        self._asking: asyncio.Task[OverallHealth] | None = None

    def register_check(
        self,
        name: str,
        check: Check,
        *,
        needs: Sequence[str] = (),
        timeout: float = 5.0,
        is_critical: bool = True,
    ) -> None:
        """Add a check, in the place of one of the same name.

        Args:
            name: of the part.
            check: called without arguments; a coroutine function, or one that may block.
            needs: parts, registered before, without which this one cannot be well: it is not asked then.
            timeout: seconds after which it is unhealthy.
            is_critical: whether the program cannot do its job without.

        Raises:
            ValueError: it needs a part that is not known.
        """
        unknown = [each for each in needs if each not in self._checks]
        if unknown:
            raise ValueError(f"{name!r} needs {unknown[0]!r}, which is not registered.")
        self._checks[name] = _Registered(name, check, needs, timeout, is_critical=is_critical)

    def remove_check(self, name: str) -> None:
        """Remove a check; harmless when there is none."""
        self._checks.pop(name, None)

    async def get_overall_health(self) -> OverallHealth:
        """Ask all parts that were not asked just now; several callers at once ask once."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all(), name="holdfast-health")
        return await asyncio.shield(self._asking)

    async def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _ask_all(self) -> OverallHealth:
        found: dict[str, HealthCheckResult] = {}
        left = list(self._checks.values())
        while left:  # in waves: each needs only what was asked before
            ready = [one for one in left if all(need not in _names(left) for need in one.needs)]
            results = await asyncio.gather(*(self._ask(one, found) for one in ready))
            found |= {one.name: result for one, result in zip(ready, results, strict=True)}
            left = [one for one in left if one not in ready]
        status = HealthStatus.HEALTHY
        for one in self._checks.values():
            worst = found.get(one.name)
            if worst is None:
                continue  # registered while the others were asked
            limit = HealthStatus.UNHEALTHY if one.is_critical else HealthStatus.DEGRADED
            status = max(status, min(worst.status, limit))
        ordered = {name: found[name] for name in self._checks if name in found}
        return OverallHealth(status, self._world.wall_now() - self._began, ordered)

    async def _ask(
        self, one: _Registered, found: Mapping[str, HealthCheckResult]
    ) -> HealthCheckResult:
        now = asyncio.get_running_loop().time()
        if one.result is not None and now < one.until:
            return one.result
        bad = [
            need
            for need in one.needs
            if need in found and found[need].status is HealthStatus.UNHEALTHY
        ]
        if bad:
            result = HealthCheckResult(HealthStatus.UNHEALTHY, f"not asked: it needs {bad[0]}")
        else:
            result = await self._answer(one)
        one.result = _stamped(result, self._world.wall_now())
        one.until = asyncio.get_running_loop().time() + self._cache
        return one.result

    async def _answer(self, one: _Registered) -> HealthCheckResult:
        if one.running is None or one.running.done():
            one.running = self._begin(one.check)
        try:
            # Not cancelled: what blocks a thread cannot be, and is not begun twice.
            done, _ = await asyncio.wait({one.running}, timeout=one.timeout)
            if not done:
                if isinstance(one.running, asyncio.Task):
                    one.running.cancel()
                return HealthCheckResult(
                    HealthStatus.UNHEALTHY, f"no answer within {one.timeout:g} s"
                )
            return _as_result(one.running.result())
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return HealthCheckResult(HealthStatus.UNHEALTHY, "the check was cancelled")
        except Exception as error:  # noqa: BLE001 - whatever it is, that part is not well
            log.warning("the check %s failed: %s", one.name, error)
            return HealthCheckResult(
                HealthStatus.UNHEALTHY,
                f"{type(error).__name__}: {error}",
                {"error": type(error).__name__},
            )

    def _begin(self, check: Check) -> asyncio.Task[Found] | asyncio.Future[Found]:
        loop = asyncio.get_running_loop()
        if inspect.iscoroutinefunction(check) or inspect.iscoroutinefunction(
            getattr(check, "__call__", None)  # noqa: B004 - an object whose call is a coroutine
        ):
            return loop.create_task(_awaited(check), name="holdfast-check")
        return loop.run_in_executor(self._pool, check)  # type: ignore[arg-type]


async def _awaited(check: Check) -> Found:
    found = check()
    return await found if inspect.isawaitable(found) else found


def _names(checks: Sequence[_Registered]) -> set[str]:
    return {one.name for one in checks}


def _as_result(found: Found) -> HealthCheckResult:
    if isinstance(found, HealthCheckResult):
        return found
    if isinstance(found, HealthStatus):
        return HealthCheckResult(found)
    if found is None or found is True:
        return HealthCheckResult(HealthStatus.HEALTHY)
    if found is False:
        return HealthCheckResult(HealthStatus.UNHEALTHY, "it said no")
    raise TypeError(f"a check returns a result, a status or a bool, not {type(found).__name__}")


def _stamped(result: HealthCheckResult, now: float) -> HealthCheckResult:
    if result.timestamp:
        return result
    return HealthCheckResult(result.status, result.message, result.details, now)
