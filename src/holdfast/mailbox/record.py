"""What a gateway remembers of a mailbox and of a connection, what it writes down, and what it does about a message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from holdfast.mailbox.wire import Answer
    from holdfast.resilience import TokenBucket

MINUTE: Final = 60.0
HOUR: Final = 3600.0
"""Seconds; what is stored of envelopes is no finer, so that a stolen disk tells less."""


# --- remembered -----------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Mailbox:
    """One mailbox; all of them are in memory, their envelopes are not.

    Attributes:
        number: in the store.
        address: 16 bytes.
        public: its reader's key.
        token: hash of its deposit token.
        seen_day: days of the gateway's life when its reader was last here.
        held: envelopes that wait.
        size: their bytes.
        reading: who reads it now.
        pace: of deposits, None before the first.
    """

    number: int
    address: bytes
    public: bytes
    token: bytes
    seen_day: int
    held: int = 0
    size: int = 0
    reading: Reading | None = None
    pace: TokenBucket | None = None


@dataclass(slots=True, eq=False)
class Reading:
    """One connection that reads one mailbox.

    Attributes:
        client: whose.
        cursor: number of the last envelope that it was sent.
        unacknowledged: sizes of those it has not acknowledged, by id.
        size: sum of them.
        is_live: nothing in the store is beyond the cursor: what comes is passed on at once.
        is_fetching: the store is being read.
        has_news: something came while it was.
        deleted: ids of what was deleted while it was: what was read may be older than that.
    """

    client: Client
    cursor: int = 0
    unacknowledged: dict[bytes, int] = field(default_factory=dict)
    size: int = 0
    is_live: bool = False
    is_fetching: bool = False
    has_news: bool = False
    deleted: set[bytes] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Client:
    """One connection.

    Attributes:
        number: of the connection.
        address: where it comes from.
        nonce: what its proofs must contain.
        pace: of its requests.
        refusals: requests that only a stranger or a broken program makes.
        is_greeted: it has asked for the nonce.
        is_proved: it has done what only a reader or a writer can.
        is_congested: much is on its way to it already.
        is_open: it is there.
        reads: mailboxes.
    """

    number: int
    address: str
    nonce: bytes
    pace: TokenBucket
    refusals: int = 0
    is_greeted: bool = False
    is_proved: bool = False
    is_congested: bool = False
    is_open: bool = True
    reads: set[Mailbox] = field(default_factory=set)


# --- written --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewMailbox:
    """A mailbox is made, or another token is set; answered to ``client`` as ``n``."""

    client: Client
    n: int
    mailbox: Mailbox
    token: bytes
    is_new: bool


@dataclass(frozen=True, slots=True)
class NewEnvelope:
    """An envelope is put in."""

    client: Client
    n: int
    mailbox: Mailbox
    number: int
    id: bytes
    due_hour: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Envelopes have been stored by their reader."""

    client: Client
    n: int
    mailbox: Mailbox
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Gone:
    """A mailbox is deleted: on demand (then answered), or because nobody came for long."""

    client: Client | None
    n: int
    mailbox: Mailbox


@dataclass(frozen=True, slots=True)
class Seen:
    """A reader was here; answered once that is written."""

    client: Client
    n: int
    mailbox: Mailbox
    day: int


@dataclass(frozen=True, slots=True)
class Expired:
    """The gateway has this age: envelopes that are due are deleted."""

    minutes: int


Note = NewMailbox | NewEnvelope | Acknowledged | Gone | Seen | Expired


class Removed(NamedTuple):
    """Envelopes that a note has removed from a mailbox."""

    mailbox: int
    id: bytes
    size: int


class Kept(NamedTuple):
    """What became of a note.

    Attributes:
        is_new: an envelope of this id was not there yet.
        is_same: or the same one was.
        removed: envelopes.
    """

    is_new: bool = True
    is_same: bool = True
    removed: tuple[Removed, ...] = ()


class Row(NamedTuple):
    """An envelope, as it is read from the store."""

    number: int
    id: bytes
    body: bytes


# --- done -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Send something over a connection."""

    client: Client
    message: Answer


@dataclass(frozen=True, slots=True)
class Fetch:
    """Read envelopes of a mailbox, after a number, the oldest first."""

    reading: Reading
    mailbox: Mailbox
    after: int
    most: int


@dataclass(frozen=True, slots=True)
class Proved:
    """A connection may stay."""

    client: Client


@dataclass(frozen=True, slots=True)
class Cut:
    """A connection is cut."""

    client: Client
    reason: str


Effect = Send | Fetch | Proved | Cut
