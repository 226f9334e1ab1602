"""The API over WebSocket, and over TCP with one JSON object a line."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits
from holdfast.apps.i3.api import rpc
from holdfast.connection import Lines, Listener, ListenerSettings
from holdfast.connection.transport import keep_alive
from holdfast.errors import NetworkTimeoutError
from holdfast.server import TurnFlusher, WebSocketProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.apps.i3.api.api import Api
    from holdfast.apps.i3.api.session import ApiSession
    from holdfast.connection import Peer
    from holdfast.session import Handshake, Packet

KEY_HEADER: Final = "x-api-key"
SLOW_READER: Final = 1008
READ_WITHIN: Final = 120.0
"""Seconds that a client over TCP may take to read what waits for it; then it is cut."""


class ApiWebSocket(WebSocketProtocol):
    """One client over WebSocket; implements ``ApiLink``.

    Args:
        api: whom to tell.
        flusher: shared by all connections of the loop.
        path: where it is.
        origins: web origins that may connect besides the server's own.
    """

    def __init__(
        self, api: Api, flusher: TurnFlusher, *, path: str = "/ws", origins: Sequence[str] = ()
    ) -> None:
        super().__init__(
            flusher, path=path, origins=origins, message_max=limits.API_MESSAGE_BYTES_MAX
        )
        self._api = api
        self._session: ApiSession
        self._room = asyncio.Event()
        self._room.set()
        self._proof: asyncio.TimerHandle | None = None

    def admit(self, remote: str) -> float:  # noqa: ARG002 - addresses are limited where keys are tried
        """Ask the API."""
        return self._api.admit()

    def opened(self, handshake: Handshake, subprotocol: str) -> Callable[[bytes], object]:  # noqa: ARG002 - there are none
        """Begin with a client, which may have sent its key with the handshake."""
        keep_alive(self._transport.get_extra_info("socket"))
        self._proof = asyncio.get_running_loop().call_later(
            limits.API_AUTHENTICATE_TIMEOUT, self._unproved
        )
        api, key = self._api, handshake.headers.get(KEY_HEADER)
        session = self._session = api.opened(self, handshake.remote, key)
        return lambda message: api.received(session, message)

    def gone(self) -> None:
        """Tell the API."""
        self.proved()
        self._room.set()
        self._api.lost(self._session)

    def overflowed(self) -> None:
        """Close: answers that are dropped cannot be made good; events are in the log."""
        self.close(SLOW_READER, "what is sent is not read")

    def pause_writing(self) -> None:
        """The client reads more slowly than is written."""
        super().pause_writing()
        self._room.clear()

    def drained(self, *, was_dropped: bool) -> None:  # noqa: ARG002 - it is closed then
        """The client has read."""
        self._room.set()

    def proved(self) -> None:
        """It may stay."""
        if self._proof is not None:
            self._proof.cancel()
            self._proof = None

    @property
    def is_slow(self) -> bool:
        """Whether the client should read first."""
        return not self._room.is_set()

    async def room(self) -> None:
        """Wait until it has."""
        await self._room.wait()

    def _unproved(self) -> None:
        self._proof = None
        self.close(SLOW_READER, "no authenticate in time")


class ApiLine:
    """One client over TCP; implements ``ApiLink`` and is the receiver of its transport."""

    def __init__(self, api: Api, peer: Peer) -> None:
        self._api = api
        self._peer = peer
        self._session = api.opened(self, peer.remote)
        peer.send(
            rpc.notification(
                "welcome",
                {
                    "service": "i3-gateway",
                    "version": "1.0.0",
                    "protocol": "JSON-RPC 2.0",
                    "authentication": "required",
                    "mud_name": api.mud_name,
                },
            )
        )

    # --- ApiLink ----------------------------------------------------------------------------

    def send(self, packet: Packet) -> None:
        """Send one line."""
        self._peer.send(packet.payload)

    def proved(self) -> None:
        """It may stay."""
        self._peer.proved()

    @property
    def is_slow(self) -> bool:
        """Whether the client should read first."""
        return self._peer.queued > limits.API_LINK_BYTES_MAX

    async def room(self) -> None:
        """Wait until it has; one that does not is cut."""
        try:
            await self._peer.drained(READ_WITHIN)
        except NetworkTimeoutError as error:
            self._peer.fail(error)

    def close(self, code: int, reason: str) -> None:  # noqa: ARG002 - there is no word for it on a line
        """Close after what was sent."""
        self._peer.close()

    # --- a receiver -------------------------------------------------------------------------

    def received(self, message: bytes) -> None:
        """Take a line."""
        self._api.received(self._session, message)

    def ponged(self, number: int) -> None:
        """Lines know no pings."""

    def lost(self, error: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        """Tell the API."""
        self._api.lost(self._session)


def line_listener(api: Api) -> Listener:
    """Make what takes clients over TCP; it is to be started and stopped."""
    settings = ListenerSettings(
        connections_max=limits.API_CONNECTIONS_MAX,
        per_address_max=limits.API_CONNECTIONS_MAX,
        proof_timeout=limits.API_AUTHENTICATE_TIMEOUT,
        message_max=limits.API_MESSAGE_BYTES_MAX,
        write_queue_max=4 * limits.API_LINK_BYTES_MAX,
    )
    return Listener(lambda peer: ApiLine(api, peer), framing=Lines, settings=settings, name="api")
