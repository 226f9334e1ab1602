"""The client's end of the session protocol, without socket, clock or chance.

Theory. Three states: closed, opening, open. What outlives a connection is the session with its token, the
position in each channel, and the messages that are not acknowledged; after each return the server says
how far it has come, and the rest is sent again in order. An event that is known is dropped, a gap is
answered with ``sync``. Facts go in, effects come out in the order in which they are to be done.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw

from holdfast import limits
from holdfast.errors import ErrorCode, LocalProtocolError, OutboxFullError
from holdfast.session import wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class ClientState(StrEnum):
    """Where the conversation stands."""

    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send this frame."""

    frame: wire.Frame


@dataclass(frozen=True, slots=True)
class Opened:
    """The session is open (again); ``is_new`` unless it was resumed."""

    is_new: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """The state of a channel as the application made it; ``reset`` when it replaces what was known."""

    channel: str
    state: object
    reset: str | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """The next event of a channel."""

    channel: str
    data: object


@dataclass(frozen=True, slots=True)
class Answered:
    """The application's answer to a message: exactly one of ``ok`` and ``error`` counts."""

    seq: int
    ok: object
    error: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """All messages up to ``seq`` are committed."""

    seq: int


@dataclass(frozen=True, slots=True)
class Postponed:
    """A message was not taken; send from there again after ``retry_after`` seconds."""

    retry_after: float


@dataclass(frozen=True, slots=True)
class Renumbered:
    """What is not acknowledged goes on in a new stream, numbered from 1 in the order it was sent."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The server ended the connection; ``again`` says whether to come back by oneself."""

    frame: wire.Bye
    again: bool


@dataclass(frozen=True, slots=True)
class ClientMemory:
    """What a session is known by: all that has to outlive the process.

    Attributes:
        stream: of what is not acknowledged.
        session: its id, None before it was open.
        token: brings the client back to it.
        last_seq: the number given last in the stream.
        pending: messages that were begun and are not acknowledged, as JSON by their number, without holes.
    """

    stream: str
    session: str | None
    token: str
    last_seq: int
    pending: Mapping[int, bytes]


Effect = (
    Transmit | Opened | Shown | Delivered | Answered | Acknowledged | Postponed | Renumbered | Ended
)

FRESH_START: Final = frozenset({ErrorCode.SESSION_EXPIRED, ErrorCode.TOKEN_REJECTED})

RENEWALS_MAX: Final = 3
"""New streams without an acknowledgement; past it a server that refuses them all is given time."""

POSTPONE_DEFAULT: Final = 1.0
"""Seconds until a message is sent again when the server does not say."""


class ClientMachine:
    """One session as its client sees it.

    Args:
        stream: names this sender; new for each process.
        auth: what the application asks for to open a session.
        memory: of an earlier process, whose session is resumed and whose stream goes on.
    """

    def __init__(self, stream: str, auth: object, memory: ClientMemory | None = None) -> None:
        memory = memory or ClientMemory(stream, None, "", 0, {})
        self.state = ClientState.CLOSED
        self.session = memory.session
        self.ping_interval = limits.PING_INTERVAL
        self._stream, self._first_stream = memory.stream, stream
        self._renewals = self._renewals_in_vain = 0
        self._auth = auth
        self._token = memory.token
        self._seq = memory.last_seq
        self._positions: dict[str, tuple[str, int]] = {}
        self._pending = OrderedDict((seq, Raw(body)) for seq, body in memory.pending.items())
        self._syncing: set[str] = set()
        self._is_postponed = False

    @property
    def pending(self) -> int:
        """How many messages are not acknowledged."""
        return len(self._pending)

    @property
    def memory(self) -> ClientMemory:
        """What another process would need to go on."""
        pending = {seq: bytes(body) for seq, body in self._pending.items()}
        return ClientMemory(self._stream, self.session, self._token, self._seq, pending)

    @property
    def stream(self) -> str:
        """The stream that messages are numbered in."""
        return self._stream

    @property
    def last_seq(self) -> int:
        """The number of the last message in it."""
        return self._seq

    def connected(self) -> list[Effect]:
        """A transport is there: open or resume the session."""
        assert self.state is ClientState.CLOSED, self.state
        self.state = ClientState.OPENING
        self._syncing.clear()
        self._is_postponed = False
        if self.session is None:
            return [Transmit(wire.Hello(wire.VERSION, self._stream, _raw(self._auth)))]
        return [
            Transmit(
                wire.Resume(
                    wire.VERSION, self._stream, self.session, self._token, dict(self._positions)
                )
            )
        ]

    def lost(self) -> None:
        """The transport is gone."""
        if self.state is not ClientState.ENDED:
            self.state = ClientState.CLOSED

    def send(self, body: object) -> tuple[int, list[Effect]]:
        """Take a message, a value or ``Raw`` JSON; it is kept until it is acknowledged.

        Returns:
            Its number, and what to do now.

        Raises:
            OutboxFullError: 5101; nothing was taken.
            LocalProtocolError: 7004; the session has ended.
        """
        if self.state is ClientState.ENDED:
            raise LocalProtocolError("The session has ended.")
        if len(self._pending) >= limits.OUTBOX_MESSAGES_MAX:
            raise OutboxFullError(
                f"{len(self._pending)} messages wait for their acknowledgement.", retry_after=1.0
            )
        self._seq += 1
        self._pending[self._seq] = _raw(body)
        if self.state is not ClientState.OPEN or self._is_postponed:
            return self._seq, []
        return self._seq, [self._transmit(self._seq)]

    def send_again(self) -> list[Effect]:
        """Send what was postponed, in order; harmless when nothing is."""
        if self.state is not ClientState.OPEN or not self._is_postponed:
            return []
        self._is_postponed = False
        asked = self._sync(self._syncing) if self._syncing else []  # may have been refused too
        return [*asked, *self._all_pending()]

    def leave(self) -> list[Effect]:
        """End the session for good."""
        was_open = self.state is ClientState.OPEN
        return [Transmit(wire.Leave())] if was_open else []

    def received(self, frame: wire.ServerFrame) -> list[Effect]:  # noqa: C901, PLR0911 - one for each frame
        """Take one frame of the server."""
        match frame:
            case wire.Welcome() | wire.Restored():
                return self._opened(frame)
            case wire.Synced():
                self._syncing.clear()
                shown = self._caught_up(frame.channels)
                return [*shown, *self._settled(frame.acked.get(self._stream, 0))]
            case wire.Event():
                return self._event(frame.ch, frame.o, frame.data)
            case wire.Joined():
                self._positions[frame.ch] = frame.epoch, frame.offset
                return [Shown(frame.ch, _value(frame.snapshot), None)]
            case wire.Left():
                self._positions.pop(frame.ch, None)
                return []
            case wire.Ack():
                if frame.stream != self._stream or self._syncing:
                    return []  # an answer may be among what is missed; `synced` acknowledges as well
                return self._settled(frame.seq)
            case wire.Ping():
                return [Transmit(wire.ClientPong(frame.n))]
            case wire.Resync():
                return self._sync(self._positions)
            case wire.Error():
                return self._refused(frame)
            case wire.Bye():
                return self._bye(frame)
            case _:
                return []

    def _opened(self, frame: wire.Welcome | wire.Restored) -> list[Effect]:
        is_new = isinstance(frame, wire.Welcome)
        self.state = ClientState.OPEN
        self.session, self._token = frame.session, frame.token
        self.ping_interval = frame.ping_ms / 1000
        effects: list[Effect] = [Transmit(wire.Confirm()), Opened(is_new)]
        effects += self._caught_up(frame.channels)
        if isinstance(frame, wire.Restored):
            effects += self._settled(frame.acked.get(self._stream, 0))
        return [*effects, *self._all_pending()]

    def _caught_up(self, channels: Mapping[str, wire.CatchUp]) -> list[Effect]:
        effects: list[Effect] = []
        for name, found in channels.items():
            if found.events is None:
                state = _value(found.snapshot)
                if name != wire.PERSONAL or state:
                    effects.append(Shown(name, state, found.reset))
            else:
                for offset, data in found.events:
                    effects += self._event(name, offset, data)
            self._positions[name] = found.epoch, found.offset
        return effects

    def _event(self, name: str, offset: int, data: Raw) -> list[Effect]:
        if name not in self._positions or name in self._syncing:
            return []
        epoch, known = self._positions[name]
        if offset <= known:
            return []
        if offset != known + 1:
            return self._sync({name})
        self._positions[name] = epoch, offset
        value = _value(data)
        if name == wire.PERSONAL and isinstance(value, dict) and "re" in value:
            refers = value["re"]
            if refers.get("stream") != self._stream:
                return []
            return [Answered(refers["seq"], value.get("ok"), value.get("error"))]
        return [Delivered(name, value)]

    def _sync(self, missed: Iterable[str]) -> list[Effect]:
        if self.state is not ClientState.OPEN:
            return []
        self._syncing.update(missed)
        return [Transmit(wire.Sync(dict(self._positions)))]

    def _settled(self, seq: int) -> list[Effect]:
        settled = [number for number in self._pending if number <= seq]
        for number in settled:
            del self._pending[number]
            self._renewals_in_vain = 0
        return [Acknowledged(seq)] if settled else []

    def _refused(self, error: wire.Error) -> list[Effect]:
        if error.seq is None:
            # It may have been any of what was sent.
            is_ours = error.code == ErrorCode.RATE_LIMIT_EXCEEDED
        else:
            is_ours = error.stream == self._stream and error.seq in self._pending
        if not is_ours or self._is_postponed:
            return []
        if error.code == ErrorCode.SEQUENCE_GAP:
            if error.seq != next(iter(self._pending)):
                return []  # it follows from the refusal of an earlier one, which was told before
            if self._renewals_in_vain < RENEWALS_MAX:
                self._renewals_in_vain += 1
                return [*self._renumber(), *self._all_pending()]
        self._is_postponed = True
        return [Postponed(error.retry_after or POSTPONE_DEFAULT)]

    def _bye(self, frame: wire.Bye) -> list[Effect]:
        effects: list[Effect] = []
        if frame.code in FRESH_START:
            self.session = None
            self._positions.clear()
            effects += self._renumber()
        self.state = ClientState.CLOSED if frame.again else ClientState.ENDED
        return [*effects, Ended(frame, frame.again)]

    def _renumber(self) -> list[Effect]:
        """Begin a new stream: the server has lost count of the old one, or the session with it."""
        self._renewals += 1
        self._stream = f"{self._first_stream[:20]}-{self._renewals}"
        kept = list(self._pending.values())
        self._pending = OrderedDict(enumerate(kept, start=1))
        self._seq = len(kept)
        return [Renumbered()]

    def _all_pending(self) -> list[Effect]:
        return [self._transmit(seq) for seq in self._pending]

    def _transmit(self, seq: int) -> Transmit:
        return Transmit(wire.Send(self._stream, seq, self._pending[seq]))


def _raw(value: object) -> Raw:
    return value if isinstance(value, Raw) else Raw(msgspec.json.encode(value))


def _value(raw: Raw) -> object:
    return msgspec.json.decode(raw)
