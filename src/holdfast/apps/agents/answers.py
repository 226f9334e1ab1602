"""The requests of one peer that this node answers, without I/O.

Theory. A request is, at each moment, one of: not known; looked up (the store is asked whether it ran before); running;
answered (in the store, for a day). It runs only on the way from "looked up" to "running", and the shell takes that
way only after the store has written "begun" for an id that was not there. So whatever is said again, and whoever
is killed in between, it runs once. One that has begun and whose node died is not run again: nobody knows how far
it came, and its caller is told so (an agent that may be run again says so when it is registered).

A request may be overtaken by its own withdrawal, so withdrawn ids are remembered for a while; and a withdrawal by
another try with the same id, so both say when they were sent.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from holdfast.apps.agents import limits
from holdfast.apps.agents.effects import Admit, Effect, Send, Stop
from holdfast.apps.agents.errors import AgentCode, AgentError
from holdfast.apps.agents.wire import Accepted, Cancel, Reply, Request

if TYPE_CHECKING:
    from holdfast.apps.agents.settings import ConversationSettings


@dataclass(slots=True)
class _Running:
    due: float
    sent_ms: int
    is_stream: bool
    accept_at: float | None = None
    is_admitted: bool = False
    is_stopped: bool = False


class Answering:
    """Requests that are looked up or run, by id.

    Args:
        settings: of the conversation.
    """

    def __init__(self, settings: ConversationSettings) -> None:
        self._settings = settings
        self._running: dict[str, _Running] = {}
        self._withdrawn: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, id: str) -> bool:  # noqa: A002 - the word of the field
        return id in self._running

    def within(self, id: str, now: float) -> float:  # noqa: A002 - as above
        """Return the seconds that a request still has, 0 when it does not run."""
        found = self._running.get(id)
        return 0.0 if found is None else max(0.0, found.due - now)

    # --- from the peer ----------------------------------------------------------------------

    def requested(self, frame: Request, now: float, wall_ms: int) -> list[Effect]:
        """A request has come, perhaps again."""
        found = self._running.get(frame.id)
        budget = min(frame.budget_ms / 1000, limits.CALL_TIMEOUT_MAX)
        if found is not None and found.is_stopped:
            return []  # another try, while the one before it ends; it comes again
        if found is not None:
            found.sent_ms = max(found.sent_ms, frame.sent_ms)
            found.due = max(found.due, now + budget)  # another try may have more time
            return self._accept(frame.id, found) if found.is_admitted else []
        if frame.sent_ms < self._withdrawn.get(frame.id, 0):
            error = AgentError(AgentCode.CALL_CANCELLED, "The caller has withdrawn this call.")
            return [refusal(frame.id, error)]
        late_ms = wall_ms - frame.sent_ms - frame.budget_ms
        if late_ms > limits.CLOCK_TOLERANCE * 1000:
            error = AgentError(
                AgentCode.REQUEST_STALE,
                f"The request came {late_ms / 1000:.0f} s after its time and was not run; "
                "if that cannot be, set the clocks.",
            )
            return [refusal(frame.id, error)]
        if len(self._running) >= limits.CALLS_IN_MAX:
            error = AgentError(
                AgentCode.TOO_MANY,
                f"{len(self._running)} requests of this peer are under way; it was not run.",
                retry_after=1.0,
            )
            return [refusal(frame.id, error)]
        self._running[frame.id] = _Running(now + budget, frame.sent_ms, frame.is_stream)
        return [Admit(frame)]

    def cancelled(self, frame: Cancel) -> list[Effect]:
        """The caller does not wait any more."""
        found = self._running.get(frame.id)
        if found is not None:
            if frame.sent_ms < found.sent_ms:
                return []  # it was overtaken by another try
            error = AgentError(AgentCode.CALL_CANCELLED, "The caller has withdrawn the call.")
            return self._stop(frame.id, error)
        self._withdrawn[frame.id] = max(frame.sent_ms, self._withdrawn.get(frame.id, 0))
        if len(self._withdrawn) > limits.CANCELLED_KEPT:
            self._withdrawn.popitem(last=False)
        return []

    # --- from the shell ---------------------------------------------------------------------

    def admitted(self, id: str, now: float) -> list[Effect]:  # noqa: A002 - as above
        """It did not run before, and the store knows that it does now."""
        found = self._running.get(id)
        if found is None:
            return []
        found.is_admitted = True
        if found.is_stream:  # its caller waits for this before it sends a piece
            return self._accept(id, found)
        found.accept_at = now + self._settings.accept_after
        return []

    def finished(self, reply: Reply) -> list[Effect]:
        """It was answered, now or in an earlier life, and the store knows."""
        if self._running.pop(reply.id, None) is None:
            return []
        return [Send(reply, self._settings.answer_ttl)]

    def refused(self, id: str, error: AgentError) -> list[Effect]:  # noqa: A002 - as above
        """It was not run and may come again."""
        if self._running.pop(id, None) is None:
            return []
        return [refusal(id, error)]

    def dropped(self, id: str) -> None:  # noqa: A002 - as above
        """It ends without an answer: nobody waits for one, or the next life says what is to say."""
        self._running.pop(id, None)

    # --- time -------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When to call ``on_time``; None when there is nothing to wait for."""
        times = [found.due for found in self._running.values() if not found.is_stopped]
        times += [r.accept_at for r in self._running.values() if r.accept_at is not None]
        return min(times, default=None)

    def on_time(self, now: float) -> list[Effect]:
        """Tell callers that their requests are here; stop what has no time left."""
        effects: list[Effect] = []
        for id_, found in self._running.items():
            if found.accept_at is not None and now >= found.accept_at:
                effects += self._accept(id_, found)
            if now >= found.due and not found.is_stopped:
                error = AgentError(
                    AgentCode.CALL_TIMEOUT, "The time of the call was over; it was stopped."
                )
                effects += self._stop(id_, error)
        return effects

    def _accept(self, id_: str, found: _Running) -> list[Effect]:
        found.accept_at = None
        return [Send(Accepted(id_), self._settings.resend_max)]

    def _stop(self, id_: str, error: AgentError) -> list[Effect]:
        found = self._running[id_]
        if found.is_stopped:
            return []
        found.is_stopped = True
        return [Stop(id_, error)]


def refusal(id: str, error: AgentError) -> Send:  # noqa: A002 - the word of the field
    """Answer with an error of this node."""
    told = msgspec.json.encode(error.to_dict())
    return Send(Reply(id, None, told, 0), limits.CALL_TIMEOUT)
