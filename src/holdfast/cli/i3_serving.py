"""Puts a gateway and its API together, and a router: each with health, metrics and a dashboard on an HTTP port."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from litestar import get

from holdfast.apps.i3 import api as i3_api
from holdfast.apps.i3 import gateway as i3_gateway
from holdfast.apps.i3 import router as i3_router
from holdfast.apps.i3.api import (
    Api,
    ApiKeys,
    ApiWebSocket,
    RpcError,
    described,
    line_listener,
)
from holdfast.apps.i3.gateway import Gateway
from holdfast.apps.i3.operations import watch_gateway, watch_router
from holdfast.apps.i3.router import Router
from holdfast.errors import ResilienceError
from holdfast.ops import ShutdownManager
from holdfast.server import (
    Program,
    TurnFlusher,
    build_app,
    for_uvicorn,
    inherited,
    listen,
    loop_factory,
    serve,
)
from holdfast.server.admin import Admin, admin_routes
from holdfast.server.admin_access import AdminAccess
from holdfast.server.monitoring import Monitoring
from holdfast.server.webhook import webhook_to
from holdfast.storage import Database
from holdfast.world import RealWorld

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from litestar.types import ControllerRouterHandler

    from holdfast.apps.i3.gateway import GatewaySettings
    from holdfast.apps.i3.router import RouterSettings
    from holdfast.ops import RecentLog

T = TypeVar("T")

FIRST_KEY = "first"
"""The name of the key that is made at the first start."""

GATEWAY_FILE = "gateway.db"
GATEWAY_TABLES = {**i3_gateway.MIGRATIONS, "i3_api": i3_api.MIGRATIONS}
ROUTER_FILE = "router.db"
ROUTER_TABLES = {"i3_router": i3_router.MIGRATIONS}
PAGES = {"": "bridge.html", "admin": "admin.html"}


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where a program runs, and who may look at it.

    Attributes:
        data: folder for everything that is kept.
        host: to listen on.
        port: of HTTP; 0 picks a free one, None: there is no HTTP.
        line_port: of the API over TCP; 0 picks a free one, None: it is not served.
        origins: web origins that may connect besides the program's own.
        alert_webhook: a URL that is told of alerts, empty for none.
        recent: the last lines of the log.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int | None = 8080
    line_port: int | None = None
    origins: Sequence[str] = ()
    alert_webhook: str = ""
    recent: RecentLog | None = field(default=None, repr=False)


def run_gateway(settings: GatewaySettings, around: Surroundings) -> None:
    """Be a gateway until a signal.

    Raises:
        ResilienceError: an address or the data folder cannot be used, or a part without which it is deaf keeps dying.
    """
    with asyncio.Runner(loop_factory=loop_factory("auto")) as runner:
        runner.run(_gateway(settings, around))


def run_router(settings: RouterSettings, around: Surroundings) -> None:
    """Be a router until a signal.

    Raises:
        ResilienceError: an address or the data folder cannot be used.
    """
    with asyncio.Runner(loop_factory=loop_factory("auto")) as runner:
        runner.run(_router(settings, around))


async def _gateway(settings: GatewaySettings, around: Surroundings) -> None:
    assert around.port is not None, "the API has an HTTP port"
    listener = inherited() or listen(around.host, around.port)
    world, shutdown = RealWorld(), ShutdownManager()
    async with AsyncExitStack() as stack:
        database = Database(around.data / GATEWAY_FILE, GATEWAY_TABLES)
        await stack.enter_async_context(database)
        gateway = Gateway(
            database, settings, world=world, on_given_up=lambda name, _: shutdown.request(f"{name} keeps dying")
        )  # fmt: skip
        await stack.enter_async_context(gateway)
        api = await stack.enter_async_context(Api(gateway, database, world=world))
        first_key = "" if api.keys.by_name else await api.keys.add(FIRST_KEY, ["*"])
        lines = None
        if around.line_port is not None:
            lines = line_listener(api)
            line_port = await lines.start(around.host, around.line_port)
            stack.push_async_callback(lines.stop)
        subject = Program(world, is_ready=lambda: gateway.is_ready, database=database)
        monitoring = _monitoring(subject, around, shutdown)
        watch_gateway(monitoring, gateway, api)
        await stack.enter_async_context(monitoring)

        @get("/api/openrpc.json", sync_to_thread=False)
        def openrpc() -> dict[str, object]:
            """Describe the JSON-RPC API."""
            return described(gateway.name)

        async def let_go() -> None:
            api.close()

        def announce(url: str, new_token: str | None) -> None:
            print(f"The gateway of {settings.mud_name} is ready: {url}/")
            print(f"  Bridge in the browser      {url}/")
            print(f"  API over WebSocket         {url.replace('http', 'ws', 1)}/ws")
            if lines is not None:
                print(f"  API over TCP               {around.host}:{line_port}")
            if first_key:
                print(f"  Its first key, shown only now  {first_key}")
            print(f"  Description of the API     {url}/api/openrpc.json")
            _announce_rest(url, new_token, around)

        flusher = TurnFlusher()
        await _serve(
            monitoring,
            around,
            listener,
            shutdown,
            routes=[openrpc],
            ws=for_uvicorn(lambda: ApiWebSocket(api, flusher, origins=around.origins)),
            let_go=let_go,
            announce=announce,
        )
    _ended(shutdown)


async def _router(settings: RouterSettings, around: Surroundings) -> None:
    listener = None
    if around.port is not None:
        listener = inherited() or listen(around.host, around.port, option="--http-port")
    world, shutdown = RealWorld(), ShutdownManager()
    async with AsyncExitStack() as stack:
        database = Database(around.data / ROUTER_FILE, ROUTER_TABLES)
        await stack.enter_async_context(database)
        router = await stack.enter_async_context(Router(database, settings, world=world))

        def announce(url: str, new_token: str | None) -> None:
            print(f"The router {router.name} is ready: {settings.host}:{router.port}")
            print(
                f"  For a gateway              --router '{router.name}={settings.host}:{router.port}'"
            )
            _announce_rest(url, new_token, around)

        if listener is None:
            async with shutdown:
                announce("", None)
                await shutdown.requested.wait()
            return
        monitoring = _monitoring(
            Program(world, is_ready=lambda: router.port != 0, database=database), around, shutdown
        )
        watch_router(monitoring, router)
        await stack.enter_async_context(monitoring)
        await _serve(
            monitoring, around, listener, shutdown, routes=[], ws=None, let_go=_nobody, announce=announce
        )  # fmt: skip
    _ended(shutdown)


async def _nobody() -> None:
    """There are no clients to let go of."""


def _monitoring(subject: Program, around: Surroundings, shutdown: ShutdownManager) -> Monitoring:
    return Monitoring(
        subject,
        around.data,
        recent=around.recent,
        webhook=webhook_to(around.alert_webhook) if around.alert_webhook else None,
        on_given_up=lambda name, _: shutdown.request(f"{name} keeps dying"),
    )


async def _serve(
    monitoring: Monitoring,
    around: Surroundings,
    listener: socket.socket,
    shutdown: ShutdownManager,
    *,
    routes: Sequence[ControllerRouterHandler],
    ws: type[asyncio.Protocol] | None,
    let_go: Callable[[], Awaitable[object]],
    announce: Callable[[str, str | None], object],
) -> None:
    """Serve health, metrics, dashboard and what else there is, until a signal."""
    access = AdminAccess(around.data, monitoring.subject.world)
    admin = Admin(monitoring, shutdown=shutdown.statistics, is_demo=False)
    pages = PAGES if ws is not None else {"": "admin.html", "admin": "admin.html"}
    app = build_app(
        monitoring.subject, [*routes, *admin_routes(admin, access)], pages, monitoring=monitoring
    )
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    shutdown.on_phase(lambda phase: monitoring.systemd.tell("STOPPING=1", f"STATUS={phase}"))

    def ready() -> None:
        announce(url, access.new_token)
        monitoring.systemd.tell("READY=1", "STATUS=serving")

    await serve(app, listener, ws=ws, tell_clients=let_go, on_ready=ready, shutdown=shutdown)


def _announce_rest(url: str, new_token: str | None, around: Surroundings) -> None:
    if url:
        print(f"  Dashboard                  {url}/admin")
        if new_token is not None:
            print(f"  Its token, shown only now  {new_token}")
        print(f"  Health                     {url}/health")
    print(f"  Data                       {around.data.resolve()}")
    print("Ctrl-C ends it.", flush=True)
    sys.stdout.flush()


def _ended(shutdown: ShutdownManager) -> None:
    if shutdown.reason.endswith("keeps dying"):
        raise ResilienceError(f"The program ended itself: {shutdown.reason}.")


async def with_keys(data: Path, job: Callable[[ApiKeys], Awaitable[T]]) -> T:
    """Do something with the keys of a gateway that does not run.

    Raises:
        StorageError: 8xxx; it runs, or the folder cannot be used.
        ValueError: what the job wants cannot be.
    """
    async with Database(data / GATEWAY_FILE, GATEWAY_TABLES) as database:
        keys = ApiKeys(database, RealWorld(), lambda _: None)
        await keys.load()
        try:
            return await job(keys)
        except RpcError as error:  # there is no client whom its code would tell something
            raise ValueError(error.message) from error


async def forget_password(data: Path, mud: str) -> bool:
    """Let a router that does not run take the next mud of that name for a new one; say whether it knew one.

    Raises:
        StorageError: 8xxx; it runs, or the folder cannot be used.
        ValueError: no router was ever run there.
    """
    if not (data / ROUTER_FILE).exists():
        raise ValueError(f"There is no router in {data}: give its folder with --data.")
    async with Database(data / ROUTER_FILE, ROUTER_TABLES) as database:
        return await database.write(lambda connection: i3_router.forget_password(connection, mud))
