"""Rooms as they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.node.store import RoomFacts

if TYPE_CHECKING:
    from holdfast.node._work import Work


@dataclass(slots=True)
class RoomRow:
    """A room within a transaction."""

    id: str
    identity: str
    owner: str
    version: int
    is_open: bool
    clock: int
    facts: RoomFacts
    sender: bytes | None
    sender_ms: int


def load(work: Work, room: str) -> RoomRow | None:
    """Return a room, None when there is none."""
    row = work.connection.execute(
        "SELECT id, identity, owner, version, is_open, clock, facts, sender, sender_ms FROM node_room"
        " WHERE id = ?",
        (room,),
    ).fetchone()
    if row is None:
        return None
    facts = work.vault.unseal_facts(f"room {room}", row[6], RoomFacts)
    sender = None if row[7] is None else work.vault.unseal(f"room {room} sender", row[7])
    return RoomRow(room, row[1], row[2], row[3], bool(row[4]), row[5], facts, sender, row[8])


def save(work: Work, room: RoomRow) -> None:
    """Store a room, new or not."""
    sender = None
    if room.sender is not None:
        sender = work.vault.seal(f"room {room.id} sender", room.sender)
    work.connection.execute(
        "INSERT INTO node_room (id, identity, owner, version, is_open, clock, facts, sender, sender_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version,"
        " is_open = excluded.is_open, clock = excluded.clock, facts = excluded.facts,"
        " sender = excluded.sender, sender_ms = excluded.sender_ms",
        (
            room.id,
            room.identity,
            room.owner,
            room.version,
            room.is_open,
            room.clock,
            work.vault.seal_facts(f"room {room.id}", room.facts),
            sender,
            room.sender_ms,
        ),
    )
