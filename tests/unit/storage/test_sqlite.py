"""The database: order, isolation of failures, one process, clear errors."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest

from holdfast.errors import StorageError, StorageLockedError
from holdfast.storage import Database

if TYPE_CHECKING:
    from pathlib import Path

TABLES = {"t": ("CREATE TABLE item (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",)}


async def test_jobs_are_committed_in_the_order_they_were_asked_for(tmp_path: Path) -> None:
    finished: list[int] = []
    async with Database(tmp_path / "a.db", TABLES) as database:

        def insert(number: int) -> asyncio.Future[None]:
            done = database.submit(
                lambda c: c.execute("INSERT INTO item VALUES (?, ?)", (number, "x")) and None
            )
            done.add_done_callback(lambda _: finished.append(number))
            return done

        await asyncio.gather(*(insert(number) for number in range(500)))
        rows = await database.read(
            lambda c: c.execute("SELECT id FROM item ORDER BY rowid").fetchall()
        )

    assert finished == list(range(500))
    assert [row[0] for row in rows] == list(range(500))


async def test_a_job_that_fails_costs_the_others_nothing(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db", TABLES) as database:
        results = await asyncio.gather(
            *(
                database.write(
                    lambda c, n=n: c.execute("INSERT INTO item VALUES (?, 'x')", (n,)).rowcount
                )
                for n in (1, 2, 2, 3)
            ),
            return_exceptions=True,
        )
        count = await database.read(lambda c: c.execute("SELECT count(*) FROM item").fetchone()[0])

    assert [type(result) for result in results] == [int, int, StorageError, int]
    assert count == 3


async def test_the_database_survives_and_migrations_run_once(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db", TABLES) as database:
        await database.write(lambda c: c.execute("INSERT INTO item VALUES (1, 'kept')"))
    more = {"t": (*TABLES["t"], "ALTER TABLE item ADD COLUMN size INTEGER")}
    async with Database(tmp_path / "a.db", more) as database:
        rows = await database.read(lambda c: c.execute("SELECT * FROM item").fetchall())
        assert rows == [(1, "kept", None)]
    with pytest.raises(StorageError, match="newer version"):
        async with Database(tmp_path / "a.db", TABLES):
            pass


async def test_a_second_user_of_the_folder_is_told_who_has_it(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db", TABLES):
        with pytest.raises(StorageLockedError, match="used by another process"):
            async with Database(tmp_path / "b.db", TABLES):
                pass
    async with Database(tmp_path / "b.db", TABLES):
        pass


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match="not an SQLite database"):
        async with Database(tmp_path / "a.db", TABLES):
            pass


async def test_a_closed_database_says_so(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db", TABLES) as database:
        pass
    with pytest.raises(StorageError, match="closed"):
        await database.write(lambda _: None)
    with pytest.raises(StorageError, match="closed"):
        await database.read(lambda _: None)


async def test_readers_cannot_write(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db", TABLES) as database:
        with pytest.raises(StorageError):
            await database.read(lambda c: c.execute("INSERT INTO item VALUES (1, 'x')"))


async def test_an_error_of_the_job_itself_reaches_who_asked(tmp_path: Path) -> None:
    def fail(_: sqlite3.Connection) -> None:
        raise KeyError("mine")

    async with Database(tmp_path / "a.db", TABLES) as database:
        with pytest.raises(KeyError, match="mine"):
            await database.write(fail)
