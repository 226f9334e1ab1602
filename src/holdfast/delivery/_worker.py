"""A worker: takes one message after the other and hands it to its destination."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from holdfast.delivery import store
from holdfast.delivery._leases import Leases
from holdfast.delivery.message import DeliveryState
from holdfast.errors import (
    CircuitBreakerOpenError,
    DeliveryRefusedError,
    ResilienceError,
    StorageError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.delivery._desk import Desk
    from holdfast.delivery.message import Message

log = logging.getLogger("holdfast.delivery")


class Worker:
    """Sends, and says what came of it.

    Args:
        desk: where messages come from.
        send: hands one message to its destination.
    """

    def __init__(self, desk: Desk, send: Callable[[Message], Awaitable[object]]) -> None:
        self._desk = desk
        self._send = send
        self._leases = Leases(desk.settings.lease)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            message = await self._desk.take()
            try:
                if await self._prepare(message):
                    await self._deliver(message)
            except StorageError as error:  # nothing was sent: it stays, and is tried again soon
                log.warning("message %s waits for the store: %s", message.id, error)
                self._desk.held_back(message, error.retry_after or 1.0)

    async def _prepare(self, message: Message) -> bool:
        """Complete what is in memory; say whether to send it."""
        desk = self._desk
        if not message.body:  # there was no room for it in memory
            row = await desk.database.fetch_one(store.BODY, (message.number,))
            if row is not None and isinstance(row[0], bytes):
                message.body = row[0]
        if desk.has_crashed and message.number <= desk.last_inherited and not message.attempts_here:
            # It may be what the last process died of. The next one must know that we tried.
            if message.crashes >= desk.settings.max_crashes:
                desk.refused(
                    message, f"the process ended {message.crashes} times while it was being sent"
                )
                return False
            await desk.database.write(
                lambda connection: connection.execute(store.MAY_CRASH, (message.number,)) and None
            )
        message.attempts_here += 1
        return True

    async def _deliver(self, message: Message) -> None:
        desk = self._desk
        if desk.tracker.is_watched:
            desk.tracker.tell(message, DeliveryState.SENDING, desk.now_ms())
        breaker = desk.breakers.get(message.destination)
        try:
            await breaker.call_async(self._leases.attempt, self._send, message)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Something inside `send` was cancelled, not we: as if there had been no answer.
            desk.unreachable(message, "the attempt was cancelled", None)
        except DeliveryRefusedError as error:
            desk.refused(message, _reason(error))
        except desk.settings.unreachable as error:
            if isinstance(error, CircuitBreakerOpenError):
                desk.held_back(message, error.retry_after or 1.0)
            else:
                desk.unreachable(message, _reason(error), getattr(error, "retry_after", None))
        except Exception as error:  # noqa: BLE001 - whatever it is, the message keeps it as its reason
            desk.faulty(message, _reason(error))
        else:
            desk.succeeded(message)


def _reason(error: BaseException) -> str:
    text = error.message if isinstance(error, ResilienceError) else str(error)
    return f"{type(error).__name__}: {text}"[: store.REASON_MAX]
