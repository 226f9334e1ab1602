"""A router's machine with muds around it: what each was sent, and what the shell was told to do."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.apps.i3 import packets as p
from holdfast.apps.i3.lpc import decode, encode
from holdfast.apps.i3.router import RouterSettings
from holdfast.apps.i3.router.effects import Admit, Close, KeepChannel, KeepMud, Pause, Send
from holdfast.apps.i3.router.machine import Kept, RouterMachine

if TYPE_CHECKING:
    from holdfast.apps.i3.router.effects import Effect

P = TypeVar("P", bound=p.Packet)

HUB = "*hub"
WALL = 1_700_000_000.0
SERVICES = {"tell": 1, "channel": 1, "who": 1, "locate": 1, "ucache": 1}


class Mud:
    """One mud on one connection."""

    def __init__(self, net: Net, number: int, name: str) -> None:
        self.net = net
        self.number = number
        self.name = name
        self.heard: list[list[Any]] = []
        self.is_closed = False
        self.is_admitted = False
        self.paused: list[float] = []

    def start(self, password: int = 0, **more: Any) -> int:
        """Start up, as it should be unless it is said otherwise; return the password that came."""
        self.say(startup(self.name, password, **more))
        replies = self.all(p.StartupReply)
        return replies[-1].password if replies else 0

    def say(self, what: p.Packet | list[Any], size: int = 100) -> None:
        """Send a packet, or something that is none."""
        value = decode(encode(p.write(what) if isinstance(what, p.Packet) else what))
        self.net.do(self.net.machine.received(self.number, value, size, self.net.now))

    def tell(self, to: str, text: str = "hi", **more: Any) -> None:
        """Send a tell."""
        self.say(p.Tell(**{"from_mud": self.name, "from_user": "ann", "to_mud": to, "to_user": "bo",
                           "visname": "Ann", "text": text, **more}))  # fmt: skip

    def line(self, channel: str, text: str = "hi") -> None:
        """Say something on a channel."""
        self.say(p.ChannelMessage(from_mud=self.name, from_user="ann", channel=channel, visname="Ann", text=text))  # fmt: skip

    def to_hub(self, type_: type[p.Packet], /, **more: Any) -> None:
        """Ask something of the router."""
        self.say(type_(**{"from_mud": self.name, "from_user": "ann", "to_mud": HUB, **more}))

    def listen(self, channel: str, is_on: int = 1) -> None:
        """Tune in or out."""
        self.to_hub(p.ChannelListen, channel=channel, is_on=is_on, from_user="")

    def lose(self) -> None:
        """The connection breaks."""
        self.net.do(self.net.machine.lost(self.number, self.net.now))

    def all(self, kind: type[P]) -> list[P]:
        """Return what came of a kind."""
        found = [p.read(value) for value in self.heard if value[0] == p.type_of(kind)]
        return [each for each in found if isinstance(each, kind)]

    def took(self, kind: type[P]) -> list[P]:
        """Return it, and forget all that came."""
        found = self.all(kind)
        self.heard.clear()
        return found

    def faults(self) -> list[str]:
        """Return the codes of the errors that came, and forget all that came."""
        return [each.code for each in self.took(p.ErrorPacket)]

    def listed(self) -> dict[str, p.MudRow | None]:
        """Return what the mudlists that came make together."""
        return {name: row for each in self.all(p.Mudlist) for name, row in each.muds.items()}

    def channels(self) -> dict[str, p.ChannelRow | None]:
        """Return what the lists of channels that came make together."""
        return {
            name: row for each in self.all(p.ChanlistReply) for name, row in each.channels.items()
        }


class Net:
    """The machine and its clock."""

    def __init__(self, kept: Kept | None = None, **settings: Any) -> None:
        self.now = 100.0
        chance = random.Random(7)
        self.machine = RouterMachine(
            RouterSettings(name=HUB, **settings), chance.randbytes, wall=WALL, kept=kept
        )
        self.muds: dict[int, Mud] = {}
        self.kept: list[KeepMud | KeepChannel] = []
        self.order: list[Effect] = []
        self.do(self.machine.on_time(self.now))

    def connect(self, name: str, remote: str = "192.0.2.1") -> Mud:
        """A mud connects, and says nothing."""
        number = len(self.muds) + 1
        mud = self.muds[number] = Mud(self, number, name)
        self.machine.connected(number, remote, "192.0.2.9 8787")
        return mud

    def up(self, name: str, **more: Any) -> Mud:
        """A new mud connects and starts up; what came of that is forgotten, by the others too."""
        mud = self.connect(name)
        mud.start(**more)
        self.wait(1.0)
        for each in self.muds.values():
            each.heard.clear()
        return mud

    def wait(self, seconds: float) -> None:
        """Let time pass, and do what is due when it is due."""
        until = self.now + seconds
        while (due := self.machine.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.do(self.machine.on_time(self.now))
        self.now = until

    def do(self, effects: list[Effect]) -> None:
        """Be the shell, one that keeps everything at once."""
        self.order += effects
        for effect in effects:
            match effect:
                case Send(links, value):
                    body = encode(value)
                    for number in links:
                        if number in self.machine.network.links and not self.muds[number].is_closed:
                            self.muds[number].heard.append(decode(body))  # type: ignore[arg-type]
                case Close(link):
                    self.muds[link].is_closed = True
                case Admit(link):
                    self.muds[link].is_admitted = True
                case Pause(link, seconds):
                    self.muds[link].paused.append(seconds)
                case KeepMud() | KeepChannel():
                    self.kept.append(effect)

    def restarted(self) -> Kept:
        """Return what a store would have, and read it again."""
        muds = {each.name: each for each in self.kept if isinstance(each, KeepMud)}
        channels = {each.name: each for each in self.kept if isinstance(each, KeepChannel)}
        by_number = sorted(muds.values(), key=lambda each: each.number)
        of_channels = sorted(channels.values(), key=lambda each: each.number)
        return Kept(
            WALL + self.now,
            max((each.number for each in by_number), default=0),
            max((each.number for each in of_channels), default=0),
            tuple((each.name, each.mud) for each in by_number),
            tuple((each.name, each.channel) for each in of_channels),
        )


def startup(name: str, password: int = 0, **more: Any) -> p.StartupReq3:
    """What a mud says first."""
    fields: dict[str, Any] = {
        "from_mud": name, "to_mud": HUB, "password": password, "mudlist_id": 0, "chanlist_id": 0, "player_port": 4000,
        "oob_tcp_port": 0, "oob_udp_port": 0, "mudlib": "Lib", "base_mudlib": "Base", "driver": "Driver",
        "mud_type": "LP", "open_status": "open for public", "email": "ops@a.invalid", "services": SERVICES, "other": 0,
    }  # fmt: skip
    return p.StartupReq3(**{**fields, **more})
