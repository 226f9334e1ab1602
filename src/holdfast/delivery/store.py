"""The outbox in SQLite: tables, statements, and rows as messages.

Three tables, so that what waits is never searched among what is done: ``outbox`` (waiting or being sent),
``outbox_delivered`` (a bounded memory of what arrived), ``outbox_dead`` (dead letters). Being sent is not
stored: a data directory has one process, and who leaves it leaves nothing being sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from holdfast.delivery.message import Change, DeadLetter, DeliveryState, Message, Tracked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from holdfast.delivery.lanes import LaneKey

ATTEMPTS_KEPT: Final = 20
"""Failed attempts of a message whose errors are remembered."""

REASON_MAX: Final = 500
"""Characters of an error that are kept."""

MIGRATIONS: Final = (
    """
    CREATE TABLE outbox (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        destination TEXT NOT NULL,
        body BLOB NOT NULL,
        priority INTEGER NOT NULL,
        ordered INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        due_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        faults INTEGER NOT NULL,
        crashes INTEGER NOT NULL,
        ready INTEGER NOT NULL,
        reason TEXT
    );
    CREATE INDEX outbox_lane ON outbox (destination, ordered, priority DESC, number) WHERE ready = 1;
    CREATE INDEX outbox_due ON outbox (due_ms) WHERE ready = 0;
    CREATE INDEX outbox_expiry ON outbox (expires_ms);
    CREATE TABLE outbox_attempt (
        number INTEGER NOT NULL,
        place INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (number, place)
    ) WITHOUT ROWID;
    CREATE TABLE outbox_delivered (
        place INTEGER PRIMARY KEY,
        number INTEGER NOT NULL,
        id TEXT NOT NULL,
        destination TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        finished_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL
    );
    CREATE INDEX outbox_delivered_id ON outbox_delivered (id);
    CREATE TABLE outbox_dead (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        destination TEXT NOT NULL,
        body BLOB NOT NULL,
        priority INTEGER NOT NULL,
        ordered INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        due_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        faults INTEGER NOT NULL,
        crashes INTEGER NOT NULL,
        ready INTEGER NOT NULL,
        reason TEXT,
        state TEXT NOT NULL,
        finished_ms INTEGER NOT NULL
    );
    CREATE INDEX outbox_dead_time ON outbox_dead (finished_ms);
    CREATE TABLE outbox_run (only INTEGER PRIMARY KEY CHECK (only = 1), started_ms INTEGER NOT NULL);
    """,
)

_COLUMNS: Final = (
    "number, id, destination, body, priority, ordered, created_ms, due_ms, expires_ms, "
    "attempts, faults, crashes"
)
ADD: Final = "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, NULL)"
KNOWS: Final = (
    "SELECT 1 FROM outbox WHERE id = :id UNION ALL SELECT 1 FROM outbox_delivered WHERE id = :id "
    "UNION ALL SELECT 1 FROM outbox_dead WHERE id = :id LIMIT 1"
)
REMOVE: Final = "DELETE FROM outbox WHERE number = ?"
ADD_DELIVERED: Final = (
    "INSERT INTO outbox_delivered (number, id, destination, created_ms, finished_ms, attempts) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
LANE: Final = (
    f"SELECT {_COLUMNS} FROM outbox INDEXED BY outbox_lane "
    "WHERE ready = 1 AND destination = ? AND ordered = ? "
    "ORDER BY priority DESC, number LIMIT ?"
)
NEXT_LANE: Final = (
    "SELECT destination, ordered FROM outbox INDEXED BY outbox_lane "
    "WHERE ready = 1 AND (destination, ordered) > (?, ?) ORDER BY destination, ordered LIMIT 1"
)
BODY: Final = "SELECT body FROM outbox WHERE number = ?"
NEXT_DUE: Final = "SELECT min(due_ms) FROM outbox WHERE ready = 0"
NEXT_EXPIRY: Final = "SELECT min(expires_ms) FROM outbox"
OLDEST: Final = "SELECT created_ms FROM outbox ORDER BY number LIMIT 1"
PROMOTE: Final = (
    "UPDATE outbox SET ready = 1 WHERE number IN (SELECT number FROM outbox WHERE ready = 0 AND due_ms <= ? "
    f"ORDER BY due_ms LIMIT ?) RETURNING {_COLUMNS}"
)
POSTPONE: Final = (
    "UPDATE outbox SET attempts = ?, faults = ?, crashes = 0, due_ms = ?, ready = ?, reason = ? "
    "WHERE number = ?"
)
TRIED: Final = "UPDATE outbox SET attempts = ?, crashes = 0, reason = ? WHERE number = ?"
MAY_CRASH: Final = "UPDATE outbox SET crashes = crashes + 1 WHERE number = ?"
NEVER_MS: Final = 1 << 62
"""When a message expires that its owner has begun: it may have been handled, so only an answer ends it."""

_FED: Final = (
    f"SELECT {_COLUMNS} FROM outbox INDEXED BY outbox_lane "
    "WHERE ready = 1 AND destination = ? AND ordered = 1 AND priority = 0 "
    "AND expires_ms {} ORDER BY number LIMIT ?"
)
FOLLOWING: Final = _FED.format(f"< {NEVER_MS}")
BEGUN: Final = _FED.format(f"= {NEVER_MS}")
BEGIN: Final = "UPDATE outbox SET expires_ms = ? WHERE number = ?"
ADD_ATTEMPT: Final = "INSERT OR REPLACE INTO outbox_attempt VALUES (?, ?, ?, ?, ?)"
BEGIN_RUN: Final = "INSERT INTO outbox_run VALUES (1, ?)"
END_RUN: Final = "DELETE FROM outbox_run"


def message_of(row: Sequence[object]) -> Message:
    """Read the columns of a message."""
    number, id_, destination, body, priority, ordered, created, due, expires, *counts = row
    return Message(  # the types are the columns'
        cast("int", number),
        cast("str", id_),
        cast("str", destination),
        cast("bytes", body),
        cast("int", priority),
        bool(ordered),
        cast("int", created),
        cast("int", due),
        cast("int", expires),
        *cast("list[int]", counts),
    )


def row_of(message: Message, *, is_due: bool) -> tuple[object, ...]:
    """Write a new message as the parameters of ``ADD``."""
    return (
        message.number,
        message.id,
        message.destination,
        message.body,
        message.priority,
        message.ordered,
        message.created_ms,
        message.due_ms,
        message.expires_ms,
        is_due or message.ordered,
    )


class Beginning:
    """What an outbox finds when it starts."""

    def __init__(self, connection: sqlite3.Connection, now_ms: int) -> None:
        one = connection.execute
        self.queued: int = one("SELECT count(*) FROM outbox").fetchone()[0]
        self.dead: int = one("SELECT count(*) FROM outbox_dead").fetchone()[0]
        self.delivered: int = one("SELECT count(*) FROM outbox_delivered").fetchone()[0]
        self.last_number: int = max(
            one(f"SELECT ifnull(max({column}), 0) FROM {table}").fetchone()[0]
            for table, column in (("outbox", "number"), ("outbox_dead", "number"))
        )
        delivered = one(
            "SELECT number, finished_ms FROM outbox_delivered ORDER BY place DESC LIMIT 1000"
        ).fetchall()
        newest = one("SELECT created_ms FROM outbox ORDER BY number DESC LIMIT 1").fetchone()
        died = one("SELECT ifnull(max(finished_ms), 0) FROM outbox_dead").fetchone()[0]
        began = one("SELECT started_ms FROM outbox_run").fetchone()
        self.has_crashed = began is not None
        self.last_number = max([self.last_number, *(row[0] for row in delivered)])
        self.latest_ms: int = max(
            died,
            newest[0] if newest else 0,
            began[0] if began else 0,
            *(row[1] for row in delivered[:1]),
            0,
        )
        one(END_RUN)
        one(BEGIN_RUN, (max(now_ms, self.latest_ms),))


def bury(
    connection: sqlite3.Connection,
    number: int,
    state: DeliveryState,
    reason: str | None,
    now_ms: int,
) -> None:
    """Move a message to the dead letters; harmless when it is not there."""
    connection.execute(
        f"INSERT OR REPLACE INTO outbox_dead SELECT {_COLUMNS}, ready, ifnull(?, reason), ?, ? "
        "FROM outbox WHERE number = ?",
        (reason, state.value, now_ms, number),
    )
    connection.execute(REMOVE, (number,))


def expire(
    connection: sqlite3.Connection, now_ms: int, busy: frozenset[int], count: int
) -> list[Message]:
    """Move up to ``count`` messages whose time is over to the dead letters, and return them."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM outbox WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?",
        (now_ms, count + len(busy)),
    ).fetchall()
    over = [message_of(row) for row in rows if row[0] not in busy][:count]
    for message in over:
        bury(connection, message.number, DeliveryState.EXPIRED, None, now_ms)
    return over


def resend(connection: sqlite3.Connection, number: int, fresh: Message) -> Message | None:
    """Queue a dead letter anew, with another number and its old id; None when it is not there."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM outbox_dead WHERE number = ?",
        (number,),
    ).fetchone()
    if row is None:
        return None
    dead = message_of(row)
    again = Message(
        fresh.number, dead.id, dead.destination, dead.body, dead.priority, dead.ordered,
        fresh.created_ms, 0, fresh.expires_ms,
    )  # fmt: skip
    forget(connection, [number])
    connection.execute(ADD, row_of(again, is_due=True))
    return again


def forget(connection: sqlite3.Connection, numbers: Iterable[int]) -> int:
    """Delete dead letters with their history; return how many there were."""
    count = 0
    for number in numbers:
        count += connection.execute("DELETE FROM outbox_dead WHERE number = ?", (number,)).rowcount
        connection.execute("DELETE FROM outbox_attempt WHERE number = ?", (number,))
    return count


def dead_letters(
    connection: sqlite3.Connection,
    *,
    destination: str | None,
    ids: Sequence[str] | None,
    limit: int,
) -> list[DeadLetter]:
    """List dead letters, oldest first."""
    wanted: list[object] = []
    where = "1 = 1"
    if destination is not None:
        where += " AND destination = ?"
        wanted.append(destination)
    if ids is not None:
        where += f" AND id IN ({', '.join('?' * len(ids))})"
        wanted += ids
    rows = connection.execute(
        f"SELECT {_COLUMNS}, state, reason, finished_ms FROM outbox_dead "
        f"WHERE {where} ORDER BY finished_ms, number LIMIT ?",
        (*wanted, limit),
    )
    return [
        DeadLetter(
            message_of(row[:12]),
            DeliveryState(row[12]),
            row[13] or "its time was over",
            row[14] / 1000,
        )
        for row in rows
    ]


def sweep(
    connection: sqlite3.Connection, *, older_than_ms: int, delivered_max: int, dead_max: int
) -> tuple[int, int, int | None]:
    """Forget a part of what is too old or too many.

    Returns:
        How many delivered and how many dead were forgotten, and when the oldest delivered one was finished.
    """
    count: int = connection.execute("SELECT count(*) FROM outbox_delivered").fetchone()[0]
    rows = connection.execute(
        "SELECT place, number, attempts, finished_ms FROM outbox_delivered ORDER BY place LIMIT ?",
        (SWEEP_MAX,),
    ).fetchall()
    gone = [
        row
        for index, row in enumerate(rows)
        if row[3] < older_than_ms or index < count - delivered_max
    ]
    connection.executemany(
        "DELETE FROM outbox_delivered WHERE place = ?", [row[:1] for row in gone]
    )
    connection.executemany(
        "DELETE FROM outbox_attempt WHERE number = ?", [row[1:2] for row in gone if row[2]]
    )
    oldest_ms = connection.execute(
        "SELECT finished_ms FROM outbox_delivered ORDER BY place LIMIT 1"
    ).fetchone()
    left_ms: int | None = None if oldest_ms is None else oldest_ms[0]
    dead: int = connection.execute("SELECT count(*) FROM outbox_dead").fetchone()[0]
    if dead <= dead_max:
        return len(gone), 0, left_ms
    oldest = connection.execute(
        "SELECT number FROM outbox_dead ORDER BY finished_ms, number LIMIT ?",
        (min(SWEEP_MAX, dead - dead_max),),
    ).fetchall()
    return len(gone), forget(connection, [row[0] for row in oldest]), left_ms


SWEEP_MAX: Final = 1000
"""Rows that are forgotten in one transaction."""


def tracked(connection: sqlite3.Connection, id_: str) -> tuple[int, Tracked] | None:
    """Return the number of a message and all that is stored of it; None when it is not known."""
    queued, delivered = DeliveryState.QUEUED, DeliveryState.DELIVERED
    for sql in (
        f"SELECT number, destination, created_ms, attempts, reason, '{queued}', created_ms FROM outbox",
        f"SELECT number, destination, created_ms, attempts, NULL, '{delivered}', finished_ms FROM outbox_delivered",
        "SELECT number, destination, created_ms, attempts, reason, state, finished_ms FROM outbox_dead",
    ):
        row = connection.execute(f"{sql} WHERE id = ? ORDER BY number DESC", (id_,)).fetchone()
        if row is not None:
            break
    else:
        return None
    number, destination, created_ms, attempts, reason, state, at_ms = row
    tries = connection.execute(
        "SELECT at_ms, attempts, reason FROM outbox_attempt WHERE number = ? ORDER BY attempts",
        (number,),
    ).fetchall()
    history = [Change(id_, destination, queued, created_ms / 1000, 0)]
    history += [Change(id_, destination, queued, at / 1000, tried, why) for at, tried, why in tries]
    now = history[-1]
    if DeliveryState(state).is_final:
        now = Change(id_, destination, DeliveryState(state), at_ms / 1000, attempts, reason)
        history.append(now)
    return number, Tracked(now, created_ms / 1000, tuple(history))


def next_lanes(
    connection: sqlite3.Connection, after: LaneKey, count: int
) -> list[tuple[str, bool]]:
    """Return up to ``count`` lanes with messages, in order, after the one given."""
    found: list[tuple[str, bool]] = []
    at: tuple[str, int] = (after.destination, after.ordered)
    while len(found) < count:
        row = connection.execute(NEXT_LANE, at).fetchone()
        if row is None:
            break
        at = row
        found.append((row[0], bool(row[1])))
    return found
