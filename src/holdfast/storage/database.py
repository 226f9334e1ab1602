"""One SQLite file for an asyncio program: writes by group commit, reads beside them.

::

    async with Database(Path("data/app.db"), {"app": (TABLES,)}) as database:
        await database.execute("INSERT INTO note VALUES (?, ?)", (1, "kept"))
        row = await database.fetch_one("SELECT text FROM note WHERE id = ?", (1,))
        await database.write(transfer)          # a function of the connection: one transaction
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from holdfast import limits
from holdfast.errors import ErrorCode, StorageError
from holdfast.storage import maintenance
from holdfast.storage._failures import translated
from holdfast.storage._lock import DirectoryLock
from holdfast.storage._migrations import migrate
from holdfast.storage._readers import Parameters, Readers, Row
from holdfast.storage._writer import Job, Writer
from holdfast.storage.durability import Durability

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from holdfast.resilience import CircuitBreaker

T = TypeVar("T")


class Executed(NamedTuple):
    """What a statement did: how many rows it changed, and the id of the last row it inserted."""

    rows: int
    last_id: int | None


class Database:
    """One SQLite file: one writer with group commit, readers beside it, WAL.

    Use it as an async context manager. An acknowledged write survives what ``durability`` says.

    Args:
        path: the file; its folder is made and locked against a second process.
        migrations: for each name the scripts that build its tables; each runs once, in order.
        durability: what a commit survives.
        readers: threads for larger reads, each with a connection.

    Raises:
        StorageLockedError: 8003; another process has the folder.
        StorageError: 8xxx; the file cannot be opened or migrated.
    """

    def __init__(
        self,
        path: Path,
        migrations: Mapping[str, Sequence[str]],
        *,
        durability: Durability = Durability.POWER_LOSS,
        readers: int = 2,
    ) -> None:
        self._path = path
        self._migrations = migrations
        self._durability = durability
        self._lock = DirectoryLock(path.parent)
        self._writer = Writer(path, self._open_writer)
        self._readers = Readers(readers, self._open_reader)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    @property
    def durability(self) -> Durability:
        """What a commit survives."""
        return self._durability

    @property
    def queue_depth(self) -> int:
        """How many jobs wait for the writer."""
        return self._writer.queue_depth

    @property
    def breaker(self) -> CircuitBreaker:
        """What leaves a failing disk in peace."""
        return self._writer.breaker

    async def __aenter__(self) -> Self:
        self._lock.acquire()
        try:
            await self._writer.start()
            await self._readers.start()
        except sqlite3.Error as error:
            await self._stop()
            raise translated(error, self._path) from error
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commit what was asked for, then close."""
        await self._stop()

    async def _stop(self) -> None:
        await self._writer.stop()
        await self._readers.stop()
        self._lock.release()

    # --- writing ----------------------------------------------------------------------------

    def submit(self, job: Job[T]) -> asyncio.Future[T]:
        """Queue a job at once; the future is done once it is committed. Order is kept.

        Raises:
            StorageBusyError: 8002; the queue is full, nothing was queued.
            StorageError: 8004; the database is closed.
        """
        self._require_open()
        return self._writer.submit(job)

    async def room(self) -> None:
        """Wait until the queue of the writer has room for a job.

        Raises:
            StorageBusyError: 8002; there was none for long.
            StorageError: 8004; the database is closed.
        """
        self._require_open()
        await self._writer.room()

    async def write(self, job: Job[T]) -> T:
        """Run a job in a transaction and return its result once it is committed.

        Waits for room when the queue is full.

        Raises:
            StorageBusyError: 8002; there was no room for long.
            StorageError: 8xxx; nothing of the job was kept.

        Cancelled: the job is committed whole or not at all; which, is not known.
        """
        await self.room()
        return await self.submit(job)

    async def execute(self, sql: str, parameters: Parameters = ()) -> Executed:
        """Run one statement in a transaction; as ``write``."""

        def run(connection: sqlite3.Connection) -> Executed:
            cursor = connection.execute(sql, parameters)
            return Executed(cursor.rowcount, cursor.lastrowid)

        return await self.write(run)

    async def execute_many(self, sql: str, rows: Iterable[Parameters]) -> int:
        """Run one statement for each row, all in one transaction; return how many rows changed."""
        kept = list(rows)  # a job may run twice, an iterator only once
        return await self.write(lambda connection: connection.executemany(sql, kept).rowcount)

    async def batch(self, statements: Iterable[tuple[str, Parameters]]) -> list[Executed]:
        """Run several statements in one transaction: all are kept, or none."""
        kept = list(statements)

        def run(connection: sqlite3.Connection) -> list[Executed]:
            done = [connection.execute(sql, parameters) for sql, parameters in kept]
            return [Executed(cursor.rowcount, cursor.lastrowid) for cursor in done]

        return await self.write(run)

    # --- reading ----------------------------------------------------------------------------

    async def fetch_one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """Return the first row of a query, or None; it sees all that was committed before.

        Raises:
            StorageError: 8xxx.
        """
        self._require_open()
        try:
            return await self._readers.fetch_one(sql, parameters)
        except sqlite3.Error as error:
            raise translated(error, self._path) from error

    async def fetch_all(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Return all rows of a query; as ``fetch_one``."""
        self._require_open()
        try:
            return await self._readers.fetch_all(sql, parameters)
        except sqlite3.Error as error:
            raise translated(error, self._path) from error

    async def read(self, job: Job[T]) -> T:
        """Run a job on a reading connection in a thread; it sees all that was committed before.

        Raises:
            StorageBusyError: 8002; too many reads wait.
            StorageError: 8xxx.
        """
        self._require_open()
        try:
            return await self._readers.run(job)
        except sqlite3.Error as error:
            raise translated(error, self._path) from error

    # --- looking after it -------------------------------------------------------------------

    async def check(self) -> list[str]:
        """Look at every page and index; return what is wrong, empty when the file is whole."""
        return await self.read(lambda _: maintenance.check(self._path))

    async def backup(self, target: Path) -> int:
        """Copy the database while it is used and return the size in bytes; see ``maintenance.backup``."""
        return await self.read(lambda _: maintenance.backup(self._path, target))

    # --- connections ------------------------------------------------------------------------

    def _require_open(self) -> None:
        if not self._writer.is_open:
            raise StorageError(
                f"The database {self._path} is closed.", code=ErrorCode.STORAGE_CLOSED
            )

    def _open_writer(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()  # or its file stays open as long as the error is looked at
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={self._durability.value}")
        # A page that is written often goes into the file once each 16 MB of log, not each 4 MB.
        connection.execute(f"PRAGMA wal_autocheckpoint={limits.STORE_LOG_PAGES}")
        connection.execute(f"PRAGMA cache_size=-{limits.STORE_CACHE_BYTES // limits.KIB}")
        connection.execute("PRAGMA foreign_keys=ON")
        migrate(connection, self._migrations)

    def _open_reader(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA query_only=ON")
        return connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path,
            timeout=limits.BUSY_TIMEOUT,
            isolation_level=None,  # transactions are begun and ended here, by name
            check_same_thread=False,  # each connection is used by one thread of ours at a time
        )
