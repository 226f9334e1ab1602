"""When what has a number is carried to a gateway: a state machine without clock, socket or store.

Theory. An item is due at once when it got its number. A deposit that failed is tried again with backoff and full
jitter; one that a gateway took is carried to another gateway after a while, and ever more rarely, until the contact has
acknowledged it: the first gateway may have died with it. What the contact says is missing is due at once. The most
urgent goes first, and of equals the one that was numbered first.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random

    from holdfast.node.settings import NodeSettings

Key = tuple[str, int]
"""A contact and the number of a message to him."""

RESEND_MAX: Final = 3600.0
"""Seconds between two copies of what lies at a gateway, at most."""

IN_HAND: Final = 0.1
"""Seconds that what a gateway has just taken is not called missing, at least: it may be on its way to the contact."""

IN_HAND_MAX: Final = 1.0
"""Seconds of it at most, however slow gateways are: what was lost with one of them holds up all that follows."""

IN_HAND_TIMES: Final = 4
"""Times as long as gateways usually take to take something, for the same reason: what is slow is slow both ways."""

USUAL_WEIGHT: Final = 0.1
"""Weight of the last one in what is usual."""

FAILING: Final = 3
"""Attempts in a row that have failed before somebody has to know."""

NEVER: Final = float("inf")


@dataclass(slots=True)
class Item:
    """Something to be carried.

    Attributes:
        priority: higher goes first.
        order: in which it got its number.
        due_at: when it is carried next.
        is_flying: it is being carried now.
        failures: attempts in a row that failed.
        copies: that gateways took.
        lies_at: mailbox that took the last one in this life.
        flew_at: when it was carried last.
        taken_at: when a gateway took it last.
    """

    priority: int
    order: int
    due_at: float
    is_flying: bool = False
    failures: int = 0
    copies: int = 0
    lies_at: bytes = b""
    flew_at: float = 0.0
    taken_at: float = -NEVER


class Courier:
    """All items of one node.

    Args:
        settings: how patient it is.
        random: for jitter.

    Attributes:
        retries: attempts after the first, since the start.
    """

    def __init__(self, settings: NodeSettings, random: random.Random) -> None:
        self._settings = settings
        self._resend = settings.patience.resend
        self._random = random
        self._items: dict[Key, Item] = {}
        self._later: list[tuple[float, int, int, Key]] = []
        self._ready: list[tuple[int, int, float, Key]] = []
        self._count = 0
        self._usual = 0.0
        self.retries = 0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, key: Key, priority: int, now: float, *, copies: int = 0) -> None:
        """Something got its number; with ``copies`` it was at gateways before a restart."""
        self._count += 1
        wait = self._random.uniform(0, self._resend) if copies else 0.0
        self._items[key] = item = Item(priority, self._count, now + wait, copies=copies)
        self._push(key, item)

    @property
    def failing(self) -> int:
        """How many no gateway has taken, though it was tried several times."""
        return sum(item.failures >= FAILING for item in self._items.values())

    def done(self, key: Key) -> None:
        """It arrived, or is not wanted any more."""
        self._items.pop(key, None)

    def forget(self, contact: str) -> None:
        """Nothing to this contact has its number any more."""
        for key in [key for key in self._items if key[0] == contact]:
            del self._items[key]

    def missing(self, key: Key, now: float) -> None:
        """The contact waits for it: carry it to another gateway, unless it cannot have reached him yet."""
        item = self._items.get(key)
        if item is not None:
            patience = min(IN_HAND_MAX, max(IN_HAND, IN_HAND_TIMES * self._usual))
            self._bring_forward(key, item, max(now, item.taken_at + patience))

    def hurry(self, now: float) -> None:
        """Carry everything now."""
        for key, item in tuple(self._items.items()):
            item.failures = 0
            self._bring_forward(key, item, now)

    def take(self, now: float) -> tuple[Key, int] | None:
        """Return what is to be carried now, and how many copies of it gateways took; None when nothing is due."""
        while self._later and self._later[0][0] <= now:
            at, priority, order, key = heapq.heappop(self._later)
            heapq.heappush(self._ready, (priority, order, at, key))
        while self._ready:
            _, _, at, key = heapq.heappop(self._ready)
            item = self._items.get(key)
            if item is None or item.is_flying or item.due_at != at:
                continue  # it arrived, or its time has changed
            item.is_flying, item.flew_at = True, now
            self.retries += bool(item.failures or item.copies)
            return key, item.copies
        return None

    def lies_at(self, key: Key) -> bytes:
        """Return the mailbox that took the last copy, empty when none did in this life."""
        item = self._items.get(key)
        return b"" if item is None else item.lies_at

    def landed(
        self, key: Key, now: float, *, taken: bool, retry_after: float = 0.0, at: bytes = b""
    ) -> None:
        """An attempt is over: a gateway took it, into the mailbox ``at``, or none did."""
        item = self._items.get(key)
        if item is None:
            return
        item.is_flying = False
        settings = self._settings
        if taken:
            self._usual += USUAL_WEIGHT * (now - item.flew_at - self._usual)
            item.taken_at = now
            item.copies += 1
            item.lies_at = at
            item.failures = 0
            patience = min(RESEND_MAX, self._resend * 2 ** min(item.copies - 1, 16))
            wait = patience * self._random.uniform(0.75, 1.25)
        else:
            item.failures += 1
            most = min(settings.retry_max, settings.retry_initial * 2 ** min(item.failures - 1, 16))
            wait = max(retry_after, self._random.uniform(0, most))
        item.due_at = now + wait if settings.retry else NEVER
        self._push(key, item)

    @property
    def next_at(self) -> float:
        """When more is due than ``take`` knows of; infinite while nothing is."""
        while self._later:
            at, _, _, key = self._later[0]
            item = self._items.get(key)
            if item is not None and not item.is_flying and item.due_at == at:
                return at
            heapq.heappop(self._later)
        return NEVER

    def _bring_forward(self, key: Key, item: Item, at: float) -> None:
        if not item.is_flying and item.due_at > at:
            item.due_at = at
            self._push(key, item)

    def _push(self, key: Key, item: Item) -> None:
        if item.due_at != NEVER:
            heapq.heappush(self._later, (item.due_at, -item.priority, item.order, key))
