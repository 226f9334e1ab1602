"""Points for an answer, and ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from holdfast.apps.quiz.model import Question

K = TypeVar("K")

FULL_BELOW_MS: Final = 500
"""An answer within this time gets all points."""


def share_right(question: Question, choices: Collection[int]) -> float:
    """Return how right an answer is, from 0 to 1.

    The share of right choices that were found, minus the share of wrong ones among those chosen wrongly
    possible, never below 0; with one right choice it is all or nothing.
    """
    right = question.correct
    found = len(right.intersection(choices))
    wrong = len(choices) - found
    wrong_possible = len(question.choices) - len(right)
    share = found / len(right) - (wrong / wrong_possible if wrong_possible else 0.0)
    if len(right) == 1 and wrong:
        return 0.0
    return max(0.0, share)


def points_for(
    question: Question, choices: Collection[int], effective_ms: int, *, with_speed: bool
) -> int:
    """Return the points of an answer: ``points · (1 - t/T/2)`` times how right it is."""
    speed = 1.0
    if with_speed and effective_ms >= FULL_BELOW_MS:
        speed = 1.0 - min(effective_ms, question.limit_ms) / question.limit_ms / 2
    return round(question.points * speed * share_right(question, choices))


def ranks(scores: Iterable[tuple[K, int]]) -> dict[K, int]:
    """Rank by score, highest first; ties share a rank, the next one is left out."""
    ordered = sorted(scores, key=lambda item: -item[1])
    ranked: dict[K, int] = {}
    rank = 0
    previous: int | None = None
    for place, (key, score) in enumerate(ordered, start=1):
        if score != previous:
            rank, previous = place, score
        ranked[key] = rank
    return ranked
