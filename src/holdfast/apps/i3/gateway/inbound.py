"""What other muds say: tells, channel lines, answers to our questions. Makes events of packets; no I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypedDict

from holdfast.apps.i3 import packets
from holdfast.apps.i3.errors import Fault
from holdfast.apps.i3.gateway import events
from holdfast.apps.i3.gateway.effects import Send
from holdfast.apps.i3.gateway.model import Member
from holdfast.apps.i3.gateway.requests import Kind
from holdfast.apps.i3.gateway.text import cleaned, gesture

if TYPE_CHECKING:
    from holdfast.apps.i3.gateway.effects import Effect
    from holdfast.apps.i3.gateway.lists import ChannelList, MudList
    from holdfast.apps.i3.gateway.members import Members
    from holdfast.apps.i3.gateway.presence import Presence
    from holdfast.apps.i3.gateway.requests import Requests
    from holdfast.apps.i3.gateway.services import Services
    from holdfast.apps.i3.gateway.settings import GatewaySettings
    from holdfast.apps.i3.packets import Packet


class _Speaker(TypedDict):
    """Who says something where."""

    channel: str
    from_mud: str
    from_user: str
    visname: str


class Inbound:
    """Reads what is addressed to the players here.

    Args:
        settings: of the gateway.
        muds: the router's list.
        channels: the router's other list.
        listens: the channels that are listened to.
        presence: who is here.
        members: who was heard on channels.
        requests: our open questions.
        services: makes refusals.

    Attributes:
        unasked: answers that nobody had asked for, dropped.
        unheard: lines on channels that nobody listens to, dropped.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        muds: MudList,
        channels: ChannelList,
        listens: dict[str, bool],
        presence: Presence,
        members: Members,
        requests: Requests,
        services: Services,
    ) -> None:
        self._name = settings.mud_name
        self._keeps_colours = settings.keeps_colours
        self._muds = muds
        self._channels = channels
        self._listens = listens
        self._presence = presence
        self._members = members
        self._requests = requests
        self._services = services
        self.unasked = 0
        self.unheard = 0

    def takes(self, packet: Packet) -> bool:
        """Say whether it is one of these."""
        return type(packet) in _READERS

    def read(self, packet: Packet, now: float) -> list[Effect]:
        """Make of a packet what follows from it."""
        return _READERS[type(packet)](self, packet, now)

    # --- to somebody here -------------------------------------------------------------------

    def _tell(self, packet: packets.Tell, now: float) -> list[Effect]:
        if self._presence.lacks(packet.to_user, now):
            return [self._not_here(packet)]
        return [
            events.TellReceived(
                from_mud=self._clean(packet.from_mud),
                from_user=self._clean(packet.from_user),
                to_user=self._clean(packet.to_user),
                visname=self._vis(packet.visname, packet),
                message=self._clean(packet.text),
                is_known=packet.from_mud in self._muds.muds,
            )
        ]

    def _emoteto(self, packet: packets.EmoteTo, now: float) -> list[Effect]:
        if self._presence.lacks(packet.to_user, now):
            return [self._not_here(packet)]
        visname = self._vis(packet.visname, packet)
        return [
            events.EmotetoReceived(
                from_mud=self._clean(packet.from_mud),
                from_user=self._clean(packet.from_user),
                to_user=self._clean(packet.to_user),
                visname=visname,
                message=self._clean(gesture(packet.text, f"{visname}@{packet.from_mud}")),
                is_known=packet.from_mud in self._muds.muds,
            )
        ]

    def _beep(self, packet: packets.Beep, now: float) -> list[Effect]:
        if self._presence.lacks(packet.to_user, now):
            return [self._not_here(packet)]
        return [
            events.BeepReceived(
                from_mud=self._clean(packet.from_mud),
                from_user=self._clean(packet.from_user),
                to_user=self._clean(packet.to_user),
                visname=self._vis(packet.visname, packet),
                is_known=packet.from_mud in self._muds.muds,
            )
        ]

    def _not_here(self, packet: Packet) -> Effect:
        message = f"There is no {packet.to_user} here."
        return Send(self._services.refusal(packet, Fault.UNKNOWN_USER, message))

    # --- channels ---------------------------------------------------------------------------

    def line(
        self,
        packet: packets.ChannelMessage | packets.ChannelEmote | packets.ChannelTarget,
        now: float,
    ) -> list[Effect]:
        """Make of a line on a channel what listeners here read, and who was heard."""
        visname = self._vis(packet.visname, packet)
        member = Member(
            mud=self._clean(packet.from_mud), user=self._clean(packet.from_user), visname=visname
        )
        header: _Speaker = {
            "channel": packet.channel,
            "from_mud": member.mud,
            "from_user": member.user,
            "visname": visname,
        }
        is_known = packet.from_mud in self._muds.muds
        who = f"{visname}@{packet.from_mud}"
        shown: events.Event
        if isinstance(packet, packets.ChannelMessage):
            shown = events.ChannelMessage(
                **header, message=self._clean(packet.text), is_known=is_known
            )
        elif isinstance(packet, packets.ChannelEmote):
            text = self._clean(gesture(packet.text, who))
            shown = events.ChannelEmote(**header, message=text, is_known=is_known)
        else:
            whom = f"{packet.target_visname or packet.target_user}@{packet.target_mud}"
            shown = events.ChannelEmote(
                **header,
                message=self._clean(gesture(packet.text, who, whom)),
                target_message=self._clean(gesture(packet.target_text, who, whom)),
                target_mud=self._clean(packet.target_mud),
                target_user=self._clean(packet.target_user),
                is_known=is_known,
            )
        if not member.user or packet.from_mud == self._name:
            return [shown]
        return [*self._members.heard(packet.channel, member, now), shown]

    def comes_back(self, channel: str) -> bool:
        """Say whether our own line is shown when the router returns it: its host may have changed it."""
        known = self._channels.channels.get(channel)
        return known is not None and known.type == packets.ChannelType.FILTERED

    def _line(
        self,
        packet: packets.ChannelMessage | packets.ChannelEmote | packets.ChannelTarget,
        now: float,
    ) -> list[Effect]:
        if packet.channel not in self._listens:
            self.unheard += 1
            return []
        if packet.from_mud == self._name and not self.comes_back(packet.channel):
            return []  # it was shown when it was sent
        return self.line(packet, now)

    # --- answers ----------------------------------------------------------------------------

    def _who(self, packet: packets.WhoReply, _: float) -> list[Effect]:
        if not self._requests.answered(Kind.WHO, packet.from_mud, packet.to_user, None):
            return self._drop()
        rows = tuple(
            events.WhoRow(
                name=self._clean(row.visname), idle=row.idle, extra=self._clean(row.extra)
            )
            for row in packet.rows
        )
        return [events.WhoReply(from_mud=packet.from_mud, to_user=packet.to_user, users=rows)]

    def _finger(self, packet: packets.FingerReply, _: float) -> list[Effect]:
        if not self._requests.answered(Kind.FINGER, packet.from_mud, packet.to_user, None):
            return self._drop()
        return [
            events.FingerReply(
                from_mud=packet.from_mud,
                to_user=packet.to_user,
                visname=self._clean(packet.visname),
                title=self._clean(packet.title),
                real_name=self._clean(packet.real_name),
                email=self._clean(packet.email),
                login_time=self._clean(packet.login_time),
                idle=packet.idle,
                ip_name=self._clean(packet.ip_name),
                level=self._clean(packet.level),
                extra=self._clean(packet.extra),
            )
        ]

    def _locate(self, packet: packets.LocateReply, _: float) -> list[Effect]:
        if not self._requests.is_open(Kind.LOCATE, "*", packet.to_user):
            return self._drop()
        return [
            events.LocateReply(
                from_mud=packet.from_mud,
                to_user=packet.to_user,
                located_mud=self._clean(packet.located_mud),
                located_user=self._clean(packet.located_visname),
                idle=packet.idle,
                status=self._clean(packet.status),
            )
        ]

    def _channel_who(self, packet: packets.ChanWhoReply, _: float) -> list[Effect]:
        names = [self._clean(each) for each in packet.visnames]
        known = self._requests.answered(Kind.CHANNEL_WHO, packet.from_mud, packet.channel, names)
        return [] if known else self._drop()

    def _token(self, packet: packets.AuthMudReply, _: float) -> list[Effect]:
        known = self._requests.answered(Kind.AUTH, packet.from_mud, "", packet.token)
        return [] if known else self._drop()

    def _drop(self) -> list[Effect]:
        self.unasked += 1
        return []

    # --- words ------------------------------------------------------------------------------

    def _clean(self, text: str) -> str:
        return cleaned(text, keeps_colours=self._keeps_colours)

    def _vis(self, visname: str, packet: Packet) -> str:
        return self._clean(
            visname or self._services.shown(packet.from_mud, packet.from_user) or packet.from_mud
        )


_Reader = Callable[[Inbound, Any, float], "list[Effect]"]

_READERS: Final[dict[type[packets.Packet], _Reader]] = {
    packets.Tell: Inbound._tell,
    packets.EmoteTo: Inbound._emoteto,
    packets.Beep: Inbound._beep,
    packets.ChannelMessage: Inbound._line,
    packets.ChannelEmote: Inbound._line,
    packets.ChannelTarget: Inbound._line,
    packets.WhoReply: Inbound._who,
    packets.FingerReply: Inbound._finger,
    packets.LocateReply: Inbound._locate,
    packets.ChanWhoReply: Inbound._channel_who,
    packets.AuthMudReply: Inbound._token,
}
