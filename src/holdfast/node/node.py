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

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from holdfast.crypto import Keystore
    from holdfast.node.invitation import Invitation
    from holdfast.node.model import (
        Change,
        Contact,
        ContactId,
        ConversationId,
        GatewayStatus,
        Identity,
        IdentityId,
        Message,
        MessageId,
        QueueStatus,
        Room,
        RoomId,
    )
    from holdfast.node.settings import NodeSettings
    from holdfast.ops import ErrorHandler
    from holdfast.ops.errors import HandledError
    from holdfast.storage import Database
    from holdfast.world import World


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
    ) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    # --- who we are -------------------------------------------------------------------------

    @property
    def identities(self) -> Sequence[Identity]:
        """Our faces, the oldest first."""

    async def create_identity(self, name: str, *, shown_name: str | None = None) -> Identity:
        """Make new keys under a name; ``shown_name`` is what contacts are told, the same by default."""

    # --- whom we know -----------------------------------------------------------------------

    @property
    def contacts(self) -> Sequence[Contact]:
        """All contacts, open invitations among them, the oldest first."""

    def contact(self, contact: ContactId) -> Contact | None:
        """Return a contact."""

    async def invite(self, identity: IdentityId, *, name: str = "", note: str = "") -> Invitation:
        """Make an invitation that one person can use once; ``.link`` is its text, ``.contact`` the contact-to-be.

        Args:
            identity: under which the contact will know us.
            name: that we give to the contact; the one he tells is used when it is empty.
            note: shown to the guest before he accepts; travels in the link.

        Raises:
            NetworkError: no gateway took our mailbox.
        """

    async def accept(self, identity: IdentityId, link: str, name: str = "") -> Contact:
        """Use an invitation; messages can be sent at once.

        Raises:
            InvitationError: 9102; the link is damaged, of a newer version, our own, or was used here.
            NetworkError: no gateway took our mailbox.
        """

    async def rename(self, contact: ContactId, name: str) -> None:
        """Call a contact otherwise, on this node."""

    async def allow_read(self, contact: ContactId, *, allowed: bool) -> None:
        """Tell a contact what we have read, or no longer."""

    async def remove_contact(self, contact: ContactId) -> None:
        """Forget a contact, our mailboxes for him and all that was said."""

    def safety_words(self, contact: ContactId) -> tuple[str, ...]:
        """Return the words that both see if nobody stands between them; empty before he has answered."""

    async def verify(self, contact: ContactId, *, is_verified: bool = True) -> None:
        """Note that the words were compared."""

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

    def on_message(self, callback: Callable[[Message], object]) -> Callable[[], None]:
        """Call back with each message that came, once, in order, after it was stored; returns how to end that."""

    def on_change(self, callback: Callable[[Change], object]) -> Callable[[], None]:
        """Call back with each change; returns how to end that."""

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

    async def message(self, conversation: ConversationId, message: MessageId) -> Message | None:
        """Return one message, or None."""

    async def search(
        self,
        words: str,
        *,
        conversation: ConversationId | None = None,
        kinds: Sequence[str] = ("text",),
        limit: int = 100,
    ) -> list[Message]:
        """Return the newest messages in which all words occur, whatever the case."""

    async def mark_read(self, conversation: ConversationId, through: int) -> None:
        """Note that all messages up to this number were read; a contact that may know it is told."""

    async def delete_history(self, conversation: ConversationId, *, through: int) -> int:
        """Delete messages up to this number that are not waiting to be sent; return how many."""

    # --- rooms ------------------------------------------------------------------------------

    @property
    def rooms(self) -> Sequence[Room]:
        """All rooms, the oldest first."""

    async def create_room(
        self, identity: IdentityId, name: str, members: Sequence[ContactId]
    ) -> Room:
        """Open a room with contacts of this identity; its members are introduced to each other."""

    async def add_member(self, room: RoomId, contact: ContactId) -> None:
        """Add a contact to a room of ours; he reads what is said from now on."""

    async def remove_member(self, room: RoomId, contact: ContactId) -> None:
        """Remove a member from a room of ours; all keys are made anew."""

    async def leave_room(self, room: RoomId) -> None:
        """Leave a room; its history stays here."""

    # --- how it does ------------------------------------------------------------------------

    def gateways(self) -> list[GatewayStatus]:
        """Return how each gateway does, ours first."""

    def queue(self) -> QueueStatus:
        """Return what waits to arrive."""

    def retry_now(self) -> None:
        """Try everything that waits, and every gateway, now."""

    def network_changed(self) -> None:
        """The machine is on another network or has slept: probe the connections and try now."""

    def errors(self, count: int = 100) -> list[HandledError]:
        """Return the last errors, the newest first."""

    def statistics(self) -> dict[str, object]:
        """Return figures: messages sent, received, duplicates, retries, hedges, failovers, errors by category."""

    @property
    def is_plain(self) -> bool:
        """Whether messages go the plain way for now (see ``NodeSettings.fallback``)."""
