"""What an operator may change about sessions; the defaults are requirement C7.1."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """Times in seconds, counts as they are.

    Attributes:
        ping_interval: between two pings of the server.
        pong_timeout: silence after a ping until the connection counts as dead.
        grace: without a connection until a session is called disconnected.
        sweep_interval: between two sweeps over expired sessions.
        session_ttl: without a connection until a session is forgotten.
        connections_max: connections at the same time.
        sessions_max: sessions, connected or not.
        frame_rate, frame_burst: frames a second and at once that a connection may send.
        message_rate, message_burst: messages a second and at once of a session of the tier "member".
        channel_events_max: events that the log of a channel keeps, the personal ones apart.
    """

    ping_interval: float = limits.PING_INTERVAL
    pong_timeout: float = limits.PONG_TIMEOUT
    grace: float = limits.GRACE
    sweep_interval: float = limits.SWEEP_INTERVAL
    session_ttl: float = limits.SESSION_TTL
    connections_max: int = limits.CONNECTIONS_MAX
    sessions_max: int = limits.SESSIONS_MAX
    frame_rate: float = limits.FRAME_RATE
    frame_burst: int = limits.FRAME_BURST
    message_rate: float = limits.MESSAGE_RATE
    message_burst: int = limits.MESSAGE_BURST
    channel_events_max: int = limits.CHANNEL_EVENTS_MAX

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: a value is not positive, or the grace is shorter than nothing.
        """
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
