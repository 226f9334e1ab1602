"""Takes envelopes from gateways: opened, known to be of a contact, stored together, and then acknowledged.

Theory. What cannot be opened or was not written by the contact whose mailbox it came to is dropped and acknowledged, or
the gateway would hand it out for ever. What is good goes into one transaction with all that came meanwhile; only when
that is committed does the gateway hear that it may delete. So a crash costs a second delivery, never a message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from holdfast import limits
from holdfast.crypto import EnvelopeKey, InvitationKey, SealKey
from holdfast.errors import EnvelopeError, NetworkError, NodeError, ResilienceError, StorageError
from holdfast.mailbox import MailboxKey
from holdfast.node import _reception
from holdfast.node.wire import Frame, Place, read_frame
from holdfast.ops.errors import ErrorCategory, ErrorSeverity

if TYPE_CHECKING:
    from holdfast.node._desk import Desk
    from holdfast.node._gates import Gate
    from holdfast.node._work import View, Work
    from holdfast.node.model import ContactId

AGAIN_AFTER = 1.0
"""Seconds after which what could not be stored is tried again."""

TEST = b"holdfast self-test 1 "


class Arrived(NamedTuple):
    """An envelope as it came."""

    gate: Gate
    mailbox: bytes
    id: bytes
    body: bytes


class Opened(NamedTuple):
    """A frame of a contact; ``is_new`` says that it is signed with the secret that replaces the invitation's."""

    contact: ContactId
    frame: Frame
    is_new: bool


class Intake:
    """The way in.

    Args:
        desk: what all share.

    Attributes:
        refused: envelopes that were dropped.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._arrived: deque[Arrived] = deque()
        self._waiting = 0
        self._held: set[Gate] = set()
        self._wake = asyncio.Event()
        self._mailboxes: dict[bytes, ContactId] = {}
        self._watched: set[ContactId] = set()
        self._acks: set[asyncio.Task[None]] = set()
        self._tests: dict[bytes, float] = {}
        self._keys = desk.keyring
        self.refused = 0

    def knows(self, contact: ContactId) -> bool:
        """Say whether its mailboxes are known."""
        return contact in self._watched

    def watch(self, contact: ContactId, view: View) -> None:
        """Know whose mailboxes these are."""
        self._watched.add(contact)
        for place in view.inbox.places:
            self._mailboxes[MailboxKey(place.seed).mailbox] = contact

    def forget(self, contact: ContactId, view: View) -> None:
        """Its mailboxes are nobody's any more."""
        self._watched.discard(contact)
        self._keys.forget()
        for place in view.inbox.places:
            self._mailboxes.pop(MailboxKey(place.seed).mailbox, None)

    def arrived(self, gate: Gate, mailbox: bytes, envelope: bytes, body: bytes) -> None:
        """Take an envelope; a gateway that hands out more than can be stored in time has to wait."""
        self._arrived.append(Arrived(gate, mailbox, envelope, body))
        self._waiting += len(body)
        if self._waiting > limits.NODE_ARRIVED_BYTES_MAX:
            self._held.add(gate)
            gate.client.hold(is_held=True)
        self._wake.set()

    async def run(self) -> None:
        """Store what came, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._arrived:
                count = min(len(self._arrived), limits.NODE_TAKEN_MAX)
                taken = [self._arrived.popleft() for _ in range(count)]
                try:
                    await self._store(taken)
                except StorageError as error:
                    self._arrived.extendleft(reversed(taken))
                    self._desk.report(
                        ErrorCategory.SYSTEM, ErrorSeverity.HIGH, error.name, error.message
                    )
                    await asyncio.sleep(AGAIN_AFTER)
                except BaseException:
                    self._stored(taken)  # it comes again with the next connection
                    raise
                else:
                    self._stored(taken)

    def _stored(self, taken: list[Arrived]) -> None:
        """There is room for more."""
        self._waiting -= sum(len(each.body) for each in taken)
        if self._waiting <= limits.NODE_ARRIVED_BYTES_MAX // 2:
            while self._held:
                self._held.pop().client.hold(is_held=False)

    async def _store(self, taken: list[Arrived]) -> None:
        opened = [found for each in taken if (found := self._open(each)) is not None]
        if opened:
            await self._desk.do(lambda work: _take(work, opened))
        by_mailbox: dict[tuple[Gate, bytes], list[bytes]] = {}
        for each in taken:
            by_mailbox.setdefault((each.gate, each.mailbox), []).append(each.id)
        for (gate, mailbox), ids in by_mailbox.items():
            task = asyncio.get_running_loop().create_task(
                self._acknowledge(gate, mailbox, ids), name="holdfast-node-acknowledge"
            )
            self._acks.add(task)
            task.add_done_callback(self._acks.discard)

    async def _acknowledge(self, gate: Gate, mailbox: bytes, ids: list[bytes]) -> None:
        while True:
            try:
                await gate.client.acknowledge(mailbox, ids)
            except ResilienceError as error:
                wait = None if isinstance(error, NetworkError) else error.retry_after
                if wait is None or len(self._acks) > limits.NODE_ACKNOWLEDGEMENTS_MAX:
                    return  # they come once more with the next connection, and are known
                # The connection stands: until it is told, the gateway counts them as on their way, and stops at many.
                await asyncio.sleep(wait)
            else:
                return

    def _open(self, each: Arrived) -> Opened | None:
        contact = self._mailboxes.get(each.mailbox)
        view = None if contact is None else self._desk.views.get(contact)
        if contact is None or view is None:
            return None  # of a contact that was removed
        try:
            signed = self._unsealed(view, each.body)
            if self._is_test(signed, each.gate):
                return None
            return self._verified(contact, view, signed)
        except EnvelopeError as error:
            self.refused += 1
            self._desk.report(
                ErrorCategory.MESSAGE,
                ErrorSeverity.LOW,
                error.name,
                f"Something came to a mailbox of ours that is of nobody we know: {error.message}",
            )
            return None

    def _unsealed(self, view: View, body: bytes) -> bytes:
        if view.inbox.invitation_key:
            try:
                return InvitationKey(view.inbox.invitation_key).open(body)
            except EnvelopeError:
                pass  # sealed to the key of the card, as all is later
        return self._keys.envelope(view.inbox.envelope_key).open(body)

    def _verified(self, contact: ContactId, view: View, signed: bytes) -> Opened:
        facts = view.facts
        try:
            key = self._keys.pair(facts.secret, is_host=facts.is_host)
            return Opened(contact, read_frame(key.verified(signed)), bool(facts.first_secret))
        except EnvelopeError:
            if not facts.first_secret:
                raise
        key = self._keys.pair(facts.first_secret, is_host=facts.is_host)
        return Opened(contact, read_frame(key.verified(signed)), is_new=False)

    # --- self-tests -------------------------------------------------------------------------

    def test(self, view: View, gate: Gate) -> tuple[Place, bytes, bytes] | None:
        """Make an envelope to ourselves that proves a gateway; None when no mailbox of ours is there.

        Returns:
            Where it goes, what goes there, and by what ``is_out`` knows it.
        """
        for own in view.inbox.places:
            if own.gateway == str(gate.address):
                nonce = self._desk.world.secret_bytes(16)
                now = self._desk.now()
                self._tests = {n: at for n, at in self._tests.items() if at > now}
                self._tests[nonce] = now + 2 * self._desk.settings.self_test_interval
                body = SealKey(EnvelopeKey(view.inbox.envelope_key).public).seal(TEST + nonce)
                address = gate.address
                place = Place(
                    address.host,
                    address.port,
                    address.pin,
                    address.onion or "",
                    MailboxKey(own.seed).mailbox,
                    own.token,
                )
                return place, body, nonce
        return None

    def is_out(self, test: bytes) -> bool:
        """Say whether an envelope to ourselves has not come back; one that nobody waits for any more is not out."""
        return test in self._tests

    def _is_test(self, signed: bytes, gate: Gate) -> bool:
        if not signed.startswith(TEST):
            return False
        if self._tests.pop(signed[len(TEST) :], None) is not None:
            gate.proven()
        return True  # also when it is one of an earlier life

    async def close(self) -> None:
        """Take nothing more; what was not stored comes again."""
        for task in tuple(self._acks):
            task.cancel()
        if self._acks:
            await asyncio.wait(self._acks)


def _take(work: Work, opened: list[Opened]) -> None:
    for contact, frame, is_new in opened:
        try:
            pair = work.pair(contact)
        except NodeError:
            continue  # removed a moment ago
        if is_new and len(pair.facts.seal) == SealKey.SIZE:
            _reception.drop_first_secret(work, contact)
        _reception.receive(work, contact, frame)
