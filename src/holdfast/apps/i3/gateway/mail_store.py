"""Letters in SQLite: each once, however many here have it, and a box for each user. Statements and their reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from holdfast.apps.i3 import limits
from holdfast.apps.i3.gateway.model import Letter, LetterRow, Recipient

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from holdfast.apps.i3.gateway.letter import Arrived

TABLES: Final = """
    CREATE TABLE i3_letter (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        mud TEXT NOT NULL,
        number TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        written_at INTEGER NOT NULL,
        from_user TEXT NOT NULL,
        to_users BLOB NOT NULL,
        cc_users BLOB NOT NULL,
        subject TEXT NOT NULL,
        body TEXT NOT NULL,
        body_size INTEGER NOT NULL,
        failed BLOB NOT NULL,
        size INTEGER NOT NULL
    );
    CREATE INDEX i3_letter_source ON i3_letter (mud, number);
    CREATE TABLE i3_letter_box (
        user TEXT NOT NULL,
        letter INTEGER NOT NULL,
        PRIMARY KEY (user, letter)
    ) WITHOUT ROWID;
    CREATE INDEX i3_letter_box_letter ON i3_letter_box (letter);
    CREATE TABLE i3_letter_total (
        mud TEXT PRIMARY KEY,
        bytes INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TRIGGER i3_letter_added AFTER INSERT ON i3_letter BEGIN
        INSERT INTO i3_letter_total VALUES (new.mud, new.size)
            ON CONFLICT (mud) DO UPDATE SET bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER i3_letter_removed AFTER DELETE ON i3_letter BEGIN
        UPDATE i3_letter_total SET bytes = bytes - old.size WHERE mud = old.mud;
        DELETE FROM i3_letter_total WHERE mud = old.mud AND bytes <= 0;
    END;
"""

ADD: Final = (
    "INSERT INTO i3_letter (mud, number, at_ms, written_at, from_user, to_users, cc_users, subject, body,"
    " body_size, failed, size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ADD_TO_BOX: Final = "INSERT INTO i3_letter_box VALUES (?, ?)"
IN_BOX: Final = "SELECT count(*) FROM i3_letter_box WHERE user = ?"
KEPT: Final = "SELECT coalesce(sum(bytes), 0), coalesce(sum(bytes) FILTER (WHERE mud = ?), 0) FROM i3_letter_total"
FAILED: Final = "SELECT failed FROM i3_letter WHERE mud = ? AND number = ? ORDER BY id DESC LIMIT 1"
BOX: Final = (
    "SELECT id, mud, from_user, subject, at_ms, body_size FROM i3_letter_box JOIN i3_letter ON id = letter"
    " WHERE user = ? AND letter > ? ORDER BY letter LIMIT ?"
)
LETTER: Final = (
    "SELECT id, mud, from_user, subject, at_ms, body_size, to_users, cc_users, written_at, body"
    " FROM i3_letter WHERE id = ?"
)
USERS: Final = "SELECT user FROM i3_letter_box WHERE letter = ? ORDER BY user"
TAKE_OUT: Final = "DELETE FROM i3_letter_box WHERE letter = ? AND (? = '' OR user = ?)"
BURN: Final = (
    "DELETE FROM i3_letter WHERE id = ?1 AND NOT EXISTS"
    " (SELECT 1 FROM i3_letter_box WHERE letter = ?1)"
)
NUMBER: Final = "SELECT value FROM i3_value WHERE name = 'mail_number'"
SET_NUMBER: Final = (
    "INSERT INTO i3_value VALUES ('mail_number', ?)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
WAITING: Final = "SELECT destination, count(*) FROM outbox WHERE substr(destination, 1, ?2) = ?1 GROUP BY destination"
GIVEN_UP: Final = (
    "SELECT DISTINCT destination FROM outbox_dead WHERE substr(destination, 1, ?2) = ?1"
)

_RECIPIENTS: Final = msgspec.json.Decoder(tuple[Recipient, ...])
_NAMES: Final = msgspec.json.Decoder(tuple[str, ...])


class Stored(NamedTuple):
    """What became of a letter.

    Attributes:
        id: here, 0 where nobody has it.
        users: who has it.
        failed: who has not.
    """

    id: int
    users: tuple[str, ...]
    failed: tuple[str, ...]


def add(
    connection: sqlite3.Connection, letter: Arrived, *, known: frozenset[str], at_ms: int
) -> Stored:
    """Put a letter into the boxes of those for whom it is, as far as there is room.

    Args:
        connection: within a transaction.
        letter: that came.
        known: users who have a box; empty: whoever is written to.
        at_ms: now.
    """
    everything, of_mud = connection.execute(KEPT, (letter.mud,)).fetchone()
    has_room = (
        everything + letter.size <= limits.MAIL_BYTES_MAX
        and of_mud + letter.size <= limits.MAIL_PER_MUD_BYTES_MAX
    )
    users = tuple(
        user
        for user in letter.users
        if has_room and (not known or user in known) and _has_room(connection, user)
    )
    failed = (*(user for user in letter.users if user not in users), *letter.refused)
    if not users:
        return Stored(0, (), failed)
    encode = msgspec.json.encode
    size = len(letter.body.encode("utf-8", "replace"))
    row = (
        letter.mud, letter.number, at_ms, letter.time, letter.from_user, encode(letter.to), encode(letter.cc),
        letter.subject, letter.body, size, encode(failed), letter.size,
    )  # fmt: skip
    id_ = connection.execute(ADD, row).lastrowid
    assert id_ is not None, "a row was added"
    connection.executemany(ADD_TO_BOX, [(user, id_) for user in users])
    return Stored(id_, users, failed)


def _has_room(connection: sqlite3.Connection, user: str) -> bool:
    count: int = connection.execute(IN_BOX, (user,)).fetchone()[0]
    return count < limits.MAIL_PER_USER_MAX


def failed(connection: sqlite3.Connection, mud: str, number: str) -> tuple[str, ...]:
    """Return who did not get a letter that came before; nobody, when it is not kept any more."""
    found = connection.execute(FAILED, (mud, number)).fetchone()
    return () if found is None else _NAMES.decode(found[0])


def box(connection: sqlite3.Connection, user: str, after: int, limit: int) -> tuple[LetterRow, ...]:
    """List a user's letters, oldest first."""
    return tuple(_row(row) for row in connection.execute(BOX, (user, after, limit)))


def letter(connection: sqlite3.Connection, id_: int) -> Letter | None:
    """Read a letter; None when there is none of that number."""
    row = connection.execute(LETTER, (id_,)).fetchone()
    if row is None:
        return None
    return Letter(
        row=_row(row),
        to=_RECIPIENTS.decode(row[6]),
        cc=_RECIPIENTS.decode(row[7]),
        written_at=row[8],
        users=tuple(user for (user,) in connection.execute(USERS, (id_,))),
        body=row[9],
    )


def remove(connection: sqlite3.Connection, id_: int, user: str) -> int:
    """Take a letter out of a user's box, or out of all (user empty); return out of how many. The last one burns it."""
    count = connection.execute(TAKE_OUT, (id_, user, user)).rowcount
    connection.execute(BURN, (id_,))
    return count


def next_number(connection: sqlite3.Connection, now: int) -> int:
    """Draw the number of a letter from here: one more than the last, and the second of the first one at least.

    So a gateway that has lost its disk does not give numbers that others know already, whose letters they would
    take for those.
    """
    found = connection.execute(NUMBER).fetchone()
    number = max(now, int(found[0]) + 1 if found else 0)
    connection.execute(SET_NUMBER, (str(number),))
    return number


def counts(rows: Iterable[tuple[object, ...]]) -> dict[str, int]:
    """Read what waits for each destination."""
    return {str(row[0]): row[1] for row in rows if isinstance(row[1], int)}


def _row(row: tuple[Any, ...]) -> LetterRow:
    id_, mud, user, subject, at_ms, size, *_ = row
    return LetterRow(
        id=id_, from_mud=mud, from_user=user, subject=subject, at=at_ms / 1000, size=size
    )
