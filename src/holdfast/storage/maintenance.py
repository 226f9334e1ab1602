"""Looking after a file: is it whole, a copy of it while it is used, and that copy back in its place."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.errors import ErrorCode, StorageError
from holdfast.storage._failures import translated
from holdfast.storage._lock import DirectoryLock

if TYPE_CHECKING:
    from collections.abc import Iterator

PROBLEMS_MAX: Final = 100
"""Problems that a check names; a damaged file may have thousands."""


def check(path: Path) -> list[str]:
    """Look at every page and index of a file; it may be in use by another process.

    Args:
        path: of the database.

    Returns:
        What is wrong, a sentence each; empty when the file is whole.

    Raises:
        StorageError: 8xxx; it cannot be opened or is no database at all.
    """
    try:
        with _opened(path) as connection:
            try:
                rows = connection.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})").fetchall()
                orphans = connection.execute("PRAGMA foreign_key_check").fetchmany(PROBLEMS_MAX)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorname == "SQLITE_CORRUPT":
                    return [str(error)]
                raise
    except sqlite3.Error as error:
        raise translated(error, path) from error
    problems = [text for row in rows for text in str(row[0]).splitlines() if text != "ok"]
    return problems + [
        f"row {rowid} of {table} refers to a row of {parent} that is not there"
        for table, rowid, parent, _ in orphans
    ]


def backup(path: Path, target: Path) -> int:
    """Copy a file while it is used, with SQLite's online backup; the copy is whole or not there.

    The copy is one moment of the database. It is checked and flushed before it gets its name.

    Args:
        path: of the database; it may be in use by another process.
        target: of the copy; it must not exist.

    Returns:
        The size of the copy in bytes.

    Raises:
        StorageError: 8xxx; the file cannot be read, the copy not written, or the copy is damaged.

    Source: https://sqlite.org/backup.html
    """
    if target.exists():
        raise StorageError(f"{target} exists already; a backup replaces nothing.")
    partial = target.with_name(target.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        with _opened(path) as source, contextlib.closing(sqlite3.connect(partial)) as copy:
            # All pages in one step: the writer is not disturbed (WAL), and the copy never starts over.
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
        problems = check(partial)
        if problems:
            raise StorageError(
                f"{path} is damaged, and so would be its copy: {problems[0]}",
                code=ErrorCode.STORAGE_CORRUPT,
                details={"problems": problems},
            )
        _flush(partial)
        partial.replace(target)
        _flush(target.parent)
        return target.stat().st_size
    except sqlite3.Error as error:
        raise translated(error, path) from error
    except OSError as error:
        raise StorageError(
            f"The backup {target} cannot be written: {error.strerror}.", original=error
        ) from error
    finally:
        with contextlib.suppress(OSError):  # what matters has been said
            partial.unlink(missing_ok=True)


def restore(copy: Path, path: Path) -> Path | None:
    """Put a backup in the place of a file that nobody uses.

    Args:
        copy: a file that ``backup`` wrote; it stays as it is.
        path: of the database; what is there is kept beside it, not deleted.

    Returns:
        Where the old file is now, None when there was none.

    Raises:
        StorageLockedError: 8003; a process uses the folder.
        StorageError: 8xxx; the backup is damaged or cannot be read.
    """
    lock = DirectoryLock(path.parent)
    lock.acquire()
    try:
        fresh = path.with_name(path.name + ".restored")
        fresh.unlink(missing_ok=True)
        backup(copy, fresh)
        kept = _set_aside(path)
        fresh.replace(path)
        _flush(path.parent)
        return kept
    except OSError as error:
        raise StorageError(
            f"{path} cannot be restored: {error.strerror}.", original=error
        ) from error
    finally:
        lock.release()


def _set_aside(path: Path) -> Path | None:
    """Rename a database with its log, so that neither is mixed with the restored one."""
    if not path.exists():
        return None
    number = 1
    while (kept := path.with_name(f"{path.name}.before-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):  # it was closed properly: no log is left
            Path(f"{path}{suffix}").rename(f"{kept}{suffix}")
    return kept


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open for reading only; a file that is not there is not made."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=limits.BUSY_TIMEOUT)
    with contextlib.closing(connection):
        yield connection


def _flush(path: Path) -> None:
    """Have the disk keep a file or the names of a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
