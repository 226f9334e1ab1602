"""How good a connection is: estimators, and a grade that does not flap. No socket, no clock.

Theory. Latency and its variation are smoothed as TCP does it (RFC 6298). Reliability is the share of answers among
questions in the last five minutes. Bandwidth is the largest rate seen lately, since a connection that had nothing
to carry shows no less (as BBR estimates it: draft-ietf-ccwg-bbr). Stability is the share of that time in which it
was open, divided by how often it broke. The grade is that of the worst part that was measured; it changes
when a threshold is passed by a tenth, and stays passed for a while: sooner for the worse than for the better.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

SRTT_GAIN: Final = 1 / 8
VARIATION_GAIN: Final = 1 / 4
WINDOW: Final = 300.0
"""Seconds that are looked back on."""

BUCKET: Final = 10.0
"""Seconds that are counted together."""

RATE_WINDOW: Final = 60.0
"""Seconds for which the largest rate holds."""

MARGIN: Final = 0.1
"""Share by which a threshold has to be passed."""

HOLD_WORSE: Final = 2.0
HOLD_BETTER: Final = 10.0
"""Seconds for which a new grade has to hold."""


class Grade(IntEnum):
    """How good; larger is better."""

    UNUSABLE = 0
    POOR = 1
    GOOD = 2
    EXCELLENT = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a grade needs at least.

    Attributes:
        latency: seconds of a round trip.
        reliability: share of answers among questions.
        bandwidth: kB a second.
    """

    latency: float
    reliability: float
    bandwidth: float


THRESHOLDS: Final = {
    Grade.EXCELLENT: Thresholds(0.050, 0.99, 1000),
    Grade.GOOD: Thresholds(0.150, 0.95, 500),
    Grade.POOR: Thresholds(0.500, 0.90, 100),
}
WEIGHTS: Final = {"latency": 0.35, "reliability": 0.35, "bandwidth": 0.15, "stability": 0.15}


@dataclass(frozen=True, slots=True)
class Quality:
    """What is known; None where nothing was measured.

    Attributes:
        grade: in words.
        score: from 0 to 1.
        latency: smoothed round trip, seconds.
        variation: of it, seconds.
        reliability: share of answers.
        bandwidth: kB a second.
        stability: from 0 to 1.
    """

    grade: Grade
    score: float
    latency: float | None
    variation: float | None
    reliability: float | None
    bandwidth: float | None
    stability: float | None


class QualityMachine:
    """Of one connection.

    Args:
        now: seconds.
    """

    def __init__(self, now: float) -> None:
        self._began = now
        self._latency: float | None = None
        self._variation: float | None = None
        self._answers: deque[list[float]] = deque()
        self._rates: deque[tuple[float, float]] = deque()
        self._open_since: float | None = None
        self._spans: deque[tuple[float, float]] = deque()
        self._losses: deque[float] = deque()
        self._grade: Grade | None = None
        self._candidate: tuple[Grade, float] | None = None

    # --- what happens -----------------------------------------------------------------------

    def answered(self, now: float, rtt: float) -> None:
        """A question was answered after ``rtt`` seconds."""
        if self._latency is None or self._variation is None:
            self._latency, self._variation = rtt, rtt / 2
        else:
            self._variation += VARIATION_GAIN * (abs(self._latency - rtt) - self._variation)
            self._latency += SRTT_GAIN * (rtt - self._latency)
        self._bucket(now)[1] += 1

    def unanswered(self, now: float) -> None:
        """A question was not answered, or an attempt failed."""
        self._bucket(now)[2] += 1

    def transferred(self, now: float, count: int, seconds: float) -> None:
        """So many bytes passed in so many seconds in which there was something to carry."""
        if seconds <= 0:
            return
        rate = count / 1000 / seconds
        while self._rates and (
            self._rates[-1][1] <= rate or self._rates[-1][0] < now - RATE_WINDOW
        ):
            self._rates.pop()
        self._rates.append((now, rate))

    def opened(self, now: float) -> None:
        """The connection is open."""
        self._open_since = now

    def lost(self, now: float) -> None:
        """It broke."""
        if self._open_since is not None:
            self._spans.append((self._open_since, now))
            self._losses.append(now)
        self._open_since = None

    # --- what is known ----------------------------------------------------------------------

    def quality(self, now: float) -> Quality:
        """Return what is known, and let the grade follow."""
        self._forget(now)
        bandwidth = max((rate for _, rate in self._rates), default=None)
        known = {
            "latency": self._latency,
            "reliability": self._reliability(),
            "bandwidth": bandwidth,
        }
        stability = self._stability(now)
        raw = self._raw(known)
        if stability is not None and self._open_since is None:
            raw = Grade.UNUSABLE
        self._follow(now, raw)
        assert self._grade is not None
        return Quality(
            self._grade,
            _score(known, stability),
            self._latency,
            self._variation,
            known["reliability"],
            bandwidth,
            stability,
        )

    def _raw(self, known: dict[str, float | None]) -> Grade:
        worst = Grade.EXCELLENT
        for part, value in known.items():
            if value is None:
                continue
            found = Grade.UNUSABLE
            for grade, thresholds in THRESHOLDS.items():
                margin = self._margin(grade)
                limit: float = getattr(thresholds, part)
                if part == "reliability":  # a tenth of what may be missing
                    limit = 1 - (1 - limit) * (1 - margin)
                    is_met = value >= limit
                elif part == "latency":
                    is_met = value <= limit * (1 - margin)
                else:
                    is_met = value >= limit * (1 + margin)
                if is_met:
                    found = grade
                    break
            worst = min(worst, found)
        return worst

    def _margin(self, grade: Grade) -> float:
        """Return how much more a better grade needs, and how much less the present one does."""
        if self._grade is None:
            return 0.0
        return MARGIN if grade > self._grade else -MARGIN

    def _follow(self, now: float, raw: Grade) -> None:
        if self._grade is None:
            self._grade = raw
        elif raw == self._grade:
            self._candidate = None
        elif self._candidate is None or (self._candidate[0] < self._grade) != (raw < self._grade):
            self._candidate = raw, now
        else:
            since = self._candidate[1]
            self._candidate = raw, since
            if now - since >= (HOLD_WORSE if raw < self._grade else HOLD_BETTER):
                self._grade, self._candidate = raw, None

    def _reliability(self) -> float | None:
        good = sum(bucket[1] for bucket in self._answers)
        bad = sum(bucket[2] for bucket in self._answers)
        return good / (good + bad) if good + bad else None

    def _stability(self, now: float) -> float | None:
        start = max(self._began, now - WINDOW)
        if now <= start or (self._open_since is None and not self._spans):
            return None
        spans = [*self._spans]
        if self._open_since is not None:
            spans.append((self._open_since, now))
        held = sum(max(0.0, min(end, now) - max(begin, start)) for begin, end in spans)
        return held / (now - start) / (1 + len(self._losses) / 5)

    def _bucket(self, now: float) -> list[float]:
        if not self._answers or now >= self._answers[-1][0] + BUCKET:
            self._answers.append([now, 0, 0])
        return self._answers[-1]

    def _forget(self, now: float) -> None:
        while self._answers and self._answers[0][0] < now - WINDOW:
            self._answers.popleft()
        while self._rates and self._rates[0][0] < now - RATE_WINDOW:
            self._rates.popleft()
        while self._spans and self._spans[0][1] < now - WINDOW:
            self._spans.popleft()
        while self._losses and self._losses[0] < now - WINDOW:
            self._losses.popleft()


def _score(known: dict[str, float | None], stability: float | None) -> float:
    """Weigh the parts that were measured: 1 at "excellent", 0.75 at "good", 0.5 at "poor", then towards 0."""
    total = weight = 0.0
    for part, value in {**known, "stability": stability}.items():
        if value is None:
            continue
        points = value if part == "stability" else _points(part, value)
        total += WEIGHTS[part] * points
        weight += WEIGHTS[part]
    return total / weight if weight else 0.0


def _points(part: str, value: float) -> float:
    steps: list[tuple[float, float]] = [
        (getattr(THRESHOLDS[grade], part), points)
        for grade, points in ((Grade.EXCELLENT, 1.0), (Grade.GOOD, 0.75), (Grade.POOR, 0.5))
    ]
    sign = -1 if part == "latency" else 1
    if sign * value >= sign * steps[0][0]:
        return 1.0
    for (better, upper), (worse, lower) in itertools.pairwise(steps):
        if sign * value >= sign * worse:
            return lower + (upper - lower) * (value - worse) / (better - worse)
    last = steps[-1][0]
    return 0.5 * (last / value if part == "latency" else max(0.0, value) / last)
