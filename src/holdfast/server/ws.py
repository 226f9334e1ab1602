"""WebSocket transport of the hub: the fast path, offered to uvicorn as its ``ws=`` class.

HTTP and WebSocket share one port that way; it also serves alone under ``loop.create_server``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.server.websocket import (
    TurnFlusher,
    WebSocketProtocol,
    cookies_of,
    is_same_host,
)
from holdfast.session.wire import CODECS, JSON

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from holdfast.session import Connection, Hub
    from holdfast.session.connection import Handshake

__all__ = [
    "HubProtocol",
    "TurnFlusher",
    "cookies_of",
    "for_uvicorn",
    "is_same_host",
    "uvicorn_protocol",
]


class HubProtocol(WebSocketProtocol):
    """One WebSocket connection of a hub; implements ``holdfast.session.Link``.

    Args:
        hub: whom to tell.
        flusher: shared by all connections of the loop.
        path: where the hub is; another one is answered with 404.
        origins: allowed besides the one that the server is reached at.
    """

    def __init__(
        self,
        hub: Hub,
        flusher: TurnFlusher,
        *,
        path: str = "/ws",
        origins: Sequence[str] = (),
    ) -> None:
        super().__init__(flusher, path=path, origins=origins, subprotocols=list(CODECS))
        self._hub = hub
        self._connection: Connection

    def admit(self, remote: str) -> float:
        """Ask the hub."""
        return self._hub.admit(remote)

    def opened(self, handshake: Handshake, subprotocol: str) -> Callable[[bytes], object]:
        """Begin a conversation with the hub."""
        codec = CODECS.get(subprotocol, JSON)
        self._is_text = codec.is_text
        hub, connection = self._hub, self._hub.connect(self, codec, handshake)
        self._connection = connection
        return lambda message: hub.received(connection, message)

    def gone(self) -> None:
        """Tell the hub."""
        self._hub.lost(self._connection)

    def overflowed(self) -> None:
        """Tell the hub, which has the client resync later."""
        self._hub.overflowed(self._connection)

    def drained(self, *, was_dropped: bool) -> None:
        """Tell the hub, if anything is to be made good."""
        if was_dropped:
            self._hub.drained(self._connection)


def for_uvicorn(make: Callable[[], WebSocketProtocol]) -> type[asyncio.Protocol]:
    """Make what uvicorn takes as ``ws=`` of a function that makes a protocol for each connection."""

    def connection(*, config: object, server_state: Any, app_state: object) -> WebSocketProtocol:  # noqa: ARG001 - uvicorn's
        protocol = make()
        connections: set[object] = server_state.connections
        connections.add(protocol)
        protocol.when_gone(lambda: connections.discard(protocol))
        return protocol

    return connection  # type: ignore[return-value]  # it is called as a class would be


def uvicorn_protocol(
    hub: Hub, *, path: str = "/ws", origins: Sequence[str] = ()
) -> type[asyncio.Protocol]:
    """Make what uvicorn takes as ``ws=``, bound to a hub."""
    flusher = TurnFlusher()
    return for_uvicorn(lambda: HubProtocol(hub, flusher, path=path, origins=origins))
