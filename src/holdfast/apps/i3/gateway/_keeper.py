"""Writes what changes by itself, lists and lines: one job at a time, with all that came since the one before."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits
from holdfast.apps.i3.gateway import store
from holdfast.errors import StorageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from holdfast.apps.i3.gateway.lists import ChannelList, MudList
    from holdfast.apps.i3.gateway.model import Channel, Line, Mud
    from holdfast.storage import Database

log = logging.getLogger("holdfast.i3")

AGAIN_AFTER: Final = 1.0
"""Seconds after which a write that failed is tried again."""


class Keeper:
    """What waits to be written.

    A list and its id are written together, so that after a crash the router is asked for what is missing and not
    for more. When a write fails, what it held is written with the next one: nothing is left out below a newer id.

    Args:
        database: where to.
        muds: whose id is kept.
        channels: whose id is kept.
        history_lines: of each channel that are kept.

    Attributes:
        lines_lost: that found no room.
    """

    def __init__(
        self, database: Database, muds: MudList, channels: ChannelList, history_lines: int
    ) -> None:
        self._database = database
        self._muds, self._channels = muds, channels
        self._history_lines = history_lines
        self._changed_muds: dict[str, Mud | None] = {}
        self._changed_channels: dict[str, Channel | None] = {}
        self._lines: list[Line] = []
        self._settled: list[str] = []
        self._lists_differ = False
        self._is_planned = False
        self._writing: asyncio.Future[None] | None = None
        self._again: asyncio.TimerHandle | None = None
        self.lines_lost = 0

    def muds(self, changed: dict[str, Mud | None]) -> None:
        """Keep what is different in the list of muds, and its id."""
        self._changed_muds |= changed
        self._lists_differ = True
        self._plan()

    def channels(self, changed: dict[str, Channel | None]) -> None:
        """Keep what is different in the list of channels, and its id."""
        self._changed_channels |= changed
        self._lists_differ = True
        self._plan()

    def line(self, line: Line) -> bool:
        """Keep a line of a channel; return whether there is room for it."""
        if len(self._lines) >= limits.HISTORY_PENDING_MAX:
            self.lines_lost += 1
            return False
        self._lines.append(line)
        self._plan()
        return True

    def settled(self, ids: Iterable[str]) -> None:
        """The fate of these is known: forget that they were handed over."""
        self._settled += ids
        self._plan()

    async def flushed(self) -> None:
        """Wait until all is written, or cannot be now."""
        while self._is_planned or self._writing is not None:
            if self._writing is not None:
                await asyncio.wait({self._writing})
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Write what can be written, and try no more."""
        if self._again is not None:
            self._again.cancel()
            self._try_again()
        await self.flushed()
        if self._again is not None:
            self._again.cancel()
            log.error("lists and %d lines could not be kept", len(self._lines))

    def _plan(self) -> None:
        if not self._is_planned and self._writing is None:
            self._is_planned = True
            asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        self._is_planned = False
        muds, channels, lines = self._changed_muds, self._changed_channels, self._lines
        settled = self._settled
        if self._writing is not None or not (self._lists_differ or lines or settled):
            return
        values = {
            "mudlist_id": str(self._muds.id),
            "mudlist_router": self._muds.router,
            "chanlist_id": str(self._channels.id),
            "chanlist_router": self._channels.router,
        }
        differ = self._lists_differ

        def job(connection: sqlite3.Connection) -> None:
            if differ:
                store.save_muds(connection, muds)
                store.save_channels(connection, channels)
                connection.executemany(store.SET_VALUE, values.items())
            connection.executemany(store.NOT_HANDED, [(each,) for each in settled])
            if lines:
                store.save_lines(connection, lines, self._history_lines)

        self._changed_muds, self._changed_channels, self._lines, self._settled = {}, {}, [], []
        self._lists_differ = False
        try:
            self._writing = self._database.submit(job)
        except StorageError as error:
            self._settled = settled
            self._failed(error, muds, channels, lines)
            return
        self._writing.add_done_callback(
            lambda done: self._written(done, muds, channels, lines, settled)
        )

    def _written(
        self,
        done: asyncio.Future[None],
        muds: dict[str, Mud | None],
        channels: dict[str, Channel | None],
        lines: list[Line],
        settled: list[str],
    ) -> None:
        self._writing = None
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            self._settled = settled + self._settled
            self._failed(error, muds, channels, lines)
        elif self._lists_differ or self._lines or self._settled:
            self._plan()

    def _failed(
        self,
        error: BaseException | None,
        muds: dict[str, Mud | None],
        channels: dict[str, Channel | None],
        lines: list[Line],
    ) -> None:
        log.warning("lists and lines wait for the store: %s", error)
        self._changed_muds = muds | self._changed_muds
        self._changed_channels = channels | self._changed_channels
        room = limits.HISTORY_PENDING_MAX - len(self._lines)
        self.lines_lost += max(0, len(lines) - room)
        self._lines = lines[:room] + self._lines
        self._lists_differ = True
        if self._again is None:
            loop = asyncio.get_running_loop()
            self._again = loop.call_later(AGAIN_AFTER, self._try_again)

    def _try_again(self) -> None:
        self._again = None
        self._plan()
