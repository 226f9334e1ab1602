"""One direction of a stream: its writer's end and its reader's end, without I/O.

Theory. Pieces are numbered. The reader says how many have come (``have``) and how far the writer may go (``may``);
that is at most a window ahead of what its agent has read, so a slow agent stops the writer, and neither end keeps
more than a window. The writer says unconfirmed pieces again, doubling the wait, and asks when it has no credit and
hears nothing: a lost ``Credit`` cannot stop a stream for ever. The last piece is marked and needs no credit. So a
reader knows that it has all; whoever cannot have all is told that the stream broke, and nothing in between exists.

Source of the scheme: sliding windows with cumulative acknowledgement as in RFC 9293, credit as in RFC 9113, 5.2.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from holdfast.apps.agents import limits
from holdfast.apps.agents.effects import Effect, Flowed, Send
from holdfast.apps.agents.errors import AgentCode, StreamBrokenError
from holdfast.apps.agents.wire import Ask, Broken, Chunk, Credit
from holdfast.errors import ErrorCode

if TYPE_CHECKING:
    from enum import IntEnum

    from holdfast.apps.agents.settings import ConversationSettings

DOUBLINGS_MAX: Final = 4
"""Doublings of the wait before unconfirmed pieces are sent again."""

RESENT_AT_ONCE: Final = 4
"""Pieces that are sent again together; the answer tells whether the others have come."""


class Outflow:
    """The writer's end.

    Args:
        id: of the call.
        is_up: from caller to agent.
        settings: of the conversation.

    Attributes:
        error: why it broke, None while it did not.
        sent: pieces that were written, without the mark at the end.
    """

    def __init__(self, id: str, settings: ConversationSettings, *, is_up: bool) -> None:  # noqa: A002 - the word of the field
        self.id = id
        self.is_up = is_up
        self.error: StreamBrokenError | None = None
        self.sent = 0
        self._settings = settings
        self._may = limits.STREAM_WINDOW
        self._unconfirmed: deque[Chunk] = deque()
        self._is_ended = False
        self._wants_credit = False
        self._tries = 0
        self._resend_at: float | None = None
        self._moved_at = 0.0

    @property
    def has_room(self) -> bool:
        """Whether another piece may be written."""
        return self.sent < self._may

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will be written."""
        return self._is_ended or self.error is not None

    @property
    def is_done(self) -> bool:
        """Whether all was written and has come, or it broke."""
        return self.error is not None or (self._is_ended and not self._unconfirmed)

    def write(self, body: bytes, now: float, within: float) -> list[Effect]:
        """Send a piece; there must be room."""
        assert self.has_room
        assert not self.is_ended
        self.sent += 1
        return self._send(Chunk(self.id, self.is_up, self.sent - 1, body, False), now, within)

    def end(self, now: float, within: float) -> list[Effect]:
        """Write no more; harmless when it was ended or is broken."""
        if self.is_ended:
            return []
        self._is_ended = True
        return self._send(Chunk(self.id, self.is_up, self.sent, b"", True), now, within)

    def wait(self, now: float) -> None:
        """Somebody waits for room."""
        if not self._wants_credit:
            self._wants_credit = True
            self._tries, self._moved_at = 0, now
            self._plan(now)

    def credited(self, frame: Credit, now: float) -> list[Effect]:
        """The reader has said how far it is; old news changes nothing."""
        known = self.sent + self._is_ended
        have, may = min(frame.have, known), min(frame.may, frame.have + limits.STREAM_WINDOW)
        has_moved = may > self._may
        while self._unconfirmed and self._unconfirmed[0].seq < have:
            self._unconfirmed.popleft()
            has_moved = True
        self._may = max(self._may, may)
        self._wants_credit = self._wants_credit and not self.has_room
        self._tries = 0  # the reader lives: the wait only doubles while nothing is heard of it
        if has_moved:
            self._moved_at = now
        if has_moved or not (self._unconfirmed or self._wants_credit):
            # Old news must not put off what is to be said again: a reader that asks often would never get it.
            self._plan(now)
        return [Flowed(self.id, self.is_up)]

    def broke(self, message: str, code: IntEnum = AgentCode.STREAM_BROKEN) -> list[Effect]:
        """The other end does not have it any more, or nobody wants the rest."""
        if self.is_done:
            return []
        self.error = StreamBrokenError(message, code=code)
        self._unconfirmed.clear()
        self._resend_at = None
        return [Flowed(self.id, self.is_up)]

    def next_deadline(self) -> float | None:
        """When to call ``on_time``; None when there is nothing to wait for."""
        return self._resend_at

    def on_time(self, now: float, within: float) -> list[Effect]:
        """Say again what is not confirmed, or ask for credit; give up without progress."""
        if self._resend_at is None or now < self._resend_at:
            return []
        if now >= self._moved_at + self._settings.patience:
            return self.broke("The reader of the stream was silent for too long.")
        self._tries += 1
        self._plan(now)
        if self._unconfirmed:
            again = list(self._unconfirmed)[:RESENT_AT_ONCE]
            return [Send(chunk, within) for chunk in again]
        return [Send(Ask(self.id, self.is_up), within)]

    def _send(self, chunk: Chunk, now: float, within: float) -> list[Effect]:
        if not self._unconfirmed:
            self._moved_at = now
        self._unconfirmed.append(chunk)
        if self._resend_at is None:
            self._tries = 0
            self._plan(now)
        return [Send(chunk, within)]

    def _plan(self, now: float) -> None:
        if self._unconfirmed or self._wants_credit:
            wait = self._settings.chunk_resend * 2 ** min(self._tries, DOUBLINGS_MAX)
            self._resend_at = now + wait
        else:
            self._resend_at = None


class Inflow:
    """The reader's end.

    Args:
        id: of the call.
        is_up: from caller to agent.
        settings: of the conversation.

    Attributes:
        error: why it broke, None while it did not.
    """

    def __init__(self, id: str, settings: ConversationSettings, *, is_up: bool) -> None:  # noqa: A002 - the word of the field
        self.id = id
        self.is_up = is_up
        self.error: StreamBrokenError | None = None
        self._settings = settings
        self._have = 0
        self._read = 0
        self._told_have = 0
        self._told_may = limits.STREAM_WINDOW
        self._early: dict[int, Chunk] = {}
        self._ready: deque[bytes] = deque()
        self._total: int | None = None
        self._confirm_at: float | None = None
        self._ask_at: float | None = None
        self._heard_at = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether all has come, to its last piece."""
        return self._total is not None and self._have > self._total

    @property
    def is_read(self) -> bool:
        """Whether all has come and was read."""
        return self.is_whole and not self._ready

    @property
    def has_piece(self) -> bool:
        """Whether a piece can be read."""
        return bool(self._ready)

    def arrived(self, chunk: Chunk, now: float, within: float) -> list[Effect]:
        """A piece has come, in whatever order and for whatever time."""
        if self.error is not None:
            return [Send(Broken(self.id, self.is_up), within)]
        self._heard_at = now
        if chunk.seq < self._have or chunk.seq in self._early:
            return [self._credit(within)]  # the confirmation was lost
        most = self._told_may + chunk.is_last  # the mark at the end needs no credit
        if chunk.seq >= most or (self._total is not None and chunk.seq > self._total):
            return [
                *self.broke("The writer of the stream sent more than it may."),
                Send(Broken(self.id, self.is_up), within),
            ]
        if chunk.is_last:
            self._total = chunk.seq
        self._early[chunk.seq] = chunk
        is_late = chunk.seq > self._have
        while (found := self._early.pop(self._have, None)) is not None:
            self._have += 1
            if not found.is_last:
                self._ready.append(found.body)
        effects: list[Effect] = [Flowed(self.id, self.is_up)]
        if is_late or self.is_whole:
            effects.append(self._credit(within))
        elif self._confirm_at is None:
            self._confirm_at = now + self._settings.confirm_after
        return effects

    def take(self, within: float) -> tuple[bytes, list[Effect]]:
        """Return the next piece, which must be there, and make room for another."""
        body = self._ready.popleft()
        self._read += 1
        if self.is_whole or self._may() < self._told_may + limits.STREAM_WINDOW // 2:
            return body, []
        return body, [self._credit(within)]

    def asked(self, within: float) -> list[Effect]:
        """The writer waits for credit."""
        if self.error is not None:
            return [Send(Broken(self.id, self.is_up), within)]
        return [self._credit(within)]

    def expect(self, chunks: int, now: float) -> list[Effect]:
        """The call was answered, and so many pieces belong to it: ask for what does not come."""
        if self.is_whole or self.error is not None:
            return []
        if chunks < self._have:
            return self.broke("The stream and the answer do not belong together.")
        self._heard_at = now
        self._ask_at = now + self._settings.chunk_resend
        return []

    def broke(self, message: str, code: IntEnum = AgentCode.STREAM_BROKEN) -> list[Effect]:
        """The rest will not come; harmless when all has."""
        if self.is_whole or self.error is not None:
            return []
        self.error = StreamBrokenError(message, code=code)
        self._early.clear()
        self._confirm_at = self._ask_at = None
        return [Flowed(self.id, self.is_up)]

    def next_deadline(self) -> float | None:
        """When to call ``on_time``; None when there is nothing to wait for."""
        return min((at for at in (self._confirm_at, self._ask_at) if at is not None), default=None)

    def on_time(self, now: float, within: float) -> list[Effect]:
        """Confirm what has come; ask for the rest of what was answered."""
        effects: list[Effect] = []
        if self._ask_at is not None and now >= self._ask_at:
            if self.is_whole:
                self._ask_at = None
            elif now >= self._heard_at + self._settings.patience:
                effects += self.broke(
                    "The rest of the stream did not come.", ErrorCode.NETWORK_TIMEOUT
                )
            else:
                self._ask_at = now + self._settings.chunk_resend
                effects.append(self._credit(within))
        if self._confirm_at is not None and now >= self._confirm_at:
            effects.append(self._credit(within))
        return effects

    def _may(self) -> int:
        return self._read + limits.STREAM_WINDOW

    def _credit(self, within: float) -> Send:
        self._confirm_at = None
        self._told_have, self._told_may = self._have, max(self._told_may, self._may())
        return Send(Credit(self.id, self.is_up, self._have, self._told_may), within)
