"""What clients and gateways say to each other: MessagePack arrays over ``Framed``, the first member says which.

A client numbers its requests (``n``, from 1) and the gateway answers each with ``Done`` or ``Refused``, once what it
says is committed. Writing needs no greeting: a deposit may be the first message of a connection, so that it costs one
round trip. Reading begins with ``Hello``, whose answer carries the nonce that proofs are made for.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from holdfast import limits
from holdfast.errors import ErrorCode, RemoteProtocolError
from holdfast.mailbox.address import PIN_BYTES
from holdfast.mailbox.key import ENVELOPE_ID_BYTES, MAILBOX_BYTES, NONCE_BYTES, TOKEN_BYTES

VERSION: Final = 1

Number = Annotated[int, Meta(ge=0, lt=2**32)]
Mailbox = Annotated[bytes, Meta(min_length=MAILBOX_BYTES, max_length=MAILBOX_BYTES)]
Token = Annotated[bytes, Meta(min_length=TOKEN_BYTES, max_length=TOKEN_BYTES)]
EnvelopeId = Annotated[bytes, Meta(min_length=ENVELOPE_ID_BYTES, max_length=ENVELOPE_ID_BYTES)]
Body = Annotated[bytes, Meta(min_length=1, max_length=limits.ENVELOPE_BYTES_MAX)]
Public = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
Nonce = Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
Pin = Annotated[bytes, Meta(min_length=PIN_BYTES, max_length=PIN_BYTES)]
Seconds = Annotated[int, Meta(ge=1, le=2**31)]
Text = Annotated[str, Meta(max_length=500)]


class Hello(Struct, array_like=True, frozen=True, tag=1):
    """Ask for a nonce."""

    n: Number
    version: Number = VERSION


class Create(Struct, array_like=True, frozen=True, tag=2):
    """Make a mailbox, or give it another deposit token; the token travels as its hash."""

    n: Number
    public: Public
    token: Token
    signature: Signature


class Subscribe(Struct, array_like=True, frozen=True, tag=3):
    """Read a mailbox over this connection, from the oldest envelope on; an older reader is told that he is replaced."""

    n: Number
    public: Public
    signature: Signature


class Deposit(Struct, array_like=True, frozen=True, tag=4):
    """Put an envelope into a mailbox; done again with the same id, it is one envelope."""

    n: Number
    mailbox: Mailbox
    token: Token
    id: EnvelopeId
    ttl: Seconds
    body: Body


class Acknowledge(Struct, array_like=True, frozen=True, tag=5):
    """Delete envelopes of a mailbox that this connection reads."""

    n: Number
    mailbox: Mailbox
    ids: Annotated[tuple[EnvelopeId, ...], Meta(max_length=limits.MAILBOX_ACKNOWLEDGED_MAX)]


class Delete(Struct, array_like=True, frozen=True, tag=6):
    """Delete a mailbox with all that is in it."""

    n: Number
    public: Public
    signature: Signature


class Pipe(Struct, array_like=True, frozen=True, tag=7):
    """Pass this connection's bytes to another gateway and back, from the answer on."""

    n: Number
    pin: Pin


class Piping(Struct, array_like=True, frozen=True, tag=8):
    """Say that this connection is a gateway's, which pipes to the other one from the same address while it stands."""

    n: Number


class Welcome(Struct, array_like=True, frozen=True, tag=65):
    """The answer to a hello."""

    n: Number
    version: Number
    nonce: Nonce


class Done(Struct, array_like=True, frozen=True, tag=66):
    """It is done, and committed."""

    n: Number


class Refused(Struct, array_like=True, frozen=True, tag=67):
    """It is not; ``retry_ms`` is 0 when it makes no sense to try again."""

    n: Number
    code: Number
    text: Text
    retry_ms: Number = 0


class Envelope(Struct, array_like=True, frozen=True, tag=68):
    """An envelope for the reader of a mailbox; comes again until it is acknowledged."""

    mailbox: Mailbox
    id: EnvelopeId
    body: Body


class TakenOver(Struct, array_like=True, frozen=True, tag=69):
    """Another connection reads this mailbox now."""

    mailbox: Mailbox


Request = Hello | Create | Subscribe | Deposit | Acknowledge | Delete | Pipe | Piping
Answer = Welcome | Done | Refused | Envelope | TakenOver

_encoder: Final = msgspec.msgpack.Encoder()
_requests: Final[msgspec.msgpack.Decoder[Request]] = msgspec.msgpack.Decoder(Request)
_answers: Final[msgspec.msgpack.Decoder[Answer]] = msgspec.msgpack.Decoder(Answer)


def encode(message: Request | Answer) -> bytes:
    """Write a message."""
    return _encoder.encode(message)


def read_request(data: bytes) -> Request:
    """Read what a client says.

    Raises:
        RemoteProtocolError: 7002; it is nothing that is said here.
    """
    try:
        return _requests.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise _malformed("client", error) from error


def read_answer(data: bytes) -> Answer:
    """Read what a gateway says.

    Raises:
        RemoteProtocolError: 7002; as above.
    """
    try:
        return _answers.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise _malformed("gateway", error) from error


def readable(text: str) -> str:
    """Return what a gateway said to persons, without what would move a cursor or turn the direction of reading."""
    return "".join(each if each.isprintable() else " " for each in text)


def _malformed(who: str, error: Exception) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"The {who} sent something that is no message: {error}.",
        code=ErrorCode.MALFORMED_FRAME,
        original=error,
    )
