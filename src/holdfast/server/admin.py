"""The API of the dashboard, below ``/api/admin``: everything an operator wants to know, and some trouble to make."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol, runtime_checkable

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.params import Parameter

from holdfast.errors import ErrorCode, ResilienceError
from holdfast.ops.alerts import described as alert_described
from holdfast.ops.sketch import WINDOWS
from holdfast.server.admin_access import COOKIE, AdminAccess, NotAllowedError
from holdfast.server.health_routes import described as health_described

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import ControllerRouterHandler

    from holdfast.server.monitoring import Monitoring
    from holdfast.session import Connection

TRENDS: Final = (
    "holdfast_connections",
    "holdfast_messages_received_total",
    "holdfast_deliveries_total",
    "holdfast_connections_closed_total",
    "holdfast_commit_seconds",
    "holdfast_loop_lag_seconds",
    "holdfast_cpu_share",
    "holdfast_memory_bytes",
)
"""Plots of the dashboard, in its order."""

LINES_MAX: Final = 500
CONNECTIONS_MAX: Final = 500
RANKS: Final = {"info": 0, "warning": 1, "error": 2, "critical": 2}
STALL_MAX: Final = 60.0
SILENT_AFTER: Final = 3.0
"""Seconds that a ping may be unanswered before a connection is called silent."""


@runtime_checkable
class Troubled(Protocol):
    """A link that can be troubled on purpose."""

    def cut(self) -> None:
        """Drop the connection as if the cable was pulled."""

    def stall(self, seconds: float) -> None:
        """Let nothing through in either direction for a while."""


class SignIn(msgspec.Struct):
    """What is sent to sign in."""

    token: Annotated[str, msgspec.Meta(max_length=200)]


class Trouble(msgspec.Struct):
    """What is to be done to a connection: cut it like a cable, or let nothing through for some seconds."""

    do: Literal["cut", "stall"]
    connection: Annotated[str, msgspec.Meta(max_length=100)]
    seconds: Annotated[float, msgspec.Meta(ge=0.0, le=STALL_MAX)] = 10.0


class NotHereError(ResilienceError):
    """What was asked for is not there, or not any more."""

    default_code = ErrorCode.SESSION_EXPIRED
    http_status = 404


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
        self._hub = monitoring.hub
        self._shutdown = shutdown
        self._is_demo = is_demo

    async def state(self) -> dict[str, object]:
        """Describe everything as it is now."""
        monitoring, hub, metrics = self._monitoring, self._hub, self._monitoring.metrics
        found = await monitoring.health.get_overall_health()
        return {
            "now": hub.world.wall_now(),
            "isDemo": self._is_demo,
            "health": health_described(found, uptime=hub.uptime()),
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
            "limits": {
                "connections": hub.settings.connections_max,
                "sessions": hub.settings.sessions_max,
            },
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
        """Return points for the plots: seconds ago, and the value."""
        seconds, metrics = WINDOWS[window], self._monitoring.metrics
        return {"window": seconds, "series": {n: metrics.series(n, seconds) for n in TRENDS}}

    def connections(self) -> dict[str, object]:
        """List connections, those in trouble first, at most 500."""
        hub = self._hub
        listed = [_connection(each, hub.now()) for each in hub.connections]
        listed.sort(key=lambda each: (each["state"] == "open", str(each["kind"]), str(each["id"])))
        states: dict[str, int] = {}
        for each in listed:
            states[str(each["state"])] = states.get(str(each["state"]), 0) + 1
        states["absent"] = sum(1 for each in hub.sessions.values() if each.connection is None)
        return {"states": states, "connections": listed[:CONNECTIONS_MAX]}

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
        monitoring, hub = self._monitoring, self._hub
        began = hub.world.wall_now() - hub.now()
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
        for connection in self._hub.connections:
            link = connection.link
            if _name(connection) != wish.connection or not isinstance(link, Troubled):
                continue
            if wish.do == "cut":
                link.cut()
            else:
                link.stall(wish.seconds)
            return
        raise NotHereError("This connection has gone already, or cannot be troubled.")


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
    def trends(window: Literal["1m", "5m", "60m"] = "5m") -> dict[str, object]:
        return admin.trends(window)

    @get("/connections", sync_to_thread=False)
    def connections() -> dict[str, object]:
        return admin.connections()

    @get("/log", sync_to_thread=False)
    def log(
        level: Literal["info", "warning", "error"] = "info",
        search: Annotated[str, Parameter(max_length=100)] = "",
    ) -> dict[str, object]:
        return admin.log(level, search)

    @get("/events", sync_to_thread=False)
    def events() -> dict[str, object]:
        return admin.events()

    @post("/chaos", sync_to_thread=False, status_code=204)
    def chaos(data: Trouble) -> None:
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
    def sign_in(data: SignIn, request: Request[Any, Any, Any]) -> Response[None]:
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


def _name(connection: Connection) -> str:
    """Name a connection without telling what could be used to take it over."""
    session = connection.session
    told = f"{id(connection)}-{session.id if session is not None else ''}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _connection(connection: Connection, now: float) -> dict[str, object]:
    session = connection.session
    silent = now - connection.silent_since if connection.silent_since is not None else 0.0
    if session is None:
        state = "opening"
    elif connection.is_lagging:
        state = "slow reader"
    elif silent > SILENT_AFTER:
        state = "silent"
    else:
        state = "open"
    rtt = session.rtt_ms() if session is not None else None
    kind = session.principal.split(":", 1)[0] if session is not None else ""
    return {
        "id": _name(connection),
        "kind": kind,
        "state": state,
        "remote": connection.handshake.remote,
        "rttMs": rtt,
        "silentFor": round(silent, 1),
        "channels": len(session.channels) if session is not None else 0,
    }
