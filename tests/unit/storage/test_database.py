"""The database: order, isolation of failures, one process, clear errors."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from holdfast.errors import StorageBusyError, StorageError, StorageLockedError
from holdfast.storage import Database, Durability

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.storage._writer import Job

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


async def test_a_batch_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    insert = "INSERT INTO item VALUES (?, ?)"
    async with Database(tmp_path / "a.db", TABLES) as database:
        done = await database.batch([(insert, (1, "a")), (insert, (7, "b"))])
        assert [executed.last_id for executed in done] == [1, 7]
        with pytest.raises(StorageError):
            await database.batch([(insert, (2, "a")), (insert, (1, "again"))])
        assert await database.execute_many(insert, ((n, "x") for n in (10, 11, 12))) == 3
        assert (await database.execute("UPDATE item SET text = 'y' WHERE id > ?", (9,))).rows == 3
        rows = await database.fetch_all("SELECT id FROM item ORDER BY id")
    assert rows == [(1,), (7,), (10,), (11,), (12,)]


async def test_a_small_read_does_not_leave_the_loop_and_a_large_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Database(tmp_path / "a.db", TABLES) as database:
        await database.execute_many(
            "INSERT INTO item VALUES (?, 'x')", [(number,) for number in range(20_000)]
        )
        in_threads: list[str] = []
        run = database._readers._run

        def counted(job: Job[object]) -> object:
            in_threads.append(threading.current_thread().name)
            return run(job)

        monkeypatch.setattr(database._readers, "_run", counted)
        for number in range(5_000):
            assert await database.fetch_one("SELECT id FROM item WHERE id = ?", (number,))
        assert in_threads == []
        assert await database.fetch_one("SELECT count(*) FROM item WHERE text = ?", ("x",)) == (
            20_000,
        )
        assert (
            len(await database.fetch_all("SELECT * FROM item WHERE id >= :n", {"n": 0})) == 20_000
        )
        assert len(in_threads) == 2
        assert all(name.startswith("holdfast-reader") for name in in_threads)


async def test_a_small_read_sees_what_was_committed_before_and_errors_are_translated(
    tmp_path: Path,
) -> None:
    async with Database(tmp_path / "a.db", TABLES) as database:
        assert await database.fetch_one("SELECT * FROM item") is None
        await database.execute("INSERT INTO item VALUES (1, 'x')")
        assert await database.fetch_one("SELECT text FROM item") == ("x",)
        with pytest.raises(StorageError, match="no such table"):
            await database.fetch_all("SELECT * FROM no_table")
        with pytest.raises(StorageError):
            await database.fetch_all("DELETE FROM item")


async def test_a_full_queue_makes_writers_wait_and_refuses_those_who_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.limits.WRITE_QUEUE_MAX", 3)
    async with Database(tmp_path / "a.db", TABLES) as database:
        done = [database.submit(lambda _: None) for _ in range(3)]
        with pytest.raises(StorageBusyError) as caught:
            database.submit(lambda _: None)
        assert caught.value.retry_after
        await asyncio.gather(
            *(database.execute("INSERT INTO item VALUES (?, 'x')", (n,)) for n in range(50))
        )
        await asyncio.gather(*done)
        assert await database.fetch_one("SELECT count(*) FROM item") == (50,)


async def test_who_finds_no_room_for_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.limits.WRITE_QUEUE_MAX", 1)
    monkeypatch.setattr("holdfast.limits.WRITE_PATIENCE", 0.01)
    release = threading.Event()
    async with Database(tmp_path / "a.db", TABLES) as database:
        blocked = database.submit(lambda _: release.wait(10))
        while database.queue_depth:
            await asyncio.sleep(0)
        waiting = database.submit(lambda _: None)
        with pytest.raises(StorageBusyError, match="for more than"):
            await database.write(lambda _: None)
        release.set()
        await asyncio.gather(blocked, waiting)


async def test_too_many_reads_at_once_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.limits.READ_QUEUE_MAX", 4)
    async with Database(tmp_path / "a.db", TABLES) as database:
        results = await asyncio.gather(
            *(database.read(lambda _: 1) for _ in range(6)), return_exceptions=True
        )
    assert [type(result) for result in results] == [int] * 4 + [StorageBusyError] * 2


async def test_a_read_that_nobody_waits_for_any_more_ends_before_the_database_closes(
    tmp_path: Path,
) -> None:
    ended: list[int] = []
    begun = threading.Event()
    release = threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        begun.set()
        release.wait(10)
        ended.append(connection.execute("SELECT 1").fetchone()[0])

    async with Database(tmp_path / "a.db", TABLES, readers=1) as database:
        reading = asyncio.create_task(database.read(slow))
        while not begun.is_set():
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        asyncio.get_running_loop().call_later(0.01, release.set)
    assert ended == [1]


@pytest.mark.parametrize(("durability", "level"), [("POWER_LOSS", 2), ("PROCESS_DEATH", 1)])
async def test_durability_is_what_it_says(tmp_path: Path, durability: str, level: int) -> None:
    async with Database(tmp_path / "a.db", TABLES, durability=Durability[durability]) as database:
        assert await database.write(lambda c: c.execute("PRAGMA synchronous").fetchone()) == (
            level,
        )
