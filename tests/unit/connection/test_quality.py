"""Grades that say how good a connection is, and do not flap."""

from __future__ import annotations

import random

import pytest

from holdfast.connection.quality import Grade, QualityMachine


def fed(rtt: float, *, lost: float = 0.0, seconds: int = 120) -> QualityMachine:
    source = random.Random(7)
    one = QualityMachine(0.0)
    one.opened(0.0)
    for now in range(seconds):
        if source.random() < lost:
            one.unanswered(now)
        else:
            one.answered(now, rtt)
        one.quality(now)
    return one


@pytest.mark.parametrize(
    ("rtt", "lost", "grade"),
    [
        (0.020, 0.0, Grade.EXCELLENT),
        (0.100, 0.0, Grade.GOOD),
        (0.300, 0.0, Grade.POOR),
        (0.900, 0.0, Grade.UNUSABLE),
        (0.020, 0.03, Grade.GOOD),
        (0.020, 0.30, Grade.UNUSABLE),
    ],
)
def test_a_grade_is_that_of_the_worst_part(rtt: float, lost: float, grade: Grade) -> None:
    assert fed(rtt, lost=lost).quality(120).grade is grade


def test_latency_is_smoothed_and_its_variation_known() -> None:
    one = fed(0.100)
    quality = one.quality(120)
    assert quality.latency == pytest.approx(0.100)
    assert quality.variation is not None
    assert quality.variation < 0.001
    one.answered(120, 0.900)
    assert one.quality(120).latency == pytest.approx(0.200), "an eighth of the way"


def test_a_connection_at_the_threshold_does_not_flap() -> None:
    source = random.Random(3)
    one = fed(0.046)
    before, changes = one.quality(120).grade, 0
    for now in range(120, 1200):
        one.answered(now, source.uniform(0.040, 0.058))
        grade = one.quality(now).grade
        changes += grade is not before
        before = grade
    assert changes <= 1


def test_worse_is_believed_sooner_than_better() -> None:
    one = fed(0.020)
    for now in range(120, 140):
        one.answered(now, 2.0)
    fell = next(now for now in range(120, 140) if one.quality(now).grade < Grade.EXCELLENT)
    assert fell <= 123
    for now in range(140, 400):
        one.answered(now, 0.010)
        if one.quality(now).grade is Grade.EXCELLENT:
            break
    assert now >= 150


def test_a_lost_connection_is_unusable_until_it_has_held_for_a_while() -> None:
    one = fed(0.020)
    one.lost(120)
    one.quality(120)
    assert one.quality(123).grade is Grade.UNUSABLE
    one.opened(130)
    one.quality(130)
    assert one.quality(135).grade is Grade.UNUSABLE
    assert one.quality(141).grade > Grade.UNUSABLE
    stability = one.quality(141).stability
    assert stability is not None
    assert stability < 0.9


def test_bandwidth_is_the_best_of_the_last_minute() -> None:
    one = fed(0.020)
    one.transferred(120, 2_000_000, 1.0)
    one.transferred(121, 1_000, 1.0)
    assert one.quality(121).bandwidth == pytest.approx(2000)
    one.transferred(185, 300_000, 1.0)
    assert one.quality(185).bandwidth == pytest.approx(300)
    assert one.quality(188).grade is Grade.POOR


def test_nothing_is_said_about_what_was_not_measured() -> None:
    one = QualityMachine(0.0)
    quality = one.quality(0.0)
    assert (quality.latency, quality.reliability, quality.bandwidth, quality.stability) == (
        None, None, None, None,
    )  # fmt: skip
    assert quality.score == 0.0


def test_scores_lie_between_nought_and_one_and_follow_the_grades() -> None:
    scores = [fed(rtt).quality(120).score for rtt in (0.01, 0.1, 0.3, 0.9, 5.0)]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
