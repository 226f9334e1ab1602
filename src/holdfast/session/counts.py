"""What a hub counts: plain numbers, so that counting costs the hot path next to nothing; others read them."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from holdfast import limits


@dataclass(slots=True)
class HubCounts:
    """Since the start.

    Attributes:
        connections_opened: transports that were taken.
        connections_closed: ended, by why: the name of an error's code, or ``LOST``.
        connections_refused: handshakes that were asked to come later, by why.
        sessions_opened: begun.
        sessions_resumed: returns.
        messages: of clients, handled.
        messages_failed: of clients, refused, by the name of an error's code.
        events: published.
        deliveries: of events to readers.
        commits: seconds from the closing of a transaction to its commit; whoever reads empties it.
    """

    connections_opened: int = 0
    connections_closed: Counter[str] = field(default_factory=Counter)
    connections_refused: Counter[str] = field(default_factory=Counter)
    sessions_opened: int = 0
    sessions_resumed: int = 0
    messages: int = 0
    messages_failed: Counter[str] = field(default_factory=Counter)
    events: int = 0
    deliveries: int = 0
    commits: deque[float] = field(default_factory=lambda: deque(maxlen=limits.COMMITS_COUNTED))
