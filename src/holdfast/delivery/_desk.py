"""What the parts of an outbox share: lanes, ledger, clock, counters, and how a message's fate is noted."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from typing import TYPE_CHECKING

from holdfast import limits
from holdfast.delivery import store
from holdfast.delivery._ledger import Ledger
from holdfast.delivery.lanes import Lanes
from holdfast.delivery.message import DeliveryState
from holdfast.delivery.tracking import Tracker
from holdfast.resilience import CircuitBreakerConfig, CircuitBreakerManager
from holdfast.resilience.backoff import exponential

if TYPE_CHECKING:
    import sqlite3

    from holdfast.delivery.clock import SteadyClock
    from holdfast.delivery.message import Message
    from holdfast.delivery.settings import OutboxSettings
    from holdfast.storage import Database
    from holdfast.world import World

log = logging.getLogger("holdfast.delivery")

BACKOFF_STEPS_MAX = 32
"""Doublings after which any delay is at its maximum."""


def nothing() -> None:
    """Do nothing then."""


class Desk:
    """The state of one outbox while its process lives."""

    def __init__(
        self, database: Database, settings: OutboxSettings, world: World, *, has_workers: bool
    ) -> None:
        self.has_workers = has_workers
        self.database = database
        self.settings = settings
        self.world = world
        self.tracker = Tracker()
        self.lanes = Lanes(settings.per_destination)
        self.ledger = Ledger(database, self)
        self.breakers = CircuitBreakerManager(
            CircuitBreakerConfig(
                failure_threshold=settings.failure_threshold,
                timeout=settings.breaker_timeout,
                expected_exception=settings.unreachable,
            ),
            breakers_max=limits.OUTBOX_LANES_MAX,
        )
        self.clock: SteadyClock
        self.number = 0
        self.unannounced: set[int] = set()
        self.begun: set[int] = set()
        self.last_inherited = 0
        self.has_crashed = False
        self.queued = 0
        self.dead = 0
        self.delivered_kept = 0
        self.next_due_ms = 0
        self.next_expiry_ms = 0
        self.keeper_wakes = asyncio.Event()
        self._idle: deque[asyncio.Future[None]] = deque()

    def now_ms(self) -> int:
        """Return the time on the outbox's clock."""
        return self.clock.now_ms()

    def is_sending(self, number: int) -> bool:
        """Say whether a message is on its way."""
        return number in self.begun or self.lanes.is_sending(number)

    @property
    def sending(self) -> int:
        """How many messages are on their way."""
        return len(self.begun) + self.lanes.sending

    # --- workers ----------------------------------------------------------------------------

    def kick(self) -> None:
        """There may be something to send: wake one worker, which wakes the next if there is more."""
        while self._idle:
            worker = self._idle.popleft()
            if not worker.done():
                worker.set_result(None)
                return

    async def take(self) -> Message:
        """Wait for the next message to send."""
        while True:
            if self.ledger.unstored >= limits.OUTBOX_UNSTORED_MAX:
                await self.ledger.flushed()
            message = self.lanes.take(self.now_ms())
            if self.lanes.has_dozed:  # the keeper may think that nothing is due for long
                self.lanes.has_dozed = False
                self.keeper_wakes.set()
            if message is not None:
                self.kick()
                return message
            if self.lanes.is_hungry:
                self.keeper_wakes.set()
            idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(idle)
            await idle

    # --- the fate of a message --------------------------------------------------------------

    def announced(self, message: Message) -> None:
        """Note that a message is being stored; until ``added`` it is not taken from the store by others."""
        self.unannounced.add(message.number)

    def vanished(self, message: Message) -> None:
        """It was not stored after all."""
        self.unannounced.discard(message.number)

    def added(self, message: Message) -> None:
        """A message is stored."""
        self.unannounced.discard(message.number)
        self.queued += 1
        self.tracker.tell(message, DeliveryState.QUEUED, message.created_ms)
        if message.expires_ms < self.next_expiry_ms:
            self.next_expiry_ms = message.expires_ms
            self.keeper_wakes.set()
        if message.due_ms and not message.ordered:
            self.wait_until(message.due_ms)
        elif self.has_workers:
            self.lanes.offer(message)
            self.kick()

    def wait_until(self, due_ms: int) -> None:
        """A stored message is to be sent at that time."""
        if due_ms < self.next_due_ms:
            self.next_due_ms = due_ms
            self.keeper_wakes.set()

    def succeeded(self, message: Message) -> None:
        """The destination has it."""
        message.attempts += 1
        self.lanes.sent(message)
        self.ledger.delivered(message, self.now_ms())
        self.kick()

    def delivered_at(self, message: Message, at_ms: int) -> None:
        """That it arrived is stored."""
        self.queued -= 1
        self.delivered_kept += 1
        self.begun.discard(message.number)
        self.lanes.finished(message)
        self.tracker.tell(message, DeliveryState.DELIVERED, at_ms)
        if self.delivered_kept > self.settings.delivered_max:
            self.keeper_wakes.set()

    def refused(self, message: Message, reason: str) -> None:
        """It is given up: a dead letter."""
        now = self.now_ms()
        message.attempts += 1
        self.lanes.sent(message)
        self.ledger.note(
            lambda c: _bury_after_attempt(c, message, reason, now),
            lambda: self.buried(message, DeliveryState.FAILED, reason, now),
        )
        self.kick()

    def buried(self, message: Message, state: DeliveryState, reason: str, at_ms: int) -> None:
        """It is among the dead letters now."""
        self.queued -= 1
        self.dead += 1
        self.lanes.finished(message)
        self.tracker.tell(message, state, at_ms, reason)
        if self.dead > self.settings.dead_max:
            self.keeper_wakes.set()

    def faulty(self, message: Message, reason: str) -> None:
        """The attempt failed by the message's own fault, or may have: it waits, the others go on."""
        message.faults += 1
        if message.faults >= self.settings.max_attempts:
            self.refused(message, reason)
            return
        now = self.now_ms()
        message.attempts += 1
        message.due_ms = now + self._delay_ms(message.faults)
        row = (
            message.attempts,
            message.faults,
            message.due_ms,
            message.ordered,
            reason,
            message.number,
        )
        self.lanes.sent(message)
        if message.ordered:
            self.lanes.returned(message, message.attempts, message.due_ms)
        self.ledger.note(
            lambda c: _note_attempt(c, message.number, row, now),
            nothing if message.ordered else lambda: self._postponed(message),
        )
        self.tracker.tell(message, DeliveryState.QUEUED, now, reason)
        self.kick()
        self.keeper_wakes.set()

    def _postponed(self, message: Message) -> None:
        self.lanes.finished(message)
        self.wait_until(message.due_ms)

    def unreachable(self, message: Message, reason: str, retry_after: float | None) -> None:
        """The destination could not be reached: all that is for it waits."""
        now = self.now_ms()
        message.attempts += 1
        delay = self._delay_ms(self.lanes.failed(message))
        self.lanes.returned(
            message, message.attempts, now + max(delay, int((retry_after or 0.0) * 1000))
        )
        attempts, number = message.attempts, message.number
        self.ledger.note(
            lambda c: _note_vain(c, number, attempts, reason, now),
            nothing,
        )
        self.tracker.tell(message, DeliveryState.QUEUED, now, reason)
        self.kick()
        self.keeper_wakes.set()

    def held_back(self, message: Message, seconds: float) -> None:
        """It was not tried at all; its destination sleeps."""
        self.lanes.returned(message, message.attempts, self.now_ms() + max(1, int(seconds * 1000)))
        self.keeper_wakes.set()

    def _delay_ms(self, failures: int) -> int:
        """Return the backoff after so many failures in a row: doubling, the later half of it drawn."""
        delays = exponential(initial=self.settings.initial_delay, maximum=self.settings.max_delay)
        step = min(failures, BACKOFF_STEPS_MAX) - 1
        delay = next(itertools.islice(delays, step, None))
        return max(1, int(1000 * delay * self.world.random.uniform(0.5, 1.0)))


def _note_attempt(
    connection: sqlite3.Connection, number: int, row: tuple[object, ...], now_ms: int
) -> None:
    """Write a failed attempt and when the next one is due."""
    connection.execute(store.POSTPONE, row)
    _add_attempt(connection, number, row[0], row[4], now_ms)


def _note_vain(
    connection: sqlite3.Connection, number: int, attempts: int, reason: str, now_ms: int
) -> None:
    """Write an attempt that did not reach its destination."""
    connection.execute(store.TRIED, (attempts, reason, number))
    _add_attempt(connection, number, attempts, reason, now_ms)


def _bury_after_attempt(
    connection: sqlite3.Connection, message: Message, reason: str, now_ms: int
) -> None:
    connection.execute(store.TRIED, (message.attempts, reason, message.number))
    _add_attempt(connection, message.number, message.attempts, reason, now_ms)
    store.bury(connection, message.number, DeliveryState.FAILED, reason, now_ms)


def _add_attempt(
    connection: sqlite3.Connection, number: int, attempts: object, reason: object, now_ms: int
) -> None:
    place = int(str(attempts)) % store.ATTEMPTS_KEPT
    connection.execute(store.ADD_ATTEMPT, (number, place, now_ms, attempts, reason))
