"""The outbox: what is submitted arrives, or is a dead letter that says why.

::

    async with Database(path, MIGRATIONS) as database, Outbox(database, send=send) as outbox:
        id = await outbox.submit("gateway-1", b"hello")     # from here on it survives a crash
        async for change in outbox.changes(id): ...

``send`` is called with a message and returns when the destination has it. It may raise an error that is the
destination's fault (``OutboxSettings.unreachable``): all that is for it waits, with backoff and a breaker; or
any other, which is the message's: that one waits, the others go on, and after some attempts it is a dead
letter. ``DeliveryRefusedError`` makes it one at once. A message may be sent more than once, after a crash or
a lost answer: the receiver drops duplicates by its id (``Inbox``).

Without ``send`` nothing is sent by itself: the owner takes messages from a ``Feed`` and says what came of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from holdfast import limits
from holdfast.delivery import store
from holdfast.delivery._desk import Desk
from holdfast.delivery._keeper import Keeper
from holdfast.delivery._worker import Worker
from holdfast.delivery.clock import SteadyClock
from holdfast.delivery.feed import Feed
from holdfast.delivery.message import Change, DeadLetter, DeliveryState, Message, Tracked
from holdfast.delivery.settings import OutboxSettings
from holdfast.delivery.tracking import Callback, Changes
from holdfast.errors import DeliveryError, OutboxFullError
from holdfast.world import RealWorld, text_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from holdfast.resilience import CircuitBreakerManager
    from holdfast.storage import Database
    from holdfast.world import World

Send = Callable[[Message], Awaitable[object]]


class Outbox:
    """A durable outbox; use it as an async context manager.

    Args:
        database: with ``MIGRATIONS``; what is acknowledged survives what its durability says.
        send: hands one message to its destination; None: its owner takes messages from a ``Feed``.
        settings: how to try.
        world: chance, ids, wall time.

    Raises:
        StorageError: 8xxx; the store cannot be read.
    """

    def __init__(
        self,
        database: Database,
        send: Send | None,
        *,
        settings: OutboxSettings | None = None,
        world: World | None = None,
    ) -> None:
        self._database = database
        self._settings = OutboxSettings() if settings is None else settings
        self._world: World = RealWorld() if world is None else world
        self._desk = Desk(database, self._settings, self._world, has_workers=send is not None)
        self._keeper = Keeper(self._desk)
        self._workers = [] if send is None else [Worker(self._desk, send)] * self._settings.workers
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        wall = self._world.wall_now()
        found = await self._database.write(lambda c: store.Beginning(c, int(wall * 1000)))
        desk = self._desk
        desk.clock = SteadyClock(wall, loop.time, floor_ms=found.latest_ms)
        desk.number = desk.last_inherited = found.last_number
        desk.has_crashed = found.has_crashed
        desk.queued, desk.dead, desk.delivered_kept = found.queued, found.dead, found.delivered
        self._tasks = [
            loop.create_task(self._keeper.run(), name="holdfast-outbox-keeper"),
            *(
                loop.create_task(worker.run(), name=f"holdfast-outbox-worker-{number}")
                for number, worker in enumerate(self._workers)
            ),
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop sending; what is being sent is cancelled and sent again by the next process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._desk.ledger.flushed()
        await self._database.write(lambda connection: connection.execute(store.END_RUN) and None)

    # --- submitting -------------------------------------------------------------------------

    async def submit(
        self,
        destination: str,
        body: bytes,
        *,
        id: str | None = None,  # noqa: A002 - the word of the field
        priority: int = 1,
        delay: float = 0.0,
        ttl: float | None = None,
        ordered: bool = False,
        within: Callable[[sqlite3.Connection], object] | None = None,
    ) -> str:
        """Take a message; returns its id when it would survive a crash.

        Args:
            destination: where to.
            body: at most 1 MiB.
            id: chosen by the caller, who may submit it again without sending it again; otherwise drawn.
            priority: higher goes first among those for this destination.
            delay: seconds before it is sent.
            ttl: seconds after which it is not sent any more, None for the settings' own.
            ordered: send it after all ordered messages submitted before for this destination.
            within: a function of the connection that is run in the same transaction: the message
                is submitted if and only if its effect is kept.

        Raises:
            OutboxFullError: 5101; nothing was taken.
            DeliveryError: 5001; the message is too large, its figures make no sense, or it is not
                an ordered one without delay and there is no ``send``.
            StorageError: 8xxx; nothing was taken.
        """
        self._require_feed(delay, ordered=ordered)
        message = self._message(destination, body, id, priority, delay, ttl, ordered=ordered)
        is_due = message.due_ms == 0
        if within is None:
            await self._desk.ledger.add(message, is_due=is_due, is_named=id is not None)
            return message.id

        def run(connection: sqlite3.Connection) -> Message | None:
            known = connection.execute(store.KNOWS, {"id": message.id}).fetchone()
            within(connection)
            if known is None:
                connection.execute(store.ADD, store.row_of(message, is_due=is_due))
            return message if known is None else None

        await self._storing(message, run)
        return message.id

    async def _storing(
        self, message: Message, job: Callable[[sqlite3.Connection], Message | None]
    ) -> Message | None:
        """Run a job that stores a message, and return what it stored; a caller who leaves changes nothing."""
        desk = self._desk
        await self._database.room()
        done = self._database.submit(job)
        desk.announced(message)

        def stored(future: asyncio.Future[Message | None]) -> None:
            found = None if future.cancelled() or future.exception() else future.result()
            desk.vanished(message)
            if found is not None:
                desk.added(found)

        done.add_done_callback(stored)
        return await asyncio.shield(done)

    async def submit_many(
        self, messages: Iterable[tuple[str, bytes]], *, priority: int = 1, ordered: bool = False
    ) -> list[str]:
        """Take several messages, as ``submit`` does; returns their ids when all would survive."""
        self._require_feed(0.0, ordered=ordered)
        taken = [
            self._message(destination, body, None, priority, 0.0, None, ordered=ordered)
            for destination, body in messages
        ]
        waiting = [self._desk.ledger.add(each, is_due=True, is_named=False) for each in taken]
        await asyncio.gather(*waiting)
        return [each.id for each in taken]

    def _require_feed(self, delay: float, *, ordered: bool) -> None:
        if not self._workers and (delay or not ordered):
            raise DeliveryError("An outbox without `send` takes ordered messages without delay.")

    def _message(
        self,
        destination: str,
        body: bytes,
        id_: str | None,
        priority: int,
        delay: float,
        ttl: float | None,
        *,
        ordered: bool,
    ) -> Message:
        if self._desk.queued >= self._settings.queued_max:
            raise OutboxFullError(f"{self._desk.queued} messages wait already.", retry_after=10.0)
        if len(body) > limits.OUTBOX_BODY_BYTES_MAX:
            raise DeliveryError(
                f"The message has {len(body)} bytes, {limits.OUTBOX_BODY_BYTES_MAX} are allowed."
            )
        lasts = self._settings.ttl if ttl is None else ttl
        if delay < 0 or lasts <= delay:
            raise DeliveryError(f"A message due in {delay:g} s cannot expire after {lasts:g} s.")
        now = self._desk.now_ms()
        self._desk.number += 1
        return Message(
            self._desk.number,
            self._new_id(now) if id_ is None else id_,
            destination,
            bytes(body),
            0 if ordered else priority,
            ordered,
            now,
            now + int(delay * 1000) if delay else 0,
            now + int(lasts * 1000),
        )

    def _new_id(self, now_ms: int) -> str:
        """Draw an id that begins with the time, so that indexes of ids grow at one end and stay in the cache."""
        return text_of(now_ms.to_bytes(6, "big") + self._world.secret_bytes(6))

    # --- asking -----------------------------------------------------------------------------

    async def status(self, id: str) -> Tracked | None:  # noqa: A002 - as above
        """Return state and history of a message; None when it is not known (any more)."""
        found = await self._database.read(lambda connection: store.tracked(connection, id))
        if found is None:
            return None
        number, tracked = found
        if self._desk.is_sending(number) and not tracked.now.state.is_final:
            now = tracked.now
            sending = Change(
                id, now.destination, DeliveryState.SENDING, self._desk.now_ms() / 1000, now.attempts
            )
            return Tracked(sending, tracked.created_at, (*tracked.history, sending))
        return tracked

    def changes(self, id: str | None = None) -> Changes:  # noqa: A002 - as above
        """Subscribe to what happens, to one message or to all; see ``Changes``."""
        return Changes(self._desk.tracker, id)

    async def outcome(self, id: str) -> Change:  # noqa: A002 - as above
        """Wait until a message is delivered, expired or failed.

        Raises:
            DeliveryError: 5001; it is not known.
        """
        with self.changes(id) as changes:
            tracked = await self.status(id)
            if tracked is None:
                raise DeliveryError(f"There is no message {id!r}.")
            if tracked.now.state.is_final:
                return tracked.now
            async for change in changes:
                if change.state.is_final:
                    return change
        raise AssertionError("a subscription never ends by itself")

    def on_queued(self, callback: Callback) -> Callback:
        """Call back for each message that waits (again); usable as a decorator."""
        self._desk.tracker.callbacks.setdefault(DeliveryState.QUEUED, []).append(callback)
        return callback

    def on_delivered(self, callback: Callback) -> Callback:
        """Call back for each message that arrived; usable as a decorator."""
        self._desk.tracker.callbacks.setdefault(DeliveryState.DELIVERED, []).append(callback)
        return callback

    def on_expired(self, callback: Callback) -> Callback:
        """Call back for each message whose time was over; as above."""
        self._desk.tracker.callbacks.setdefault(DeliveryState.EXPIRED, []).append(callback)
        return callback

    def on_failed(self, callback: Callback) -> Callback:
        """Call back for each message that was given up; as above."""
        self._desk.tracker.callbacks.setdefault(DeliveryState.FAILED, []).append(callback)
        return callback

    async def statistics(self) -> dict[str, float]:
        """Return counters.

        Returns:
            ``queued``, ``sending``, ``dead_letters`` now; ``delivered``, ``expired``, ``failed`` since the
            start; ``oldest_age`` in seconds of what waits longest, 0 when nothing does.
        """
        row = await self._database.fetch_one(store.OLDEST)
        created_ms = row[0] if row is not None else None
        age = (self._desk.now_ms() - created_ms) / 1000 if isinstance(created_ms, int) else 0.0
        counts = self._desk.tracker.counts
        return {
            "queued": self._desk.queued - self._desk.sending,
            "sending": self._desk.sending,
            "delivered": counts[DeliveryState.DELIVERED],
            "expired": counts[DeliveryState.EXPIRED],
            "failed": counts[DeliveryState.FAILED],
            "dead_letters": self._desk.dead,
            "oldest_age": age,
        }

    @property
    def database(self) -> Database:
        """Where messages are kept."""
        return self._database

    @property
    def queued(self) -> int:
        """How many messages wait or are being sent."""
        return self._desk.queued

    @property
    def breakers(self) -> CircuitBreakerManager:
        """A breaker for each destination that was tried."""
        return self._desk.breakers

    def feed(self, destination: str) -> Feed:
        """Return the ordered messages of a destination, for an owner who sends them itself.

        Raises:
            DeliveryError: 5001; the outbox has a ``send``, and two would send the same messages.
        """
        if self._workers:
            raise DeliveryError("An outbox with `send` sends its messages itself.")
        return Feed(self, self._desk, destination)

    # --- helping ----------------------------------------------------------------------------

    def wake(self, destination: str) -> None:
        """A destination is there again: try now what waits for it, whatever was thought of it."""
        self._desk.breakers.remove(destination)
        self._desk.lanes.wake(destination)
        self._desk.kick()
        self._desk.keeper_wakes.set()

    async def dead_letters(
        self, destination: str | None = None, *, limit: int = 100
    ) -> list[DeadLetter]:
        """List what was given up, oldest first."""
        return await self._database.read(
            lambda c: store.dead_letters(c, destination=destination, ids=None, limit=limit)
        )

    async def resend(self, *ids: str, ttl: float | None = None) -> int:
        """Queue dead letters anew under their old ids; return how many there were."""
        numbers = [letter.message.number for letter in await self._letters(ids)]
        count = 0
        for number in numbers:
            fresh = self._message("", b"", "", 0, 0.0, ttl, ordered=False)
            again = await self._storing(
                fresh,
                lambda c, n=number, f=fresh: store.resend(c, n, f),  # type: ignore[misc]
            )
            if again is not None:
                count += 1
                self._desk.dead -= 1
        return count

    async def purge(self, *ids: str) -> int:
        """Delete dead letters; return how many there were."""
        numbers = [letter.message.number for letter in await self._letters(ids)]
        count = await self._database.write(lambda c: store.forget(c, numbers))
        self._desk.dead -= count
        return count

    async def _letters(self, ids: tuple[str, ...]) -> list[DeadLetter]:
        return await self._database.read(
            lambda c: store.dead_letters(c, destination=None, ids=ids, limit=len(ids))
        )
