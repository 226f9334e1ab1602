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


async def test_a_file_that_another_program_holds_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.limits.BUSY_TIMEOUT", 0.01)
    async with Database(tmp_path / "a.db", TABLES) as database:
        other = sqlite3.connect(tmp_path / "a.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                other.execute("COMMIT")

        monkeypatch.setattr("holdfast.resilience._ambient.sleep", wait)
        await database.write(lambda c: c.execute("INSERT INTO item VALUES (1, 'x')"))
        other.close()
    assert len(waits) == 2


async def test_a_disk_that_fails_again_and_again_is_left_in_peace_for_a_while(
    tmp_path: Path,
) -> None:
    tried = 0

    def full(connection: sqlite3.Connection) -> None:
        nonlocal tried
        tried += 1
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("INSERT INTO item VALUES (NULL, ?)", ("x" * 1_000_000,))

    def mended(connection: sqlite3.Connection) -> int:
        connection.execute("PRAGMA max_page_count = 1000000")
        return connection.execute("INSERT INTO item VALUES (NULL, 'x')").rowcount

    async with Database(tmp_path / "a.db", TABLES) as database:
        for _ in range(8):
            with pytest.raises(StorageError) as caught:
                await database.write(full)
        assert tried == 5, "the last three never reached the disk"
        assert 0 < (caught.value.retry_after or 0) <= 1
        assert database.breaker.state.value == "open"
        database.breaker.reset()
        assert await database.write(mended) == 1
        assert database.breaker.state.value == "closed"
