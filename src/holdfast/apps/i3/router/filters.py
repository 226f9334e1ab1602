"""Lines on filtered channels: each waits for a word of the channel's host, for a while."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from holdfast.apps.i3 import limits
from holdfast.apps.i3.errors import Fault
from holdfast.apps.i3.packets import ChanFilterReq

if TYPE_CHECKING:
    from holdfast.apps.i3.packets import ChanFilterReply
    from holdfast.apps.i3.router.channels import Channel
    from holdfast.apps.i3.router.network import Link, Network


class _Waiting(NamedTuple):
    """A packet at the host's."""

    due: float
    channel: str
    link: int
    value: list[object]
    size: int

    @property
    def mark(self) -> tuple[object, ...]:
        """By which the answer is known."""
        return mark(self.value, self.channel)


def mark(value: list[object], channel: str) -> tuple[object, ...]:
    """Return what the host of a channel may not change of a line: type, who, where."""
    return (value[0], value[2], value[3] or 0, channel)


class Filters:
    """All packets that are at a host's. A host may change a text, drop a packet, and not invent one."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._waiting: deque[_Waiting] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def due(self) -> float | None:
        """Seconds when the oldest is given up."""
        return self._waiting[0].due if self._waiting else None

    def ask(self, link: Link, channel: Channel, value: list[object], size: int, now: float) -> None:
        """Ask the host of a channel about a packet of a size in bytes."""
        network = self._network
        host = network.up.get(channel.host)
        if host is None:
            network.fault(
                link,
                Fault.UNKNOWN_DESTINATION,
                f"{channel.name} is filtered by {channel.host}, which is not there.",
                value,
                size,
            )
            return
        if len(self._waiting) >= limits.ROUTER_PENDING_FILTERS_MAX:
            self._give_up(self._waiting.popleft())
        due = now + network.settings.filter_timeout
        self._waiting.append(_Waiting(due, channel.name, link.id, value, size))
        asking = ChanFilterReq(
            from_mud=network.name, to_mud=host.mud, channel=channel.name, packet=value
        )
        network.send(host, asking)

    def answered(self, packet: ChanFilterReply) -> bool:
        """Say whether a packet that a host lets pass is one that it was asked about, once."""
        wanted = mark(packet.packet, packet.channel)
        for waiting in self._waiting:
            if waiting.mark == wanted:
                self._waiting.remove(waiting)
                return True
        return False

    def on_time(self, now: float) -> None:
        """Give up what has waited for too long."""
        while self._waiting and self._waiting[0].due <= now:
            self._give_up(self._waiting.popleft())

    def _give_up(self, waiting: _Waiting) -> None:
        """A host may drop a line, so that its sender hears of one that was given up, and no more."""
        link = self._network.links.get(waiting.link)
        if link is not None and not link.is_over:
            self._network.fault(
                link,
                Fault.UNKNOWN_DESTINATION,
                f"The host of {waiting.channel} has not let it pass.",
                waiting.value,
                waiting.size,
            )
