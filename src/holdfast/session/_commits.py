"""Transactions on their way to the store: committed in the order they were closed, or none of them.

Theory. Each transaction is built on the memory that those before it left. So if one fails, all after it must
fail too, whatever the store says of them: they form a *generation*, which ends with its first failure. What
a transaction has to say is said when it and all before it are committed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from holdfast.errors import ResilienceError, StorageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from holdfast.session.transaction import Transaction
    from holdfast.storage import Database


class _Generation:
    """The transactions built on one state of memory."""

    def __init__(self) -> None:
        self.is_failed = False

    def job(
        self, run: Callable[[sqlite3.Connection], None]
    ) -> Callable[[sqlite3.Connection], None]:
        """Guard a job: it runs only while all before it did."""

        def guarded(connection: sqlite3.Connection) -> None:
            if self.is_failed:
                raise StorageError("A commit that this one builds on has failed.")
            try:
                run(connection)
            except BaseException:
                self.is_failed = True
                raise

        return guarded


class Commits:
    """Takes closed transactions.

    Args:
        database: where they are committed; None commits all at once, in memory.
        on_said: called after what was committed has been said.
        on_failed: called with the error when a generation has failed; nobody has heard of it.
        on_committed: called with the seconds that a commit took.
        now: monotonic seconds.
    """

    def __init__(
        self,
        database: Database | None,
        on_said: Callable[[], None],
        on_failed: Callable[[ResilienceError], None],
        on_committed: Callable[[float], object],
        now: Callable[[], float],
    ) -> None:
        self._database = database
        self._on_said = on_said
        self._on_failed = on_failed
        self._on_committed = on_committed
        self._now = now
        self._generation = _Generation()
        self._pending: deque[Transaction] = deque()
        self._is_saying = False

    @property
    def is_idle(self) -> bool:
        """True when nothing is under way."""
        return not self._pending

    def take(self, tx: Transaction) -> None:
        """Commit a transaction, and say what it has to say after all that was taken before."""
        self._pending.append(tx)
        if self._database is None or not tx.writes:
            tx.is_done = True
            self._say()
            return
        try:
            done = self._database.submit(self._generation.job(tx.run))
        except StorageError as error:
            self._fail(error)
            return
        done.add_done_callback(partial(self._finished, tx, self._generation, self._now()))

    def _finished(
        self, tx: Transaction, generation: _Generation, began: float, done: asyncio.Future[None]
    ) -> None:
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if generation is not self._generation:
            return  # all of that generation was given up when its first commit failed
        if error is None:
            tx.is_done = True
            self._on_committed(self._now() - began)
            self._say()
        elif isinstance(error, ResilienceError):
            self._fail(error)
        else:
            self._fail(StorageError("A commit failed.", original=error, retry_after=1.0))

    def _say(self) -> None:
        if self._is_saying:
            return  # what is said may close further transactions; the outer call takes them
        self._is_saying = True
        try:
            while self._pending and self._pending[0].is_done:
                for callback in self._pending.popleft().after:
                    callback()
        finally:
            self._is_saying = False
        self._on_said()

    def _fail(self, error: ResilienceError) -> None:
        self._generation.is_failed = True
        self._generation = _Generation()
        given_up, self._pending = self._pending, deque()
        for tx in given_up:
            for callback in tx.failed:
                callback(error)
        self._on_failed(error)
