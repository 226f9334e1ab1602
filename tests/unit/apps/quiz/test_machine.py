"""The game, told as facts and what follows from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.apps.quiz import QuizCode, QuizError
from holdfast.apps.quiz.machine import Game, Phase, Seat, SeatState
from holdfast.apps.quiz.model import Answer, Choice, Question, Timing

QUESTION = Question("Which?", (Choice("right", correct=True), Choice("wrong")), limit_ms=10_000)
SEVERAL = Question(
    "Which two?",
    (Choice("a", correct=True), Choice("b", correct=True), Choice("c"), Choice("d")),
    limit_ms=10_000,
)


def a_game(*names: str, questions: int = 2, timing: Timing = Timing.FAIR) -> Game:
    game = Game([QUESTION] * questions, timing)
    for name in names:
        seat = Seat(name, name)
        game.admit(seat)
        game.came(seat, 0)
    return game


def opened(game: Game, now: int = 0) -> int:
    """Ask the next question; returns when it opens."""
    assert game.advance(game.phase, game.progress.question, now)
    opens = game.progress.opens_at
    assert game.on_time(opens)
    assert game.phase is Phase.QUESTION
    return opens


def answer(choice: int = 0, question: int = 0, took_ms: int = 1000) -> Answer:
    return Answer(question, [choice], took_ms)


def refused(code: QuizCode) -> pytest.RaisesExc[QuizError]:
    return pytest.raises(QuizError, check=lambda error: error.code is code)


def test_a_game_goes_from_the_lobby_to_the_final() -> None:
    game = a_game("ada", questions=1)
    seen = [game.phase]

    for _ in range(4):
        game.advance(game.phase, game.progress.question, 0)
        seen.append(game.phase)

    assert seen == [Phase.LOBBY, Phase.GET_READY, Phase.REVEAL, Phase.LEADERBOARD, Phase.FINAL]
    assert not game.advance(Phase.FINAL, 0, 0)


def test_nobody_there_is_no_game() -> None:
    with refused(QuizCode.NO_PLAYERS):
        a_game().advance(Phase.LOBBY, -1, 0)


def test_a_double_tap_goes_on_once() -> None:
    game = a_game("ada")
    opened(game)

    assert game.advance(Phase.QUESTION, 0, 5000)
    assert not game.advance(Phase.QUESTION, 0, 5000)
    assert game.phase is Phase.REVEAL


def test_an_answer_counts_from_the_opening_and_once() -> None:
    game = a_game("ada", "bob")
    opens = opened(game)

    first, is_new = game.answer(game.seats["ada"], answer(0), opens + 1000)
    again, is_new_again = game.answer(game.seats["ada"], answer(1), opens + 2000)

    assert (is_new, is_new_again) == (True, False)
    assert again is first
    assert first.points == 950
    assert game.score(game.seats["ada"]) == 0, "points count when the question is revealed"
    game.advance(Phase.QUESTION, 0, opens + 3000)
    assert game.score(game.seats["ada"]) == 950


def test_the_question_is_revealed_when_all_who_are_here_have_answered() -> None:
    game = a_game("ada", "bob", "cyd")
    opens = opened(game)
    game.went(game.seats["cyd"], opens)
    game.gone(game.seats["cyd"])

    game.answer(game.seats["ada"], answer(), opens + 1000)
    assert not game.on_time(opens + 1000)
    game.answer(game.seats["bob"], answer(), opens + 1500)
    assert game.on_time(opens + 1500)
    assert game.phase is Phase.REVEAL


def test_the_reveal_waits_two_seconds_for_who_is_away_and_no_longer() -> None:
    game = a_game("ada", "bob")
    opens = opened(game)
    game.answer(game.seats["ada"], answer(), opens + 1000)
    game.went(game.seats["bob"], opens + 2000)

    assert not game.on_time(opens + 10_000)
    assert game.waiting(opens + 10_000) == 1
    assert game.next_deadline() == opens + 12_000
    assert game.on_time(opens + 12_000)


def test_who_was_cut_off_is_given_the_time_that_the_server_saw() -> None:
    game = a_game("ada", "bob")
    opens = opened(game)
    ada = game.seats["ada"]
    game.went(ada, opens + 2000)
    game.came(ada, opens + 7000)

    given_answer, _ = game.answer(ada, answer(took_ms=3000), opens + 7050)

    assert given_answer.effective_ms == 3000


def test_a_claim_alone_gains_no_more_than_the_quota() -> None:
    game = a_game("ada", "bob")
    opens = opened(game)

    given_answer, _ = game.answer(game.seats["ada"], answer(took_ms=0), opens + 8000)

    assert given_answer.effective_ms == 8000 - 300


def test_after_a_crash_the_time_that_was_left_is_left() -> None:
    game = a_game("ada", "bob")
    opens = opened(game)
    left = game.progress.closes_at - (opens + 4000)

    game.restored(alive_at=opens + 4000, now=opens + 60_000)

    assert game.progress.closes_at - (opens + 60_000) == left
    ada = game.seats["ada"]
    game.came(ada, opens + 61_500)
    given_answer, _ = game.answer(ada, answer(took_ms=4500), opens + 61_600)
    assert given_answer.effective_ms == 4500
    assert ada.account.silence_ms == 6000, "what the server caused costs nothing"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (answer(question=7), QuizCode.ANSWER_INVALID),
        (answer(question=1), QuizCode.ANSWER_LATE),
        (answer(choice=2), QuizCode.ANSWER_INVALID),
        (Answer(0, [0, 1], 10), QuizCode.ANSWER_INVALID),
        (Answer(0, [0, 0], 10), QuizCode.ANSWER_INVALID),
    ],
)
def test_what_is_no_answer_is_refused(message: Answer, code: QuizCode) -> None:
    game = a_game("ada")
    opens = opened(game)
    with refused(code):
        game.answer(game.seats["ada"], message, opens + 1000)


def test_answers_are_refused_before_the_opening_after_the_reveal_and_after_the_time() -> None:
    game = a_game("ada", "bob", timing=Timing.SERVER_CLOCK)
    ada = game.seats["ada"]
    game.advance(Phase.LOBBY, -1, 0)
    with refused(QuizCode.ANSWER_INVALID):
        game.answer(ada, answer(), 100)
    game.on_time(3000)
    with refused(QuizCode.ANSWER_LATE):
        game.answer(ada, answer(), 3000 + 10_001)
    game.advance(Phase.QUESTION, 0, 5000)
    with refused(QuizCode.ANSWER_LATE):
        game.answer(ada, answer(), 5001)


def test_who_was_removed_plays_no_more_and_a_skipped_question_counts_for_nobody() -> None:
    game = a_game("ada", "bob")
    opens = opened(game)
    game.answer(game.seats["ada"], answer(), opens + 1000)
    game.remove("bob")
    with refused(QuizCode.SEAT_REMOVED):
        game.answer(game.seats["bob"], answer(), opens + 1000)
    assert game.skip(0, opens + 2000)
    assert not game.skip(0, opens + 2000)
    assert game.score(game.seats["ada"]) == 0
    assert [seat.id for seat, _, _ in game.standing()] == ["ada"]


def test_several_right_choices_give_their_share() -> None:
    game = Game([SEVERAL], Timing.NO_SPEED)
    for name in "abcd":
        game.admit(Seat(name, name, SeatState.CONNECTED))
    opens = opened(game)
    points = [
        game.answer(game.seats[name], Answer(0, choices, 100), opens + 100)[0].points
        for name, choices in zip("abcd", ([0, 1], [0], [0, 2], [2, 3]), strict=True)
    ]
    assert points == [1000, 500, 0, 0]


CLICKS = st.lists(
    st.tuples(
        st.sampled_from(["next", "skip", "end", "answer", "time", "went", "came", "crash"]),
        st.integers(0, 2),
        st.integers(0, 4000),
    ),
    max_size=60,
)


@given(CLICKS)
def test_whatever_is_clicked_scores_only_grow_and_follow_from_the_answers(
    clicks: list[tuple[str, int, int]],
) -> None:
    game = a_game("a", "b", "c", questions=3)
    seats = list(game.seats.values())
    now = 0
    before = dict.fromkeys(game.seats, 0)
    for what, who, step in clicks:
        now += step
        seat = seats[who]
        progress = game.progress
        if what == "next":
            game.advance(game.phase, progress.question, now)
        elif what == "skip":
            game.skip(progress.question, now)
        elif what == "end" and step == 4000:
            game.end()
        elif what == "answer" and progress.question >= 0:
            try:
                game.answer(seat, Answer(progress.question, [step % 2], step), now)
            except QuizError:
                pass  # refused for a reason that other tests name
        elif what == "went":
            game.went(seat, now)
        elif what == "came":
            game.came(seat, now)
        elif what == "crash":
            game.restored(now - step, now)
        game.on_time(now)
        deadline = game.next_deadline()
        assert deadline is None or deadline > now - 1
        for seat in seats:
            score = game.score(seat)
            assert score >= before[seat.id]
            assert score == sum(g.points for q, g in seat.answers.items() if q in progress.revealed)
            before[seat.id] = score
            assert all(g.effective_ms >= 250 for g in seat.answers.values())
            assert seat.account.quota_ms >= -1e-6
            assert seat.account.silence_ms >= -1e-6
