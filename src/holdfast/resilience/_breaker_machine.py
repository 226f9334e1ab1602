"""The circuit breaker as a machine: no clock, no lock; ``now`` is an argument.

Source: M. Nygard, "Release It!", 2007; the windows and the slow-call rate as in resilience4j.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass
from typing import Final


class CircuitState(enum.Enum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    FORCED_CLOSED = "forced_closed"


class Trigger(enum.Enum):
    """What moves a breaker from state to state."""

    TRIPPED = "too many failures or slow calls"
    TIMEOUT = "timeout is over"
    PROBES_PASSED = "success_threshold probes succeed"
    PROBE_FAILED = "a probe fails or is slow"
    FORCE_OPEN = "force_open()"
    FORCE_CLOSED = "force_closed()"
    RESET = "reset()"


TRANSITIONS: Final[dict[tuple[CircuitState, Trigger], CircuitState]] = {
    (CircuitState.CLOSED, Trigger.TRIPPED): CircuitState.OPEN,
    (CircuitState.OPEN, Trigger.TIMEOUT): CircuitState.HALF_OPEN,
    (CircuitState.HALF_OPEN, Trigger.PROBES_PASSED): CircuitState.CLOSED,
    (CircuitState.HALF_OPEN, Trigger.PROBE_FAILED): CircuitState.OPEN,
    **{(state, Trigger.FORCE_OPEN): CircuitState.FORCED_OPEN for state in CircuitState},
    **{(state, Trigger.FORCE_CLOSED): CircuitState.FORCED_CLOSED for state in CircuitState},
    **{(state, Trigger.RESET): CircuitState.CLOSED for state in CircuitState},
}


PROBE_WAIT: Final = 1.0
"""Seconds after which to ask again while probes are under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreakerConfig:
    """When a breaker opens, and how it closes again.

    Attributes:
        failure_threshold: consecutive failures that open it; with a window it is not used.
        success_threshold: probes that have to succeed until it closes.
        timeout: seconds that it stays open.
        expected_exception: what counts as a failure; anything else passes without counting.
        half_open_max: probes under way at the same time.
        window_calls: judge the last so many calls by their failure rate.
        window_time: judge the calls of the last so many seconds by their failure rate.
        failure_rate: share of failures in the window that opens it.
        minimum_calls: calls in the window below which nothing is judged.
        slow_call: seconds from which a call is slow; None judges no durations.
        slow_call_rate: share of slow calls in the window that opens it.
    """

    failure_threshold: int = 5
    success_threshold: int = 1
    timeout: float = 60.0
    expected_exception: type[Exception] | tuple[type[Exception], ...] = Exception
    half_open_max: int = 1
    window_calls: int | None = None
    window_time: float | None = None
    failure_rate: float = 0.5
    minimum_calls: int = 10
    slow_call: float | None = None
    slow_call_rate: float = 0.5

    def __post_init__(self) -> None:
        """Check the figures.

        Raises:
            ValueError: one makes no sense; the message names it.
        """
        for name in ("failure_threshold", "success_threshold", "half_open_max", "minimum_calls"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("timeout", "window_calls", "window_time", "slow_call"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be more than 0, not {value}")
        for name in ("failure_rate", "slow_call_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in (0, 1], not {getattr(self, name)}")
        if self.window_calls is not None and self.window_time is not None:
            raise ValueError("give window_calls or window_time, not both")
        if self.slow_call is not None and not self.has_window:
            raise ValueError("slow_call is judged in a window: give window_calls or window_time")

    @property
    def has_window(self) -> bool:
        """True when a rate is judged and not a row of failures."""
        return self.window_calls is not None or self.window_time is not None


class Window:
    """The outcomes of recent calls: how many, how many failed, how many were slow.

    Args:
        config: bounds of the window.
    """

    __slots__ = ("_calls", "_failed", "_outcomes", "_seconds", "_slow")

    BUCKETS: Final = 10
    """Parts of a window of time; memory does not grow with the rate of calls."""

    def __init__(self, config: CircuitBreakerConfig) -> None:
        self._calls = config.window_calls
        self._seconds = config.window_time
        self.clear()

    def clear(self) -> None:
        """Forget all calls."""
        # [begin of the bucket, calls, failed, slow]; for a window of calls each bucket is one call.
        self._outcomes: deque[list[float]] = deque()
        self._failed = 0
        self._slow = 0

    def add(self, now: float, *, has_failed: bool, is_slow: bool) -> tuple[int, int, int]:
        """Note an outcome; returns calls, failed and slow ones in the window."""
        outcomes = self._outcomes
        if self._seconds is None:
            outcomes.append([now, 1, has_failed, is_slow])
            if self._calls is not None and len(outcomes) > self._calls:
                self._drop(outcomes.popleft())
        else:
            width = self._seconds / self.BUCKETS
            if not outcomes or now >= outcomes[-1][0] + width:
                outcomes.append([now, 0, 0, 0])
            bucket = outcomes[-1]
            bucket[1] += 1
            bucket[2] += has_failed
            bucket[3] += is_slow
            while outcomes[0][0] + self._seconds <= now:
                self._drop(outcomes.popleft())
        self._failed += has_failed
        self._slow += is_slow
        calls = len(outcomes) if self._seconds is None else int(sum(b[1] for b in outcomes))
        return calls, self._failed, self._slow

    def _drop(self, bucket: list[float]) -> None:
        self._failed -= int(bucket[2])
        self._slow -= int(bucket[3])


class BreakerMachine:
    """Decides which calls pass.

    A call that was let through in one state and ends in another one (its ``ticket`` is old) counts for nothing.

    Attributes:
        state: what it does with calls.
        failures: in a row.
        opened_at: when it opened last, in monotonic seconds.
        ticket: grows with every change of state.
    """

    def __init__(self, config: CircuitBreakerConfig) -> None:
        self.config = config
        self.state = CircuitState.CLOSED
        self.failures = 0
        self.opened_at = 0.0
        self.ticket = 0
        self._window = Window(config) if config.has_window else None
        self._probes = 0
        self._passed = 0

    def enter(self, now: float) -> float | None:
        """Ask for a call to be let through.

        Returns:
            None when it is, else the seconds after which to ask again.
        """
        if self.state in {CircuitState.CLOSED, CircuitState.FORCED_CLOSED}:
            return None
        if self.state is CircuitState.FORCED_OPEN:
            return self.config.timeout
        if self.state is CircuitState.OPEN:
            # Compared with the announced moment, never with a difference.
            closes_at = self.opened_at + self.config.timeout
            if now < closes_at:
                return closes_at - now
            self._move(Trigger.TIMEOUT)
        if self._probes >= self.config.half_open_max:
            return min(self.config.timeout, PROBE_WAIT)  # a probe is under way: its outcome decides
        self._probes += 1
        return None

    def succeeded(self, ticket: int, now: float, took: float) -> None:
        """A call that was let through ended well after ``took`` seconds."""
        slow = self.config.slow_call
        is_slow = slow is not None and took >= slow
        if ticket != self.ticket:
            return
        if self.state is CircuitState.HALF_OPEN:
            self._probe_ended(now, is_good=not is_slow)
        elif self.state is CircuitState.CLOSED:
            self.failures = 0
            self._judge(now, has_failed=False, is_slow=is_slow)

    def failed(self, ticket: int, now: float, took: float) -> None:
        """A call that was let through failed after ``took`` seconds."""
        slow = self.config.slow_call
        if ticket != self.ticket:
            return
        if self.state is CircuitState.HALF_OPEN:
            self._probe_ended(now, is_good=False)
        elif self.state is CircuitState.CLOSED:
            self.failures += 1
            if self._window is not None:
                self._judge(now, has_failed=True, is_slow=slow is not None and took >= slow)
            elif self.failures >= self.config.failure_threshold:
                self._trip(now)

    def abandoned(self, ticket: int) -> None:
        """A call ended without telling anything: cancelled, or with an error that is not expected."""
        if ticket == self.ticket and self.state is CircuitState.HALF_OPEN:
            self._probes -= 1

    def force(self, trigger: Trigger) -> None:
        """Move by hand: FORCE_OPEN, FORCE_CLOSED or RESET."""
        self._move(trigger)

    def _judge(self, now: float, *, has_failed: bool, is_slow: bool) -> None:
        if self._window is None:
            return
        calls, failed, slow = self._window.add(now, has_failed=has_failed, is_slow=is_slow)
        config = self.config
        if calls >= config.minimum_calls and (
            failed >= config.failure_rate * calls
            or (config.slow_call is not None and slow >= config.slow_call_rate * calls)
        ):
            self._trip(now)

    def _probe_ended(self, now: float, *, is_good: bool) -> None:
        self._probes -= 1
        if not is_good:
            self.opened_at = now
            self._move(Trigger.PROBE_FAILED)
            return
        self._passed += 1
        if self._passed >= self.config.success_threshold:
            self._move(Trigger.PROBES_PASSED)

    def _trip(self, now: float) -> None:
        self.opened_at = now
        self._move(Trigger.TRIPPED)

    def _move(self, trigger: Trigger) -> None:
        self.state = TRANSITIONS[self.state, trigger]
        self.ticket += 1
        self.failures = self._probes = self._passed = 0
        if self._window is not None:
            self._window.clear()


def diagram() -> str:
    """Draw the transitions that calls and time cause, as a mermaid state diagram."""
    by_hand = {Trigger.FORCE_OPEN, Trigger.FORCE_CLOSED, Trigger.RESET}
    lines = ["stateDiagram-v2", "    [*] --> closed"]
    for (state, trigger), target in TRANSITIONS.items():
        if trigger not in by_hand:
            lines.append(f"    {state.value} --> {target.value}: {trigger.value}")
    return "\n".join(lines)
