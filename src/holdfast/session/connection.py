"""What the hub knows of one transport, and what it asks of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from holdfast.session.machine import Conversation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.session.record import Session
    from holdfast.session.settings import HubSettings
    from holdfast.session.timers import Timer
    from holdfast.session.wire import Codec


@dataclass(frozen=True, slots=True)
class Handshake:
    """What came with the request that opened the connection.

    Attributes:
        remote: address of the peer, without port.
        path: of the request.
        headers: with names in lower case.
        cookies: by name.
    """

    remote: str = ""
    path: str = "/ws"
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)


class Packet:
    """One encoded frame, made once and shared by all transports that send it."""

    __slots__ = ("_websocket", "payload")

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self._websocket: bytes | None = None

    def websocket(self, *, is_text: bool) -> bytes:
        """Return it as an unmasked WebSocket message (RFC 6455, section 5.2)."""
        if self._websocket is None:
            size = len(self.payload)
            opcode = b"\x81" if is_text else b"\x82"
            if size < 126:  # noqa: PLR2004 - the three forms of the length
                length = size.to_bytes(1, "big")
            elif size < 1 << 16:
                length = b"\x7e" + size.to_bytes(2, "big")
            else:
                length = b"\x7f" + size.to_bytes(8, "big")
            self._websocket = opcode + length + self.payload
        return self._websocket


class Link(Protocol):
    """A transport as the hub sees it. No method waits or raises."""

    def send(self, packet: Packet) -> None:
        """Send a frame with what else is owed in this loop turn.

        At ``limits.QUEUE_BYTES_MAX`` bytes waiting the transport drops its queue and this frame, tells
        ``Hub.overflowed``, drops all further ones until the peer has read, then tells ``Hub.drained``.
        """
        ...

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, then close with this WebSocket code; harmless when closed."""
        ...


class Connection:
    """One transport and the conversation on it."""

    __slots__ = (
        "codec",
        "conversation",
        "ended_by",
        "handshake",
        "heartbeat",
        "is_lagging",
        "link",
        "ping_sent",
        "pings",
        "session",
        "silent_since",
        "stream",
    )

    def __init__(
        self,
        link: Link,
        codec: Codec,
        handshake: Handshake,
        settings: HubSettings,
    ) -> None:
        self.link = link
        self.codec = codec
        self.handshake = handshake
        self.conversation = Conversation(codec, settings)
        self.session: Session | None = None
        self.ended_by = ""
        self.stream = ""
        self.heartbeat: Timer | None = None
        self.pings = 0
        self.ping_sent: float | None = None
        self.silent_since: float | None = None
        self.is_lagging = False
