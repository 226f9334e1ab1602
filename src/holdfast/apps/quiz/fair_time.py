"""Which time counts for an answer, when networks differ and lies are possible.

The device says how long its user thought, the server says when the answer arrived. What lies between is
given back only up to a quota that follows from the round trips the server measured itself, so that a lie gains
little; beyond it only silence that the server witnessed is given, within a budget for the whole game.
Lichess compensates lag in the same spirit; the constants were chosen by simulating 3000 games.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ALLOWANCE_MS: Final = 100.0
"""Added to the round trip: a device paints and a thumb lands."""

GAIN_MS_MIN: Final = 100.0
GAIN_MS_MAX: Final = 1000.0
"""Bounds of the quota's growth for each question."""

START_GAINS: Final = 3
GAINS_MAX: Final = 7
"""The quota begins with three gains and never holds more than seven."""

SILENCE_BUDGET_MS: Final = 6000.0
"""Witnessed silence that is given back in one game."""

EFFECTIVE_MS_MIN: Final = 250
"""No thought is quicker than that."""


def gain_ms(round_trip_ms: float | None) -> float:
    """Return by how much a question raises the quota of a seat.

    Args:
        round_trip_ms: 75th percentile of the server's own pings; None while unknown.
    """
    known = 0.0 if round_trip_ms is None else round_trip_ms
    return min(max(known + ALLOWANCE_MS, GAIN_MS_MIN), GAIN_MS_MAX)


@dataclass(slots=True)
class LagAccount:
    """What one seat may still be given back.

    Attributes:
        quota_ms: for lag.
        silence_ms: for silence that the server saw.
    """

    quota_ms: float = START_GAINS * GAIN_MS_MIN
    silence_ms: float = SILENCE_BUDGET_MS

    def start(self, gain: float) -> None:
        """Set the quota of one who is new."""
        self.quota_ms = START_GAINS * gain

    def refill(self, gain: float) -> None:
        """Raise the quota for the next question."""
        self.quota_ms = min(self.quota_ms + gain, GAINS_MAX * gain)

    def judge(self, *, elapsed_ms: int, claim_ms: int, silent_ms: float, excused_ms: float) -> int:
        """Return the time that counts, and pay for what was given back.

        Args:
            elapsed_ms: from the opening to the arrival, on the server's clock.
            claim_ms: what the device says.
            silent_ms: of that, how long the server had no connection to the seat.
            excused_ms: of the silence, how much the server caused itself; it costs nothing.

        Returns:
            Milliseconds, at least ``EFFECTIVE_MS_MIN`` and at most ``elapsed_ms`` or that minimum.
        """
        lag = max(0.0, float(elapsed_ms - claim_ms))
        excused = min(lag, excused_ms)
        witnessed = min(lag - excused, max(0.0, silent_ms - excused_ms), self.silence_ms)
        ordinary = min(lag - excused - witnessed, self.quota_ms)
        self.silence_ms -= witnessed
        self.quota_ms -= ordinary
        effective = elapsed_ms - round(excused + witnessed + ordinary)
        return max(effective, EFFECTIVE_MS_MIN)
