"""The calls that this node has open with one peer, without I/O.

Theory. A request is said again until it is answered: quickly while nobody has accepted it, at leisure after that,
because the answerer may have died. It always carries the same id, so saying it again is harmless, and the budget
that is left, so a deadline only shrinks on its way. When the time is over the peer is told not to mind any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.apps.agents import limits
from holdfast.apps.agents.effects import Answered, Effect, Send
from holdfast.apps.agents.errors import AgentCode, AgentError
from holdfast.apps.agents.wire import Accepted, Cancel, Reply, Request

if TYPE_CHECKING:
    from holdfast.apps.agents.settings import ConversationSettings

DOUBLINGS_MAX: Final = 10
"""Doublings of the wait before a request is said again."""

CANCEL_WITHIN: Final = 60.0
"""Seconds in which it is of use to tell that a call was withdrawn."""


@dataclass(slots=True)
class _Open:
    agent: str
    body: bytes
    due: float
    again_at: float
    is_stream: bool
    tries: int = 0
    is_accepted: bool = False


class Calling:
    """Open calls by id.

    Args:
        settings: of the conversation.
    """

    def __init__(self, settings: ConversationSettings) -> None:
        self._settings = settings
        self._open: dict[str, _Open] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, id: str) -> bool:  # noqa: A002 - the word of the field
        return id in self._open

    def begin(self, request: Request, due: float, now: float) -> list[Effect]:
        """Open a call.

        Args:
            request: with a budget up to ``due``.
            due: when its time is over, seconds.
            now: seconds.

        Raises:
            AgentError: TOO_MANY are open; or one with this id is.
        """
        if request.id in self._open:
            raise AgentError(
                AgentCode.REQUEST_ID_REUSED, f"A call with the id {request.id!r} is open already."
            )
        if len(self._open) >= limits.CALLS_OUT_MAX:
            raise AgentError(
                AgentCode.TOO_MANY,
                f"{len(self._open)} calls to this peer are open; wait for some of them.",
                retry_after=1.0,
            )
        self._open[request.id] = _Open(
            request.agent, request.body, due, now + self._settings.resend, request.is_stream
        )
        return [Send(request, due - now)]

    def within(self, id: str, now: float) -> float:  # noqa: A002 - as above
        """Return the seconds that a call still has, 0 when it is not open."""
        call = self._open.get(id)
        return 0.0 if call is None else max(0.0, call.due - now)

    def accepted(self, frame: Accepted, now: float) -> None:
        """The peer has it."""
        call = self._open.get(frame.id)
        if call is not None:
            call.is_accepted = True
            call.again_at = now + self._settings.resend_max

    def replied(self, frame: Reply) -> list[Effect]:
        """An answer has come; one that nobody waits for changes nothing."""
        call = self._open.pop(frame.id, None)
        return [] if call is None else [Answered(frame.id, frame, was_accepted=True)]

    def withdraw(self, id: str, wall_ms: int) -> list[Effect]:  # noqa: A002 - as above
        """Nobody waits for it any more; harmless when it is not open."""
        if self._open.pop(id, None) is None:
            return []
        return [Send(Cancel(id, wall_ms), CANCEL_WITHIN)]

    def hurry(self, now: float) -> None:
        """The peer has begun anew and may know nothing: say all of it again."""
        for call in self._open.values():
            call.is_accepted = False
            call.tries = 0
            call.again_at = now

    def next_deadline(self) -> float | None:
        """When to call ``on_time``; None when nothing is open."""
        return min((min(call.again_at, call.due) for call in self._open.values()), default=None)

    def on_time(self, now: float, wall_ms: int) -> list[Effect]:
        """Say again what is not answered; end what has no time left.

        Args:
            now: seconds.
            wall_ms: milliseconds since 1970.
        """
        effects: list[Effect] = []
        for id_, call in list(self._open.items()):
            if now >= call.due:
                del self._open[id_]
                effects += [
                    Send(Cancel(id_, wall_ms), CANCEL_WITHIN),
                    Answered(id_, None, was_accepted=call.is_accepted),
                ]
            elif now >= call.again_at:
                call.tries += 1
                wait = self._settings.resend_max
                if not call.is_accepted:
                    wait = min(wait, self._settings.resend * 2 ** min(call.tries, DOUBLINGS_MAX))
                call.again_at = now + wait
                left = call.due - now
                request = Request(
                    id_, call.agent, call.body, int(left * 1000), wall_ms, call.is_stream
                )
                effects.append(Send(request, left))
        return effects
