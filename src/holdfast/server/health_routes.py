"""Probes: ``/health/live``, ``/health/ready``, ``/health`` and ``/metrics``."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from litestar import MediaType, Response, get

from holdfast.health import HealthStatus

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler

    from holdfast.health import OverallHealth
    from holdfast.server.monitoring import Monitoring
    from holdfast.server.subject import Subject

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def health_routes(subject: Subject, monitoring: Monitoring | None) -> list[ControllerRouterHandler]:
    """Make the routes.

    Args:
        subject: says whether it can do its job.
        monitoring: knows the rest; without it ``/health`` says no more than ``/health/ready``.
    """

    @get("/health/live", sync_to_thread=False, tags=["health"])
    def live() -> dict[str, str]:
        """Say that the event loop turns."""
        return {"status": "alive"}

    @get("/health/ready", sync_to_thread=False, tags=["health"])
    def ready() -> Response[dict[str, str]]:
        """Say whether the program can do its job now: 200, or 503."""
        if subject.is_ready:
            return Response({"status": "ready"})
        return Response({"status": "not ready"}, status_code=HTTPStatus.SERVICE_UNAVAILABLE)

    @get("/health", tags=["health"])
    async def health() -> Response[dict[str, object]]:
        """Describe the state of the parts: 200, or 503 when the server cannot do its job."""
        if monitoring is None:
            status = HealthStatus.HEALTHY if subject.is_ready else HealthStatus.UNHEALTHY
            body: dict[str, object] = {
                "status": status.name.lower(),
                "uptime_s": round(subject.uptime(), 1),
                "components": {},
            }
        else:
            found = await monitoring.health.get_overall_health()
            status = found.status
            body = described(found, uptime=subject.uptime())
        code = HTTPStatus.OK if status < HealthStatus.UNHEALTHY else HTTPStatus.SERVICE_UNAVAILABLE
        return Response(body, status_code=code)

    routes: list[ControllerRouterHandler] = [live, ready, health]
    if monitoring is not None:
        known = monitoring

        @get("/metrics", sync_to_thread=False, media_type=MediaType.TEXT, tags=["health"])
        def metrics() -> Response[bytes]:
            """Return all figures in the text format of Prometheus."""
            known.metrics.sample()
            return Response(known.metrics.export(), media_type=PROMETHEUS)

        routes.append(metrics)
    return routes


def described(found: OverallHealth, *, uptime: float) -> dict[str, object]:
    """Describe health for JSON."""
    return {
        "status": found.status.name.lower(),
        "uptime_s": round(uptime, 1),
        "components": {
            name: {
                "status": result.status.name.lower(),
                **({"message": result.message} if result.message else {}),
                **result.details,
            }
            for name, result in found.checks.items()
        },
    }
