"""What pages are shown: the node's own words as plain mappings for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.apps.chat import limits
from holdfast.apps.chat.errors import ChatError
from holdfast.apps.chat.wire import Kind, read_note, read_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.node import Contact, GatewayStatus, Identity, Message, QueueStatus, Room
    from holdfast.ops.errors import HandledError

Shown = dict[str, object]


def identity_row(identity: Identity) -> Shown:
    """Show one of our own faces."""
    return {
        "id": identity.id,
        "name": identity.name,
        "shown": identity.shown_name,
        "fingerprint": identity.fingerprint,
    }


def contact_row(contact: Contact, last: Shown | None, revision: int) -> Shown:
    """Show a conversation with one person."""
    return {
        "id": contact.id,
        "kind": "contact",
        "identity": contact.identity,
        "name": contact.name or contact.told_name,
        "told": contact.told_name,
        "state": contact.state.value,
        "verified": contact.is_verified,
        "reads": contact.may_see_read,
        "unread": contact.unread,
        "last": last,
        "revision": revision,
    }


def room_row(room: Room, last: Shown | None, revision: int) -> Shown:
    """Show a conversation of several."""
    return {
        "id": room.id,
        "kind": "room",
        "identity": room.identity,
        "name": room.name,
        "owner": room.owner,
        "members": list(room.members),
        "open": room.is_open,
        "unread": room.unread,
        "last": last,
        "revision": revision,
    }


def message_row(message: Message, arrived: Callable[[Message], int | None]) -> Shown:
    """Show one line of a conversation.

    Args:
        message: of a kind that is shown.
        arrived: how many pieces of an attachment are there.
    """
    row: Shown = {
        "id": message.id,
        "number": message.number,
        "from": message.sender,
        "sent": message.sent_ms,
        "received": message.received_ms,
        "state": message.state.value,
        "error": message.error,
    }
    if message.kind != Kind.FILE:
        return row | {"text": read_text(message.body)}
    try:
        note = read_note(message.body)
    except ChatError:
        return row | {"text": "", "file": None}
    there = arrived(message)
    shown = {
        "id": note.id,
        "name": read_text(note.name.encode()),
        "mime": note.mime,
        "size": note.size,
        "pieces": note.pieces,
        "there": there,
    }
    return row | {"text": "", "file": shown}


def brief(message: Message) -> Shown:
    """Show a line as it stands in the list of conversations."""
    text = read_text(message.body) if message.kind != Kind.FILE else ""
    if message.kind == Kind.FILE:
        try:
            text = read_text(read_note(message.body).name.encode())
        except ChatError:
            text = "damaged"
    return {
        "id": message.id,
        "from": message.sender,
        "text": " ".join(text[: limits.BRIEF_MAX].split()),
        "file": message.kind == Kind.FILE,
        "at": message.received_ms,
        "state": message.state.value,
    }


def gateway_row(gateway: GatewayStatus) -> Shown:
    """Show how a gateway does; figures are rounded, so that a change that nobody sees is none."""
    return {
        "name": gateway.name,
        "state": gateway.state,
        "grade": gateway.grade,
        "score": round(gateway.score, 1),
        "usual_ms": None if gateway.usual is None else _rounded(1000 * gateway.usual),
        "breaker": gateway.breaker,
        "ours": gateway.is_ours,
        "proven": None if gateway.proven_ago is None else int(gateway.proven_ago // 60),
        "deposits": gateway.deposits,
        "failures": gateway.failures,
        "trouble": gateway.trouble[: limits.TROUBLE_MAX],
    }


def queue_view(queue: QueueStatus, now_ms: int) -> Shown:
    """Show what waits; the time of the next attempt is on the server's clock."""
    following = queue.next_attempt_in
    return {
        "waiting": queue.waiting,
        "by_priority": {str(key): count for key, count in sorted(queue.by_priority.items())},
        "at_gateway": queue.at_gateway,
        "failing": queue.failing,
        "next": None if following is None else round(now_ms + 1000 * following, -2),
        "oldest": queue.oldest_ms,
    }


def error_row(error: HandledError) -> Shown:
    """Show what went wrong, when, and what was done."""
    return {
        "at": round(1000 * error.at),
        "category": error.category.value,
        "severity": error.severity.value,
        "code": error.code,
        "message": error.message,
        "recovered": error.is_recovered,
    }


def _rounded(value: float) -> float:
    """Keep two figures."""
    return float(f"{value:.2g}")
