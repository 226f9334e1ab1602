"""How many were heard on each channel lately, by what the gateway tells of who comes and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.apps.i3.gateway.events import ChannelLeft, UserJoinedChannel, UserLeftChannel

if TYPE_CHECKING:
    from holdfast.apps.i3.gateway import Event


class Members:
    """Counts; the gateway bounds how many it tells of."""

    def __init__(self) -> None:
        self._known: dict[str, set[tuple[str, str]]] = {}

    def happened(self, event: Event) -> None:
        """Take an event of the gateway."""
        if isinstance(event, UserJoinedChannel):
            here = self._known.setdefault(event.channel, set())
            here.add((event.mud_name, event.user_name))
        elif isinstance(event, UserLeftChannel):
            here = self._known.get(event.channel, set())
            here.discard((event.mud_name, event.user_name))
        elif isinstance(event, ChannelLeft):
            self._known.pop(event.channel, None)

    def count(self, channel: str) -> int:
        """Return how many there are."""
        return len(self._known.get(channel, ()))
