"""A hub without sockets: links that record, a clock that is set, a client that speaks in frames."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.session import Handshake, Hub, Packet
from holdfast.session.wire import JSON
from holdfast.world import text_of

if TYPE_CHECKING:
    from holdfast.session.wire import Codec


class ScriptedWorld:
    """Wall time that stands still, chance from a seed, ids and secrets that count."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self._count = 0

    def wall_now(self) -> float:
        return 1_790_000_000.0

    def new_id(self) -> str:
        self._count += 1
        return f"id-{self._count:013d}"

    def secret_bytes(self, size: int) -> bytes:
        return self.random.randbytes(size)


class Clock:
    """Monotonic seconds that move when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class RecordingLink:
    """What a transport would have sent, frame by frame."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed: tuple[int, str] | None = None

    def send(self, packet: Packet) -> None:
        assert self.closed is None, "nothing may be sent after the close"
        self.sent.append(packet.payload)

    def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = code, reason


class TestClient:
    """Says frames to a hub and reads what it answers."""

    __test__ = False

    def __init__(self, hub: Hub, stream: str = "stream-a", codec: Codec = JSON) -> None:
        self.hub = hub
        self.stream = stream
        self.codec = codec
        self.seq = 0
        self.session = ""
        self.token = ""
        self.connect()

    def connect(self) -> None:
        self.link = RecordingLink()
        self.connection = self.hub.connect(self.link, self.codec, Handshake())

    def say(self, frame: dict[str, Any]) -> None:
        self.hub.received(self.connection, msgspec.json.encode(frame))

    def take(self) -> list[dict[str, Any]]:
        """Return what came since, without heartbeats."""
        sent, self.link.sent = self.link.sent, []
        frames = [msgspec.json.decode(data) for data in sent]
        return [frame for frame in frames if frame["t"] != "ping"]

    def hello(self, **auth: Any) -> dict[str, Any]:
        self.say({"t": "hello", "v": 1, "stream": self.stream, "auth": auth})
        (answer,) = self.take()
        self.remember(answer)
        return answer

    def resume(self, **more: Any) -> dict[str, Any]:
        frame = {"t": "resume", "v": 1, "stream": self.stream, "session": self.session}
        self.say(frame | {"token": self.token} | more)
        (answer,) = self.take()
        self.remember(answer)
        return answer

    def remember(self, answer: dict[str, Any]) -> None:
        if answer["t"] in {"welcome", "restored"}:
            self.session = answer["session"]
            self.token = answer["token"]

    def send(self, body: object, seq: int | None = None) -> None:
        if seq is None:
            self.seq += 1
            seq = self.seq
        self.say({"t": "send", "stream": self.stream, "seq": seq, "body": body})

    def cut(self) -> None:
        self.hub.lost(self.connection)


async def a_hub(app: Any, clock: Clock | None = None, **more: Any) -> tuple[Hub, Clock]:
    """Start a hub in memory."""
    clock = clock or Clock()
    hub = Hub(app, world=ScriptedWorld(), clock=clock, **more)
    await hub.start()
    return hub, clock


def random_text(source: random.Random) -> str:
    return text_of(source.randbytes(8))
