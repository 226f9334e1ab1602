"""Posts in SQLite: numbers of a group only grow, also when the oldest posts are deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits
from holdfast.apps.i3.gateway.model import Group, Post

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

TABLES: Final = """
    CREATE TABLE i3_group (
        name TEXT PRIMARY KEY,
        last INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE i3_post (
        name TEXT NOT NULL,
        id INTEGER NOT NULL,
        at INTEGER NOT NULL,
        thread INTEGER NOT NULL,
        subject TEXT NOT NULL,
        poster TEXT NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (name, id)
    );
"""

NEXT: Final = (
    "INSERT INTO i3_group VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET last = last + 1"
    " RETURNING last"
)
ADD: Final = "INSERT INTO i3_post VALUES (?, ?, ?, ?, ?, ?, ?)"
PRUNE: Final = "DELETE FROM i3_post WHERE name = ? AND id <= ?"
POST: Final = "SELECT id, at, thread, subject, poster, text FROM i3_post WHERE name = ? AND id = ?"
GROUP: Final = (
    "SELECT last, (SELECT min(id) FROM i3_post WHERE i3_post.name = i3_group.name)"
    " FROM i3_group WHERE name = ?"
)


def groups(connection: sqlite3.Connection, names: Iterable[str]) -> list[Group]:
    """Describe groups; one in which nobody has posted yet has no posts."""
    found: list[Group] = []
    for name in names:
        last, first = connection.execute(GROUP, (name,)).fetchone() or (0, None)
        found.append(Group(name=name, first=last + 1 if first is None else first, last=last))
    return found


def post(connection: sqlite3.Connection, group: str, number: int) -> Post | None:
    """Read a post; None when it is not kept, or never was."""
    row = connection.execute(POST, (group, number)).fetchone()
    if row is None:
        return None
    id_, at, thread, subject, poster, text = row
    return Post(id=id_, at=at, thread=thread, subject=subject, poster=poster, text=text)


def add(connection: sqlite3.Connection, group: str, new: Post) -> int:
    """Keep a post under the next number, which is returned; a thread that is not known is a new one."""
    id_: int = connection.execute(NEXT, (group,)).fetchone()[0]
    thread = new.thread if 0 < new.thread < id_ else id_
    connection.execute(ADD, (group, id_, new.at, thread, new.subject, new.poster, new.text))
    connection.execute(PRUNE, (group, id_ - limits.NEWS_POSTS_MAX))
    return id_
