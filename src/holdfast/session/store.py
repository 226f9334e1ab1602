"""Sessions and channel logs in SQLite: the statements, and how all is read back."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.session.record import Session, StreamState
from holdfast.session.token import TokenState

if TYPE_CHECKING:
    import sqlite3

MIGRATIONS: Final = (
    """
    CREATE TABLE session (
        id TEXT PRIMARY KEY,
        principal TEXT NOT NULL,
        token BLOB NOT NULL,
        token_following BLOB,
        last_heard_ms INTEGER NOT NULL,
        is_connected INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE session_stream (
        session TEXT NOT NULL,
        stream TEXT NOT NULL,
        seq INTEGER NOT NULL,
        used_ms INTEGER NOT NULL,
        PRIMARY KEY (session, stream)
    ) WITHOUT ROWID;
    CREATE TABLE session_channel (
        session TEXT NOT NULL,
        channel TEXT NOT NULL,
        PRIMARY KEY (session, channel)
    ) WITHOUT ROWID;
    CREATE TABLE channel (
        name TEXT PRIMARY KEY,
        epoch TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE channel_event (
        channel TEXT NOT NULL,
        number INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (channel, number)
    ) WITHOUT ROWID;
    """,
)

ADD_SESSION: Final = "INSERT INTO session VALUES (?, ?, ?, ?, ?, 1)"
SET_TOKENS: Final = (
    "UPDATE session SET token = ?, token_following = ?, last_heard_ms = ?, is_connected = 1 "
    "WHERE id = ?"
)
CONFIRM_TOKEN: Final = "UPDATE session SET token = ?, token_following = NULL WHERE id = ?"  # noqa: S105 - SQL
SET_AWAY: Final = "UPDATE session SET last_heard_ms = ?, is_connected = 0 WHERE id = ?"
SET_STREAM: Final = (
    "INSERT INTO session_stream VALUES (?, ?, ?, ?) "
    "ON CONFLICT (session, stream) DO UPDATE SET seq = excluded.seq, used_ms = excluded.used_ms"
)
REMOVE_STREAM: Final = "DELETE FROM session_stream WHERE session = ? AND stream = ?"
ADD_MEMBER: Final = "INSERT OR IGNORE INTO session_channel VALUES (?, ?)"
REMOVE_MEMBER: Final = "DELETE FROM session_channel WHERE session = ? AND channel = ?"
ADD_CHANNEL: Final = "INSERT INTO channel VALUES (?, ?)"
ADD_EVENT: Final = "INSERT INTO channel_event VALUES (?, ?, ?)"
TRIM_EVENTS: Final = "DELETE FROM channel_event WHERE channel = ? AND number < ?"
REMOVE_SESSION: Final = (
    "DELETE FROM session WHERE id = ?",
    "DELETE FROM session_stream WHERE session = ?",
    "DELETE FROM session_channel WHERE session = ?",
    "DELETE FROM channel WHERE name = '@' || ?",
    "DELETE FROM channel_event WHERE channel = '@' || ?",
)
REMOVE_CHANNEL: Final = (
    "DELETE FROM channel WHERE name = ?",
    "DELETE FROM channel_event WHERE channel = ?",
    "DELETE FROM session_channel WHERE channel = ?",
)


@dataclass(slots=True)
class StoredChannel:
    """A channel as it was found."""

    name: str
    epoch: str
    events: list[tuple[int, bytes]]


@dataclass(slots=True)
class Stored:
    """Everything the hub had committed.

    Attributes:
        sessions: each with the names of its channels and whether it was connected.
        channels: personal ones under ``@<session id>``.
    """

    sessions: list[tuple[Session, list[str], bool]]
    channels: dict[str, StoredChannel]


def load(connection: sqlite3.Connection) -> Stored:
    """Read everything back, to start from it."""
    channels = {
        name: StoredChannel(name, epoch, [])
        for name, epoch in connection.execute("SELECT name, epoch FROM channel")
    }
    for name, number, data in connection.execute(
        "SELECT channel, number, data FROM channel_event ORDER BY channel, number"
    ):
        channels[name].events.append((number, data))
    streams: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for session_id, stream, seq in connection.execute(
        "SELECT session, stream, seq FROM session_stream ORDER BY used_ms"
    ):
        streams[session_id].append((stream, seq))
    joined: dict[str, list[str]] = defaultdict(list)
    for session_id, channel in connection.execute("SELECT session, channel FROM session_channel"):
        joined[session_id].append(channel)
    sessions = []
    for session_id, principal, token, following, heard, is_connected in connection.execute(
        "SELECT id, principal, token, token_following, last_heard_ms, is_connected FROM session"
    ):
        own = channels[f"@{session_id}"]
        session = Session(session_id, own.epoch, TokenState(token, following), heard)
        session.principal = principal
        for stream, seq in streams[session_id]:
            session.streams[stream] = StreamState(seq, seq)
        sessions.append((session, joined[session_id], bool(is_connected)))
    return Stored(sessions, channels)
