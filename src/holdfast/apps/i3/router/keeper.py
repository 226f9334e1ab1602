"""What was decided waits for the disk, and everything that was decided after it waits behind it.

A list of effects that has something to keep is done when that is committed; what comes meanwhile is done after it, so
that nobody hears of anything in another order than that in which it was decided. When nothing waits, effects are done
at once. A disk that fails does not silence a network for talking: the effects are done all the same, what could not
be kept is kept in mind, tried again with whatever is kept next and after some seconds, and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3.router.effects import KeepChannel, KeepMud
from holdfast.apps.i3.router.store import keep
from holdfast.errors import StorageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from holdfast.apps.i3.router.effects import Effect
    from holdfast.storage import Database

log = logging.getLogger("holdfast.i3")

TRY_AGAIN_AFTER: Final = 5.0
"""Seconds after which what could not be kept is tried again."""


class Keeper:
    """Holds effects back until what they follow from is kept.

    Args:
        database: None: nothing is kept, and nothing waits.
        perform: does a list of effects.

    Attributes:
        unkept: changes that could not be written yet.
    """

    def __init__(self, database: Database | None, perform: Callable[[list[Effect]], None]) -> None:
        self._database = database
        self._perform = perform
        self._waiting: deque[tuple[asyncio.Future[None] | None, list[Effect]]] = deque()
        self._again: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self.unkept: dict[tuple[type, str], KeepMud | KeepChannel] = {}

    @property
    def waiting(self) -> int:
        """How many lists of effects wait."""
        return len(self._waiting)

    def take(self, effects: list[Effect]) -> None:
        """Do effects, in their turn."""
        if not effects:
            return
        changes = [each for each in effects if isinstance(each, KeepMud | KeepChannel)]
        if changes and self._database is not None:
            self._waiting.append((self._keep(changes), effects))
            self._idle.clear()
            self._drain()
        elif self._waiting:
            self._waiting.append((None, effects))
        else:
            self._perform(effects)

    async def close(self) -> None:
        """Wait until everything is kept that can be, and done."""
        await self._idle.wait()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self.unkept and self._database is not None:
            changes = tuple(self.unkept.values())
            try:
                await self._database.write(lambda connection: keep(connection, changes))
            except StorageError as error:
                log.exception(
                    "%d changes of the router were not kept", len(changes), exc_info=error
                )

    def _keep(self, changes: list[KeepMud | KeepChannel]) -> asyncio.Future[None] | None:
        """Write changes, with those that could not be written before; None: they could not be either."""
        assert self._database is not None, "there is something to keep with"
        for change in changes:
            self.unkept.pop((type(change), change.name), None)  # a newer one takes its place
        written = [*self.unkept.values(), *changes]
        self.unkept.clear()
        try:
            future = self._database.submit(partial(_keep, written))
        except StorageError as error:
            self._failed(written, error)
            return None
        future.add_done_callback(partial(self._done, written))
        return future

    def _done(self, written: list[KeepMud | KeepChannel], future: asyncio.Future[None]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            self._failed(written, error)
        self._drain()

    def _failed(self, written: list[KeepMud | KeepChannel], error: BaseException) -> None:
        log.error("what the router decided could not be kept: %s", error)
        for change in written:
            self.unkept.setdefault((type(change), change.name), change)
        if self._again is None:
            loop = asyncio.get_running_loop()
            self._again = loop.call_later(TRY_AGAIN_AFTER, self._try_again)

    def _try_again(self) -> None:
        self._again = None
        if self.unkept:
            self._keep([])

    def _drain(self) -> None:
        while self._waiting:
            future, effects = self._waiting[0]
            if future is not None and not future.done():
                return
            self._waiting.popleft()
            self._perform(effects)
        self._idle.set()


def _keep(written: list[KeepMud | KeepChannel], connection: sqlite3.Connection) -> None:
    keep(connection, written)
