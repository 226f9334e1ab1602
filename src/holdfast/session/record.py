"""A session: who it is, which tokens open it, what it has seen."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from holdfast import limits
from holdfast.session.channel import Channel
from holdfast.session.wire import PERSONAL

if TYPE_CHECKING:
    from holdfast.session.connection import Connection
    from holdfast.session.timers import Timer
    from holdfast.session.token import TokenState


class PresenceState(StrEnum):
    """Whether somebody is there; the words are those of requirement C7.1."""

    CONNECTED = "connected"
    TEMPORARILY_DISCONNECTED = "temporarily_disconnected"
    DISCONNECTED = "disconnected"


@dataclass(slots=True)
class StreamState:
    """How far one sender has come: handled in memory, committed in the store."""

    handled: int = 0
    committed: int = 0


class Session:
    """A conversation with one client that outlives its connections.

    Attributes:
        id: never used again.
        principal: who the application says it is; set in ``Application.open`` and kept.
        tier: how much it may send, a key of ``limits.TIERS``; set where the principal is read.
        presence: whether it is connected.
        last_heard_ms: server clock, when anything came from it last.
    """

    __slots__ = (
        "_round_trips",
        "away",
        "channels",
        "connection",
        "id",
        "is_ended",
        "last_heard_ms",
        "opening",
        "own",
        "presence",
        "principal",
        "streams",
        "tier",
        "tokens",
    )

    def __init__(self, session_id: str, own_epoch: str, tokens: TokenState, now_ms: int) -> None:
        self.id = session_id
        self.principal = ""
        self.tier = "member"
        self.presence = PresenceState.DISCONNECTED
        self.last_heard_ms = now_ms
        self.tokens = tokens
        self.own = Channel(PERSONAL, own_epoch, events_max=limits.PERSONAL_EVENTS_MAX)
        self.channels: dict[str, None] = {}
        self.streams: OrderedDict[str, StreamState] = OrderedDict()
        self.connection: Connection | None = None
        self.opening: Connection | None = None
        self.away: Timer | None = None
        self.is_ended = False
        self._round_trips: deque[float] = deque(maxlen=limits.RTT_SAMPLES_MAX)

    def stream(self, name: str) -> StreamState:
        """Return the state of a stream, forgetting the one unused longest past the bound."""
        state = self.streams.get(name)
        if state is None:
            state = self.streams[name] = StreamState()
            if len(self.streams) > limits.STREAMS_PER_SESSION_MAX:
                self.streams.popitem(last=False)
        else:
            self.streams.move_to_end(name)
        return state

    def measured(self, round_trip: float) -> None:
        """Take in one round trip, in seconds."""
        self._round_trips.append(round_trip)

    def rtt_ms(self, quantile: float = 0.75) -> float | None:
        """Return a quantile of the last round trips in milliseconds, None without any."""
        if not self._round_trips:
            return None
        ordered = sorted(self._round_trips)
        return 1000 * ordered[min(int(quantile * len(ordered)), len(ordered) - 1)]
