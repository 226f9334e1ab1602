"""Nodes and gateways on real sockets: started, killed and started again by a test."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from holdfast.crypto import Keystore
from holdfast.mailbox import GatewayAddress, GatewaySettings
from holdfast.mailbox.gateway import Gateway
from holdfast.mailbox.store import MIGRATIONS
from holdfast.mailbox.tls import make_certificate, pin_of_file, server_context
from holdfast.node import Node, NodeSettings
from holdfast.node.store import NODE_MIGRATIONS
from holdfast.storage import Database, Durability
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from holdfast.node import Message

QUICK: dict[str, Any] = {
    "retry_initial": 0.05,
    "retry_max": 0.5,
    "ack_delay": 0.05,
    "resend_after": 1.0,
    "attempt_timeout": 2.0,
    "self_test": False,
}


class GatewayHere:
    """A gateway in this process, on one port for ever; ``kill`` forgets what was not committed."""

    kind: type[Gateway] = Gateway

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        folder.mkdir()
        self.folder = folder
        self.host = host
        self.allows = GatewaySettings()
        make_certificate(folder / "key.pem")
        self.pin = pin_of_file(folder / "key.pem")
        self.port = 0
        self.pipes: list[GatewayAddress] = []
        self.gateway: Gateway
        self._stack = AsyncExitStack()

    @property
    def address(self) -> GatewayAddress:
        return GatewayAddress(self.host, self.port, self.pin)

    async def start(self) -> None:
        database = Database(
            self.folder / "gateway.db",
            {"mailbox": MIGRATIONS},
            durability=Durability.PROCESS_DEATH,
        )
        await self._stack.enter_async_context(database)
        self.gateway = self.kind(
            database,
            pin=self.pin,
            settings=self.allows,
            pipe_to=self.pipes,
            tls=server_context(self.folder / "key.pem"),
            world=RealWorld(),
        )
        self.port = await self.gateway.start(self.host, self.port)
        self._stack.push_async_callback(self.gateway.stop)

    async def stop(self) -> None:
        await self._stack.aclose()
        self._stack = AsyncExitStack()


class Person:
    """A node with one identity, and what it heard."""

    def __init__(self, folder: Path, name: str, **settings: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.name, self.settings = folder, name, settings
        self.heard: list[Message] = []
        self.node: Node
        self.me = ""
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        database = Database(
            self.folder / "node.db", NODE_MIGRATIONS, durability=Durability.PROCESS_DEATH
        )
        await self._stack.enter_async_context(database)
        keystore = Keystore.open(self.folder / "node.key")
        settings = NodeSettings(**{**QUICK, **self.settings})
        self.node = await self._stack.enter_async_context(Node(database, keystore, settings))
        self.node.on_message(self.heard.append)
        known = self.node.identities
        self.me = known[0].id if known else (await self.node.create_identity(self.name)).id

    async def stop(self) -> None:
        await self._stack.aclose()
        self._stack = AsyncExitStack()

    def contact(self, name: str) -> str:
        return next(each.id for each in self.node.contacts if each.name == name)

    def texts(self) -> list[str]:
        return [message.text for message in self.heard]


class World:
    """Gateways and people; use it as an async context manager.

    Args:
        folder: of their folders.
        gateways: how many, or some that were made already.
    """

    def __init__(self, folder: Path, gateways: int | Sequence[GatewayHere] = 3) -> None:
        self.folder = folder
        self.gateways: Sequence[GatewayHere] = (
            [GatewayHere(folder / f"gateway{n}") for n in range(gateways)]
            if isinstance(gateways, int)
            else gateways
        )
        self.people: list[Person] = []

    async def __aenter__(self) -> Self:
        for gateway in self.gateways:  # once, to have a port
            await gateway.start()
            await gateway.stop()
        for gateway in self.gateways:
            gateway.pipes = [each.address for each in self.gateways if each is not gateway]
            await gateway.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for person in self.people:
            await person.stop()
        for gateway in self.gateways:
            await gateway.stop()

    async def person(self, name: str, **settings: Any) -> Person:
        addresses = tuple(gateway.address for gateway in self.gateways)
        person = Person(self.folder / name, name, **{"gateways": addresses, **settings})
        self.people.append(person)
        await person.start()
        return person


async def befriend(host: Person, guest: Person) -> None:
    """Introduce two people to each other, and wait until both know."""
    invitation = await host.node.invite(host.me, name=guest.name)
    contact = await guest.node.accept(guest.me, invitation.link, host.name)
    await until(lambda: ready(host, invitation.contact) and ready(guest, contact.id))


def ready(person: Person, contact: str) -> bool:
    found = person.node.contact(contact)
    return found is not None and found.state.value == "ready"


async def until(look: Callable[[], object], within: float = 30.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(within):
        while not look():
            await asyncio.sleep(0.01)
