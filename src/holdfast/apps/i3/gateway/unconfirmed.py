"""What was handed to the router: until it is known to have been read, and until an error about it can come.

Theory. Messages are numbered as they are handed over. A probe remembers the number before it; when it returns, all up
to there have been read (TCP keeps the order). What is left when the connection breaks has an unknown fate: it may
have arrived, so it is not sent again, and its sender is told. Errors come later, from muds: they carry the packet
they are about, or only a user's name; by that their message is found.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from holdfast.apps.i3 import limits

if TYPE_CHECKING:
    from collections.abc import Sequence

FIELDS: Final = 6

AGAIN: Final = "~"
"""Between the id of a message and how often it has waited again."""


class Handed(NamedTuple):
    """A message that a router was handed.

    Attributes:
        id: of the message.
        value: the packet as it was sent.
        size: bytes of it.
        number: grows with each message, over all connections.
        at: when.
        was_queued: it had waited durably, so it may wait again if the router says that it went nowhere.
    """

    id: str
    value: Sequence[object]
    size: int
    number: int
    at: float
    was_queued: bool = False


def asked_as(id_: str) -> str:
    """Return the id under which a message was accepted, of one that may wait for another time."""
    return id_.partition(AGAIN)[0]


class Unconfirmed:
    """The messages of one connection, oldest first.

    Attributes:
        bytes: of all.
        since_probe: messages since the last probe.
        settled: ids of those that had waited durably and whose fate is known now: a mark of them can go.
    """

    def __init__(self) -> None:
        self._handed: deque[Handed] = deque()
        self._number = 0
        self._probed = 0
        self.bytes = 0
        self.since_probe = 0
        self.settled: list[str] = []

    def __len__(self) -> int:
        return len(self._handed)

    @property
    def is_full(self) -> bool:
        """Whether there are so many that no more should be handed over."""
        return (
            len(self._handed) >= limits.UNCONFIRMED_MAX
            or self.bytes >= limits.UNCONFIRMED_BYTES_MAX
        )

    def add(
        self, id_: str, value: Sequence[object], size: int, now: float, *, was_queued: bool = False
    ) -> Handed:
        """A message was handed over."""
        self._number += 1
        self.since_probe += 1
        self.bytes += size
        handed = Handed(id_, value, size, self._number, now, was_queued)
        self._handed.append(handed)
        return handed

    def probed(self) -> None:
        """A probe was handed over."""
        self._probed = self._number
        self.since_probe = 0

    def confirmed(self) -> None:
        """The last probe came back: what was before it has been read."""
        self.read_up_to(self._probed)

    def read_up_to(self, number: int) -> None:
        """The router answered the message with that number."""
        while self._handed and self._handed[0].number <= number:
            self._settle(self._handed.popleft())

    def keep(self, id_: str) -> None:
        """The fate of this one is open again."""
        if id_ in self.settled:
            self.settled.remove(id_)

    def presumed(self, before: float) -> None:
        """What was handed over before then has reached the router's machine: its kernel would have told ours."""
        while self._handed and self._handed[0].at < before:
            self._settle(self._handed.popleft())

    def lost(self) -> list[Handed]:
        """The connection is gone: return what has an unknown fate, and begin anew."""
        left = list(self._handed)
        for each in left:
            self._settle(each)
        self._handed.clear()
        self._probed = self._number
        self.bytes = self.since_probe = 0
        return left

    def _settle(self, handed: Handed) -> None:
        self.bytes -= handed.size
        if handed.was_queued:
            self.settled.append(handed.id)


class Recent:
    """Finds the message that an error is about.

    Args:
        most: messages that are remembered; the oldest is forgotten.
    """

    def __init__(self, most: int = limits.RECENT_MAX) -> None:
        self._handed: deque[Handed] = deque(maxlen=most)

    def add(self, handed: Handed) -> None:
        """A message was handed over."""
        self._handed.append(handed)

    def about(self, packet: Sequence[object] | None, user: str) -> Handed | None:
        """Return the message that an error is about: of equal ones the oldest, of ones like it the newest.

        Args:
            packet: as the error returned it, None when it did not.
            user: whom the error is addressed to.
        """
        if packet is None:
            mine = (each for each in reversed(self._handed) if (each.value[3] or "") == user)
            return next(mine, None) if user else None
        head = (packet[0], *packet[3:FIELDS])
        same_head: Handed | None = None
        for each in self._handed:
            if (each.value[0], *each.value[3:FIELDS]) == head:
                if list(each.value[FIELDS:]) == list(packet[FIELDS:]):
                    return each
                same_head = each
        return same_head

    def settled(self, handed: Handed) -> None:
        """An error about a message has been read; the next one like it is about the next message like it."""
        self._handed.remove(handed)
