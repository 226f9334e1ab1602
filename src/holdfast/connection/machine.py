"""When a connection is tried, lost, and given up: a state machine without socket, clock or tasks.

Theory. Delays double with each round of attempts in vain and are drawn between zero and that (full jitter), so
that a thousand connections lost in one moment do not come back in one. A connection that opens and breaks at
once is no success: the delays begin anew only when one has held for a while.

Source of full jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.connection.states import TABLE, ConnectionState, Happening, Reason, StateChange

if TYPE_CHECKING:
    import random

    from holdfast.connection.settings import ConnectionSettings

MIN_DELAY: Final = 0.05
"""Seconds between two attempts at least, whatever was drawn and whoever hurries."""

DOUBLINGS_MAX: Final = 30
"""Doublings after which any delay is at its maximum."""


class ConnectionMachine:
    """One connection's life.

    Args:
        settings: of the connection.
        random: for the jitter.

    Attributes:
        state: where it stands.
        next_at: when to try, None when nothing is to be tried.
        changes: what happened and was not told yet; whoever tells empties it.
        attempts: in vain since it was last good.
        opens: how often it was opened.
        opened_at: when it was opened last.
    """

    def __init__(self, settings: ConnectionSettings, random: random.Random) -> None:
        self._settings = settings
        self._random = random
        self._rounds = 0
        self._tried_at = float("-inf")
        self.state = ConnectionState.DISCONNECTED
        self.next_at: float | None = None
        self.changes: list[StateChange] = []
        self.attempts = 0
        self.opens = 0
        self.opened_at = 0.0
        self.address = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing happens any more by itself."""
        return self.state in {ConnectionState.DISCONNECTED, ConnectionState.FAILED}

    def wanted(self, now: float) -> None:
        """Somebody wants it open; harmless when it is, or is being opened."""
        if self.is_over:
            self.attempts = self._rounds = 0
            self.next_at = now
            self._happened(now, Happening.WANTED)

    def tried(self, now: float, address: str) -> None:
        """An attempt begins."""
        self.next_at = None
        self._tried_at = now
        self.address = address

    def opened(self, now: float) -> None:
        """The attempt succeeded, handshake included."""
        self.opens += 1
        self.opened_at = now
        self._happened(now, Happening.OPENED)

    def failed(
        self,
        now: float,
        reason: Reason,
        message: str,
        *,
        has_other: bool = False,
        retry_after: float | None = None,
    ) -> None:
        """The attempt failed.

        Args:
            now: seconds.
            reason: why.
            message: for a person.
            has_other: another address of the peer has not been tried in this round.
            retry_after: seconds that the peer asked for.
        """
        self.attempts += 1
        most = self._settings.max_attempts
        if most is not None and self.attempts >= most:
            self.next_at = None
            self._happened(now, Happening.GIVEN_UP, reason, message)
            return
        delay = self._settings.failover_delay if has_other else self._next_delay()
        self.next_at = now + max(delay, retry_after or 0.0)
        self._happened(now, Happening.ATTEMPT_FAILED, reason, message)

    def lost(self, now: float, reason: Reason, message: str) -> None:
        """The open connection broke."""
        if now - self.opened_at >= self._settings.stable_after:
            self.attempts = self._rounds = 0
        else:
            self.attempts += 1
        self.next_at = now + self._next_delay()
        self._happened(now, Happening.LOST, reason, message)

    def hurry(self, now: float) -> None:
        """There is news (the network is back, somebody waits): try now instead of later."""
        if self.next_at is not None:
            self.next_at = min(self.next_at, max(now, self._tried_at + MIN_DELAY))

    def idled(self, now: float) -> None:
        """Nobody used it for long."""
        self.next_at = None
        self._happened(now, Happening.IDLE, Reason.IDLE, "nobody used it for a while")

    def broken(self, now: float, message: str) -> None:
        """A program's fault, in a handshake or in ours: trying again would not help."""
        self.next_at = None
        self._happened(now, Happening.BROKEN, Reason.FAULT, message)

    def closed(self, now: float) -> None:
        """Its owner does not want it any more."""
        self.next_at = None
        if self.state is not ConnectionState.DISCONNECTED:
            self._happened(now, Happening.CLOSED, Reason.REQUESTED, "closed by its owner")

    def _next_delay(self) -> float:
        most = min(
            self._settings.max_delay,
            self._settings.initial_delay * 2 ** min(self._rounds, DOUBLINGS_MAX),
        )
        self._rounds += 1
        return max(MIN_DELAY, self._random.uniform(0.0, most))

    def _happened(
        self, now: float, what: Happening, reason: Reason | None = None, message: str = ""
    ) -> None:
        old, self.state = self.state, TABLE[self.state, what]
        retry_in = None if self.next_at is None else max(0.0, self.next_at - now)
        self.changes.append(
            StateChange(
                now, old, self.state, reason, message, self.address, self.attempts, retry_in
            )
        )
