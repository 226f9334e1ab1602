"""Events out and in: to peers that want them, to those who listen here."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from holdfast.apps.agents import wire
from holdfast.apps.agents.errors import AgentCode, AgentError
from holdfast.apps.agents.events import AgentEvent, Subscription
from holdfast.apps.agents.topics import matches

if TYPE_CHECKING:
    from holdfast.apps.agents.peers import Peers

log = logging.getLogger("holdfast.agents")


class Listening:
    """Who listens here to what.

    Args:
        peers: their links.
    """

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._listeners: dict[tuple[str, str], set[Subscription]] = {}
        self._is_closed = False

    def publish(self, topic: str, body: object) -> None:
        """Tell everybody who wants to hear of it; raises as ``AgentHost.publish``."""
        if wire.TOPIC.fullmatch(topic) is None:
            raise AgentError(AgentCode.TOPIC_INVALID, f"{topic!r} is no topic: a.b.c, without *.")
        data = wire.to_json(body)
        now = asyncio.get_running_loop().time()
        for link in tuple(self._peers.links.values()):
            if link.peer:
                link.perform(link.conversation.audience.tell(topic, data, now))
        self.tell("", topic, data, 0)

    def subscribe(self, topic: str, peer: str) -> Subscription:
        """Listen; raises as ``AgentHost.subscribe``."""
        if wire.WANTED.fullmatch(topic) is None:
            raise AgentError(AgentCode.TOPIC_INVALID, f"{topic!r} is no topic: a.b, a.* or *.")
        key = peer, topic

        def opened(subscription: Subscription) -> None:
            self._listeners.setdefault(key, set()).add(subscription)
            try:
                self._want(peer)
            except AgentError:
                closed(subscription)
                raise

        def closed(subscription: Subscription) -> None:
            listeners = self._listeners.get(key, set())
            listeners.discard(subscription)
            if not listeners and self._listeners.pop(key, None) is not None:
                self._want(peer)

        return Subscription(opened, closed)

    def tell(self, peer: str, topic: str, data: bytes, missed: int) -> None:
        """Tell those who listen here that something happened at a peer."""
        wanted = [
            each
            for (who, what), listeners in self._listeners.items()
            if who == peer and matches(what, topic)
            for each in listeners
        ]
        if not wanted:
            return
        try:
            body = wire.from_json(data)
        except AgentError as error:
            log.warning("an event of %r is dropped: %s", peer, error)
            return
        for each in wanted:
            each.put(AgentEvent(peer, topic, body, missed))

    def close(self) -> None:
        """End all iterations."""
        self._is_closed = True
        for listeners in self._listeners.values():
            for each in listeners:
                each.close()

    def _want(self, peer: str) -> None:
        if peer and not self._is_closed:
            link = self._peers.link(peer)
            topics = [topic for who, topic in self._listeners if who == peer]
            now = asyncio.get_running_loop().time()
            link.perform(link.conversation.wishes.want(topics, now))
