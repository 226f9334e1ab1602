"""What muds ask of the router itself: channels to hear, to make, to delete; lists; a farewell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.apps.i3 import limits
from holdfast.apps.i3.errors import Fault
from holdfast.apps.i3.packets import (
    ChanAck,
    ChanAdminlist,
    ChanAdminlistReply,
    ChanlistReq,
    ChannelAdd,
    ChannelAdmin,
    ChannelListen,
    ChannelRemove,
    ChannelType,
)
from holdfast.apps.i3.router.channels import Channel
from holdfast.apps.i3.router.names import is_name
from holdfast.apps.i3.router.relay import refusal

if TYPE_CHECKING:
    from holdfast.apps.i3.packets import Packet
    from holdfast.apps.i3.router.lists import Lists
    from holdfast.apps.i3.router.network import Link, Network


class Desk:
    """Answers what is addressed to the router."""

    def __init__(self, network: Network, lists: Lists) -> None:
        self._network = network
        self._lists = lists

    def asked(self, link: Link, packet: Packet, value: list[object], size: int, now: float) -> None:
        """Do what is asked, or say why not."""
        fault: tuple[Fault, str] | None
        match packet:
            case ChannelListen():
                fault = self._listen(link, packet)
            case ChannelAdd():
                fault = self._add(link, packet, now)
            case ChannelRemove():
                fault = self._remove(link, packet, now)
            case ChannelAdmin():
                fault = self._admin(link, packet)
            case ChanAdminlist():
                fault = self._adminlist(link, packet)
            case ChanlistReq():
                fault = None
                self._lists.tell_channels(link, 0)
            case _:
                fault = (Fault.NOT_IMPLEMENTED, f"A router does nothing about a {packet.type}.")
        if fault is not None:
            self._network.fault(link, *fault, value, size)

    def _listen(self, link: Link, packet: ChannelListen) -> tuple[Fault, str] | None:
        channels, name = self._network.channels, packet.channel
        if not packet.is_on:
            channels.tune_out(name, link.id)
            return None
        channel = channels.get(name)
        if channel is None:
            return Fault.UNKNOWN_CHANNEL, f"There is no channel {name}."
        if not channel.admits(link.mud):
            return Fault.NOT_ALLOWED, refusal(channel)
        channels.tune_in(name, link.id)
        return None

    def _add(self, link: Link, packet: ChannelAdd, now: float) -> tuple[Fault, str] | None:
        channels, name = self._network.channels, packet.channel
        if not is_name(name):
            return Fault.BAD_PACKET, f"{name[: limits.NAME_LENGTH_MAX]!r} is no name of a channel."
        if packet.kind not in tuple(ChannelType):
            return Fault.BAD_PACKET, f"There is no channel of type {packet.kind}."
        known = channels.get(name)
        if known is not None:
            return Fault.NOT_ALLOWED, f"{name} is there already; it is {known.host}'s."
        if len(channels) >= limits.ROUTER_CHANNELS_MAX:
            return Fault.NOT_ALLOWED, "There are as many channels as there may be."
        if len(channels.owned(link.mud)) >= limits.ROUTER_CHANNELS_PER_MUD_MAX:
            return Fault.NOT_ALLOWED, "You have as many channels as one mud may have."
        channels.versions.put(name, Channel(name, link.mud, ChannelType(packet.kind)))
        self._changed(link, packet, name, f"{name} is made.", now)
        return None

    def _remove(self, link: Link, packet: ChannelRemove, now: float) -> tuple[Fault, str] | None:
        found = self._owned(link, packet.channel)
        if not isinstance(found, Channel):
            return found
        self._network.channels.remove(found.name)
        self._changed(link, packet, found.name, f"{found.name} is deleted.", now)
        return None

    def _admin(self, link: Link, packet: ChannelAdmin) -> tuple[Fault, str] | None:
        found = self._owned(link, packet.channel)
        if not isinstance(found, Channel):
            return found
        network, name = self._network, packet.channel
        if not all(is_name(mud) for mud in packet.added):
            return Fault.BAD_PACKET, "A name on the list is none of a mud."
        listed = (found.listed | set(packet.added)) - set(packet.removed)
        if len(listed) > limits.ROUTER_LISTED_MAX:
            return Fault.NOT_ALLOWED, f"{name} has as many muds on its list as it may."
        changed = network.channels.list_muds(found, packet.added, packet.removed)
        network.keep_channel(name)
        for number in network.channels.listeners(name):
            listener = network.links[number]
            if not changed.admits(listener.mud):
                network.channels.tune_out(name, number)
                network.fault(listener, Fault.NOT_ALLOWED, refusal(changed))
        self._acknowledge(link, packet, f"The list of {name} is changed.")
        return None

    def _adminlist(self, link: Link, packet: ChanAdminlist) -> tuple[Fault, str] | None:
        found = self._owned(link, packet.channel)
        if not isinstance(found, Channel):
            return found
        self._network.send(
            link,
            ChanAdminlistReply(
                from_mud=self._network.name,
                to_mud=link.mud,
                to_user=packet.from_user,
                channel=found.name,
                muds=tuple(sorted(found.listed)),
            ),
        )
        return None

    def _owned(self, link: Link, name: str) -> Channel | tuple[Fault, str]:
        """Return a channel if it is this mud's own; else why not."""
        channel = self._network.channels.get(name)
        if channel is None:
            return Fault.UNKNOWN_CHANNEL, f"There is no channel {name}."
        if channel.host != link.mud:
            return Fault.NOT_ALLOWED, f"{name} is {channel.host}'s, and only its host may do that."
        return channel

    def _changed(self, link: Link, packet: Packet, name: str, text: str, now: float) -> None:
        self._network.keep_channel(name)
        self._lists.changed(now)
        self._acknowledge(link, packet, text)

    def _acknowledge(self, link: Link, packet: Packet, text: str) -> None:
        self._network.send(
            link,
            ChanAck(
                from_mud=self._network.name,
                to_mud=link.mud,
                to_user=packet.from_user,
                text=text,
            ),
        )
