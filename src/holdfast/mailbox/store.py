"""Where a gateway keeps mailboxes and envelopes: its own age but no dates, no addresses, no senders.

An envelope is a small row in the order of its mailbox, which counting and looking for ids go by, and a body in the
order in which bodies came, which is the cheapest to append. What is deleted is overwritten (``secure_delete``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.mailbox.record import (
    Acknowledged,
    Expired,
    Gone,
    Kept,
    Mailbox,
    NewEnvelope,
    NewMailbox,
    Removed,
    Row,
    Seen,
)

if TYPE_CHECKING:
    import asyncio
    import sqlite3
    from collections.abc import Sequence

    from holdfast.mailbox.record import Fetch, Note
    from holdfast.storage import Database

MIGRATIONS: Final = (
    """
    CREATE TABLE mailbox (
        number INTEGER PRIMARY KEY,
        public BLOB NOT NULL UNIQUE,
        address BLOB NOT NULL,
        token BLOB NOT NULL,
        seen_day INTEGER NOT NULL
    );
    CREATE TABLE envelope (
        mailbox INTEGER NOT NULL REFERENCES mailbox,
        id BLOB NOT NULL,
        number INTEGER NOT NULL,
        size INTEGER NOT NULL,
        due_hour INTEGER NOT NULL,
        PRIMARY KEY (mailbox, id)
    ) WITHOUT ROWID;
    CREATE INDEX envelope_due ON envelope (due_hour);
    CREATE TABLE body (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
    CREATE TABLE age (only INTEGER PRIMARY KEY CHECK (only = 1), minutes INTEGER NOT NULL);
    INSERT INTO age VALUES (1, 0);
    """,
)

EXPIRED_AT_A_TIME: Final = 5_000
"""Envelopes that one sweep deletes at most; the others wait for the next."""

ADD_MAILBOX: Final = (
    "INSERT INTO mailbox (number, public, address, token, seen_day) VALUES (?, ?, ?, ?, ?)"
)
ADD_ENVELOPE: Final = (
    "INSERT OR IGNORE INTO envelope (mailbox, id, number, size, due_hour) VALUES (?, ?, ?, ?, ?)"
)
ADD_BODY: Final = "INSERT INTO body (number, bytes) VALUES (?, ?)"
SAME: Final = "SELECT bytes = ? FROM envelope JOIN body USING (number) WHERE mailbox = ? AND id = ?"
REMOVE_ENVELOPE: Final = "DELETE FROM envelope WHERE mailbox = ? AND id = ? RETURNING number, size"
REMOVE_BODY: Final = "DELETE FROM body WHERE number = ?"
DUE: Final = (
    "SELECT mailbox, id, number, size FROM envelope WHERE due_hour <= ? ORDER BY due_hour LIMIT ?"
)
FETCH: Final = (
    "SELECT number, id, bytes FROM envelope JOIN body USING (number) "
    "WHERE mailbox = ? AND number > ? ORDER BY number LIMIT ?"
)


async def load(database: Database) -> tuple[list[Mailbox], int, int]:
    """Return all mailboxes with what they hold, the number of the newest envelope, and the age in seconds."""

    def read(connection: sqlite3.Connection) -> tuple[list[Mailbox], int, int]:
        held = {
            number: (count, size)
            for number, count, size in connection.execute(
                "SELECT mailbox, count(*), sum(size) FROM envelope GROUP BY mailbox"
            )
        }
        boxes = [
            Mailbox(number, address, public, token, seen_day, *held.get(number, (0, 0)))
            for number, public, address, token, seen_day in connection.execute(
                "SELECT number, public, address, token, seen_day FROM mailbox"
            )
        ]
        last = connection.execute("SELECT ifnull(max(number), 0) FROM body").fetchone()[0]
        age: int = connection.execute("SELECT minutes FROM age").fetchone()[0]
        return boxes, last, age * 60

    await database.write(lambda c: c.execute("PRAGMA secure_delete = ON").fetchall())
    return await database.read(read)


def submit(database: Database, notes: Sequence[Note]) -> asyncio.Future[list[Kept]]:
    """Write notes in one transaction; raises StorageError at once when there is no room."""
    return database.submit(lambda connection: [_write(connection, note) for note in notes])


async def fetch(database: Database, asked: Fetch) -> list[Row]:
    """Read envelopes for a reader; raises StorageError."""
    rows = await database.fetch_all(FETCH, (asked.mailbox.number, asked.after, asked.most))
    return [Row(*row) for row in rows]  # type: ignore[arg-type]


def _write(connection: sqlite3.Connection, note: Note) -> Kept:
    match note:
        case NewEnvelope():
            return _add(connection, note)
        case Acknowledged():
            number = note.mailbox.number
            return Kept(removed=_remove(connection, [(number, each) for each in note.ids]))
        case Seen():
            if note.mailbox.seen_day != note.day:
                connection.execute(
                    "UPDATE mailbox SET seen_day = ? WHERE number = ?",
                    (note.day, note.mailbox.number),
                )
            return Kept()
        case NewMailbox():
            box = note.mailbox
            if note.is_new:
                row = (box.number, box.public, box.address, note.token, box.seen_day)
                connection.execute(ADD_MAILBOX, row)
            else:
                connection.execute(
                    "UPDATE mailbox SET token = ? WHERE number = ?", (note.token, box.number)
                )
            return Kept()
        case Gone():
            number = note.mailbox.number
            connection.execute(
                "DELETE FROM body WHERE number IN (SELECT number FROM envelope WHERE mailbox = ?)",
                (number,),
            )
            connection.execute("DELETE FROM envelope WHERE mailbox = ?", (number,))
            connection.execute("DELETE FROM mailbox WHERE number = ?", (number,))
            return Kept()
        case Expired():
            connection.execute("UPDATE age SET minutes = ?", (note.minutes,))
            due = connection.execute(DUE, (note.minutes // 60, EXPIRED_AT_A_TIME)).fetchall()
            return Kept(removed=_remove(connection, [(box, each) for box, each, _, _ in due]))


def _add(connection: sqlite3.Connection, note: NewEnvelope) -> Kept:
    row = (note.mailbox.number, note.id, note.number, len(note.body), note.due_hour)
    if connection.execute(ADD_ENVELOPE, row).rowcount:
        connection.execute(ADD_BODY, (note.number, note.body))
        return Kept()
    same = connection.execute(SAME, (note.body, note.mailbox.number, note.id)).fetchone()
    return Kept(is_new=False, is_same=same is not None and bool(same[0]))


def _remove(
    connection: sqlite3.Connection, which: Sequence[tuple[int, bytes]]
) -> tuple[Removed, ...]:
    removed = []
    for mailbox, each in which:
        row = connection.execute(REMOVE_ENVELOPE, (mailbox, each)).fetchone()
        if row is not None:
            connection.execute(REMOVE_BODY, (row[0],))
            removed.append(Removed(mailbox, each, row[1]))
    return tuple(removed)
