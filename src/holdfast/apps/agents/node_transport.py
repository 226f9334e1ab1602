"""Agents' frames as messages of a node: sealed, through gateways, kept there while the peer is away.

A node delivers once and in order and loses nothing, which is more than the agents rely on; so what they say again is
left out while the same is still on its way. Peers are contacts with the names that this node gave them: what a
stranger calls himself opens no door. Two contacts of one name: the older one has it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from holdfast import limits as house
from holdfast.apps.agents import limits, wire
from holdfast.apps.agents.errors import AgentCode, AgentError
from holdfast.errors import ResilienceError
from holdfast.node import ContactChanged, ContactState, Message, MessageChanged, MessageState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from holdfast.node import Change, Contact, ContactId, MessageId, Node
    from holdfast.world import World

log = logging.getLogger("holdfast.agents")

KIND: Final = ".agent"
"""The kind of the messages; the point keeps them from being counted as unread."""

UNDER_WAY: Final = frozenset({MessageState.QUEUED, MessageState.AT_GATEWAY})

TTL_MIN: Final = 1.0
"""Seconds that a message has at least."""

TRIM_EVERY: Final = 64
"""Messages of a contact between two times that its history is deleted: nobody reads it."""


class NodeTransport:
    """A ``Transport`` on a node; use it as an async context manager, within the node's and around the host's.

    Args:
        node: that is open.
        world: ids.
    """

    def __init__(self, node: Node, world: World) -> None:
        self._node = node
        self._world = world
        self._names: dict[str, ContactId] | None = None
        self._callbacks: list[Callable[[str, bytes], object]] = []
        self._under_way: OrderedDict[tuple[ContactId, bytes], MessageId] = OrderedDict()
        self._keys: dict[MessageId, tuple[ContactId, bytes]] = {}
        self._seen: dict[ContactId, int] = {}
        self._full: set[ContactId] = set()
        self._wake = asyncio.Event()
        self._ends: list[Callable[[], None]] = []
        self._trimming: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._ends = [
            self._node.on_message(self._received),
            self._node.on_change(self._changed),
        ]
        self._trimming = asyncio.create_task(self._trim(), name="holdfast-agents history")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for end in self._ends:
            end()
        if self._trimming is not None:
            self._trimming.cancel()
            await asyncio.wait({self._trimming})

    # --- what the host asks for -------------------------------------------------------------

    def peers(self) -> Sequence[str]:
        """Return the names of those who have met this node."""
        return tuple(self._contacts())

    async def send(self, peer: str, data: bytes, *, within: float) -> None:
        """Hand a frame to the node; returns when that would survive a crash. Raises as ``Transport.send``."""
        contact = self._contacts().get(peer)
        if contact is None:
            raise AgentError(AgentCode.PEER_UNKNOWN, f"No peer is called {peer!r} here.")
        key = contact, _subject(data)
        if key in self._under_way:
            return
        message = self._world.new_id()
        self._keys[message], self._under_way[key] = key, message
        if len(self._under_way) > limits.FRAMES_UNDER_WAY_MAX:
            _, oldest = self._under_way.popitem(last=False)
            del self._keys[oldest]
        ttl = min(max(within, TTL_MIN), house.NODE_TTL)
        try:
            await self._node.send(contact, data, kind=KIND, ttl=ttl, message_id=message)
        except BaseException:
            self._arrived(message)
            raise
        self._count(contact)

    def on_message(self, callback: Callable[[str, bytes], object]) -> Callable[[], None]:
        """Call back with peer and frame; returns how to end that."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    # --- what the node tells ----------------------------------------------------------------

    def _received(self, message: Message) -> None:
        if message.kind != KIND or message.is_mine:
            return
        self._count(message.conversation)
        for name, contact in self._contacts().items():
            if contact == message.sender:
                for callback in tuple(self._callbacks):
                    callback(name, message.body)
                return
        log.warning("a frame of a contact without a name of its own is dropped")

    def _changed(self, change: Change) -> None:
        if isinstance(change, ContactChanged):
            self._names = None
        elif isinstance(change, MessageChanged) and change.state not in UNDER_WAY:
            self._arrived(change.id)

    def _arrived(self, message: MessageId) -> None:
        """It is not on its way any more: the same may be said again."""
        key = self._keys.pop(message, None)
        if key is not None:
            self._under_way.pop(key, None)

    def _contacts(self) -> dict[str, ContactId]:
        if self._names is None:
            self._names = {}
            for contact in self._node.contacts:
                if _is_peer(contact):
                    self._names.setdefault(contact.name, contact.id)
        return self._names

    # --- history ----------------------------------------------------------------------------

    def _count(self, contact: ContactId) -> None:
        seen = self._seen[contact] = self._seen.get(contact, 0) + 1
        if seen >= TRIM_EVERY:
            del self._seen[contact]
            self._full.add(contact)
            self._wake.set()

    async def _trim(self) -> None:
        """Delete what was said, now and then; what waits to be sent stays."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._full:
                contact = self._full.pop()
                try:
                    newest = await self._node.history(contact, limit=1)
                    for message in newest:
                        await self._node.delete_history(contact, through=message.number)
                except ResilienceError as error:
                    # It stays a while longer; the next look deletes it with the others.
                    log.warning("old frames of a peer were not deleted: %s", error)


def _is_peer(contact: Contact) -> bool:
    return (
        bool(contact.name) and not contact.is_hidden and contact.state is not ContactState.INVITED
    )


def _subject(data: bytes) -> bytes:
    """Return what is the same when a frame is said again: a request's id, since its budget shrinks."""
    if data.startswith(wire.REQUEST_PREFIX):
        frame = wire.decode(data)
        if isinstance(frame, wire.Request):
            return frame.id.encode()
    return hashlib.sha256(data).digest()
