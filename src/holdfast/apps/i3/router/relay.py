"""Where a packet goes that one mud sends to another, to all, or onto a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.apps.i3.errors import Fault, PacketError
from holdfast.apps.i3.packets import ChannelType, LocateReply, read
from holdfast.apps.i3.router.muds import TODAY

if TYPE_CHECKING:
    from holdfast.apps.i3.packets import ChanFilterReply, Packet
    from holdfast.apps.i3.router.channels import Channel
    from holdfast.apps.i3.router.filters import Filters
    from holdfast.apps.i3.router.network import Link, Network

RESERVED: Final = frozenset(
    {
        "startup-reply",
        "mudlist",
        "chanlist-reply",
        "chan-filter-req",
        "chan-ack",
        "chan-adminlist-reply",
        "router-shutdown",
    }
)
"""What only a router says."""

BETWEEN_ROUTERS: Final = "irn-"
SPOKEN: Final = frozenset({"channel-m", "channel-e", "channel-t"})
BROADCAST: Final = {"locate-req": "locate", "who-req": "who", "ucache-update": "ucache"}
"""What may go to everybody, and the service without which a mud is spared it."""

_CHANNEL = 6
_OLD_LOCATE: Final = 8


class Relay:
    """Passes packets on."""

    def __init__(self, network: Network, filters: Filters) -> None:
        self._network = network
        self._filters = filters

    def to_mud(self, link: Link, packet: Packet | None, value: list[object], size: int) -> None:
        """Pass a packet on to the mud that it names; an unknown type as well."""
        network, target = self._network, value[4]
        there = network.up.get(target) if isinstance(target, str) else None
        if there is None:
            known = isinstance(target, str) and network.muds.get(target) is not None
            why = "is not connected" if known else "is not known here"
            network.fault(link, Fault.UNKNOWN_DESTINATION, f"{target} {why}.", value, size)
            return
        if isinstance(packet, LocateReply):
            value = _located(packet, value, there.version)
        network.pass_on((there.id,), value)

    def to_all(self, link: Link, value: list[object]) -> None:
        """Pass a packet on to all others who have the service; nobody answers a broadcast with an error."""
        network = self._network
        service = BROADCAST.get(str(value[0]))
        if service is None:
            network.counts["dropped"] += 1
            return
        links = tuple(
            each.id for each in network.up.values() if each is not link and service in each.services
        )
        network.pass_on(links, value)

    def to_channel(self, link: Link, value: list[object], size: int, now: float) -> None:
        """Pass a line on to all who listen, its own mud included."""
        network, name = self._network, str(value[_CHANNEL])
        channel = network.channels.get(name)
        if channel is None:
            network.fault(link, Fault.UNKNOWN_CHANNEL, f"There is no channel {name}.", value, size)
        elif not channel.admits(link.mud):
            network.fault(link, Fault.NOT_ALLOWED, refusal(channel), value, size)
        elif not network.channels.is_heard(name, link.id):
            network.fault(link, Fault.NOT_ALLOWED, f"Listen to {name} first.", value, size)
        elif channel.kind is ChannelType.FILTERED and link.mud != channel.host:
            self._filters.ask(link, channel, value, size, now)
        else:
            network.pass_on(network.channels.listeners(name), value)

    def filtered(self, link: Link, packet: ChanFilterReply, value: list[object], size: int) -> None:
        """Pass on what the host of a channel has let pass."""
        network, name, inner = self._network, packet.channel, packet.packet
        channel = network.channels.get(name)
        if not _is_line(inner, name):
            network.fault(link, Fault.BAD_PACKET, f"That is no line on {name}.", value, size)
        elif channel is None or channel.host != link.mud:
            network.fault(link, Fault.NOT_ALLOWED, f"{name} is not yours.", value, size)
        elif not self._filters.answered(packet):
            network.fault(
                link, Fault.NOT_ALLOWED, "You were not asked about that packet.", value, size
            )
        else:
            network.pass_on(network.channels.listeners(name), inner)


def refusal(channel: Channel) -> str:
    """Say why a mud may not use a channel."""
    if channel.kind is ChannelType.OPEN:
        return f"{channel.host} has banned you from {channel.name}."
    return f"{channel.host} has not invited you to {channel.name}."


def _is_line(value: list[object], channel: str) -> bool:
    """Say whether something is a packet that is said on a channel."""
    try:
        packet = read(value)
    except PacketError:
        return False  # its sender is told so
    return packet.type in SPOKEN and value[_CHANNEL] == channel


def _located(packet: LocateReply, value: list[object], version: int) -> list[object]:
    """Give an answer the length that the mud knows which gets it."""
    if version < TODAY:
        return value[:_OLD_LOCATE]
    return [*value, packet.idle, packet.status or 0] if len(value) == _OLD_LOCATE else value
