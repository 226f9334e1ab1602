"""An ordered log that sessions read: every event has an offset, every log an epoch.

A reader that knows ``(epoch, offset)`` can be given exactly what it missed, or be told that it cannot.
Events are kept as JSON bytes, encoded once when they were published.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec import Raw

from holdfast import limits
from holdfast.session.wire import CatchUp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.session.connection import Connection
    from holdfast.session.wire import Codec


class Channel:
    """A log and those who read it.

    Args:
        name: as the application calls it.
        epoch: names this log; a log that was begun anew has another one.
        offset: of the last event, 0 when there is none yet.
        events: what is left of the log, as ``(offset, JSON bytes)``, contiguous up to ``offset``.
        events_max: how many events are kept at most.
    """

    __slots__ = (
        "_bytes",
        "_events",
        "_events_max",
        "epoch",
        "members",
        "name",
        "offset",
        "readers",
        "stored_from",
    )

    def __init__(
        self,
        name: str,
        epoch: str,
        *,
        offset: int = 0,
        events: Iterable[tuple[int, bytes]] = (),
        events_max: int = limits.CHANNEL_EVENTS_MAX,
    ) -> None:
        self.name = name
        self.epoch = epoch
        self.offset = offset
        self.members: set[str] = set()
        self.readers: dict[Connection, None] = {}
        self._events: deque[tuple[int, bytes]] = deque(events)
        self._events_max = events_max
        self._bytes = sum(len(data) for _, data in self._events)
        self.stored_from = self._events[0][0] if self._events else offset + 1
        self._trim()

    def append(self, data: bytes) -> int:
        """Add an event and return its offset."""
        self.offset += 1
        self._events.append((self.offset, data))
        self._bytes += len(data)
        self._trim()
        return self.offset

    @property
    def first(self) -> int:
        """The offset of the oldest event kept, or the next one to come."""
        return self._events[0][0] if self._events else self.offset + 1

    def missed(self, epoch: str, offset: int) -> list[tuple[int, bytes]] | str:
        """Return what a reader at this position has missed.

        Returns:
            The events after ``offset`` in order, or why it must take a snapshot: ``"epoch"`` or
            ``"gap"``.
        """
        if epoch != self.epoch or offset > self.offset:
            return "epoch"  # ahead of us: its log is not ours
        if offset + 1 < self.first:
            return "gap"
        count = self.offset - offset
        if count == 0:
            return []
        return list(self._events)[-count:]

    def replay(self, position: tuple[str, int], codec: Codec) -> CatchUp | str:
        """As ``missed``, as part of a frame."""
        missed = self.missed(*position)
        if isinstance(missed, str):
            return missed
        return CatchUp(
            self.epoch,
            self.offset,
            events=[(offset, codec.from_json(data)) for offset, data in missed],
        )

    def snapshot(self, data: bytes, codec: Codec, reset: str | None) -> CatchUp:
        """Put the application's state of this channel into part of a frame."""
        raw = Raw(data) if codec.is_text else codec.from_json(data)
        return CatchUp(self.epoch, self.offset, snapshot=raw, reset=reset)

    def _trim(self) -> None:
        while len(self._events) > self._events_max or (
            self._bytes > limits.CHANNEL_BYTES_MAX and len(self._events) > 1
        ):
            _, data = self._events.popleft()
            self._bytes -= len(data)
