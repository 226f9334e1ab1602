"""Jobs of a node, done together: what was asked for while the disk was busy is one transaction with one state.

Theory. A job reads a contact's ratchet from its row, uses it and writes it back. Where many messages are accepted or
acknowledged at once, reading and writing the same row for each of them is most of the work. So the jobs that
wait are run on one ``Work``, in the order in which they were asked for: the row is read with the first and written
after the last, within their transaction, and nothing of it is kept beyond. When one of them fails, nothing of it was
written; then each runs by itself, so that the others do not pay for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from holdfast import limits
from holdfast.errors import StorageBusyError, StorageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from holdfast.node._work import Work
    from holdfast.storage import Database

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Asked(Generic[T]):
    """A job, and whom to tell."""

    job: Callable[[Work], T]
    done: asyncio.Future[T]


class Jobs(Generic[R]):
    """The jobs of one node.

    Args:
        database: where they run.
        now_ms: says the time of a transaction.
        begin: makes what its jobs work with, in the writer's thread.
        end: writes it down, there as well; returns what follows.
        settle: does what follows, once it is committed.
    """

    def __init__(
        self,
        database: Database,
        *,
        now_ms: Callable[[], int],
        begin: Callable[[sqlite3.Connection, int], Work],
        end: Callable[[Work], R],
        settle: Callable[[R], None],
    ) -> None:
        self._database = database
        self._now_ms = now_ms
        self._begin = begin
        self._end = end
        self._settle = settle
        self._asked: deque[_Asked[object]] = deque()
        self._running = 0
        self._is_closed = False

    def close(self) -> None:
        """Let nothing follow any more from what is still committed."""
        self._is_closed = True

    async def do(self, job: Callable[[Work], T]) -> T:
        """Run a job; what follows from it has happened when this returns.

        Raises:
            StorageBusyError: 8002; too many wait.
            StorageError: 8xxx; nothing was done.

        Cancelled: the job is done whole or not at all; which, is not known.
        """
        await self._database.room()
        if len(self._asked) >= limits.WRITE_QUEUE_MAX:
            raise StorageBusyError(f"{len(self._asked)} jobs wait already.", retry_after=1.0)
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(job, done))  # type: ignore[arg-type]
        if not self._running:
            self._next()
        return await done

    def _next(self) -> None:
        """Hand all that waits to the database; what is asked for meanwhile waits for its answer."""
        count = min(len(self._asked), limits.WRITE_BATCH_MAX)
        if count:
            self._run([self._asked.popleft() for _ in range(count)])

    def _run(self, asked: Sequence[_Asked[object]]) -> None:
        jobs = [each.job for each in asked]
        try:
            running = self._database.submit(partial(self._together, jobs, self._now_ms()))
        except StorageError as error:  # it is closed, or has no room
            for each in asked:
                _fail(each, error)
            return
        self._running += 1
        running.add_done_callback(partial(self._landed, asked))

    def _together(
        self,
        jobs: Sequence[Callable[[Work], object]],
        now_ms: int,
        connection: sqlite3.Connection,
    ) -> tuple[list[object], R]:
        work = self._begin(connection, now_ms)
        results = [job(work) for job in jobs]
        return results, self._end(work)

    def _landed(
        self, asked: Sequence[_Asked[object]], running: asyncio.Future[tuple[list[object], R]]
    ) -> None:
        self._running -= 1
        error = (
            StorageError("The job was given up.") if running.cancelled() else running.exception()
        )
        if error is None:
            self._told(asked, *running.result())
        elif len(asked) == 1:
            _fail(asked[0], error)
        else:
            for each in asked:
                self._run([each])
        if not self._running:
            self._next()

    def _told(self, asked: Sequence[_Asked[object]], results: list[object], follows: R) -> None:
        try:
            if not self._is_closed:
                self._settle(follows)
        except Exception as error:  # noqa: BLE001 - whoever asked hears of it
            for each in asked:
                _fail(each, error)
            return
        for each, result in zip(asked, results, strict=True):
            if not each.done.done():  # who asked may have gone; it is done all the same
                each.done.set_result(result)


def _fail(asked: _Asked[object], error: BaseException) -> None:
    if not asked.done.done():
        asked.done.set_exception(error)
