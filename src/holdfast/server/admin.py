"""The API of the dashboard, below ``/api/admin``: everything an operator wants to know, and some trouble to make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.params import Body, QueryParameter

from holdfast.errors import ErrorCode, ResilienceError
from holdfast.ops.alerts import described as alert_described
from holdfast.ops.sketch import WINDOWS
from holdfast.server.admin_access import COOKIE, AdminAccess, NotAllowedError
from holdfast.server.admin_connections import (
    NotHereError,
    Trouble,
    describe_connections,
    make_trouble,
)
from holdfast.server.health_routes import described as health_described
from holdfast.server.monitoring import TRENDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import ControllerRouterHandler

    from holdfast.server.monitoring import Monitoring

LINES_MAX: Final = 500
RANKS: Final = {"info": 0, "warning": 1, "error": 2, "critical": 2}


class SignIn(msgspec.Struct):
    """What is sent to sign in."""

    token: Annotated[str, msgspec.Meta(max_length=200)]


class NoTroubleError(ResilienceError):
    """Chaos is for demonstrations."""

    default_code = ErrorCode.SESSION_REFUSED
    http_status = 403


class Admin:
    """Answers the dashboard.

    Args:
        monitoring: what is known.
        shutdown: describes how the end stands.
        is_demo: whether connections may be troubled.
    """

    def __init__(
        self, monitoring: Monitoring, *, shutdown: Callable[[], object], is_demo: bool
    ) -> None:
        self._monitoring = monitoring
        self._shutdown = shutdown
        self._is_demo = is_demo

    async def state(self) -> dict[str, object]:
        """Describe everything as it is now."""
        monitoring, metrics = self._monitoring, self._monitoring.metrics
        hub, subject = monitoring.hub, monitoring.subject
        found = await monitoring.health.get_overall_health()
        return {
            "now": subject.world.wall_now(),
            "isDemo": self._is_demo,
            "health": health_described(found, uptime=subject.uptime()),
            "figures": {name: metrics.value(name) for name in sorted(metrics.names)},
            "byLabel": {
                name: values
                for name in sorted(metrics.names)
                if (values := metrics.values(name)) and "" not in values
            },
            "rates": {
                name: metrics.rate(name, 10.0) for name in metrics.names if name.endswith("_total")
            },
            "commits": metrics.summary("holdfast_commit_seconds"),
            "alerts": [
                {"name": rule.name, "severity": rule.severity.value, "advice": rule.advice}
                for rule in monitoring.alerts.raised
            ],
            "breakers": monitoring.breakers(),
            "gateways": [manager.statistics() for manager in monitoring.managers],
            "outboxes": monitoring.outbox_figures,
            "limits": None
            if hub is None
            else {
                "connections": hub.settings.connections_max,
                "sessions": hub.settings.sessions_max,
            },
            "panels": await monitoring.panels.described(),
            "errors": monitoring.errors.statistics(),
            "tasks": {
                name: {
                    "isRunning": report.is_running,
                    "restarts": report.restarts,
                    "lastError": report.last_error,
                }
                for name, report in monitoring.supervisor.reports.items()
            },
            "shutdown": self._shutdown(),
        }

    def trends(self, window: str) -> dict[str, object]:
        """Return the plots in their order: title, kind of metric, and points of seconds ago and value."""
        seconds, monitoring = WINDOWS[window], self._monitoring
        metrics = monitoring.metrics
        plots = [
            {
                "name": name,
                "title": title,
                "kind": metrics.kind(name).value,
                "points": metrics.series(name, seconds),
            }
            for name, title in monitoring.trends.items()
            if monitoring.hub is not None or name not in TRENDS or metrics.is_known(name)
        ]
        return {"window": seconds, "plots": plots}

    def connections(self) -> dict[str, object]:
        """List connections of the hub, those in trouble first, at most 500."""
        hub = self._monitoring.hub
        return {"states": {}, "connections": []} if hub is None else describe_connections(hub)

    def log(self, level: str, search: str) -> dict[str, object]:
        """Return the last lines of the log, newest first."""
        wanted, wish = RANKS[level], search.casefold()
        lines = [
            {"at": line.at, "level": line.level, "logger": line.logger, "text": line.text}
            for line in reversed(list(self._monitoring.recent.lines))
            if RANKS.get(line.level, 0) >= wanted
            and (not wish or wish in line.text.casefold() or wish in line.logger.casefold())
        ]
        return {"lines": lines[:LINES_MAX]}

    def events(self) -> dict[str, object]:
        """Return the last errors and alerts, newest first."""
        monitoring, subject = self._monitoring, self._monitoring.subject
        began = subject.world.wall_now() - subject.now()
        errors = [
            {
                "at": error.at,
                "category": error.category.value,
                "severity": error.severity.value,
                "code": error.code,
                "message": error.message,
            }
            for error in monitoring.errors.recent(100)
        ]
        alerts = [
            {"at": began + alert.at, **alert_described(alert)}
            for alert in reversed(monitoring.alerts.history)
        ]
        return {"errors": errors, "alerts": alerts}

    def trouble(self, wish: Trouble) -> None:
        """Trouble a connection, so that one can watch it come back.

        Raises:
            NoTroubleError: 6002; this is no demonstration.
            NotHereError: 6001; the connection has gone.
        """
        if not self._is_demo:
            raise NoTroubleError("Start the server with --demo to trouble connections.")
        if self._monitoring.hub is None:
            raise NotHereError("This program has no connections that can be troubled.")
        make_trouble(self._monitoring.hub, wish)


def admin_routes(admin: Admin, access: AdminAccess) -> list[ControllerRouterHandler]:
    """Make the routes.

    Args:
        admin: answers.
        access: says who may ask.
    """

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        access.require(connection.cookies.get(COOKIE))
        if connection.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise NotAllowedError("This was asked for by another site.")

    @get("/state")
    async def state() -> dict[str, object]:
        return await admin.state()

    @get("/trends", sync_to_thread=False)
    def trends(
        window: Annotated[Literal["1m", "5m", "60m"], QueryParameter()] = "5m",
    ) -> dict[str, object]:
        return admin.trends(window)

    @get("/connections", sync_to_thread=False)
    def connections() -> dict[str, object]:
        return admin.connections()

    @get("/log", sync_to_thread=False)
    def log(
        level: Annotated[Literal["info", "warning", "error"], QueryParameter()] = "info",
        search: Annotated[str, QueryParameter(max_length=100)] = "",
    ) -> dict[str, object]:
        return admin.log(level, search)

    @get("/events", sync_to_thread=False)
    def events() -> dict[str, object]:
        return admin.events()

    @post("/chaos", sync_to_thread=False, status_code=204)
    def chaos(data: Annotated[Trouble, Body()]) -> None:
        admin.trouble(data)

    guarded = Router(
        "/api/admin",
        route_handlers=[state, trends, connections, log, events, chaos],
        guards=[guard],
        tags=["admin"],
    )
    return [*_access_routes(access), guarded]


def _access_routes(access: AdminAccess) -> list[ControllerRouterHandler]:
    @post("/api/admin/sign-in", sync_to_thread=False, status_code=204, tags=["admin"])
    def sign_in(data: Annotated[SignIn, Body()], request: Request[Any, Any, Any]) -> Response[None]:
        """Exchange the token for a cookie."""
        address = request.client.host if request.client else ""
        cookie = Cookie(
            key=COOKIE,
            value=access.sign_in(data.token, address),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path="/",
        )
        return Response(None, status_code=204, cookies=[cookie])

    @post("/api/admin/sign-out", sync_to_thread=False, status_code=204, tags=["admin"])
    def sign_out(request: Request[Any, Any, Any]) -> Response[None]:
        """Forget the cookie."""
        access.sign_out(request.cookies.get(COOKIE, ""))
        response: Response[None] = Response(None, status_code=204)
        response.delete_cookie(COOKIE)
        return response

    return [sign_in, sign_out]
