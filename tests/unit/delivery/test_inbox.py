"""What arrives twice has its effect once."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest

from holdfast.delivery import MIGRATIONS, Inbox
from holdfast.errors import StorageError
from holdfast.storage import Database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OWN = {"own": ("CREATE TABLE own (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",)}


def add(text: str) -> Callable[[sqlite3.Connection], int | None]:
    return lambda connection: (
        connection.execute("INSERT INTO own (text) VALUES (?)", (text,)).lastrowid
    )


async def texts(database: Database) -> list[str]:
    return [str(row[0]) for row in await database.fetch_all("SELECT text FROM own ORDER BY id")]


async def test_the_same_message_at_once_and_later_has_one_effect(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db", MIGRATIONS | OWN) as database:
        inbox = Inbox(database)
        together = await asyncio.gather(*(inbox.accept("ada", "m1", add("x")) for _ in range(20)))
        assert [accepted.is_new for accepted in together].count(True) == 1
        assert (await inbox.accept("ada", "m1", add("x"))).value is None
        assert (await inbox.accept("bob", "m1", add("y"))).is_new, "ids are the sender's own"
        assert await texts(database) == ["x", "y"]
    async with Database(tmp_path / "a.db", MIGRATIONS | OWN) as database:
        assert not (await Inbox(database).accept("ada", "m1", add("x"))).is_new


async def test_an_effect_that_fails_leaves_the_message_unknown(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db", MIGRATIONS | OWN) as database:
        inbox = Inbox(database)
        with pytest.raises(StorageError):
            await inbox.accept("ada", "m1", lambda c: c.execute("INSERT INTO own VALUES (1, NULL)"))
        assert (await inbox.accept("ada", "m1", add("x"))).is_new
        assert await texts(database) == ["x"]


async def test_a_sender_who_floods_pushes_out_his_own_ids_only(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db", MIGRATIONS | OWN) as database:
        inbox = Inbox(database, ids_per_sender=100)
        await inbox.accept("ada", "hers", add("x"))
        await asyncio.gather(*(inbox.accept("bob", f"m{n}", lambda _: None) for n in range(1000)))
        assert not (await inbox.accept("ada", "hers", add("x"))).is_new
        assert not (await inbox.accept("bob", "m999", add("x"))).is_new
        row = await database.fetch_one("SELECT count(*) FROM inbox")
        assert row is not None
        assert 100 <= int(str(row[0])) <= 200
        assert await database.fetch_one("SELECT ids FROM inbox_total") == row


async def test_many_senders_are_bounded_and_the_oldest_forgotten(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db", MIGRATIONS | OWN) as database:
        inbox = Inbox(database, ids_max=200)
        await asyncio.gather(*(inbox.accept(f"s{n}", "m", lambda _: None) for n in range(1000)))
        assert (await inbox.accept("s0", "m", lambda _: None)).is_new
        assert not (await inbox.accept("s999", "m", lambda _: None)).is_new
        row = await database.fetch_one("SELECT count(*) FROM inbox")
        assert row is not None
        assert int(str(row[0])) <= 200 + 64


async def test_ids_are_forgotten_when_they_are_old(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db", MIGRATIONS | OWN) as database:
        await Inbox(database).accept("ada", "old", lambda _: None)
        await database.execute("UPDATE inbox SET at_ms = 1")
        inbox = Inbox(database, ttl=3600)
        for number in range(130):
            await inbox.accept("bob", f"m{number}", lambda _: None)
        assert (await inbox.accept("ada", "old", lambda _: None)).is_new
        assert not (await inbox.accept("bob", "m0", lambda _: None)).is_new
