"""The way from one host to another: how long things take, and whether they arrive at all."""

from __future__ import annotations

import contextvars
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from holdfast.testing.host import Host
    from holdfast.testing.loop import SimLoop

NEUTRAL: Final = contextvars.Context()
"""The context of what belongs to no process: the network itself."""

RETRANSMIT: Final = 0.2
"""Seconds after which a lost segment is sent again, doubling each time (RFC 6298, Linux's floor)."""

RETRANSMIT_MAX: Final = 60.0

JITTERS_MAX: Final = 10.0
"""No drawn delay is longer than this many times the mean jitter."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a network is like, in one direction.

    The figures are typical ones, to be varied; nothing is promised about a certain carrier.

    Attributes:
        latency: seconds from end to end, at least.
        jitter: seconds added on average, exponentially distributed.
        loss: share of packets that are lost; streams send them again, messages are gone.
        bandwidth: bytes a second.
        window: bytes that a stream has under way or unread at most.
        duplicate: share of messages that arrive twice.
        reorder: share of messages that are overtaken by later ones.
    """

    latency: float
    jitter: float = 0.0
    loss: float = 0.0
    bandwidth: float = 125e6
    window: int = 256 * 1024
    duplicate: float = 0.0
    reorder: float = 0.0


PROFILES: Final = {
    "loopback": Profile(0.00003, 0.00001, bandwidth=1e9),
    "lan": Profile(0.0003, 0.0001),
    "cafe": Profile(0.02, 0.015, 0.01, 2.5e6, 128 * 1024, 0.001, 0.01),
    "train": Profile(0.06, 0.1, 0.03, 6e5, 64 * 1024, 0.005, 0.03),
    "satellite": Profile(0.3, 0.02, 0.005, 1.2e6, 128 * 1024, 0.001, 0.005),
}


class Path:
    """One direction between two hosts.

    Args:
        loop: whose time passes.
        source: chance of this path.
        sender: host it begins at.
        receiver: host it ends at.
        profile: what it is like.
    """

    def __init__(
        self, loop: SimLoop, source: random.Random, sender: Host, receiver: Host, profile: Profile
    ) -> None:
        self._loop = loop
        self._source = source
        self.sender = sender
        self.receiver = receiver
        self.profile = profile
        self._cuts = 0
        self._slowness = 1.0
        self._free_at = 0
        self._waiting: list[tuple[int, Callable[[], None]]] = []

    @property
    def is_open(self) -> bool:
        """False while it is cut or a machine at one of its ends is off."""
        return not self._cuts and self.sender.is_up and self.receiver.is_up

    @property
    def source(self) -> random.Random:
        """Chance of this path."""
        return self._source

    def arrival(self, size: int, *, is_stream: bool = True) -> int:
        """Draw when something sent now arrives, in virtual nanoseconds.

        Args:
            size: bytes.
            is_stream: what is lost is sent again, which takes time.
        """
        profile, source = self.profile, self._source
        delay = profile.latency
        if profile.jitter:
            delay += min(source.expovariate(1 / profile.jitter), JITTERS_MAX * profile.jitter)
        if is_stream and profile.loss:
            again = RETRANSMIT
            while source.random() < profile.loss:
                delay += again
                again = min(2 * again, RETRANSMIT_MAX)
        now = self._loop.now_ns
        begins = max(now, self._free_at)
        self._free_at = begins + int(size / profile.bandwidth * self._slowness * 1e9)
        return self._free_at + int(delay * self._slowness * 1e9)

    def carry(self, deliver: Callable[[], None], size: int = 0) -> None:
        """Bring something to the other end, however often it has to be sent."""
        self._loop.call_at_ns(self.arrival(size), self._delivered, deliver, context=NEUTRAL)

    def _delivered(self, deliver: Callable[[], None]) -> None:
        if self.is_open:
            deliver()
        else:
            self.when_open(deliver)

    def when_open(self, deliver: Callable[[], None]) -> None:
        """Deliver when the path is open again and the sender has tried once more."""
        self._waiting.append((self._loop.now_ns, deliver))

    # --- verbs ------------------------------------------------------------------------------

    def cut(self) -> None:
        """Let nothing through any more. Cuts add up: each is to be healed."""
        self._cuts += 1

    def heal(self) -> None:
        """Undo one cut."""
        if self._cuts:
            self._cuts -= 1
            self.opening()

    def clog(self, factor: float) -> None:
        """Make it this many times slower."""
        self._slowness *= factor

    def opening(self) -> None:
        """Send again what waited, if it is open now.

        A sender doubles its waiting time with each attempt, so its next one comes after about as
        long as it was without an answer already, at most.
        """
        if not self.is_open:
            return
        now = self._loop.now_ns
        waiting, self._waiting = self._waiting, []
        for since, deliver in waiting:
            silence = min(max((now - since) / 1e9, RETRANSMIT), RETRANSMIT_MAX)
            due = self.arrival(0) + int(self._source.uniform(0.0, silence) * 1e9)
            self._loop.call_at_ns(due, self._delivered, deliver, context=NEUTRAL)
