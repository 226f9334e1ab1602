"""Jobs of messages of ours and of the history: accepted, read, looked up, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.node import _rooms, _sending
from holdfast.node.model import (
    ContactChanged,
    Message,
    MessageChanged,
    MessageState,
    QueueChanged,
    RoomChanged,
)
from holdfast.node.wire import Say, Seen

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from holdfast.node._work import Work
    from holdfast.node.store import Vault

COLUMNS: Final = "id, number, conversation, sender, kind, body, sent_ms, received_ms, state, error"
TEXT: Final = "text"


def accept(
    work: Work,
    conversation: str,
    said: Say,
    *,
    priority: int,
    expires_ms: int,
) -> None:
    """Take a message of ours; one with an id that was taken before is the same one."""
    row = work.connection.execute(
        "SELECT 1 FROM node_message WHERE conversation = ? AND sender = '' AND id = ?",
        (conversation, said.id),
    ).fetchone()
    if row is not None:
        return
    _sending.require_room(work)
    is_room = conversation.startswith(_rooms.PREFIX)
    pair = None if is_room else work.pair(conversation)
    (number,) = work.connection.execute(
        "INSERT INTO node_message (conversation, sender, id, kind, body, sent_ms, received_ms, state, error,"
        " clock, is_unread) VALUES (?, '', ?, ?, ?, ?, ?, ?, '', 0, 0) RETURNING number",
        (
            conversation,
            said.id,
            said.kind or TEXT,
            work.vault.seal(f"message {conversation}", said.body),
            said.sent_ms,
            work.now_ms,
            MessageState.QUEUED.value,
        ),
    ).fetchone()
    work.outcome.changes.append(MessageChanged(conversation, said.id, MessageState.QUEUED))
    if pair is None:
        clock = _rooms.say(
            work, conversation, said, message=number, priority=priority, expires_ms=expires_ms
        )
        work.connection.execute(
            "UPDATE node_message SET clock = ? WHERE number = ?", (clock, number)
        )
        _sending.settle_message(work, number)  # where there is nobody but us
    else:
        _sending.enqueue(work, pair, said, priority=priority, message=number, expires_ms=expires_ms)
        _sending.pump(work, pair)
    work.outcome.changes.append(QueueChanged())


def mark_read(work: Work, conversation: str, through: int) -> int:
    """Note that messages were read; returns how many are unread now."""
    rows = work.connection.execute(
        "UPDATE node_message SET is_unread = 0 WHERE conversation = ? AND is_unread AND number <= ?"
        " RETURNING number, id",
        (conversation, through),
    ).fetchall()
    (left,) = work.connection.execute(
        "SELECT count(*) FROM node_message WHERE conversation = ? AND is_unread", (conversation,)
    ).fetchone()
    if not rows:
        return int(left)
    if conversation.startswith(_rooms.PREFIX):
        work.outcome.changes.append(RoomChanged(conversation))
        return int(left)
    pair = work.pair(conversation)
    if work.settings.receipts and pair.facts.may_see_read:
        _, newest = max(rows)
        priority = _sending.RECEIPT_PRIORITY
        _sending.enqueue(work, pair, Seen(newest), priority=priority)
        _sending.pump(work, pair)
    work.outcome.changes.append(ContactChanged(conversation))
    return int(left)


def delete(work: Work, conversation: str, through: int) -> int:
    """Delete messages that do not wait to be sent; returns how many."""
    return work.connection.execute(
        "DELETE FROM node_message WHERE conversation = ? AND number <= ?"
        " AND (sender != '' OR state NOT IN (?, ?))",
        (conversation, through, MessageState.QUEUED.value, MessageState.AT_GATEWAY.value),
    ).rowcount


def next_expiry(work: Work) -> int | None:
    """Give up what is over, and return the time in milliseconds at which something is over next."""
    _sending.expire(work)
    row = work.connection.execute(
        "SELECT min(expires_ms) FROM node_outgoing WHERE expires_ms < ?", (_sending.NEVER_MS,)
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])


# --- looking ------------------------------------------------------------------------------------


def history(
    connection: sqlite3.Connection,
    vault: Vault,
    conversation: str,
    *,
    before: int | None,
    after: int | None,
    limit: int,
    kinds: Sequence[str] | None,
) -> list[Message]:
    """Return messages of a conversation, oldest first."""
    order = "ASC" if after is not None else "DESC"
    of_kinds, parameters = _of_kinds(kinds)
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM node_message WHERE conversation = ? AND number > ? AND number < ?{of_kinds}"  # noqa: S608 - marks only
        f" ORDER BY number {order} LIMIT ?",
        (
            conversation,
            after or 0,
            2**62 if before is None else before,
            *parameters,
            max(1, min(limit, limits.NODE_HISTORY_PAGE_MAX)),
        ),
    ).fetchall()
    found = [message(vault, row) for row in rows]
    return found if after is not None else found[::-1]


def search(
    connection: sqlite3.Connection,
    vault: Vault,
    words: Sequence[str],
    *,
    conversation: str | None,
    kinds: Sequence[str],
    limit: int,
) -> list[Message]:
    """Return the newest messages in which all words occur; bodies are sealed, so each is opened and looked at."""
    of_kinds, parameters = _of_kinds(kinds)
    where = "" if conversation is None else " AND conversation = ?"
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM node_message WHERE 1{of_kinds}{where} ORDER BY number DESC LIMIT ?",  # noqa: S608 - as above
        (
            *parameters,
            *(() if conversation is None else (conversation,)),
            limits.NODE_SEARCH_MAX,
        ),
    )
    found: list[Message] = []
    for row in rows:
        each = message(vault, row)
        text = each.text.casefold()
        if all(word in text for word in words):
            found.append(each)
            if len(found) >= max(1, min(limit, limits.NODE_HISTORY_PAGE_MAX)):
                break
    return found


def one(
    connection: sqlite3.Connection, vault: Vault, conversation: str, message_id: str
) -> Message | None:
    """Return one message, ours before one that came under the same id."""
    row = connection.execute(
        f"SELECT {COLUMNS} FROM node_message WHERE conversation = ? AND id = ? ORDER BY sender LIMIT 1",  # noqa: S608 - as above
        (conversation, message_id),
    ).fetchone()
    return None if row is None else message(vault, row)


def message(vault: Vault, row: Sequence[object]) -> Message:
    """Make a message of a row."""
    identifier, number, conversation, sender, kind, body, sent_ms, received_ms, state, error = row
    assert isinstance(body, bytes), "it is sealed"
    return Message(
        str(identifier),
        int(number),  # type: ignore[call-overload]
        str(conversation),
        str(sender),
        str(kind),
        vault.unseal(f"message {conversation}", body),
        int(sent_ms),  # type: ignore[call-overload]
        int(received_ms),  # type: ignore[call-overload]
        MessageState(str(state)),
        str(error),
    )


def checked(body: bytes | str, kind: str, ttl: float | None) -> bytes:
    """Return the body as bytes; raises ValueError when something is out of bounds."""
    raw = body.encode() if isinstance(body, str) else bytes(body)
    if len(raw) > limits.NODE_BODY_BYTES_MAX:
        raise ValueError(
            f"A message has at most {limits.NODE_BODY_BYTES_MAX} bytes, this one has {len(raw)}."
        )
    if not 0 < len(kind) <= limits.NODE_KIND_MAX or not kind.isprintable():
        raise ValueError(f"A kind has 1 to {limits.NODE_KIND_MAX} characters, not {kind[:40]!r}.")
    if ttl is not None and not 0 < ttl <= limits.NODE_TTL:
        raise ValueError(f"A message waits up to {limits.NODE_TTL:g} s, not {ttl:g}.")
    return raw


def _of_kinds(kinds: Sequence[str] | None) -> tuple[str, tuple[str, ...]]:
    if kinds is None:
        return "", ()
    marks = ", ".join("?" for _ in kinds)
    return f" AND kind IN ({marks})", tuple(kinds)


def check_name(name: str) -> None:
    """Raise ValueError for what is no name of an identity, a contact or a room."""
    if not 0 < len(name) <= limits.NODE_NAME_MAX or not name.isprintable():
        raise ValueError(f"A name has 1 to {limits.NODE_NAME_MAX} characters that can be printed.")
