"""A router decides: who is let in, where packets go, who is told what. Knows no socket, no clock and no disk.

States of a link: connected → started up → over. ::

    connected   one startup-req with our name, a name that nobody else has proved, its password   → started up
                anything else                                        told, and the shell cuts it after a while
    started up  the same mud starts up on another link: that one is the mud now, this one is told and closed
                ``shutdown``: the mud is shown as down, the link is closed
                every other packet must say that it is from this mud; where it goes, see ``relay`` and ``desk``
    over        nothing that comes counts; the shell closes it after what was sent

A mud is not its link. When a link is lost, the others are told after a while only, so that a mud that comes back is
no news. What is decided is kept before anybody hears of it: effects stand in order, and the shell holds back those
behind a ``Keep`` until it is committed.

What cannot happen: two links of one mud; a packet whose second field is not its sender's name; an error as the
answer to an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from holdfast.apps.i3 import limits
from holdfast.apps.i3.errors import Fault, PacketError
from holdfast.apps.i3.packets import (
    HEADER,
    ChanFilterReply,
    Packet,
    RouterRow,
    RouterShutdown,
    Shutdown,
    StartupReply,
    StartupReq1,
    StartupReq2,
    StartupReq3,
    read,
)
from holdfast.apps.i3.router.desk import Desk
from holdfast.apps.i3.router.effects import Admit, Pause
from holdfast.apps.i3.router.filters import Filters
from holdfast.apps.i3.router.lists import Lists
from holdfast.apps.i3.router.muds import DOWN, KEY, Mud
from holdfast.apps.i3.router.names import is_name, row_of, version_of, with_state
from holdfast.apps.i3.router.network import Link, Network
from holdfast.apps.i3.router.relay import BETWEEN_ROUTERS, RESERVED, SPOKEN, Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.apps.i3.router.channels import Channel
    from holdfast.apps.i3.router.effects import Effect
    from holdfast.apps.i3.router.settings import RouterSettings

STARTUPS = StartupReq3 | StartupReq2 | StartupReq1
SLOW_NOTICE: Final = 60.0
"""Seconds between two words to a mud that it is too quick."""
SOON: Final = 300
"""Seconds of absence up to which a mud that has said goodbye stays listed, as the protocol has it."""
FOR_GOOD: Final = 604_800
"""Seconds of absence past which it is deleted."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store has of a router.

    Attributes:
        at: seconds since 1970 when it was read.
        mud_number, channel_number: of the newest change.
        muds, channels: by name in the order of their changes; None: gone.
    """

    at: float = 0.0
    mud_number: int = 0
    channel_number: int = 0
    muds: tuple[tuple[str, Mud | None], ...] = ()
    channels: tuple[tuple[str, Channel | None], ...] = ()


class RouterMachine:
    """The router without its sockets.

    Args:
        settings: of the router.
        secret_bytes: makes bytes that nobody can guess.
        wall: seconds since 1970 at second 0 of the clock whose time is given.
        kept: what the store has; nobody is there yet.
    """

    def __init__(
        self,
        settings: RouterSettings,
        secret_bytes: Callable[[int], bytes],
        *,
        wall: float = 0.0,
        kept: Kept | None = None,
    ) -> None:
        self.network = Network(settings, secret_bytes)
        self._settings = settings
        self._wall = wall
        self._lists = Lists(self.network)
        self._filters = Filters(self.network)
        self._relay = Relay(self.network, self._filters)
        self._desk = Desk(self.network, self._lists)
        self._down: dict[str, tuple[float, int]] = {}
        self._sweep: float | None = None
        self._interval = 0.0 if settings.packet_rate is None else 1 / settings.packet_rate
        self._window = settings.packet_burst * self._interval
        if kept is not None:
            self._restore(kept)

    def _restore(self, kept: Kept) -> None:
        self.network.muds.versions.restore(
            kept.mud_number, ((name, _absent(mud, kept.at)) for name, mud in kept.muds)
        )
        self.network.channels.versions.restore(kept.channel_number, kept.channels)

    # --- time -------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Return when ``on_time`` has something to do, in seconds; None: never."""
        due = self._lists.due
        filters, sweep = self._filters.due, self._sweep
        if filters is not None and (due is None or filters < due):
            due = filters
        if sweep is not None and (due is None or sweep < due):
            due = sweep
        if self._down:
            first = min(at for at, _ in self._down.values())
            due = first if due is None else min(due, first)
        return due

    def on_time(self, now: float) -> list[Effect]:
        """Do what is due."""
        for name in [name for name, (due, _) in self._down.items() if due <= now]:
            self._show_down(name, self._down.pop(name)[1], now)
        if self._sweep is None or self._sweep <= now:
            self._forget(self.network.muds.long_gone(self._then(now)), now)
            self._sweep = now + limits.ROUTER_SWEEP_INTERVAL
        self._filters.on_time(now)
        if self._lists.due is not None and self._lists.due <= now:
            self._lists.flush()
        return self.network.taken()

    def _then(self, now: float) -> float:
        return self._wall + now - self._settings.forget_after

    # --- links ------------------------------------------------------------------------------

    def connected(self, number: int, remote: str, local: str) -> None:
        """Somebody has connected.

        Args:
            number: of the link, never used again.
            remote: the IP from which he comes.
            local: ``ip port`` to which he came.
        """
        self.network.links[number] = Link(number, remote, local)

    def lost(self, number: int, now: float) -> list[Effect]:
        """A link is gone."""
        network = self.network
        link = network.links.pop(number, None)
        if link is None:
            return []
        network.channels.leave(number)
        if network.up.get(link.mud) is link:
            del network.up[link.mud]
            if link.mud not in self._down:
                self._down[link.mud] = (now + self._settings.down_after, DOWN)
        return network.taken()

    def leave(self, restart_delay: int) -> list[Effect]:
        """The router goes: tell all who are there.

        Args:
            restart_delay: seconds until it is back; 0 for good.
        """
        for link in self.network.up.values():
            self.network.send(
                link,
                RouterShutdown(
                    from_mud=self.network.name, to_mud=link.mud, restart_delay=restart_delay
                ),
            )
        return self.network.taken()

    # --- what comes -------------------------------------------------------------------------

    def garbled(self, number: int, why: str) -> list[Effect]:
        """Something came that cannot be read, or cannot be passed on."""
        link = self.network.links.get(number)
        if link is not None and not link.is_over:
            self.network.counts["garbled"] += 1
            self.network.fault(link, Fault.BAD_PACKET, why)
            self._bad(link)
        return self.network.taken()

    def received(self, number: int, value: object, size: int, now: float) -> list[Effect]:
        """A packet came.

        Args:
            number: of the link.
            value: as it was read.
            size: bytes of it.
            now: seconds.
        """
        link = self.network.links.get(number)
        if link is not None and not link.is_over:
            self._pace(link, size, now)
            self._take(link, value, size, now)
        return self.network.taken()

    def _take(self, link: Link, value: object, size: int, now: float) -> None:
        packet: Packet | None
        try:
            packet = read(value)
        except PacketError as error:
            packet = None
            if error.fault is not Fault.UNKNOWN_TYPE or not _has_header(value):
                shown = value if isinstance(value, list) else None
                self.network.fault(link, error.fault, error.message, shown, size)
                self._bad(link)
                return
        assert isinstance(value, list), "it was read, or has a header"
        if link.mud:
            link.bad = 0
        if isinstance(packet, StartupReq3 | StartupReq2 | StartupReq1):
            self._start(link, packet, value, size, now)
        elif not link.mud:
            self.network.fault(link, Fault.UNKNOWN_SOURCE, "Start up first.", value, size)
            self._bad(link)
        elif value[2] != link.mud:
            why = f"You are {link.mud}: send nothing in the name of {value[2]}."
            self.network.fault(link, Fault.UNKNOWN_SOURCE, why, value, size)
        elif value[1] <= 0:
            self.network.counts["dropped"] += 1  # it has gone round in circles
        else:
            if not link.has_password:
                link.has_password = True
                if self.network.muds.has_password(link.mud):
                    self.network.keep_mud(link.mud)
            self._route(link, packet, value, size, now)

    def _route(
        self, link: Link, packet: Packet | None, value: list[object], size: int, now: float
    ) -> None:
        """Find out whom a packet is for; it is from its link's mud."""
        kind, target = cast("str", value[0]), value[4]
        if kind in RESERVED or kind.startswith(BETWEEN_ROUTERS):
            self.network.fault(link, Fault.NOT_ALLOWED, f"Only routers send a {kind}.", value, size)
        elif kind in SPOKEN:
            self._relay.to_channel(link, value, size, now)
        elif target in {0, ""}:
            self._relay.to_all(link, value)
        elif target != self.network.name:
            self._relay.to_mud(link, packet, value, size)
        elif packet is None:
            self.network.fault(
                link, Fault.UNKNOWN_TYPE, f"There is no packet {kind[:40]!r}.", value, size
            )
        elif isinstance(packet, Shutdown):
            self._goodbye(link, packet, now)
        elif isinstance(packet, ChanFilterReply):
            self._relay.filtered(link, packet, value, size)
        else:
            self._desk.asked(link, packet, value, size, now)

    def _bad(self, link: Link) -> None:
        link.bad += 1
        if link.bad >= limits.ROUTER_BAD_PACKETS_MAX and not link.is_over:
            self.network.close(link)

    def _pace(self, link: Link, size: int, now: float) -> None:
        """Read one who is too quick more slowly; he is told so, and nothing of what he sends is lost."""
        if not self._interval:
            return
        counted = 1 + size // limits.ROUTER_PACKET_BYTES
        link.paid_until = max(link.paid_until, now) + self._interval * counted
        debt = link.paid_until - now - self._window
        if debt <= 0:
            return
        self.network.counts["paused"] += 1
        self.network.effects.append(Pause(link.id, min(debt, limits.ROUTER_PAUSE_MAX)))
        if now >= link.told_slow + SLOW_NOTICE:
            link.told_slow = now
            rate = self._settings.packet_rate
            self.network.fault(
                link,
                Fault.NOT_ALLOWED,
                f"You send more than {rate:g} packets a second: you are read more slowly, nothing is lost.",
            )

    # --- how it begins and ends -------------------------------------------------------------

    def _start(
        self, link: Link, packet: STARTUPS, value: list[object], size: int, now: float
    ) -> None:
        network = self.network
        fault = self._why_not(link, packet)
        if fault is not None:
            network.fault(link, *fault, value, size)
            network.close(link)
            return
        name = packet.from_mud
        known = network.muds.get(name)
        if known is not None and network.muds.is_password(known, packet.password):
            password, key = packet.password, known.key[:KEY]
        else:
            password, key = network.muds.new_password(link.remote)
        row = row_of(packet, link.remote)
        self._put(Mud(name, row, key, self._wall + now), now)
        self._down.pop(name, None)
        older = network.up.get(name)
        if older is not None and older is not link:
            network.channels.leave(older.id)
            why = f"{name} has started up on a newer connection; this one ends."
            network.fault(older, Fault.NOT_ALLOWED, why)
            network.close(older)
        network.up[name] = link
        link.mud = name
        link.version = version_of(packet)
        link.has_password = False
        link.services = frozenset(service for service, value in row.services.items() if value)
        network.effects.append(Admit(link.id))
        self._welcome(link, packet, password)

    def _put(self, mud: Mud, now: float) -> None:
        """Keep what a mud is; the others are told when it is another row, and not of passwords."""
        known = self.network.muds.get(mud.name)
        if self.network.muds.put(mud) is not None:
            self._lists.changed(now)
        elif known is None or known.key == mud.key:
            return
        self.network.keep_mud(mud.name)

    def _why_not(self, link: Link, packet: STARTUPS) -> tuple[Fault, str] | None:
        """Say why a mud is not let in, None when it is."""
        network, name = self.network, packet.from_mud
        known = network.muds.get(name)
        if packet.to_mud not in {network.name, ""}:
            return Fault.UNKNOWN_DESTINATION, f"This is {network.name}, not {packet.to_mud}."
        if not is_name(name):
            return Fault.BAD_PACKET, "That is no name of a mud."
        if link.mud and link.mud != name:
            return Fault.BAD_PROTOCOL, f"On this connection you are {link.mud}."
        if known is None and len(network.muds) >= limits.ROUTER_MUDS_MAX:
            return Fault.NOT_ALLOWED, "There are as many muds here as there may be."
        if known is not None and not (
            network.muds.is_password(known, packet.password)
            or network.muds.may_be_lost(known, link.remote)
        ):
            return (
                Fault.NOT_ALLOWED,
                f"The name {name} is taken, and that is not its password; if it is yours, the operator can free it.",
            )
        return None

    def _welcome(self, link: Link, packet: STARTUPS, password: int) -> None:
        own = RouterRow(self.network.name, self._settings.advertise or link.local)
        others = tuple(RouterRow(name, address) for name, address in self._settings.others)
        self.network.send(
            link,
            StartupReply(
                from_mud=self.network.name,
                to_mud=link.mud,
                routers=(own, *others),
                password=password,
            ),
        )
        self._lists.tell_muds(link, packet.mudlist_id)
        if "channel" in link.services:
            self._lists.tell_channels(link, packet.chanlist_id)

    def _goodbye(self, link: Link, packet: Shutdown, now: float) -> None:
        delay = max(packet.restart_delay, 0)
        del self.network.up[link.mud]
        self.network.channels.leave(link.id)
        if delay > FOR_GOOD:
            self._forget([link.mud], now)
        elif 0 < delay < SOON:
            self._down[link.mud] = (now + delay + self._settings.down_after, delay)
        else:
            self._show_down(link.mud, delay, now)
        self.network.close(link)

    def _show_down(self, name: str, state: int, now: float) -> None:
        if self.network.muds.down(name, state, self._wall + now) is not None:
            self.network.keep_mud(name)
            self._lists.changed(now)

    def _forget(self, names: Iterable[str], now: float) -> None:
        """Delete muds with their channels, whose names others may take."""
        network = self.network
        for name in names:
            for channel in network.channels.owned(name):
                network.channels.remove(channel)
                network.keep_channel(channel)
            network.muds.versions.remove(name)
            network.keep_mud(name)
            self._lists.changed(now)


def _absent(mud: Mud | None, at: float) -> Mud | None:
    """Nobody is there when a router starts; who was when it stopped is away since now."""
    if mud is None or not mud.row.is_up:
        return mud
    return Mud(mud.name, with_state(mud.row, DOWN), mud.key, at)


def _has_header(value: object) -> bool:
    """Say whether a packet of an unknown type has a header of the right kinds."""
    if not isinstance(value, list) or len(value) < HEADER:
        return False
    return (
        type(value[1]) is int
        and isinstance(value[2], str)
        and all(isinstance(each, str) or each == 0 for each in value[3:HEADER])
    )
