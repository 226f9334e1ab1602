"""Which message is sent next: a state machine without clock, store or tasks.

Theory. Each destination has two lanes, one for ordered messages and one for the others. A lane holds the
first messages of its destination in memory, in a window of bounded size, and knows whether the store has
more. Lanes that can send stand in a ring and have their turn one after the other, so that a destination with
a million messages delays the others by one message at most. A lane whose destination cannot be reached
sleeps; it is not in the ring, and costs nothing.

A message is *busy* from the moment it is taken until its outcome is stored: only then may it be read from
the store again.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from holdfast import limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.delivery.message import Message


class LaneKey(NamedTuple):
    """Names a lane."""

    destination: str
    ordered: bool


Rank = tuple[int, int, int]
"""Smaller goes first: minus the priority, attempts in vain in this process, number."""

UNLOADED: Final = b""
"""Stands for a body that is to be read from the store; an empty one costs nothing to read again."""


class _Lane:
    __slots__ = (
        "asleep_until_ms", "busy", "failures", "has_more", "in_ring", "is_loading", "key", "left", "sending",
        "waiting",
    )  # fmt: skip

    def __init__(self, key: LaneKey) -> None:
        self.key = key
        self.waiting: list[tuple[Rank, Message]] = []
        self.busy: set[int] = set()
        self.left: set[int] = set()
        self.sending = 0
        self.has_more = False
        self.is_loading = False
        self.in_ring = False
        self.asleep_until_ms = 0
        self.failures = 0

    @property
    def is_idle(self) -> bool:
        return not (self.waiting or self.busy or self.has_more or self.is_loading)


class Lanes:
    """All lanes of an outbox.

    Args:
        per_destination: unordered messages of one destination that may be sent at the same time.

    Attributes:
        is_complete: whether every lane that has messages in the store is here.
        has_missed: whether there was no room for a lane since this was last set to False.
        has_dozed: whether ``take`` has let a lane sleep since this was last set to False.
    """

    def __init__(self, per_destination: int) -> None:
        self._per_destination = per_destination
        self._lanes: dict[LaneKey, _Lane] = {}
        self._ring: deque[_Lane] = deque()
        self._sending: dict[int, _Lane] = {}
        self._sleeping: list[tuple[int, LaneKey]] = []
        self._hungry: dict[LaneKey, None] = {}
        self._body_bytes = 0
        self.is_complete = False
        self.has_missed = False
        self.has_dozed = False

    # --- messages come in -------------------------------------------------------------------

    def offer(self, message: Message) -> bool:
        """Take a message that is stored and due; return whether it is kept in memory."""
        lane = self._lane(LaneKey(message.destination, message.ordered))
        if lane is None:
            return False  # found in the store when there is room for its lane
        is_kept = self._has_place(lane, message)
        if is_kept:
            self._push(lane, message, 0)
        else:
            lane.has_more = True
        self._enter(lane)
        return is_kept

    def _has_place(self, lane: _Lane, message: Message) -> bool:
        if lane.is_loading or (lane.has_more and (message.ordered or not lane.waiting)):
            return False  # what the store has goes first
        if not lane.has_more and len(lane.waiting) < limits.OUTBOX_WINDOW:
            return True
        if message.ordered:
            return False
        last = max(lane.waiting, key=lambda entry: entry[0])
        if (-message.priority, 0, message.number) > last[0]:
            return False
        if len(lane.waiting) >= limits.OUTBOX_WINDOW:
            lane.waiting.remove(last)
            heapq.heapify(lane.waiting)
            self._body_bytes -= len(last[1].body)
            lane.has_more = True
        return True

    def hungry(self) -> list[tuple[LaneKey, int]]:
        """Return the lanes to be filled from the store, each with how many rows to read.

        Each of them is followed by ``filled`` or ``unfilled``.
        """
        found = []
        for key in self._hungry:
            lane = self._lanes.get(key)
            if lane is not None and not lane.waiting and lane.has_more and not lane.is_loading:
                lane.is_loading, lane.has_more = True, False
                found.append((key, limits.OUTBOX_WINDOW + len(lane.busy)))
        self._hungry.clear()
        return found

    @property
    def is_hungry(self) -> bool:
        """Whether there are lanes to be filled."""
        return bool(self._hungry)

    def filled(self, key: LaneKey, messages: Iterable[Message], *, has_more: bool) -> None:
        """Take what the store had for a lane.

        Args:
            key: of the lane.
            messages: the first ones in the order of the lane; busy ones are passed over.
            has_more: whether the store may have more.
        """
        lane = self._lanes[key]
        # What was offered meanwhile set `has_more` again, and is found the next time.
        lane.has_more = has_more or lane.has_more
        lane.is_loading = False
        known = {message.number for _, message in lane.waiting} | lane.busy | lane.left
        lane.left.clear()
        for message in messages:
            if message.number not in known:
                self._push(lane, message, 0)
        self._enter(lane)

    def unfilled(self, key: LaneKey, until_ms: int) -> None:
        """The store could not be read for a lane; it is asked again then."""
        lane = self._lanes[key]
        lane.is_loading, lane.has_more = False, True
        lane.left.clear()
        self._sleep(lane, until_ms)

    def found(self, key: LaneKey) -> None:
        """The store has messages for a lane that may not be here."""
        lane = self._lane(key)
        if lane is not None:
            lane.has_more = True
            self._enter(lane)

    def forget_sleepers(self) -> None:
        """Make room for lanes that are only in the store: those that sleep are found there again in their turn."""
        self.is_complete = False
        for lane in list(self._lanes.values()):
            if lane.asleep_until_ms and not (lane.busy or lane.is_loading):
                self._body_bytes -= sum(len(message.body) for _, message in lane.waiting)
                del self._lanes[lane.key]

    # --- messages go out --------------------------------------------------------------------

    def take(self, now_ms: int) -> Message | None:
        """Return the next message to send, or None; it is busy until ``finished`` or ``returned``."""
        while self._ring:
            lane = self._ring.popleft()
            lane.in_ring = False
            if not self._can_send(lane):
                continue
            rank, message = heapq.heappop(lane.waiting)
            self._body_bytes -= len(message.body)
            if message.expires_ms <= now_ms:  # the store moves it to the dead letters
                self._enter(lane)
                continue
            if message.due_ms > now_ms:  # only in ordered lanes; the others get only what is due
                self._push(lane, message, rank[1])
                self._sleep(lane, message.due_ms)
                self.has_dozed = True
                continue
            lane.busy.add(message.number)
            lane.sending += 1
            self._sending[message.number] = lane
            self._enter(lane)
            return message
        return None

    def sent(self, message: Message) -> None:
        """An attempt reached the destination, whatever came of it: another message may have its turn."""
        lane = self._sending.pop(message.number)
        lane.sending -= 1
        lane.failures = 0
        if not lane.key.ordered:
            lane.asleep_until_ms = 0
        self._enter(lane)

    def finished(self, message: Message) -> None:
        """The outcome of a message is stored, and it is not to be sent (or not now)."""
        lane = self._lanes.get(LaneKey(message.destination, message.ordered))
        if lane is None:  # a dead letter of a lane that is not here
            return
        lane.busy.discard(message.number)
        if lane.is_loading:  # what is being read may still show it
            lane.left.add(message.number)
        self._enter(lane)

    def dropped(self, message: Message) -> None:
        """A message left the store without being taken: its lane need not wait for it."""
        lane = self._lanes.get(LaneKey(message.destination, message.ordered))
        if lane is not None and message.ordered and lane.asleep_until_ms and not lane.failures:
            lane.asleep_until_ms = 0
            self._enter(lane)

    def returned(self, message: Message, tries: int, until_ms: int) -> None:
        """A message that could not be sent stays where it was, and its lane sleeps.

        Args:
            message: that was taken.
            tries: attempts in vain in this process; the next probe is another message of the same priority.
            until_ms: when to try again.
        """
        lane = self._lanes[LaneKey(message.destination, message.ordered)]
        if self._sending.pop(message.number, None) is not None:
            lane.sending -= 1
        lane.busy.discard(message.number)
        self._push(lane, message, 0 if message.ordered else tries)
        if until_ms > lane.asleep_until_ms:
            self._sleep(lane, until_ms)
        self._enter(lane)

    def failed(self, message: Message) -> int:
        """Count an attempt that did not reach the destination; return how many there were in a row."""
        lane = self._sending[message.number]
        lane.failures += 1
        return lane.failures

    def wake(self, destination: str) -> None:
        """A destination is there again: do not wait any longer."""
        for ordered in (False, True):
            lane = self._lanes.get(LaneKey(destination, ordered))
            if lane is not None:
                lane.failures = 0
                lane.asleep_until_ms = 0
                self._enter(lane)

    # --- time -------------------------------------------------------------------------------

    def rouse(self, now_ms: int) -> None:
        """Let those go on whose time has come."""
        while self._sleeping and self._sleeping[0][0] <= now_ms:
            until_ms, key = heapq.heappop(self._sleeping)
            lane = self._lanes.get(key)
            if lane is not None and lane.asleep_until_ms == until_ms:
                lane.asleep_until_ms = 0
                self._enter(lane)

    def next_ms(self) -> int | None:
        """Return when the next lane wakes up, None when none sleeps."""
        while self._sleeping:
            until_ms, key = self._sleeping[0]
            lane = self._lanes.get(key)
            if lane is not None and lane.asleep_until_ms == until_ms:
                return until_ms
            heapq.heappop(self._sleeping)
        return None

    # --- figures ----------------------------------------------------------------------------

    @property
    def sending(self) -> int:
        """How many messages are being sent."""
        return len(self._sending)

    @property
    def busy(self) -> list[int]:
        """The numbers of messages that were taken and whose outcome is not stored."""
        return [number for lane in self._lanes.values() for number in lane.busy]

    def is_sending(self, number: int) -> bool:
        """Say whether a message is being sent."""
        return number in self._sending

    @property
    def in_memory(self) -> int:
        """How many messages wait in memory."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    @property
    def room(self) -> int:
        """How many lanes may be added."""
        return limits.OUTBOX_LANES_MAX - len(self._lanes)

    # --- inside -----------------------------------------------------------------------------

    def _lane(self, key: LaneKey) -> _Lane | None:
        lane = self._lanes.get(key)
        if lane is None:
            if len(self._lanes) >= limits.OUTBOX_LANES_MAX:
                self.is_complete, self.has_missed = False, True
                return None
            lane = self._lanes[key] = _Lane(key)
            lane.has_more = not self.is_complete  # older messages of it may be in the store
        return lane

    def _push(self, lane: _Lane, message: Message, tries: int) -> None:
        if self._body_bytes + len(message.body) > limits.OUTBOX_MEMORY_MAX:
            message.body = UNLOADED
        self._body_bytes += len(message.body)
        heapq.heappush(lane.waiting, ((-message.priority, tries, message.number), message))

    def _can_send(self, lane: _Lane) -> bool:
        if lane.asleep_until_ms or not lane.waiting:
            return False
        return lane.sending < (1 if lane.key.ordered else self._per_destination)

    def _enter(self, lane: _Lane) -> None:
        """Put a lane where it belongs: into the ring, or among those to be filled."""
        if self._can_send(lane):
            if not lane.in_ring:
                lane.in_ring = True
                self._ring.append(lane)
        elif lane.is_idle:
            self._lanes.pop(lane.key, None)
        elif lane.has_more and not (lane.waiting or lane.is_loading or lane.asleep_until_ms):
            self._hungry[lane.key] = None

    def _sleep(self, lane: _Lane, until_ms: int) -> None:
        lane.asleep_until_ms = until_ms
        heapq.heappush(self._sleeping, (until_ms, lane.key))
