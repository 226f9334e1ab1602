"""The channels of a router: whose they are, who may, who listens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from holdfast.apps.i3 import limits
from holdfast.apps.i3.lpc import encode
from holdfast.apps.i3.packets import ChannelType
from holdfast.apps.i3.router.versions import Versions

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel.

    Attributes:
        name: exactly.
        host: the mud that owns it.
        kind: open, invited, filtered.
        listed: muds that are banned from an open one, invited to the others.
    """

    name: str
    host: str
    kind: ChannelType
    listed: frozenset[str] = frozenset()

    def admits(self, mud: str) -> bool:
        """Say whether a mud may listen and speak."""
        if mud == self.host:
            return True
        return (mud in self.listed) != (self.kind is ChannelType.OPEN)


def write_channel(name: str, channel: Channel | None) -> str:
    """Write an element of the mapping of a chanlist, with its comma."""
    row = 0 if channel is None else [channel.host, int(channel.kind)]
    return f"{encode(name).decode()}:{encode(row).decode()},"


class Channels:
    """All channels by name, and who listens.

    Attributes:
        versions: the list, by the numbers of its changes.
    """

    def __init__(self) -> None:
        self.versions: Versions[Channel] = Versions(write_channel, limits.ROUTER_GONE_MAX)
        self._listeners: dict[str, dict[int, None]] = {}
        self._heard: dict[int, set[str]] = {}

    def __len__(self) -> int:
        return len(self.versions)

    def get(self, name: str) -> Channel | None:
        """Return a channel."""
        return self.versions.get(name)

    def owned(self, mud: str) -> list[str]:
        """Return the names of a mud's own channels."""
        return [channel.name for channel in self.versions if channel.host == mud]

    def remove(self, name: str) -> None:
        """Delete a channel; nobody listens to it any more."""
        self.versions.remove(name)
        for link in self._listeners.pop(name, ()):
            self._heard[link].discard(name)

    def list_muds(self, channel: Channel, added: Iterable[str], removed: Iterable[str]) -> Channel:
        """Change who is banned or invited, and return the channel as it is now."""
        changed = replace(channel, listed=(channel.listed | set(added)) - set(removed))
        self.versions.put(channel.name, changed)
        return changed

    # --- listeners --------------------------------------------------------------------------

    def listeners(self, name: str) -> tuple[int, ...]:
        """Return the links on which a channel is heard."""
        return tuple(self._listeners.get(name, ()))

    def is_heard(self, name: str, link: int) -> bool:
        """Say whether a channel is heard on a link."""
        return link in self._listeners.get(name, ())

    def heard(self, link: int) -> frozenset[str]:
        """Return the channels that are heard on a link."""
        return frozenset(self._heard.get(link, ()))

    def tune_in(self, name: str, link: int) -> None:
        """Let a link hear a channel."""
        self._listeners.setdefault(name, {})[link] = None
        self._heard.setdefault(link, set()).add(name)

    def tune_out(self, name: str, link: int) -> None:
        """Let it hear it no more."""
        listeners = self._listeners.get(name, {})
        listeners.pop(link, None)
        if not listeners:
            self._listeners.pop(name, None)
        self._heard.get(link, set()).discard(name)

    def leave(self, link: int) -> None:
        """A link is gone: it hears nothing."""
        for name in self._heard.pop(link, ()):
            self._listeners[name].pop(link, None)
            if not self._listeners[name]:
                del self._listeners[name]
