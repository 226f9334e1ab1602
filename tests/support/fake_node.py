"""A node without a network, for tests of the faces of the chat: what is sent arrives at the other one while the line is up.

It keeps what the real one's interface promises: ids of the caller's choice, once each, states that only grow.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from holdfast.errors import ResilienceError
from holdfast.node import (
    Contact,
    ContactChanged,
    ContactState,
    GatewayChanged,
    GatewayStatus,
    Identity,
    Invitation,
    Message,
    MessageChanged,
    MessageState,
    QueueChanged,
    QueueStatus,
    Room,
    RoomChanged,
)

INVITED: dict[str, tuple[FakeNode, Contact]] = {}


class FakeNode:
    def __init__(self, name: str) -> None:
        self.name = name
        self.identities: list[Identity] = []
        self.rooms: list[Room] = []
        self.is_plain = False
        self.is_up = True
        self.known: dict[str, Contact] = {}
        self.said: dict[tuple[str, str], Message] = {}
        self.other: dict[str, tuple[FakeNode, str]] = {}
        self.refusing: ResilienceError | None = None
        self.sends = 0
        self.failing = 0
        self.down: set[str] = set()
        self._numbers = itertools.count(1)
        self._changes: list[Callable[[Any], object]] = []
        self._messages: list[Callable[[Message], object]] = []

    @property
    def contacts(self) -> list[Contact]:
        return list(self.known.values())

    def contact(self, contact: str) -> Contact | None:
        return self.known.get(contact)

    def on_change(self, callback: Callable[[Any], object]) -> Callable[[], None]:
        self._changes.append(callback)
        return lambda: self._changes.remove(callback)

    def on_message(self, callback: Callable[[Message], object]) -> Callable[[], None]:
        self._messages.append(callback)
        return lambda: self._messages.remove(callback)

    def tell(self, change: Any) -> None:
        for callback in list(self._changes):
            callback(change)

    async def create_identity(self, name: str, *, shown_name: str | None = None) -> Identity:
        made = Identity(f"identity-{len(self.identities)}", name, shown_name or name, "AB12 CD34")
        self.identities.append(made)
        return made

    async def invite(self, identity: str, *, name: str = "", note: str = "") -> Invitation:
        contact = Contact(
            f"{self.name}-{len(self.known):06}", identity, name, state=ContactState.INVITED
        )
        self.known[contact.id] = contact
        link = f"holdfast:1{self.name}{len(self.known):08}" + "Zm9v" * 300
        INVITED[link] = (self, contact)
        self.tell(ContactChanged(contact.id))
        return Invitation(link, contact.id, identity, note)

    async def accept(self, identity: str, link: str, name: str = "") -> Contact:
        if link not in INVITED:
            raise ResilienceError("This invitation is damaged, or was used.")
        host, theirs = INVITED.pop(link)
        told = host.identities[0].shown_name
        mine = Contact(f"{self.name}-{len(self.known):06}", identity, name, told)
        self.known[mine.id] = mine
        host.known[theirs.id] = replace(
            theirs, state=ContactState.READY, told_name=self.identities[0].shown_name
        )
        self.other[mine.id] = (host, theirs.id)
        host.other[theirs.id] = (self, mine.id)
        host.tell(ContactChanged(theirs.id))
        self.tell(ContactChanged(mine.id))
        return mine

    def _set(self, contact: str, **changes: Any) -> None:
        self.known[contact] = replace(self.known[contact], **changes)
        self.tell(ContactChanged(contact))

    async def rename(self, contact: str, name: str) -> None:
        self._set(contact, name=name)

    async def allow_read(self, contact: str, *, allowed: bool) -> None:
        self._set(contact, may_see_read=allowed)

    async def verify(self, contact: str, *, is_verified: bool = True) -> None:
        self._set(contact, is_verified=is_verified)

    async def remove_contact(self, contact: str) -> None:
        del self.known[contact]
        self.tell(ContactChanged(contact))

    def safety_words(self, contact: str) -> tuple[str, ...]:
        return ("Dog", "Anchor", "Cake", "Lock", "Moon", "Tree", "Ball")

    async def send(
        self,
        conversation: str,
        body: bytes | str,
        *,
        kind: str = "text",
        priority: int = 1,
        ttl: float | None = None,
        message_id: str | None = None,
    ) -> str:
        if self.refusing is not None:
            raise self.refusing
        number = next(self._numbers)
        chosen = message_id or f"message-{number:08}"
        if (conversation, chosen) in self.said:
            return chosen
        self.sends += 1
        raw = body.encode() if isinstance(body, str) else body
        now = round(1000 * time.time())
        made = Message(chosen, number, conversation, "", kind, raw, now, now, MessageState.QUEUED)
        self.said[conversation, chosen] = made
        self.tell(MessageChanged(conversation, chosen, MessageState.QUEUED))
        self.tell(QueueChanged())
        self.flush()
        return chosen

    def flush(self) -> None:
        """Hand over what waits, if the line is up."""
        for (conversation, chosen), message in list(self.said.items()):
            if self.is_up and message.is_mine and message.state is MessageState.QUEUED:
                self.becomes(conversation, chosen, MessageState.AT_GATEWAY)
                host, theirs = self.other.get(conversation, (None, ""))
                if host is not None and host.is_up:
                    host.receive(theirs, message)
                    self.becomes(conversation, chosen, MessageState.DELIVERED)

    def becomes(self, conversation: str, chosen: str, state: MessageState, error: str = "") -> None:
        self.said[conversation, chosen] = replace(
            self.said[conversation, chosen], state=state, error=error
        )
        self.tell(MessageChanged(conversation, chosen, state))
        self.tell(QueueChanged())

    def receive(self, conversation: str, message: Message) -> None:
        came = replace(
            message, number=next(self._numbers), conversation=conversation, sender=conversation,
            state=MessageState.RECEIVED,
        )  # fmt: skip
        self.said[conversation, message.id] = came
        if not message.kind.startswith("."):
            self._set(conversation, unread=self.known[conversation].unread + 1)
        for callback in list(self._messages):
            callback(came)

    async def history(
        self,
        conversation: str,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
        kinds: Sequence[str] | None = None,
    ) -> list[Message]:
        found = sorted(
            (
                message
                for (where, _), message in self.said.items()
                if where == conversation
                and (kinds is None or message.kind in kinds)
                and (before is None or message.number < before)
            ),
            key=lambda message: message.number,
        )
        return found[-limit:]

    async def message(self, conversation: str, message: str) -> Message | None:
        return self.said.get((conversation, message))

    async def search(self, words: str, *, limit: int = 100, **_: Any) -> list[Message]:
        wanted = words.lower().split()
        found = [
            message
            for message in self.said.values()
            if message.kind == "text" and all(word in message.text.lower() for word in wanted)
        ]
        return sorted(found, key=lambda message: -message.number)[:limit]

    async def mark_read(self, conversation: str, through: int) -> None:
        if conversation in self.known:
            self._set(conversation, unread=0)
            host, theirs = self.other.get(conversation, (None, ""))
            if host is not None and self.known[conversation].may_see_read:
                for (where, chosen), message in list(host.said.items()):
                    if where == theirs and message.state is MessageState.DELIVERED:
                        host.becomes(where, chosen, MessageState.READ)

    async def delete_history(self, conversation: str, *, through: int) -> int:
        gone = [
            key for key, m in self.said.items() if key[0] == conversation and m.number <= through
        ]
        for key in gone:
            del self.said[key]
        return len(gone)

    async def create_room(self, identity: str, name: str, members: Sequence[str]) -> Room:
        room = Room(f"room.{len(self.rooms):08}", identity, name, members=tuple(members))
        self.rooms.append(room)
        self.tell(RoomChanged(room.id))
        return room

    def gateways(self) -> list[GatewayStatus]:
        return [
            GatewayStatus(
                name, "reconnecting" if name in self.down else "connected",
                "unusable" if name in self.down else "excellent", 0.0 if name in self.down else 1.0,
                0.012, "open" if name in self.down else "closed", True, 120.0, 14, 2 if name in self.down else 0,
                "nobody listens there" if name in self.down else "",
            )
            for name in ("127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003")
        ]  # fmt: skip

    def set_down(self, *names: str) -> None:
        self.down = set(names)
        self.is_up = len(self.down) < 3
        self.tell(GatewayChanged(""))
        self.flush()

    async def leave_room(self, room: str) -> None:
        self.rooms = [
            replace(each, is_open=False) if each.id == room else each for each in self.rooms
        ]

    def queue(self) -> QueueStatus:
        waiting = [m for m in self.said.values() if m.is_mine and m.state.rank < 2]
        by: dict[int, int] = {}
        for message in waiting:
            by[0 if message.kind.startswith(".") else 1] = (
                by.get(0 if message.kind.startswith(".") else 1, 0) + 1
            )
        return QueueStatus(
            len(waiting), by, sum(m.state is MessageState.AT_GATEWAY for m in waiting),
            4.0 if waiting else None, min((m.received_ms for m in waiting), default=None), self.failing,
        )  # fmt: skip

    def retry_now(self) -> None:
        self.flush()

    def network_changed(self) -> None:
        self.flush()

    def statistics(self) -> dict[str, object]:
        return {"sent": self.sends}
