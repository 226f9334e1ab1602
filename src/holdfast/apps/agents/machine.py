"""The conversation between this node and one peer about agents: a machine without I/O, put together from four.

Theory. Both ends are alike: each calls (``Calling``), answers (``Answering``), has streams (``Outflow``, ``Inflow``),
wishes and an audience (``Wishes``, ``Audience``). Direction is in the frames, so a node can hold this conversation
with itself. Everything that is said may be lost, come twice or be overtaken; everything that waits has a time.

What is coupled: a stream lives as long as its call has not ended badly. Ended well, the answerer's end lives on
until its pieces are confirmed, and the caller's until it has been read. Pieces for a stream that is not here are
answered with ``Broken``; a caller sends pieces only once its request was accepted, so they cannot be early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.apps.agents import limits
from holdfast.apps.agents.answers import Answering
from holdfast.apps.agents.calls import Calling
from holdfast.apps.agents.effects import Answered, Effect, Flowed, PeerStarted, Send
from holdfast.apps.agents.errors import AgentCode, AgentError, StreamBrokenError
from holdfast.apps.agents.stream import Inflow, Outflow
from holdfast.apps.agents.topics import Audience, Wishes
from holdfast.apps.agents.wire import (
    Accepted,
    AnyFrame,
    Ask,
    Broken,
    Cancel,
    Chunk,
    Credit,
    Event,
    Kept,
    Reply,
    Request,
    Started,
    Topics,
)

if TYPE_CHECKING:
    from holdfast.apps.agents.settings import ConversationSettings

StreamKey = tuple[str, bool]
"""Id of the call, and whether upward."""

BROKEN_WITHIN = 30.0
"""Seconds in which it is of use to tell that there is no such stream."""


class Conversation:
    """Everything between this node and one peer.

    Args:
        epoch: the life of this node.
        settings: when what is said again.

    Attributes:
        heard_at: when the peer was heard last, seconds; None when never.
    """

    def __init__(self, epoch: str, settings: ConversationSettings) -> None:
        self._settings = settings
        self.calling = Calling(settings)
        self.answering = Answering(settings)
        self.wishes = Wishes(epoch, settings)
        self.audience = Audience(epoch, settings)
        self._out: dict[StreamKey, Outflow] = {}
        self._in: dict[StreamKey, Inflow] = {}
        self._accepted: set[str] = set()
        self._their_epoch = ""
        self.heard_at: float | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it may be forgotten: nothing is open, nothing is wanted."""
        return not (self.calling or self.answering or self._out or self._in or self.wishes.topics)

    # --- calls ------------------------------------------------------------------------------

    def call(self, request: Request, due: float, now: float) -> list[Effect]:
        """Open a call, with streams if the request says so.

        Raises:
            AgentError: TOO_MANY, REQUEST_ID_REUSED; nothing was sent.
        """
        if request.is_stream and len(self._in) + len(self._out) >= limits.STREAMS_MAX:
            raise AgentError(
                AgentCode.TOO_MANY, "Too many streams are open with this peer.", retry_after=1.0
            )
        effects = self.calling.begin(request, due, now)
        if request.is_stream:
            self._open(request.id, is_caller=True)
        return effects

    def withdraw(self, id: str, wall_ms: int) -> list[Effect]:  # noqa: A002 - the word of the field
        """Its caller is done with a call: whatever of it is open ends."""
        effects = self.calling.withdraw(id, wall_ms)
        self._in.pop((id, False), None)
        out = self._out.pop((id, True), None)
        if out is not None:
            effects += out.broke("The call was withdrawn.", AgentCode.CALL_CANCELLED)
        self._accepted.discard(id)
        return effects

    def admitted(self, request: Request, now: float) -> list[Effect]:
        """A request runs: its streams are open."""
        if request.is_stream and request.id in self.answering:
            self._open(request.id, is_caller=False)
        return self.answering.admitted(request.id, now)

    def finished(self, reply: Reply, now: float) -> list[Effect]:
        """A request was answered, and the store knows; its stream downward ends with it."""
        effects: list[Effect] = []
        out = self._out.get((reply.id, False))
        if out is not None:
            if reply.error is None:
                effects += out.end(now, self._settings.patience)
            else:
                effects += out.broke("The agent failed.")
        self._in.pop((reply.id, True), None)
        effects += self.answering.finished(reply)
        self._sweep()
        return effects

    def dropped(self, id: str) -> list[Effect]:  # noqa: A002 - as above
        """A request ends without an answer, as this node does; harmless when it has one."""
        if id not in self.answering:
            return []
        self.answering.dropped(id)
        self._in.pop((id, True), None)
        self._out.pop((id, False), None)
        return []

    # --- streams ----------------------------------------------------------------------------

    def inflow(self, id: str, *, is_up: bool) -> Inflow | None:  # noqa: A002 - as above
        """Return the reader's end of a stream, None when it is not here."""
        return self._in.get((id, is_up))

    def outflow(self, id: str, *, is_up: bool) -> Outflow | None:  # noqa: A002 - as above
        """Return the writer's end of a stream, None when it is not here."""
        return self._out.get((id, is_up))

    def may_write(self, id: str, *, is_up: bool, now: float) -> bool:  # noqa: A002 - as above
        """Say whether a piece can be written now; if not, ``Flowed`` says when to ask again.

        Raises:
            StreamBrokenError: it can never be.
        """
        out = self._out.get((id, is_up))
        if out is None:
            raise StreamBrokenError("The stream is closed.")
        if out.error is not None:
            raise out.error
        if out.is_ended:
            raise StreamBrokenError("The stream was ended; nothing more can be sent.")
        if is_up and id not in self._accepted:
            return False
        if out.has_room:
            return True
        out.wait(now)
        return False

    def within(self, id: str, now: float) -> float:  # noqa: A002 - as above
        """Return the seconds for which a frame of this call is of use."""
        left = self.calling.within(id, now) or self.answering.within(id, now)
        return left or self._settings.patience

    # --- from the peer ----------------------------------------------------------------------

    def received(self, frame: AnyFrame, now: float, wall_ms: int) -> list[Effect]:  # noqa: C901, PLR0911, PLR0912 - one case a frame
        """Take a frame."""
        self.heard_at = now
        match frame:
            case Request():
                return self.answering.requested(frame, now, wall_ms)
            case Accepted():
                self.calling.accepted(frame, now)
                if frame.id not in self.calling:
                    return []
                self._accepted.add(frame.id)
                return [Flowed(frame.id, is_up=True)]
            case Reply():
                return self._replied(frame, now)
            case Cancel():
                return self.answering.cancelled(frame)
            case Chunk():
                inflow = self._in.get((frame.id, frame.is_up))
                if inflow is None:
                    return [Send(Broken(frame.id, frame.is_up), BROKEN_WITHIN)]
                return inflow.arrived(frame, now, self.within(frame.id, now))
            case Ask():
                inflow = self._in.get((frame.id, frame.is_up))
                if inflow is None:
                    return [Send(Broken(frame.id, frame.is_up), BROKEN_WITHIN)]
                return inflow.asked(self.within(frame.id, now))
            case Credit():
                return self._credited(frame, now)
            case Broken():
                return self._broken(frame)
            case Topics():
                return self.audience.wanted(frame, now)
            case Kept():
                self.wishes.noted(frame, now)
                return []
            case Event():
                return self.wishes.event(frame)
            case Started():
                return self._started(frame, now)

    def _replied(self, frame: Reply, now: float) -> list[Effect]:
        effects = self.calling.replied(frame)
        if not effects:
            return []
        inflow, out = self._in.get((frame.id, False)), self._out.pop((frame.id, True), None)
        if inflow is not None:
            if frame.error is not None:
                effects += inflow.broke("The call failed.")
            else:
                effects += inflow.expect(frame.chunks, now)
        if out is not None:
            effects += out.broke("The agent has answered and reads no more.")
        self._accepted.discard(frame.id)
        return effects

    def _credited(self, frame: Credit, now: float) -> list[Effect]:
        key = frame.id, frame.is_up
        out = self._out.get(key)
        if out is None:
            # The reader waits for pieces that nobody here will send.
            return [Send(Broken(*key), BROKEN_WITHIN)] if not frame.is_up else []
        effects = out.credited(frame, now)
        self._sweep()
        return effects

    def _broken(self, frame: Broken) -> list[Effect]:
        effects: list[Effect] = []
        key = frame.id, frame.is_up
        out, inflow = self._out.get(key), self._in.get(key)
        if out is not None:
            effects += out.broke("The other node does not have the stream any more.")
        if inflow is not None:
            effects += inflow.broke("The other node does not have the stream any more.")
        self._sweep()
        return effects

    def _started(self, frame: Started, now: float) -> list[Effect]:
        if frame.epoch == self._their_epoch:
            return []
        self._their_epoch = frame.epoch
        self.calling.hurry(now)
        return [PeerStarted(), *self.wishes.say(now)]

    # --- time -------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When to call ``on_time``; None when there is nothing to wait for."""
        times = [
            self.calling.next_deadline(),
            self.answering.next_deadline(),
            self.wishes.next_deadline(),
            *(flow.next_deadline() for flow in self._out.values()),
            *(flow.next_deadline() for flow in self._in.values()),
        ]
        return min((at for at in times if at is not None), default=None)

    def on_time(self, now: float, wall_ms: int) -> list[Effect]:
        """Do what is due.

        Args:
            now: seconds.
            wall_ms: milliseconds since 1970.
        """
        effects = self.calling.on_time(now, wall_ms)
        for each in effects:
            if isinstance(each, Answered):
                effects = effects + self._timed_out(each.id)
        effects += self.answering.on_time(now)
        effects += self.wishes.on_time(now)
        for out in self._out.values():
            effects += out.on_time(now, self.within(out.id, now))
        for inflow in self._in.values():
            effects += inflow.on_time(now, self.within(inflow.id, now))
        self._sweep()
        return effects

    def _timed_out(self, id_: str) -> list[Effect]:
        effects: list[Effect] = []
        inflow, out = self._in.get((id_, False)), self._out.pop((id_, True), None)
        self._accepted.discard(id_)
        if inflow is not None:
            effects += inflow.broke("The time of the call was over.", AgentCode.CALL_TIMEOUT)
        if out is not None:
            effects += out.broke("The time of the call was over.", AgentCode.CALL_TIMEOUT)
        return effects

    # --- inside -----------------------------------------------------------------------------

    def _open(self, id_: str, *, is_caller: bool) -> None:
        self._out[id_, is_caller] = Outflow(id_, self._settings, is_up=is_caller)
        self._in[id_, not is_caller] = Inflow(id_, self._settings, is_up=not is_caller)

    def _sweep(self) -> None:
        """Forget the writer's ends downward that are done and whose request has ended."""
        for key, flow in list(self._out.items()):
            if not key[1] and flow.is_done and key[0] not in self.answering:
                del self._out[key]
