"""Check, backup, restore: by function and by command."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast.cli.main import program
from holdfast.errors import ErrorCode, StorageError, StorageLockedError
from holdfast.storage import Database, maintenance

TABLES = {"t": ("CREATE TABLE item (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",)}


async def filled(path: Path, rows: int = 500) -> None:
    async with Database(path, TABLES) as database:
        await database.execute_many(
            "INSERT INTO item VALUES (?, ?)", [(number, "x" * 200) for number in range(rows)]
        )


def texts(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        count: int = connection.execute("SELECT count(*) FROM item").fetchone()[0]
    return count


def spoil(path: Path) -> None:
    """Write noise over a page in the middle."""
    with path.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xa5" * 4096)


async def test_a_backup_under_writes_is_one_moment_of_the_database(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db", TABLES) as database:
        stop = asyncio.Event()
        pairs = 0

        async def write_pairs() -> None:
            nonlocal pairs
            while not stop.is_set():
                await database.batch(
                    ("INSERT INTO item (text) VALUES (?)", ("x" * 500,)) for _ in range(2)
                )
                pairs += 1

        writing = asyncio.create_task(write_pairs())
        while pairs < 20:
            await asyncio.sleep(0)
        before = pairs
        size = await database.backup(tmp_path / "copy.db")
        after = pairs
        stop.set()
        await writing

    found = texts(tmp_path / "copy.db")
    assert found % 2 == 0, "no half of a transaction"
    assert before <= found // 2 <= after
    assert size == (tmp_path / "copy.db").stat().st_size
    assert maintenance.check(tmp_path / "copy.db") == []


async def test_a_backup_replaces_nothing_and_leaves_nothing_half(tmp_path: Path) -> None:
    await filled(tmp_path / "a.db")
    (tmp_path / "there").write_text("mine")
    with pytest.raises(StorageError, match="exists already"):
        maintenance.backup(tmp_path / "a.db", tmp_path / "there")
    spoil(tmp_path / "a.db")
    with pytest.raises(StorageError) as caught:
        maintenance.backup(tmp_path / "a.db", tmp_path / "copy.db")
    assert caught.value.code == ErrorCode.STORAGE_CORRUPT
    assert not list(tmp_path.glob("copy*"))


async def test_a_damaged_page_is_found(tmp_path: Path) -> None:
    await filled(tmp_path / "a.db")
    assert maintenance.check(tmp_path / "a.db") == []
    spoil(tmp_path / "a.db")
    assert maintenance.check(tmp_path / "a.db")
    with pytest.raises(StorageError, match="cannot be opened"):
        maintenance.check(tmp_path / "not-there.db")


async def test_a_restore_brings_back_what_was_and_keeps_what_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await filled(path, 10)
    maintenance.backup(path, tmp_path / "copy.db")
    async with Database(path, TABLES) as database:
        await database.execute("DELETE FROM item")
        with pytest.raises(StorageLockedError):
            maintenance.restore(tmp_path / "copy.db", path)
    kept = maintenance.restore(tmp_path / "copy.db", path)
    assert texts(path) == 10
    assert kept is not None
    assert texts(kept) == 0
    again = maintenance.restore(tmp_path / "copy.db", path)
    assert again != kept


def test_the_commands_say_what_they_did(tmp_path: Path) -> None:
    data = tmp_path / "data"
    asyncio.run(filled(data / "holdfast.db"))
    run = CliRunner().invoke
    assert "is whole" in run(program, ["store", "check", "--data", str(data)]).output
    copied = run(program, ["store", "backup", str(tmp_path / "c.db"), "--data", str(data)])
    assert "bytes, checked" in copied.output
    spoil(data / "holdfast.db")
    checked = run(program, ["store", "check", "--data", str(data)])
    assert checked.exit_code == 1
    assert "restore a backup" in checked.output
    restored = run(program, ["store", "restore", str(tmp_path / "c.db"), "--data", str(data)])
    assert restored.exit_code == 0
    assert "holdfast.db.before-1" in restored.output.replace("\n", "")
    nowhere = run(program, ["store", "check", "--data", str(tmp_path / "nowhere")])
    assert nowhere.exit_code == 1
    assert "cannot be opened" in nowhere.output
