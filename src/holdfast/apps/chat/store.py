"""What the chat's program keeps beside the node: wishes of pages, and attachments on their way out.

A *wish* is a message that a page has handed over and the node has not taken yet. It is written in the
transaction that acknowledges it to the page, and removed when the node has it under the same id; after a crash
between the two the node is asked twice, and the second time it knows the message. Pieces of an attachment are
the same: each is removed when the node has taken it. What has arrived is in the node's own history only.

Texts, names of files and pieces lie sealed with the node's keystore, as in the node's own tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

MIGRATIONS: Final = (
    """
    CREATE TABLE chat_wish (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        conversation TEXT NOT NULL,
        kind TEXT NOT NULL,
        body BLOB NOT NULL
    );
    CREATE TABLE chat_file (
        id TEXT PRIMARY KEY,
        conversation TEXT NOT NULL,
        note BLOB NOT NULL,
        began_ms INTEGER NOT NULL,
        is_handed INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE chat_piece (
        file TEXT NOT NULL REFERENCES chat_file (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (file, number)
    );
    """,
)

ADD_WISH: Final = (
    "INSERT INTO chat_wish (id, conversation, kind, body) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (id) DO NOTHING"
)
REMOVE_WISH: Final = "DELETE FROM chat_wish WHERE number = ?"
ADD_FILE: Final = "INSERT INTO chat_file VALUES (?, ?, ?, ?, 0) ON CONFLICT (id) DO NOTHING"
HAND_FILE: Final = "UPDATE chat_file SET is_handed = 1 WHERE id = ?"
REMOVE_FILE: Final = "DELETE FROM chat_file WHERE id = ?"
REMOVE_OLD_FILES: Final = "DELETE FROM chat_file WHERE began_ms < ?"
ADD_PIECE: Final = "INSERT INTO chat_piece VALUES (?, ?, ?) ON CONFLICT (file, number) DO NOTHING"
REMOVE_PIECE: Final = "DELETE FROM chat_piece WHERE file = ? AND number = ?"


def wish_label(wish: str) -> str:
    """Return under which label the body of a wish is sealed."""
    return f"chat wish {wish}"


def note_label(file: str) -> str:
    """Return under which label the announcement of an attachment is sealed."""
    return f"chat file {file}"


def piece_label(file: str, number: int) -> str:
    """Return under which label a piece is sealed."""
    return f"chat piece {file} {number}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a page wants sent; the body is sealed, that of an attachment is empty."""

    number: int
    id: str
    conversation: str
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An attachment of ours that is not wholly with the node.

    Attributes:
        id: the same as that of the message that announces it.
        conversation: with whom.
        note: the announcement, sealed.
        is_handed: whether the page has sent the announcement: then the pieces follow.
        kept: numbers of the pieces that are here.
    """

    id: str
    conversation: str
    note: bytes
    is_handed: bool
    kept: tuple[int, ...]


def next_wishes(connection: sqlite3.Connection) -> list[Wish]:
    """Read the oldest wishes."""
    rows = connection.execute(
        "SELECT number, id, conversation, kind, body FROM chat_wish ORDER BY number LIMIT 64"
    )
    return [Wish(*row) for row in rows]


def count_wishes(connection: sqlite3.Connection) -> int:
    """Count what the node has not taken."""
    return int(connection.execute("SELECT count(*) FROM chat_wish").fetchone()[0])


def find_file(connection: sqlite3.Connection, file: str) -> Outgoing | None:
    """Read an attachment on its way out."""
    row = connection.execute(
        "SELECT id, conversation, note, is_handed FROM chat_file WHERE id = ?", (file,)
    ).fetchone()
    if row is None:
        return None
    numbers = connection.execute(
        "SELECT number FROM chat_piece WHERE file = ? ORDER BY number", (file,)
    )
    return Outgoing(row[0], row[1], row[2], bool(row[3]), tuple(number for (number,) in numbers))


def handed_files(connection: sqlite3.Connection) -> list[str]:
    """Read the ids of those whose pieces are to be sent, the oldest first."""
    rows = connection.execute("SELECT id FROM chat_file WHERE is_handed = 1 ORDER BY began_ms")
    return [file for (file,) in rows]


def find_piece(connection: sqlite3.Connection, file: str, number: int) -> bytes | None:
    """Read one piece that the node has not taken; it is sealed."""
    row = connection.execute(
        "SELECT data FROM chat_piece WHERE file = ? AND number = ?", (file, number)
    ).fetchone()
    return None if row is None else bytes(row[0])


def waiting_files(connection: sqlite3.Connection) -> tuple[int, int]:
    """Count the attachments on their way out, and the bytes of their pieces."""
    (count,) = connection.execute("SELECT count(*) FROM chat_file").fetchone()
    (size,) = connection.execute("SELECT coalesce(sum(length(data)), 0) FROM chat_piece").fetchone()
    return int(count), int(size)
