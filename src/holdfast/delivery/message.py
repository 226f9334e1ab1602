"""A message that must arrive, and the states it goes through.

::

    QUEUED ⇄ SENDING → DELIVERED
       │        ├────→ FAILED      refused for good, or refused too often: a dead letter
       └────────┴────→ EXPIRED     its time was over first: a dead letter as well
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DeliveryState(StrEnum):
    """Where a message stands."""

    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    EXPIRED = "expired"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows by itself."""
        return self not in _PASSING


_PASSING = frozenset({DeliveryState.QUEUED, DeliveryState.SENDING})


@dataclass(slots=True)
class Message:
    """A message as it is handed to whoever sends it.

    Attributes:
        number: of this outbox; grows with each message.
        id: chosen by its sender, stays the same over all attempts: the receiver drops duplicates by it.
        destination: where to; what has one destination shares a breaker and a turn.
        body: the bytes, as they were submitted.
        priority: higher goes first among those of one destination; 0 when ordered.
        ordered: it follows the ordered messages submitted before it to its destination.
        created_ms: when it was submitted, milliseconds since 1970 on the outbox's clock.
        due_ms: not to be sent before; 0 at once.
        expires_ms: not to be sent after.
        attempts: made so far, this one not counted.
        faults: attempts that were the message's own fault, or may have been.
        crashes: attempts during which the process ended.
        attempts_here: attempts of this process, this one counted.
    """

    number: int
    id: str
    destination: str
    body: bytes
    priority: int
    ordered: bool
    created_ms: int
    due_ms: int
    expires_ms: int
    attempts: int = 0
    faults: int = 0
    crashes: int = 0
    attempts_here: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """A message came into a state.

    Attributes:
        id: of the message.
        destination: where to.
        state: the new one.
        at: seconds since 1970 on the outbox's clock.
        attempts: made so far.
        reason: the last error, when there was one.
    """

    id: str
    destination: str
    state: DeliveryState
    at: float
    attempts: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Tracked:
    """All that is known of a message.

    Attributes:
        now: its state and what led there last.
        created_at: seconds since 1970.
        history: what happened, oldest first; of the failed attempts the last 20.
    """

    now: Change
    created_at: float
    history: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up.

    Attributes:
        message: as it was submitted.
        state: expired or failed.
        reason: why.
        at: when, seconds since 1970.
    """

    message: Message
    state: DeliveryState
    reason: str
    at: float
