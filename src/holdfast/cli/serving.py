"""Puts the server together: store, hub, quiz, pages."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING

from holdfast.apps.quiz import QuizApp, quiz_routes, visitor_of
from holdfast.errors import ResilienceError
from holdfast.ops import RecentLog, ShutdownManager, configure_tracing
from holdfast.server import build_app, inherited, listen, loop_factory, serve, uvicorn_protocol
from holdfast.server.admin import Admin, admin_routes
from holdfast.server.admin_access import AdminAccess
from holdfast.server.monitoring import Monitoring
from holdfast.server.webhook import webhook_to
from holdfast.session import Hub, HubRunner
from holdfast.session.store import MIGRATIONS
from holdfast.storage import Database
from holdfast.world import RealWorld

if TYPE_CHECKING:
    import socket

    from holdfast.server import ServerSettings

PAGES = {
    "": "index.html",
    "play": "play.html",
    "host": "host.html",
    "screen": "screen.html",
    "edit": "edit.html",
    "admin": "admin.html",
}


def run(settings: ServerSettings, recent: RecentLog) -> None:
    """Serve until a signal.

    Raises:
        ResilienceError: the address or the data directory cannot be used.
    """
    with asyncio.Runner(loop_factory=loop_factory(settings.loop)) as runner:
        runner.run(_run(settings, recent))


async def _run(settings: ServerSettings, recent: RecentLog) -> None:
    listener = inherited() or listen(settings.host, settings.port)
    quiz = QuizApp()
    migrations = {"session": MIGRATIONS, quiz.name: quiz.migrations}
    async with Database(settings.data / "holdfast.db", migrations) as database:
        world = RealWorld()
        access = AdminAccess(settings.data, world)
        tracing = configure_tracing()
        hub = Hub(quiz, database=database, world=world, settings=settings.hub, tracing=tracing)
        shutdown = ShutdownManager(settings.shutdown)
        monitoring = Monitoring(
            hub,
            settings.data,
            recent=recent,
            webhook=webhook_to(settings.alert_webhook) if settings.alert_webhook else None,
            on_given_up=lambda name, _: shutdown.request(f"{name} keeps dying"),
        )
        async with HubRunner(hub, spread=settings.drain), monitoring:
            admin = Admin(monitoring, shutdown=shutdown.statistics, is_demo=settings.demo)
            routes = [*quiz_routes(quiz), *admin_routes(admin, access)]
            app = build_app(hub, routes, PAGES, partial(visitor_of, quiz), monitoring)
            shutdown.on_phase(
                lambda phase: monitoring.systemd.tell("STOPPING=1", f"STATUS={phase}")
            )

            def ready() -> None:
                _announce(listener, settings, access.new_token)
                monitoring.systemd.tell("READY=1", "STATUS=serving")

            await serve(
                app,
                listener,
                ws=uvicorn_protocol(hub, origins=settings.origins),
                tell_clients=partial(hub.stop, spread=settings.drain),
                on_ready=ready,
                shutdown=shutdown,
            )
        if tracing is not None:
            await asyncio.get_running_loop().run_in_executor(None, tracing.shutdown)
    if shutdown.reason.endswith("keeps dying"):
        raise ResilienceError(f"The server ended itself: {shutdown.reason}.")


def _announce(listener: socket.socket, settings: ServerSettings, new_token: str | None) -> None:
    """Print the addresses to open."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    base = f"http://{shown}:{port}"
    print(f"Holdfast is ready: {base}/")
    print(f"  Host a quiz, or join one   {base}/")
    print(f"  Dashboard                  {base}/admin")
    if new_token is not None:
        print(f"  Its token, shown only now  {new_token}")
    print(f"  Health                     {base}/health")
    print(f"  API documentation          {base}/api/docs")
    print(f"  Data                       {settings.data.resolve()}")
    print("Ctrl-C ends it.", flush=True)
    sys.stdout.flush()
