"""What the chat's program refuses, and with which code."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from holdfast.errors import ResilienceError


class ChatCode(IntEnum):
    """Stable numbers of the application."""

    NOT_ALLOWED = 12001
    REQUEST_INVALID = 12002
    CONVERSATION_NOT_FOUND = 12003
    TOO_MANY_WAITING = 12004
    FILE_TOO_LARGE = 12005
    FILE_NOT_FOUND = 12006
    FILE_DAMAGED = 12007
    PIECE_OUT_OF_PLACE = 12008
    NOT_IN_A_DEMO = 12009


HTTP_STATUS: Final = {
    ChatCode.NOT_ALLOWED: 401,
    ChatCode.REQUEST_INVALID: 422,
    ChatCode.CONVERSATION_NOT_FOUND: 404,
    ChatCode.TOO_MANY_WAITING: 429,
    ChatCode.FILE_TOO_LARGE: 413,
    ChatCode.FILE_NOT_FOUND: 404,
    ChatCode.FILE_DAMAGED: 409,
    ChatCode.PIECE_OUT_OF_PLACE: 409,
    ChatCode.NOT_IN_A_DEMO: 404,
}


class ChatError(ResilienceError):
    """The chat says no; nothing was changed.

    Args:
        code: which no.
        message: for the person who asked.
        retry_after: seconds after which asking again makes sense.
        details: values that belong to it.
    """

    def __init__(
        self, code: ChatCode, message: str, *, retry_after: float | None = None, **details: object
    ) -> None:
        super().__init__(message, code=code, details=details, retry_after=retry_after)

    @property
    def http_status(self) -> int:
        """The status of an HTTP answer."""
        return HTTP_STATUS.get(ChatCode(self.code), 400)
