"""A node: identities, contacts, rooms and conversations that reach each other through gateways.

::

    async with Database(folder / "node.db", NODE_MIGRATIONS) as database:
        keystore = Keystore.open(folder / "node.key", passphrase, world=world)
        async with Node(database, keystore, NodeSettings(gateways=(one, two, three))) as node:
            me = await node.create_identity("Ada")
            invitation = await node.invite(me.id)          # give the link to a friend
            friend = await node.accept(me.id, link, "Bob")  # or use the link of one
            await node.send(friend.id, "hello")
"""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from holdfast import limits
from holdfast.crypto import IdentityKeys, fingerprint, safety_words
from holdfast.errors import NetworkError, NodeError
from holdfast.health import Supervisor
from holdfast.node import _contacts, _rooms, _said
from holdfast.node._chores import Chores
from holdfast.node._courier import Courier
from holdfast.node._desk import Desk, of_gateway
from holdfast.node._gates import Gates
from holdfast.node._intake import Intake
from holdfast.node._mailboxes import Mailboxes
from holdfast.node._post import Post
from holdfast.node.invitation import read_link
from holdfast.node.model import (
    Contact,
    ContactChanged,
    GatewayChanged,
    Identity,
    QueueStatus,
    RoomChanged,
)
from holdfast.node.store import IdentityFacts
from holdfast.node.wire import Say
from holdfast.world import RealWorld

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from holdfast.crypto import Keystore
    from holdfast.node._gates import Gate
    from holdfast.node._work import View, Work
    from holdfast.node.invitation import Invitation
    from holdfast.node.model import (
        Change,
        ContactId,
        ConversationId,
        GatewayStatus,
        IdentityId,
        Message,
        MessageId,
        Room,
        RoomId,
    )
    from holdfast.node.settings import NodeSettings
    from holdfast.ops import ErrorHandler
    from holdfast.ops.errors import HandledError
    from holdfast.storage import Database
    from holdfast.world import World

T = TypeVar("T")


class Node:
    """What agents and chats stand on. Use it as an async context manager.

    Args:
        database: opened with ``NODE_MIGRATIONS`` among its migrations.
        keystore: that opens its keys.
        settings: gateways, mode, and which features are on.
        errors: where errors are reported; one of its own by default.
        world: wall time, chance, ids and secrets.
    """

    def __init__(
        self,
        database: Database,
        keystore: Keystore,
        settings: NodeSettings,
        *,
        errors: ErrorHandler | None = None,
        world: World | None = None,
    ) -> None:
        self._world: World = RealWorld() if world is None else world
        self.settings = settings
        self._courier = Courier(settings, self._world.random)
        self._desk = Desk(
            database, keystore, settings, self._courier, errors=errors, world=self._world
        )
        self._intake = Intake(self._desk)
        self._gates = Gates(
            settings,
            self._world,
            on_envelope=self._intake.arrived,
            on_change=self._gate_changed,
            on_problem=of_gateway(self._desk),
        )
        self._post = Post(self._desk, self._gates)
        self._identities: dict[IdentityId, Identity] = {}
        self._publics: dict[IdentityId, bytes] = {}
        self._chores = Chores(self._desk, self._gates, self._intake)
        self._supervisor = Supervisor(world=self._world)
        self._mailboxes = Mailboxes(self._desk, self._gates, self._intake)

    async def __aenter__(self) -> Self:
        await self._desk.load()
        self._identities = await self._desk.database.read(self._load_identities)
        self._mailboxes.read_all()
        start = self._supervisor.start
        start("node post", self._post.run)
        start("node intake", self._intake.run)
        start("node expiry", self._chores.expire)
        if self.settings.self_test:
            start("node self-test", self._chores.test)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all connections; what waits is kept for the next start."""
        await self._supervisor.__aexit__(kind, error, trace)
        self._desk.close()
        await self._post.close()
        await self._gates.close()
        await self._intake.close()

    def _load_identities(self, connection: sqlite3.Connection) -> dict[IdentityId, Identity]:
        vault, found = self._desk.vault, {}
        for identity, facts, keys in connection.execute(
            "SELECT id, facts, keys FROM node_identity ORDER BY number"
        ):
            told = vault.unseal_facts(f"identity {identity}", facts, IdentityFacts)
            public = IdentityKeys.from_bytes(vault.unseal(f"identity {identity} keys", keys)).public
            found[identity] = Identity(identity, told.name, told.shown_name, fingerprint(public))
            self._publics[identity] = public
        return found

    # --- who we are -------------------------------------------------------------------------

    @property
    def identities(self) -> Sequence[Identity]:
        """Our faces, the oldest first."""
        return tuple(self._identities.values())

    async def create_identity(self, name: str, *, shown_name: str | None = None) -> Identity:
        """Make new keys under a name; ``shown_name`` is what contacts are told, the same by default."""
        _said.check_name(name)
        told = name if shown_name is None else shown_name
        _said.check_name(told or "-")
        identity = self._world.new_id()
        facts = IdentityFacts(name, told)
        public = await self._desk.do(lambda work: _contacts.add_identity(work, identity, facts))
        self._publics[identity] = public
        made = self._identities[identity] = Identity(identity, name, told, fingerprint(public))
        return made

    # --- whom we know -----------------------------------------------------------------------

    @property
    def contacts(self) -> Sequence[Contact]:
        """All contacts, open invitations among them, the oldest first."""
        return tuple(self._contact(each, view) for each, view in self._desk.views.items())

    def contact(self, contact: ContactId) -> Contact | None:
        """Return a contact."""
        view = self._desk.views.get(contact)
        return None if view is None else self._contact(contact, view)

    async def invite(self, identity: IdentityId, *, name: str = "", note: str = "") -> Invitation:
        """Make an invitation that one person can use once; ``.link`` is its text, ``.contact`` the contact-to-be.

        Args:
            identity: under which the contact will know us.
            name: that we give to the contact; the one he tells is used when it is empty.
            note: shown to the guest before he accepts; travels in the link.

        Raises:
            NetworkError: no gateway took our mailbox.
        """
        self._require_identity(identity)
        if len(note) > limits.NODE_NOTE_MAX:
            raise ValueError(f"A note has at most {limits.NODE_NOTE_MAX} characters.")
        made = await self._desk.do(
            lambda work: _contacts.invite(work, identity, name=name, note=note)
        )
        try:
            await self._mailboxes.open(made.contact)
        except NetworkError:
            await self.remove_contact(made.contact)  # nobody could answer
            raise
        return made

    async def accept(self, identity: IdentityId, link: str, name: str = "") -> Contact:
        """Use an invitation; messages can be sent at once.

        Raises:
            InvitationError: 9102; the link is damaged, of a newer version, our own, or was used here.
            NetworkError: no gateway took our mailbox.
        """
        self._require_identity(identity)
        offer = read_link(link)
        contact = await self._desk.do(
            lambda work: _contacts.accept(work, identity, offer, name=name)
        )
        with suppress(
            NetworkError
        ):  # they are made later by themselves, and messages leave all the same
            await self._mailboxes.open(contact)
        return self._contact(contact, self._desk.views[contact])

    async def rename(self, contact: ContactId, name: str) -> None:
        """Call a contact otherwise, on this node."""
        _said.check_name(name)
        await self._change(contact, name=name)

    async def allow_read(self, contact: ContactId, *, allowed: bool) -> None:
        """Tell a contact what we have read, or no longer."""
        await self._change(contact, may_see_read=allowed)

    async def remove_contact(self, contact: ContactId) -> None:
        """Forget a contact, our mailboxes for him and all that was said."""
        view = self._require(contact)
        await self._desk.do(lambda work: _contacts.forget(work, contact))
        self._desk.views.pop(contact, None)
        self._desk.unread.pop(contact, None)
        self._courier.forget(contact)
        self._mailboxes.drop(contact, view)
        self._desk.tell(ContactChanged(contact))

    def safety_words(self, contact: ContactId) -> tuple[str, ...]:
        """Return the words that both see if nobody stands between them; empty before he has answered."""
        view = self._require(contact)
        if not view.facts.identity:
            return ()
        return safety_words(self._publics[view.identity], view.facts.identity)

    async def verify(self, contact: ContactId, *, is_verified: bool = True) -> None:
        """Note that the words were compared."""
        await self._change(contact, is_verified=is_verified)

    # --- messages ---------------------------------------------------------------------------

    async def send(
        self,
        conversation: ConversationId,
        body: bytes | str,
        *,
        kind: str = "text",
        priority: int = 1,
        ttl: float | None = None,
        message_id: MessageId | None = None,
    ) -> MessageId:
        """Accept a message and return once it would survive a crash.

        Args:
            conversation: a contact's or a room's id.
            body: text, or at most ``limits.NODE_BODY_BYTES_MAX`` bytes.
            kind: what it is; kinds that begin with ``.`` are not counted as unread.
            priority: higher goes first; the order of those of one priority is kept.
            ttl: seconds until it expires.
            message_id: of the caller's choice; sending it again under the same id is harmless.

        Raises:
            OutboxFullError: 5101; too many wait already.
            NodeError: 9101; there is no such conversation, or it is closed.
            ValueError: the body, the kind or the ttl is out of bounds.
        """
        raw = _said.checked(body, kind, ttl)
        chosen = self._world.new_id() if message_id is None else message_id
        if not 0 < len(chosen) <= limits.NODE_ID_MAX:
            raise ValueError(f"An id has 1 to {limits.NODE_ID_MAX} characters.")
        now_ms = self._desk.now_ms()
        expires_ms = now_ms + int((self.settings.ttl if ttl is None else ttl) * 1000)
        said = Say(chosen, "" if kind == _said.TEXT else kind, raw, now_ms)
        await self._desk.do(
            lambda work: _said.accept(
                work, conversation, said, priority=priority, expires_ms=expires_ms
            )
        )
        self._chores.look_for_expiry()
        return chosen

    def on_message(self, callback: Callable[[Message], object]) -> Callable[[], None]:
        """Call back with each message that came, once, in order, after it was stored; returns how to end that."""
        return _listening(self._desk.on_message, callback)

    def on_change(self, callback: Callable[[Change], object]) -> Callable[[], None]:
        """Call back with each change; returns how to end that."""
        return _listening(self._desk.on_change, callback)

    async def history(
        self,
        conversation: ConversationId,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
        kinds: Sequence[str] | None = None,
    ) -> list[Message]:
        """Return messages of a conversation in the order in which they are shown.

        Args:
            conversation: a contact's or a room's id.
            before: number; only older ones, the newest of them.
            after: number; only newer ones, the oldest of them.
            limit: at most so many, and at most ``limits.NODE_HISTORY_PAGE_MAX``.
            kinds: only these.
        """
        vault = self._desk.vault
        return await self._desk.database.read(
            lambda connection: _said.history(
                connection,
                vault,
                conversation,
                before=before,
                after=after,
                limit=limit,
                kinds=kinds,
            )
        )

    async def message(self, conversation: ConversationId, message: MessageId) -> Message | None:
        """Return one message, or None."""
        vault = self._desk.vault
        return await self._desk.database.read(
            lambda connection: _said.one(connection, vault, conversation, message)
        )

    async def search(
        self,
        words: str,
        *,
        conversation: ConversationId | None = None,
        kinds: Sequence[str] = ("text",),
        limit: int = 100,
    ) -> list[Message]:
        """Return the newest messages in which all words occur, whatever the case."""
        wanted = words.casefold().split()
        if not wanted:
            return []
        vault = self._desk.vault
        return await self._desk.database.read(
            lambda connection: _said.search(
                connection, vault, wanted, conversation=conversation, kinds=kinds, limit=limit
            )
        )

    async def mark_read(self, conversation: ConversationId, through: int) -> None:
        """Note that all messages up to this number were read; a contact that may know it is told."""
        left = await self._desk.do(lambda work: _said.mark_read(work, conversation, through))
        if left == self._desk.unread.get(conversation, 0):
            return
        self._desk.unread[conversation] = left
        is_room = conversation in self._desk.rooms
        self._desk.tell(RoomChanged(conversation) if is_room else ContactChanged(conversation))

    async def delete_history(self, conversation: ConversationId, *, through: int) -> int:
        """Delete messages up to this number that are not waiting to be sent; return how many."""
        return await self._desk.do(lambda work: _said.delete(work, conversation, through))

    # --- rooms ------------------------------------------------------------------------------

    @property
    def rooms(self) -> Sequence[Room]:
        """All rooms, the oldest first."""
        unread = self._desk.unread
        return tuple(
            dataclasses.replace(room, unread=unread.get(room.id, 0))
            for room in self._desk.rooms.values()
        )

    async def create_room(
        self, identity: IdentityId, name: str, members: Sequence[ContactId]
    ) -> Room:
        """Open a room with contacts of this identity; its members are introduced to each other."""
        self._require_identity(identity)
        _said.check_name(name)
        room = f"{_rooms.PREFIX}{self._world.new_id()}"
        await self._desk.do(lambda work: _rooms.create(work, room, identity, name, members))
        return self._desk.rooms[room]

    async def add_member(self, room: RoomId, contact: ContactId) -> None:
        """Add a contact to a room of ours; he reads what is said from now on."""
        await self._desk.do(lambda work: _rooms.add(work, room, contact))

    async def remove_member(self, room: RoomId, contact: ContactId) -> None:
        """Remove a member from a room of ours; all keys are made anew."""
        view = self._require(contact)
        await self._desk.do(lambda work: _rooms.remove(work, room, view.facts.identity))

    async def leave_room(self, room: RoomId) -> None:
        """Leave a room; its history stays here."""
        await self._desk.do(lambda work: _rooms.leave(work, room))

    # --- how it does ------------------------------------------------------------------------

    def gateways(self) -> list[GatewayStatus]:
        """Return how each gateway does, ours first."""
        return self._gates.statuses(self._desk.now())

    def queue(self) -> QueueStatus:
        """Return what waits to arrive."""
        next_at, now = self._post.next_at, self._desk.now()
        known = self._desk.queue
        planned = None if next_at == float("inf") or not known.waiting else max(0.0, next_at - now)
        return dataclasses.replace(known, next_attempt_in=planned, failing=self._courier.failing)

    def retry_now(self) -> None:
        """Try everything that waits, and every gateway, now."""
        self._gates.probe()
        self._post.hurry()

    def network_changed(self) -> None:
        """The machine is on another network or has slept: probe the connections and try now."""
        self.retry_now()

    def errors(self, count: int = 100) -> list[HandledError]:
        """Return the last errors, the newest first."""
        return self._desk.errors.recent(count)

    def statistics(self) -> dict[str, object]:
        """Return figures: messages sent, received, duplicates, retries, hedges, failovers, errors by category."""
        return {
            "sent": self._post.sent,
            "received": self._desk.received,
            "duplicates": self._desk.duplicates,
            "refused": self._intake.refused,
            "retries": self._courier.retries,
            "hedges": self._post.hedges,
            "failovers": self._post.failovers,
            "errors": self._desk.errors.statistics()["by_category"],
        }

    @property
    def is_plain(self) -> bool:
        """Whether messages go the plain way for now (see ``NodeSettings.fallback``)."""
        return self._post.is_plain

    # --- inside -----------------------------------------------------------------------------

    def _contact(self, contact: ContactId, view: View) -> Contact:
        facts = view.facts
        return Contact(
            contact,
            view.identity,
            facts.name or facts.told_name,
            facts.told_name,
            view.state,
            facts.is_verified,
            facts.may_see_read,
            self._desk.unread.get(contact, 0),
            view.is_hidden,
        )

    def _require(self, contact: ContactId) -> View:
        view = self._desk.views.get(contact)
        if view is None:
            raise NodeError("There is no such contact.", details={"contact": contact})
        return view

    def _require_identity(self, identity: IdentityId) -> None:
        if identity not in self._identities:
            raise NodeError("There is no such identity.", details={"identity": identity})

    async def _change(self, contact: ContactId, **facts: object) -> None:
        def job(work: Work) -> None:
            pair = work.pair(contact)
            pair.facts = replace(pair.facts, **facts)
            work.outcome.changes.append(ContactChanged(contact))

        await self._desk.do(job)

    def _gate_changed(self, gate: Gate) -> None:
        self._desk.tell(GatewayChanged(f"{gate.address.host}:{gate.address.port}"))


def _listening(listeners: list[T], callback: T) -> Callable[[], None]:
    listeners.append(callback)

    def end() -> None:
        with suppress(ValueError):  # ended before
            listeners.remove(callback)

    return end
