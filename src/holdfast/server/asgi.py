"""The hub as an ASGI application, to be mounted in a FastAPI or Starlette program.

Frames that are owed to a connection are joined into one WebSocket message: ASGI has no cheaper write. The
publisher never waits for a member; each connection has a task that writes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from holdfast import limits
from holdfast.server.ws import cookies_of, is_same_host
from holdfast.session.connection import Handshake
from holdfast.session.wire import CODECS, JSON

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from holdfast.session import Connection, Hub, Packet
    from holdfast.session.wire import Codec

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]


class HubASGI:
    """An ASGI application that serves one hub on WebSockets.

    The hub has to be running: ``async with HubRunner(hub)`` in the program's lifespan.

    Args:
        hub: whom to tell.
        origins: allowed besides the one that the server is reached at.
    """

    def __init__(self, hub: Hub, *, origins: tuple[str, ...] = ()) -> None:
        self._hub = hub
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "websocket":
            await _not_found(send)
            return
        await receive()  # websocket.connect
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        origin = headers.get("origin")
        is_welcome = (
            origin is None
            or origin in self._origins
            or is_same_host(origin, headers.get("host", ""))
        )
        client = scope.get("client")
        remote = client[0] if client else ""
        if not is_welcome or self._hub.admit(remote) > 0:
            await send({"type": "websocket.close", "code": 1013 if is_welcome else 1008})
            return
        name = next((name for name in scope["subprotocols"] if name in CODECS), None)
        await send({"type": "websocket.accept", "subprotocol": name})
        handshake = Handshake(
            remote=remote,
            path=scope["path"],
            headers=headers,
            cookies=cookies_of([headers["cookie"]] if "cookie" in headers else []),
        )
        link = _Link(self._hub, CODECS[name] if name else JSON, send)
        await link.serve(handshake, receive)


class _Link:
    """One connection: a queue, a task that writes it, a loop that reads."""

    def __init__(self, hub: Hub, codec: Codec, send: Send) -> None:
        self._hub = hub
        self._codec = codec
        self._send = send
        self._queue: list[bytes] = []
        self._queued = 0
        self._is_dropping = False
        self._closing: tuple[int, str] | None = None
        self._work = asyncio.Event()
        self._connection: Connection | None = None

    def send(self, packet: Packet) -> None:
        """Send a frame with what else is owed."""
        if self._is_dropping or self._closing is not None:
            return
        self._queue.append(packet.payload)
        self._queued += len(packet.payload)
        if self._queued > limits.QUEUE_BYTES_MAX and self._connection is not None:
            self._queue.clear()
            self._queued = 0
            self._is_dropping = True
            self._hub.overflowed(self._connection)
        self._work.set()

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, then close; harmless when closed."""
        if self._closing is None:
            self._closing = code, reason
            self._work.set()

    async def serve(self, handshake: Handshake, receive: Receive) -> None:
        """Read until the connection ends."""
        connection = self._connection = self._hub.connect(self, self._codec, handshake)
        writer = asyncio.create_task(self._write(), name="holdfast-asgi-writer")
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                data = message.get("text")
                data = message.get("bytes") or b"" if data is None else data.encode()
                if len(data) > limits.FRAME_BYTES_MAX:
                    self.close(1009, "FRAME_TOO_LARGE")
                    break
                self._hub.received(connection, data)
            else:
                writer.cancel()
        finally:
            self._hub.lost(connection)
            self.close(1000, "")
            await asyncio.gather(writer, return_exceptions=True)

    async def _write(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._queue:
                frames, self._queue, self._queued = self._queue, [], 0
                for message in _messages(frames):
                    data = self._codec.join(message)
                    kind, value = (
                        ("text", data.decode()) if self._codec.is_text else ("bytes", data)
                    )
                    await self._send({"type": "websocket.send", kind: value})
            if self._is_dropping and self._connection is not None:
                self._is_dropping = False
                self._hub.drained(self._connection)
            if self._closing is not None and not self._queue:
                code, reason = self._closing
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
                return


def _messages(frames: list[bytes]) -> list[list[bytes]]:
    """Join up to 256 KiB of frames into one message."""
    messages: list[list[bytes]] = [[]]
    size = 0
    for frame in frames:
        if size > limits.CHANNEL_BYTES_MAX:
            messages.append([])
            size = 0
        messages[-1].append(frame)
        size += len(frame)
    return messages


async def _not_found(send: Send) -> None:
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 426, "headers": headers})
    await send({"type": "http.response.body", "body": b"This is a WebSocket.\n"})
