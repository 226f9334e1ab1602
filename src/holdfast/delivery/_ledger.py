"""What happened to messages, written together: one job of the database for all that came up meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from holdfast.delivery import store
from holdfast.errors import StorageError

if TYPE_CHECKING:
    import sqlite3

    from holdfast.delivery.message import Message
    from holdfast.storage import Database

log = logging.getLogger("holdfast.delivery")

Note = Callable[["sqlite3.Connection"], None]
"""Something to write of a message: it may run twice, and never fails by itself."""

RETRY_DELAY: Final = 1.0
"""Seconds until outcomes that the store refused are written again."""


class _Page:
    """What is written in one transaction."""

    __slots__ = ("added", "delivered", "named", "notes")

    def __init__(self) -> None:
        self.added: list[tuple[tuple[object, ...], Message, asyncio.Future[bool]]] = []
        self.named: list[tuple[tuple[object, ...], Message, asyncio.Future[bool]]] = []
        self.delivered: list[tuple[Message, int]] = []
        self.notes: list[tuple[Note, Callable[[], None]]] = []

    def write(self, connection: sqlite3.Connection) -> list[bool]:
        """Write it all; return for each named message whether it was new."""
        if self.added:
            connection.executemany(store.ADD, [row for row, _, _ in self.added])
        is_new = []
        for row, message, _ in self.named:
            known = connection.execute(store.KNOWS, {"id": message.id}).fetchone()
            is_new.append(known is None)
            if known is None:
                connection.execute(store.ADD, row)
        if self.delivered:
            connection.executemany(
                store.REMOVE, [(message.number,) for message, _ in self.delivered]
            )
            connection.executemany(
                store.ADD_DELIVERED,
                [
                    (m.number, m.id, m.destination, m.created_ms, at_ms, m.attempts)
                    for m, at_ms in self.delivered
                ],
            )
        for note, _ in self.notes:
            note(connection)
        return is_new


class Audience(Protocol):
    """Who is told when something is stored."""

    def announced(self, message: Message) -> None:
        """A new message is being stored."""

    def added(self, message: Message) -> None:
        """It is stored."""

    def vanished(self, message: Message) -> None:
        """It was not stored: refused, or known already."""

    def delivered_at(self, message: Message, at_ms: int) -> None:
        """That it arrived is stored."""


class Ledger:
    """Collects what is to be written.

    Args:
        database: where to.
        audience: told of each message.
    """

    def __init__(self, database: Database, audience: Audience) -> None:
        self._database = database
        self._audience = audience
        self._page = _Page()
        self._is_writing = False
        self._is_due = False
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self.unstored = 0

    def add(self, message: Message, *, is_due: bool, is_named: bool) -> asyncio.Future[bool]:
        """Write a new message; the future says whether it was new, once it is stored."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._audience.announced(message)
        entry = (store.row_of(message, is_due=is_due), message, done)
        (self._page.named if is_named else self._page.added).append(entry)
        self._soon()
        return done

    def delivered(self, message: Message, at_ms: int) -> None:
        """Write that a message arrived."""
        self.unstored += 1
        self._page.delivered.append((message, at_ms))
        self._soon()

    def note(self, note: Note, then: Callable[[], None]) -> None:
        """Write something else of a message, then call."""
        self.unstored += 1
        self._page.notes.append((note, then))
        self._soon()

    async def flushed(self) -> None:
        """Wait until all is stored that can be."""
        await self._at_rest.wait()

    # --- inside -----------------------------------------------------------------------------

    def _soon(self) -> None:
        """Write at the end of this turn of the loop, together with what else comes up in it."""
        self._at_rest.clear()
        if not (self._is_due or self._is_writing):
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        self._is_due = False
        if self._is_writing:
            return
        page, self._page = self._page, _Page()
        if not (page.added or page.named or page.delivered or page.notes):
            self._at_rest.set()
            return
        try:
            done = self._database.submit(page.write)
        except StorageError as error:  # full, or closed: as if the write had failed
            self._failed(page, error)
            return
        self._is_writing = True
        done.add_done_callback(lambda future: self._written(page, future))

    def _written(self, page: _Page, future: asyncio.Future[list[bool]]) -> None:
        self._is_writing = False
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or error is not None:
            self._failed(page, error or StorageError("The write was cancelled."))
            return
        for _, message, done in page.added:
            self._audience.added(message)
            if not done.done():
                done.set_result(True)
        for (_, message, done), is_new in zip(page.named, future.result(), strict=True):
            if is_new:
                self._audience.added(message)
            else:
                self._audience.vanished(message)
            if not done.done():
                done.set_result(is_new)
        self.unstored -= len(page.delivered) + len(page.notes)
        for message, at_ms in page.delivered:
            self._audience.delivered_at(message, at_ms)
        for _, then in page.notes:
            then()
        self._write()

    def _failed(self, page: _Page, error: BaseException) -> None:
        """New messages are refused; outcomes are kept and written again."""
        for _, message, done in (*page.added, *page.named):
            self._audience.vanished(message)
            if not done.done():
                done.set_exception(error)
        if not (page.delivered or page.notes):
            self._write()
            return
        log.warning("%d outcomes wait for the store: %s", self.unstored, error)
        self._page.delivered[:0] = page.delivered
        self._page.notes[:0] = page.notes
        self._is_due = True
        asyncio.get_running_loop().call_later(RETRY_DELAY, self._write)
