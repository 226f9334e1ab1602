"""What is read, checked and kept of a session hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.health import HealthCheckResult, HealthStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.health import HealthChecker
    from holdfast.ops import Metrics
    from holdfast.session import Hub
    from holdfast.storage import Database
    from holdfast.world import World


class HubSubject:
    """A hub as a subject: a hub without a store raises when it is asked for it."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    @property
    def world(self) -> World:
        """Wall time, ids and secrets."""
        return self.hub.world

    @property
    def is_ready(self) -> bool:
        """Whether its sessions are loaded and its store can be written."""
        return self.hub.is_ready

    @property
    def database(self) -> Database | None:
        """Its store, None when it keeps everything in memory."""
        return self.hub.database if self.hub.has_store else None

    def now(self) -> float:
        """Return monotonic seconds."""
        return self.hub.now()

    def uptime(self) -> float:
        """Return seconds since the start."""
        return self.hub.uptime()


def read_hub(hub: Hub, metrics: Metrics) -> None:
    """Follow the hub's figures with our metrics."""
    counts = hub.counts
    metrics.read("holdfast_connections", lambda: len(hub.connections))
    metrics.read("holdfast_sessions", lambda: len(hub.sessions))
    metrics.read("holdfast_channels", lambda: len(hub.channels))
    metrics.follow("holdfast_connections_opened_total", lambda: counts.connections_opened)
    metrics.follow("holdfast_connections_closed_total", lambda: counts.connections_closed)
    metrics.follow("holdfast_connections_refused_total", lambda: counts.connections_refused)
    metrics.follow("holdfast_sessions_opened_total", lambda: counts.sessions_opened)
    metrics.follow("holdfast_sessions_resumed_total", lambda: counts.sessions_resumed)
    metrics.follow("holdfast_messages_received_total", lambda: counts.messages)
    metrics.follow("holdfast_messages_failed_total", lambda: counts.messages_failed)
    metrics.follow("holdfast_events_total", lambda: counts.events)
    metrics.follow("holdfast_deliveries_total", lambda: counts.deliveries)


def keep_commits(hub: Hub, metrics: Metrics) -> None:
    """Move the times of commits from the hub to the metrics."""
    commits = hub.counts.commits
    while commits:
        metrics.observe("holdfast_commit_seconds", commits.popleft())


def check_hub(hub: Hub, health: HealthChecker, *, needs: Sequence[str]) -> None:
    """Check the hub's sessions, which need the parts that are named, if any."""

    async def sessions() -> HealthCheckResult:
        details: dict[str, object] = {
            "known": len(hub.sessions),
            "connections": len(hub.connections),
            "channels": len(hub.channels),
        }
        if len(hub.connections) >= 0.9 * hub.settings.connections_max:
            return HealthCheckResult(HealthStatus.DEGRADED, "nearly full", details)
        return HealthCheckResult(HealthStatus.HEALTHY, details=details)

    health.register_check("sessions", sessions, needs=needs)
