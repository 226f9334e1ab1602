"""What a gateway keeps in SQLite: passwords, lists, subscriptions, history. Statements, and how they are read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast import delivery
from holdfast.apps.i3.gateway import mail_store, news_store
from holdfast.apps.i3.gateway.model import Channel, Line, Mud
from holdfast.apps.i3.gateway.routers import Known
from holdfast.apps.i3.gateway.settings import RouterAddress

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

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
        row BLOB NOT NULL
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
        at_ms INTEGER NOT NULL,
        frame BLOB NOT NULL
    );
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
    mail_store.TABLES + news_store.TABLES,
)

MIGRATIONS: Final = {**delivery.MIGRATIONS, "i3_gateway": SCHEMA}
"""Tables of a gateway, for a ``Database``."""

SUBSCRIBE: Final = (
    "INSERT INTO i3_subscription VALUES (?, ?) "
    "ON CONFLICT (channel) DO UPDATE SET listen_only = excluded.listen_only"
)
UNSUBSCRIBE: Final = "DELETE FROM i3_subscription WHERE channel = ?"
HAND: Final = "INSERT INTO i3_handed VALUES (?, ?, ?)"
WAS_HANDED: Final = "SELECT 1 FROM i3_handed WHERE id = ?"
NOT_HANDED: Final = "DELETE FROM i3_handed WHERE id = ?"
LEFT_OPEN: Final = (
    "SELECT id, frame FROM i3_handed WHERE id NOT IN"
    " (SELECT id FROM outbox UNION ALL SELECT id FROM outbox_dead) ORDER BY at_ms"
)
WAITING: Final = "SELECT count(*) FROM outbox WHERE destination = ?"
SET_VALUE: Final = (
    "INSERT INTO i3_value VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
PRUNE: Final = (
    "DELETE FROM i3_line WHERE channel = ?1 AND id <= "
    "(SELECT id FROM i3_line WHERE channel = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)"
)
LINES: Final = (
    "SELECT id, channel, at_ms, kind, from_mud, from_user, visname, message FROM i3_line "
    "WHERE channel = ? AND id > ? AND id < ? ORDER BY id"
)
ID_MAX: Final = 2**62


@dataclass(slots=True)
class Kept:
    """What was found at the start.

    Attributes:
        routers: in order.
        muds: by name.
        channels: by name.
        listens: channel → whether only to listen.
        values: other figures by name.
        last_line: the highest id of a line.
    """

    routers: list[Known] = field(default_factory=list)
    muds: dict[str, Mud] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    listens: dict[str, bool] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    last_line: int = 0

    def number(self, name: str) -> int:
        """Return a figure, 0 when there is none."""
        return int(self.values.get(name, "0"))


def begin(connection: sqlite3.Connection, mud_name: str, forget_before_ms: int) -> Kept:
    """Read all that was kept; a password of another mud is forgotten, as are marks that nobody needs."""
    kept = Kept()
    kept.values = dict(connection.execute("SELECT name, value FROM i3_value"))
    if kept.values.get("mud_name", mud_name) != mud_name:
        connection.execute("UPDATE i3_router SET password = NULL")
    connection.execute(SET_VALUE, ("mud_name", mud_name))
    connection.execute("DELETE FROM i3_handed WHERE at_ms < ?", (forget_before_ms,))
    kept.routers = [
        Known(RouterAddress(name, host, port), network, password)
        for name, host, port, network, password in connection.execute(
            "SELECT name, host, port, network, password FROM i3_router ORDER BY place"
        )
    ]
    kept.muds = {
        name: msgspec.json.decode(row, type=Mud)
        for name, row in connection.execute("SELECT name, row FROM i3_mud")
    }
    kept.channels = {
        name: Channel(name=name, owner=owner, type=kind)
        for name, owner, kind in connection.execute("SELECT name, owner, type FROM i3_channel")
    }
    kept.listens = {
        channel: bool(listen_only)
        for channel, listen_only in connection.execute(
            "SELECT channel, listen_only FROM i3_subscription"
        )
    }
    kept.last_line = connection.execute("SELECT coalesce(max(id), 0) FROM i3_line").fetchone()[0]
    return kept


def save_routers(connection: sqlite3.Connection, routers: Iterable[Known]) -> None:
    """Write all routers anew, with their passwords."""
    connection.execute("DELETE FROM i3_router")
    connection.executemany(
        "INSERT INTO i3_router VALUES (?, ?, ?, ?, ?, ?)",
        [
            (each.address.name, each.address.host, each.address.port, place, each.network, each.password)
            for place, each in enumerate(routers)
        ],
    )  # fmt: skip


def save_muds(connection: sqlite3.Connection, changed: Mapping[str, Mud | None]) -> None:
    """Write what is different in the list of muds."""
    connection.executemany(
        "INSERT OR REPLACE INTO i3_mud VALUES (?, ?)",
        [(name, msgspec.json.encode(mud)) for name, mud in changed.items() if mud is not None],
    )
    gone = [(name,) for name, mud in changed.items() if mud is None]
    connection.executemany("DELETE FROM i3_mud WHERE name = ?", gone)


def save_channels(connection: sqlite3.Connection, changed: Mapping[str, Channel | None]) -> None:
    """Write what is different in the list of channels."""
    connection.executemany(
        "INSERT OR REPLACE INTO i3_channel VALUES (?, ?, ?)",
        [(name, each.owner, each.type) for name, each in changed.items() if each is not None],
    )
    gone = [(name,) for name, each in changed.items() if each is None]
    connection.executemany("DELETE FROM i3_channel WHERE name = ?", gone)


def save_lines(connection: sqlite3.Connection, lines: Iterable[Line], most: int) -> None:
    """Write lines, and delete the oldest of their channels past ``most``."""
    rows = [
        (l.id, l.channel, int(l.at * 1000), l.kind, l.from_mud, l.from_user, l.visname, l.message)
        for l in lines  # noqa: E741 - a line
    ]
    connection.executemany("INSERT INTO i3_line VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    for channel in {row[1] for row in rows}:
        connection.execute(PRUNE, (channel, most))


def lines(
    connection: sqlite3.Connection,
    channel: str,
    limit: int,
    *,
    before: int | None,
    after: int | None,
) -> list[Line]:
    """Read lines of a channel, oldest first; the first ones after a line, or else the last ones."""
    order = "DESC" if after is None else "ASC"
    found = connection.execute(
        f"{LINES} {order} LIMIT ?", (channel, after or 0, before or ID_MAX, limit)
    ).fetchall()
    if after is None:
        found.reverse()
    return [
        Line(
            id=row[0],
            channel=row[1],
            at=row[2] / 1000,
            kind=row[3],
            from_mud=row[4],
            from_user=row[5],
            visname=row[6],
            message=row[7],
        )
        for row in found
    ]
