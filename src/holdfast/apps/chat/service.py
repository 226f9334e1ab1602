"""The chat on the hub: pages come in with the token, what they say is kept, what the node shows is shown.

The node does the work; this is its face. There is one channel that all pages read (``board``). What a page says
is acknowledged when it is in the store, and handed to the node from there (``courier``), so a page may be
closed, and this process killed, right after.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from holdfast.apps.chat import limits, store
from holdfast.apps.chat.access import require_own_name
from holdfast.apps.chat.board import Board
from holdfast.apps.chat.courier import Courier
from holdfast.apps.chat.errors import ChatCode, ChatError
from holdfast.apps.chat.files import Files
from holdfast.apps.chat.wire import Hand, Kind, Read, read_auth, read_page_message
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from holdfast.apps.chat import views
    from holdfast.apps.chat.access import PageAccess
    from holdfast.apps.chat.store import Wish
    from holdfast.crypto import Keystore
    from holdfast.node import Message, Node
    from holdfast.ops import ErrorHandler
    from holdfast.session import Handshake, Hub, PresenceState, Session, Transaction
    from holdfast.storage import Database
    from holdfast.world import World

CHANNEL = "chat"


class ChatApp:
    """Implements ``holdfast.session.Application``; an async context manager within which it works.

    Args:
        node: running.
        database: the node's, opened with this application's migrations too.
        errors: the handler that the node reports to.
        access: who may come in.
        keystore: the node's; what pages say lies sealed until the node has it.
        about: what never changes while this runs, shown to pages: ``mode`` and the like.
        world: wall time.
    """

    name = "chat"
    migrations: Sequence[str] = store.MIGRATIONS

    def __init__(
        self,
        node: Node,
        database: Database,
        errors: ErrorHandler,
        access: PageAccess,
        keystore: Keystore,
        *,
        about: Mapping[str, object] | None = None,
        world: World | None = None,
    ) -> None:
        self._world: World = RealWorld() if world is None else world
        self.node = node
        self.database = database
        self.errors = errors
        self.access = access
        self._keystore = keystore
        self._about = dict(about or {})
        self._hub: Hub | None = None
        self._stack = AsyncExitStack()
        self.board = Board(node, errors, self._publish, self._now_ms)
        self.files = Files(node, database, keystore, self._now_ms, self.board.touch)
        self.courier = Courier(node, database, keystore, self._taken, self._refused)

    @property
    def hub(self) -> Hub:
        """The hub that this runs on."""
        assert self._hub is not None, "load comes first"
        return self._hub

    async def __aenter__(self) -> Self:
        """Begin to work; the hub runs already."""
        tasks = asyncio.TaskGroup()
        await self._stack.enter_async_context(tasks)
        self._stack.callback(self.node.on_message(self._came))
        for name, work in (
            ("board", self.board.run),
            ("courier", self.courier.run),
            ("files", self.files.run),
        ):
            task = tasks.create_task(work(), name=f"chat-{name}")
            self._stack.callback(task.cancel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, trace)

    # --- Application ------------------------------------------------------------------------

    async def load(self, hub: Hub) -> None:
        """Count what an earlier process left."""
        self._hub = hub
        self.courier.waiting = await self.database.read(store.count_wishes)
        for session in hub.sessions.values():
            session.tier = "operator"

    def open(self, tx: Transaction, session: Session, auth: bytes, handshake: Handshake) -> None:
        """Admit a page that has the token."""
        require_own_name(handshake.headers.get("host", ""))
        self.access.require(read_auth(auth).token)
        session.principal = "page"
        session.tier = "operator"
        tx.join(session, CHANNEL)

    def message(self, tx: Transaction, session: Session, body: bytes) -> object | None:  # noqa: ARG002 - as the protocol has it
        """Keep what a page says."""
        wish = read_page_message(body)
        if not self.knows(wish.to):
            raise ChatError(
                ChatCode.CONVERSATION_NOT_FOUND, "There is no such conversation (any more)."
            )
        if isinstance(wish, Read):
            self.courier.read(wish.to, wish.through)
            return {}
        if self.courier.waiting >= limits.WISHES_MAX:
            raise ChatError(
                ChatCode.TOO_MANY_WAITING, "The program is behind. Try again.", retry_after=1.0
            )
        if isinstance(wish, Hand):
            row = (wish.id, wish.to, Kind.FILE.value, b"")
            tx.execute(store.HAND_FILE, (wish.id,))
        else:
            body = wish.text.encode("utf-8", "replace")
            sealed = self._keystore.seal(store.wish_label(wish.id), body)
            row = (wish.id, wish.to, Kind.TEXT.value, sealed)
        tx.execute(store.ADD_WISH, row)
        self.courier.waiting += 1
        tx.after.append(self.courier.kick)
        return {}

    def snapshot(self, session: Session, channel: str) -> object:  # noqa: ARG002 - as the protocol has it
        """Return which board all pages should have."""
        return {"revision": self.board.revision} if channel == CHANNEL else {}

    def presence(self, tx: Transaction, session: Session, state: PresenceState) -> None:
        """Pages come and go; nobody is told."""

    # --- for the API ------------------------------------------------------------------------

    async def shown(self) -> views.Shown:
        """Return what all pages see."""
        if not self.board.shown:
            await self.board.refresh()
        return self.board.shown | self._about | {"revision": self.board.revision}

    def knows(self, conversation: str) -> bool:
        """Say whether there is such a conversation."""
        if self.node.contact(conversation) is not None:
            return True
        return any(room.id == conversation for room in self.node.rooms)

    # --- what follows -----------------------------------------------------------------------

    def _now_ms(self) -> int:
        return round(1000 * self._world.wall_now())

    def _publish(self, revision: int) -> None:
        # While the hub is not ready (a commit failed) nobody is told: all pages come back to a snapshot.
        if self.hub.is_ready:
            self.hub.apply(lambda tx: tx.publish(CHANNEL, {"revision": revision}))

    def _came(self, message: Message) -> None:
        if message.kind == Kind.PIECE:
            self.files.came(message)
        else:
            self.board.came(message)

    def _taken(self, wish: Wish) -> None:
        self.board.touch(wish.conversation, wish.id)
        if wish.kind == Kind.FILE:
            self.files.handed()

    def _refused(self, wish: Wish, problem: str) -> None:
        self.errors.handle_error(
            "message", "high", "REFUSED", f"A message was not sent: {problem}", kind=wish.kind
        )
        self.board.look()
