"""What the server knows of itself: metrics, health checks, alerts; and the tasks that look."""

from __future__ import annotations

import asyncio
import logging
import shutil
from typing import TYPE_CHECKING, Final

import psutil

from holdfast import limits
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
from holdfast.server.hub_monitoring import HubSubject, check_hub, keep_commits, read_hub
from holdfast.server.panels import Panels
from holdfast.session import Hub

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from holdfast.connection import ConnectionManager
    from holdfast.delivery import Outbox
    from holdfast.ops.alerts import Webhook
    from holdfast.server.panels import Panel
    from holdfast.server.subject import Subject

log = logging.getLogger("holdfast.server")

DISK_LOW: Final = 500e6
DISK_OUT: Final = 50e6
"""Bytes of free room below which the disk is degraded, and unhealthy."""

LAG_HIGH: Final = 0.5
"""Seconds that the loop may be late before that is degraded."""


TRENDS: Final = {
    "holdfast_connections": "Connections",
    "holdfast_messages_received_total": "Messages from clients",
    "holdfast_deliveries_total": "Events delivered",
    "holdfast_connections_closed_total": "Connections lost",
    "holdfast_commit_seconds": "Commit, 95 of 100 within",
    "holdfast_loop_lag_seconds": "Event loop late by",
    "holdfast_cpu_share": "Processor",
    "holdfast_memory_bytes": "Memory",
}
"""Plots of the dashboard in their order; one without any figures (of a program without a hub) is not shown."""


class Monitoring:
    """Watches one server; use it as an async context manager.

    Args:
        subject: that is served: a hub, or what describes a program without one.
        data: folder of its data.
        recent: the last lines of its log.
        webhook: told of alerts.
        on_given_up: called with name and error when a task without which the server is blind keeps dying.

    Attributes:
        subject: that is served.
        hub: whose sessions are watched; None for a program without.
        metrics: a program declares and counts its own here as well.
        health: a program registers its own checks here as well.
        alerts: a program adds its own rules here as well.
        trends: plots of the dashboard in order: metric → title.
        panels: sections of the dashboard that the program fills.
    """

    def __init__(
        self,
        subject: Subject,
        data: Path,
        *,
        recent: RecentLog | None = None,
        webhook: Webhook | None = None,
        on_given_up: Callable[[str, BaseException], object] | None = None,
    ) -> None:
        self.subject = HubSubject(subject) if isinstance(subject, Hub) else subject
        self.hub: Hub | None = None
        self.recent = RecentLog() if recent is None else recent
        self.systemd = Systemd()
        self.watchdog = LoopWatchdog(systemd=self.systemd)
        self.health = HealthChecker()
        self.metrics = Metrics(now=subject.now)
        self.errors = ErrorHandler(on_error=self._count_error)
        self.alerts = Alerts(self.metrics, webhook=webhook)
        self.supervisor = Supervisor(on_given_up=on_given_up)
        self.outboxes: list[Outbox] = []
        self.outbox_figures: list[dict[str, float]] = []
        self.managers: list[ConnectionManager] = []
        self.trends = dict(TRENDS)
        self.panels = Panels()
        self._data = data
        self._process = psutil.Process()
        self._known_health: dict[str, HealthStatus] = {}
        self._read_program()
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

    def _read_program(self) -> None:
        subject, metrics = self.subject, self.metrics
        metrics.read("holdfast_uptime_seconds", subject.uptime)
        metrics.read("holdfast_loop_lag_seconds", lambda: self.watchdog.lag)
        metrics.read("holdfast_alerts", lambda: len(self.alerts.raised))
        metrics.read("holdfast_breakers_open", self._open_breakers)
        database = subject.database
        if database is not None:
            metrics.read("holdfast_store_queue", lambda: database.queue_depth)

    def add_hub(self, hub: Hub) -> None:
        """Watch a hub as well; done already when the subject is one."""
        assert self.hub is None, "one hub is watched already"
        self.hub = hub
        read_hub(hub, self.metrics)
        check_hub(hub, self.health, needs=["store"] if self._has_store_check else [])

    def breakers(self) -> dict[str, dict[str, object]]:
        """Describe all circuit breakers, by name."""
        found: dict[str, dict[str, object]] = {}
        if self.subject.database is not None:
            found["store"] = self.subject.database.breaker.statistics()
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

    def add_trend(self, metric: str, title: str) -> None:
        """Plot a metric of the program on the dashboard: a counter as its rate, a duration as its 95th percentile."""
        assert metric in self.metrics.names, f"{metric} is not declared"
        assert metric in self.trends or len(self.trends) < limits.TRENDS_MAX, "too many plots"
        self.trends[metric] = title

    def add_panel(self, name: str, panel: Panel) -> None:
        """Show a section of the program's own on the dashboard; see ``holdfast.server.panels``."""
        self.panels.add(name, panel)

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
        if self._has_store_check:
            health.register_check("store", self._store)
        if not isinstance(self.subject, HubSubject):
            health.register_check("program", self._program)
        else:
            self.add_hub(self.subject.hub)
        health.register_check("disk", self._disk)
        health.register_check("loop", self._loop, is_critical=False)
        health.register_check("tasks", self._tasks, is_critical=False)

    @property
    def _has_store_check(self) -> bool:
        return self.subject.database is not None or isinstance(self.subject, HubSubject)

    async def _store(self) -> HealthCheckResult:
        database = self.subject.database
        details: dict[str, object] = {
            "writes_waiting": 0 if database is None else database.queue_depth
        }
        if isinstance(self.subject, HubSubject) and not self.subject.is_ready:
            return HealthCheckResult(HealthStatus.UNHEALTHY, "it cannot be used for now", details)
        if database is not None and database.breaker.state is not CircuitState.CLOSED:
            return HealthCheckResult(
                HealthStatus.UNHEALTHY, "the disk has failed several times", details
            )
        return HealthCheckResult(HealthStatus.HEALTHY, details=details)

    async def _program(self) -> HealthCheckResult:
        if self.subject.is_ready:
            return HealthCheckResult(HealthStatus.HEALTHY)
        # What it waits for is not here (a router, a peer), so it is not unhealthy; its own alerts say what it is.
        return HealthCheckResult(HealthStatus.DEGRADED, "it cannot do its job for now")

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
            if self.hub is not None:
                keep_commits(self.hub, self.metrics)
            await asyncio.sleep(0.5)

    def _raised(self, alert: Alert) -> None:
        if alert.is_raised:
            self.errors.handle_error(
                "system", "medium", alert.rule.name, alert.rule.advice, value=alert.value
            )
