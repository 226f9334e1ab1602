"""Runs an application on one port: uvicorn for HTTP, the hub's own protocol for WebSockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from holdfast import limits
from holdfast.errors import ErrorCode, NetworkError
from holdfast.ops import Phase, ShutdownManager
from holdfast.server.http import BoundedHttpProtocol
from holdfast.server.ws import uvicorn_protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from holdfast.server.settings import ServerSettings
    from holdfast.session import Hub

log = logging.getLogger("holdfast.server")

FIRST_INHERITED: Final = 3
"""The first file that systemd hands over."""


def inherited(environment: Mapping[str, str] | None = None) -> socket.socket | None:
    """Return the socket that whoever started us listens on already, None when there is none.

    As systemd hands it over (sd_listen_fds(3)): it stays open while one process ends and the next one starts, so
    that nobody is refused in between.
    """
    environment = os.environ if environment is None else environment
    if environment.get("LISTEN_PID") != str(os.getpid()) or environment.get("LISTEN_FDS") != "1":
        return None
    listener = socket.socket(fileno=FIRST_INHERITED)
    listener.setblocking(False)
    return listener


def listen(host: str, port: int) -> socket.socket:
    """Open the socket to listen on, before anything else is started.

    Raises:
        NetworkError: 1002; the address is taken or is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise NetworkError(
            f"Cannot listen on {host}:{port}: {error.strerror}. "
            "Another program may have the port: give another --port, or 0 for a free one.",
            code=ErrorCode.NETWORK_CONNECTION_FAILED,
            original=error,
        ) from error
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: ours end it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    app: Any,
    hub: Hub,
    listener: socket.socket,
    settings: ServerSettings,
    *,
    on_ready: Callable[[], None],
    shutdown: ShutdownManager | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP; a second signal ends it at once.

    Args:
        app: ASGI application for HTTP.
        hub: running; it is told to let go of its clients when the server ends.
        listener: bound socket.
        settings: of the server.
        on_ready: called when connections are taken.
        shutdown: ends it; further steps may have been added.
    """
    config = uvicorn.Config(
        app,
        ws=uvicorn_protocol(hub, origins=settings.origins),
        http=BoundedHttpProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        backlog=limits.LISTEN_BACKLOG,
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()

    def force() -> None:
        server.should_exit = server.force_exit = True

    async def tell_clients() -> None:
        await hub.stop(spread=settings.drain)

    async def close_http() -> None:
        server.should_exit = True
        await asyncio.wait({serving})

    if shutdown is None:
        shutdown = ShutdownManager()
    shutdown.on_forced(force)
    shutdown.on(Phase.DRAINING, "notify_peers", tell_clients)
    shutdown.on(Phase.CLOSING, "http", close_http)
    async with shutdown:
        serving = loop.create_task(server.serve([listener]), name="holdfast-http")
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.005)
        if not serving.done():
            on_ready()
        stopping = loop.create_task(shutdown.requested.wait())
        await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
    await serving
