"""What the quiz refuses, and with which code."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from holdfast.errors import ResilienceError


class QuizCode(IntEnum):
    """Stable numbers of the application."""

    EVENT_NOT_FOUND = 10001
    NAME_TAKEN = 10002
    NAME_INVALID = 10003
    EVENT_LOCKED = 10004
    EVENT_OVER = 10005
    EVENT_FULL = 10006
    SEAT_REMOVED = 10007
    SEAT_UNKNOWN = 10008
    NOT_THE_HOST = 10009
    QUIZ_NOT_FOUND = 10010
    QUIZ_INVALID = 10011
    ANSWER_LATE = 10012
    ANSWER_INVALID = 10013
    NO_PLAYERS = 10014
    TOO_MANY = 10015
    MESSAGE_INVALID = 10016


HTTP_STATUS: Final = {
    QuizCode.EVENT_NOT_FOUND: 404,
    QuizCode.NAME_TAKEN: 409,
    QuizCode.NAME_INVALID: 422,
    QuizCode.EVENT_LOCKED: 423,
    QuizCode.EVENT_OVER: 410,
    QuizCode.EVENT_FULL: 409,
    QuizCode.SEAT_REMOVED: 403,
    QuizCode.SEAT_UNKNOWN: 403,
    QuizCode.NOT_THE_HOST: 403,
    QuizCode.QUIZ_NOT_FOUND: 404,
    QuizCode.QUIZ_INVALID: 422,
    QuizCode.TOO_MANY: 429,
}


class QuizError(ResilienceError):
    """The quiz says no; nothing was changed.

    Args:
        code: which no.
        message: for the person who asked.
        details: values that belong to it.
    """

    def __init__(self, code: QuizCode, message: str, **details: object) -> None:
        super().__init__(message, code=code, details=details)

    @property
    def http_status(self) -> int:
        """The status of an HTTP answer."""
        return HTTP_STATUS.get(QuizCode(self.code), 400)
