"""What the parts of a node share: jobs of the database, what was found in it, and who is told of what changed."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from holdfast.node._jobs import Jobs
from holdfast.node._keyring import Keyring
from holdfast.node._work import Outcome, View, Work
from holdfast.node.model import (
    ContactChanged,
    ErrorNoted,
    MessageState,
    QueueChanged,
    QueueStatus,
    Room,
    RoomChanged,
)
from holdfast.node.store import RoomFacts, Vault
from holdfast.ops import ErrorHandler
from holdfast.ops.errors import ErrorCategory, ErrorSeverity

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from holdfast.crypto import Keystore
    from holdfast.node._courier import Courier
    from holdfast.node.model import Change, ContactId, ConversationId, Message, RoomId
    from holdfast.node.settings import NodeSettings
    from holdfast.storage import Database
    from holdfast.world import World

T = TypeVar("T")
_Follows = tuple[Outcome, "dict[RoomId, Room] | None", "QueueStatus | None"]
log = logging.getLogger("holdfast.node")

QUEUE = (
    "SELECT priority, count(*), sum(is_at_gateway), min(accepted_ms) FROM node_outgoing"
    " WHERE message IS NOT NULL AND cipher != 3 GROUP BY priority"
)
"""What expired and had its number still goes out, as *nothing* (3); nobody waits for it. It has an index of its own."""

UNREAD = "SELECT conversation, count(*) FROM node_message WHERE is_unread GROUP BY conversation"
NUMBERED = "SELECT contact, seq, priority, is_at_gateway FROM node_outgoing WHERE seq IS NOT NULL"


class Desk:
    """The state of one node while its process lives.

    Args:
        database: where all is kept.
        keystore: opens and seals rows.
        settings: of the node.
        courier: carries what has a number.
        errors: where errors are reported.
        world: wall time, chance, ids and secrets.

    Attributes:
        keyring: keys of contacts, ready to be used.
        views: contacts, the oldest first.
        rooms: by id, the oldest first.
        unread: messages by conversation.
        duplicates: messages that came once more.
        received: messages that came.
    """

    def __init__(
        self,
        database: Database,
        keystore: Keystore,
        settings: NodeSettings,
        courier: Courier,
        *,
        errors: ErrorHandler | None,
        world: World,
    ) -> None:
        self.database = database
        self.settings = settings
        self.courier = courier
        self.world = world
        self.errors = ErrorHandler(world=world) if errors is None else errors
        self.vault = Vault(keystore)
        self.keyring = Keyring()
        self.views: dict[ContactId, View] = {}
        self.rooms: dict[RoomId, Room] = {}
        self.unread: dict[ConversationId, int] = {}
        self.queue = QueueStatus()
        self.on_message: list[Callable[[Message], object]] = []
        self.on_change: list[Callable[[Change], object]] = []
        self.on_outcome: list[Callable[[Outcome], object]] = []
        self.duplicates = 0
        self.received = 0
        self._jobs = Jobs(
            database, now_ms=self.now_ms, begin=self._work, end=self._end, settle=self._settle
        )
        self._epoch_ms = 0

    # --- time -------------------------------------------------------------------------------

    @staticmethod
    def now() -> float:
        """Return seconds on the loop's clock."""
        return asyncio.get_running_loop().time()

    def now_ms(self) -> int:
        """Return milliseconds since 1970 that never jump while the process lives."""
        return self._epoch_ms + int(self.now() * 1000)

    # --- the database -----------------------------------------------------------------------

    async def load(self) -> None:
        """Read what was kept; raises StorageError and KeystoreError."""
        self._epoch_ms = int((self.world.wall_now() - self.now()) * 1000)
        now, now_ms = self.now(), self.now_ms()
        numbered = await self.database.read(lambda connection: self._load(connection, now_ms))
        for contact, seq, priority, is_at_gateway in numbered:
            self.courier.add((contact, seq), priority, now, copies=int(is_at_gateway))

    def _load(self, connection: sqlite3.Connection, now_ms: int) -> list[tuple[str, int, int, int]]:
        work = self._work(connection, now_ms)
        rows = connection.execute("SELECT id FROM node_contact ORDER BY number").fetchall()
        self.views = {contact: work.view(work.pair(contact)) for (contact,) in rows}
        self.rooms = self._rooms(connection)
        self.unread = dict(connection.execute(UNREAD).fetchall())
        self.queue = _counted(connection)
        return connection.execute(NUMBERED).fetchall()

    async def do(self, job: Callable[[Work], T]) -> T:
        """Run a job with keys and messages; what follows from it has happened when this returns.

        Raises:
            StorageError: 8xxx; nothing was done.
        """
        return await self._jobs.do(job)

    def _end(self, work: Work) -> _Follows:
        outcome = work.done()
        is_stale = outcome.rooms_changed or self._knows_more(outcome)
        rooms = self._rooms(work.connection) if is_stale else None
        queue = _counted(work.connection) if QueueChanged() in outcome.changes else None
        return outcome, rooms, queue

    def _work(self, connection: sqlite3.Connection, now_ms: int) -> Work:
        return Work(connection, self.vault, self.world, self.settings, now_ms)

    def _knows_more(self, outcome: Outcome) -> bool:
        """Say whether somebody who is only known from a room has become known."""
        for contact, view in outcome.views.items():
            before = self.views.get(contact)
            if view.is_hidden and (before is None or before.facts.identity != view.facts.identity):
                return True
        return False

    def _rooms(self, connection: sqlite3.Connection) -> dict[RoomId, Room]:
        found: dict[RoomId, Room] = {}
        for room_id, identity, owner, is_open, sealed in connection.execute(
            "SELECT id, identity, owner, is_open, facts FROM node_room ORDER BY number"
        ).fetchall():
            facts = self.vault.unseal_facts(f"room {room_id}", sealed, RoomFacts)
            marks = (self.vault.mark(identity, member.key) for member in facts.members)
            rows = (
                connection.execute("SELECT id FROM node_contact WHERE peer = ?", (mark,)).fetchone()
                for mark in marks
            )  # fmt: skip
            members = tuple(row[0] for row in rows if row is not None)
            found[room_id] = Room(room_id, identity, facts.name, owner, members, bool(is_open))
        return found

    # --- what follows -----------------------------------------------------------------------

    def _settle(self, follows: _Follows) -> None:
        """Do what follows from a transaction that is committed."""
        outcome, rooms, queue = follows
        self.rooms = self.rooms if rooms is None else rooms
        self.queue = self.queue if queue is None else queue
        now, courier = self.now(), self.courier
        self.views.update(outcome.views)
        for contact in outcome.renewed:
            courier.forget(contact)
        for key in outcome.done:
            courier.done(key)
        for numbered in outcome.numbered:
            courier.add((numbered.contact, numbered.seq), numbered.priority, now)
        for key in outcome.missing:
            courier.missing(key, now)
        self.duplicates += outcome.duplicates
        for listener in self.on_outcome:
            listener(outcome)
        for problem in outcome.problems:
            self.report(problem.category, problem.severity, problem.code, problem.message)
        for message in outcome.messages:
            self._came(message)
        for change in dict.fromkeys(outcome.changes):  # each once, the queue's among them
            self.tell(change)

    def _came(self, message: Message) -> None:
        self.received += 1
        if not message.kind.startswith("."):
            self.unread[message.conversation] = self.unread.get(message.conversation, 0) + 1
        self._call(self.on_message, message)

    def tell(self, change: Change) -> None:
        """Tell all who listen of a change."""
        self._call(self.on_change, change)
        if getattr(change, "state", None) is MessageState.RECEIVED:
            conversation = change.conversation  # type: ignore[union-attr]
            is_room = conversation in self.rooms
            self._call(
                self.on_change,
                RoomChanged(conversation) if is_room else ContactChanged(conversation),
            )

    def report(
        self, category: ErrorCategory, severity: ErrorSeverity, code: str, message: str
    ) -> None:
        """Report an error, and tell all who listen."""
        self.tell(ErrorNoted(self.errors.handle_error(category, severity, code, message)))

    @staticmethod
    def _call(listeners: Iterable[Callable[[Any], object]], what: object) -> None:
        for listener in tuple(listeners):
            try:
                listener(what)
            except Exception:  # a listener's bug is not the node's
                log.exception("a listener of a node failed")

    def close(self) -> None:
        """Let nothing follow any more from what is still committed."""
        self._jobs.close()


def _counted(connection: sqlite3.Connection) -> QueueStatus:
    """Count what waits."""
    rows = cast("list[tuple[int, int, int, int]]", connection.execute(QUEUE).fetchall())
    return QueueStatus(
        waiting=sum(row[1] for row in rows),
        by_priority={row[0]: row[1] for row in rows},
        at_gateway=sum(row[2] for row in rows),
        oldest_ms=min((row[3] for row in rows), default=None),
    )


def of_gateway(desk: Desk) -> Callable[[str, str], None]:
    """Return what reports troubles with gateways."""
    return partial(desk.report, ErrorCategory.GATEWAY, ErrorSeverity.MEDIUM)
