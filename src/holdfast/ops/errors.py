"""One place where errors are reported: counted, kept, recovered from, and an emergency when there are too many."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from holdfast import limits
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.world import World

log = logging.getLogger("holdfast.errors")


class ErrorCategory(StrEnum):
    """Where an error comes from."""

    NETWORK = "network"
    ENCRYPTION = "encryption"
    GATEWAY = "gateway"
    MESSAGE = "message"
    SYSTEM = "system"
    UI = "ui"


class ErrorSeverity(StrEnum):
    """How bad it is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


LEVELS = {
    ErrorSeverity.LOW: logging.INFO,
    ErrorSeverity.MEDIUM: logging.WARNING,
    ErrorSeverity.HIGH: logging.ERROR,
    ErrorSeverity.CRITICAL: logging.CRITICAL,
}


@dataclass(frozen=True, slots=True)
class HandledError:
    """An error that was reported.

    Attributes:
        at: seconds since 1970.
        category: where it comes from.
        severity: how bad it is.
        code: stable name or number.
        message: for a person.
        details: figures that belong to it.
        is_recovered: whether a handler has put it right.
    """

    at: float
    category: ErrorCategory
    severity: ErrorSeverity
    code: str
    message: str
    details: Mapping[str, object] = field(default_factory=dict)
    is_recovered: bool = False


Recovery = Callable[[HandledError], bool | Awaitable[bool | None] | None]
Emergency = Callable[[ErrorCategory, int], object]


@dataclass(frozen=True, slots=True)
class EmergencyPolicy:
    """When the emergency procedure begins.

    Attributes:
        thresholds: errors of a category within ``window``; a category that is not named has none.
        window: seconds.
        quiet: seconds without a further error after which it is over.
    """

    thresholds: Mapping[ErrorCategory, int] = field(
        default_factory=lambda: dict.fromkeys(ErrorCategory, 100)
    )
    window: float = 60.0
    quiet: float = 60.0


class ErrorHandler:
    """Takes errors from all parts of a program.

    Args:
        policy: when there are too many.
        on_emergency: called once with category and count when an emergency begins.
        on_error: called with each error.
        world: wall time.
    """

    def __init__(
        self,
        *,
        policy: EmergencyPolicy | None = None,
        on_emergency: Emergency | None = None,
        on_error: Callable[[HandledError], object] | None = None,
        world: World | None = None,
    ) -> None:
        self.policy = EmergencyPolicy() if policy is None else policy
        self._on_emergency = on_emergency
        self._on_error = on_error
        self._world: World = RealWorld() if world is None else world
        self._recoveries: dict[ErrorCategory, list[Recovery]] = {}
        self._recent: deque[HandledError] = deque(maxlen=limits.ERRORS_KEPT)
        self._times: dict[ErrorCategory, deque[float]] = {
            category: deque(maxlen=max(1, self.policy.thresholds.get(category, 1)))
            for category in ErrorCategory
        }
        self._emergencies: dict[ErrorCategory, float] = {}
        self._counts: Counter[tuple[ErrorCategory, ErrorSeverity]] = Counter()
        self._recovered = 0
        self._working: set[asyncio.Task[None]] = set()

    def register_recovery(self, category: ErrorCategory, recovery: Recovery) -> Recovery:
        """Try ``recovery`` on each error of a category, in the order of registration, until one returns True."""
        self._recoveries.setdefault(category, []).append(recovery)
        return recovery

    def handle_error(
        self,
        category: ErrorCategory | str,
        severity: ErrorSeverity | str,
        code: object,
        message: str,
        **details: object,
    ) -> HandledError:
        """Report an error; never raises for what handlers and listeners do.

        Args:
            category: where it comes from.
            severity: how bad it is.
            code: stable name or number.
            message: for a person; never a secret.
            details: figures that belong to it.

        Raises:
            ValueError: there is no such category or severity.
        """
        error = HandledError(
            self._world.wall_now(),
            ErrorCategory(category),
            ErrorSeverity(severity),
            str(code),
            message[: limits.ERROR_TEXT_MAX],
            details,
        )
        log.log(LEVELS[error.severity], "%s %s: %s", error.category, error.code, error.message)
        self._counts[error.category, error.severity] += 1
        self._recent.append(error)
        self._guarded(self._on_error, error)
        self._watch(error)
        self._recover(error)
        return error

    @property
    def emergencies(self) -> list[ErrorCategory]:
        """The categories in which there are too many errors now."""
        now = self._world.wall_now()
        for category, last in list(self._emergencies.items()):
            if now - last >= self.policy.quiet:
                log.warning("the emergency of %s errors is over", category)
                del self._emergencies[category]
        return list(self._emergencies)

    def recent(self, count: int = 100) -> list[HandledError]:
        """Return the last errors, newest first."""
        return list(self._recent)[::-1][:count]

    def statistics(self) -> dict[str, object]:
        """Return figures: ``total``, ``recovered``, counts ``by_category`` and ``by_severity``, ``emergencies``."""
        by_category: Counter[str] = Counter()
        by_severity: Counter[str] = Counter()
        for (category, severity), count in self._counts.items():
            by_category[category.value] += count
            by_severity[severity.value] += count
        return {
            "total": sum(self._counts.values()),
            "recovered": self._recovered,
            "by_category": dict(by_category),
            "by_severity": dict(by_severity),
            "emergencies": [category.value for category in self.emergencies],
        }

    def _watch(self, error: HandledError) -> None:
        category = error.category
        threshold = self.policy.thresholds.get(category)
        if threshold is None:
            return
        if category in self.emergencies:
            self._emergencies[category] = error.at
            return
        times = self._times[category]
        times.append(error.at)
        if len(times) == times.maxlen and error.at - times[0] <= self.policy.window:
            self._emergencies[category] = error.at
            times.clear()
            log.critical(
                "emergency: %d %s errors within %g s", threshold, category, self.policy.window
            )
            self._guarded(self._on_emergency, category, threshold)

    def _recover(self, error: HandledError) -> None:
        handlers = self._recoveries.get(error.category)
        if not handlers:
            return
        if len(self._working) >= limits.RECOVERIES_PENDING_MAX:
            log.warning("too many recoveries are under way: %s is left", error.code)
            return

        async def work() -> None:
            for recovery in handlers:
                try:
                    found = recovery(error)
                    is_done = await found if isinstance(found, Awaitable) else found
                except Exception:  # the next one may help
                    log.exception("a recovery from %s failed", error.code)
                    continue
                if is_done:
                    self._recovered += 1
                    return

        try:
            task = asyncio.get_running_loop().create_task(work(), name="holdfast-recovery")
        except (
            RuntimeError
        ):  # reported from a thread without a loop: counted and logged all the same
            return
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    @staticmethod
    def _guarded(callback: Callable[..., object] | None, *given: object) -> None:
        if callback is None:
            return
        try:
            callback(*given)
        except Exception:  # a listener's bug is not the error's
            log.exception("a listener for errors failed")


_shared: list[ErrorHandler] = []


def set_error_handler(handler: ErrorHandler | None) -> None:
    """Set the one that is shared in this program."""
    _shared.clear()
    if handler is not None:
        _shared.append(handler)


def get_error_handler() -> ErrorHandler:
    """Return the one that is shared in this program; it is made when there is none."""
    if not _shared:
        _shared.append(ErrorHandler())
    return _shared[0]


def handle_error(
    category: ErrorCategory | str,
    severity: ErrorSeverity | str,
    code: object,
    message: str,
    **details: object,
) -> HandledError:
    """Report an error to the shared handler, see ``ErrorHandler.handle_error``."""
    return get_error_handler().handle_error(category, severity, code, message, **details)
