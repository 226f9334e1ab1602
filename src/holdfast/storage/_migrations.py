"""Tables are built by scripts that run once each, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.errors import StorageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence


def migrate(connection: sqlite3.Connection, migrations: Mapping[str, Sequence[str]]) -> None:
    """Run each script that this file has not seen, each in a transaction.

    Args:
        connection: with ``isolation_level=None``.
        migrations: for each name the scripts in order; the program's own, they are not escaped.

    Raises:
        StorageError: 8001; a newer version of the program has written the file.
        sqlite3.Error: a script failed; those before it are kept.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, version INTEGER NOT NULL)"
    )
    for name, scripts in migrations.items():
        row = connection.execute("SELECT version FROM migration WHERE name = ?", (name,)).fetchone()
        version = 0 if row is None else int(row[0])
        if version > len(scripts):
            raise StorageError(
                f"The file was written by a newer version: {name} is at {version}, "
                f"this program knows {len(scripts)}."
            )
        for number, script in enumerate(scripts[version:], start=version + 1):
            # Names and scripts are the program's own; executescript takes no parameters.
            connection.executescript(
                f"BEGIN; {script}; INSERT INTO migration VALUES ('{name}', {number}) "  # noqa: S608
                f"ON CONFLICT (name) DO UPDATE SET version = {number}; COMMIT;"
            )
