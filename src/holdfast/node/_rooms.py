"""Jobs of rooms: who is in, who may read, what is said.

Theory. A room's owner tells its members who is in it, in numbered states. Each two members are contacts: where they
were not, the owner passes an invitation from one to the other, and they are hidden contacts from then on. So all
that a pair promises (once, in order, acknowledged, through the loss of gateways and nodes) holds in rooms.
A message is encrypted once, with the sender's room key, and this ciphertext goes to each member under a
number of their pair; only the seal is made for each. The owner introduces, so he could introduce himself in
the place of another: who must be sure compares safety words with the member.

A member who joins is given keys as they are now. When somebody leaves, every sender takes a new key before he says
the next thing, and also after a number of messages and after a day. What was said before a newcomer could be reached
is owed to him, and sent over the pair.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from holdfast import limits
from holdfast.crypto import RoomReceiver, RoomSender
from holdfast.errors import InvitationError, NodeError, RatchetError
from holdfast.node import _contacts, _reception, _sending
from holdfast.node._room_rows import RoomRow, load, save
from holdfast.node._work import Problem
from holdfast.node.invitation import read_link
from holdfast.node.model import ContactState, RoomChanged
from holdfast.node.store import RoomFacts
from holdfast.node.wire import (
    Cipher,
    Introduce,
    Introduced,
    RoomKeyGiven,
    RoomLeft,
    RoomMember,
    RoomSay,
    RoomState,
    Say,
    encode,
    read_content,
)
from holdfast.ops.errors import ErrorCategory, ErrorSeverity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.node._work import Pair, Work

TAG: Final = 8
PREFIX: Final = "room."


# --- what we do -----------------------------------------------------------------------------


def create(work: Work, room_id: str, identity: str, name: str, contacts: Sequence[str]) -> None:
    """Open a room of ours."""
    (count,) = work.connection.execute("SELECT count(*) FROM node_room").fetchone()
    if count >= limits.NODE_ROOMS_MAX:
        raise NodeError(f"There are {count} rooms already; that is the limit.")
    members = tuple(_member(work, identity, contact) for contact in contacts)
    room = RoomRow(
        room_id, identity, "", 1, is_open=True, clock=0,
        facts=RoomFacts(name, members), sender=None, sender_ms=0,
    )  # fmt: skip
    _require_places(room)
    save(work, room)
    _announce(work, room)
    for place, member in enumerate(members):
        _introduce(work, room, member, members[:place])
    _changed(work, room)


def add(work: Work, room_id: str, contact: str) -> None:
    """Add a contact to a room of ours."""
    room = _own(work, room_id)
    member = _member(work, room.identity, contact)
    if any(member.key == other.key for other in room.facts.members):
        return
    before = room.facts.members
    room.facts = replace(room.facts, members=(*before, member))
    _require_places(room)
    room.version += 1
    save(work, room)
    _announce(work, room)
    _introduce(work, room, member, before)
    _changed(work, room)


def remove(work: Work, room_id: str, key: bytes) -> None:
    """Remove a member from a room of ours; he is told as well."""
    room = _own(work, room_id)
    gone = [member for member in room.facts.members if member.key == key]
    if not gone:
        return
    _drop_member(work, room, key)
    room.version += 1
    save(work, room)
    _announce(work, room, also=gone)
    _changed(work, room)


def leave(work: Work, room_id: str) -> None:
    """Leave a room; of ours as well, the others stay among themselves."""
    room = _require(work, room_id)
    for contact in _reachable(work, room):
        pair = work.pair(contact)
        _sending.enqueue(work, pair, RoomLeft(room.id), priority=_sending.CONTROL_PRIORITY)
        _sending.pump(work, pair)
    _close(work, room)


def say(
    work: Work, room_id: str, said: Say, *, message: int, priority: int, expires_ms: int
) -> int:
    """Encrypt a message once and let it wait for each member; returns its place on the room's clock."""
    room = _require(work, room_id)
    room.clock += 1
    content = RoomSay(room.id, said.id, said.kind, said.body, said.sent_ms, room.clock)
    sender = _sender(work, room)
    contacts = {
        member.key: _contacts.find(work, room.identity, member.key) for member in room.facts.members
    }
    for key, contact in contacts.items():
        if contact is not None and key not in room.facts.given:
            given = RoomKeyGiven(room.id, sender.key)
            _sending.enqueue(work, work.pair(contact), given, priority=_sending.CONTROL_PRIORITY)
    payload = _tag(sender.id) + sender.encrypt(encode(content))
    for key, contact in contacts.items():
        if contact is None:
            work.connection.execute(
                "INSERT OR IGNORE INTO node_room_owed VALUES (?, ?, ?)",
                (room.id, work.vault.mark(room.identity, key), message),
            )
            continue
        _sending.add_row(work, contact, b"", payload, Cipher.ROOM, priority, message, expires_ms)
        _sending.pump(work, work.pair(contact))
    given_to = tuple(key for key, contact in contacts.items() if contact is not None)
    room.facts = replace(room.facts, given=given_to)
    room.sender = sender.to_bytes()
    save(work, room)
    return room.clock


# --- what others do -------------------------------------------------------------------------


def take(work: Work, pair: Pair, payload: bytes) -> None:
    """Take a message of a room; raises ``RatchetError`` (9003) for what the room's key does not open."""
    tag = payload[:TAG]
    row = work.connection.execute(
        "SELECT room, next_index, receiver FROM node_room_key WHERE contact = ? AND tag = ?",
        (pair.id, tag),
    ).fetchone()
    if row is None:
        raise RatchetError("A message of a room came without its key.")
    label = f"room {row[0]} key of {pair.id}"
    receiver = RoomReceiver.from_bytes(work.vault.unseal(label, row[2]))
    text, index = receiver.decrypt(payload[TAG:])
    if index < row[1]:
        raise RatchetError("A message of a room was sent a second time under an old index.")
    work.connection.execute(
        "UPDATE node_room_key SET next_index = ? WHERE contact = ? AND tag = ?",
        (index + 1, pair.id, tag),
    )
    content = read_content(text)
    if not isinstance(content, RoomSay) or content.room != row[0]:
        raise RatchetError("The key of one room was used for something else.")
    said(work, pair, content)


def said(work: Work, pair: Pair, content: RoomSay) -> None:
    """Store what a member said; who is no member is not heard."""
    room = load(work, content.room)
    if room is None or not room.is_open or not _is_member(room, pair):
        _report(work, pair, "Somebody who is not in a room wrote to it.")
        return
    clock = min(content.clock, room.clock + limits.NODE_ROOM_CLOCK_STEP)
    room.clock = max(room.clock, clock)
    save(work, room)
    message = Say(content.id, content.kind, content.body, content.sent_ms)
    _reception.add_message(work, room.id, pair.id, message, clock)


def apply(
    work: Work, pair: Pair, content: RoomState | RoomKeyGiven | RoomLeft | Introduce | Introduced
) -> None:
    """Do what a contact says about a room."""
    match content:
        case RoomState():
            _state(work, pair, content)
        case RoomKeyGiven():
            _key_given(work, pair, content)
        case RoomLeft():
            _left(work, pair, content)
        case Introduce():
            _asked_for_invitation(work, pair, content)
        case Introduced():
            _introduced(work, pair, content)


def contact_ready(work: Work, pair: Pair) -> None:
    """A contact can be reached: send what is owed to him in rooms."""
    peer = work.vault.mark(pair.identity, pair.facts.identity)
    rows = work.connection.execute(
        "DELETE FROM node_room_owed WHERE peer = ? RETURNING room, message", (peer,)
    ).fetchall()
    for room_id, number in sorted(rows):
        found = work.connection.execute(
            "SELECT id, kind, body, sent_ms, clock FROM node_message WHERE number = ?", (number,)
        ).fetchone()
        room = load(work, room_id)
        if found is None or room is None or not room.is_open or not _is_member(room, pair):
            continue
        body = work.vault.unseal(f"message {room_id}", found[2])
        content = RoomSay(room_id, found[0], found[1], body, found[3], found[4])
        _sending.enqueue(
            work, pair, content, priority=1, message=number,
            expires_ms=work.now_ms + int(work.settings.ttl * 1000),
        )  # fmt: skip


def forget_keys_given(work: Work, pair: Pair) -> None:
    """A contact was set back: give him our keys again before we say the next thing."""
    for (room_id,) in work.connection.execute(
        "SELECT id FROM node_room WHERE identity = ? AND is_open", (pair.identity,)
    ).fetchall():
        room = load(work, room_id)
        assert room is not None, "it was listed a moment ago"
        if pair.facts.identity in room.facts.given:
            kept = tuple(key for key in room.facts.given if key != pair.facts.identity)
            room.facts = replace(room.facts, given=kept)
            save(work, room)


# --- inside ---------------------------------------------------------------------------------


def _state(work: Work, pair: Pair, state: RoomState) -> None:
    own = work.keys(pair.identity).public
    is_in = any(member.key == own for member in state.members)
    others = tuple(member for member in state.members if member.key != own)
    room = load(work, state.room)
    if room is None:
        count, of_his = work.connection.execute(
            "SELECT count(*), ifnull(sum(owner = ?), 0) FROM node_room", (pair.id,)
        ).fetchone()
        is_too_much = count >= limits.NODE_ROOMS_MAX or of_his >= limits.NODE_ROOMS_PER_CONTACT
        if not is_in or is_too_much or not state.room.startswith(PREFIX):
            _report(work, pair, "A room was announced that is not taken.")
            return
        room = RoomRow(
            state.room, pair.identity, pair.id, state.version, is_open=True, clock=0,
            facts=RoomFacts(state.name, others), sender=None, sender_ms=0,
        )  # fmt: skip
    elif room.owner != pair.id or room.identity != pair.identity:
        _report(work, pair, "Somebody who is not its owner spoke for a room.")
        return
    elif state.version <= room.version or not room.is_open:
        return  # older than what we know, or we left
    elif not is_in:
        _close(work, room)
        return
    else:
        kept = {member.key for member in others}
        for member in room.facts.members:
            if member.key not in kept:
                _drop_member(work, room, member.key)
        room.facts = replace(room.facts, name=state.name, members=others)
        room.version = state.version
    save(work, room)
    _changed(work, room)


def _key_given(work: Work, pair: Pair, given: RoomKeyGiven) -> None:
    # It may be here before the owner's word about its sender, so it is kept; a key for nothing opens nothing.
    receiver = RoomReceiver.from_key(given.key)
    label = f"room {given.room} key of {pair.id}"
    work.connection.execute(
        "INSERT OR REPLACE INTO node_room_key VALUES (?, ?, ?, 0, ?, ?)",
        (
            pair.id,
            _tag(receiver.id),
            given.room,
            work.vault.seal(label, receiver.to_bytes()),
            work.now_ms,
        ),
    )
    work.connection.execute(
        "DELETE FROM node_room_key WHERE contact = ?1 AND tag NOT IN (SELECT tag FROM node_room_key"
        " WHERE contact = ?1 ORDER BY taken_ms DESC LIMIT ?2)",
        (pair.id, limits.NODE_ROOM_KEYS_MAX),
    )


def _left(work: Work, pair: Pair, left: RoomLeft) -> None:
    room = load(work, left.room)
    if room is None or not room.is_open or not _is_member(room, pair):
        return
    if not room.owner:
        remove(work, room.id, pair.facts.identity)
        return
    _drop_member(work, room, pair.facts.identity)
    save(work, room)
    _changed(work, room)


def _asked_for_invitation(work: Work, pair: Pair, asked: Introduce) -> None:
    room = load(work, asked.room)
    if room is None or room.owner != pair.id or not room.is_open:
        _report(work, pair, "Somebody who owns no room asked for an invitation.")
        return
    if _contacts.find(work, room.identity, asked.to) is not None:
        return  # we know each other already
    (waiting,) = work.connection.execute(
        "SELECT count(*) FROM node_contact WHERE is_hidden AND state = ?",
        (ContactState.INVITED.value,),
    ).fetchone()
    if not _has(room, asked.to) or waiting >= limits.NODE_INTRODUCED_MAX:
        _report(work, pair, "An invitation was asked for that is not given.")
        return
    made = _contacts.invite(work, room.identity, name=asked.name, note="", is_hidden=True)
    answer = Introduced(room.id, asked.to, asked.name, made.link)
    _sending.enqueue(work, pair, answer, priority=_sending.CONTROL_PRIORITY)


def _introduced(work: Work, pair: Pair, introduced: Introduced) -> None:
    room = load(work, introduced.room)
    if room is None or not room.is_open or not _is_member(room, pair):
        return
    if not room.owner:  # pass it on
        target = _contacts.find(work, room.identity, introduced.peer)
        names = [m.name for m in room.facts.members if m.key == pair.facts.identity]
        if target is not None and names and _has(room, introduced.peer):
            passed = replace(introduced, peer=pair.facts.identity, name=names[0])
            _sending.enqueue(work, work.pair(target), passed, priority=_sending.CONTROL_PRIORITY)
            _sending.pump(work, work.pair(target))
        return
    if room.owner != pair.id or not _has(room, introduced.peer):
        _report(work, pair, "Somebody who owns no room introduced a member.")
        return
    try:
        offer = read_link(introduced.link)
        if offer.identity != introduced.peer:
            raise InvitationError("The invitation is of somebody else than the member.")
        if _contacts.find(work, room.identity, offer.identity) is None:
            contact = _contacts.accept(
                work, room.identity, offer, name=introduced.name, is_hidden=True
            )
            contact_ready(work, work.pair(contact))
            _sending.pump(work, work.pair(contact))
    except InvitationError as error:
        _report(work, pair, str(error))


def _sender(work: Work, room: RoomRow) -> RoomSender:
    """Return our key in a room; a new one when the old one is used up."""
    if room.sender is not None:
        sender = RoomSender.from_bytes(room.sender)
        age_ms = work.now_ms - room.sender_ms
        is_young = age_ms < limits.NODE_ROOM_KEY_AGE * 1000
        if sender.index < limits.NODE_ROOM_MESSAGES_PER_KEY and is_young:
            return sender
    room.sender_ms = work.now_ms
    room.facts = replace(room.facts, given=())
    return RoomSender.generate()


def _announce(work: Work, room: RoomRow, also: Sequence[RoomMember] = ()) -> None:
    """Tell all members who is in a room of ours, and those who are not any more."""
    own = RoomMember(work.keys(room.identity).public, work.identity_facts(room.identity).shown_name)
    state = RoomState(room.id, room.version, room.facts.name, (own, *room.facts.members))
    for member in (*room.facts.members, *also):
        contact = _contacts.find(work, room.identity, member.key)
        if contact is not None:
            pair = work.pair(contact)
            _sending.enqueue(work, pair, state, priority=_sending.CONTROL_PRIORITY)
            _sending.pump(work, pair)


def _introduce(work: Work, room: RoomRow, member: RoomMember, others: Sequence[RoomMember]) -> None:
    """Let a new member make an invitation for each of the others."""
    contact = _contacts.find(work, room.identity, member.key)
    if contact is None:
        return
    for other in others:
        asked = Introduce(room.id, other.key, other.name)
        _sending.enqueue(work, work.pair(contact), asked, priority=_sending.CONTROL_PRIORITY - 1)
    _sending.pump(work, work.pair(contact))


def _drop_member(work: Work, room: RoomRow, key: bytes) -> None:
    """Somebody is out: he is not heard any more, and what we say next has a new key."""
    kept = tuple(member for member in room.facts.members if member.key != key)
    room.facts = replace(room.facts, members=kept, given=())
    room.sender = None
    contact = _contacts.find(work, room.identity, key)
    work.connection.execute(
        "DELETE FROM node_room_key WHERE room = ? AND contact = ?", (room.id, contact or "")
    )
    work.connection.execute(
        "DELETE FROM node_room_owed WHERE room = ? AND peer = ?",
        (room.id, work.vault.mark(room.identity, key)),
    )


def _close(work: Work, room: RoomRow) -> None:
    room.is_open = False
    room.sender = None
    save(work, room)
    work.connection.execute("DELETE FROM node_room_key WHERE room = ?", (room.id,))
    work.connection.execute("DELETE FROM node_room_owed WHERE room = ?", (room.id,))
    _changed(work, room)


def _member(work: Work, identity: str, contact: str) -> RoomMember:
    pair = work.pair(contact)
    if pair.identity != identity or not pair.facts.identity or pair.ratchet is None:
        raise NodeError("Only a contact of this identity who has answered can be in its room.")
    return RoomMember(pair.facts.identity, pair.facts.told_name or pair.facts.name)


def _require(work: Work, room_id: str) -> RoomRow:
    room = load(work, room_id)
    if room is None or not room.is_open:
        raise NodeError("There is no such room, or we are not in it any more.")
    return room


def _own(work: Work, room_id: str) -> RoomRow:
    room = _require(work, room_id)
    if room.owner:
        raise NodeError("Only who opened a room adds and removes members.")
    return room


def _require_places(room: RoomRow) -> None:
    if len(room.facts.members) >= limits.NODE_ROOM_MEMBERS_MAX:
        raise NodeError(f"A room has at most {limits.NODE_ROOM_MEMBERS_MAX} members.")


def _reachable(work: Work, room: RoomRow) -> list[str]:
    found = (_contacts.find(work, room.identity, member.key) for member in room.facts.members)
    return [contact for contact in found if contact is not None]


def _is_member(room: RoomRow, pair: Pair) -> bool:
    return room.identity == pair.identity and _has(room, pair.facts.identity)


def _has(room: RoomRow, key: bytes) -> bool:
    return any(member.key == key for member in room.facts.members)


def _tag(key_id: str) -> bytes:
    return hashlib.sha256(key_id.encode()).digest()[:TAG]


def _changed(work: Work, room: RoomRow) -> None:
    work.outcome.rooms_changed = True
    work.outcome.changes.append(RoomChanged(room.id))


def _report(work: Work, pair: Pair, text: str) -> None:
    name = pair.facts.name or pair.facts.told_name or "a contact"
    work.outcome.problems.append(
        Problem(ErrorCategory.MESSAGE, ErrorSeverity.MEDIUM, "ROOM_REFUSED", f"{name}: {text}")
    )
