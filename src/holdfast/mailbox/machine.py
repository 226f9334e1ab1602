"""A gateway's mailboxes: who may do what. No socket, no store, no clock.

Theory. A mailbox is known by its address. Its reader proves its key, for this gateway and this connection; a writer
shows its token; nobody else learns even that it is there: a wrong token and an unknown address are answered alike,
after the same work. All that changes is a *note* first. Notes of one moment are one transaction, and only when it is
committed is anything said about them (``committed``); if it failed, they are undone and refused (``failed``).

Room is taken when a deposit is noted and given back when it was none, so that deposits that are on their way to the
disk together cannot fill a mailbox beyond its bounds.
"""

from __future__ import annotations

import hmac
from collections import Counter
from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.errors import ErrorCode
from holdfast.mailbox import wire
from holdfast.mailbox.key import Purpose, is_proven, mailbox_of, token_hash
from holdfast.mailbox.readers import Readers
from holdfast.mailbox.record import (
    HOUR,
    MINUTE,
    Acknowledged,
    Client,
    Cut,
    Expired,
    Gone,
    Kept,
    Mailbox,
    NewEnvelope,
    NewMailbox,
    Proved,
    Seen,
    Send,
)
from holdfast.resilience import RateLimitConfig, RateLimiter, TokenBucket

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.mailbox.record import Effect, Note, Removed
    from holdfast.mailbox.settings import GatewaySettings

_NO_TOKEN: Final = bytes(32)
"""Compared with where there is no mailbox: no hash is this."""

_UNKNOWN: Final = "There is no such mailbox here, or the token is not its."
_FULL_RETRY: Final = 60.0
"""Seconds after which a full mailbox may have room: its reader has to come first."""
_BUSY_RETRY: Final = 1.0
"""Seconds after which a disk may have caught up."""


class MailboxMachine:
    """Decides for all mailboxes of one gateway.

    Args:
        pin: the gateway's own, which proofs must name.
        settings: what is allowed.
        mailboxes: those in the store.
        last: number of the newest envelope in the store.

    Attributes:
        notes: to be written in one transaction; taken by ``take_notes``.
        effects: to be done at once; taken by ``take_effects``.
        counts: of what was done and refused, by name; nothing in it names anybody.
        readers: who is handed what.
        held: envelopes in all mailboxes.
        size: their bytes.
    """

    def __init__(
        self,
        pin: bytes,
        settings: GatewaySettings,
        mailboxes: Iterable[Mailbox] = (),
        *,
        last: int = 0,
    ) -> None:
        self._pin = pin
        self._settings = settings
        self._boxes = {box.address: box for box in mailboxes}
        self._by_number = {box.number: box for box in self._boxes.values()}
        self._last_box = max(self._by_number, default=0)
        self._last = last
        self.size = sum(box.size for box in self._boxes.values())
        self.held = sum(box.held for box in self._boxes.values())
        self.notes: list[Note] = []
        self.effects: list[Effect] = []
        self.counts: Counter[str] = Counter()
        self.readers = Readers(self.effects)
        self._unwritten = 0
        self._creations = RateLimiter(
            RateLimitConfig(settings.create_rate, 1.0, settings.create_burst),
            keys_max=limits.ADDRESSES_MAX,
            name="new mailboxes",
        )

    def __len__(self) -> int:
        return len(self._boxes)

    def take_notes(self) -> list[Note]:
        """Return what is to be written, once."""
        notes, self.notes = self.notes, []
        return notes

    def take_effects(self) -> list[Effect]:
        """Return what is to be done, once."""
        effects = self.effects.copy()
        self.effects.clear()
        return effects

    # --- connections ------------------------------------------------------------------------

    def connected(self, number: int, address: str, nonce: bytes) -> Client:
        """Somebody has connected."""
        pace = TokenBucket(self._settings.request_rate, self._settings.request_burst)
        return Client(number, address, nonce, pace)

    def lost(self, client: Client) -> None:
        """He has gone."""
        client.is_open = False
        self.readers.end(client)

    # --- requests ---------------------------------------------------------------------------

    def received(self, client: Client, request: wire.Request, now: float) -> None:
        """Take a request.

        Args:
            client: whose.
            request: as it was read.
            now: seconds of the gateway's life.
        """
        wait = client.pace.take(now)
        if wait > 0:
            self._refuse(client, request.n, ErrorCode.RATE_LIMIT_EXCEEDED, "Too fast.", wait)
            self._blame(client, "rate")
            return
        match request:
            case wire.Deposit():
                self._deposit(client, request, now)
            case wire.Acknowledge():
                self._acknowledge(client, request)
            case wire.Hello():
                client.is_greeted = True
                self._send(client, wire.Welcome(request.n, wire.VERSION, client.nonce))
            case wire.Subscribe():
                self._subscribe(client, request, now)
            case wire.Create():
                self._create(client, request, now)
            case wire.Delete():
                self._delete(client, request)
            case wire.Pipe() | wire.Piping():
                self._refuse(client, request.n, ErrorCode.PIPE_REFUSED, "A pipe comes first.")

    def _deposit(self, client: Client, request: wire.Deposit, now: float) -> None:
        box = self._boxes.get(request.mailbox)
        expected = _NO_TOKEN if box is None else box.token
        is_right = hmac.compare_digest(token_hash(request.token), expected)
        if box is None or not is_right:
            self._refuse(client, request.n, ErrorCode.MAILBOX_UNKNOWN, _UNKNOWN)
            self._blame(client, "token")
            return
        self._prove(client)
        settings, size = self._settings, len(request.body)
        if box.pace is None:
            box.pace = TokenBucket(settings.deposit_rate, settings.deposit_burst)
        wait = box.pace.take(now)
        if wait > 0:
            text = "Too much is put into this mailbox."
            self._refuse(client, request.n, ErrorCode.RATE_LIMIT_EXCEEDED, text, wait)
        elif (
            box.held >= settings.mailbox_envelopes_max
            or box.size + size > settings.mailbox_bytes_max
        ):
            text = "The mailbox is full: its reader has to come first."
            self._refuse(client, request.n, ErrorCode.MAILBOX_FULL, text, _FULL_RETRY)
        elif self._unwritten + size > limits.MAILBOX_UNWRITTEN_MAX:
            text = "The gateway's disk is busy."
            self._refuse(client, request.n, ErrorCode.SERVER_OVERLOADED, text, _BUSY_RETRY)
        elif self.size + size > settings.store_bytes_max:
            text = "The gateway is full."
            self._refuse(client, request.n, ErrorCode.GATEWAY_FULL, text, _FULL_RETRY)
        else:
            self._last += 1
            due = int((now + min(request.ttl, settings.envelope_ttl_max)) // HOUR) + 1
            self._hold(box, 1, size)
            self._unwritten += size
            self.notes.append(
                NewEnvelope(client, request.n, box, self._last, request.id, due, request.body)
            )

    def _acknowledge(self, client: Client, request: wire.Acknowledge) -> None:
        box = self._boxes.get(request.mailbox)
        if box is None or box not in client.reads:
            text = "This connection does not read that mailbox."
            self._refuse(client, request.n, ErrorCode.UNEXPECTED_FRAME, text)
            return
        self.notes.append(Acknowledged(client, request.n, box, request.ids))

    def _create(self, client: Client, request: wire.Create, now: float) -> None:
        if not self._is_proven(client, request, Purpose.CREATE, request.token):
            return
        address = mailbox_of(request.public)
        box = self._boxes.get(address)
        if box is not None:
            self._prove(client)
            self.notes.append(NewMailbox(client, request.n, box, request.token, is_new=False))
            return
        if len(self._boxes) >= self._settings.mailboxes_max:
            text = "The gateway takes no more mailboxes."
            self._refuse(client, request.n, ErrorCode.GATEWAY_FULL, text, HOUR)
            return
        wait = self._creations.check(client.address, now=now)
        if wait > 0:
            text = "Too many new mailboxes from there."
            self._refuse(client, request.n, ErrorCode.RATE_LIMIT_EXCEEDED, text, wait)
            return
        self._prove(client)
        self._last_box += 1
        box = Mailbox(self._last_box, address, request.public, request.token, _day(now))
        self._add(box)
        self.notes.append(NewMailbox(client, request.n, box, request.token, is_new=True))

    def _subscribe(self, client: Client, request: wire.Subscribe, now: float) -> None:
        if not self._is_proven(client, request, Purpose.SUBSCRIBE):
            return
        box = self._boxes.get(mailbox_of(request.public))
        if box is None:
            self._refuse(client, request.n, ErrorCode.MAILBOX_UNKNOWN, _UNKNOWN)
            return
        if len(client.reads) >= limits.MAILBOXES_PER_CONNECTION and box not in client.reads:
            text = f"A connection reads {limits.MAILBOXES_PER_CONNECTION} mailboxes at most."
            self._refuse(client, request.n, ErrorCode.SERVER_OVERLOADED, text)
            return
        self._prove(client)
        self.notes.append(Seen(client, request.n, box, _day(now)))

    def _delete(self, client: Client, request: wire.Delete) -> None:
        if not self._is_proven(client, request, Purpose.DELETE):
            return
        box = self._boxes.get(mailbox_of(request.public))
        if box is None:
            self._send(client, wire.Done(request.n))
            return
        self._prove(client)
        self._remove(box)
        self.notes.append(Gone(client, request.n, box))

    # --- the store has answered -------------------------------------------------------------

    def committed(self, notes: Sequence[Note], kept: Sequence[Kept]) -> None:
        """A transaction is committed: say so, and hand on what came."""
        for note, result in zip(notes, kept, strict=True):
            for removed in result.removed:
                self._removed(removed)
            match note:
                case NewEnvelope():
                    self._unwritten -= len(note.body)
                    self._kept(note, result)
                case Acknowledged():
                    self._acknowledged(note, len(result.removed))
                case Seen():
                    note.mailbox.seen_day = note.day
                    self._read(note)
                case NewMailbox():
                    note.mailbox.token = note.token
                    self._done(note.client, note.n, "created" if note.is_new else "tokens")
                case Gone():
                    if note.client is not None:
                        self._done(note.client, note.n, "deleted")
                case Expired():
                    self.counts["expired"] += len(result.removed)

    def failed(self, notes: Sequence[Note], retry_after: float) -> None:
        """A transaction was not committed: undo its notes, and refuse them; reading needs no room, so it goes on."""
        for note in reversed(notes):
            match note:
                case NewEnvelope():
                    self._unwritten -= len(note.body)
                    self._hold(note.mailbox, -1, -len(note.body))
                case NewMailbox(is_new=True):
                    self._remove(note.mailbox)
                case Gone():
                    self._add(note.mailbox)
                case Expired() | Seen():
                    continue
            if note.client is not None:
                text = "The gateway's disk does not take it now."
                code = ErrorCode.STORAGE_UNAVAILABLE
                self._refuse(note.client, note.n, code, text, retry_after)
        for note in notes:
            if isinstance(note, Seen):
                self._read(note)  # that its reader was here is noted at his next visit

    def sweep(self, now: float) -> None:
        """Note what has been there too long; called now and then."""
        self.notes.append(Expired(int(now // MINUTE)))
        oldest = _day(now - self._settings.mailbox_idle)
        for box in [box for box in self._boxes.values() if box.seen_day < oldest]:
            if box.reading is None:
                self._remove(box)
                self.notes.append(Gone(None, 0, box))

    def _kept(self, note: NewEnvelope, result: Kept) -> None:
        if result.is_new:
            self._done(note.client, note.n, "deposited")
            self.readers.arrived(note)
            return
        self._hold(note.mailbox, -1, -len(note.body))
        if result.is_same:
            self._done(note.client, note.n, "repeated")
        else:
            text = "Another envelope of this mailbox has this id."
            self._refuse(note.client, note.n, ErrorCode.DEPOSIT_REFUSED, text)

    def _acknowledged(self, note: Acknowledged, count: int) -> None:
        self._done(note.client, note.n, "acknowledged", count)
        if note.mailbox in note.client.reads:
            for each in note.ids:  # also those that the store had no more
                self.readers.removed(note.mailbox, each)
            self.readers.advance(note.mailbox)

    def _read(self, note: Seen) -> None:
        """Somebody has proved that he is the reader: it is his."""
        box = note.mailbox
        if not note.client.is_open:
            return
        if self._boxes.get(box.address) is not box:
            self._refuse(note.client, note.n, ErrorCode.MAILBOX_UNKNOWN, _UNKNOWN)
            return
        self.readers.begin(box, note.client)
        self._done(note.client, note.n, "subscribed")
        self.readers.advance(box)

    # --- small things -----------------------------------------------------------------------

    def _is_proven(
        self,
        client: Client,
        request: wire.Create | wire.Subscribe | wire.Delete,
        purpose: Purpose,
        token: bytes = b"",
    ) -> bool:
        if client.is_greeted and is_proven(
            request.public, request.signature, purpose, self._pin, client.nonce, token
        ):
            return True
        text = "The proof is not one for this gateway and this connection."
        self._refuse(client, request.n, ErrorCode.MAILBOX_PROOF_REJECTED, text)
        self._blame(client, "proof")
        return False

    def _blame(self, client: Client, what: str) -> None:
        client.refusals += 1
        if client.refusals > limits.MAILBOX_REFUSALS_MAX:
            self.counts["cut"] += 1
            self.effects.append(Cut(client, f"too many requests were refused for their {what}"))

    def _prove(self, client: Client) -> None:
        if not client.is_proved:
            client.is_proved = True
            self.effects.append(Proved(client))

    def _add(self, box: Mailbox) -> None:
        self._boxes[box.address] = box
        self._by_number[box.number] = box
        self.held += box.held
        self.size += box.size

    def _remove(self, box: Mailbox) -> None:
        self._boxes.pop(box.address, None)
        self._by_number.pop(box.number, None)
        if box.reading is not None:
            box.reading.client.reads.discard(box)
            box.reading = None
        self.held -= box.held
        self.size -= box.size

    def _hold(self, box: Mailbox, count: int, size: int) -> None:
        box.held += count
        box.size += size
        if self._boxes.get(box.address) is box:
            self.held += count
            self.size += size

    def _removed(self, removed: Removed) -> None:
        box = self._by_number.get(removed.mailbox)
        if box is not None:
            self._hold(box, -1, -removed.size)
            self.readers.deleted(box, removed.id)

    def _done(self, client: Client, n: int, what: str, count: int = 1) -> None:
        self.counts[what] += count
        self._send(client, wire.Done(n))

    def _refuse(
        self, client: Client, n: int, code: ErrorCode, text: str, wait: float = 0.0
    ) -> None:
        self.counts[f"refused {code.name.lower()}"] += 1
        self._send(client, wire.Refused(n, code, text, max(1, round(wait * 1000)) if wait else 0))

    def _send(self, client: Client, message: wire.Answer) -> None:
        self.effects.append(Send(client, message))


def _day(now: float) -> int:
    return int(now // (24 * HOUR))
