"""The server's end of one connection: which frame may come when, how much and how fast.

Theory. A connection is in one of four states. It waits for ``hello`` or ``resume``; while the answer to
that is being committed the client has to be silent; then everything but those two may come, until it is
closed. The table below is the whole rule. A frame that is not in it, one that cannot be read and one
too many are refusals: before the session is open, and after too many of them, they end the connection;
otherwise they are answered with an error and the connection goes on. No socket, no clock, no session.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.errors import ErrorCode, RateLimitError, RemoteProtocolError, ResilienceError
from holdfast.resilience import TokenBucket
from holdfast.session import wire

if TYPE_CHECKING:
    from holdfast.session.settings import HubSettings


class ConnectionState(StrEnum):
    """Where a connection stands."""

    AWAITING = "awaiting"
    OPENING = "opening"
    OPEN = "open"
    CLOSED = "closed"


TRANSITIONS: Final[dict[tuple[ConnectionState, type[wire.Frame]], ConnectionState]] = {
    (ConnectionState.AWAITING, wire.Hello): ConnectionState.OPENING,
    (ConnectionState.AWAITING, wire.Resume): ConnectionState.OPENING,
    (ConnectionState.AWAITING, wire.ClientPing): ConnectionState.AWAITING,
    (ConnectionState.OPENING, wire.ClientPing): ConnectionState.OPENING,
    (ConnectionState.OPEN, wire.Send): ConnectionState.OPEN,
    (ConnectionState.OPEN, wire.Confirm): ConnectionState.OPEN,
    (ConnectionState.OPEN, wire.ClientPing): ConnectionState.OPEN,
    (ConnectionState.OPEN, wire.ClientPong): ConnectionState.OPEN,
    (ConnectionState.OPEN, wire.Sync): ConnectionState.OPEN,
    (ConnectionState.OPEN, wire.Leave): ConnectionState.OPEN,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A frame that is not taken.

    Attributes:
        error: what to tell the client.
        is_final: True when the connection ends with it.
        frame: the message that was refused, when it was a ``send``.
    """

    error: ResilienceError
    is_final: bool
    frame: wire.Send | None = None


class Conversation:
    """Decides about each incoming frame of one connection."""

    __slots__ = ("_bytes", "_codec", "_frames", "_refused", "state")

    def __init__(self, codec: wire.Codec, settings: HubSettings) -> None:
        self._codec = codec
        self._frames = TokenBucket(settings.frame_rate, settings.frame_burst)
        self._bytes = TokenBucket(limits.BYTE_RATE, limits.BYTE_BURST)
        self._refused = 0
        self.state = ConnectionState.AWAITING

    def receive(self, message: bytes, now: float) -> list[wire.ClientFrame | Refusal]:
        """Read one message of the transport.

        Args:
            message: at most ``limits.FRAME_BYTES_MAX`` bytes, one or more frames.
            now: monotonic seconds.

        Returns:
            The frames to act upon, in order, and refusals in their places.
        """
        if self.state is ConnectionState.CLOSED:
            return []
        if wait := self._bytes.take(now, len(message)):
            return [self._refuse(_too_fast(wait, "bytes"))]
        try:
            frames = self._codec.client_frames(message)
        except RemoteProtocolError as error:
            return [self._refuse(error)]
        taken: list[wire.ClientFrame | Refusal] = []
        for frame in frames:
            taken.append(self._judge(frame, now))
            last = taken[-1]
            if isinstance(last, Refusal) and last.is_final:
                break
        return taken

    def opened(self) -> None:
        """The answer to ``hello`` or ``resume`` is on its way."""
        assert self.state is ConnectionState.OPENING, self.state
        self.state = ConnectionState.OPEN

    def close(self) -> None:
        """Take nothing any more."""
        self.state = ConnectionState.CLOSED

    def _judge(self, frame: wire.ClientFrame, now: float) -> wire.ClientFrame | Refusal:
        if wait := self._frames.take(now):
            return self._refuse(_too_fast(wait, "frames"), frame)
        following = TRANSITIONS.get((self.state, type(frame)))
        if following is None:
            return self._refuse(
                RemoteProtocolError(
                    f"A {type(frame).__struct_config__.tag} may not come while the "
                    f"connection is {self.state}.",
                    code=ErrorCode.UNEXPECTED_FRAME,
                ),
                frame,
            )
        if isinstance(frame, wire.Hello | wire.Resume) and frame.v != wire.VERSION:
            return self._refuse(
                RemoteProtocolError(
                    f"Version {frame.v} is not spoken here; version {wire.VERSION} is.",
                    code=ErrorCode.UNSUPPORTED_VERSION,
                )
            )
        self.state = following
        return frame

    def _refuse(self, error: ResilienceError, frame: wire.ClientFrame | None = None) -> Refusal:
        self._refused += 1
        is_final = (
            self.state is not ConnectionState.OPEN or self._refused > limits.RATE_VIOLATIONS_MAX
        )
        return Refusal(error, is_final, frame if isinstance(frame, wire.Send) else None)


def _too_fast(wait: float, what: str) -> RateLimitError:
    return RateLimitError(
        f"Too many {what} a second on this connection.", retry_after=round(wait, 3)
    )
