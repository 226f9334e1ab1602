"""Whether the other end still answers: a state machine without socket or clock.

Theory. A connection can be dead in one direction while the other still works, and the kernel may take a quarter
of an hour to notice. So a ping needs an answer: bytes from the peer prove nothing about ours reaching it. They
only buy time, because an answer may stand in a queue behind them.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

PATIENCE: Final = 3
"""Times the time-out that an answer may take while other bytes come."""


class Beat(Enum):
    """What to do now."""

    NOTHING = auto()
    PING = auto()
    DEAD = auto()


class HeartbeatMachine:
    """Of one open connection.

    Args:
        now: when it was opened.
        interval: seconds between an answer and the next ping; None sends none.
        timeout: seconds for an answer.

    Attributes:
        number: of the ping sent last.
        rtt: seconds that the last answer took, None before there was one.
    """

    def __init__(self, now: float, interval: float | None, timeout: float) -> None:
        self._interval = interval
        self._timeout = timeout
        self._next_at = float("inf") if interval is None else now + interval
        self._sent_at: float | None = None
        self._look_at = float("inf")
        self._allowed = timeout
        self._heard_at = now
        self.number = 0
        self.rtt: float | None = None

    @property
    def next_at(self) -> float:
        """When ``beat`` may have something to say again."""
        return self._next_at if self._sent_at is None else min(self._deadline(), self._look_at)

    def _deadline(self) -> float:
        assert self._sent_at is not None
        heard_until = max(self._sent_at, self._heard_at) + self._allowed
        return min(heard_until, self._sent_at + PATIENCE * self._allowed)

    def beat(self, now: float) -> Beat:
        """Say what is due; after ``PING`` the caller sends ``number``."""
        if now < self.next_at:
            return Beat.NOTHING
        if self._sent_at is not None:
            # An answer wakes nobody: a look is taken when the next ping would be due if there was one.
            self._look_at = float("inf")
            return Beat.DEAD if now >= self._deadline() else Beat.NOTHING
        self.number += 1
        self._sent_at = now
        self._look_at = now + (self._interval or 0.0)
        return Beat.PING

    def probe(self, now: float, within: float) -> None:
        """Ask for a sign of life now: something has happened (sleep, another network).

        Args:
            now: seconds.
            within: seconds for the answer.
        """
        if self._interval is not None:
            self._sent_at = None
            self._next_at = now
            self._allowed = within

    def heard(self, now: float) -> None:
        """Bytes came."""
        self._heard_at = now

    def answered(self, now: float, number: int) -> bool:
        """The answer to a ping came; return whether it was to the last one, others say nothing new."""
        self._heard_at = now
        if self._sent_at is None or number != self.number:
            return False
        self.rtt = now - self._sent_at
        self._sent_at = None
        self._allowed = self._timeout
        self._next_at = now + (self._interval or 0.0)
        return True
