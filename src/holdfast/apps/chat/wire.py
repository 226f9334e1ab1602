"""What pages ask for, and what conversations are made of.

Everything here comes from outside, from a page or from a contact, and is checked for form and size by its type
before anything is done with it.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from holdfast.apps.chat import limits
from holdfast.apps.chat.errors import ChatCode, ChatError

T = TypeVar("T")

Id = Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{8,64}$")]
Text = Annotated[str, Meta(min_length=1, max_length=limits.TEXT_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_MAX)]
Link = Annotated[str, Meta(min_length=1, max_length=limits.LINK_MAX)]
MIME_MAX: Final = 100


class Kind(StrEnum):
    """What a message of a conversation is; the words that travel."""

    TEXT = "text"
    FILE = "file"
    PIECE = ".piece"


SHOWN: Final = (Kind.TEXT.value, Kind.FILE.value)
"""Kinds that are lines of a conversation."""


class Auth(Struct, frozen=True):
    """Opens a page's session."""

    token: Annotated[str, Meta(max_length=200)]


class Say(Struct, frozen=True, tag_field="do", tag="say"):
    """Say something; ``id`` is chosen by the page and stays the same when it asks again."""

    id: Id
    to: Id
    text: Text


class Hand(Struct, frozen=True, tag_field="do", tag="hand"):
    """Hand over an attachment that was uploaded whole; ``id`` is the upload's."""

    id: Id
    to: Id


class Read(Struct, frozen=True, tag_field="do", tag="read"):
    """Everything up to this number was seen."""

    to: Id
    through: Annotated[int, Meta(ge=0)]


PageMessage = Say | Hand | Read

_auth = msgspec.json.Decoder(Auth)
_page_message: msgspec.json.Decoder[PageMessage] = msgspec.json.Decoder(Say | Hand | Read)


class FileNote(Struct, frozen=True, array_like=True):
    """The line that announces an attachment; its pieces follow.

    Attributes:
        id: names the pieces.
        name: as the sender's device calls it; shown as text, used as a name only after cleaning.
        mime: what the sender says it is.
        size: bytes of the whole.
        digest: SHA-256 of the whole.
    """

    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=limits.NAME_MAX * 2)]
    mime: Annotated[str, Meta(max_length=MIME_MAX)]
    size: Annotated[int, Meta(ge=1, le=limits.FILE_BYTES_MAX)]
    digest: Annotated[bytes, Meta(min_length=32, max_length=32)]

    @property
    def pieces(self) -> int:
        """How many pieces it has."""
        return -(-self.size // limits.PIECE_BYTES)


class Piece(Struct, frozen=True, array_like=True):
    """One part of an attachment."""

    file: Id
    number: Annotated[int, Meta(ge=0, lt=limits.FILE_BYTES_MAX // limits.PIECE_BYTES + 1)]
    data: Annotated[bytes, Meta(min_length=1, max_length=limits.PIECE_BYTES)]


_note = msgspec.msgpack.Decoder(FileNote)
_piece = msgspec.msgpack.Decoder(Piece)


def read_auth(raw: bytes) -> Auth:
    """Read what a page opens its session with; raises ChatError 12002."""
    return _read(_auth, raw)


def read_page_message(raw: bytes) -> PageMessage:
    """Read a page's message; raises ChatError 12002."""
    return _read(_page_message, raw)


def read_note(body: bytes) -> FileNote:
    """Read the announcement of an attachment; raises ChatError 12002."""
    return _read(_note, body)


def read_piece(body: bytes) -> Piece:
    """Read a piece; raises ChatError 12002."""
    return _read(_piece, body)


def read_text(body: bytes) -> str:
    """Read what a contact says: any bytes are some text; what would act instead of being read is left out."""
    text = body.decode("utf-8", "replace")[: limits.TEXT_MAX]
    return "".join(character for character in text if _is_harmless(character))


BENDING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Overrides of the direction of writing, which make a text look like another one."""


def _is_harmless(character: str) -> bool:
    if character in "\n\t":
        return True
    return unicodedata.category(character) not in {"Cc", "Cs"} and character not in BENDING


packed = msgspec.msgpack.Encoder().encode


def _read(decoder: msgspec.json.Decoder[T] | msgspec.msgpack.Decoder[T], raw: bytes) -> T:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ChatError(ChatCode.REQUEST_INVALID, f"This cannot be read: {error}.") from error
