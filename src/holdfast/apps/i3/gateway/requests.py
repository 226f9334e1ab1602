"""Questions to other muds that wait for their answers: which answer belongs to which question. No I/O.

An answer without a question is dropped: nobody can fill a client's stream with who lists that it did not ask for.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from holdfast.apps.i3 import limits
from holdfast.apps.i3.errors import I3Code, I3Error

if TYPE_CHECKING:
    from collections.abc import Callable


class Kind(StrEnum):
    """What is asked."""

    WHO = "who-req"
    FINGER = "finger-req"
    LOCATE = "locate-req"
    CHANNEL_WHO = "chan-who-req"
    AUTH = "auth-mud-req"


Answer = object
"""What comes back: a list of names, a token, None where an event says it, or an exception."""


@dataclass(slots=True, eq=False)
class Request:
    """A question that waits.

    Attributes:
        kind: what is asked.
        mud: who is asked; ``*`` for everybody.
        about: who asks, or about which channel: what the answer repeats.
        settle: called with the answer, once.
    """

    kind: Kind
    mud: str
    about: str
    settle: Callable[[Answer], None]


class Requests:
    """All questions that wait, oldest first for each kind."""

    def __init__(self) -> None:
        self._open: dict[tuple[Kind, str, str], deque[Request]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def open(self, request: Request) -> None:
        """Wait for an answer.

        Raises:
            I3Error: 11011; too many wait already.
        """
        if self._count >= limits.REQUESTS_MAX:
            raise I3Error(
                I3Code.QUEUE_FULL,
                f"{self._count} questions wait for their answers already; try again in a moment.",
                retry_after=5.0,
            )
        key = (request.kind, request.mud, request.about)
        self._open.setdefault(key, deque()).append(request)
        self._count += 1

    def close(self, request: Request) -> None:
        """Wait no more; harmless when it was answered."""
        key = (request.kind, request.mud, request.about)
        waiting = self._open.get(key)
        if waiting is None or request not in waiting:
            return
        waiting.remove(request)
        self._count -= 1
        if not waiting:
            del self._open[key]

    def is_open(self, kind: Kind, mud: str, about: str) -> bool:
        """Say whether such an answer is waited for."""
        return (kind, mud, about) in self._open

    def answered(self, kind: Kind, mud: str, about: str, answer: Answer) -> bool:
        """Settle the oldest question that an answer belongs to; return whether there was one."""
        waiting = self._open.get((kind, mud, about))
        if waiting is None:
            return False
        request = waiting[0]
        self.close(request)
        request.settle(answer)
        return True

    def lost(self, why: I3Error) -> None:
        """The router is gone, and all answers with it."""
        for request in [each for waiting in self._open.values() for each in waiting]:
            self.close(request)
            request.settle(why)
