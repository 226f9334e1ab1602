"""The links to all peers: made when they are needed, forgotten when too many; and the door for what comes in."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

from holdfast.apps.agents import limits, wire
from holdfast.apps.agents.answers import refusal
from holdfast.apps.agents.errors import AgentError
from holdfast.apps.agents.link import Link
from holdfast.apps.agents.wire import Request, Started
from holdfast.errors import ErrorCode, RemoteProtocolError
from holdfast.resilience import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.apps.agents.host import AgentHost
    from holdfast.apps.agents.transport import Transport

log = logging.getLogger("holdfast.agents")


class Peers:
    """Links by peer.

    Args:
        host: whose they are.
        transport: to the peers.
    """

    def __init__(self, host: AgentHost, transport: Transport) -> None:
        self._host = host
        self._transport = transport
        self._limiter = RateLimiter(
            host.settings.rate, keys_max=limits.PEERS_MAX, name="agents' peers"
        )
        self._forget: Callable[[], None] | None = None
        self.links: OrderedDict[str, Link] = OrderedDict()

    def open(self) -> None:
        """Listen, and tell all peers that this node has begun anew."""
        self._forget = self._transport.on_message(self._received)
        for peer in self._transport.peers():
            self.link(peer).say(Started(self._host.epoch), limits.EVENT_TTL)

    async def close(self, within: float) -> None:
        """Say what was to be said, for so many seconds at most each, and end everything."""
        if self._forget is not None:
            self._forget()
        for link in self.links.values():
            await link.flush(within)
        for link in self.links.values():
            await link.close()

    def link(self, peer: str) -> Link:
        """Return the link to a peer, a new one if need be; an empty name is this node itself."""
        found = self.links.get(peer)
        if found is None:
            host = self._host
            if len(self.links) >= limits.PEERS_MAX:
                self._forget_one()
            found = self.links[peer] = Link(
                peer,
                host.epoch,
                settings=host.settings.conversation,
                transport=self._transport,
                keeper=host,
                world=host.world,
            )
        self.links.move_to_end(peer)
        return found

    def _forget_one(self) -> None:
        for peer, link in self.links.items():
            if link.conversation.is_idle and not link.is_sending:
                del self.links[peer]
                return

    def _received(self, peer: str, data: bytes) -> None:
        """Of the transport: a frame of a peer. One who floods costs a look at its first bytes."""
        wait = self._limiter.check(peer)
        if wait > 0 and not data.startswith(wire.REQUEST_PREFIX):
            return  # what it said is said again
        try:
            frame = wire.decode(data)
        except RemoteProtocolError as problem:
            log.warning("a frame of %r is dropped: %s", peer, problem)
            return
        link = self.link(peer)
        if wait <= 0:
            link.received(frame)
        elif isinstance(frame, Request) and frame.id not in link.conversation.answering:
            error = AgentError(
                ErrorCode.RATE_LIMIT_EXCEEDED,
                "This peer asks too fast; the request was not run.",
                retry_after=wait,
            )
            link.perform([refusal(frame.id, error)])
