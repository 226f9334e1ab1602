"""What the server knows of itself: metrics, health checks, alerts; and the tasks that look."""

from __future__ import annotations

import asyncio
import logging
import shutil
from typing import TYPE_CHECKING, Final

import psutil

from holdfast.health import (
    HealthChecker,
    HealthCheckResult,
    HealthStatus,
    LoopWatchdog,
    Supervisor,
    Systemd,
)
from holdfast.ops import (
    Alert,
    Alerts,
    ErrorHandler,
    Metrics,
    RecentLog,
    set_error_handler,
)
from holdfast.resilience import CircuitState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from holdfast.connection import ConnectionManager
    from holdfast.delivery import Outbox
    from holdfast.ops.alerts import Webhook
    from holdfast.session import Hub

log = logging.getLogger("holdfast.server")

DISK_LOW: Final = 500e6
DISK_OUT: Final = 50e6
"""Bytes of free room below which the disk is degraded, and unhealthy."""

LAG_HIGH: Final = 0.5
"""Seconds that the loop may be late before that is degraded."""


class Monitoring:
    """Watches one server; use it as an async context manager.

    Args:
        hub: of the server.
        data: folder of its data.
        recent: the last lines of its log.
        webhook: told of alerts.
        on_given_up: called with name and error when a task without which the server is blind keeps dying.
    """

    def __init__(
        self,
        hub: Hub,
        data: Path,
        *,
        recent: RecentLog | None = None,
        webhook: Webhook | None = None,
        on_given_up: Callable[[str, BaseException], object] | None = None,
    ) -> None:
        self.hub = hub
        self.recent = RecentLog() if recent is None else recent
        self.systemd = Systemd()
        self.watchdog = LoopWatchdog(systemd=self.systemd)
        self.health = HealthChecker()
        self.metrics = Metrics(now=hub.now)
        self.errors = ErrorHandler(on_error=self._count_error)
        self.alerts = Alerts(self.metrics, webhook=webhook)
        self.supervisor = Supervisor(on_given_up=on_given_up)
        self.outboxes: list[Outbox] = []
        self.outbox_figures: list[dict[str, float]] = []
        self.managers: list[ConnectionManager] = []
        self._data = data
        self._process = psutil.Process()
        self._known_health: dict[str, HealthStatus] = {}
        self._read_hub()
        self._read_process()
        self._check_parts()

    async def __aenter__(self) -> Self:
        await self.watchdog.__aenter__()
        self._process.cpu_percent()  # the first call begins the measuring
        set_error_handler(self.errors)
        self.alerts.on_alert(self._raised)
        self.supervisor.start("alerts", self.alerts.run)
        self.supervisor.start("health", self._look_at_health)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.supervisor.__aexit__(kind, error, trace)
        await self.health.close()
        await self.watchdog.__aexit__(kind, error, trace)
        set_error_handler(None)

    # --- what is read -----------------------------------------------------------------------

    def _read_hub(self) -> None:
        hub, metrics, counts = self.hub, self.metrics, self.hub.counts
        metrics.read("holdfast_connections", lambda: len(hub.connections))
        metrics.read("holdfast_sessions", lambda: len(hub.sessions))
        metrics.read("holdfast_channels", lambda: len(hub.channels))
        metrics.read("holdfast_uptime_seconds", hub.uptime)
        metrics.follow("holdfast_connections_opened_total", lambda: counts.connections_opened)
        metrics.follow("holdfast_connections_closed_total", lambda: counts.connections_closed)
        metrics.follow("holdfast_connections_refused_total", lambda: counts.connections_refused)
        metrics.follow("holdfast_sessions_opened_total", lambda: counts.sessions_opened)
        metrics.follow("holdfast_sessions_resumed_total", lambda: counts.sessions_resumed)
        metrics.follow("holdfast_messages_received_total", lambda: counts.messages)
        metrics.follow("holdfast_messages_failed_total", lambda: counts.messages_failed)
        metrics.follow("holdfast_events_total", lambda: counts.events)
        metrics.follow("holdfast_deliveries_total", lambda: counts.deliveries)
        metrics.read("holdfast_loop_lag_seconds", lambda: self.watchdog.lag)
        metrics.read("holdfast_alerts", lambda: len(self.alerts.raised))
        metrics.read("holdfast_breakers_open", self._open_breakers)
        if hub.has_store:
            metrics.read("holdfast_store_queue", lambda: hub.database.queue_depth)

    def breakers(self) -> dict[str, dict[str, object]]:
        """Describe all circuit breakers, by name."""
        found: dict[str, dict[str, object]] = {}
        if self.hub.has_store:
            found["store"] = self.hub.database.breaker.statistics()
        for outbox in self.outboxes:
            found |= outbox.breakers.statistics()
        for manager in self.managers:
            found |= manager.breakers.statistics()
        return found

    def _open_breakers(self) -> float:
        closed = CircuitState.CLOSED.value
        return sum(1 for each in self.breakers().values() if each["state"] != closed)

    def _read_process(self) -> None:
        process, metrics = self._process, self.metrics
        metrics.read("holdfast_cpu_share", lambda: process.cpu_percent() / 100)
        metrics.read("holdfast_memory_bytes", lambda: process.memory_info().rss)
        metrics.read("holdfast_disk_free_bytes", self._free)
        metrics.read(
            "holdfast_open_files", process.num_fds if hasattr(process, "num_fds") else lambda: None
        )

    def _free(self) -> float | None:
        try:
            return float(shutil.disk_usage(self._data).free)
        except OSError:
            return None  # the folder is gone: the check of the disk says so

    def _count_error(self, error: object) -> None:
        category = getattr(error, "category", "system")
        self.metrics.count("holdfast_errors_total", label=str(category))

    def add_outbox(self, outbox: Outbox) -> None:
        """Watch an outbox as well."""
        self.outboxes.append(outbox)
        metrics = self.metrics
        metrics.read("holdfast_outbox_messages", lambda: self._in_outboxes("queued"), "queued")
        metrics.read("holdfast_outbox_messages", lambda: self._in_outboxes("sending"), "sending")
        metrics.read("holdfast_outbox_messages", lambda: self._in_outboxes("dead_letters"), "dead")
        metrics.read(
            "holdfast_outbox_oldest_seconds",
            lambda: max((each["oldest_age"] for each in self.outbox_figures), default=None),
        )

    def _in_outboxes(self, name: str) -> float | None:
        return sum(each[name] for each in self.outbox_figures) if self.outbox_figures else None

    def add_gateways(self, manager: ConnectionManager) -> None:
        """Watch the connections of a manager as well."""
        self.managers.append(manager)

    # --- what is checked --------------------------------------------------------------------

    def _check_parts(self) -> None:
        health = self.health
        health.register_check("store", self._store)
        health.register_check("sessions", self._sessions, needs=["store"])
        health.register_check("disk", self._disk)
        health.register_check("loop", self._loop, is_critical=False)
        health.register_check("tasks", self._tasks, is_critical=False)

    async def _store(self) -> HealthCheckResult:
        hub = self.hub
        details: dict[str, object] = {
            "writes_waiting": hub.database.queue_depth if hub.has_store else 0
        }
        if not hub.is_ready:
            return HealthCheckResult(HealthStatus.UNHEALTHY, "it cannot be used for now", details)
        if hub.has_store and hub.database.breaker.state is not CircuitState.CLOSED:
            return HealthCheckResult(
                HealthStatus.UNHEALTHY, "the disk has failed several times", details
            )
        return HealthCheckResult(HealthStatus.HEALTHY, details=details)

    async def _sessions(self) -> HealthCheckResult:
        hub = self.hub
        details: dict[str, object] = {
            "known": len(hub.sessions),
            "connections": len(hub.connections),
            "channels": len(hub.channels),
        }
        if len(hub.connections) >= 0.9 * hub.settings.connections_max:
            return HealthCheckResult(HealthStatus.DEGRADED, "nearly full", details)
        return HealthCheckResult(HealthStatus.HEALTHY, details=details)

    def _disk(self) -> HealthCheckResult:
        free = shutil.disk_usage(self._data).free
        details: dict[str, object] = {"free_bytes": free}
        if free < DISK_OUT:
            return HealthCheckResult(HealthStatus.UNHEALTHY, "the disk is full", details)
        if free < DISK_LOW:
            return HealthCheckResult(HealthStatus.DEGRADED, "the disk is nearly full", details)
        return HealthCheckResult(HealthStatus.HEALTHY, details=details)

    async def _loop(self) -> HealthCheckResult:
        details: dict[str, object] = {
            name: round(value, 3) for name, value in self.watchdog.statistics().items()
        }
        if self.watchdog.lag > LAG_HIGH:
            return HealthCheckResult(HealthStatus.DEGRADED, "the event loop is late", details)
        return HealthCheckResult(HealthStatus.HEALTHY, details=details)

    async def _tasks(self) -> HealthCheckResult:
        dead = [name for name, report in self.supervisor.reports.items() if report.is_given_up]
        if dead:
            return HealthCheckResult(HealthStatus.UNHEALTHY, f"given up: {', '.join(dead)}")
        return HealthCheckResult(HealthStatus.HEALTHY)

    # --- what is done about it --------------------------------------------------------------

    async def _look_at_health(self) -> None:
        """Keep health and times of commits among the metrics, until cancelled."""
        while True:
            found = await self.health.get_overall_health()
            for name, result in found.checks.items():
                self.metrics.set("holdfast_health", int(result.status), name)
                before = self._known_health.get(name, HealthStatus.HEALTHY)
                if result.status is not before:
                    log.warning("%s is %s now %s", name, result.status.name.lower(), result.message)
                self._known_health[name] = result.status
            self.outbox_figures = [await each.statistics() for each in self.outboxes]
            commits = self.hub.counts.commits
            while commits:
                self.metrics.observe("holdfast_commit_seconds", commits.popleft())
            await asyncio.sleep(0.5)

    def _raised(self, alert: Alert) -> None:
        if alert.is_raised:
            self.errors.handle_error(
                "system", "medium", alert.rule.name, alert.rule.advice, value=alert.value
            )
