"""Quizzes, events, seats and answers in SQLite: the statements, and how events are read back."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.apps.quiz.fair_time import LagAccount
from holdfast.apps.quiz.machine import Game, Given, Phase, Progress, Seat
from holdfast.apps.quiz.model import Question, Quiz, Timing

if TYPE_CHECKING:
    import sqlite3

MIGRATIONS: Final = (
    """
    CREATE TABLE quiz (
        id TEXT PRIMARY KEY,
        author BLOB,
        title TEXT NOT NULL,
        questions TEXT NOT NULL,
        changed_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX quiz_author ON quiz (author, changed_ms);
    CREATE TABLE quiz_event (
        id TEXT PRIMARY KEY,
        code TEXT NOT NULL UNIQUE,
        author BLOB NOT NULL,
        host_key BLOB NOT NULL,
        title TEXT NOT NULL,
        questions TEXT NOT NULL,
        timing TEXT NOT NULL,
        progress TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        alive_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE quiz_seat (
        id TEXT PRIMARY KEY,
        event TEXT NOT NULL REFERENCES quiz_event (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        name TEXT NOT NULL,
        folded TEXT NOT NULL,
        key BLOB NOT NULL,
        owner TEXT NOT NULL,
        is_removed INTEGER NOT NULL,
        quota_ms REAL NOT NULL,
        silence_ms REAL NOT NULL,
        UNIQUE (event, key),
        UNIQUE (event, folded)
    ) WITHOUT ROWID;
    CREATE TABLE quiz_answer (
        seat TEXT NOT NULL REFERENCES quiz_seat (id) ON DELETE CASCADE,
        question INTEGER NOT NULL,
        choices TEXT NOT NULL,
        effective_ms INTEGER NOT NULL,
        points INTEGER NOT NULL,
        is_right INTEGER NOT NULL,
        PRIMARY KEY (seat, question)
    ) WITHOUT ROWID;
    """,
)

PUT_QUIZ: Final = (
    "INSERT INTO quiz VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
    "SET title = excluded.title, questions = excluded.questions, changed_ms = excluded.changed_ms"
)
REMOVE_QUIZ: Final = "DELETE FROM quiz WHERE id = ?"
ADD_EVENT: Final = "INSERT INTO quiz_event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
SET_PROGRESS: Final = "UPDATE quiz_event SET progress = ?, alive_ms = ? WHERE id = ?"
SET_ALIVE: Final = "UPDATE quiz_event SET alive_ms = ? WHERE id = ?"
REMOVE_EVENT: Final = "DELETE FROM quiz_event WHERE id = ?"
ADD_SEAT: Final = "INSERT INTO quiz_seat VALUES (?, ?, ?, ?, ?, ?, '', 0, ?, ?)"
SET_OWNER: Final = "UPDATE quiz_seat SET owner = ? WHERE id = ?"
SET_REMOVED: Final = "UPDATE quiz_seat SET is_removed = 1 WHERE id = ?"
SET_ACCOUNT: Final = "UPDATE quiz_seat SET quota_ms = ?, silence_ms = ? WHERE id = ?"
ADD_ANSWER: Final = "INSERT INTO quiz_answer VALUES (?, ?, ?, ?, ?, ?)"


def key_hash(key: str) -> bytes:
    """Hash a secret of full entropy for the store."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


def progress_json(progress: Progress) -> str:
    """Write how far a game has come."""
    return msgspec.json.encode(asdict(progress)).decode()


def choices_json(choices: tuple[int, ...]) -> str:
    """Write which choices were taken."""
    return msgspec.json.encode(choices).decode()


def questions_json(questions: tuple[Question, ...]) -> str:
    """Write questions."""
    return msgspec.json.encode(questions).decode()


def read_questions(text: str) -> tuple[Question, ...]:
    """Read questions back."""
    return msgspec.json.decode(text, type=tuple[Question, ...])


@dataclass(slots=True)
class StoredSeat:
    """A seat with what only the service knows of it."""

    seat: Seat
    key: bytes
    folded: str
    owner: str


@dataclass(slots=True)
class StoredEvent:
    """An event as it was found."""

    id: str
    code: str
    author: bytes
    host_key: bytes
    title: str
    created_ms: int
    alive_ms: int
    game: Game
    seats: list[StoredSeat]


def load_events(connection: sqlite3.Connection) -> list[StoredEvent]:
    """Read all events back."""
    events: dict[str, StoredEvent] = {}
    for row in connection.execute(
        "SELECT id, code, author, host_key, title, questions, timing, progress, created_ms, "
        "alive_ms FROM quiz_event"
    ):
        progress = msgspec.json.decode(row[7], type=Progress)
        progress.phase = Phase(progress.phase)
        game = Game(read_questions(row[5]), Timing(row[6]), progress)
        events[row[0]] = StoredEvent(
            row[0], row[1], row[2], row[3], row[4], row[8], row[9], game, []
        )
    by_seat: dict[str, Seat] = {}
    for row in connection.execute(
        "SELECT id, event, name, folded, key, owner, is_removed, quota_ms, silence_ms "
        "FROM quiz_seat ORDER BY event, number"
    ):
        seat = Seat(row[0], row[2], is_removed=bool(row[6]), account=LagAccount(row[7], row[8]))
        by_seat[seat.id] = seat
        event = events[row[1]]
        event.game.admit(seat)
        event.seats.append(StoredSeat(seat, row[4], row[3], row[5]))
    for seat_id, question, choices, effective, points, is_right in connection.execute(
        "SELECT seat, question, choices, effective_ms, points, is_right FROM quiz_answer"
    ):
        taken = tuple(msgspec.json.decode(choices, type=list[int]))
        by_seat[seat_id].answers[question] = Given(taken, effective, points, bool(is_right))
    return list(events.values())


def list_quizzes(connection: sqlite3.Connection, author: bytes) -> list[Quiz]:
    """Read the sample and what this author wrote, newest first."""
    rows = connection.execute(
        "SELECT id, author IS NULL, title, questions FROM quiz "
        "WHERE author = ? OR author IS NULL ORDER BY author IS NULL, changed_ms DESC",
        (author,),
    )
    return [
        Quiz(quiz_id, title, bool(is_sample), read_questions(questions))
        for quiz_id, is_sample, title, questions in rows
    ]


def find_quiz(connection: sqlite3.Connection, quiz_id: str, author: bytes) -> Quiz | None:
    """Read one quiz that this author may see."""
    row = connection.execute(
        "SELECT author IS NULL, title, questions FROM quiz "
        "WHERE id = ? AND (author = ? OR author IS NULL)",
        (quiz_id, author),
    ).fetchone()
    return None if row is None else Quiz(quiz_id, row[1], bool(row[0]), read_questions(row[2]))


def count_quizzes(connection: sqlite3.Connection, author: bytes) -> int:
    """Count what this author wrote."""
    query = "SELECT count(*) FROM quiz WHERE author = ?"
    return int(connection.execute(query, (author,)).fetchone()[0])


def has_sample(connection: sqlite3.Connection) -> bool:
    """Say whether a sample is there."""
    query = "SELECT 1 FROM quiz WHERE author IS NULL LIMIT 1"
    return connection.execute(query).fetchone() is not None
