"""What players here say to others: checked, written as a packet, and handed on or kept until a router is there.

What was said keeps its order: while anything waits in the durable queue, what comes after it waits there as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import packets
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway.model import Sent
from holdfast.apps.i3.gateway.pacing import Priority
from holdfast.apps.i3.gateway.text import checked_name, checked_text, checked_user

if TYPE_CHECKING:
    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.gateway._queue import Queue
    from holdfast.apps.i3.gateway._sender import Sender
    from holdfast.apps.i3.gateway.model import Mud
    from holdfast.apps.i3.packets import Packet

TO_ALL: Final = ""
"""The target of what goes to a channel or to every mud."""


class Voice:
    """Says things.

    Args:
        desk: what all share.
        sender: the way out.
        queue: what waits for a router.
    """

    def __init__(self, desk: Desk, sender: Sender, queue: Queue) -> None:
        self._desk = desk
        self._machine = desk.machine
        self._sender = sender
        self._queue = queue
        self._name = desk.settings.mud_name

    # --- to somebody ------------------------------------------------------------------------

    async def tell(self, mud: str, user: str, text: str, by: str, visname: str) -> Sent:
        """A line for one user."""
        packet = packets.Tell(
            from_mud=self._name,
            from_user=checked_user(by),
            to_mud=self.mud(mud, "tell").name,
            to_user=checked_name(user, "user").lower(),
            visname=_shown(visname, by),
            text=checked_text(text),
        )
        return await self._say(packet, Priority.MESSAGE)

    async def emoteto(self, mud: str, user: str, text: str, by: str, visname: str) -> Sent:
        """A gesture for one user."""
        packet = packets.EmoteTo(
            from_mud=self._name,
            from_user=checked_user(by),
            to_mud=self.mud(mud, "emoteto").name,
            to_user=checked_name(user, "user").lower(),
            visname=_shown(visname, by),
            text=checked_text(text),
        )
        return await self._say(packet, Priority.MESSAGE)

    async def beep(self, mud: str, user: str, by: str, visname: str) -> Sent:
        """A tone."""
        packet = packets.Beep(
            from_mud=self._name,
            from_user=checked_user(by),
            to_mud=self.mud(mud, "beep").name,
            to_user=checked_name(user, "user").lower(),
            visname=_shown(visname, by),
        )
        return await self._say(packet, Priority.MESSAGE)

    def mud(self, name: str, service: str) -> Mud:
        """Return the mud that is meant.

        Args:
            name: as people write it.
            service: that it must have.

        Raises:
            I3Error: 11020, 11021, 11022. Whether a mud is up is known only while a router is there.
        """
        found = self._machine.muds.find(name)
        if found is None:
            raise I3Error(I3Code.MUD_UNKNOWN, f"There is no mud {name!r} in the router's list.")
        if self._machine.is_ready and not found.is_up:
            raise I3Error(I3Code.MUD_DOWN, f"{found.name} is not connected to the router now.")
        if service not in found.services:
            raise I3Error(I3Code.SERVICE_MISSING, f"{found.name} does not offer {service!r}.")
        return found

    # --- on channels ------------------------------------------------------------------------

    async def channel_send(self, channel: str, text: str, by: str, visname: str) -> Sent:
        """A line for a channel."""
        self._may_speak(channel)
        packet = packets.ChannelMessage(
            from_mud=self._name,
            from_user=checked_user(by),
            to_mud=TO_ALL,
            channel=channel,
            visname=_shown(visname, by) or self._name,
            text=checked_text(text),
        )
        return await self._say(packet, Priority.CHANNEL)

    async def channel_emote(self, channel: str, text: str, by: str, visname: str) -> Sent:
        """A gesture on a channel; ``$N`` is put first where it is missing, for others show the text as it is."""
        self._may_speak(channel)
        text = checked_text(text)
        packet = packets.ChannelEmote(
            from_mud=self._name,
            from_user=checked_user(by),
            to_mud=TO_ALL,
            channel=channel,
            visname=_shown(visname, by) or self._name,
            text=text if "$N" in text else f"$N {text}",
        )
        return await self._say(packet, Priority.CHANNEL)

    async def channel_emote_to(
        self,
        channel: str,
        mud: str,
        user: str,
        texts: tuple[str, str],
        by: str,
        visname: str,
    ) -> Sent:
        """A gesture on a channel towards somebody; the second text is what that one reads."""
        self._may_speak(channel)
        text, target_text = texts
        target = self._machine.muds.find(mud)
        if target is None:
            raise I3Error(I3Code.MUD_UNKNOWN, f"There is no mud {mud!r} in the router's list.")
        packet = packets.ChannelTarget(
            from_mud=self._name,
            from_user=checked_user(by),
            to_mud=TO_ALL,
            channel=channel,
            target_mud=target.name,
            target_user=checked_name(user, "user").lower(),
            text=checked_text(text),
            target_text=checked_text(target_text or text),
            visname=_shown(visname, by) or self._name,
            target_visname=user,
        )
        return await self._say(packet, Priority.CHANNEL)

    def _may_speak(self, channel: str) -> None:
        listen_only = self._machine.listens.get(channel)
        if listen_only is None:
            raise I3Error(I3Code.NOT_SUBSCRIBED, f"Join {channel!r} first; it is not listened to.")
        if listen_only:
            raise I3Error(
                I3Code.NOT_SUBSCRIBED,
                f"{channel!r} is only listened to; join it with listen_only off to speak there.",
            )

    # --- the way it takes -------------------------------------------------------------------

    async def _say(self, packet: Packet, priority: Priority) -> Sent:
        parcel = self._sender.parcel(packet, self._desk.world.new_id())
        if self._machine.is_ready and not self._queue.waiting:
            if self._sender.hand_now(parcel) or await self._sender.in_turn(parcel, priority):
                return Sent(parcel.id)
            parcel.turn = None  # the connection broke before it was its turn
        await self._queue.put(parcel)
        return Sent(parcel.id, is_queued=True)


def _shown(visname: str, by: str) -> str:
    """Return how the sender is shown."""
    return checked_name(visname, "sender") if visname else by
