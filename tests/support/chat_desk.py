"""The chat's program on a real store, in front of a node without a network; pages that speak in frames and requests."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from holdfast.apps.chat import ChatApp, PageAccess, chat_routes
from holdfast.apps.chat.access import OwnNameOnly
from holdfast.apps.chat.store import MIGRATIONS
from holdfast.crypto import Keystore
from holdfast.ops import ErrorHandler
from holdfast.server import build_app
from holdfast.session import Handshake, Hub, HubRunner
from holdfast.session.store import MIGRATIONS as SESSION_MIGRATIONS
from holdfast.storage import Database
from holdfast.world import RealWorld
from tests.support.fake_node import FakeNode
from tests.support.links import RecordingLink, TestClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

KEYSTORE = Keystore(bytes(range(32)))


class PageClient(TestClient):
    """A page: it shows its token, and says wishes."""

    host = "127.0.0.1:9"

    def connect(self) -> None:
        self.link = RecordingLink()
        self.heard: list[dict[str, Any]] = []
        handshake = Handshake(headers={"host": self.host})
        self.connection = self.hub.connect(self.link, self.codec, handshake)

    async def hears(self, kind: str, words: str = "", within: float = 10.0) -> dict[str, Any]:
        """Wait for a frame of a kind in which a word stands; what came before it is kept, too."""
        found: dict[str, Any] = await until(lambda: self._found(kind, words), within)
        return found

    def _found(self, kind: str, words: str) -> dict[str, Any] | None:
        self.heard += self.take()
        found = (frame for frame in self.heard if frame["t"] == kind and words in str(frame))
        return next(found, None)


class Desk:
    """One person's program."""

    def __init__(self, app: ChatApp, node: FakeNode, database: Database, hub: Hub) -> None:
        self.app, self.node, self.database, self.hub = app, node, database, hub
        asgi = OwnNameOnly(build_app(hub, chat_routes(app)))
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=asgi),  # type: ignore[arg-type]
            base_url="http://127.0.0.1:9",
            headers={"Authorization": f"Bearer {app.access.token}"},
        )

    async def page(self, stream: str = "stream-a") -> PageClient:
        page = PageClient(self.hub, stream)
        page.say({"t": "hello", "v": 1, "stream": stream, "auth": {"token": self.app.access.token}})
        page.remember(await page.hears("welcome"))
        return page

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        answer = await self.http.request(method, f"/api/chat{path}", **more)
        assert answer.status_code < 300, answer.text
        return msgspec.json.decode(answer.content) if answer.content else None


async def until(look: Callable[[], Any], within: float = 10.0) -> Any:
    """Wait until something is there, and return it."""
    async with asyncio.timeout(within):
        while not (found := look()):
            await asyncio.sleep(0.002)
    return found


@asynccontextmanager
async def a_desk(folder: Path, node: FakeNode) -> AsyncIterator[Desk]:
    world = RealWorld()
    migrations = {"session": SESSION_MIGRATIONS, "chat": MIGRATIONS}
    async with Database(folder / "node.db", migrations) as database:
        access = PageAccess(folder, world)
        errors = ErrorHandler()
        app = ChatApp(node, database, errors, access, KEYSTORE, about={"mode": "direct"})  # type: ignore[arg-type]
        hub = Hub(app, database=database, world=world)
        async with HubRunner(hub, spread=0.0), app:
            desk = Desk(app, node, database, hub)
            try:
                yield desk
            finally:
                await desk.http.aclose()


async def two_friends() -> tuple[FakeNode, FakeNode, str, str]:
    """Return two nodes that know each other, and what each calls the conversation."""
    ada, bob = FakeNode("ada"), FakeNode("bob")
    await ada.create_identity("Ada")
    await bob.create_identity("Bob")
    invitation = await ada.invite("identity-0", name="Bob")
    met = await bob.accept("identity-0", invitation.link, "Ada")
    return ada, bob, invitation.contact, met.id
