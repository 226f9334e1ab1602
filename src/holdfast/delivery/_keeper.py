"""The keeper: what happens in an outbox because time passes or memory has room."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.delivery import store
from holdfast.delivery.lanes import LaneKey
from holdfast.delivery.message import DeliveryState
from holdfast.errors import StorageError

if TYPE_CHECKING:
    from holdfast.delivery._desk import Desk

log = logging.getLogger("holdfast.delivery")

BATCH: Final = 500
"""Messages that become due or expire in one transaction."""

PATIENCE_MS: Final = 1000
"""Milliseconds until a store that failed is asked again."""

ROTATION_MS: Final = 2000
"""Milliseconds between two looks for destinations that are only in the store."""

FIRST_LANE: Final = LaneKey("", ordered=False)
FAR: Final = 1 << 62


class Keeper:
    """Fills lanes, promotes what is due, expires what is over, forgets what is old; idle, it sleeps."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._after = FIRST_LANE
        self._rotation_ms = 0
        self._sweep_ms = 0

    async def run(self) -> None:
        """Work until cancelled."""
        desk = self._desk
        while True:
            desk.keeper_wakes.clear()
            try:
                await self._round()
            except StorageError as error:
                log.warning("the outbox cannot read its store: %s", error)
                await asyncio.sleep(PATIENCE_MS / 1000)
                continue
            desk.kick()
            if desk.lanes.is_hungry:
                continue
            await self._wait()

    async def _round(self) -> None:
        desk = self._desk
        desk.lanes.rouse(desk.now_ms())
        if desk.has_workers:
            await self._find_lanes()
            await self._fill_lanes()
        if desk.next_due_ms <= desk.now_ms():
            await self._promote()
        if desk.next_expiry_ms <= desk.now_ms():
            await self._expire()
        is_crowded = (
            desk.delivered_kept > desk.settings.delivered_max or desk.dead > desk.settings.dead_max
        )
        if self._sweep_ms <= desk.now_ms() or is_crowded:
            await self._sweep()

    async def _wait(self) -> None:
        """Sleep until somebody calls or a time has come."""
        desk = self._desk
        sleeper_ms = desk.lanes.next_ms()
        next_ms = min(
            desk.next_due_ms,
            desk.next_expiry_ms,
            self._sweep_ms,
            FAR if sleeper_ms is None else sleeper_ms,
            FAR if desk.lanes.is_complete or not desk.has_workers else self._rotation_ms,
        )
        loop = asyncio.get_running_loop()
        delay = max(0, next_ms - desk.now_ms()) / 1000
        alarm = None if next_ms == FAR else loop.call_later(delay, desk.keeper_wakes.set)
        try:
            await desk.keeper_wakes.wait()
        finally:
            if alarm is not None:
                alarm.cancel()

    # --- memory -----------------------------------------------------------------------------

    async def _find_lanes(self) -> None:
        """Look for destinations that are only in the store."""
        desk = self._desk
        lanes, now = desk.lanes, desk.now_ms()
        if lanes.is_complete or now < self._rotation_ms:
            return
        self._rotation_ms = now + ROTATION_MS
        if lanes.room < limits.OUTBOX_LANES_MAX // 4:
            lanes.forget_sleepers()
        room = lanes.room
        if room <= 0:
            return
        began, lanes.has_missed = self._after, False
        found = await desk.database.read(lambda c: store.next_lanes(c, began, room))
        for destination, ordered in found:
            lanes.found(LaneKey(destination, ordered))
        if len(found) == room:
            self._after = LaneKey(*found[-1])
        else:
            self._after = FIRST_LANE
            lanes.is_complete = began == FIRST_LANE and not lanes.has_missed

    async def _fill_lanes(self) -> None:
        desk = self._desk
        for key, count in desk.lanes.hungry():
            try:
                rows = await desk.database.fetch_all(store.LANE, (*key, count))
            except BaseException as error:
                desk.lanes.unfilled(key, desk.now_ms() + PATIENCE_MS)
                if not isinstance(error, StorageError):
                    raise
                log.warning("messages for %s cannot be read: %s", key.destination, error)
            else:
                found = [store.message_of(row) for row in rows]
                messages = [each for each in found if each.number not in desk.unannounced]
                desk.lanes.filled(key, messages, has_more=len(rows) == count)
                desk.kick()

    # --- time -------------------------------------------------------------------------------

    async def _promote(self) -> None:
        """Let those in whose time has come."""
        desk = self._desk
        now, desk.next_due_ms = desk.now_ms(), FAR
        try:
            rows = await desk.database.write(
                lambda c: c.execute(store.PROMOTE, (now, BATCH)).fetchall()
            )
            next_due = await desk.database.fetch_one(store.NEXT_DUE)
        except BaseException:
            desk.next_due_ms = now
            raise
        for row in rows if desk.has_workers else ():
            desk.lanes.offer(store.message_of(row))
        desk.wait_until(_time_of(next_due))

    async def _expire(self) -> None:
        """Make dead letters of those whose time is over; what is being sent right now is not among them."""
        desk = self._desk
        now, desk.next_expiry_ms = desk.now_ms(), FAR
        busy = frozenset(desk.lanes.busy)
        try:
            over = await desk.database.write(lambda c: store.expire(c, now, busy, BATCH))
            next_expiry = await desk.database.fetch_one(store.NEXT_EXPIRY)
        except BaseException:
            desk.next_expiry_ms = now
            raise
        for message in over:
            desk.lanes.dropped(message)
            desk.buried(message, DeliveryState.EXPIRED, "its time was over", now)
        again = _time_of(next_expiry)
        if len(over) < BATCH:  # those that are over and still there are being sent
            again = max(again, now + PATIENCE_MS)
        desk.next_expiry_ms = min(desk.next_expiry_ms, again)

    async def _sweep(self) -> None:
        """Forget what is too old or too many."""
        desk, settings = self._desk, self._desk.settings
        now = desk.now_ms()
        lasts_ms = int(settings.delivered_ttl * 1000)
        delivered, dead, oldest_ms = await desk.database.write(
            lambda c: store.sweep(
                c,
                older_than_ms=now - lasts_ms,
                delivered_max=settings.delivered_max,
                dead_max=settings.dead_max,
            )
        )
        desk.delivered_kept -= delivered
        desk.dead -= dead
        if dead:
            log.warning("%d dead letters were forgotten, there were too many", dead)
        self._sweep_ms = now + lasts_ms if oldest_ms is None else max(now + 1, oldest_ms + lasts_ms)


def _time_of(row: tuple[object, ...] | None) -> int:
    value = None if row is None else row[0]
    return value if isinstance(value, int) else FAR
