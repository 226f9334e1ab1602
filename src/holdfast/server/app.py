"""The HTTP side of the server: health, the applications' routes, errors in one shape, limits by address."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from litestar import Litestar, MediaType, Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig

from holdfast import limits
from holdfast.errors import (
    ErrorCode,
    RateLimitError,
    RemoteProtocolError,
    ResilienceError,
    StorageError,
)
from holdfast.resilience import RateLimitConfig, RateLimiter
from holdfast.server.health_routes import health_routes
from holdfast.server.pages import Pages
from holdfast.server.ws import cookies_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.types import ASGIApp, ControllerRouterHandler, Receive, Scope, Send

    from holdfast.server.monitoring import Monitoring
    from holdfast.server.subject import Subject

log = logging.getLogger("holdfast.server")

Visitor = Callable[[Mapping[str, str]], tuple[str, str] | None]


def build_app(
    subject: Subject,
    routes: Sequence[ControllerRouterHandler] = (),
    pages: Mapping[str, str] | None = None,
    visitor: Visitor | None = None,
    monitoring: Monitoring | None = None,
) -> ASGIApp:
    """Build the ASGI application.

    Args:
        subject: whose health is reported: a hub, or what describes a program without one.
        routes: Litestar handlers of the applications.
        pages: first path segment → built page.
        visitor: says of cookies who it is: a tier of ``limits.HTTP_TIERS`` and a key; None for strangers.
        monitoring: of the server, shown by ``/health`` and ``/metrics``.
    """
    app = Litestar(
        route_handlers=[*health_routes(subject, monitoring), *routes],
        exception_handlers={
            ResilienceError: _answer_error,
            HTTPException: _answer_http_error,
            RecursionError: _answer_too_deep,
            Exception: _answer_fault,
        },
        request_max_body_size=limits.HTTP_BODY_BYTES_MAX,
        openapi_config=OpenAPIConfig(title="Holdfast", version="1", path="/api/docs"),
        logging_config=None,
    )
    limited = VisitorLimit(app, subject, visitor)
    return Pages(limited, pages or {})  # type: ignore[arg-type,return-value]


class VisitorLimit:
    """Refuses those who ask too fast, before any work is done for them.

    Strangers share the limit of their address; whoever the application knows has one of their own, so that
    a hall behind one address does not hold up the people who sit in it.
    """

    def __init__(self, app: ASGIApp, subject: Subject, visitor: Visitor | None) -> None:
        self._app = app
        self._subject = subject
        self._visitor = visitor
        self._strangers = RateLimiter(
            RateLimitConfig(limits.HTTP_RATE, 1.0, limits.HTTP_BURST),
            keys_max=limits.ADDRESSES_MAX,
            name="http of strangers",
        )
        self._known = {
            tier: RateLimiter(
                RateLimitConfig(rate, 1.0, burst),
                keys_max=limits.VISITORS_MAX,
                name=f"http of {tier}s",
            )
            for tier, (rate, burst) in limits.HTTP_TIERS.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or answer 429."""
        if str(scope["type"]) != "http" or scope["path"].startswith(("/health", "/metrics")):
            await self._app(scope, receive, send)
            return
        wait = self._take(scope)
        if wait == 0:
            await self._app(scope, receive, send)
            return
        error = RateLimitError("Too many requests.", retry_after=wait)
        body = _body(error)
        response = Response(body, status_code=429, headers=_retry_after(error))
        await response.to_asgi_response(None, Request(scope))(scope, receive, send)

    def _take(self, scope: Scope) -> float:
        now = self._subject.now()
        if self._visitor is not None:
            headers = [v.decode("latin-1") for k, v in scope["headers"] if k.lower() == b"cookie"]
            known = self._visitor(cookies_of(headers)) if headers else None
            if known is not None:
                tier, key = known
                return self._known[tier].check(key, now=now)
        client = scope.get("client")
        return self._strangers.check(client[0] if client else "", now=now)


def _body(error: ResilienceError) -> dict[str, object]:
    described = error.to_dict()
    described.pop("original", None)  # may tell more of the inside than a stranger should know
    return {"error": described}


def _retry_after(error: ResilienceError) -> dict[str, str]:
    return (
        {} if error.retry_after is None else {"Retry-After": str(max(1, round(error.retry_after)))}
    )


def _answer_error(_: Request[Any, Any, Any], error: ResilienceError) -> Response[object]:
    status = getattr(error, "http_status", None)
    if status is None:
        status = 503 if isinstance(error, StorageError) else 400
        status = 429 if isinstance(error, RateLimitError) else status
    return Response(
        _body(error),
        status_code=status,
        headers=_retry_after(error),
        media_type=MediaType.JSON,
    )


def _answer_http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[object]:
    details: dict[str, object] = {}
    if isinstance(error.extra, list):
        details["problems"] = error.extra
    body = {
        "error": {
            "code": int(ErrorCode.MALFORMED_FRAME),
            "name": HTTPStatus(error.status_code).name,
            "message": error.detail or HTTPStatus(error.status_code).phrase,
            "details": details,
        }
    }
    return Response(
        body, status_code=error.status_code, headers=error.headers, media_type=MediaType.JSON
    )


def _answer_too_deep(_: Request[Any, Any, Any], __: Exception) -> Response[object]:
    """Say that a body is nested more deeply than anything honest is."""
    error = RemoteProtocolError("The body is nested too deeply.")
    return Response(_body(error), status_code=400, media_type=MediaType.JSON)


def _answer_fault(request: Request[Any, Any, Any], error: Exception) -> Response[object]:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    body = {
        "error": {
            "code": int(ErrorCode.APPLICATION_FAILED),
            "name": ErrorCode.APPLICATION_FAILED.name,
            "message": "The server failed at this; it was written to its log.",
            "details": {},
        }
    }
    return Response(body, status_code=500, media_type=MediaType.JSON)
