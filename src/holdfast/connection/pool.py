"""A pool of things that are costly to open: connections to a database, a service, a peer.

::

    async with ConnectionPool(open_one, close=close_one, check=is_well, max_size=20) as pool:
        async with pool.acquire() as connection:
            ...
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from holdfast.errors import ConnectionFailedError, NetworkTimeoutError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType
    from typing import Self

T = TypeVar("T")
log = logging.getLogger("holdfast.connection")


@dataclass(frozen=True, kw_only=True)
class PoolSettings:
    """The knobs of a pool; times in seconds.

    Attributes:
        min_size: kept open even when nobody needs them.
        max_size: open at most; whoever comes then waits in order.
        acquire_timeout: that somebody waits for one.
        check_interval: between two looks at the idle ones.
        check_timeout: that a check may take; then the thing is not well.
        idle_timeout: after which one that nobody needs is closed.
        lifetime: after which one is replaced, when it comes back.
        close_timeout: for those in use when the pool is closed.
    """

    min_size: int = 0
    max_size: int = 10
    acquire_timeout: float = 10.0
    check_interval: float = 30.0
    check_timeout: float = 5.0
    idle_timeout: float = 300.0
    lifetime: float = 3600.0
    close_timeout: float = 10.0


class _Entry(Generic[T]):
    __slots__ = ("born_at", "idle_since", "item")

    def __init__(self, item: T, now: float) -> None:
        self.item = item
        self.born_at = self.idle_since = now


class ConnectionPool(Generic[T]):
    """A bounded number of things, lent to one user at a time.

    Args:
        create: opens one.
        close: closes one; errors are logged.
        check: says whether one is well; by default all are.
        settings: the knobs.
    """

    def __init__(
        self,
        create: Callable[[], Awaitable[T]],
        *,
        close: Callable[[T], Awaitable[object]] | None = None,
        check: Callable[[T], Awaitable[bool]] | None = None,
        settings: PoolSettings | None = None,
    ) -> None:
        self.settings = PoolSettings() if settings is None else settings
        self._create = create
        self._close = close
        self._check = check
        self._idle: deque[_Entry[T]] = deque()
        self._lent: set[_Entry[T]] = set()
        self._opening = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_closed = True
        self._keeper: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._counts = dict.fromkeys(
            ("created", "closed", "failed", "lent", "timeouts", "unwell"), 0
        )

    async def __aenter__(self) -> Self:
        """Open ``min_size`` of them; raises what ``create`` raises."""
        self._is_closed = False
        try:
            await self._fill()
        except BaseException:
            await self.close()
            raise
        self._keeper = asyncio.create_task(self._keep(), name="holdfast-pool")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Lend no more, wait for those in use for a while, close all."""
        self._is_closed = True
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(ConnectionFailedError("The pool is closed."))
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait({keeper})
        if self._lent:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):  # who keeps it longer finds it closed
                async with asyncio.timeout(self.settings.close_timeout):
                    await self._empty.wait()
        for entry in (*self._idle, *self._lent):
            await self._end(entry)
        self._idle.clear()
        self._lent.clear()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[T]:
        """Lend one; an error inside leaves it in doubt, and it is checked before it is lent again.

        Raises:
            NetworkTimeoutError: 1001; none came back in time.
            ConnectionFailedError: 1002; the pool is closed.
            Exception: what ``create`` raises.
        """
        entry = await self._take()
        is_well = False
        try:
            yield entry.item
            is_well = True
        finally:
            await self._give_back(entry, is_well=is_well)

    def statistics(self) -> dict[str, float]:
        """Return figures.

        Returns:
            ``size``, ``idle``, ``lent``, ``waiting`` and ``utilisation`` (lent of ``max_size``) now;
            ``created``, ``closed``, ``failed``, ``lent_total``, ``timeouts``, ``unwell`` since the start.
        """
        counts = dict(self._counts)
        return {
            "size": self._size,
            "idle": len(self._idle),
            "lent": len(self._lent),
            "waiting": len(self._waiting),
            "utilisation": len(self._lent) / self.settings.max_size,
            "lent_total": counts.pop("lent"),
            **counts,
        }

    # --- inside -----------------------------------------------------------------------------

    @property
    def _size(self) -> int:
        return len(self._idle) + len(self._lent) + self._opening

    async def _take(self) -> _Entry[T]:
        try:
            async with asyncio.timeout(self.settings.acquire_timeout):
                while True:
                    if self._is_closed:
                        raise ConnectionFailedError("The pool is closed.")
                    entry = await self._try_take()
                    if entry is not None:
                        return entry
                    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._waiting.append(waiter)
                    try:
                        await waiter
                    except BaseException:
                        if waiter.done() and not waiter.cancelled() and not waiter.exception():
                            self._wake_one()  # it was our turn: the next one's now
                        else:
                            with contextlib.suppress(ValueError):  # the pool has let it go already
                                self._waiting.remove(waiter)
                        raise
        except TimeoutError as error:
            self._counts["timeouts"] += 1
            raise NetworkTimeoutError(
                f"None of {self.settings.max_size} came back within {self.settings.acquire_timeout:g} s."
            ) from error

    async def _try_take(self) -> _Entry[T] | None:
        now = self._now()
        while self._idle:
            entry = self._idle.pop()  # the one used last: the others may grow old and be closed
            self._lent.add(entry)
            if now - entry.born_at < self.settings.lifetime:
                self._counts["lent"] += 1
                return entry
            await self._drop(entry)
        if self._size >= self.settings.max_size:
            return None
        entry = await self._open()
        self._lent.add(entry)
        self._counts["lent"] += 1
        return entry

    async def _open(self) -> _Entry[T]:
        self._opening += 1
        try:
            item = await self._create()
        except BaseException:
            self._counts["failed"] += 1
            self._opening -= 1
            self._wake_one()
            raise
        self._opening -= 1
        self._counts["created"] += 1
        return _Entry(item, self._now())

    async def _give_back(self, entry: _Entry[T], *, is_well: bool) -> None:
        if entry not in self._lent:
            return  # the pool was closed meanwhile
        if not is_well:
            try:
                is_well = await self._is_well(entry)
            except BaseException:
                await asyncio.shield(self._drop(entry))
                raise
        if not is_well or self._is_closed:
            await self._drop(entry)
            return
        self._lent.discard(entry)
        entry.idle_since = self._now()
        self._idle.append(entry)
        self._note_empty()
        self._wake_one()

    async def _is_well(self, entry: _Entry[T]) -> bool:
        if self._check is None:
            return True
        try:
            async with asyncio.timeout(self.settings.check_timeout):
                is_well = await self._check(entry.item)
        except Exception as error:  # noqa: BLE001 - whatever it is, this one is not well
            log.info("a pooled connection is not well: %s", error)
            is_well = False
        if not is_well:
            self._counts["unwell"] += 1
        return is_well

    async def _drop(self, entry: _Entry[T]) -> None:
        self._lent.discard(entry)
        self._note_empty()
        self._wake_one()
        await self._end(entry)

    async def _end(self, entry: _Entry[T]) -> None:
        self._counts["closed"] += 1
        if self._close is None:
            return
        try:
            async with asyncio.timeout(self.settings.check_timeout):
                await self._close(entry.item)
        except Exception as error:  # noqa: BLE001 - it is gone for us, however it went
            log.info("closing a pooled connection failed: %s", error)

    def _note_empty(self) -> None:
        if not self._lent:
            self._empty.set()

    def _wake_one(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _fill(self) -> None:
        while self._size < self.settings.min_size:
            self._idle.append(await self._open())

    async def _keep(self) -> None:
        """Look after the idle ones until cancelled."""
        settings = self.settings
        while True:
            await asyncio.sleep(settings.check_interval)
            now = self._now()
            for entry in list(self._idle):
                if entry not in self._idle:
                    continue  # lent while another one was looked at
                is_old = now - entry.born_at >= settings.lifetime
                is_idle = now - entry.idle_since >= settings.idle_timeout
                self._idle.remove(entry)
                self._lent.add(entry)  # nobody gets it meanwhile
                if (
                    is_old
                    or (is_idle and self._size > settings.min_size)
                    or not await self._is_well(entry)
                ):
                    await self._drop(entry)
                else:
                    self._lent.discard(entry)
                    self._idle.appendleft(entry)
                    self._note_empty()
                    self._wake_one()
            try:
                await self._fill()
            except Exception as error:  # noqa: BLE001 - tried again at the next look
                log.warning("the pool cannot be filled: %s", error)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
