"""An event as a client gets it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from holdfast.apps.i3.gateway import EVENTS, Event

_TYPES: Final = {event.method: event for event in EVENTS}


class _Stamp(msgspec.Struct):
    event_id: int = 0
    timestamp: str = ""


class ReceivedEvent(msgspec.Struct, frozen=True):
    """An event of the network.

    Attributes:
        method: its kind, ``tell_received`` and so on.
        event_id: its number in the gateway's log; 0 for a word to this client alone.
        timestamp: when, as ISO 8601.
        raw: all its fields as JSON.
    """

    method: str
    event_id: int
    timestamp: str
    raw: bytes

    @classmethod
    def read(cls, method: str, raw: bytes) -> ReceivedEvent:
        """Read a notification; one without number and time is an event as well."""
        try:
            found = msgspec.json.decode(raw, type=_Stamp)
        except msgspec.DecodeError:
            found = _Stamp()
        return cls(method, found.event_id, found.timestamp, raw)

    @property
    def params(self) -> dict[str, Any]:
        """All its fields."""
        found: dict[str, Any] = msgspec.json.decode(self.raw)
        return found

    @property
    def typed(self) -> Event | None:
        """As a struct of ``holdfast.apps.i3.gateway.events``; None for a kind that this version does not know."""
        of = _TYPES.get(self.method)
        return None if of is None else msgspec.json.decode(self.raw, type=of)
