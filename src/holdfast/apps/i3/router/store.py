"""Muds and channels of a router in SQLite: the statements, and how they are read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.apps.i3.lpc import decode, encode
from holdfast.apps.i3.packets import ChannelType, Mudlist, MudRow, read
from holdfast.apps.i3.router.channels import Channel
from holdfast.apps.i3.router.effects import KeepMud
from holdfast.apps.i3.router.machine import Kept
from holdfast.apps.i3.router.muds import Mud

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from holdfast.apps.i3.router.effects import KeepChannel

MIGRATIONS: Final = (
    """
    CREATE TABLE i3_router_mud (
        name TEXT PRIMARY KEY,
        number INTEGER NOT NULL,
        password BLOB,
        seen_ms INTEGER,
        fields BLOB
    ) WITHOUT ROWID;
    CREATE TABLE i3_router_channel (
        name TEXT PRIMARY KEY,
        number INTEGER NOT NULL,
        host TEXT,
        kind INTEGER,
        listed TEXT
    ) WITHOUT ROWID;
    """,
)

_PUT_MUD: Final = (
    "INSERT INTO i3_router_mud VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
    "number = excluded.number, password = excluded.password, seen_ms = excluded.seen_ms, "
    "fields = excluded.fields"
)
_PUT_CHANNEL: Final = (
    "INSERT INTO i3_router_channel VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
    "number = excluded.number, host = excluded.host, kind = excluded.kind, listed = excluded.listed"
)


def keep(connection: sqlite3.Connection, changes: Iterable[KeepMud | KeepChannel]) -> None:
    """Write changes; what is gone leaves its name and its number."""
    for change in changes:
        if isinstance(change, KeepMud):
            mud = change.mud
            row: tuple[object, ...] = (None, None, None)
            if mud is not None:
                row = (mud.key, int(mud.seen * 1000), encode(msgspec.to_builtins(mud.row)))
            connection.execute(_PUT_MUD, (change.name, change.number, *row))
        else:
            channel = change.channel
            row = (None, None, None)
            if channel is not None:
                listed = msgspec.json.encode(sorted(channel.listed)).decode()
                row = (channel.host, int(channel.kind), listed)
            connection.execute(_PUT_CHANNEL, (change.name, change.number, *row))


def load(connection: sqlite3.Connection, at: float) -> Kept:
    """Read all back.

    Args:
        connection: of the database.
        at: seconds since 1970, now.
    """
    muds: list[tuple[str, Mud | None]] = []
    mud_number = channel_number = 0
    for name, number, key, seen_ms, fields in connection.execute(
        "SELECT name, number, password, seen_ms, fields FROM i3_router_mud ORDER BY number"
    ):
        mud = None if fields is None else Mud(name, _row(name, fields), key, seen_ms / 1000)
        muds.append((name, mud))
        mud_number = number
    channels: list[tuple[str, Channel | None]] = []
    for name, number, host, kind, listed in connection.execute(
        "SELECT name, number, host, kind, listed FROM i3_router_channel ORDER BY number"
    ):
        channel = None
        if host is not None:
            names = frozenset(msgspec.json.decode(listed, type=list[str]))
            channel = Channel(name, host, ChannelType(kind), names)
        channels.append((name, channel))
        channel_number = number
    return Kept(at, mud_number, channel_number, tuple(muds), tuple(channels))


def forget_password(connection: sqlite3.Connection, name: str) -> bool:
    """Delete a mud, so that the next one with its name is a new mud; say whether there was one."""
    query = "UPDATE i3_router_mud SET fields = NULL WHERE name = ? AND fields IS NOT NULL"
    return connection.execute(query, (name,)).rowcount > 0


def _row(name: str, fields: bytes) -> MudRow:
    packet = read(["mudlist", 0, "*", 0, 0, 0, 0, {name: decode(fields)}])
    assert isinstance(packet, Mudlist), "it is one"
    row = packet.muds[name]
    assert row is not None, "it has fields"
    return row
