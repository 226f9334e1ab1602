"""Real sockets on 127.0.0.1: a hub that listens, a proxy that fails on command."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from holdfast.server import HubProtocol, TurnFlusher
from holdfast.session import Hub, HubRunner
from holdfast.session.store import MIGRATIONS
from holdfast.storage import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def listening(
    app: Any, folder: Path | None = None, **more: Any
) -> AsyncIterator[tuple[Hub, str]]:
    """Serve a hub on a free port, without HTTP; yields it and its URL."""
    if folder is None:
        async with _served(Hub(app, **more)) as served:
            yield served
        return
    migrations = {"session": MIGRATIONS, app.name: app.migrations}
    async with Database(folder / "test.db", migrations) as database:
        async with _served(Hub(app, database=database, **more)) as served:
            yield served


@asynccontextmanager
async def _served(hub: Hub) -> AsyncIterator[tuple[Hub, str]]:
    async with HubRunner(hub, spread=0.05):
        flusher = TurnFlusher()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: HubProtocol(hub, flusher), "127.0.0.1", 0, backlog=4096
        )
        port = server.sockets[0].getsockname()[1]
        try:
            yield hub, f"ws://127.0.0.1:{port}/ws"
        finally:
            server.close()


class FaultProxy:
    """Forwards TCP to a port; its cable can be cut, refused, or swallow everything.

    ``cut`` closes all connections and refuses new ones, ``swallow`` keeps them open and lets nothing
    through in either direction, ``heal`` mends both.
    """

    def __init__(self, target_port: int, host: str = "127.0.0.1") -> None:
        self._host = host
        self._target_port = target_port
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._is_cut = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.bytes_passed = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, self._host, self.port, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()

    def cut(self) -> None:
        """Pull the cable: every connection ends, new ones are refused."""
        self._is_cut = True
        for pair in tuple(self._pairs):
            for writer in pair:
                writer.transport.abort()

    def swallow(self) -> None:
        """Become a black hole: connections look open, nothing comes through."""
        self._flowing.clear()

    def heal(self) -> None:
        self._is_cut = False
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            await self._flowing.wait()
            upstream_reader, upstream = await asyncio.open_connection(self._host, self._target_port)
        except OSError:
            writer.transport.abort()  # the target is down: the client sees a refusal
            return
        pair = (writer, upstream)
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, upstream))
                group.create_task(self._pump(upstream_reader, writer))
        except* (ConnectionError, OSError):
            pass  # one side broke: both are ended below
        finally:
            self._pairs.discard(pair)
            for side in pair:
                side.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._flowing.wait()
            if self._is_cut:
                return
            self.bytes_passed += len(data)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
