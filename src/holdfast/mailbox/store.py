"""Where a gateway keeps mailboxes and envelopes: its own age but no dates, no addresses, no senders.

An envelope is a small row in the order of its mailbox, which counting and looking for ids go by, and a body in the
order in which bodies came, which is the cheapest to append. What is deleted is overwritten (``secure_delete``).

Envelopes are written and deleted many in one statement: between two statements this thread gives way to the one that
talks to clients, which has enough to do to keep it waiting.
"""

from __future__ import annotations

from functools import cache
from itertools import groupby
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
    from collections.abc import Iterator, Sequence

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

AT_ONCE: Final = (128, 16, 4, 1)
"""Rows of one statement; few sizes, so that statements are prepared once."""

ADD_MAILBOX: Final = (
    "INSERT INTO mailbox (number, public, address, token, seen_day) VALUES (?, ?, ?, ?, ?)"
)
ADD_ENVELOPES: Final = (
    "INSERT OR IGNORE INTO envelope (mailbox, id, number, size, due_hour) VALUES ",
    "(?, ?, ?, ?, ?)",
)
ADD_BODIES: Final = "INSERT INTO body (number, bytes) VALUES ", "(?, ?)"
NUMBER: Final = "SELECT number FROM envelope WHERE mailbox = ? AND id = ?"
SAME: Final = "SELECT bytes = ? FROM envelope JOIN body USING (number) WHERE mailbox = ? AND id = ?"
REMOVE_ENVELOPES: Final = "DELETE FROM envelope WHERE mailbox = ? AND id IN "
RETURNING: Final = " RETURNING id, number, size"
REMOVE_BODIES: Final = "DELETE FROM body WHERE number IN "
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
    return database.submit(lambda connection: _written(connection, notes))


async def fetch(database: Database, asked: Fetch) -> list[Row]:
    """Read envelopes for a reader; raises StorageError."""
    rows = await database.fetch_all(FETCH, (asked.mailbox.number, asked.after, asked.most))
    return [Row(*row) for row in rows]  # type: ignore[arg-type]


def _written(connection: sqlite3.Connection, notes: Sequence[Note]) -> list[Kept]:
    kept: list[Kept] = []
    for kind, run in groupby(notes, type):
        if kind is NewEnvelope:
            kept += _added(connection, [note for note in run if isinstance(note, NewEnvelope)])
        else:
            kept += [_write(connection, note) for note in run]
    return kept


def _write(connection: sqlite3.Connection, note: Note) -> Kept:
    match note:
        case NewEnvelope():
            return _added(connection, [note])[0]
        case Acknowledged():
            return Kept(removed=_remove(connection, note.mailbox.number, note.ids))
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
            removed: list[Removed] = []
            for box, rows in groupby(sorted(due), lambda row: row[0]):
                removed += _remove(connection, box, [row[1] for row in rows])
            return Kept(removed=tuple(removed))


def _added(connection: sqlite3.Connection, notes: Sequence[NewEnvelope]) -> list[Kept]:
    rows = [
        (note.mailbox.number, note.id, note.number, len(note.body), note.due_hour) for note in notes
    ]
    count = sum(
        connection.execute(_values(*ADD_ENVELOPES, len(part)), _flat(part)).rowcount
        for part in _parts(rows)
    )
    fresh = list(notes)
    if count < len(notes):  # some ids were there: those that carry our number are ours
        found = (connection.execute(NUMBER, row[:2]).fetchone() for row in rows)
        fresh = [note for note, row in zip(notes, found, strict=True) if row == (note.number,)]
    for part in _parts([(note.number, note.body) for note in fresh]):
        connection.execute(_values(*ADD_BODIES, len(part)), _flat(part))
    if len(fresh) == len(notes):
        return [Kept()] * len(notes)
    numbers = {note.number for note in fresh}
    return [Kept() if note.number in numbers else _known(connection, note) for note in notes]


def _known(connection: sqlite3.Connection, note: NewEnvelope) -> Kept:
    """An id was there before: say whether the envelope is the same."""
    same = connection.execute(SAME, (note.body, note.mailbox.number, note.id)).fetchone()
    return Kept(is_new=False, is_same=same is not None and bool(same[0]))


def _remove(
    connection: sqlite3.Connection, mailbox: int, ids: Sequence[bytes]
) -> tuple[Removed, ...]:
    removed: list[Removed] = []
    for part in _parts([(each,) for each in ids]):
        sql = _values(REMOVE_ENVELOPES, "?", len(part), RETURNING)
        rows = connection.execute(sql, (mailbox, *_flat(part))).fetchall()
        removed += (Removed(mailbox, each, size) for each, _, size in rows)
        for numbers in _parts([(number,) for _, number, _ in rows]):
            connection.execute(_values(REMOVE_BODIES, "?", len(numbers)), _flat(numbers))
    return tuple(removed)


def _parts(rows: Sequence[tuple[object, ...]]) -> Iterator[Sequence[tuple[object, ...]]]:
    """Cut rows into parts of the sizes that statements have."""
    start = 0
    for size in AT_ONCE:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def _flat(rows: Sequence[tuple[object, ...]]) -> list[object]:
    return [value for row in rows for value in row]


@cache
def _values(head: str, marks: str, count: int, tail: str = "") -> str:
    """Write a statement about so many rows, or values in a list."""
    listed = ", ".join([marks] * count)
    return f"{head}({listed}){tail}" if marks == "?" else f"{head}{listed}{tail}"
