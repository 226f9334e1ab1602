"""Jobs of what goes out: accepted, numbered and encrypted, acknowledged, expired.

Theory. A message waits in the clear of its row (sealed at rest) until the window of its contact has room. Only then
does it get a number and is encrypted, once, in one transaction with the ratchet; every attempt repeats
this ciphertext. So what is urgent overtakes what waits, what expires while it waits costs no number, and the
receiver never has to hold back more than a window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from holdfast import limits
from holdfast.crypto import EnvelopeKey
from holdfast.errors import OutboxFullError, RatchetError
from holdfast.mailbox import GatewayAddress, MailboxKey
from holdfast.node import _marks
from holdfast.node._work import Numbered, Problem
from holdfast.node.machine import Incoming
from holdfast.node.model import ContactState, MessageChanged, MessageState, QueueChanged
from holdfast.node.wire import Card, Cipher, Place, RoomSay, encode
from holdfast.ops.errors import ErrorCategory, ErrorSeverity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.node._work import Pair, Work
    from holdfast.node.store import OwnPlace
    from holdfast.node.wire import Content

CARD_PRIORITY: Final = 1_000_000
"""A card goes first: what follows may need it."""

CONTROL_PRIORITY: Final = 1_000
"""Keys and members of a room go before messages."""

RECEIPT_PRIORITY: Final = 0

_BEFORE: Final = {
    state: ", ".join(f"'{each.value}'" for each in MessageState if each.rank < state.rank)
    for state in MessageState
}
"""States that a message can leave for one, as SQL."""

NEVER_MS: Final = 2**53
"""Milliseconds since 1970 at which what has to arrive in any case expires."""


def enqueue(
    work: Work,
    pair: Pair,
    content: Content,
    *,
    priority: int,
    message: int | None = None,
    expires_ms: int = NEVER_MS,
) -> None:
    """Let a content wait for its number; ``pump`` gives it."""
    add_row(work, pair.id, encode(content), b"", Cipher.PAIR, priority, message, expires_ms)


def add_row(
    work: Work,
    contact: str,
    content: bytes,
    payload: bytes,
    cipher: Cipher,
    priority: int,
    message: int | None,
    expires_ms: int,
) -> None:
    """Write a row of what waits; what is encrypted already has a payload and no content."""
    work.connection.execute(
        "INSERT INTO node_outgoing (contact, epoch, seq, priority, message, content, cipher, payload,"
        " accepted_ms, expires_ms, is_at_gateway) VALUES (?, 0, NULL, ?, ?, ?, ?, ?, ?, ?, 0)",
        (
            contact,
            priority,
            message,
            work.vault.seal(f"outgoing {contact}", content),
            cipher.value,
            payload,
            work.now_ms,
            expires_ms,
        ),
    )
    if work.queued is not None:
        work.queued += 1


def require_room(work: Work) -> None:
    """Raise ``OutboxFullError`` (5101) when too much waits."""
    if work.queued is None:  # counted once in a transaction; what leaves meanwhile counts as there
        (work.queued,) = work.connection.execute("SELECT count(*) FROM node_outgoing").fetchone()
    if work.queued >= limits.NODE_QUEUED_MAX:
        raise OutboxFullError(
            f"{work.queued} messages wait to arrive; nothing was accepted. Look at the gateways.",
            retry_after=60.0,
        )


def pump(work: Work, pair: Pair) -> None:
    """Give numbers to what waits, as far as the window goes, and encrypt it."""
    if pair.ratchet is None:
        ask_again(work, pair)
        return  # nobody has used the invitation, or a session has to be begun anew: there is no key yet
    room = pair.outgoing.room
    if not work.settings.reorder:  # nobody holds anything back: one after the other
        room = 0 if pair.outgoing.waiting else 1
    if not room:
        return
    rows = work.connection.execute(
        "SELECT number, content, cipher, payload, priority FROM node_outgoing"
        " WHERE contact = ? AND seq IS NULL ORDER BY priority DESC, number LIMIT ?",
        (pair.id, room),
    ).fetchall()
    for number, content, kind, payload, priority in rows:
        cipher = Cipher(kind)
        seq, ciphertext = pair.outgoing.next_seq, payload
        if cipher not in (Cipher.ROOM, Cipher.NOTHING):
            made = pair.ratchet.encrypt(work.vault.unseal(f"outgoing {pair.id}", content))
            cipher, ciphertext = Cipher(made.kind), made.ciphertext
            if cipher is Cipher.FIRST and seq == 1:
                ciphertext = work.keys(pair.identity).public + ciphertext
        pair.outgoing.number(_marks.told(ciphertext))
        work.connection.execute(
            "UPDATE node_outgoing SET seq = ?, epoch = ?, cipher = ?, payload = ?, is_at_gateway = 0, mark = ?"
            " WHERE number = ?",
            (seq, pair.outgoing.epoch, cipher.value, ciphertext, pair.outgoing.mark, number),
        )
        work.outcome.numbered.append(Numbered(pair.id, seq, priority))


def card(work: Work, pair: Pair, *, secret: bytes = b"") -> Card:
    """Write our card for a contact, with a fresh prekey."""
    inbox = pair.inbox
    return Card(
        work.identity_facts(pair.identity).shown_name,
        tuple(public_place(place) for place in inbox.places),
        EnvelopeKey(inbox.envelope_key).public,
        work.keys(pair.identity).new_prekey(),
        secret,
    )


def public_place(place: OwnPlace) -> Place:
    """Return what others are told of a mailbox of ours."""
    gateway = GatewayAddress.parse(place.gateway)
    mailbox = MailboxKey(place.seed).mailbox
    return Place(gateway.host, gateway.port, gateway.pin, gateway.onion or "", mailbox, place.token)


# --- what became of it ----------------------------------------------------------------------


def settle(work: Work, pair: Pair, seqs: Sequence[int]) -> None:
    """Forget what was acknowledged; a message is delivered when nothing of it waits any more."""
    for seq in seqs:
        row = work.connection.execute(
            "DELETE FROM node_outgoing WHERE contact = ? AND seq = ? RETURNING message, cipher",
            (pair.id, seq),
        ).fetchone()
        work.outcome.done.append((pair.id, seq))
        if row is not None and row[0] is not None and row[1] != Cipher.NOTHING:
            settle_message(work, row[0])
    if seqs:
        work.outcome.changes.append(QueueChanged())


def settle_message(work: Work, message: int) -> None:
    """Call a message delivered if nothing of it waits any more."""
    left = work.connection.execute(
        "SELECT 1 FROM node_outgoing WHERE message = ?1"
        " UNION ALL SELECT 1 FROM node_room_owed WHERE message = ?1 LIMIT 1",
        (message,),
    ).fetchone()
    if left is None:
        set_state(work, message, MessageState.DELIVERED)


def set_state(work: Work, message: int, state: MessageState, error: str = "") -> None:
    """Bring a message of ours into a later state."""
    row = work.connection.execute(
        f"UPDATE node_message SET state = ?, error = ? WHERE number = ? AND state IN ({_BEFORE[state]})"  # noqa: S608 - our own words
        " RETURNING conversation, id",
        (state.value, error, message),
    ).fetchone()
    if row is not None:  # else it was deleted here, or is further on
        work.outcome.changes.append(MessageChanged(row[0], row[1], state))


def lie_at_gateway(work: Work, taken: Sequence[tuple[str, int, int]]) -> None:
    """Note that messages lie at a gateway: contact, session, number of each."""
    for contact, epoch, seq in taken:
        row = work.connection.execute(
            "UPDATE node_outgoing SET is_at_gateway = 1 WHERE contact = ? AND epoch = ? AND seq = ?"
            " RETURNING message",
            (contact, epoch, seq),
        ).fetchone()
        if row is None or row[0] is None:
            continue
        missing = work.connection.execute(
            "SELECT 1 FROM node_outgoing WHERE message = ? AND NOT is_at_gateway LIMIT 1", (row[0],)
        ).fetchone()
        if missing is None:
            set_state(work, row[0], MessageState.AT_GATEWAY)
        work.outcome.changes.append(QueueChanged())


def expire(work: Work) -> None:
    """Give up what nobody waits for any longer; a number that was given is sent as *nothing*."""
    rows = work.connection.execute(
        "SELECT number, contact, seq, message, payload FROM node_outgoing"
        " WHERE expires_ms <= ? AND cipher != ? ORDER BY expires_ms LIMIT ?",
        (work.now_ms, Cipher.NOTHING.value, limits.NODE_TAKEN_MAX),
    ).fetchall()
    for number, contact, seq, message, payload in rows:
        if seq is None:
            work.connection.execute("DELETE FROM node_outgoing WHERE number = ?", (number,))
        else:
            work.connection.execute(
                "UPDATE node_outgoing SET cipher = ?, payload = ?, content = ?, expires_ms = ?"
                " WHERE number = ?",
                (
                    Cipher.NOTHING.value,
                    _marks.told(payload),
                    work.vault.seal(f"outgoing {contact}", b""),
                    NEVER_MS,
                    number,
                ),
            )
        if message is not None:
            text = "Nobody acknowledged it in time."
            set_state(work, message, MessageState.EXPIRED, text)
    if rows:
        work.outcome.changes.append(QueueChanged())


# --- a new session --------------------------------------------------------------------------


def renew(work: Work, pair: Pair, why: str, *, is_asked: bool = False) -> bool:
    """Begin a session anew from our side, at most one an hour: the ratchet is out of step.

    Without a prekey of the contact, he is asked to begin it.

    Args:
        work: the transaction.
        pair: with whom.
        why: a sentence for the person.
        is_asked: whether the contact wants it; he may at any time, since what he asks with is good once.

    Returns:
        Whether the old session is over.
    """
    wait_ms = pair.rekeyed_ms + int(limits.NODE_REKEY_INTERVAL * 1000) - work.now_ms
    if (pair.rekeyed_ms and wait_ms > 0 and not is_asked) or not pair.facts.identity:
        return False  # the next sign that it is broken comes again
    if not pair.facts.prekey:
        ask(work, pair, pair.outgoing.epoch, why)
        return True
    try:
        ratchet = work.keys(pair.identity).begin(pair.facts.identity, pair.facts.prekey)
    except RatchetError as error:
        _tell(work, pair, error.name, str(error))
        return False
    pair.ratchet = ratchet
    pair.facts = replace(pair.facts, prekey=b"")
    pair.is_proposer = True
    _forget_room_keys(work, pair)
    begin_again(work, pair, pair.outgoing.epoch + 1)
    _tell(work, pair, "SESSION_RENEWED", f"{why} The encryption was made anew.")
    return True


def ask(work: Work, pair: Pair, epoch: int, why: str) -> None:
    """Ask the contact to begin a session anew: we were set back so far that we have no key with which to begin it.

    Until he does, what we say waits without a number. The request names the session in which he is, so that it is worth
    nothing once he has begun the next, whoever keeps it.
    """
    pair.ratchet = None
    pair.is_proposer = False
    _forget_room_keys(work, pair)
    begin_again(work, pair, epoch)
    _ask(work, pair)
    _tell(
        work, pair, "SESSION_ASKED",
        f"{why} The contact's program is asked to make the encryption anew; what you write waits until it has.",
    )  # fmt: skip


def ask_again(work: Work, pair: Pair) -> None:
    """Repeat the request when it may have been lost."""
    is_lost = pair.state is ContactState.READY and pair.ratchet is None
    if is_lost and work.now_ms - pair.rekeyed_ms >= limits.NODE_ASK_INTERVAL * 1000:
        pair.rekeyed_ms = work.now_ms
        _ask(work, pair)


def _ask(work: Work, pair: Pair) -> None:
    prekey = work.keys(pair.identity).new_prekey()
    work.outcome.asked[pair.id] = (pair.outgoing.epoch, prekey)


def begin_again(work: Work, pair: Pair, epoch: int) -> None:
    """Count from 1 in a session whose ratchet is new; what was not acknowledged waits for a number again."""
    pair.outgoing.renew()
    pair.outgoing.epoch = epoch
    pair.incoming = Incoming(epoch)
    pair.rekeyed_ms = work.now_ms
    work.connection.execute("DELETE FROM node_held WHERE contact = ?", (pair.id,))
    work.connection.execute(
        "DELETE FROM node_outgoing WHERE contact = ? AND (cipher = ? OR priority = ?)",
        (pair.id, Cipher.NOTHING.value, CARD_PRIORITY),
    )
    _say_again_to_him_alone(work, pair)
    work.connection.execute(
        "UPDATE node_outgoing SET seq = NULL, is_at_gateway = 0, payload = x'', cipher = ? WHERE contact = ?",
        (Cipher.PAIR.value, pair.id),
    )
    work.outcome.renewed.append(pair.id)
    enqueue(work, pair, card(work, pair), priority=CARD_PRIORITY)
    pump(work, pair)


def _say_again_to_him_alone(work: Work, pair: Pair) -> None:
    """What waits for him in rooms goes over the pair's session: he may lack the room's key, or had its index before."""
    rows = work.connection.execute(
        "SELECT number, message FROM node_outgoing WHERE contact = ? AND cipher = ?",
        (pair.id, Cipher.ROOM.value),
    ).fetchall()
    for number, message in rows:
        found = work.connection.execute(
            "SELECT conversation, id, kind, body, sent_ms, clock FROM node_message WHERE number = ?",
            (message,),
        ).fetchone()
        if found is None:  # deleted here after it had expired for somebody else
            work.connection.execute("DELETE FROM node_outgoing WHERE number = ?", (number,))
            continue
        room, said, kind, body, sent_ms, clock = found
        shown = "" if kind == "text" else kind
        raw = work.vault.unseal(f"message {room}", body)
        content = encode(RoomSay(room, said, shown, raw, sent_ms, clock))
        work.connection.execute(
            "UPDATE node_outgoing SET content = ? WHERE number = ?",
            (work.vault.seal(f"outgoing {pair.id}", content), number),
        )


def _forget_room_keys(work: Work, pair: Pair) -> None:
    """Our keys of rooms may be older than what members have heard: the next thing that we say has a new one."""
    work.connection.execute(
        "UPDATE node_room SET sender = NULL WHERE identity = ?", (pair.identity,)
    )


def _tell(work: Work, pair: Pair, code: str, message: str) -> None:
    name = pair.facts.name or pair.facts.told_name or "a contact"
    work.outcome.problems.append(
        Problem(ErrorCategory.ENCRYPTION, ErrorSeverity.MEDIUM, code, f"{name}: {message}")
    )
