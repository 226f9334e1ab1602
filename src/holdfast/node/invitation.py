"""An invitation: all that a stranger needs to write to us, once, in one link.

It names the gateways with their pins, a mailbox at each and its deposit token, our identity, one prekey of the
ratchet, a sealing key, and a secret. There is no directory: the first message needs nothing but the link. It has no
host and no server behind it; who has it can use it, so it travels like a key. Some 400 characters: a QR code
that a phone reads from a screen.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Struct

from holdfast import limits
from holdfast.errors import InvitationError
from holdfast.node.wire import Key, Name, Places  # noqa: TC001 - the codec reads annotations
from holdfast.world import text_of

if TYPE_CHECKING:
    from holdfast.node.model import ContactId, IdentityId

SCHEME: Final = "holdfast:"
VERSION: Final = "1"
_CHECK: Final = 4


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation of ours.

    Attributes:
        link: its text, ``holdfast:1…``; fits a QR code.
        contact: the contact-to-be, in the state ``invited``.
        identity: under which he will know us.
        note: shown to him before he accepts.
    """

    link: str
    contact: ContactId
    identity: IdentityId
    note: str = ""


class Offer(Struct, array_like=True, frozen=True):
    """What a link says.

    Attributes:
        name: the host's, as he shows it.
        note: from him.
        identity: his public key.
        prekey: with which the session is begun, once.
        seal: public key of the invitation.
        secret: of the invitation.
        places: where to write to.
    """

    name: Name
    note: Annotated[str, Meta(max_length=limits.NODE_NOTE_MAX)]
    identity: Key
    prekey: Key
    seal: Key
    secret: Key
    places: Places


_decoder: Final = msgspec.msgpack.Decoder(Offer)


def write_link(offer: Offer) -> str:
    """Write a link."""
    data = msgspec.msgpack.encode(offer)
    return f"{SCHEME}{VERSION}{text_of(_checksum(data) + data)}"


def read_link(link: str) -> Offer:
    """Read a link, such as to show name and note before it is used.

    Raises:
        InvitationError: 9102; it is damaged, cut off, or of another version.
    """
    text = "".join(link.split())
    if not text.startswith(SCHEME) or len(text) > limits.NODE_LINK_MAX:
        raise InvitationError(f"This is no invitation: one begins with {SCHEME}{VERSION}.")
    version, text = text[len(SCHEME) :][:1], text[len(SCHEME) + 1 :]
    if version != VERSION:
        raise InvitationError(
            f"The invitation is of version {version!r}, this program reads {VERSION}: update one of them."
        )
    damaged = "The invitation is damaged: copy the whole link, or scan the code again."
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if data[:_CHECK] != _checksum(data[_CHECK:]):
            raise InvitationError(damaged)
        offer = _decoder.decode(data[_CHECK:])
        for place in offer.places:
            _ = place.gateway  # raises for what is no address
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise InvitationError(damaged, original=error) from error
    return offer


def _checksum(data: bytes) -> bytes:
    """Find typing errors; it is no proof of anything."""
    return hashlib.sha256(b"holdfast invitation" + data).digest()[:_CHECK]
