"""Attachments: a line that announces one, and pieces that follow it like any other message.

Theory. A piece is a message with an id that is made of the attachment's and its number, so nothing new has to
be invented for a transfer that is interrupted: what the outbox holds it sends when it can, what came twice is
dropped, and "where were we" is the question which ids are there. The line goes first, at the priority of talk;
pieces go at a lower one and a few at a time, so that talk overtakes them. The receiver joins the pieces when
somebody wants the file, and compares the digest with that in the line.

On the page's side it is the same: it uploads piece by piece, and after a reload asks which ones are here.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from holdfast.apps.chat import limits, store
from holdfast.apps.chat.errors import ChatCode, ChatError
from holdfast.apps.chat.wire import FileNote, Kind, Piece, packed, read_note, read_piece
from holdfast.errors import OutboxFullError, ResilienceError, StorageError
from holdfast.node import MessageChanged, MessageState

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.apps.chat.store import Outgoing
    from holdfast.crypto import Keystore
    from holdfast.node import Change, Message, Node
    from holdfast.storage import Database

log = logging.getLogger("holdfast.chat")

PRIORITY: Final = 0
"""Of pieces: below talk, which has 1."""

PAUSE: Final = 1.0
"""Seconds before the next try when the node takes no pieces for now."""

SETTLED: Final = frozenset(
    {MessageState.DELIVERED, MessageState.READ, MessageState.EXPIRED, MessageState.FAILED}
)
ARRIVED: Final = frozenset({MessageState.DELIVERED, MessageState.READ, MessageState.RECEIVED})


def piece_id(file: str, number: int) -> str:
    """Return the id of the message that carries a piece."""
    return f"{file}-{number}"


class Files:
    """Sends attachments and finds those that came.

    Args:
        node: running.
        database: in which uploads wait.
        keystore: that seals and opens them.
        now_ms: the server's clock.
        touched: called with conversation and message when one has come further.
    """

    def __init__(
        self,
        node: Node,
        database: Database,
        keystore: Keystore,
        now_ms: Callable[[], int],
        touched: Callable[[str, str], object],
    ) -> None:
        self._node = node
        self._database = database
        self._keystore = keystore
        self._now_ms = now_ms
        self._touched = touched
        self._wake = asyncio.Event()
        self._wake.set()
        self._room = asyncio.Event()
        self._under_way: set[str] = set()
        self._counted: OrderedDict[tuple[str, str], set[int]] = OrderedDict()

    # --- from the page ----------------------------------------------------------------------

    async def begin(self, conversation: str, note: FileNote) -> list[int]:
        """Take up an upload, a new one or one that was interrupted; return the pieces that are here.

        Raises:
            ChatError: 12004; too many are on their way.
        """
        found = await self.find(note.id)
        if found is not None:
            return list(found.kept)
        count, size = await self._database.read(store.waiting_files)
        if count >= limits.FILES_WAITING or size + note.size > limits.FILES_WAITING_BYTES:
            raise ChatError(
                ChatCode.TOO_MANY_WAITING,
                "Too many attachments wait to be sent. Try again when some have arrived.",
                retry_after=5.0,
            )
        sealed = self._keystore.seal(store.note_label(note.id), packed(note))
        row = (note.id, conversation, sealed, self._now_ms())
        await self._database.execute(store.ADD_FILE, row)
        return []

    async def add(self, file: str, number: int, data: bytes) -> None:
        """Keep one piece; the same one twice is harmless.

        Raises:
            ChatError: 12006, there is no such upload; 12008, the piece is none of it.
        """
        found = await self.find(file)
        if found is None:
            raise ChatError(ChatCode.FILE_NOT_FOUND, "There is no such upload (any more).")
        note = read_note(self._keystore.unseal(store.note_label(file), found.note))
        if not 0 <= number < note.pieces or len(data) != _length(note, number):
            raise ChatError(ChatCode.PIECE_OUT_OF_PLACE, "This piece does not belong here.")
        sealed = self._keystore.seal(store.piece_label(file, number), data)
        await self._database.execute(store.ADD_PIECE, (file, number, sealed))

    async def find(self, file: str) -> Outgoing | None:
        """Return an attachment that is not wholly with the node."""
        return await self._database.read(lambda connection: store.find_file(connection, file))

    async def _piece(self, file: str, number: int) -> bytes | None:
        sealed = await self._database.read(
            lambda connection: store.find_piece(connection, file, number)
        )
        label = store.piece_label(file, number)
        return None if sealed is None else self._keystore.unseal(label, sealed)

    # --- to the node ------------------------------------------------------------------------

    def handed(self) -> None:
        """An announcement was taken by the node: its pieces may follow."""
        self._wake.set()

    async def run(self) -> None:
        """Send pieces until cancelled."""
        stop = self._node.on_change(self._changed)
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                try:
                    await self._send_all()
                except (OutboxFullError, StorageError) as error:
                    log.warning("no pieces are taken for now: %s", error.message)
                    await asyncio.sleep(error.retry_after or PAUSE)
                    self._wake.set()
        finally:
            stop()

    async def _send_all(self) -> None:
        oldest = self._now_ms() - round(1000 * limits.PARTIAL_LIFE)
        await self._database.execute(store.REMOVE_OLD_FILES, (oldest,))
        for file in await self._database.read(store.handed_files):
            found = await self.find(file)
            if found is not None:
                await self._send(found)

    async def _send(self, found: Outgoing) -> None:
        for number in found.kept:
            while len(self._under_way) >= limits.PIECES_UNDER_WAY:
                self._room.clear()
                await self._room.wait()
            data = await self._piece(found.id, number)
            if data is None:
                continue
            message = piece_id(found.id, number)
            self._under_way.add(message)
            try:
                await self._node.send(
                    found.conversation,
                    packed(Piece(found.id, number, data)),
                    kind=Kind.PIECE,
                    priority=PRIORITY,
                    message_id=message,
                )
            except (OutboxFullError, StorageError):
                self._under_way.discard(message)
                raise
            except ResilienceError as error:
                self._under_way.discard(message)
                log.warning("an attachment is given up: %s", error.message)
                break
            await self._database.execute(store.REMOVE_PIECE, (found.id, number))
        await self._database.execute(store.REMOVE_FILE, (found.id,))

    def _changed(self, change: Change) -> None:
        """Note how far a piece of ours has come."""
        if not isinstance(change, MessageChanged) or change.state not in SETTLED:
            return
        file, _, number = change.id.rpartition("-")
        if change.id in self._under_way:
            self._under_way.discard(change.id)
            self._room.set()
        if change.state in ARRIVED and number.isdecimal():
            self._count(change.conversation, file, int(number))

    # --- what has arrived -------------------------------------------------------------------

    def came(self, message: Message) -> None:
        """Note that a piece came; what is no piece is dropped."""
        try:
            piece = read_piece(message.body)
        except ChatError as error:
            log.warning("a piece cannot be read: %s", error.message)
            return
        if piece_id(piece.file, piece.number) == message.id:
            self._count(message.conversation, piece.file, piece.number)

    def _count(self, conversation: str, file: str, number: int) -> None:
        counted = self._counted.get((conversation, file))
        if counted is not None and number not in counted:
            counted.add(number)
            self._touched(conversation, file)

    async def prepare(self, announcement: Message) -> None:
        """Count the pieces of an attachment, so that ``there`` knows."""
        key = (announcement.conversation, announcement.id)
        if key in self._counted:
            self._counted.move_to_end(key)
            return
        try:
            note = read_note(announcement.body)
        except ChatError:
            return  # shown as damaged
        self._counted[key] = counted = set()
        while len(self._counted) > limits.ARRIVALS_KNOWN:
            self._counted.popitem(last=False)
        for number in range(note.pieces):
            piece = await self._node.message(announcement.conversation, piece_id(note.id, number))
            if piece is None or piece.sender != announcement.sender:
                continue
            if piece.state in ARRIVED:
                counted.add(number)

    def there(self, announcement: Message) -> int | None:
        """Return how many pieces are at their receiver; None when it was not counted."""
        counted = self._counted.get((announcement.conversation, announcement.id))
        return None if counted is None else len(counted)

    async def joined(self, conversation: str, file: str) -> tuple[FileNote, bytes]:
        """Return an attachment whole.

        Raises:
            ChatError: 12006, it is not here, or not all of it; 12007, its digest is not the announced one.
        """
        announcement = await self._node.message(conversation, file)
        if announcement is None or announcement.kind != Kind.FILE:
            raise ChatError(ChatCode.FILE_NOT_FOUND, "There is no such attachment.")
        note = read_note(announcement.body)
        parts = [await self._part(announcement, note, number) for number in range(note.pieces)]
        whole = b"".join(parts)
        if len(whole) != note.size or hashlib.sha256(whole).digest() != note.digest:
            raise ChatError(
                ChatCode.FILE_DAMAGED,
                "The attachment is not what its sender announced. Ask him to send it again.",
            )
        return note, whole

    async def _part(self, announcement: Message, note: FileNote, number: int) -> bytes:
        message = await self._node.message(announcement.conversation, piece_id(note.id, number))
        if message is not None and message.sender == announcement.sender:
            return read_piece(message.body).data
        if announcement.is_mine:
            waiting = await self._piece(note.id, number)
            if waiting is not None:
                return waiting
        raise ChatError(ChatCode.FILE_NOT_FOUND, "The attachment has not arrived whole yet.")


def _length(note: FileNote, number: int) -> int:
    """Return how long a piece is: all are full but the last."""
    return min(limits.PIECE_BYTES, note.size - number * limits.PIECE_BYTES)
