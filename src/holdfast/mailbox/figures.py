"""What a gateway says of itself: counts, none of which names anybody."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayFigures:
    """A gateway at one moment.

    Attributes:
        connections: that are open now, without pipes.
        mailboxes: now.
        envelopes: that are kept now.
        size: their bytes.
        pipes: that are open now.
        accepted: connections since the start.
        refused: connections that were cut at once since the start.
        slow: connections that were cut because they did not read.
        counts: what was done and refused since the start, by name: ``deposited``, ``repeated``, ``handed over``,
            ``acknowledged``, ``expired``, ``created``, ``tokens``, ``deleted``, ``subscribed``, ``malformed``,
            ``cut``, ``not written``, ``refused <code>``, ``pipes opened``, ``pipes refused <code>``.
    """

    connections: int
    mailboxes: int
    envelopes: int
    size: int
    pipes: int
    accepted: int
    refused: int
    slow: int
    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        now = (
            f"{self.connections} connections, {self.mailboxes} mailboxes, {self.envelopes} envelopes, "
            f"{self.size} bytes, {self.pipes} pipes"
        )
        done = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()) if count)
        return f"{now}; since the start: {done or 'nothing'}"
