"""How an outbox tries, and what it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdfast import limits
from holdfast.errors import CircuitBreakerOpenError, NetworkError, RateLimitError, SessionError

UNREACHABLE: Final[tuple[type[Exception], ...]] = (
    NetworkError,
    CircuitBreakerOpenError,
    RateLimitError,
    SessionError,
    OSError,
    TimeoutError,
)
"""Errors that are the destination's fault: all that is for it waits, and no message is given up for them."""


@dataclass(frozen=True, kw_only=True)
class OutboxSettings:
    """The knobs of an outbox.

    Attributes:
        workers: messages that are being sent at the same time.
        per_destination: of them, for one destination at most.
        lease: seconds that one attempt may take; then it is cancelled and counts as no answer.
        ttl: seconds until a message expires that names no time of its own.
        max_attempts: attempts that fail by the message's own fault before it is a dead letter.
        max_crashes: attempts during which the process ended before it is a dead letter.
        initial_delay: seconds before the second attempt; doubles each time, with jitter.
        max_delay: seconds between two attempts at most.
        failure_threshold: attempts in a row without reaching a destination that open its breaker.
        breaker_timeout: seconds until an open breaker lets a probe through.
        unreachable: errors that are the destination's fault, not the message's.
        queued_max: messages that may wait (OutboxFullError).
        delivered_max: delivered messages that can still be asked for (the oldest is forgotten).
        delivered_ttl: seconds that a delivered message can be asked for.
        dead_max: dead letters that are kept (the oldest is forgotten, with a line in the log).
    """

    workers: int = 16
    per_destination: int = 8
    lease: float = 30.0
    ttl: float = 7 * 24 * 3600.0
    max_attempts: int = 10
    max_crashes: int = 5
    initial_delay: float = 1.0
    max_delay: float = 60.0
    failure_threshold: int = 5
    breaker_timeout: float = 30.0
    unreachable: tuple[type[Exception], ...] = UNREACHABLE
    queued_max: int = limits.OUTBOX_QUEUED_MAX
    delivered_max: int = limits.OUTBOX_DELIVERED_MAX
    delivered_ttl: float = 24 * 3600.0
    dead_max: int = limits.OUTBOX_DEAD_MAX
