"""Puts the server together: store, hub, quiz, pages."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING

from holdfast.apps.quiz import QuizApp, quiz_routes, visitor_of
from holdfast.server import build_app, listen, serve
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
}


def run(settings: ServerSettings) -> None:
    """Serve until a signal.

    Raises:
        ResilienceError: the address or the data directory cannot be used.
    """
    with asyncio.Runner(loop_factory=_loop_factory(settings.loop)) as runner:
        runner.run(_run(settings))


async def _run(settings: ServerSettings) -> None:
    listener = listen(settings.host, settings.port)
    quiz = QuizApp()
    migrations = {"session": MIGRATIONS, quiz.name: quiz.migrations}
    async with Database(settings.data / "holdfast.db", migrations) as database:
        hub = Hub(quiz, database=database, world=RealWorld(), settings=settings.hub)
        async with HubRunner(hub, spread=settings.drain):
            app = build_app(hub, quiz_routes(quiz), PAGES, partial(visitor_of, quiz))
            await serve(
                app, hub, listener, settings, on_ready=lambda: _announce(listener, settings)
            )


def _announce(listener: socket.socket, settings: ServerSettings) -> None:
    """Print the addresses to open."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    base = f"http://{shown}:{port}"
    print(f"Holdfast is ready: {base}/")
    print(f"  Host a quiz, or join one   {base}/")
    print(f"  Health                     {base}/health")
    print(f"  API documentation          {base}/api/docs")
    print(f"  Data                       {settings.data.resolve()}")
    print("Ctrl-C ends it.", flush=True)
    sys.stdout.flush()


def _loop_factory(name: str) -> type[asyncio.AbstractEventLoop] | None:
    if name == "asyncio" or sys.platform == "win32":
        return None
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        if name == "uvloop":
            raise
        return None
    return uvloop.new_event_loop  # type: ignore[return-value]
