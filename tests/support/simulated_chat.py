"""Three gateways and people on simulated hosts, with everything that was accepted and shown noted."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from holdfast.crypto import Keystore
from holdfast.errors import InvitationError, ResilienceError
from holdfast.mailbox import GatewayAddress, GatewaySettings, MailboxSettings
from holdfast.mailbox.gateway import Gateway
from holdfast.mailbox.store import MIGRATIONS
from holdfast.node import ContactState, MessageState, Mode, Node, NodeSettings
from holdfast.node.store import NODE_MIGRATIONS
from holdfast.storage import Database

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from holdfast.node import Contact, Message
    from holdfast.testing import Host, Profile, Simulation

PORT = 7000
LOOSE = GatewaySettings(
    create_rate=100.0, create_burst=1000, deposit_rate=1000.0, deposit_burst=10_000
)


def address(name: str) -> GatewayAddress:
    return GatewayAddress(name, PORT, sha256(name.encode()).digest())


class Person:
    """A node, who uses it, and what went through it over all its lives."""

    def __init__(self, town: Town, host: Host) -> None:
        self.town = town
        self.host = host
        self.name = host.name
        self._node: Node | None = None
        self._process = host.process
        self.accepted: dict[str, int] = Counter()
        self.shown: Counter[tuple[str, str]] = Counter()
        self.said_at: dict[str, float] = {}
        self.shown_at: dict[str, float] = {}
        self.is_done = False

    @property
    def node(self) -> Node | None:
        """That of this life; None while it is dead or wakes up."""
        return self._node if self._process is self.host.process else None

    async def live(self) -> None:
        """Meet those whom the plan says, say so many things to each, and stay."""
        folder = self.host.folder
        keystore = Keystore(sha256(self.name.encode()).digest(), self.host)
        async with Database(folder / "node.db", NODE_MIGRATIONS) as database:
            async with Node(database, keystore, self.town.settings, world=self.host) as node:
                self._node, self._process = node, self.host.process
                node.on_message(self.on_message)
                me = (
                    node.identities[0] if node.identities else await node.create_identity(self.name)
                )
                for other in self.town.friends(self.name):
                    await self.meet(node, me.id, other)
                for other in self.town.friends(self.name):
                    await self.talk(node, other)
                self.is_done = True
                await asyncio.Event().wait()

    def friend(self, other: str) -> Contact | None:
        """The contact of that name that was met."""
        assert self.node is not None, "it lives"
        for contact in self.node.contacts:
            if contact.name == other and contact.state is not ContactState.INVITED:
                return contact
        return None

    async def meet(self, node: Node, identity: str, other: str) -> None:
        """The one whose name comes first invites; the link goes from hand to hand."""
        links = self.town.links_given
        while self.friend(other) is None:
            with suppress(ResilienceError):  # no gateway is there now
                if self.name < other:
                    if (self.name, other) not in links:
                        made = await node.invite(identity, name=other)
                        links[self.name, other] = made.link
                elif (other, self.name) in links:
                    with suppress(InvitationError):  # used before a crash
                        await node.accept(identity, links[other, self.name], other)
            await asyncio.sleep(0.5)

    async def talk(self, node: Node, other: str) -> None:
        """Say all that is left to say."""
        contact = self.friend(other)
        assert contact is not None, "they have met"
        while self.accepted[other] < self.town.count:
            number = self.accepted[other] + 1
            text = f"{self.name} {number}"
            await node.send(contact.id, text, message_id=f"{self.name}-{other}-{number:05d}")
            self.accepted[other] = number
            self.said_at.setdefault(f"{other} {text}", self.town.world.now)
            await asyncio.sleep(self.host.random.choice([0.0, 0.1, 2.0]))

    def on_message(self, message: Message) -> None:
        self.shown[message.conversation, message.id] += 1
        self.shown_at.setdefault(f"{self.name} {message.body.decode()}", self.town.world.now)

    async def heard(self, other: str) -> list[str]:
        """What is kept of what the other said."""
        contact = self.friend(other)
        if contact is None or self.node is None:
            return []
        history = await self.node.history(contact.id, limit=1000)
        return [each.body.decode() for each in history if each.state is MessageState.RECEIVED]


class Town:
    """Gateways and people; who knows whom is a ring."""

    def __init__(
        self,
        world: Simulation,
        people: int,
        count: int,
        *,
        profile: Profile | str = "cafe",
        mode: Mode = Mode.DIRECT,
        gateways: int = 3,
        **knobs: Any,
    ) -> None:
        self.world = world
        self.count = count
        self.links_given: dict[tuple[str, str], str] = {}
        self.gateways = [world.host(f"gate{number}") for number in range(gateways)]
        self.addresses = tuple(address(host.name) for host in self.gateways)
        knobs.setdefault("self_test", False)
        self.settings = NodeSettings(
            gateways=self.addresses,
            mode=mode,
            mailbox=MailboxSettings(is_plain=True),
            **knobs,
        )
        for host in self.gateways:
            host.spawn(self.serve, host)
        names = [f"p{number}" for number in range(people)]
        self._friends = {name: set[str]() for name in names}
        for number, name in enumerate(names):
            other = names[(number + 1) % people]
            if other != name:
                self._friends[name].add(other)
                self._friends[other].add(name)
        self.people = [Person(self, world.host(name, profile)) for name in names]

    def friends(self, name: str) -> list[str]:
        return sorted(self._friends[name])

    @property
    def links(self) -> list[tuple[str, str]]:
        return [(gate.name, person.name) for gate in self.gateways for person in self.people]

    def live(self) -> None:
        for person in self.people:
            person.host.spawn(person.live)

    async def serve(self, host: Host) -> None:
        """Be a gateway."""
        own = address(host.name)
        async with Database(host.folder / "gateway.db", {"mailbox": MIGRATIONS}) as database:
            others = [each for each in self.addresses if each != own]
            gateway = Gateway(database, pin=own.pin, settings=LOOSE, pipe_to=others, world=host)
            await gateway.start("0.0.0.0", PORT)
            try:
                await asyncio.Event().wait()
            finally:
                await gateway.stop()

    async def until(self, condition: Callable[[], object], *, within: float, what: str) -> None:
        """As the world's, looked at twice a second."""
        for _ in range(int(2 * within)):
            if condition():
                return
            await asyncio.sleep(0.5)
        await self.world.until(condition, within=0, what=what)

    async def settle(self, within: float = 900.0) -> None:
        """After the last fault everything arrives, and nothing waits any more."""
        await self.world.calm()
        await self.until(
            lambda: all(person.is_done for person in self.people),
            within=within,
            what="everybody has said everything",
        )
        await self.until(
            lambda: all(person.node and not person.node.queue().waiting for person in self.people),
            within=within,
            what="the retry queue empties after healing",
        )

    async def check(self) -> None:
        """Nothing accepted is lost, nothing is kept or shown twice, the order is the sender's."""
        for person in self.people:
            again = {key: times for key, times in person.shown.items() if times > 1}
            assert not again, f"{person.name} was shown {again} again"
            for other in self.friends(person.name):
                expected = [f"{other} {number}" for number in range(1, self.count + 1)]
                heard = await person.host.run(person.heard, other)
                assert heard == expected, f"{person.name} has of {other}: {heard}"
