"""Whether the router still reads us and we it: a state machine without clock or socket.

Theory. The protocol has no ping. A packet to one's own name, an ``auth-mud-req``, is returned by most routers and
swallowed by some, so a missing return proves nothing until one came back from this router. TCP keeps the order: when
a probe is back, all that was handed over before it has been read. A router that loses packets for a while may lose a
probe as well; while other packets come it gets more chances. From a router that returns none only silence counts, and
the kernel's own timeout, which the probes feed with something to be acknowledged. A router of which nothing is known
and which falls silent before its first return is left once: it costs a swallower of probes one reconnection, and a
dead connection is not held for a quarter of an hour. What was learnt of a router is remembered by its name.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holdfast.apps.i3.gateway.settings import GatewaySettings

FIRST_AFTER: Final = 1.0
"""Seconds after the startup until the first probe, from which is learnt what the router does with them."""

LEARNING: Final = 2
"""Probes without a return after which a router is thought to return none, or to be gone when nothing else came."""

CHANCES: Final = 3
"""Probes in a row that may be lost while other packets come."""

HURRY_MESSAGES: Final = 500
"""Messages that wait to be confirmed, after which the probe does not wait for its time."""


class Beat(Enum):
    """What to do now."""

    NOTHING = auto()
    PROBE = auto()
    DEAD = auto()


class Probe:
    """Of one gateway, over all its connections.

    Args:
        settings: of the gateway.

    Attributes:
        rtt: seconds of the last return, None before there was one.
        heard_at: when the router was heard last.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._router = ""
        self._due_at = float("inf")
        self._sent_at: float | None = None
        self._misses = 0
        self._learnt: dict[str, bool] = {}
        self._was_left: set[str] = set()
        self.rtt: float | None = None
        self.heard_at = 0.0

    def begin(self, router: str, now: float) -> None:
        """A router has answered the startup."""
        self._router = router
        self._sent_at, self._misses = None, 0
        self.heard_at = now
        self._due_at = now + FIRST_AFTER

    @property
    def returns(self) -> bool | None:
        """Whether the router returns probes, None while that is not known."""
        return self._learnt.get(self._router)

    def end(self) -> None:
        """The connection is gone."""
        self._due_at, self._sent_at = float("inf"), None

    @property
    def next_at(self) -> float:
        """When ``beat`` has something to say."""
        if self._sent_at is not None:
            return self._sent_at + self._settings.probe_timeout
        if self.returns is False:
            return min(self._due_at, self.heard_at + self._settings.silence_max)
        return self._due_at

    def beat(self, now: float) -> Beat:
        """Say what is due; after ``PROBE`` the caller sends one."""
        if now < self.next_at:
            return Beat.NOTHING
        if self._sent_at is not None:
            return self._missed(now)
        if self.returns is False and now >= self.heard_at + self._settings.silence_max:
            return Beat.DEAD
        self._sent_at = now
        return Beat.PROBE

    def _missed(self, now: float) -> Beat:
        assert self._sent_at is not None, "only what was sent can be missed"
        was_heard = self.heard_at > self._sent_at
        self._sent_at = None
        self._misses += 1
        self._due_at = now + (self._settings.probe_interval if self.returns is False else 0.0)
        if self.returns is True:
            return Beat.NOTHING if was_heard and self._misses < CHANCES else Beat.DEAD
        if self._misses < LEARNING or self.returns is False:
            return Beat.NOTHING
        if was_heard or self._router in self._was_left:
            self._learnt[self._router] = False
            return Beat.NOTHING
        self._was_left.add(self._router)
        return Beat.DEAD

    def wanted(self, messages: int, now: float) -> None:
        """So many messages wait to be confirmed: probe sooner."""
        if self._sent_at is None and messages:
            soon = 0.0 if messages >= HURRY_MESSAGES else self._settings.confirm_interval
            self._due_at = min(self._due_at, now + soon)

    def heard(self, now: float) -> None:
        """Something came from the router."""
        self.heard_at = now

    def returned(self, now: float) -> bool:
        """A probe came back; return whether one was under way."""
        self.heard_at = now
        if self._sent_at is None:
            return False
        self.rtt = now - self._sent_at
        self._learnt[self._router] = True
        self._misses, self._sent_at = 0, None
        self._due_at = now + self._settings.probe_interval
        return True
