"""SQLite with one writer and group commit: a job is done when it survives a power cut.

Theory. SQLite has one writer at a time, and a durable commit costs one flush of the disk. So all
writes go through one thread that owns the writing connection; whatever was asked for while it was
busy with one transaction is committed together in the next. Under load a flush is shared by
hundreds of jobs, at rest a job waits for nothing. Jobs are finished in the order in which they were
asked for: this order is what the session hub builds its promises on.

A job is a function of the connection. It may run twice: when one job of a batch fails, the batch is
rolled back and its jobs run again one by one, each in a savepoint, so that the others do not pay
for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from holdfast import limits
from holdfast.errors import (
    CircuitBreakerOpenError,
    ErrorCode,
    RetryExhaustedError,
    StorageBusyError,
    StorageError,
)
from holdfast.resilience import CircuitBreaker, CircuitBreakerConfig, RetryPolicy
from holdfast.storage._lock import DirectoryLock

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]


@dataclass(slots=True)
class _Entry(Generic[T]):
    """A job, and whom to tell."""

    job: Job[T]
    done: asyncio.Future[T]


_Result = tuple[object, BaseException | None]

BROKEN: Final = frozenset(
    {
        "SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CANTOPEN",
        "SQLITE_IOERR", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_READ",
    }
)  # fmt: skip
"""Failures of the disk, not of a job: after a few of them it is left in peace for a while."""


class _BrokenDiskError(Exception):
    """A batch failed of its disk; carries what its jobs are told."""

    def __init__(self, results: list[_Result]) -> None:
        super().__init__("the disk failed")
        self.results = results


class Database:
    """One SQLite file: one writer with group commit, one reader beside it, WAL.

    Use it as an async context manager. It survives power loss: ``synchronous=FULL``.

    Args:
        path: the file; its folder is made and locked against a second process.
        migrations: for each name the scripts that build its tables; each runs once, in order.

    Raises:
        StorageLockedError: 8003; another process has the folder.
        StorageError: 8xxx; the file cannot be opened or migrated.
    """

    def __init__(self, path: Path, migrations: Mapping[str, Sequence[str]]) -> None:
        self._path = path
        self._migrations = migrations
        self._lock = DirectoryLock(path.parent)
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._writing: Executor = ThreadPoolExecutor(1, thread_name_prefix="holdfast-writer")
        self._reading: Executor = ThreadPoolExecutor(1, thread_name_prefix="holdfast-reader")
        self._queue: deque[_Entry[object]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._work = asyncio.Event()
        self._closing = False
        self.breaker = CircuitBreaker(
            "store", CircuitBreakerConfig(expected_exception=_BrokenDiskError, timeout=1.0)
        )
        self._patience = RetryPolicy(
            name="store busy",
            max_attempts=5,
            initial_delay=0.05,
            max_delay=1.0,
            retry_on=_is_busy,
        )

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    @property
    def queue_depth(self) -> int:
        """How many jobs wait for the writer."""
        return len(self._queue)

    async def __aenter__(self) -> Self:
        self._lock.acquire()
        loop = asyncio.get_running_loop()
        try:
            self._writer = await loop.run_in_executor(self._writing, self._open_writer)
            self._reader = await loop.run_in_executor(self._reading, self._open_reader)
        except sqlite3.Error as error:
            self._lock.release()
            raise _translated(error, self._path) from error
        except BaseException:
            self._lock.release()
            raise
        self._task = loop.create_task(self._commit_for_ever(), name="holdfast-group-commit")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commit what was asked for, then close."""
        self._closing = True
        self._work.set()
        if self._task is not None:
            await self._task
        loop = asyncio.get_running_loop()
        if self._reader is not None:
            await loop.run_in_executor(self._reading, self._reader.close)
        if self._writer is not None:
            await loop.run_in_executor(self._writing, self._writer.close)
        self._writing.shutdown(wait=False)
        self._reading.shutdown(wait=False)
        self._lock.release()

    def submit(self, job: Job[T]) -> asyncio.Future[T]:
        """Queue a job; the future is done once it is committed. Order is kept.

        Raises:
            StorageBusyError: 8002; the queue is full, nothing was queued.
            StorageError: 8004; the database is closed.
        """
        if self._closing or self._task is None:
            raise StorageError(
                f"The database {self._path} is closed.", code=ErrorCode.STORAGE_CLOSED
            )
        if len(self._queue) >= limits.WRITE_QUEUE_MAX:
            raise StorageBusyError(f"{len(self._queue)} writes wait already.", retry_after=1.0)
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append(_Entry(job, done))  # type: ignore[arg-type]
        self._work.set()
        return done

    async def write(self, job: Job[T]) -> T:
        """Run a job in a transaction and return its result once it is committed.

        Raises:
            StorageError: 8xxx; nothing of the job was kept.

        Cancelled: the job is committed whole or not at all; which, is not known.
        """
        return await self.submit(job)

    async def read(self, job: Job[T]) -> T:
        """Run a job on the reading connection; it sees all that was committed before.

        Raises:
            StorageError: 8xxx.
        """
        reader = self._reader
        if reader is None or self._closing:
            raise StorageError(
                f"The database {self._path} is closed.", code=ErrorCode.STORAGE_CLOSED
            )
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._reading, job, reader)
        except sqlite3.Error as error:
            raise _translated(error, self._path) from error

    # --- the loop's side of the writer -----------------------------------------------------

    async def _commit_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._work.wait()
            self._work.clear()
            while self._queue:
                count = min(len(self._queue), limits.WRITE_BATCH_MAX)
                batch = [self._queue.popleft() for _ in range(count)]
                jobs = [entry.job for entry in batch]
                results = await self._commit_guarded(loop, jobs)
                for entry, (value, error) in zip(batch, results, strict=True):
                    if entry.done.cancelled():
                        continue  # whoever asked has gone; the job is committed all the same
                    if error is None:
                        entry.done.set_result(value)
                    else:
                        entry.done.set_exception(error)
                if any(error is not None for _, error in results):
                    # Whoever asked hears of it before the next batch begins, and can give that up.
                    await asyncio.sleep(0)
            if self._closing:
                return

    async def _commit_guarded(
        self, loop: asyncio.AbstractEventLoop, jobs: list[Job[object]]
    ) -> list[_Result]:
        """Commit, unless the disk has failed several times just now."""
        try:
            async with self.breaker:
                results = await loop.run_in_executor(self._writing, self._commit, jobs)
                if any(_is_broken(error) for _, error in results):
                    raise _BrokenDiskError(results)
                return results
        except _BrokenDiskError as broken:
            return broken.results
        except CircuitBreakerOpenError as error:
            refusal = StorageError(
                f"{self._path}: the disk has failed several times; it is tried again soon.",
                original=error,
                retry_after=error.retry_after,
            )
            return [(None, refusal)] * len(jobs)

    # --- the writer's thread ---------------------------------------------------------------

    def _commit(self, jobs: Sequence[Job[object]]) -> list[_Result]:
        """Run all jobs in one transaction; if one fails, each in its own savepoint."""
        connection = self._writer
        assert connection is not None, "the writer is opened before the first job"
        try:
            values = self._patience.call(_transact, connection, jobs)
        except Exception as error:  # noqa: BLE001 - each error goes to whoever asked, below
            if isinstance(error, RetryExhaustedError) and isinstance(error.original, Exception):
                error = error.original
            if len(jobs) == 1:
                return [(None, _translated(error, self._path))]
            return self._commit_apart(connection, jobs)
        return [(value, None) for value in values]

    def _commit_apart(
        self, connection: sqlite3.Connection, jobs: Sequence[Job[object]]
    ) -> list[_Result]:
        results: list[_Result] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                connection.execute("SAVEPOINT job")
                try:
                    results.append((job(connection), None))
                except Exception as error:  # noqa: BLE001 - handed to whoever asked for this job
                    connection.execute("ROLLBACK TO job")
                    results.append((None, _translated(error, self._path)))
                connection.execute("RELEASE job")
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - the commit itself failed: it is everybody's
            _rolled_back(connection)
            failure = _translated(error, self._path)
            return [(None, failure)] * len(jobs)
        return results

    def _open_writer(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        _migrate(connection, self._migrations)
        return connection

    def _open_reader(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA query_only=ON")
        return connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path,
            timeout=limits.BUSY_TIMEOUT,
            isolation_level=None,  # transactions are begun and ended here, by name
            check_same_thread=False,  # each connection stays in its own thread of ours
        )


def _transact(connection: sqlite3.Connection, jobs: Sequence[Job[object]]) -> list[object]:
    """Run all jobs in one transaction."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        values = [job(connection) for job in jobs]
        connection.execute("COMMIT")
    except BaseException:
        _rolled_back(connection)
        raise
    return values


def _is_busy(error: Exception) -> bool:
    """Say whether somebody else has the file for the moment."""
    name = getattr(error, "sqlite_errorname", "")
    return isinstance(error, sqlite3.Error) and name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _is_broken(error: BaseException | None) -> bool:
    return isinstance(error, StorageError) and error.details.get("sqlite") in BROKEN


def _rolled_back(connection: sqlite3.Connection) -> None:
    """Roll back what is open; after a failed COMMIT SQLite may have done so itself."""
    with contextlib.suppress(sqlite3.Error):  # the error that matters is being reported already
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _migrate(connection: sqlite3.Connection, migrations: Mapping[str, Sequence[str]]) -> None:
    """Run each script that this file has not seen, in order, each in a transaction."""
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


def _translated(error: Exception, path: Path) -> Exception:
    """Say a failure of SQLite in the words of the house; leave other errors as they are."""
    if not isinstance(error, sqlite3.Error):
        return error
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    advice = {
        "SQLITE_FULL": "The disk is full: make room, the server goes on by itself.",
        "SQLITE_READONLY": "The file is read-only: check the owner and the mount.",
        "SQLITE_CORRUPT": "The file is damaged: restore a backup.",
        "SQLITE_NOTADB": "The file is not an SQLite database.",
        "SQLITE_CANTOPEN": "The file cannot be opened: check that the folder exists.",
    }.get(name, str(error))
    return StorageError(
        f"{path}: {advice}", details={"sqlite": name}, original=error, retry_after=1.0
    )
