"""Readers: small reads where they are asked for, larger ones in threads.

Theory. An indexed read of a cached page takes a few microseconds, a trip to a thread and back ten
times that. So a query is first tried on a connection that belongs to the event loop, with a
progress handler that stops it after a number of steps of SQLite's machine; one that turns out to be
large begins anew in a thread. WAL lets all of them read while the writer writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

from holdfast import limits
from holdfast.errors import StorageBusyError
from holdfast.storage._failures import is_busy

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.storage._writer import Job

T = TypeVar("T")
Row = tuple[object, ...]
Parameters = Sequence[object] | Mapping[str, object]

STEPS_PER_TICK: Final = 1000
"""Steps of SQLite's machine between two looks; it counts on from one run of a statement to the next."""

TICKS_MAX: Final = 3
"""Looks that a read in the loop may see: it ends after 2000 to 3000 steps, about 0.1 ms."""

READS_PER_TURN: Final = 8
"""Reads in the loop after which others have their turn."""


class Readers:
    """One connection in the loop and some in threads.

    Args:
        count: threads, each with a connection.
        connect: opens a reading connection.
    """

    def __init__(self, count: int, connect: Callable[[], sqlite3.Connection]) -> None:
        self._count = count
        self._connect = connect
        self._threads: Executor = ThreadPoolExecutor(count, thread_name_prefix="holdfast-reader")
        self._free: deque[sqlite3.Connection] = deque()
        self._inline: sqlite3.Connection | None = None
        self._ticks = 0
        self._reads = 0
        self._running: set[asyncio.Future[Any]] = set()

    async def start(self) -> None:
        """Open the connections; raises what SQLite raises."""
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            self._free.append(await loop.run_in_executor(self._threads, self._connect))
        self._inline = await loop.run_in_executor(self._threads, self._connect)
        self._inline.execute("PRAGMA busy_timeout = 0")
        self._inline.set_progress_handler(self._tick, STEPS_PER_TICK)

    async def stop(self) -> None:
        """Close the connections, once the reads that have begun are done."""
        if self._inline is not None:
            self._inline.close()
            self._inline = None
        if self._running:
            await asyncio.wait(self._running)
        loop = asyncio.get_running_loop()
        while self._free:
            await loop.run_in_executor(self._threads, self._free.popleft().close)
        self._threads.shutdown(wait=False)

    async def fetch_all(self, sql: str, parameters: Parameters) -> list[Row]:
        """Return all rows."""
        return await self._fetch(lambda connection: connection.execute(sql, parameters).fetchall())

    async def fetch_one(self, sql: str, parameters: Parameters) -> Row | None:
        """Return the first row, or None."""

        def first(connection: sqlite3.Connection) -> Row | None:
            with contextlib.closing(connection.execute(sql, parameters)) as cursor:
                found: Row | None = cursor.fetchone()
                return found

        return await self._fetch(first)

    async def run(self, job: Job[T]) -> T:
        """Run a job in a thread; raises what it raises, or ``StorageBusyError`` (8002).

        Cancelled: the job goes on to its end, for nobody.
        """
        if len(self._running) >= limits.READ_QUEUE_MAX:
            raise StorageBusyError(f"{len(self._running)} reads wait already.", retry_after=1.0)
        running = asyncio.get_running_loop().run_in_executor(self._threads, self._run, job)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await asyncio.shield(running)

    async def _fetch(self, job: Job[T]) -> T:
        """Try it here; a job that is too large for that begins anew in a thread."""
        self._reads += 1
        if self._reads % READS_PER_TURN == 0:
            await asyncio.sleep(0)
        assert self._inline is not None, "opened before the first read"
        self._ticks = 0
        try:
            return job(self._inline)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_INTERRUPT" and not is_busy(error):
                raise
        return await self.run(job)

    def _tick(self) -> bool:
        """Say whether to stop the read that runs in the loop."""
        self._ticks += 1
        return self._ticks >= TICKS_MAX

    def _run(self, job: Job[T]) -> T:
        connection = self._free.popleft()  # there are as many as threads
        try:
            return job(connection)
        finally:
            self._free.append(connection)
