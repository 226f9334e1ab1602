"""Which channels are listened to, kept over restarts; and what the mud that hosts a channel may do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway import store
from holdfast.apps.i3.gateway._sender import away
from holdfast.apps.i3.gateway.pacing import Priority
from holdfast.apps.i3.gateway.text import checked_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.gateway._sender import Sender
    from holdfast.apps.i3.packets import Packet


class _Header(TypedDict):
    """From us to the router."""

    from_mud: str
    to_mud: str


class Channels:
    """Joins, leaves and administers.

    Args:
        desk: what all share.
        sender: the way out.
    """

    def __init__(self, desk: Desk, sender: Sender) -> None:
        self._desk = desk
        self._machine = desk.machine
        self._sender = sender

    async def join(self, channel: str, *, listen_only: bool) -> None:
        """Listen to a channel from now on."""
        machine, listens = self._machine, self._machine.listens
        checked_name(channel, "channel")
        if channel not in listens:
            if machine.channels.is_told and channel not in machine.channels.channels:
                message = f"There is no channel {channel!r} in the router's list."
                raise I3Error(I3Code.CHANNEL_UNKNOWN, message)
            if len(listens) >= limits.SUBSCRIPTIONS_MAX:
                message = f"{len(listens)} channels are listened to already; leave one first."
                raise I3Error(I3Code.CHANNELS_FULL, message)
        if listens.get(channel) == listen_only:
            return
        is_new = channel not in listens
        await self._desk.database.execute(store.SUBSCRIBE, (channel, int(listen_only)))
        listens[channel] = listen_only
        if is_new:
            self._say_whether(channel, is_on=True)

    async def leave(self, channel: str) -> None:
        """Listen no more."""
        if channel not in self._machine.listens:
            return
        await self._desk.database.execute(store.UNSUBSCRIBE, (channel,))
        self._machine.listens.pop(channel, None)
        self._machine.members.forget(channel)
        self._say_whether(channel, is_on=False)

    def _say_whether(self, channel: str, *, is_on: bool) -> None:
        if self._machine.is_ready:
            packet = self._machine.listen(channel, is_on=is_on)
            self._sender.send(packet, Priority.MESSAGE)

    # --- of those that we host --------------------------------------------------------------

    async def add(self, channel: str, kind: int) -> None:
        """Make a channel."""
        if kind not in set(packets.ChannelType):
            raise I3Error(I3Code.NAME_INVALID, f"A channel is of type 0, 1 or 2, not {kind}.")
        name = checked_name(channel, "channel")
        await self._hand(packets.ChannelAdd(**self._header(), channel=name, kind=kind))

    async def remove(self, channel: str) -> None:
        """Delete a channel."""
        name = checked_name(channel, "channel")
        await self._hand(packets.ChannelRemove(**self._header(), channel=name))

    async def change(self, channel: str, added: Iterable[str], removed: Iterable[str]) -> None:
        """Put muds on the list of a channel, or take them off."""
        packet = packets.ChannelAdmin(
            **self._header(),
            channel=checked_name(channel, "channel"),
            added=tuple(checked_name(each, "mud") for each in added),
            removed=tuple(checked_name(each, "mud") for each in removed),
        )
        await self._hand(packet)

    def _header(self) -> _Header:
        return {"from_mud": self._machine.name, "to_mud": self._machine.router}

    async def _hand(self, packet: Packet) -> None:
        """Hand a packet to the router in its turn.

        Raises:
            I3Error: 11010, 11011 with ``retry_after``.
        """
        parcel, sender = self._sender.parcel(packet), self._sender
        if not self._machine.is_ready:
            raise away(self._desk.settings.retry_delay, "The administration of a channel")
        if not sender.hand_now(parcel) and not await sender.in_turn(parcel, Priority.ANSWER):
            raise away(self._desk.settings.retry_delay, "The administration of a channel")
