"""Message links: datagrams that may be lost, doubled and overtaken."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any, cast

from holdfast.testing.path import NEUTRAL
from holdfast.testing.process import PROCESS
from holdfast.testing.sockets import SimSocket, error_of

if TYPE_CHECKING:
    from contextvars import Context

    from holdfast.testing.network import Network
    from holdfast.testing.path import Path

Address = tuple[str, int]

OVERTAKEN = 0.05
"""Seconds by which a message that others overtake is late at most."""

DATAGRAM_MAX = 65_507
"""Bytes of the largest datagram (IPv4)."""


class SimDatagramTransport(asyncio.DatagramTransport):
    """One end of a message link."""

    def __init__(
        self,
        network: Network,
        context: Context,
        protocol: asyncio.DatagramProtocol,
        address: Address,
        peer: Address | None,
    ) -> None:
        extra: dict[str, Any] = {"sockname": address, "socket": SimSocket(address, peer)}
        if peer is not None:
            extra["peername"] = peer
        super().__init__(extra)
        self.context = context
        self.process = context.get(PROCESS)
        self._network = network
        self._protocol = protocol
        self._address = address
        self._peer = peer
        self._is_closing = False

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send a message; whether it arrives is for the path to say."""
        target = self._peer if addr is None else self._network.absolute(addr)
        if target is None:
            raise ValueError("no address to send to")
        if self._peer not in {None, target}:
            raise ValueError(f"Invalid address: must be None or {self._peer}")
        if self._is_closing or not data:
            return
        payload = bytes(data)
        if len(payload) > DATAGRAM_MAX:
            error = error_of(errno.EMSGSIZE)
            self._network.loop.call_soon(self._protocol.error_received, error, context=self.context)
            return
        path = self._network.path_between(self._address[0], target[0])
        if path is not None:
            for _ in range(1 + (path.source.random() < path.profile.duplicate)):
                self._launch(path, target, payload)

    def _launch(self, path: Path, target: Address, payload: bytes) -> None:
        profile, source = path.profile, path.source
        if source.random() < profile.loss:
            return
        due = path.arrival(len(payload), is_stream=False)
        if source.random() < profile.reorder:
            due += int(source.random() * OVERTAKEN * 1e9)

        def arrive() -> None:
            if path.is_open:
                self._network.datagram(target, payload, self._address)

        self._network.loop.call_at_ns(due, arrive, context=NEUTRAL)

    def received(self, data: bytes, source: Address) -> None:
        """Hand a message to the protocol."""
        if not self._is_closing and self._peer in {None, source}:
            self._protocol.datagram_received(data, source)

    def die(self) -> None:
        """The process has died."""
        self._is_closing = True
        self._network.close_datagram(self._address)

    def close(self) -> None:
        """Close it."""
        if self._is_closing:
            return
        self._is_closing = True
        self._network.close_datagram(self._address)
        self._network.loop.call_soon(self._protocol.connection_lost, None, context=self.context)

    def abort(self) -> None:
        """Close it."""
        self.close()

    def is_closing(self) -> bool:
        """Return True when it is closed."""
        return self._is_closing

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give the link to another protocol."""
        self._protocol = cast("asyncio.DatagramProtocol", protocol)
