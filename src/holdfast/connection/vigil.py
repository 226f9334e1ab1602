"""What is due on an open connection: pings, and its end when the peer is silent or nobody needs it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.connection.heartbeat import Beat, HeartbeatMachine
from holdfast.connection.states import Reason

if TYPE_CHECKING:
    from holdfast.connection.settings import ConnectionSettings


class Vigil:
    """Kept while one connection is open.

    Args:
        now: seconds.
        settings: of the connection.

    Attributes:
        heartbeat: its pings.
        ending: why it has to end, with words for a person; None while it may stay.
    """

    def __init__(self, now: float, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._used_at = self._heard_at = now
        self.heartbeat = HeartbeatMachine(now, settings.heartbeat, settings.heartbeat_timeout)
        self.ending: tuple[Reason, str] | None = None

    @property
    def next_at(self) -> float:
        """When to look again."""
        settings = self._settings
        times = [self.heartbeat.next_at]
        if settings.read_timeout is not None:
            times.append(self._heard_at + settings.read_timeout)
        if settings.idle_timeout is not None:
            times.append(self._used_at + settings.idle_timeout)
        return min(times)

    def sent(self, now: float) -> None:
        """A message was sent."""
        self._used_at = now

    def received(self, now: float) -> None:
        """A message came."""
        self._used_at = self._heard_at = now
        self.heartbeat.heard(now)

    def answered(self, now: float, number: int) -> float | None:
        """An answer to a ping came; return the round trip in seconds if it was the last one's."""
        self._heard_at = now
        return self.heartbeat.rtt if self.heartbeat.answered(now, number) else None

    def end(self, reason: Reason, message: str) -> None:
        """Note why it ends; the first word counts."""
        if self.ending is None:
            self.ending = reason, message

    def look(self, now: float) -> int | None:
        """Do what is due: return the number of a ping to be sent, or None; ``ending`` may be set."""
        settings = self._settings
        if settings.read_timeout is not None and now >= self._heard_at + settings.read_timeout:
            self.end(Reason.SILENCE, f"no byte came for {settings.read_timeout:g} s")
        elif settings.idle_timeout is not None and now >= self._used_at + settings.idle_timeout:
            self.end(Reason.IDLE, "nobody used it for a while")
        else:
            beat = self.heartbeat.beat(now)
            if beat is Beat.PING:
                return self.heartbeat.number
            if beat is Beat.DEAD:
                self.end(Reason.HEARTBEAT, "a ping was not answered")
        return None
