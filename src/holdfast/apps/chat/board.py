"""What all pages see of the node, kept current: conversations, gateways, the queue, errors.

The node says what changed, as often as it likes; the board looks again at most ``limits.SHOWN_EVERY`` later and
compares with what it showed last. What is published is a number only, the board's *revision*: what goes through a
channel is logged by the hub, on the disk and in the clear, where no name and no text may be. A page that sees a new
revision fetches the board. Texts of conversations are not in it: each conversation has a revision too, and a page
that sees a new one fetches what has changed since the one it knows (``Talk.since``).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.apps.chat import limits, views
from holdfast.apps.chat.wire import SHOWN
from holdfast.errors import ResilienceError
from holdfast.node import (
    ContactChanged,
    ErrorNoted,
    GatewayChanged,
    MessageChanged,
    PlainChanged,
    QueueChanged,
    RoomChanged,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.node import Change, Message, Node
    from holdfast.ops import ErrorHandler

log = logging.getLogger("holdfast.chat")


@dataclass(slots=True)
class Talk:
    """What is remembered of a conversation.

    Attributes:
        revision: grows with each change of a message.
        changes: the last ones: revision and message.
        last: the newest line, as it is shown in the list.
    """

    revision: int = 0
    changes: deque[tuple[int, str]] = field(
        default_factory=lambda: deque(maxlen=limits.CHANGES_KEPT)
    )
    last: views.Shown | None = None

    def changed(self, message: str) -> None:
        """Note that a message is new or another one."""
        self.revision += 1
        self.changes.append((self.revision, message))

    def since(self, revision: int) -> list[str] | None:
        """Return the messages that changed since, the oldest change first; None when that is not known."""
        if not 0 <= revision <= self.revision:
            return None
        if revision < self.revision - len(self.changes):
            return None
        later = dict.fromkeys(message for number, message in self.changes if number > revision)
        return list(later)


class Board:
    """Collects changes and publishes what became of them.

    Args:
        node: running.
        errors: the handler that the node reports to.
        publish: called with the new revision, on the event loop.

    Attributes:
        shown: everything, as pages get it.
        revision: of it; grows, also from one process to the next.
        now_ms: the server's clock.
    """

    def __init__(
        self,
        node: Node,
        errors: ErrorHandler,
        publish: Callable[[int], object],
        now_ms: Callable[[], int],
    ) -> None:
        self._node = node
        self._errors = errors
        self._publish = publish
        self._now_ms = now_ms
        self._talks: dict[str, Talk] = {}
        self._stale: set[str] = set()
        self._plain: views.Shown = {"on": node.is_plain, "reason": ""}
        self._again = asyncio.Event()
        self._began = now_ms()
        self.shown: views.Shown = {}
        self.revision = self._began

    async def run(self) -> None:
        """Follow the node until cancelled."""
        stop = self._node.on_change(self._changed)
        try:
            await self.refresh()
            while True:
                await self._again.wait()
                await asyncio.sleep(limits.SHOWN_EVERY)
                self._again.clear()
                try:
                    await self.refresh()
                except ResilienceError:
                    # The store is busy or gone for a moment: what is shown stays, and is compared again.
                    log.warning("the board could not be refreshed", exc_info=True)
                    self._again.set()
        finally:
            stop()

    def talk(self, conversation: str) -> Talk:
        """Return what is remembered of a conversation."""
        found = self._talks.get(conversation)
        if found is None:
            # From the time of the start on: no revision of an earlier process is taken for one of ours.
            found = self._talks[conversation] = Talk(revision=self._began)
        return found

    def touch(self, conversation: str, message: str) -> None:
        """Show a message anew: something about it changed that the node does not know."""
        self.talk(conversation).changed(message)
        self._again.set()

    def look(self) -> None:
        """Compare soon."""
        self._again.set()

    def _changed(self, change: Change) -> None:
        match change:
            case MessageChanged():
                self.talk(change.conversation).changed(change.id)
                self._stale.add(change.conversation)
            case PlainChanged():
                self._plain = {"on": change.is_plain, "reason": change.reason}
            case (
                ContactChanged() | RoomChanged() | GatewayChanged() | QueueChanged() | ErrorNoted()
            ):
                pass  # all of it is read anew each time
        self._again.set()

    def came(self, message: Message) -> None:
        """Note that a message came."""
        self.talk(message.conversation).changed(message.id)
        self._stale.add(message.conversation)
        self._again.set()

    def forgot(self, conversation: str) -> None:
        """Lines of a conversation were deleted: what its pages know of it is void."""
        talk = self.talk(conversation)
        talk.changes.clear()
        talk.revision += 1
        self._stale.add(conversation)
        self._again.set()

    async def refresh(self) -> None:
        """Look at everything, and tell when something is different."""
        await self._read_last()
        after = self._state()
        if after != self.shown:
            self.shown = after
            self.revision += 1
            self._publish(self.revision)

    async def _read_last(self) -> None:
        known = [*(c.id for c in self._node.contacts), *(room.id for room in self._node.rooms)]
        fresh = [conversation for conversation in known if conversation not in self._talks]
        stale, self._stale = self._stale, set()
        for conversation in {*fresh, *stale}:
            found = await self._node.history(conversation, limit=1, kinds=SHOWN)
            self.talk(conversation).last = views.brief(found[-1]) if found else None
        for gone in self._talks.keys() - set(known):
            del self._talks[gone]

    def _state(self) -> views.Shown:
        node = self._node
        roster: views.Shown = {}
        for contact in node.contacts:
            if not contact.is_hidden:
                talk = self.talk(contact.id)
                roster[contact.id] = views.contact_row(contact, talk.last, talk.revision)
        for room in node.rooms:
            talk = self.talk(room.id)
            roster[room.id] = views.room_row(room, talk.last, talk.revision)
        counted = self._errors.statistics()
        return {
            "me": [views.identity_row(identity) for identity in node.identities],
            "hidden": {c.id: c.name or c.told_name for c in node.contacts if c.is_hidden},
            "roster": roster,
            "gateways": [views.gateway_row(gateway) for gateway in node.gateways()],
            "queue": views.queue_view(node.queue(), self._now_ms()),
            "errors": {"total": counted["total"], "by": counted["by_category"]},
            "plain": self._plain,
        }
