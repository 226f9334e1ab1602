"""Carries what pages have said into the node, in order, each once.

A wish is in the store before its page is told that it is safe (``store``); here it becomes a message of the
node under the same id. What the node refuses for now is tried again after the time it names; what it refuses
for good is shown to the pages as an error, with the reason, and is not tried again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from holdfast.apps.chat import store
from holdfast.apps.chat.errors import ChatCode, ChatError
from holdfast.apps.chat.wire import Kind, read_note
from holdfast.errors import OutboxFullError, ResilienceError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.apps.chat.store import Wish
    from holdfast.crypto import Keystore
    from holdfast.node import Node
    from holdfast.storage import Database

log = logging.getLogger("holdfast.chat")

PAUSE: Final = 1.0
"""Seconds before a wish is tried again when the node names no time."""


class Courier:
    """Moves wishes from the store to the node.

    Args:
        node: running.
        database: in which the wishes are.
        keystore: that opens them.
        taken: called with each wish that the node has.
        refused: called with a wish that the node will never take, and why.
    """

    def __init__(
        self,
        node: Node,
        database: Database,
        keystore: Keystore,
        taken: Callable[[Wish], object],
        refused: Callable[[Wish, str], object],
    ) -> None:
        self._node = node
        self._database = database
        self._keystore = keystore
        self._taken = taken
        self._refused = refused
        self._wake = asyncio.Event()
        self._wake.set()  # what an earlier process left
        self._reads: dict[str, int] = {}
        self.waiting = 0

    def kick(self) -> None:
        """There is a new wish."""
        self._wake.set()

    def read(self, conversation: str, through: int) -> None:
        """Somebody has seen a conversation up to this number; a crash makes him see it as new once more."""
        self._reads[conversation] = max(through, self._reads.get(conversation, 0))
        self._wake.set()

    async def run(self) -> None:
        """Carry until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            pause = await self._carry()
            if pause:
                await asyncio.sleep(pause)
                self._wake.set()

    async def _carry(self) -> float:
        """Carry all that is there; return how long to wait before the rest is tried, 0 when nothing is left."""
        try:
            while self._reads:
                conversation, through = self._reads.popitem()
                await self._mark(conversation, through)
            while wishes := await self._database.read(store.next_wishes):
                for wish in wishes:
                    await self._hand_over(wish)
        except (OutboxFullError, StorageError) as error:
            log.warning("the node takes no messages for now: %s", error.message)
            return error.retry_after or PAUSE
        return 0.0

    async def _mark(self, conversation: str, through: int) -> None:
        try:
            await self._node.mark_read(conversation, through)
        except StorageError:
            self.read(conversation, through)
            raise
        except ResilienceError as error:
            # The conversation is gone: there is nothing to be read in it any more.
            log.info("a conversation was not marked as read: %s", error.message)

    async def _body(self, wish: Wish) -> bytes:
        """Return what is to be sent: of an attachment its announcement, once all of it is here."""
        if wish.kind != Kind.FILE:
            return self._keystore.unseal(store.wish_label(wish.id), wish.body)
        found = await self._database.read(lambda connection: store.find_file(connection, wish.id))
        note = (
            b"" if found is None else self._keystore.unseal(store.note_label(wish.id), found.note)
        )
        if found is None or len(found.kept) != read_note(note).pieces:
            raise ChatError(ChatCode.FILE_NOT_FOUND, "The attachment was not uploaded whole.")
        return note

    async def _hand_over(self, wish: Wish) -> None:
        problem = ""
        try:
            body = await self._body(wish)
            await self._node.send(wish.conversation, body, kind=wish.kind, message_id=wish.id)
        except (OutboxFullError, StorageError):
            raise
        except (ResilienceError, ValueError) as error:
            problem = error.message if isinstance(error, ResilienceError) else f"{error}"
        await self._database.execute(store.REMOVE_WISH, (wish.number,))
        self.waiting = max(0, self.waiting - 1)
        if problem:
            self._refused(wish, problem)
        else:
            self._taken(wish)
