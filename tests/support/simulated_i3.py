"""Two muds and two routers on simulated hosts, with everything that was accepted, read, heard and told noted."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from holdfast.apps.i3.errors import I3Error
from holdfast.apps.i3.gateway import (
    MIGRATIONS,
    Gateway,
    GatewaySettings,
    RouterAddress,
    events,
)
from holdfast.apps.i3.gateway.unconfirmed import asked_as
from holdfast.apps.i3.router import MIGRATIONS as ROUTER_MIGRATIONS
from holdfast.apps.i3.router import Router, RouterSettings
from holdfast.storage import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.apps.i3.gateway.events import Event
    from holdfast.testing import Host, Simulation

PORT = 8787
ROUTERS = (RouterAddress("*hub", "hub", PORT), RouterAddress("*spare", "spare", PORT))
SAID_AT_ONCE = 4


class Noting(Router):
    """A router that notes which tells it has read."""

    read: Counter[str]

    def _received(self, session: Any, body: bytes) -> None:
        if body.startswith(b'({"tell",'):
            parts = body.split(b'"')
            if parts[7].decode() in self.up:  # otherwise the sender is told
                self.read[parts[-2].decode()] += 1
        super()._received(session, body)


class Mud:
    """A gateway, the program that uses it, and what it went through over all its lives."""

    def __init__(self, network: Network, host: Host, name: str, other: str) -> None:
        self.network = network
        self.host = host
        self.name = name
        self.other = other
        self.gateway: Gateway | None = None
        self.process = host.process
        self.lives = 0
        self.said = 0
        self.accepted: dict[str, str] = {}
        self.queued: set[str] = set()
        self.told: Counter[tuple[int, str]] = Counter()
        self.expired: set[str] = set()
        self.died_with: set[str] = set()
        self.heard: Counter[tuple[str, str]] = Counter()

    @property
    def is_ready(self) -> bool:
        """Whether it is on a router."""
        is_this_life = self.process is self.host.process
        return is_this_life and self.gateway is not None and self.gateway.is_ready

    async def live(self, count: int) -> None:
        """Say so many things, and stay."""
        self.lives += 1
        if (
            self.gateway is not None
        ):  # what was handed over and not yet confirmed is known to the dead only
            handed = self.gateway._desk.machine.unconfirmed._handed
            self.died_with |= {asked_as(each.id) for each in handed}
        settings = GatewaySettings(mud_name=self.name, routers=ROUTERS, ttl=15.0)
        async with Database(self.host.folder / "i3.db", MIGRATIONS) as database:
            gateway = Gateway(database, settings, world=self.host)
            gateway.on_event(self.on_event)
            async with gateway:
                self.gateway, self.process = gateway, self.host.process
                await gateway.channel_join("ale")
                while self.said < count:
                    await asyncio.sleep(self.host.random.choice([0.0, 0.05, 0.5, 3.0]))
                    await self.make_channel(gateway)
                    for _ in range(self.host.random.randint(1, SAID_AT_ONCE)):
                        await self.say(gateway)
                await asyncio.Event().wait()

    async def make_channel(self, gateway: Gateway) -> None:
        """See that the router has the channel."""
        if gateway.is_ready and "ale" not in gateway.channels:
            try:
                await gateway.channel_add("ale")
            except I3Error:
                pass  # the router has just gone

    async def say(self, gateway: Gateway) -> None:
        """A tell, and now and then a line."""
        self.said += 1
        text = f"{self.name[0]}{self.said}"
        try:
            sent = await gateway.tell(self.other, "bo", text, from_user="ann")
            self.accepted[text] = sent.id
            if sent.is_queued:
                self.queued.add(sent.id)
            if self.said % 5 == 0:
                await gateway.channel_send("ale", text, from_user="ann")
        except I3Error:
            pass  # refused, with a reason: it was not accepted

    def on_event(self, event: Event) -> None:
        """Note what it is told."""
        match event:
            case events.TellReceived():
                self.heard["tell", event.message] += 1
            case events.ChannelMessage():
                self.heard["line", event.message] += 1
            case events.ErrorOccurred() if event.message_id:
                self.told[self.lives, event.message_id] += 1
                self.network.world.note("told", f"{self.name} {event.message_id} {event.error}")
                if event.error == "expired":
                    self.expired.add(event.message_id)
            case _:
                pass


class Network:
    """Two routers that are not linked, and two muds that know both."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.read: Counter[str] = Counter()
        self.routers = [world.host(name) for name in ("hub", "spare")]
        for host, address in zip(self.routers, ROUTERS, strict=True):
            host.spawn(self.route, host, address.name)
        self.harbour = Mud(self, world.host("harbour", "cafe"), "Harbour", "Old Keep")
        self.keep = Mud(self, world.host("keep", "cafe"), "Old Keep", "Harbour")
        self.muds = (self.harbour, self.keep)

    @property
    def links(self) -> list[tuple[str, str]]:
        """Between muds and routers."""
        return [(router.name, mud.host.name) for router in self.routers for mud in self.muds]

    def live(self, count: int) -> None:
        """Let both say so many things."""
        for mud in self.muds:
            mud.host.spawn(mud.live, count)

    async def route(self, host: Host, name: str) -> None:
        """Be a router."""
        settings = RouterSettings(name=name, host="0.0.0.0", port=PORT)
        tables = {"i3_router": ROUTER_MIGRATIONS}
        async with Database(host.folder / "router.db", tables) as database:
            router = Noting(database, settings, world=host)
            router.read = self.read
            async with router:
                await asyncio.Event().wait()

    async def settle(self) -> None:
        """After the last fault both find to each other, on the router that is left."""
        world = self.world
        await world.calm()
        self.routers[1].kill()
        await self.until(
            lambda: all(mud.is_ready and mud.gateway.router == ROUTERS[0] for mud in self.muds if mud.gateway),
            within=300,
            what="both are on the router that is left",
        )  # fmt: skip
        await self.until(
            lambda: not any(self.waits(mud) for mud in self.muds),
            within=300,
            what="nothing waits, and all that was handed over is confirmed",
        )
        first, second = self.muds
        await self.until(
            lambda: self.sees(first) and self.sees(second), within=120, what="each sees the other"
        )

    async def until(self, condition: Callable[[], object], *, within: float, what: str) -> None:
        """As the world's, looked at twice a second: what is waited for here takes minutes."""
        for _ in range(int(2 * within)):
            if condition():
                return
            await asyncio.sleep(0.5)
        await self.world.until(condition, within=0, what=what)

    def waits(self, mud: Mud) -> bool:
        """Whether it has said something whose fate is open."""
        assert mud.gateway is not None, "it lives"
        found = mud.gateway.statistics()
        return bool(found["queued"] or found["unconfirmed"] or found["paced"])

    def sees(self, mud: Mud) -> bool:
        """Whether it knows that the other is there."""
        assert mud.gateway is not None, "it lives"
        other = mud.gateway.muds.get(mud.other)
        return other is not None and other.is_up

    def check(self) -> None:
        """Nothing accepted was lost, and nothing happened twice."""
        for mud in self.muds:
            told = {id_ for _, id_ in mud.told} | mud.died_with
            lost = [
                text
                for text, id_ in mud.accepted.items()
                if self.read[text] == 0 and id_ not in told
            ]
            assert not lost, f"{mud.name} said {lost}, which no router has read, and was not told"
            late = [t for t, id_ in mud.accepted.items() if id_ in mud.expired and self.read[t]]
            assert not late, f"{late} of {mud.name} were sent, and reported as not sent"
            again = [each for each, times in mud.told.items() if times > 1]
            assert not again, f"{mud.name} was told twice of {again}"
            twice = [each for each, times in mud.heard.items() if times > 1]
            assert not twice, f"{mud.name} heard {twice} twice"
        sent_twice = [text for text, times in self.read.items() if times > 1]
        assert not sent_twice, f"{sent_twice} were sent twice"
