"""Tables of the client API: keys, events, and what each key was sent."""

from __future__ import annotations

from typing import Final

MIGRATIONS: Final = (
    """
    CREATE TABLE i3_key (
        name TEXT PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        permissions TEXT NOT NULL,
        rates TEXT NOT NULL,
        created_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE i3_event (
        id INTEGER PRIMARY KEY,
        method TEXT NOT NULL,
        text BLOB NOT NULL
    );
    CREATE TABLE i3_event_floor (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id INTEGER NOT NULL
    );
    INSERT INTO i3_event_floor VALUES (1, 0);
    CREATE TABLE i3_reader (
        name TEXT PRIMARY KEY,
        sent INTEGER NOT NULL
    ) WITHOUT ROWID;
    """,
)
"""Each runs once, in order."""
