"""A node in SQLite: tables, and rows as things.

What could tell something lies sealed (``Keystore``), each value under a label that names its row. In the clear
are numbers, states and ids, which are random. A pair's ratchet and the messages that it encrypted or decrypted
are written in one transaction, always.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from msgspec import Struct

from holdfast.errors import ErrorCode, KeystoreError
from holdfast.node.wire import Place, RoomMember  # noqa: TC001 - the codec reads annotations

if TYPE_CHECKING:
    import sqlite3

    from holdfast.crypto import Keystore

T = TypeVar("T")

NODE_MIGRATIONS: Final = {
    "node": (
        """
        CREATE TABLE node_identity (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            facts BLOB NOT NULL,
            keys BLOB NOT NULL
        );
        CREATE TABLE node_contact (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            identity TEXT NOT NULL REFERENCES node_identity (id),
            state TEXT NOT NULL,
            is_hidden INTEGER NOT NULL,
            facts BLOB NOT NULL,
            inbox BLOB NOT NULL,
            ratchet BLOB,
            epoch INTEGER NOT NULL,
            next_seq INTEGER NOT NULL,
            through INTEGER NOT NULL,
            rekeyed_ms INTEGER NOT NULL,
            is_proposer INTEGER NOT NULL,
            peer BLOB
        );
        CREATE UNIQUE INDEX node_contact_peer ON node_contact (peer) WHERE peer IS NOT NULL;
        CREATE TABLE node_message (
            number INTEGER PRIMARY KEY,
            conversation TEXT NOT NULL,
            sender TEXT NOT NULL,
            id TEXT NOT NULL,
            kind TEXT NOT NULL,
            body BLOB NOT NULL,
            sent_ms INTEGER NOT NULL,
            received_ms INTEGER NOT NULL,
            state TEXT NOT NULL,
            error TEXT NOT NULL,
            clock INTEGER NOT NULL,
            is_unread INTEGER NOT NULL,
            UNIQUE (conversation, sender, id)
        );
        CREATE INDEX node_message_shown ON node_message (conversation, number);
        CREATE INDEX node_message_unread ON node_message (conversation) WHERE is_unread;
        CREATE TABLE node_outgoing (
            number INTEGER PRIMARY KEY,
            contact TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            seq INTEGER,
            priority INTEGER NOT NULL,
            message INTEGER,
            content BLOB NOT NULL,
            cipher INTEGER NOT NULL,
            payload BLOB NOT NULL,
            accepted_ms INTEGER NOT NULL,
            expires_ms INTEGER NOT NULL,
            is_at_gateway INTEGER NOT NULL
        );
        CREATE UNIQUE INDEX node_outgoing_numbered ON node_outgoing (contact, seq)
            WHERE seq IS NOT NULL;
        CREATE INDEX node_outgoing_waiting ON node_outgoing (contact, priority DESC, number)
            WHERE seq IS NULL;
        CREATE INDEX node_outgoing_expires ON node_outgoing (expires_ms);
        CREATE INDEX node_outgoing_queue
            ON node_outgoing (priority, is_at_gateway, accepted_ms, cipher, message)
            WHERE message IS NOT NULL AND cipher != 3;
        CREATE INDEX node_outgoing_message ON node_outgoing (message);
        CREATE TABLE node_held (
            contact TEXT NOT NULL,
            seq INTEGER NOT NULL,
            cipher INTEGER NOT NULL,
            payload BLOB NOT NULL,
            PRIMARY KEY (contact, seq)
        ) WITHOUT ROWID;
        CREATE TABLE node_room (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            identity TEXT NOT NULL,
            owner TEXT NOT NULL,
            version INTEGER NOT NULL,
            is_open INTEGER NOT NULL,
            clock INTEGER NOT NULL,
            facts BLOB NOT NULL,
            sender BLOB,
            sender_ms INTEGER NOT NULL
        );
        CREATE TABLE node_room_key (
            contact TEXT NOT NULL,
            tag BLOB NOT NULL,
            room TEXT NOT NULL,
            next_index INTEGER NOT NULL,
            receiver BLOB NOT NULL,
            taken_ms INTEGER NOT NULL,
            PRIMARY KEY (contact, tag)
        ) WITHOUT ROWID;
        CREATE TABLE node_room_owed (
            room TEXT NOT NULL,
            peer BLOB NOT NULL,
            message INTEGER NOT NULL,
            PRIMARY KEY (room, peer, message)
        ) WITHOUT ROWID;
        CREATE INDEX node_room_owed_message ON node_room_owed (message);
        """,
        """
        ALTER TABLE node_contact ADD COLUMN sent_mark BLOB NOT NULL DEFAULT x'';
        ALTER TABLE node_contact ADD COLUMN came_mark BLOB NOT NULL DEFAULT x'';
        ALTER TABLE node_outgoing ADD COLUMN mark BLOB NOT NULL DEFAULT x'';
        """,
    )
}
"""What a ``Database`` needs to be a node's; may stand beside others."""


class OwnPlace(Struct, array_like=True, frozen=True):
    """A mailbox of ours: where, the seed of the key that owns it, and the token for those who write."""

    gateway: str
    seed: bytes
    token: bytes


class IdentityFacts(Struct, array_like=True, frozen=True):
    """What is told of an identity."""

    name: str
    shown_name: str


class Inbox(Struct, array_like=True, frozen=True):
    """How one contact reaches us: keys of his envelopes to us, and where they lie.

    Attributes:
        envelope_key: secret half of the key that he seals to.
        invitation_key: of the invitation; empty once he uses the other one.
        places: the mailboxes.
    """

    envelope_key: bytes
    invitation_key: bytes
    places: tuple[OwnPlace, ...]


class Facts(Struct, array_like=True, frozen=True):
    """What we know of a contact, and how we reach him.

    Attributes:
        name: that we gave him.
        told_name: that he tells.
        note: of the invitation.
        is_host: whether we made the invitation.
        is_verified: whether words were compared.
        may_see_read: whether he is told what we read.
        secret: by which frames are known.
        first_secret: of the invitation, until it is not used any more.
        identity: his public key; empty before he has answered.
        prekey: of his, for the next session; empty when we have none.
        seal: his sealing key; the invitation's, of 32 bytes, before we have it.
        places: where to write to.
    """

    name: str
    told_name: str
    note: str
    is_host: bool
    is_verified: bool
    may_see_read: bool
    secret: bytes
    first_secret: bytes
    identity: bytes
    prekey: bytes
    seal: bytes
    places: tuple[Place, ...]


class RoomFacts(Struct, array_like=True, frozen=True):
    """What we know of a room; we ourselves are not among the members.

    Attributes:
        name: as its owner calls it.
        members: public keys and names.
        given: keys of those who have our present sender key.
    """

    name: str
    members: tuple[RoomMember, ...]
    given: tuple[bytes, ...] = ()


class Vault:
    """Seals values for their rows, and opens them.

    Args:
        keystore: with the key.
    """

    def __init__(self, keystore: Keystore) -> None:
        self._keystore = keystore
        self._marks = keystore.derived(b"holdfast marks of contacts 1")

    def mark(self, identity: str, public: bytes) -> bytes | None:
        """Return by what a contact's public key is found in the clear of a row; None for no key."""
        if not public:
            return None
        return hmac.digest(self._marks, identity.encode() + public, "sha256")[:16]

    def seal(self, label: str, value: bytes) -> bytes:
        """Seal bytes for a row."""
        return self._keystore.seal(label, value)

    def unseal(self, label: str, sealed: bytes) -> bytes:
        """Open them; raises ``KeystoreError`` (9005) when they are of another row or were changed."""
        return self._keystore.unseal(label, sealed)

    def seal_facts(self, label: str, facts: Struct) -> bytes:
        """Seal a struct for a row."""
        return self._keystore.seal(label, msgspec.msgpack.encode(facts))

    def unseal_facts(self, label: str, sealed: bytes, kind: type[T]) -> T:
        """Open it; raises ``KeystoreError`` (9005) as above, or when it is of another version."""
        raw = self._keystore.unseal(label, sealed)
        try:
            return msgspec.msgpack.decode(raw, type=kind)
        except msgspec.MsgspecError as error:
            raise KeystoreError(
                "A stored value is of a newer version of the program.",
                code=ErrorCode.KEYSTORE_DAMAGED,
                original=error,
            ) from error


def figures(connection: sqlite3.Connection, sql: str, *parameters: object) -> list[int]:
    """Return the first column of a query as numbers."""
    return [int(row[0]) for row in connection.execute(sql, parameters)]
