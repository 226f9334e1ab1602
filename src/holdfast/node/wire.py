"""What nodes say to each other within sealed envelopes: MessagePack arrays, read strictly.

Two layers. A ``Frame`` is what the seal covers: which session, which number, acknowledgements, and the
ciphertext of a ratchet. A ``Content`` is what the ratchet covers: a message, a card, a receipt, something of a room.
The number lies outside of the ratchet, so that a frame can be put in order before it is decrypted.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from holdfast import limits
from holdfast.crypto import SealKey
from holdfast.errors import EnvelopeError
from holdfast.mailbox import GatewayAddress
from holdfast.node import _marks

Number = Annotated[int, Meta(ge=0, lt=2**48)]
Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
MailboxAddress = Annotated[bytes, Meta(min_length=16, max_length=16)]
Pin = Annotated[bytes, Meta(min_length=32, max_length=32)]
SealKeyBytes = Annotated[bytes, Meta(min_length=SealKey.SIZE, max_length=SealKey.SIZE)]
Name = Annotated[str, Meta(max_length=limits.NODE_NAME_MAX)]
Kind = Annotated[str, Meta(max_length=limits.NODE_KIND_MAX)]
Id = Annotated[str, Meta(min_length=1, max_length=limits.NODE_ID_MAX)]
Body = Annotated[bytes, Meta(max_length=limits.NODE_BODY_BYTES_MAX)]
RoomKey = Annotated[str, Meta(max_length=600)]
Mark = Annotated[bytes, Meta(max_length=_marks.SIZE)]
Run = tuple[Number, Number]


class Cipher(IntEnum):
    """What a frame's payload is."""

    FIRST = 0
    """A message of the pair's ratchet that carries its keys; the first of a session has the identity before it."""
    PAIR = 1
    ROOM = 2
    """A message of a room's ratchet, encrypted once for all members."""
    NOTHING = 3
    """The message of this number expired, and the payload stands for it in the mark; empty: it is gone with a disk."""
    ANEW = 4
    """The sender was set back to an older state and asks for a new session; the payload is a prekey for it."""


class Frame(Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One thing that is sent.

    Attributes:
        epoch: session of the two, counted from 0.
        seq: number of the message in this session, from 1; 0 when the frame is an acknowledgement only.
        cipher: what the payload is.
        payload: ciphertext.
        ack_epoch: session that the acknowledgement is about.
        ack: every message up to here was stored.
        held: runs beyond the first gap that were stored as well, ascending.
        mark: of all up to this message (``_marks``).
        ack_mark: of what was stored up to ``ack``.
    """

    epoch: Number
    seq: Number
    cipher: Cipher
    payload: Annotated[bytes, Meta(max_length=limits.NODE_PAYLOAD_BYTES_MAX)]
    ack_epoch: Number = 0
    ack: Number = 0
    held: Annotated[tuple[Run, ...], Meta(max_length=limits.NODE_GAPS_MAX)] = ()
    mark: Mark = _marks.UNKNOWN
    ack_mark: Mark = _marks.UNKNOWN


class Place(Struct, array_like=True, frozen=True):
    """A mailbox of somebody at one gateway, and what is needed to write to it."""

    host: Annotated[str, Meta(max_length=253)]
    port: Annotated[int, Meta(ge=1, le=65535)]
    pin: Pin
    onion: Annotated[str, Meta(max_length=62)]
    mailbox: MailboxAddress
    token: Key

    @property
    def gateway(self) -> GatewayAddress:
        """Return where it is; raises ``ValueError`` when that is no address."""
        return GatewayAddress(self.host, self.port, self.pin, self.onion or None)


Places = Annotated[tuple[Place, ...], Meta(min_length=1, max_length=limits.NODE_PLACES_MAX)]


class Say(Struct, array_like=True, frozen=True, tag=1):
    """A message for a person or a program; an empty kind is ``text``."""

    id: Id
    kind: Kind
    body: Body
    sent_ms: Number


class Card(Struct, array_like=True, frozen=True, tag=2):
    """How to reach and know somebody: the first content of each direction and session, and when it changes.

    Attributes:
        name: that he shows.
        places: where to write to.
        seal: public key to seal to.
        prekey: for the next session, should this one break.
        secret: fresh, by which frames are known from now on; only from the guest in session 0, else empty.
    """

    name: Name
    places: Places
    seal: SealKeyBytes
    prekey: Key
    secret: Annotated[bytes, Meta(max_length=32)] = b""


class Seen(Struct, array_like=True, frozen=True, tag=3):
    """Messages up to this one, of the one who is told, were read."""

    id: Id
    room: Annotated[str, Meta(max_length=limits.NODE_ID_MAX)] = ""


class RoomSay(Struct, array_like=True, frozen=True, tag=4):
    """A message in a room, within the room's ratchet.

    Attributes:
        clock: one more than the largest its sender knew: what it may answer sorts before it.
    """

    room: Id
    id: Id
    kind: Kind
    body: Body
    sent_ms: Number
    clock: Number


class RoomMember(Struct, array_like=True, frozen=True):
    """A member, as its owner tells the others: by the public key of his identity."""

    key: Key
    name: Name


class RoomState(Struct, array_like=True, frozen=True, tag=5):
    """Who is in a room, from its owner; a larger version replaces a smaller one. Without us in it, we were removed."""

    room: Id
    version: Number
    name: Name
    members: Annotated[tuple[RoomMember, ...], Meta(max_length=limits.NODE_ROOM_MEMBERS_MAX)]


class RoomKeyGiven(Struct, array_like=True, frozen=True, tag=6):
    """The sender's key in a room, from its present index on."""

    room: Id
    key: RoomKey


class RoomLeft(Struct, array_like=True, frozen=True, tag=7):
    """The sender has left a room."""

    room: Id


class Introduce(Struct, array_like=True, frozen=True, tag=8):
    """A room's owner asks for an invitation, for the member with this key; the answer is ``Introduced``."""

    room: Id
    to: Key
    name: Name


class Introduced(Struct, array_like=True, frozen=True, tag=9):
    """An invitation that a member made for another, passed on by the owner.

    Attributes:
        peer: to the owner: whom it is for; from the owner: whose it is.
    """

    room: Id
    peer: Key
    name: Name
    link: Annotated[str, Meta(max_length=limits.NODE_LINK_MAX)]


Content = Say | Card | Seen | RoomSay | RoomState | RoomKeyGiven | RoomLeft | Introduce | Introduced

_encoder: Final = msgspec.msgpack.Encoder()
_frames: Final = msgspec.msgpack.Decoder(Frame)
_contents: Final = msgspec.msgpack.Decoder(Content)

_UNREADABLE: Final = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def encode(thing: Frame | Content) -> bytes:
    """Write a frame or a content."""
    return _encoder.encode(thing)


def read_frame(data: bytes) -> Frame:
    """Read a frame; raises ``EnvelopeError`` (9002) for what is none."""
    try:
        frame = _frames.decode(data)
    except _UNREADABLE as error:
        raise _unreadable("frame", error) from error
    last = frame.ack
    for first, end in frame.held:
        if not last + 1 < first <= end:
            raise EnvelopeError("The runs of an acknowledgement overlap.")
        last = end
    return frame


def read_content(data: bytes) -> Content:
    """Read a content; raises ``EnvelopeError`` (9002) for what is none."""
    try:
        content: Content = _contents.decode(data)
    except _UNREADABLE as error:
        raise _unreadable("message", error) from error
    return content


def _unreadable(what: str, error: Exception) -> EnvelopeError:
    return EnvelopeError(f"A contact sent a {what} that cannot be read.", original=error)
