"""Who is handed what: envelopes in the order in which they came, to the one connection that reads a mailbox. No I/O.

Theory. A reader gets each envelope again with every new connection, until it is acknowledged. He is *live* when the
store has nothing beyond what he was sent: then envelopes go to him from memory. He stops being live when his window
is full or his connection congested, and is read for (``Fetch``) when there is room again. An envelope that comes while
the store is read for him may or may not be in what is read: ``has_news`` says to look again. One that is deleted
meanwhile may be in what is read: it is read again from there on. So nothing is left out, nothing is sent twice on one
connection, and nothing after its acknowledgement.

The newest connection has a mailbox; the older one is told, so that a copy of a node that somebody runs by mistake does
not fight with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import limits
from holdfast.mailbox import wire
from holdfast.mailbox.record import Fetch, Reading, Send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.mailbox.record import Client, Effect, Mailbox, NewEnvelope, Row


class Readers:
    """Hands out envelopes.

    Args:
        effects: where to note what is to be done.

    Attributes:
        handed_over: envelopes, ever.
    """

    def __init__(self, effects: list[Effect]) -> None:
        self._effects = effects
        self.handed_over = 0

    # --- who reads --------------------------------------------------------------------------

    def begin(self, box: Mailbox, client: Client) -> None:
        """A connection reads a mailbox from now on, from the oldest envelope on."""
        if box.reading is not None and box.reading.client is not client:
            older = box.reading.client
            older.reads.discard(box)
            self._effects.append(Send(older, wire.TakenOver(box.address)))
        client.reads.add(box)
        box.reading = Reading(client)

    def end(self, client: Client) -> None:
        """A connection is gone; what it did not acknowledge is for the next one."""
        for box in client.reads:
            box.reading = None
        client.reads.clear()

    def congested(self, client: Client) -> None:
        """Much is on its way to it: nothing more is handed out until ``drained``."""
        client.is_congested = True

    def drained(self, client: Client) -> None:
        """It has read."""
        client.is_congested = False
        for box in client.reads:
            self.advance(box)

    # --- what there is ----------------------------------------------------------------------

    def arrived(self, note: NewEnvelope) -> None:
        """An envelope is committed."""
        reading = note.mailbox.reading
        if reading is None or note.number <= reading.cursor:
            return
        if reading.is_live and _has_room(reading):
            self._hand_over(note.mailbox, reading, note.number, note.id, note.body)
        else:
            reading.is_live = False
            reading.has_news = True
            self.advance(note.mailbox)

    def fetched(self, fetch: Fetch, rows: Sequence[Row]) -> None:
        """The store was read for a reader."""
        box, reading = fetch.mailbox, fetch.reading
        reading.is_fetching = False
        if box.reading is not reading:
            return  # he has gone, or another has come
        for row in rows:
            if not _has_room(reading) or row.id in reading.deleted:
                break
            self._hand_over(box, reading, row.number, row.id, row.body)
        else:
            reading.is_live = len(rows) < fetch.most and not reading.has_news
        self.advance(box)

    def removed(self, box: Mailbox, envelope_id: bytes) -> None:
        """An envelope is gone: acknowledged or expired."""
        reading = box.reading
        if reading is not None:
            reading.size -= reading.unacknowledged.pop(envelope_id, 0)

    def deleted(self, box: Mailbox, envelope_id: bytes) -> None:
        """An envelope is not in the store any more; one that was read before is not handed over after that."""
        self.removed(box, envelope_id)
        if box.reading is not None and box.reading.is_fetching:
            box.reading.deleted.add(envelope_id)

    def advance(self, box: Mailbox) -> None:
        """Have the store read for a reader, if he has room and there may be something."""
        reading = box.reading
        if (
            reading is not None
            and not reading.is_live
            and not reading.is_fetching
            and _has_room(reading)
        ):
            reading.is_fetching = True
            reading.has_news = False
            reading.deleted.clear()
            most = min(limits.MAILBOX_FETCH, limits.MAILBOX_WINDOW - len(reading.unacknowledged))
            self._effects.append(Fetch(reading, box, reading.cursor, most))

    def _hand_over(
        self, box: Mailbox, reading: Reading, number: int, envelope_id: bytes, body: bytes
    ) -> None:
        reading.cursor = number
        if envelope_id not in reading.unacknowledged:
            reading.unacknowledged[envelope_id] = len(body)
            reading.size += len(body)
        self.handed_over += 1
        self._effects.append(Send(reading.client, wire.Envelope(box.address, envelope_id, body)))


def _has_room(reading: Reading) -> bool:
    return (
        not reading.client.is_congested
        and len(reading.unacknowledged) < limits.MAILBOX_WINDOW
        and reading.size < limits.MAILBOX_WINDOW_BYTES
    )
