"""Serves one node's page on this machine: hub, page, API, one port.

The port is kept with the data: browsers keep what was typed and not sent by address and port, so a program that
came back on another port could not be told of it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from holdfast.apps.chat.access import OwnNameOnly, PageAccess
from holdfast.apps.chat.api import chat_routes
from holdfast.apps.chat.service import ChatApp
from holdfast.errors import NetworkError
from holdfast.server import build_app, listen, serve, uvicorn_protocol
from holdfast.session import Hub, HubRunner, HubSettings

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from litestar.types import ControllerRouterHandler

    from holdfast.crypto import Keystore
    from holdfast.node import Node
    from holdfast.ops import ErrorHandler, ShutdownManager
    from holdfast.storage import Database
    from holdfast.world import World

HOST: Final = "127.0.0.1"
PAGES: Final = {"": "chat.html", "chat": "chat.html"}
PORT_FILE: Final = "page-port"
DRAIN: Final = 0.2
"""Seconds over which pages are told to come back; there are only a few."""


def open_port(data: Path, port: int | None) -> socket.socket:
    """Open the port of the page: the one that is asked for, the one of last time, or a free one.

    Raises:
        NetworkError: 1002; the port that was asked for is taken.
    """
    kept = _kept_port(data)
    if port is not None:
        listener = listen(HOST, port)
    elif kept:
        try:
            listener = listen(HOST, kept)
        except NetworkError:
            # Somebody else has it now. What pages kept under it waits until it is free again.
            listener = listen(HOST, 0)
    else:
        listener = listen(HOST, 0)
    data.mkdir(parents=True, exist_ok=True)
    if kept is None:
        (data / PORT_FILE).write_text(f"{listener.getsockname()[1]}\n", "ascii")
    return listener


def _kept_port(data: Path) -> int | None:
    try:
        return int((data / PORT_FILE).read_text("ascii"))
    except (OSError, ValueError):
        # There is none yet, or it is damaged: any port will do.
        return None


class Window:
    """The page of one node.

    Args:
        node: running.
        database: the node's, opened with ``session`` and ``chat`` among its migrations.
        errors: the handler that the node reports to.
        keystore: the node's.
        data: folder in which the page's token is.
        world: wall time, ids and secrets.
        about: shown to pages: ``mode`` and the like.
        settings: times of sessions.
    """

    def __init__(
        self,
        node: Node,
        database: Database,
        errors: ErrorHandler,
        keystore: Keystore,
        data: Path,
        world: World,
        *,
        about: Mapping[str, object] | None = None,
        settings: HubSettings | None = None,
    ) -> None:
        self.access = PageAccess(data, world)
        self.app = ChatApp(node, database, errors, self.access, keystore, about=about, world=world)
        self.hub = Hub(self.app, database=database, world=world, settings=settings or HubSettings())

    def link(self, listener: socket.socket) -> str:
        """Return the address to open; the part behind # is the key and is sent to nobody."""
        return f"http://{HOST}:{listener.getsockname()[1]}/#{self.access.token}"

    async def serve(
        self,
        listener: socket.socket,
        shutdown: ShutdownManager,
        *,
        on_ready: Callable[[], None],
        routes: Sequence[ControllerRouterHandler] = (),
    ) -> None:
        """Serve until ``shutdown`` is asked for."""
        async with HubRunner(self.hub, spread=DRAIN), self.app:
            application = build_app(self.hub, [*chat_routes(self.app), *routes], PAGES)
            application = OwnNameOnly(application)
            await serve(
                application,
                listener,
                ws=uvicorn_protocol(self.hub),
                tell_clients=partial(self.hub.stop, spread=DRAIN),
                on_ready=on_ready,
                shutdown=shutdown,
            )


async def when_asked(shutdown: ShutdownManager, others: Sequence[ShutdownManager]) -> None:
    """Pass the wish to end on to those that hear no signals themselves."""
    await shutdown.requested.wait()
    for other in others:
        other.request(shutdown.reason)
    await asyncio.gather(*(other.run(shutdown.reason) for other in others))
