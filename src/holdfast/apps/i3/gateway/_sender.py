"""Hands packets to the router: at once when they may leave, otherwise in their turn."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import mudmode, packets
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway.events import RateLimitWarning
from holdfast.apps.i3.gateway.model import GatewayState
from holdfast.apps.i3.gateway.pacing import STARTUP_COST, Pacer, Priority
from holdfast.apps.i3.lpc import LpcError

if TYPE_CHECKING:
    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.packets import Packet
    from holdfast.connection import ReliableConnection

ON_CHANNELS: Final = (packets.ChannelMessage, packets.ChannelEmote, packets.ChannelTarget)
WARN_AT: Final = 0.75
"""Part of the room for what waits for its turn, at which clients are told."""

CALM_AT: Final = 0.25
"""Part of it at which they will be told again."""


@dataclass(slots=True, eq=False)
class Parcel:
    """A packet on its way.

    Attributes:
        packet: itself.
        value: as a value.
        frame: as bytes, without the length.
        id: of the message, empty where nobody waits to hear of its fate.
        turn: done with True when it was handed over, with False when the connection broke before.
        only_turn: who waits hands it over.
        was_queued: it had waited durably for a router.
    """

    packet: Packet
    value: list[object]
    frame: bytes
    id: str = ""
    turn: asyncio.Future[bool] | None = None
    only_turn: bool = False
    was_queued: bool = False


class Sender:
    """The way out.

    Args:
        desk: what all share.

    Attributes:
        connection: to the router.
        sent: packets that were handed over.
        dropped: answers for which there was no room.
        refused: messages for which there was no room.
    """

    def __init__(self, desk: Desk, connection: ReliableConnection) -> None:
        self._desk = desk
        self._machine = desk.machine
        self._charset = desk.settings.charset
        settings = desk.settings
        self._most = settings.pace_queue_max
        self.pacer: Pacer[Parcel] = Pacer(settings.pace_rate, settings.pace_burst, self._most)
        self.connection = connection
        self.generation = 0
        self._has_warned = False
        self.sent = 0
        self.dropped = 0
        self.refused = 0

    @property
    def next_at(self) -> float | None:
        """When something may leave."""
        return self.pacer.next_at if self._machine.is_ready else None

    def parcel(self, packet: Packet, id_: str = "") -> Parcel:
        """Write a packet.

        Raises:
            LpcError: 7002; it cannot be written, or is too large.
        """
        value = packets.write(packet)
        return Parcel(packet, value, mudmode.packet(value, self._charset), id_)

    # --- what nobody waits for --------------------------------------------------------------

    def send(self, packet: Packet, priority: Priority) -> None:
        """Send a packet when it is its turn; without room it is dropped and counted."""
        try:
            parcel = self.parcel(packet)
        except LpcError:  # an answer to a name with a zero in it, which nobody could be sent
            self.dropped += 1
            return
        now = self._desk.now()
        if not self._machine.is_ready:  # let in, and the password is still being kept: soon
            is_soon = self._machine.state is GatewayState.STARTING
            self.dropped += not (is_soon and self.pacer.offer(priority, parcel, now))
        elif isinstance(packet, packets.ChannelListen) or self.pacer.passes(now):
            self.hand(parcel)  # routers that count do not count who listens
        elif not self.pacer.offer(priority, parcel, now):
            self.dropped += 1

    def rest(self, seconds: float) -> None:
        """Send nothing for a while, where what is sent is paced."""
        self.pacer.pause(self._desk.now() + seconds)

    # --- what somebody waits for ------------------------------------------------------------

    def hand_now(self, parcel: Parcel) -> bool:
        """Hand a message over if nothing is in the way; return whether it was.

        Raises:
            I3Error: 11011; too many wait to be confirmed.
        """
        if self._machine.unconfirmed.is_full:
            self.refused += 1
            raise I3Error(
                I3Code.QUEUE_FULL,
                f"The router has not confirmed {len(self._machine.unconfirmed)} messages; try again soon.",
                retry_after=1.0,
            )
        if not self.pacer.passes(self._desk.now()):
            return False
        self.hand(parcel)
        return True

    async def in_turn(self, parcel: Parcel, priority: Priority) -> bool:
        """Wait until it is handed over (or may be, with ``only_turn``); False: the connection broke before.

        Raises:
            I3Error: 11011 with ``retry_after``; too many wait.

        Cancelled: it is not handed over any more.
        """
        parcel.turn = asyncio.get_running_loop().create_future()
        if not self.pacer.offer(priority, parcel, self._desk.now()):
            self.refused += 1
            raise I3Error(
                I3Code.QUEUE_FULL,
                f"{self.pacer.waiting} packets wait for their turn already; try again in a while.",
                retry_after=self.pacer.retry_after,
            )
        self._warn()
        self._desk.arm()
        return await parcel.turn

    def _warn(self) -> None:
        waiting = self.pacer.waiting
        if waiting <= self._most * CALM_AT:
            self._has_warned = False
        elif waiting >= self._most * WARN_AT and not self._has_warned:
            self._has_warned = True
            self._desk.tell(
                RateLimitWarning(
                    source=self._desk.settings.mud_name,
                    message=f"{waiting} packets wait for their turn, {self._most} may.",
                    queued=waiting,
                )
            )

    # --- time and connection ----------------------------------------------------------------

    def on_time(self, now: float) -> None:
        """Let leave what may."""
        while self._machine.is_ready and (parcel := self.pacer.take(now)) is not None:
            if parcel.turn is None:
                self.hand(parcel)
            elif not parcel.turn.done():
                if not parcel.only_turn:
                    self.hand(parcel)
                parcel.turn.set_result(True)

    def started(self) -> None:
        """A startup was sent, which counts as several packets."""
        self.generation += 1
        self.pacer.spend(self._desk.now(), STARTUP_COST)

    def lost(self) -> None:
        """The connection is gone: whoever waits for a turn decides what to do."""
        for parcel in self.pacer.clear():
            if parcel.turn is None:
                self.dropped += 1
            elif not parcel.turn.done():
                parcel.turn.set_result(False)

    def hand(self, parcel: Parcel) -> None:
        """Hand a packet to the router, and note what may become of it."""
        machine, now = self._machine, self._desk.now()
        self.connection.send_now(parcel.frame)
        self.sent += 1
        if isinstance(parcel.packet, packets.AuthMudReq):
            if parcel.packet.to_mud == machine.name:
                machine.unconfirmed.probed()
            return
        if not parcel.id:
            return
        handed = machine.unconfirmed.add(
            parcel.id, parcel.value, len(parcel.frame), now, was_queued=parcel.was_queued
        )
        machine.recent.add(handed)
        machine.probe.wanted(machine.unconfirmed.since_probe, now)
        if isinstance(parcel.packet, ON_CHANNELS) and not machine.inbound.comes_back(
            parcel.packet.channel
        ):
            self._desk.perform(machine.inbound.line(parcel.packet, now))
        self._desk.arm()


def away(retry_after: float, what: str) -> I3Error:
    """Say that there is no router now."""
    return I3Error(
        I3Code.ROUTER_AWAY,
        f"{what} needs a router, and none is connected; try again in a moment.",
        retry_after=max(retry_after, 1.0),
    )
