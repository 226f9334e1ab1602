"""What a gateway keeps in SQLite: passwords, lists, subscriptions, history, letters."""

from __future__ import annotations

from typing import Final

from holdfast import delivery

SCHEMA: Final = (
    """
    CREATE TABLE i3_value (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE i3_router (
        name TEXT PRIMARY KEY,
        host TEXT NOT NULL,
        port INTEGER NOT NULL,
        place INTEGER NOT NULL,
        network TEXT NOT NULL,
        password INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE i3_mud (
        name TEXT PRIMARY KEY,
        row TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE i3_channel (
        name TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        type INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE i3_subscription (
        channel TEXT PRIMARY KEY,
        listen_only INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE i3_handed (
        id TEXT PRIMARY KEY,
        at_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE i3_line (
        id INTEGER PRIMARY KEY,
        channel TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        from_mud TEXT NOT NULL,
        from_user TEXT NOT NULL,
        visname TEXT NOT NULL,
        message TEXT NOT NULL
    );
    CREATE INDEX i3_line_channel ON i3_line (channel, id);
    """,
)

MIGRATIONS: Final = {**delivery.MIGRATIONS, "i3_gateway": SCHEMA}
"""Tables of a gateway, for a ``Database``."""
