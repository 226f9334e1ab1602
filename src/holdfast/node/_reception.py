"""Jobs of what comes in: put in order, decrypted, and done what it says.

Theory. A frame comes here after its seal was opened and its code was found good, so it is of this contact; whether
it is sound is another matter. One that cannot be read is reported and passed over, so that the next good one is
read. One that the ratchet refuses, though it is its turn, says that the ratchets are out of step: then a
session is begun anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from holdfast import limits
from holdfast.crypto import PairMessage
from holdfast.errors import EnvelopeError, NodeError, RatchetError
from holdfast.node import _marks, _rooms, _sending
from holdfast.node._work import Problem
from holdfast.node.machine import Incoming, Verdict
from holdfast.node.model import (
    ContactChanged,
    ContactState,
    Message,
    MessageChanged,
    MessageState,
)
from holdfast.node.wire import (
    Card,
    Cipher,
    Introduce,
    Introduced,
    RoomKeyGiven,
    RoomLeft,
    RoomSay,
    RoomState,
    Say,
    Seen,
    read_content,
)
from holdfast.ops.errors import ErrorCategory, ErrorSeverity

if TYPE_CHECKING:
    from holdfast.node._work import Pair, Work
    from holdfast.node.wire import Content, Frame

SET_BACK: Final = "This node was set back to an older state."

IDENTITY: Final = 32
"""Bytes of the public key before the first message of a session."""


def receive(work: Work, contact: str, frame: Frame) -> None:
    """Take a frame of a contact."""
    pair = work.pair(contact)
    if _is_ahead(pair, frame):
        _sending.ask(work, pair, frame.ack_epoch, SET_BACK)
    _acknowledged(work, pair, frame)
    if frame.cipher is Cipher.ANEW:
        _asked(work, pair, frame)
    elif frame.seq:
        _take(work, pair, frame)
        work.outcome.owed.setdefault(pair.id, False)
    _sending.pump(work, pair)


def _is_ahead(pair: Pair, frame: Frame) -> bool:
    """The contact is in a session that we have been in, or left out one: we were set back to before it."""
    ahead = frame.ack_epoch - pair.outgoing.epoch
    if pair.state is not ContactState.READY or ahead > limits.NODE_SESSIONS_AHEAD_MAX:
        return False
    return ahead > 1 or (ahead == 1 and frame.ack > 0)


def _asked(work: Work, pair: Pair, frame: Frame) -> None:
    """The contact was set back and asks for a new session; a request of an older session was answered long ago."""
    if frame.epoch == pair.outgoing.epoch and len(frame.payload) == IDENTITY:
        pair.facts = replace(pair.facts, prekey=frame.payload)
        _sending.renew(work, pair, "The contact's program was set back.", is_asked=True)
        _rooms.forget_keys_given(work, pair)


def drop_first_secret(work: Work, contact: str) -> None:
    """The contact uses the new secret: the invitation's is worth nothing any more."""
    pair = work.pair(contact)
    pair.facts = replace(pair.facts, first_secret=b"")
    pair.inbox = replace(pair.inbox, invitation_key=b"")


def _acknowledged(work: Work, pair: Pair, frame: Frame) -> None:
    if pair.ratchet is None:
        return  # nothing of ours has a number
    agrees = _agrees(work, pair, frame)
    said = pair.outgoing.acknowledged(frame.ack_epoch, frame.ack, frame.held, agrees=agrees)
    if said.is_set_back:
        _sending.renew(work, pair, SET_BACK)
        return
    if said.done:
        _sending.settle(work, pair, said.done)
    work.outcome.missing.extend((pair.id, seq) for seq in said.missing)
    work.outcome.gone.extend((pair.id, seq) for seq in said.gone)


def _agrees(work: Work, pair: Pair, frame: Frame) -> bool:
    """Say whether the contact has stored what we know to have said, up to the number that he acknowledges."""
    if not frame.ack_mark or frame.ack not in pair.outgoing.waiting:
        return True  # it settles nothing
    row = work.connection.execute(
        "SELECT mark FROM node_outgoing WHERE contact = ? AND seq = ?", (pair.id, frame.ack)
    ).fetchone()
    return row is None or _marks.agree(row[0], frame.ack_mark)


def _take(work: Work, pair: Pair, frame: Frame) -> None:
    incoming = pair.incoming
    size = len(frame.payload)
    verdict = incoming.judge(frame.epoch, frame.seq, size, reorder=work.settings.reorder)
    if verdict is Verdict.NEW_SESSION or _is_glare(work, pair, frame):
        _begun_anew(work, pair, frame)
    elif verdict is Verdict.NEXT:
        after = _marks.follow(incoming.mark, _told(frame.cipher, frame.payload))
        if not _marks.agree(frame.mark, after):
            work.outcome.owed[pair.id] = True  # he was set back, and learns it from what we have
            return
        if not _hand_over(work, pair, frame.cipher, frame.payload):
            return
        following = incoming.handed_over(_told(frame.cipher, frame.payload))
        while following is not None:
            row = work.connection.execute(
                "DELETE FROM node_held WHERE contact = ? AND seq = ? RETURNING cipher, payload",
                (pair.id, following),
            ).fetchone()
            if not _hand_over(work, pair, Cipher(row[0]), row[1]):
                incoming.held.pop(following, None)
                return
            following = incoming.handed_over(_told(Cipher(row[0]), row[1]))
        work.outcome.owed[pair.id] = work.outcome.owed.get(pair.id, False) or bool(incoming.held)
    elif verdict is Verdict.HOLD:
        incoming.hold(frame.seq, size)
        work.connection.execute(
            "INSERT INTO node_held VALUES (?, ?, ?, ?)",
            (pair.id, frame.seq, frame.cipher.value, frame.payload),
        )
        work.outcome.owed[pair.id] = True
    else:
        work.outcome.duplicates += verdict is Verdict.DUPLICATE
        work.outcome.owed[pair.id] = True


def _hand_over(work: Work, pair: Pair, cipher: Cipher, payload: bytes) -> bool:
    """Decrypt the next message and do what it says; return whether it is used up."""
    if cipher is Cipher.NOTHING:
        # What is gone for us as well was ours before: we were set back.
        return bool(payload) or pair.ratchet is None or not _sending.renew(work, pair, SET_BACK)
    try:
        if cipher is Cipher.ROOM:
            _rooms.take(work, pair, payload)
            return True
        if pair.ratchet is None:
            text = _begun(work, pair, cipher, payload)
        else:
            # The first message has the identity before it as long as nobody has answered.
            is_first = cipher is Cipher.FIRST and pair.incoming.through == 0
            body = payload[IDENTITY:] if is_first else payload
            text = pair.ratchet.decrypt(PairMessage(cipher.value, body))
    except RatchetError as error:
        if cipher is Cipher.ROOM:
            _report(work, pair, error.name, str(error))
            return True  # the room's key has its own way to be renewed
        if pair.ratchet is not None:
            _sending.renew(work, pair, "A message could not be decrypted.")
        elif pair.state is not ContactState.READY:
            _report(work, pair, error.name, str(error))
        return False  # the contact, who was asked for a new session, sends it again in that
    try:
        content = read_content(text)
    except EnvelopeError as error:
        _report(work, pair, error.name, str(error))
        return True  # it will never be readable; the next one is
    _apply(work, pair, content)
    return True


def _told(cipher: Cipher, payload: bytes) -> bytes:
    return payload if cipher is Cipher.NOTHING else _marks.told(payload)


def _begun(work: Work, pair: Pair, cipher: Cipher, payload: bytes) -> bytes:
    """Take the first message of a session that the contact began; raises ``RatchetError`` (9003)."""
    if cipher is not Cipher.FIRST:
        raise RatchetError("A session begins with its first message.")
    identity, first = payload[:IDENTITY], PairMessage(cipher.value, payload[IDENTITY:])
    if pair.facts.identity and identity != pair.facts.identity:
        raise RatchetError("A session was begun under another identity than the contact's.")
    keys = work.keys(pair.identity)
    if identity == keys.public:
        raise RatchetError("A session with ourselves makes no sense.")
    pair.ratchet, text = keys.answer(identity, first)
    pair.facts = replace(pair.facts, identity=identity)
    return text


def _is_glare(work: Work, pair: Pair, frame: Frame) -> bool:
    """Both began the same session anew; that of the smaller key stands."""
    return (
        frame.epoch == pair.incoming.epoch
        and frame.seq == 1
        and frame.cipher is Cipher.FIRST
        and pair.is_proposer
        and pair.facts.identity < work.keys(pair.identity).public
        and frame.payload[:IDENTITY] == pair.facts.identity
    )


def _begun_anew(work: Work, pair: Pair, frame: Frame) -> None:
    """The contact began a session anew: take it, and send again in it what he has not acknowledged."""
    before, pair.ratchet = pair.ratchet, None
    try:
        text = _begun(work, pair, frame.cipher, frame.payload)
        content = read_content(text)
    except (RatchetError, EnvelopeError) as error:
        pair.ratchet = before
        _report(work, pair, error.name, str(error))
        if isinstance(error, RatchetError) and pair.state is ContactState.READY:
            _sending.ask(work, pair, frame.epoch, "A new session could not be begun.")
        return
    pair.is_proposer = False
    _sending.begin_again(work, pair, frame.epoch)
    pair.incoming = Incoming(frame.epoch)
    pair.incoming.handed_over(_told(frame.cipher, frame.payload))
    _apply(work, pair, content)
    _rooms.forget_keys_given(work, pair)
    _report(work, pair, "SESSION_RENEWED", "The contact made the encryption anew.")


# --- what it says ---------------------------------------------------------------------------


def _apply(work: Work, pair: Pair, content: Content) -> None:
    """Do what a contact says; what cannot be done is reported, and the next thing is read."""
    try:
        _do(work, pair, content)
    except (NodeError, RatchetError) as error:
        _report(work, pair, error.name, error.message)
    pair.is_proposer = False


def _do(work: Work, pair: Pair, content: Content) -> None:
    match content:
        case Say():
            _said(work, pair, content)
        case Card():
            _card(work, pair, content)
        case Seen():
            _seen(work, pair, content)
        case RoomState() | RoomKeyGiven() | RoomLeft() | Introduce() | Introduced():
            _rooms.apply(work, pair, content)
        case RoomSay():  # owed to us from before we could be reached
            _rooms.said(work, pair, content)


def _said(work: Work, pair: Pair, said: Say) -> None:
    add_message(work, pair.id, pair.id, said)


def add_message(work: Work, conversation: str, sender: str, said: Say, clock: int = 0) -> bool:
    """Store a message that came; return False when it was there before."""
    kind = said.kind or "text"
    row = work.connection.execute(
        "INSERT OR IGNORE INTO node_message (conversation, sender, id, kind, body, sent_ms, received_ms, state,"
        " error, clock, is_unread) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?) RETURNING number",
        (
            conversation,
            sender,
            said.id,
            kind,
            work.vault.seal(f"message {conversation}", said.body),
            said.sent_ms,
            work.now_ms,
            MessageState.RECEIVED.value,
            clock,
            not kind.startswith("."),
        ),
    ).fetchone()
    if row is None:
        work.outcome.duplicates += 1
        return False
    message = Message(
        said.id,
        row[0],
        conversation,
        sender,
        kind,
        said.body,
        said.sent_ms,
        work.now_ms,
        MessageState.RECEIVED,
    )
    work.outcome.messages.append(message)
    work.outcome.changes.append(MessageChanged(conversation, said.id, MessageState.RECEIVED))
    return True


def _card(work: Work, pair: Pair, card: Card) -> None:
    """A contact tells how to reach him; the first time this makes the two known to each other."""
    try:
        for place in card.places:
            _ = place.gateway  # raises for what is no address
    except ValueError as error:
        _report(work, pair, "ENVELOPE_REFUSED", f"The card names a gateway that is none: {error}")
        return
    facts = replace(
        pair.facts,
        told_name=card.name[: limits.NODE_NAME_MAX],
        places=card.places,
        seal=card.seal,
        prekey=card.prekey,
    )
    if pair.facts.is_host and pair.state is ContactState.INVITED:
        if len(card.secret) == len(pair.facts.secret):
            facts = replace(facts, secret=card.secret, first_secret=pair.facts.secret)
        pair.facts, pair.state = facts, ContactState.READY
        _sending.enqueue(work, pair, _sending.card(work, pair), priority=_sending.CARD_PRIORITY)
    else:
        pair.facts, pair.state = facts, ContactState.READY
    work.outcome.changes.append(ContactChanged(pair.id))
    _rooms.contact_ready(work, pair)


def _seen(work: Work, pair: Pair, seen: Seen) -> None:
    conversation = seen.room or pair.id
    if seen.room:
        return  # in a room nobody can say for all
    row = work.connection.execute(
        "SELECT number FROM node_message WHERE conversation = ? AND sender = '' AND id = ?",
        (conversation, seen.id),
    ).fetchone()
    if row is None:
        return  # deleted here
    older = work.connection.execute(
        "SELECT number FROM node_message WHERE conversation = ? AND sender = '' AND number <= ?"
        " AND state IN (?, ?, ?) ORDER BY number DESC LIMIT ?",
        (
            conversation,
            row[0],
            MessageState.QUEUED.value,
            MessageState.AT_GATEWAY.value,
            MessageState.DELIVERED.value,
            limits.NODE_HISTORY_PAGE_MAX,
        ),
    ).fetchall()
    for (number,) in older:
        _sending.set_state(work, number, MessageState.READ)


def _report(work: Work, pair: Pair, code: str, text: str) -> None:
    name = pair.facts.name or pair.facts.told_name or "a contact"
    work.outcome.problems.append(
        Problem(ErrorCategory.ENCRYPTION, ErrorSeverity.MEDIUM, code, f"{name}: {text}")
    )
