"""How a program is: checks, the event loop, tasks that must not die."""

from holdfast.health.checks import (
    HealthChecker,
    HealthCheckResult,
    HealthStatus,
    OverallHealth,
)
from holdfast.health.supervisor import Supervisor, TaskReport
from holdfast.health.watchdog import LoopWatchdog, Systemd

__all__ = [
    "HealthCheckResult",
    "HealthChecker",
    "HealthStatus",
    "LoopWatchdog",
    "OverallHealth",
    "Supervisor",
    "Systemd",
    "TaskReport",
]
