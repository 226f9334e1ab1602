"""A room with its real hub, WebSockets and SQLite store on simulated hosts, and people in it."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any

from holdfast.errors import ResilienceError
from holdfast.server.ws import HubProtocol, TurnFlusher
from holdfast.session import Hub, HubRunner, HubSettings, SessionClient
from holdfast.session.store import MIGRATIONS
from holdfast.storage import Database
from holdfast.testing import NothingLost, Once, OnceInOrder, Returns
from tests.support.room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.testing import Host, Simulation

PORT = 8400
URL = f"ws://server:{PORT}/ws"


async def serve(host: Host, app: Any, settings: HubSettings | None = None) -> None:
    """What ``holdfast serve`` does, without HTTP: until cancelled."""
    migrations = {"session": MIGRATIONS, app.name: app.migrations}
    async with Database(host.folder / "holdfast.db", migrations) as database:
        hub = Hub(app, database=database, world=host, settings=settings)
        async with HubRunner(hub):
            flusher = TurnFlusher()
            loop = asyncio.get_running_loop()
            server = await loop.create_server(lambda: HubProtocol(hub, flusher), "0.0.0.0", PORT)
            async with server:
                await server.serve_forever()


async def serve_room(host: Host, settings: HubSettings | None = None) -> None:
    await serve(host, Room(), settings)


class Person:
    """Says numbered things in the room, and watches what everybody says."""

    def __init__(self, town: Town, host: Host) -> None:
        self.town = town
        self.host = host
        self.said = 0
        self.seen = 0
        self.client: SessionClient | None = None
        self.is_done = False
        self.session: str | None = None

    async def live(self, count: int, pause: float) -> None:
        source = self.host.random
        self.client = SessionClient(
            URL, {}, on_state=self.on_state, on_event=self.on_event, world=self.host
        )
        async with self.client as client:
            self.session = client.session
            while self.said < count:
                await asyncio.sleep(source.uniform(0, 2 * pause))
                self.said += 1
                text = f"{self.host.name}-{self.said}"
                reply: Any = await client.send({"say": text})
                self.town.lost.acknowledged(text)
                self.town.world.note("said", f"{text} {reply['n']}")
            self.is_done = True
            await asyncio.Event().wait()

    def on_state(self, channel: str, state: Any) -> None:
        if channel == "room":
            self.town.order.began(self.host.name, state["count"])
            self.seen = state["count"]

    def on_event(self, channel: str, data: Any) -> None:
        self.seen += 1
        self.town.order.seen(self.host.name, self.seen)
        self.town.twice.happened((self.host.name, data["say"]))


class Town:
    """A server, people, and the checkers that watch them."""

    def __init__(
        self,
        world: Simulation,
        people: int,
        *,
        profile: str = "cafe",
        settings: HubSettings | None = None,
        program: Callable[..., Any] = serve_room,
    ) -> None:
        self.world = world
        self.lost = NothingLost()
        self.order = OnceInOrder()
        self.twice = Once("each message is seen once")
        self.returns = Returns()
        self.server = world.host("server")
        self.server.spawn(program, self.server, settings)
        self.people = [
            Person(self, world.host(f"phone{number}", profile)) for number in range(people)
        ]

    @property
    def links(self) -> list[tuple[str, str]]:
        return [("server", person.host.name) for person in self.people]

    def live(self, count: int, pause: float) -> None:
        for person in self.people:
            person.host.spawn(person.live, count, pause)

    def stored(self) -> list[str]:
        """What is in the store, as another process would read it."""
        connection = sqlite3.connect(self.server.folder / "holdfast.db")
        texts = [text for (text,) in connection.execute("SELECT text FROM said ORDER BY n")]
        connection.close()
        return texts

    async def settle(self, within: float = 90.0) -> None:
        """After the last fault all comes to rest: everybody has said and seen everything."""
        world, people = self.world, self.people
        await world.calm()
        await world.until(
            lambda: all(person.is_done for person in people),
            within=within,
            what="all comes to rest",
        )
        total = sum(person.said for person in people)
        await world.until(
            lambda: all(person.seen == total for person in people),
            within=within,
            what="everybody sees everything in the end",
        )

    def check(self) -> None:
        texts = self.stored()
        self.lost.check(texts)
        assert len(texts) == len(set(texts)), "a message had its effect twice"
        assert len(texts) == sum(person.said for person in self.people)
        for person in self.people:
            assert person.client is not None
            assert person.client.session == person.session, "a session was lost"
        self.order.check(len(texts), [person.host.name for person in self.people])


__all__ = ["PORT", "URL", "Person", "ResilienceError", "Town", "serve", "serve_room"]
if TYPE_CHECKING:
    _ = Sequence
