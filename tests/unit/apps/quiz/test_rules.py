"""Names, fair time, points and ranks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.apps.quiz.errors import QuizError
from holdfast.apps.quiz.fair_time import LagAccount, gain_ms
from holdfast.apps.quiz.model import (
    Choice,
    Question,
    QuizDraft,
    read_auth,
    read_host_message,
    read_player_message,
)
from holdfast.apps.quiz.names import clean_name, folded
from holdfast.apps.quiz.sample import SAMPLE
from holdfast.apps.quiz.scoring import points_for, ranks


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("عمر", "عمر"),
        ("e\u0301", "é"),
    ],
)
def test_names_are_shown_as_people_write_them(given_name: str, shown: str) -> None:
    assert clean_name(given_name) == shown


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 41, "x" * 200, "a\u202eb", "\u200b", "\u200d", "a\x00b", "\ud800"]
)
def test_what_nobody_can_read_is_no_name(name: str) -> None:
    with pytest.raises(QuizError) as caught:
        clean_name(name)
    assert caught.value.name == "NAME_INVALID"


def test_two_names_that_look_alike_are_the_same() -> None:
    assert folded("ADA") == folded("ada") == folded("\uff21da")  # fullwidth A
    assert folded("Straße") == folded("STRASSE")
    assert folded("Ada") != folded("Adam")


@given(
    elapsed=st.integers(0, 300_000),
    claim=st.integers(0, 300_000),
    silent=st.integers(0, 300_000),
    excused=st.integers(0, 300_000),
    rtt=st.floats(0, 5000),
)
def test_a_lie_gains_no_more_than_quota_silence_and_excuse(
    elapsed: int, claim: int, silent: int, excused: int, rtt: float
) -> None:
    excused = min(excused, silent)
    account = LagAccount()
    account.start(gain_ms(rtt))
    quota, budget = account.quota_ms, account.silence_ms

    effective = account.judge(
        elapsed_ms=elapsed, claim_ms=claim, silent_ms=silent, excused_ms=excused
    )

    assert 250 <= effective <= max(elapsed, 250)
    given_back = min(budget, silent - excused) + excused + quota
    assert effective >= elapsed - given_back - 1
    assert account.quota_ms >= 0
    assert account.silence_ms >= 0


@given(st.lists(st.floats(0, 3000), max_size=30))
def test_the_quota_never_exceeds_seven_gains(round_trips: list[float]) -> None:
    account = LagAccount()
    for rtt in round_trips:
        account.refill(gain_ms(rtt))
        assert account.quota_ms <= max(7 * gain_ms(rtt), 300)


def test_points_fall_with_time_and_are_full_at_first() -> None:
    question = Question("?", (Choice("a", correct=True), Choice("b")), limit_ms=20_000)
    times = (250, 499, 10_000, 20_000, 60_000)
    points = [points_for(question, [0], t, with_speed=True) for t in times]
    assert points == [1000, 1000, 750, 500, 500]
    assert points_for(question, [1], 300, with_speed=True) == 0
    assert points_for(question, [0], 20_000, with_speed=False) == 1000


def test_ties_share_a_rank() -> None:
    assert ranks([("a", 5), ("b", 9), ("c", 5), ("d", 1)]) == {"b": 1, "a": 2, "c": 2, "d": 4}


@pytest.mark.parametrize("read", [read_auth, read_player_message, read_host_message])
@given(data=st.binary(max_size=200))
def test_hostile_messages_are_refused_with_a_code(read: object, data: bytes) -> None:
    try:
        read(data)  # type: ignore[operator]
    except QuizError as error:
        assert error.name == "MESSAGE_INVALID"


@pytest.mark.parametrize(
    "body",
    [
        b'{"do":"answer","question":-1,"choices":[0],"took_ms":1}',
        b'{"do":"answer","question":0,"choices":[],"took_ms":1}',
        b'{"do":"answer","question":0,"choices":[9],"took_ms":1}',
        b'{"do":"answer","question":0,"choices":[0],"took_ms":-5}',
        b'{"do":"answer","question":0,"choices":[0],"took_ms":1e30}',
        b'{"do":"answer","question":"0","choices":[0],"took_ms":1}',
        b'{"do":"remove","seat":"x"}',
        b'{"do":"fly"}',
        b"[]",
        b"null",
        b"[" * 50_000,
    ],
)
def test_a_player_cannot_say_what_is_not_a_players_message(body: bytes) -> None:
    with pytest.raises(QuizError):
        read_player_message(body)


def test_the_sample_can_be_played() -> None:
    assert SAMPLE.checked() is SAMPLE
    assert any(len(question.correct) > 1 for question in SAMPLE.questions)


@pytest.mark.parametrize(
    "question",
    [
        Question("?", (Choice("a"), Choice("b"))),
        Question("  ", (Choice("a", correct=True), Choice("b"))),
        Question("?", (Choice("a", correct=True), Choice(" "))),
    ],
)
def test_a_quiz_that_cannot_be_played_is_refused(question: Question) -> None:
    with pytest.raises(QuizError, match="Question 1"):
        QuizDraft("t", (question,)).checked()
