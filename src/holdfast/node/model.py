"""What a node shows of itself: identities, contacts, rooms, messages, gateways, and what changed.

All of it is plain and frozen: a program may keep it, compare it and hand it to a page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.ops.errors import HandledError

IdentityId = str
ContactId = str
RoomId = str
MessageId = str
ConversationId = str
"""The id of a contact or of a room; the two never meet, a room's begins with ``room.``."""


class MessageState(StrEnum):
    """Where a message of ours stands; one that came is ``received``.

    ::

        QUEUED → AT_GATEWAY → DELIVERED → READ
           └─────────┴──────→ EXPIRED, FAILED
    """

    QUEUED = "queued"
    AT_GATEWAY = "at_gateway"
    DELIVERED = "delivered"
    READ = "read"
    EXPIRED = "expired"
    FAILED = "failed"
    RECEIVED = "received"

    @property
    def rank(self) -> int:
        """Larger is later; a state is never left for one of smaller rank."""
        return _RANKS[self]


_RANKS = {
    MessageState.QUEUED: 0,
    MessageState.AT_GATEWAY: 1,
    MessageState.EXPIRED: 2,
    MessageState.FAILED: 2,
    MessageState.DELIVERED: 3,
    MessageState.READ: 4,
    MessageState.RECEIVED: 5,
}


class ContactState(StrEnum):
    """How far two have come with each other."""

    INVITED = "invited"
    """We made an invitation, nobody has used it yet."""
    JOINING = "joining"
    """We used an invitation and have no answer yet; messages are sent all the same."""
    READY = "ready"
    """Both have heard of each other."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One of our own faces.

    Attributes:
        id: of this node only.
        name: for the one who uses the node; contacts are told the name that ``shown_name`` says.
        shown_name: what contacts are told, may be empty.
        fingerprint: of the keys, as groups of letters and digits.
    """

    id: IdentityId
    name: str
    shown_name: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody on the other side.

    Attributes:
        id: of this node only; also the id of the conversation.
        identity: ours, under which he knows us.
        name: that we gave him.
        told_name: that he gave himself; text of a stranger, to be shown as such.
        state: how far we have come with each other.
        is_verified: whether the safety words were compared.
        may_see_read: whether he is told what we have read.
        unread: messages that we have not read.
        is_hidden: only known from a room.
    """

    id: ContactId
    identity: IdentityId
    name: str
    told_name: str = ""
    state: ContactState = ContactState.READY
    is_verified: bool = False
    may_see_read: bool = False
    unread: int = 0
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """A room of friends.

    Attributes:
        id: the same at all members; begins with ``room.``.
        identity: ours, under which we are in it.
        name: as its owner called it.
        owner: contact who may add and remove; empty when we are.
        members: contacts that are in it, we ourselves left out.
        is_open: False once we left or were removed; its history stays.
        unread: messages that we have not read.
    """

    id: RoomId
    identity: IdentityId
    name: str
    owner: ContactId = ""
    members: tuple[ContactId, ...] = ()
    is_open: bool = True
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        id: chosen by its sender, the same on both sides.
        number: its place in this node's history; grows.
        conversation: a contact's id or a room's.
        sender: contact who wrote it; empty when we did.
        kind: what it is, such as ``text``.
        body: as it was sent.
        sent_ms: milliseconds since 1970 on the clock of its sender, to show and never to decide by.
        received_ms: milliseconds since 1970 on our clock, when it was stored.
        state: where it stands.
        error: why it failed, for a person; empty otherwise.
    """

    id: MessageId
    number: int
    conversation: ConversationId
    sender: ContactId
    kind: str
    body: bytes
    sent_ms: int
    received_ms: int
    state: MessageState
    error: str = ""

    @property
    def is_mine(self) -> bool:
        """Whether we wrote it."""
        return not self.sender

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """How a gateway does.

    Attributes:
        name: ``host:port``.
        state: of the connection that reads: ``connected``, ``reconnecting`` …
        grade: ``excellent``, ``good``, ``poor``, ``unusable``, or empty before anything was measured.
        score: 0 to 1, what the choice is made by.
        usual: seconds that a deposit usually takes, None before the first.
        breaker: ``closed``, ``open`` or ``half_open``.
        is_ours: whether mailboxes of ours are there; else only contacts' are.
        proven_ago: seconds since an envelope of ours to ourselves came back through it, None when none did.
        deposits: that it took.
        failures: deposits that failed.
        trouble: why it is not connected, for a person, such as that Tor's proxy is not there; empty when it is.
    """

    name: str
    state: str
    grade: str
    score: float
    usual: float | None
    breaker: str
    is_ours: bool
    proven_ago: float | None
    deposits: int
    failures: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """What waits to arrive.

    Attributes:
        waiting: messages of ours that nobody has acknowledged.
        by_priority: the same, by their priority.
        at_gateway: of them, those that lie at a gateway.
        failing: things of any kind that no gateway has taken, though it was tried several times.
        next_attempt_in: seconds, None when none is planned.
        oldest_ms: milliseconds since 1970 when the oldest was accepted, None when there is none.
    """

    waiting: int = 0
    by_priority: Mapping[int, int] = field(default_factory=dict)
    at_gateway: int = 0
    next_attempt_in: float | None = None
    oldest_ms: int | None = None
    failing: int = 0


@dataclass(frozen=True, slots=True)
class MessageChanged:
    """A message of ours came into another state, or one was added to a conversation."""

    conversation: ConversationId
    id: MessageId
    state: MessageState


@dataclass(frozen=True, slots=True)
class ContactChanged:
    """A contact is new, was renamed, became ready, was verified, or has another count of unread messages."""

    contact: ContactId


@dataclass(frozen=True, slots=True)
class RoomChanged:
    """A room is new, or its members, its name or its count of unread messages changed."""

    room: RoomId


@dataclass(frozen=True, slots=True)
class GatewayChanged:
    """A gateway's connection, quality or breaker changed."""

    gateway: str


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """The number of waiting messages changed."""


@dataclass(frozen=True, slots=True)
class ErrorNoted:
    """Something went wrong; what was done about it is in the message."""

    error: HandledError


@dataclass(frozen=True, slots=True)
class PlainChanged:
    """The node sends the plain way (``is_plain``) because its chooser of gateways failed, or no longer does."""

    is_plain: bool
    reason: str = ""


Change = (
    MessageChanged
    | ContactChanged
    | RoomChanged
    | GatewayChanged
    | QueueChanged
    | ErrorNoted
    | PlainChanged
)
"""What ``Node.on_change`` is called with."""
