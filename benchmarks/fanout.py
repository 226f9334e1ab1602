"""Fan-out: one room of 1000 members, messages of 100 bytes, 32 under way; deliveries a second.

``python benchmarks/fanout.py`` runs each server in a process of its own against the same load, in turn, several
rounds, and prints medians, the spread, and ratios. Peers come with the development environment.
Holdfast does its whole work for each message (sequence, log, offsets, limits); the peers only send.
"""

from __future__ import annotations

import asyncio
import base64
import os
import statistics
import subprocess
import sys
import time
from typing import Any

MEMBERS = int(os.environ.get("MEMBERS", "1000"))
BATCH = 32
SECONDS = 3.0
ROUNDS = 3
MARK = b"~"  # once in each message, so that deliveries can be counted in any chunk
TEXT = "~" + "x" * 99


# --- the servers ----------------------------------------------------------------------------


class Room:
    """Publishes a batch for each message."""

    name, migrations = "room", ()

    async def load(self, hub: Any) -> None: ...
    def snapshot(self, session: Any, channel: str) -> object:
        return {}

    def presence(self, tx: Any, session: Any, state: Any) -> None: ...
    def open(self, tx: Any, session: Any, auth: bytes, handshake: Any) -> None:
        tx.join(session, "room")

    def message(self, tx: Any, session: Any, body: bytes) -> None:
        for _ in range(BATCH):
            tx.publish("room", TEXT)


async def serve_holdfast(port: int) -> None:
    from holdfast.server import HubProtocol, TurnFlusher
    from holdfast.session import Hub, HubRunner, HubSettings

    hub = Hub(
        Room(),
        settings=HubSettings(
            frame_rate=1e6, frame_burst=10**6, message_rate=1e6, message_burst=10**6
        ),
    )
    async with HubRunner(hub):
        flusher = TurnFlusher()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: HubProtocol(hub, flusher), "127.0.0.1", port, backlog=4096
        )
        await server.serve_forever()


async def serve_holdfast_asgi(port: int) -> None:
    import uvicorn

    from holdfast.server import HubASGI
    from holdfast.session import Hub, HubRunner, HubSettings

    hub = Hub(
        Room(),
        settings=HubSettings(
            frame_rate=1e6, frame_burst=10**6, message_rate=1e6, message_burst=10**6
        ),
    )
    async with HubRunner(hub):
        config = uvicorn.Config(HubASGI(hub), port=port, log_level="error", ws="websockets-sansio")
        config.ws_per_message_deflate = False
        await uvicorn.Server(config).serve()


async def serve_websockets(port: int) -> None:
    from websockets.asyncio.server import broadcast, serve

    members: set[Any] = set()

    async def handle(socket: Any) -> None:
        members.add(socket)
        try:
            async for _ in socket:
                for _ in range(BATCH):
                    broadcast(members, TEXT)
        finally:
            members.discard(socket)

    async with serve(handle, "127.0.0.1", port, compression=None, backlog=4096) as server:
        await server.serve_forever()


async def serve_starlette(port: int) -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocket, WebSocketDisconnect

    members: set[WebSocket] = set()

    async def handle(socket: WebSocket) -> None:
        await socket.accept()
        members.add(socket)
        try:
            while True:
                await socket.receive_text()
                for _ in range(BATCH):
                    for member in tuple(members):
                        await member.send_text(TEXT)
        except WebSocketDisconnect:
            members.discard(socket)

    app = Starlette(routes=[WebSocketRoute("/ws", handle)])
    config = uvicorn.Config(app, port=port, log_level="error", ws="websockets-sansio", backlog=4096)
    config.ws_per_message_deflate = False
    await uvicorn.Server(config).serve()


SERVERS = {
    "holdfast": serve_holdfast,
    "holdfast in ASGI": serve_holdfast_asgi,
    "websockets broadcast": serve_websockets,
    "Starlette on uvicorn": serve_starlette,
}


# --- the load -------------------------------------------------------------------------------


class Member(asyncio.Protocol):
    """Counts deliveries; as cheap as Python allows."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.is_open = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{self.load.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            self.is_open = True
            self.load.opened += 1
            if self.load.is_holdfast:
                self.say('{"t":"hello","v":1,"stream":"stream-of-one"}')
        if b"welcome" in data:
            self.load.welcomed += 1
        self.load.delivered += data.count(MARK)
        if self.load.delivered >= self.load.wanted:
            self.load.done.set()

    def say(self, text: str) -> None:
        data = text.encode()
        head = b"\x81" + (
            bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
        )
        self.transport.write(head + b"\0\0\0\0" + data)  # masked with zeros


class Load:
    """Connects the members and lets the first of them publish."""

    def __init__(self, port: int, *, is_holdfast: bool) -> None:
        self.port = port
        self.is_holdfast = is_holdfast
        self.opened = self.welcomed = self.delivered = 0
        self.wanted = sys.maxsize
        self.done = asyncio.Event()

    async def measure(self) -> float:
        loop = asyncio.get_running_loop()
        members: list[Member] = []
        for _ in range(MEMBERS):
            _, member = await loop.create_connection(lambda: Member(self), "127.0.0.1", self.port)
            members.append(member)
        while (self.welcomed if self.is_holdfast else self.opened) < MEMBERS:
            await asyncio.sleep(0.01)
        seq = 0
        started = time.perf_counter()
        while time.perf_counter() < started + SECONDS:
            seq += 1
            self.wanted = self.delivered + MEMBERS * BATCH
            self.done.clear()
            body = f'{{"t":"send","stream":"stream-of-one","seq":{seq},"body":1}}'
            members[0].say(body if self.is_holdfast else "go")
            async with asyncio.timeout(30):
                await self.done.wait()
        elapsed = time.perf_counter() - started
        for member in members:
            member.transport.abort()
        return self.delivered / elapsed


def measure(name: str, port: int) -> float:
    server = subprocess.Popen([sys.executable, __file__, "serve", name, str(port)])
    try:
        for _ in range(200):
            try:
                return asyncio.run(Load(port, is_holdfast="holdfast" in name).measure())
            except ConnectionRefusedError:
                time.sleep(0.1)
        raise RuntimeError(f"{name} did not start")
    finally:
        server.kill()
        server.wait()


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(SERVERS[sys.argv[2]](int(sys.argv[3])))
        return
    figures: dict[str, list[float]] = {name: [] for name in SERVERS}
    for turn in range(ROUNDS):
        for place, name in enumerate(SERVERS):
            figures[name].append(measure(name, 18_400 + 10 * turn + place))
    print(f"{MEMBERS} members, {BATCH} messages of 100 bytes under way, {ROUNDS} rounds")
    print("| server | k deliveries/s, median (min-max) | holdfast is |")
    print("|---|--:|--:|")
    ours = statistics.median(figures["holdfast"])
    for name, values in figures.items():
        middle = statistics.median(values)
        spread = f"{min(values) / 1e3:.0f}-{max(values) / 1e3:.0f}"
        print(f"| {name} | {middle / 1e3:.0f} ({spread}) | {ours / middle:.1f}x |")


if __name__ == "__main__":
    main()
