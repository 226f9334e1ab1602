"""Two muds with mail and a router on simulated hosts, with every letter that was accepted and all that is in boxes noted."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from holdfast.apps.i3.errors import I3Error
from holdfast.apps.i3.gateway import MIGRATIONS, Gateway, GatewaySettings, RouterAddress, events
from holdfast.apps.i3.router import MIGRATIONS as ROUTER_MIGRATIONS
from holdfast.apps.i3.router import Router, RouterSettings
from holdfast.storage import Database

if TYPE_CHECKING:
    from holdfast.apps.i3.gateway.events import Event
    from holdfast.testing import Host, Simulation

PORT = 8787
HUB = RouterAddress("*hub", "hub", PORT)
NAMES = {"harbour": "Harbour", "keep": "Old Keep"}


class Mud:
    """A gateway with mail, and one who writes to a player of the other."""

    def __init__(self, host: Host, other: str) -> None:
        self.host = host
        self.other = other
        self._gateway: Gateway | None = None
        self._process = host.process
        self.written = 0
        self.accepted: set[str] = set()
        self.told: list[str] = []

    @property
    def gateway(self) -> Gateway | None:
        """That of this life; None while it is dead or wakes up."""
        return self._gateway if self._process is self.host.process else None

    async def live(self, count: int) -> None:
        """Write so many letters, and stay."""
        name = NAMES[self.host.name]
        settings = GatewaySettings(
            mud_name=name, routers=(HUB,), mail=True, oob_host="0.0.0.0", oob_port=4008
        )
        async with (
            Database(self.host.folder / "i3.db", MIGRATIONS) as database,
            Gateway(database, settings, world=self.host) as gateway,
        ):
            gateway.on_event(self._happened)
            self._gateway, self._process = gateway, self.host.process
            while self.written < count:
                await asyncio.sleep(self.host.random.choice([0.0, 0.2, 2.0]))
                if self.other in gateway.muds:
                    await self._write(gateway)
            await asyncio.Event().wait()

    async def _write(self, gateway: Gateway) -> None:
        self.written += 1
        text = f"{self.written}"
        try:
            await gateway.mail.send(text, text, from_user="ann", to=[(self.other, "bo")])
        except I3Error:
            return  # refused, with a reason: it was not accepted
        self.accepted.add(text)

    def _happened(self, event: Event) -> None:
        if isinstance(event, events.ErrorOccurred) and event.packet_type == "mail":
            self.told.append(f"{event.message_id} {event.error}: {event.message}")

    async def box(self) -> Counter[str]:
        """What bo has here."""
        assert self.gateway is not None, "it lives"
        return Counter(row.subject for row in await self.gateway.mail.list("bo", limit=100))


class MailNetwork:
    """A router and two muds."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        world.host("hub").spawn(self._route)
        self.muds = [
            Mud(world.host(host), other) for host, other in zip(NAMES, reversed(NAMES.values()), strict=True)
        ]  # fmt: skip

    def live(self, count: int) -> None:
        """Let both write so many letters."""
        for mud in self.muds:
            mud.host.spawn(mud.live, count)

    async def _route(self) -> None:
        host = self.world.host("hub")
        settings = RouterSettings(name=HUB.name, host="0.0.0.0", port=PORT)
        tables = {"i3_router": ROUTER_MIGRATIONS}
        async with (
            Database(host.folder / "router.db", tables) as database,
            Router(database, settings, world=host),
        ):
            await asyncio.Event().wait()

    async def settle(self, count: int) -> None:
        """After the last fault every letter finds its box."""
        await self.world.calm()
        for _ in range(600):
            if all(self._is_done(mud, count) for mud in self.muds):
                return
            await asyncio.sleep(1.0)
        await self.world.until(
            lambda: all(self._is_done(mud, count) for mud in self.muds), within=0, what="no letter waits"
        )  # fmt: skip

    @staticmethod
    def _is_done(mud: Mud, count: int) -> bool:
        gateway = mud.gateway
        return (
            gateway is not None
            and gateway.is_ready
            and mud.written >= count
            and gateway.statistics()["letters_waiting"] == 0
        )

    async def check(self) -> None:
        """No letter that was accepted was lost, none came twice, and nobody was told otherwise."""
        for mud, other in (self.muds, reversed(self.muds)):
            box = await other.box()
            lost = mud.accepted - set(box)
            assert not lost, f"{lost} were accepted and are in no box"
            twice = [text for text, times in box.items() if times > 1]
            assert not twice, f"{twice} are in the box twice"
            assert not mud.told, f"who wrote was told {mud.told}"
