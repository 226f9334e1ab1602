"""The game: phases, seats and answers. Knows no socket, no clock and no store.

Theory. A game goes from the lobby through its questions to the final. The table below has every step of the host;
time has three more: a question opens, it closes, and the reveal stops waiting. While the host is away time
goes on: the running question comes to its reveal, then the game waits. Every answer keeps its points from the
moment it is accepted; they count once the question is revealed, so that a crash can lose none. A score is
the sum over revealed questions and nothing else.

What can never happen: a phase is left twice (a click names the place it goes on from), a seat has two answers
to a question (the first one stands), a skipped question counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from holdfast.apps.quiz import limits
from holdfast.apps.quiz.errors import QuizCode, QuizError
from holdfast.apps.quiz.fair_time import LagAccount, gain_ms
from holdfast.apps.quiz.model import Timing
from holdfast.apps.quiz.scoring import points_for, ranks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.apps.quiz.model import Answer, Question


class Phase(StrEnum):
    """Where a game stands."""

    LOBBY = "lobby"
    GET_READY = "get_ready"
    QUESTION = "question"
    REVEAL = "reveal"
    LEADERBOARD = "leaderboard"
    FINAL = "final"


class SeatState(StrEnum):
    """Whether the participant is there; ``new`` has joined and never connected."""

    NEW = "new"
    CONNECTED = "connected"
    AWAY = "temporarily_disconnected"
    GONE = "disconnected"


NEXT: Final[dict[Phase, Phase | None]] = {
    Phase.LOBBY: Phase.GET_READY,
    Phase.GET_READY: Phase.REVEAL,
    Phase.QUESTION: Phase.REVEAL,
    Phase.REVEAL: Phase.LEADERBOARD,
    Phase.LEADERBOARD: Phase.GET_READY,  # or FINAL after the last question
    Phase.FINAL: None,
}
"""What the host's ``next`` does."""

RUNNING: Final = frozenset({Phase.GET_READY, Phase.QUESTION})


@dataclass(frozen=True, slots=True)
class Given:
    """An accepted answer."""

    choices: tuple[int, ...]
    effective_ms: int
    points: int
    is_right: bool


@dataclass(slots=True)
class Seat:
    """A participant: lives as long as the event."""

    id: str
    name: str
    state: SeatState = SeatState.NEW
    since_ms: int = 0
    is_removed: bool = False
    answers: dict[int, Given] = field(default_factory=dict)
    account: LagAccount = field(default_factory=LagAccount)
    silences: list[tuple[int, int]] = field(default_factory=list)
    round_trip_ms: float | None = None

    def silent_ms(self, start: int, end: int) -> int:
        """Return for how long of ``start`` to ``end`` the server had no connection to it."""
        return sum(max(0, min(to, end) - max(since, start)) for since, to in self.silences)


@dataclass(slots=True)
class Progress:
    """What changes while a game is played, besides its seats; this is what is stored of it."""

    phase: Phase = Phase.LOBBY
    question: int = -1
    opens_at: int = 0
    closes_at: int = 0
    is_locked: bool = False
    revealed: list[int] = field(default_factory=list)


class Game:
    """One event.

    Args:
        questions: to be played in this order, at least one.
        timing: how the time of an answer is judged.
        progress: how far it has come.
    """

    def __init__(
        self, questions: Sequence[Question], timing: Timing, progress: Progress | None = None
    ) -> None:
        self.questions = tuple(questions)
        self.timing = timing
        self.progress = Progress() if progress is None else progress
        self.seats: dict[str, Seat] = {}
        self.excused_until: int = 0
        self.excused_from: int = 0

    # --- views ------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return self.progress.phase

    @property
    def current(self) -> Question | None:
        """The question that is being played or was played last."""
        index = self.progress.question
        return self.questions[index] if 0 <= index < len(self.questions) else None

    def present(self) -> Iterator[Seat]:
        """Yield the seats that were not removed."""
        return (seat for seat in self.seats.values() if not seat.is_removed)

    def score(self, seat: Seat) -> int:
        """Sum the points of all revealed questions."""
        revealed = self.progress.revealed
        return sum(given.points for number, given in seat.answers.items() if number in revealed)

    def standing(self) -> list[tuple[Seat, int, int]]:
        """Return ``(seat, score, rank)`` of all, best first; ties keep the order of joining."""
        scores = [(seat, self.score(seat)) for seat in self.present()]
        ranked = ranks((seat.id, score) for seat, score in scores)
        scores.sort(key=lambda item: -item[1])
        return [(seat, score, ranked[seat.id]) for seat, score in scores]

    def answered(self) -> int:
        """Count the answers to the current question."""
        return sum(self.progress.question in seat.answers for seat in self.present())

    def counts(self) -> list[int]:
        """Count how often each choice of the current question was taken."""
        question = self.current
        taken = [0] * (len(question.choices) if question else 0)
        for seat in self.present():
            given = seat.answers.get(self.progress.question)
            for choice in given.choices if given else ():
                taken[choice] += 1
        return taken

    def waiting(self, now: int) -> int:
        """Count the absent whose answer the reveal waits for."""
        if self.phase is not Phase.QUESTION or now < self.progress.closes_at:
            return 0
        return sum(seat.state is SeatState.AWAY for seat in self._unanswered())

    # --- the host ---------------------------------------------------------------------------

    def advance(self, phase: str, question: int, now: int) -> bool:
        """Go on, if the game is still where the host saw it; say whether anything changed.

        Raises:
            QuizError: 10014; nobody is there to play.
        """
        if (phase, question) != (self.phase, self.progress.question):
            return False  # a double tap, or a click that was late
        following = NEXT[self.phase]
        if following is None:
            return False
        if self.phase is Phase.LOBBY and not any(True for _ in self.present()):
            raise QuizError(QuizCode.NO_PLAYERS, "Nobody has joined yet.")
        if following is Phase.GET_READY:
            self._ask_next(now)
        elif following is Phase.REVEAL:
            self._reveal()
        else:
            self.progress.phase = following
        return True

    def skip(self, question: int, now: int) -> bool:
        """Leave the running question out: it counts for nobody."""
        if self.phase not in RUNNING or question != self.progress.question:
            return False
        self._ask_next(now)
        return True

    def end(self) -> bool:
        """Go to the final; a running question does not count."""
        if self.phase is Phase.FINAL:
            return False
        self.progress.phase = Phase.FINAL
        return True

    # --- the participants -------------------------------------------------------------------

    def admit(self, seat: Seat) -> None:
        """Take in a participant; who comes late has missed questions, no more."""
        self.seats[seat.id] = seat

    def remove(self, seat_id: str) -> Seat:
        """Remove a participant.

        Raises:
            QuizError: 10008; there is no such seat.
        """
        seat = self.seats.get(seat_id)
        if seat is None:
            raise QuizError(QuizCode.SEAT_UNKNOWN, "There is no such participant.")
        seat.is_removed = True
        return seat

    def came(self, seat: Seat, now: int) -> None:
        """A participant has a connection."""
        if seat.state in {SeatState.AWAY, SeatState.GONE}:
            seat.silences.append((seat.since_ms, now))
        seat.state, seat.since_ms = SeatState.CONNECTED, now

    def went(self, seat: Seat, last_heard: int) -> None:
        """A participant's connection is gone since ``last_heard``."""
        seat.state, seat.since_ms = SeatState.AWAY, last_heard

    def gone(self, seat: Seat) -> None:
        """A participant did not come back within the grace."""
        if seat.state is not SeatState.NEW:
            seat.state = SeatState.GONE

    def answer(self, seat: Seat, message: Answer, now: int) -> tuple[Given, bool]:
        """Accept an answer; the first one stands.

        Returns:
            The answer that counts, and whether it is new.

        Raises:
            QuizError: 10007 removed, 10013 not an answer to this question, 10012 too late.
        """
        if seat.is_removed:
            raise QuizError(QuizCode.SEAT_REMOVED, "The host has removed you from this quiz.")
        if message.question >= len(self.questions):
            raise QuizError(QuizCode.ANSWER_INVALID, "There is no such question.")
        first = seat.answers.get(message.question)
        if first is not None:
            return first, False
        question = self.questions[message.question]
        choices = tuple(sorted(set(message.choices)))
        if choices[-1] >= len(question.choices) or len(choices) != len(message.choices):
            raise QuizError(QuizCode.ANSWER_INVALID, "There is no such choice.")
        if len(question.correct) == 1 and len(choices) > 1:
            raise QuizError(QuizCode.ANSWER_INVALID, "Only one answer can be chosen here.")
        if message.question != self.progress.question or self.phase not in RUNNING:
            raise QuizError(QuizCode.ANSWER_LATE, "This question is over already.")
        effective = self._effective_ms(seat, message.took_ms, now)
        if effective > question.limit_ms:
            raise QuizError(QuizCode.ANSWER_LATE, "The time was over.")
        points = points_for(
            question, choices, effective, with_speed=self.timing is not Timing.NO_SPEED
        )
        is_right = set(choices) == question.correct
        given = seat.answers[message.question] = Given(choices, effective, points, is_right)
        return given, True

    def _effective_ms(self, seat: Seat, took_ms: int, now: int) -> int:
        opened = self.progress.opens_at
        if now < opened:
            raise QuizError(QuizCode.ANSWER_INVALID, "The question is not open yet.")
        elapsed = now - opened
        if self.timing is not Timing.FAIR:
            return elapsed
        return seat.account.judge(
            elapsed_ms=elapsed,
            claim_ms=took_ms,
            silent_ms=seat.silent_ms(opened, now),
            excused_ms=seat.silent_ms(max(opened, self.excused_from), min(now, self.excused_until)),
        )

    # --- time -------------------------------------------------------------------------------

    def next_deadline(self) -> int | None:
        """Return when ``on_time`` has something to do, in milliseconds of the server's clock."""
        progress = self.progress
        if self.phase is Phase.GET_READY:
            return progress.opens_at
        if self.phase is not Phase.QUESTION:
            return None
        return self._reveal_at()

    def on_time(self, now: int) -> bool:
        """Open or close what is due; say whether anything changed."""
        progress = self.progress
        changed = False
        if self.phase is Phase.GET_READY and now >= progress.opens_at:
            progress.phase = Phase.QUESTION
            changed = True
        if self.phase is Phase.QUESTION and (now >= self._reveal_at() or self._is_answered()):
            self._reveal()
            changed = True
        return changed

    def restored(self, alive_at: int, now: int) -> None:
        """Go on after the server was dead since ``alive_at``: that time counts for nobody.

        The difference may be negative: the wall clock may have been set back meanwhile.
        """
        dead = now - alive_at
        if self.phase in RUNNING:
            self.progress.opens_at += dead
            self.progress.closes_at += dead
        self.excused_from, self.excused_until = now, now + limits.SERVER_FAULT_MS
        for seat in self.seats.values():
            if seat.state is not SeatState.NEW:
                seat.state, seat.since_ms = SeatState.GONE, now

    def _reveal_at(self) -> int:
        """The closing, and after it as long as somebody is worth waiting for."""
        closes = self.progress.closes_at
        states = {seat.state for seat in self._unanswered()}
        if SeatState.AWAY in states:
            return closes + limits.REVEAL_WAIT_MS
        return closes + limits.IN_FLIGHT_MS if SeatState.CONNECTED in states else closes

    def _unanswered(self) -> Iterator[Seat]:
        number = self.progress.question
        return (seat for seat in self.present() if number not in seat.answers)

    def _is_answered(self) -> bool:
        """All who are not gone have answered, and somebody has."""
        here = {SeatState.CONNECTED, SeatState.AWAY}
        return self.answered() > 0 and not any(seat.state in here for seat in self._unanswered())

    def _ask_next(self, now: int) -> None:
        progress = self.progress
        progress.question += 1
        if progress.question >= len(self.questions):
            progress.question = len(self.questions) - 1
            progress.phase = Phase.FINAL
            return
        progress.phase = Phase.GET_READY
        progress.opens_at = now + limits.GET_READY_MS
        progress.closes_at = progress.opens_at + self.questions[progress.question].limit_ms
        for seat in self.seats.values():
            seat.silences.clear()
            if progress.question == 0:
                seat.account.start(gain_ms(seat.round_trip_ms))
            else:
                seat.account.refill(gain_ms(seat.round_trip_ms))

    def _reveal(self) -> None:
        self.progress.phase = Phase.REVEAL
        if self.progress.question not in self.progress.revealed:
            self.progress.revealed.append(self.progress.question)
