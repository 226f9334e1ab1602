"""One mud's side of Intermud-3: what follows from each packet and from time. Knows no socket, clock or store.

Theory. An attempt on a router begins with our startup packet; until the router we are on has answered it we are
STARTING, and whatever else comes is heard but nothing is sent. Its reply is kept (the password above all) before we
count as READY; then channels are listened to again, for some routers forget that with the connection. Lists come as
deltas at any time. A probe to our own name proves that the router reads us; see ``probe``.

Only the router that we are on may say what routers say, and what muds say in its name is dropped. Names of muds in
packets are claims. Every packet that cannot be read is counted, answered if it was meant for us alone, and costs
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from holdfast.apps.i3 import packets
from holdfast.apps.i3.errors import I3Code, I3Error, PacketError
from holdfast.apps.i3.gateway import events
from holdfast.apps.i3.gateway.effects import (
    KeepChannels,
    KeepMuds,
    Leave,
    Refused,
    Replied,
    Send,
)
from holdfast.apps.i3.gateway.faults import Faults
from holdfast.apps.i3.gateway.inbound import Inbound
from holdfast.apps.i3.gateway.members import Members
from holdfast.apps.i3.gateway.model import GatewayState
from holdfast.apps.i3.gateway.pacing import Priority
from holdfast.apps.i3.gateway.presence import Presence
from holdfast.apps.i3.gateway.probe import Beat, Probe
from holdfast.apps.i3.gateway.requests import Requests
from holdfast.apps.i3.gateway.services import Services
from holdfast.apps.i3.gateway.tokens import Tokens
from holdfast.apps.i3.gateway.unconfirmed import Recent, Unconfirmed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.apps.i3.gateway.effects import Effect
    from holdfast.apps.i3.gateway.lists import ChannelList, MudList
    from holdfast.apps.i3.gateway.settings import GatewaySettings
    from holdfast.apps.i3.packets import Packet

PRESUMED_AFTER: Final = 90.0
"""Seconds after which a message counts as read where the router returns no probes: the kernel's time-out and more."""


class GatewayMachine:
    """A mud's side of the protocol.

    Args:
        settings: of the gateway.
        muds: as they were kept.
        channels: as they were kept.
        listens: the channels that are wanted, with whether only to listen.
        draw_token: draws a token that nobody can guess.

    Attributes:
        name: of our mud.
        state: where it stands.
        router: the name of the one that is tried or that we are on, empty when there is none.
        presence: who is here.
        requests: open questions.
        unconfirmed: messages that the router may not have read.
        recent: messages that errors may be about.
        bad_packets: that could not be read.
        strays: that were not for us, or that only a router may send.
        fate_unknown: messages that may not have arrived, since the start.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        muds: MudList,
        channels: ChannelList,
        listens: dict[str, bool],
        draw_token: Callable[[], int],
    ) -> None:
        self._settings = settings
        self.name = settings.mud_name
        self._lost_at: float | None = None
        self.muds = muds
        self.channels = channels
        self.listens = listens
        self.state = GatewayState.STOPPED
        self.router = ""
        self.probe = Probe(settings)
        self.presence = Presence(settings.presence_ttl)
        self.members = Members()
        self.requests = Requests()
        self.tokens = Tokens()
        self.unconfirmed = Unconfirmed()
        self.recent = Recent()
        self.services = Services(self.name, self.presence, self.tokens, draw_token, listens)
        self.faults = Faults(self.recent, self.unconfirmed, self.requests, self.listens)
        self.inbound = Inbound(
            settings,
            muds=muds,
            channels=channels,
            listens=listens,
            presence=self.presence,
            members=self.members,
            requests=self.requests,
            services=self.services,
        )
        self.bad_packets = 0
        self.strays = 0
        self.fate_unknown = 0

    @property
    def is_ready(self) -> bool:
        """Whether packets may be sent."""
        return self.state is GatewayState.READY

    # --- the connection ---------------------------------------------------------------------

    def attempt(
        self,
        router: str,
        password: int,
        oob_port: int,
        oob_services: Mapping[str, int] | None = None,
    ) -> packets.StartupReq3:
        """A connection to a router is open: return what to say first."""
        self.router, self.state = router, GatewayState.STARTING
        same_muds, same_channels = router == self.muds.router, router == self.channels.router
        settings = self._settings
        return packets.StartupReq3(
            from_mud=self.name,
            to_mud=router,
            password=password,
            mudlist_id=self.muds.id if same_muds else 0,
            chanlist_id=self.channels.id if same_channels else 0,
            player_port=settings.player_port,
            oob_tcp_port=oob_port,
            oob_udp_port=0,
            mudlib=settings.mudlib,
            base_mudlib=settings.base_mudlib,
            driver=settings.driver,
            mud_type=settings.mud_type,
            open_status=settings.open_status,
            email=settings.admin_email,
            services={**settings.services, **(oob_services or {})},
            other=0,
        )

    def ready(self, now: float) -> list[Effect]:
        """The router's reply is kept: begin."""
        assert self.state is GatewayState.STARTING, "only what was begun can be ready"
        self.state = GatewayState.READY
        self.probe.begin(self.router, now)
        effects: list[Effect] = [
            Send(self.listen(channel, is_on=True), Priority.MESSAGE) for channel in self.listens
        ]
        if self._lost_at is not None:
            away = now - self._lost_at
            effects.append(events.GatewayReconnected(router=self.router, away=away))
        self._lost_at = None
        return effects

    def lost(self, now: float) -> list[Effect]:
        """The connection, or the attempt, is over: say which messages have an unknown fate."""
        if self.state is GatewayState.READY:
            self._lost_at = now
        self.state = GatewayState.CONNECTING
        self.probe.end()
        self.requests.lost(
            I3Error(
                I3Code.ROUTER_AWAY,
                "The connection to the router broke before the answer came; ask again in a moment.",
                retry_after=self._settings.retry_delay,
            )
        )
        left = self.unconfirmed.lost()
        self.fate_unknown += len(left)
        return [self.faults.unknown_fate(each) for each in left]

    def listen(self, channel: str, *, is_on: bool) -> Packet:
        """Return what tells the router whether we listen to a channel."""
        return packets.ChannelListen(
            from_mud=self.name, to_mud=self.router, channel=channel, is_on=int(is_on)
        )

    # --- time -------------------------------------------------------------------------------

    @property
    def next_at(self) -> float:
        """When ``on_time`` has something to do."""
        return min(self.probe.next_at, self.members.next_at, self.muds.forget_at)

    def on_time(self, now: float) -> list[Effect]:
        """Do what is due."""
        effects: list[Effect] = []
        beat = self.probe.beat(now)
        if beat is Beat.PROBE:
            effects.append(
                Send(packets.AuthMudReq(from_mud=self.name, to_mud=self.name), Priority.PROBE)
            )
        elif beat is Beat.DEAD:
            effects.append(Leave("the router does not answer"))
        if self.probe.returns is False:
            self.unconfirmed.presumed(now - PRESUMED_AFTER)
        effects += self.members.silent(now)
        gone, news = self.muds.forget(now)
        if gone:
            effects += [KeepMuds(gone), *news]
        return effects

    # --- packets ----------------------------------------------------------------------------

    def received(self, value: object, now: float) -> list[Effect]:
        """Take a value that came from the router."""
        self.probe.heard(now)
        try:
            packet = packets.read(value)
        except PacketError as error:
            self.bad_packets += 1
            return self._refuse(value, error)
        if packet.to_mud not in {self.name, ""}:
            self.strays += 1
            return []
        if self.inbound.takes(packet):
            return self.inbound.read(packet, now)
        return self._of_network(packet, now)

    def _of_network(self, packet: Packet, now: float) -> list[Effect]:
        """Take what is not for the players."""
        of_router = _OF_ROUTER.get(type(packet))
        if of_router is not None:
            if packet.from_mud == self.router:
                return of_router(self, packet, now)
            self.strays += 1
        elif isinstance(packet, packets.ErrorPacket):
            return self._error(packet)
        elif isinstance(packet, packets.AuthMudReq) and packet.from_mud == self.name:
            if self.probe.returned(now):
                self.unconfirmed.confirmed()
        elif (answer := self.services.answer(packet, now)) is not None:
            return [Send(answer)]
        return []

    def _refuse(self, value: object, error: PacketError) -> list[Effect]:
        """Answer what cannot be read, if it was meant for us alone and says who sent it."""
        if type(value) is not list or len(value) < packets.HEADER:
            return []
        kind, _, mud, user, target, _ = value[: packets.HEADER]
        if target != self.name or kind == "error" or not isinstance(mud, str) or not mud:
            return []
        if mud in {self.name, self.router}:
            return []
        return [
            Send(
                packets.ErrorPacket(
                    from_mud=self.name,
                    to_mud=mud,
                    to_user=user if isinstance(user, str) else "",
                    code=error.fault,
                    message=error.message,
                    packet=None,
                )
            )
        ]

    def _error(self, packet: packets.ErrorPacket) -> list[Effect]:
        is_router = packet.from_mud == self.router
        if self.state is GatewayState.STARTING and is_router:
            return [Refused(packet.code, packet.message)]
        return self.faults.read(packet, is_router=is_router)

    # --- what only a router says ------------------------------------------------------------

    def _startup_reply(self, packet: packets.StartupReply, now: float) -> list[Effect]:
        self.muds.begin(self.router, now)
        self.channels.begin(self.router)
        return [Replied(packet.routers, packet.password)]

    def _mudlist(self, packet: packets.Mudlist, now: float) -> list[Effect]:
        changed, news = self.muds.apply(packet.id, packet.muds, now)
        for each in news:
            if isinstance(each, events.MudOffline):
                news = [*news, *self.members.left_with(each.mud_name)]
        return [KeepMuds(changed), *news]

    def _chanlist(self, packet: packets.ChanlistReply, _: float) -> list[Effect]:
        before = set(self.channels.channels)
        changed = self.channels.apply(packet.id, packet.channels)
        effects: list[Effect] = [KeepChannels(changed)]
        for name, channel in changed.items():
            if name not in self.listens:
                continue
            if channel is None:
                self.members.forget(name)
                effects.append(events.ChannelLeft(channel=name, reason="the channel was deleted"))
            elif name not in before and self.is_ready:
                effects.append(Send(self.listen(name, is_on=True), Priority.MESSAGE))
                effects.append(events.ChannelJoined(channel=name))
        return effects

    def _shutdown(self, packet: packets.RouterShutdown, _: float) -> list[Effect]:
        return [events.ShutdownWarning(source=self.router, returns_in=packet.restart_delay)]

    def _filter(self, packet: packets.ChanFilterReq, _: float) -> list[Effect]:
        """We host that channel: let the packet pass as it is."""
        reply = packets.ChanFilterReply(
            from_mud=self.name,
            to_mud=self.router,
            channel=packet.channel,
            packet=packet.packet,
        )
        return [Send(reply)]

    def _acknowledged(self, *_: object) -> list[Effect]:
        return []  # the list of channels says the same, and says it to everybody


_Said = Callable[[GatewayMachine, Any, float], "list[Effect]"]

_OF_ROUTER: Final[dict[type[packets.Packet], _Said]] = {
    packets.StartupReply: GatewayMachine._startup_reply,
    packets.Mudlist: GatewayMachine._mudlist,
    packets.ChanlistReply: GatewayMachine._chanlist,
    packets.RouterShutdown: GatewayMachine._shutdown,
    packets.ChanFilterReq: GatewayMachine._filter,
    packets.ChanAck: GatewayMachine._acknowledged,
}
