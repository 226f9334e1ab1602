"""The writer: one thread, one connection, group commit.

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
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from holdfast import limits
from holdfast.errors import (
    CircuitBreakerOpenError,
    RetryExhaustedError,
    StorageBusyError,
    StorageError,
)
from holdfast.resilience import CircuitBreaker, CircuitBreakerConfig, RetryPolicy
from holdfast.storage._failures import is_broken, is_busy, translated

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
_Result = tuple[object, BaseException | None]


@dataclass(slots=True)
class _Entry(Generic[T]):
    """A job, and whom to tell."""

    job: Job[T]
    done: asyncio.Future[T]


class _BrokenDiskError(Exception):
    """A batch failed of its disk; carries what its jobs are told."""

    def __init__(self, results: list[_Result]) -> None:
        super().__init__("the disk failed")
        self.results = results


class Writer:
    """The queue of jobs, and the thread that commits them.

    Args:
        path: of the file, for what errors say.
        connect: opens the writing connection; runs in the writer's thread.
    """

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        self._path = path
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._thread: Executor = ThreadPoolExecutor(1, thread_name_prefix="holdfast-writer")
        self._queue: deque[_Entry[object]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._closing = False
        self.breaker = CircuitBreaker(
            "store", CircuitBreakerConfig(expected_exception=_BrokenDiskError, timeout=1.0)
        )
        self._patience = RetryPolicy(
            name="store busy",
            max_attempts=5,
            initial_delay=0.05,
            max_delay=1.0,
            retry_on=is_busy,
        )

    @property
    def is_open(self) -> bool:
        """Whether jobs are taken."""
        return self._task is not None and not self._closing

    @property
    def queue_depth(self) -> int:
        """How many jobs wait."""
        return len(self._queue)

    async def start(self) -> None:
        """Open the connection; raises what SQLite raises."""
        loop = asyncio.get_running_loop()
        self._connection = await loop.run_in_executor(self._thread, self._connect)
        self._task = loop.create_task(self._commit_for_ever(), name="holdfast-group-commit")

    async def stop(self) -> None:
        """Commit what was asked for, then close."""
        self._closing = True
        self._work.set()
        self._room.set()
        if self._task is not None:
            await self._task
        if self._connection is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown(wait=False)

    def submit(self, job: Job[T]) -> asyncio.Future[T]:
        """Queue a job, or raise ``StorageBusyError`` (8002) when there is no room."""
        if len(self._queue) >= limits.WRITE_QUEUE_MAX:
            raise StorageBusyError(f"{len(self._queue)} writes wait already.", retry_after=1.0)
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append(_Entry(job, done))  # type: ignore[arg-type]
        self._work.set()
        return done

    async def room(self) -> None:
        """Wait until there is room; raises ``StorageBusyError`` (8002) when that takes too long."""
        if len(self._queue) < limits.WRITE_QUEUE_MAX:
            return
        try:
            async with asyncio.timeout(limits.WRITE_PATIENCE):
                while len(self._queue) >= limits.WRITE_QUEUE_MAX and not self._closing:
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError as error:
            raise StorageBusyError(
                f"{len(self._queue)} writes wait, for more than {limits.WRITE_PATIENCE:g} s.",
                retry_after=limits.WRITE_PATIENCE,
            ) from error

    # --- the loop's side --------------------------------------------------------------------

    async def _commit_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._work.wait()
            self._work.clear()
            while self._queue:
                count = min(len(self._queue), limits.WRITE_BATCH_MAX)
                batch = [self._queue.popleft() for _ in range(count)]
                self._room.set()
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
                results = await loop.run_in_executor(self._thread, self._commit, jobs)
                if any(is_broken(error) for _, error in results):
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

    # --- the thread's side ------------------------------------------------------------------

    def _commit(self, jobs: Sequence[Job[object]]) -> list[_Result]:
        """Run all jobs in one transaction; if one fails, each in its own savepoint."""
        connection = self._connection
        assert connection is not None, "the writer is opened before the first job"
        try:
            values = self._patience.call(_transact, connection, jobs)
        except Exception as error:  # noqa: BLE001 - each error goes to whoever asked, below
            if isinstance(error, RetryExhaustedError) and isinstance(error.original, Exception):
                error = error.original
            if len(jobs) == 1:
                return [(None, translated(error, self._path))]
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
                    results.append((None, translated(error, self._path)))
                connection.execute("RELEASE job")
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - the commit itself failed: it is everybody's
            _rolled_back(connection)
            failure = translated(error, self._path)
            return [(None, failure)] * len(jobs)
        return results


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


def _rolled_back(connection: sqlite3.Connection) -> None:
    """Roll back what is open; after a failed COMMIT SQLite may have done so itself."""
    with contextlib.suppress(sqlite3.Error):  # the error that matters is being reported already
        if connection.in_transaction:
            connection.execute("ROLLBACK")
