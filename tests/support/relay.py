"""A sender with an outbox and a receiver with an inbox, over lines of JSON on TCP; simulated or real."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from holdfast.delivery import MIGRATIONS, Inbox, Message, Outbox, OutboxSettings
from holdfast.storage import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from holdfast.world import World

EFFECTS = {
    "effects": (
        "CREATE TABLE effect (number INTEGER PRIMARY KEY, id TEXT NOT NULL, body TEXT NOT NULL)",
    )
}
SETTINGS = OutboxSettings(
    initial_delay=0.02,
    max_delay=1.0,
    breaker_timeout=0.2,
    lease=2.0,
    workers=8,
    max_crashes=1_000,  # who kills a process at every turn proves nothing about its messages
)


class Line:
    """A connection that is made when it is needed, and answers in the order of questions."""

    def __init__(self, host: str, port: int) -> None:
        self._at = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._lock = asyncio.Lock()

    async def ask(self, question: dict[str, object]) -> dict[str, Any]:
        async with self._lock:
            try:
                if self._streams is None:
                    self._streams = await asyncio.open_connection(*self._at)
                reader, writer = self._streams
                writer.write(json.dumps(question).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
                if not line:
                    raise ConnectionResetError("no answer")
                answer: dict[str, Any] = json.loads(line)
            except BaseException:
                self.close()
                raise
            return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


async def send_from(
    folder: Path,
    host: str,
    port: int,
    act: Callable[[Outbox, Database], Awaitable[None]],
    *,
    world: World | None = None,
    settings: OutboxSettings = SETTINGS,
    destinations: int = 3,
) -> None:
    """The sender: what ``act`` submits is delivered, each destination over a connection of its own."""
    lines = {f"gate-{number}": Line(host, port) for number in range(destinations)}

    async def send(message: Message) -> None:
        await lines[message.destination].ask({"id": message.id, "body": message.body.decode()})

    async with Database(folder / "sender.db", MIGRATIONS) as database:
        try:
            async with Outbox(database, send, settings=settings, world=world) as outbox:
                await act(outbox, database)
        finally:
            for line in lines.values():
                line.close()


async def receive_in(folder: Path, host: str, port: int, *, world: World | None = None) -> None:
    """The receiver: one row for each message, whatever happens."""
    async with Database(folder / "receiver.db", MIGRATIONS | EFFECTS) as database:
        inbox = Inbox(database, world=world)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError), contextlib.closing(writer):
                while line := await reader.readline():
                    found = json.loads(line)

                    def effect(connection: sqlite3.Connection, found: Any = found) -> None:
                        connection.execute(
                            "INSERT INTO effect (id, body) VALUES (?, ?)",
                            (found["id"], found["body"]),
                        )

                    accepted = await inbox.accept("sender", found["id"], effect)
                    writer.write(json.dumps({"new": accepted.is_new}).encode() + b"\n")
                    await writer.drain()

        server = await asyncio.start_server(serve, host, port)
        async with server:
            await server.serve_forever()


def effects(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """All effects, in the order they were had."""
    return connection.execute("SELECT id, body FROM effect ORDER BY number").fetchall()
