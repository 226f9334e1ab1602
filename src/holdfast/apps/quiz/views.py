"""What is shown of a game: to all, to the host, to a participant. Patches are what differs.

The right answers are in no view before the reveal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.apps.quiz import limits
from holdfast.apps.quiz.machine import RUNNING, Phase, SeatState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.apps.quiz.event import Event
    from holdfast.apps.quiz.machine import Game, Seat

View = dict[str, object]


def stage(event: Event, now: int) -> View:
    """Return what everybody may see."""
    game, progress = event.game, event.game.progress
    shows_leaders = game.phase in {Phase.LEADERBOARD, Phase.FINAL}
    present = [seat for seat in game.seats.values() if not seat.is_removed]
    return {
        "event": event.id,
        "code": event.code,
        "title": event.title,
        "questions": len(game.questions),
        "timing": game.timing.value,
        "locked": progress.is_locked,
        "phase": game.phase.value,
        "players": len(present),
        "arrivals": [seat.name for seat in present[-limits.ARRIVALS_SHOWN :]]
        if game.phase is Phase.LOBBY
        else [],
        "host": event.host_state,
        "question": _question(game, now),
        "answered": game.answered() if game.phase is not Phase.LOBBY else 0,
        "reveal": _reveal(game),
        "leaders": _leaders(game) if shows_leaders else [],
    }


def _question(game: Game, now: int) -> View | None:
    question = game.current
    if question is None or game.phase is Phase.FINAL:
        return None
    progress = game.progress
    return {
        "index": progress.question,
        "text": question.text,
        "choices": [choice.text for choice in question.choices],
        "multiple": len(question.correct) > 1,
        "points": question.points,
        "limit_ms": question.limit_ms,
        "opens_at": progress.opens_at,
        "closes_at": progress.closes_at,
        "waiting": game.waiting(now),
    }


def _reveal(game: Game) -> View | None:
    question = game.current
    if question is None or game.phase not in {Phase.REVEAL, Phase.LEADERBOARD}:
        return None
    return {
        "correct": sorted(question.correct),
        "counts": game.counts(),
        "explanation": question.explanation,
    }


def _leaders(game: Game) -> list[View]:
    return [
        {"seat": seat.id, "name": seat.name, "score": score, "rank": rank}
        for seat, score, rank in game.standing()[: limits.LEADERS_SHOWN]
    ]


def roster_row(game: Game, seat: Seat, state: SeatState) -> View:
    """Return what the host sees of a participant."""
    return {
        "name": seat.name,
        "state": state.value,
        "since": seat.since_ms,
        "score": game.score(seat),
        "answered": game.progress.question in seat.answers and game.phase in RUNNING,
    }


def own(game: Game, seat: Seat, rank: int) -> View:
    """Return what a participant sees of oneself; the session adds whether it plays the seat."""
    number = game.progress.question
    given = seat.answers.get(number)
    is_revealed = number in game.progress.revealed and game.phase in {
        Phase.REVEAL,
        Phase.LEADERBOARD,
    }
    result: View | None = None
    if is_revealed:
        result = {
            "question": number,
            "correct": given is not None and given.is_right,
            "points": 0 if given is None else given.points,
            "counted": given is not None,
        }
    answer: View | None = None
    if given is not None:
        answer = {
            "question": number,
            "choices": list(given.choices),
            "effective_ms": given.effective_ms,
        }
    return {
        "seat": seat.id,
        "name": seat.name,
        "score": game.score(seat),
        "rank": rank,
        "removed": seat.is_removed,
        "answer": answer,
        "result": result,
    }


def patch(before: Mapping[str, object], after: Mapping[str, object]) -> View:
    """Return the fields that differ."""
    return {key: value for key, value in after.items() if before.get(key, _MISSING) != value}


_MISSING = object()
