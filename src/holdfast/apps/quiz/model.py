"""Quizzes as they are written, and messages as they come: shapes with their bounds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from holdfast.apps.quiz import limits
from holdfast.apps.quiz.errors import QuizCode, QuizError

T = TypeVar("T")


class Timing(StrEnum):
    """How the time of an answer is judged."""

    FAIR = "fair"
    SERVER_CLOCK = "server_clock"
    NO_SPEED = "no_speed"


class Choice(Struct, frozen=True):
    """One of the answers to choose from."""

    text: Annotated[str, Meta(min_length=1, max_length=limits.CHOICE_LENGTH_MAX)]
    correct: bool = False


class Question(Struct, frozen=True):
    """A question; at least one choice is correct."""

    text: Annotated[str, Meta(min_length=1, max_length=limits.TEXT_LENGTH_MAX)]
    choices: Annotated[
        tuple[Choice, ...], Meta(min_length=limits.CHOICES_MIN, max_length=limits.CHOICES_MAX)
    ]
    limit_ms: Annotated[int, Meta(ge=limits.LIMIT_MS_MIN, le=limits.LIMIT_MS_MAX)] = 20_000
    points: Annotated[int, Meta(ge=0, le=limits.POINTS_MAX)] = 1000
    explanation: Annotated[str, Meta(max_length=limits.EXPLANATION_LENGTH_MAX)] = ""

    @property
    def correct(self) -> frozenset[int]:
        """Which choices are right, from 0."""
        return frozenset(n for n, choice in enumerate(self.choices) if choice.correct)


class QuizDraft(Struct, frozen=True):
    """What an author sends."""

    title: Annotated[str, Meta(min_length=1, max_length=limits.TITLE_LENGTH_MAX)]
    questions: Annotated[tuple[Question, ...], Meta(min_length=1, max_length=limits.QUESTIONS_MAX)]

    def checked(self) -> QuizDraft:
        """Return it, if it can be played.

        Raises:
            QuizError: 10011; names the question that cannot.
        """
        if not self.title.strip():
            raise QuizError(QuizCode.QUIZ_INVALID, "The quiz needs a title.")
        for number, question in enumerate(self.questions, start=1):
            if not question.text.strip():
                raise QuizError(
                    QuizCode.QUIZ_INVALID, f"Question {number} has no text.", question=number
                )
            if any(not choice.text.strip() for choice in question.choices):
                raise QuizError(
                    QuizCode.QUIZ_INVALID,
                    f"Question {number} has an empty answer.",
                    question=number,
                )
            if not question.correct:
                raise QuizError(
                    QuizCode.QUIZ_INVALID,
                    f"Question {number} has no correct answer.",
                    question=number,
                )
        return self


class Quiz(Struct, frozen=True):
    """A quiz in the library."""

    id: str
    title: str
    sample: bool
    questions: tuple[Question, ...]


# --- what sessions ask for ------------------------------------------------------------------

Key = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
Identifier = Annotated[str, Meta(max_length=64)]


class PlayerAuth(Struct, tag_field="as", tag="player", frozen=True):
    """To play a seat."""

    event: Identifier
    key: Key | None = None


class HostAuth(Struct, tag_field="as", tag="host", frozen=True):
    """To host an event."""

    event: Identifier
    key: Key | None = None


class ScreenAuth(Struct, tag_field="as", tag="screen", frozen=True):
    """To show an event to the room."""

    event: Identifier


Auth = PlayerAuth | HostAuth | ScreenAuth


# --- messages -------------------------------------------------------------------------------


class Answer(Struct, tag_field="do", tag="answer", frozen=True):
    """A player's choice."""

    question: Annotated[int, Meta(ge=0, lt=limits.QUESTIONS_MAX)]
    choices: Annotated[
        list[Annotated[int, Meta(ge=0, lt=limits.CHOICES_MAX)]],
        Meta(min_length=1, max_length=limits.CHOICES_MAX),
    ]
    took_ms: Annotated[int, Meta(ge=0, le=limits.CLAIM_MS_MAX)]


class Claim(Struct, tag_field="do", tag="claim", frozen=True):
    """To play the seat on this device."""


class Next(Struct, tag_field="do", tag="next", frozen=True):
    """To go on from just there."""

    phase: Annotated[str, Meta(max_length=16)]
    question: int


class Skip(Struct, tag_field="do", tag="skip", frozen=True):
    """To leave a question out."""

    question: int


class End(Struct, tag_field="do", tag="end", frozen=True):
    """To end the game."""


class Lock(Struct, tag_field="do", tag="lock", frozen=True):
    """To let nobody else in, or to let them in again."""

    locked: bool


class Remove(Struct, tag_field="do", tag="remove", frozen=True):
    """To remove a participant."""

    seat: Identifier


PlayerMessage = Answer | Claim
HostMessage = Next | Skip | End | Lock | Remove

_auth: msgspec.json.Decoder[Auth] = msgspec.json.Decoder(Auth)
_player: msgspec.json.Decoder[PlayerMessage] = msgspec.json.Decoder(PlayerMessage)
_host: msgspec.json.Decoder[HostMessage] = msgspec.json.Decoder(HostMessage)


def read_auth(data: bytes) -> Auth:
    """Read what a session asks for.

    Raises:
        QuizError: 10016; it is not of that shape.
    """
    return _read(_auth, data)


def read_player_message(data: bytes) -> PlayerMessage:
    """Read a player's message; raises QuizError 10016."""
    return _read(_player, data)


def read_host_message(data: bytes) -> HostMessage:
    """Read a host's message; raises QuizError 10016."""
    return _read(_host, data)


def _read(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise QuizError(QuizCode.MESSAGE_INVALID, f"This cannot be read: {error}.") from error
