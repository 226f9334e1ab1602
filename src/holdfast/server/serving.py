"""Runs a program on one port: uvicorn for HTTP, a protocol of the program's own for WebSockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from holdfast import limits
from holdfast.errors import ErrorCode, NetworkError
from holdfast.ops import Phase, ShutdownManager
from holdfast.server.http import BoundedHttpProtocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

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


def listen(host: str, port: int, *, option: str = "--port") -> socket.socket:
    """Open the socket to listen on, before anything else is started.

    Args:
        host: address.
        port: of TCP; 0 for a free one.
        option: by which a person chooses the port.

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
            f"Another program may have the port: give another {option}, or 0 for a free one.",
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
    listener: socket.socket,
    *,
    ws: type[asyncio.Protocol] | None,
    tell_clients: Callable[[], Awaitable[object]],
    on_ready: Callable[[], None],
    shutdown: ShutdownManager | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP; a second signal ends it at once.

    Args:
        app: ASGI application for HTTP.
        listener: bound socket.
        ws: made by ``uvicorn_protocol``, or another class of that kind; None when there are no WebSockets.
        tell_clients: awaited first when the server ends, to let go of its clients; for a hub,
            ``partial(hub.stop, spread=settings.drain)``.
        on_ready: called when connections are taken.
        shutdown: ends it; further steps may have been added.
    """
    config = uvicorn.Config(
        app,
        ws=ws or "none",
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


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the event loop, to be given to ``asyncio.Runner``; None for asyncio's own.

    Args:
        name: ``asyncio``, ``uvloop``, or ``auto`` for uvloop where it is installed.

    Raises:
        ImportError: uvloop was asked for and is not installed.
    """
    if name == "asyncio" or sys.platform == "win32":
        return None
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        if name == "uvloop":
            raise
        return None
    return uvloop.new_event_loop
