"""What the parts of a gateway share: the machine, who listens, and how the machine's wishes are fulfilled."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

import msgspec

from holdfast.apps.i3 import limits
from holdfast.apps.i3.gateway import events
from holdfast.apps.i3.gateway._keeper import Keeper
from holdfast.apps.i3.gateway.effects import (
    KeepChannels,
    KeepMuds,
    Leave,
    Refused,
    Replied,
    Rest,
    Send,
    WaitAgain,
)
from holdfast.apps.i3.gateway.lists import ChannelList, MudList
from holdfast.apps.i3.gateway.machine import GatewayMachine
from holdfast.apps.i3.gateway.model import Line
from holdfast.apps.i3.gateway.routers import Routers
from holdfast.apps.i3.mudmode import packets as packets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.apps.i3.gateway.effects import Effect
    from holdfast.apps.i3.gateway.pacing import Priority
    from holdfast.apps.i3.gateway.settings import GatewaySettings
    from holdfast.apps.i3.gateway.store import Kept
    from holdfast.apps.i3.packets import Packet
    from holdfast.storage import Database
    from holdfast.world import World

log = logging.getLogger("holdfast.i3")

TOKEN_BYTES = 4


class SendsPackets(Protocol):
    """Where packets go."""

    def send(self, packet: Packet, priority: Priority) -> None:
        """Send a packet when it is its turn."""

    def rest(self, seconds: float) -> None:
        """Send nothing for a while."""

    @property
    def next_at(self) -> float | None:
        """When something may leave."""

    def on_time(self, now: float) -> None:
        """Let leave what may."""


class HoldsLink(Protocol):
    """Who has the connection."""

    def replied(self, reply: Replied) -> None:
        """The router answered the startup."""

    def refused(self, refusal: Refused) -> None:
        """It does not let us in."""

    def leave(self, message: str) -> None:
        """It is of no use any more."""


class Desk:
    """The state of one gateway while its process lives.

    Args:
        settings: of the gateway.
        database: where things are kept.
        world: wall time, chance, ids, secrets.
        kept: what was found.

    Attributes:
        packets_received: values that came.
        bad_frames: frames of which a part could not be read.
    """

    def __init__(
        self, settings: GatewaySettings, database: Database, world: World, kept: Kept
    ) -> None:
        self.settings = settings
        self.database = database
        self.world = world
        self.routers = Routers(settings.routers, kept.routers)
        muds = MudList(
            settings.mud_name,
            kept.muds,
            router=kept.values.get("mudlist_router", ""),
            id_=kept.number("mudlist_id"),
            forget_after=settings.forget_muds_after,
        )
        channels = ChannelList(
            kept.channels,
            router=kept.values.get("chanlist_router", ""),
            id_=kept.number("chanlist_id"),
        )
        self.keeper = Keeper(database, muds, channels, settings.history_lines)
        self.machine = GatewayMachine(
            settings,
            muds=muds,
            channels=channels,
            listens=kept.listens,
            draw_token=lambda: int.from_bytes(world.secret_bytes(TOKEN_BYTES), "big") & 0x7FFF_FFFF,
        )
        # Lines that the last process had not written yet have ids that clients may know.
        self._line_id = kept.last_line + limits.HISTORY_PENDING_MAX
        self._timer: asyncio.Handle | None = None
        self._armed_at = float("inf")
        self._is_over = False
        self.callbacks: list[Callable[[events.Event], object]] = []
        self.is_heard = asyncio.Event()
        self.sender: SendsPackets
        self.link: HoldsLink
        self.waits_again: Callable[[WaitAgain], object]
        self.settles: Callable[[list[str]], object]
        self.packets_received = 0
        self.bad_frames = 0

    @staticmethod
    def now() -> float:
        """Return seconds on the loop's clock."""
        return asyncio.get_running_loop().time()

    # --- facts and wishes -------------------------------------------------------------------

    def received(self, frame: bytes) -> None:
        """Take a frame that came from the router."""
        values, error = packets_of(frame)
        if error is not None:
            self.bad_frames += 1
            log.debug("a packet cannot be read: %s", error)
        now = self.now()
        for value in values:
            self.packets_received += 1
            self.perform(self.machine.received(value, now))
        self.arm()

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do what the machine wants done."""
        for effect in effects:
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case events.Event():
                self.tell(effect)
            case Send():
                self.sender.send(effect.packet, effect.priority)
            case KeepMuds():
                self.keeper.muds(effect.changed)
            case KeepChannels():
                self.keeper.channels(effect.changed)
            case Replied():
                self.link.replied(effect)
            case Refused():
                self.link.refused(effect)
            case Rest():
                self.sender.rest(effect.seconds)
            case WaitAgain():
                self.waits_again(effect)
            case Leave():
                self.link.leave(effect.message)

    def tell(self, event: events.Event) -> None:
        """Tell all who listen of an event; a line on a channel gets its place in the history first."""
        if isinstance(event, events.ChannelMessage | events.ChannelEmote):
            event = self._kept(event)
        for callback in self.callbacks:
            try:
                callback(event)
            except Exception:  # a listener's bug is not the gateway's
                log.exception("a listener of %s failed", self.settings.mud_name)

    def _kept(self, event: events.ChannelMessage | events.ChannelEmote) -> events.Event:
        line = Line(
            id=self._line_id + 1,
            channel=event.channel,
            at=self.world.wall_now(),
            kind="message" if isinstance(event, events.ChannelMessage) else "emote",
            from_mud=event.from_mud,
            from_user=event.from_user,
            visname=event.visname,
            message=event.message,
        )
        if not self.keeper.line(line):
            return event
        self._line_id = line.id
        return msgspec.structs.replace(event, line_id=line.id)

    # --- time -------------------------------------------------------------------------------

    def arm(self) -> None:
        """Look when there is something to do next, and set the one timer."""
        if self.machine.unconfirmed.settled:
            self.settles(self.machine.unconfirmed.settled)
            self.machine.unconfirmed.settled = []
        at = self.machine.next_at
        turn_at = self.sender.next_at
        if turn_at is not None:
            at = min(at, turn_at)
        if self._timer is not None:
            if at >= self._armed_at:
                return  # it will look again by itself
            self._timer.cancel()
            self._timer = None
        if at != float("inf") and not self._is_over:
            self._armed_at = at
            self._timer = asyncio.get_running_loop().call_at(at, self._on_time)

    def disarm(self) -> None:
        """Do nothing more by itself."""
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        self._timer = None
        now = self.now()
        try:
            self.perform(self.machine.on_time(now))
            self.sender.on_time(now)
        finally:  # whatever failed, the next thing is done in its time
            self.arm()
