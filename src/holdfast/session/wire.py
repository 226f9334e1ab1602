"""The frames of the session protocol and their two encodings.

The protocol is described in ``docs/protocol/session.md``. One set of structs serves JSON (browsers)
and MessagePack (nodes). What belongs to the application (``body``, ``auth``, ``data``, ``snapshot``)
is carried as it came and parsed by the application.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Final, Protocol, TypeAlias, TypeVar, get_args

import msgspec
from msgspec import Meta, Raw, Struct

from holdfast import limits
from holdfast.errors import ErrorCode, RemoteProtocolError, ResilienceError

T = TypeVar("T")

VERSION: Final = 1
PERSONAL: Final = "@me"
"""The name under which every session sees its own channel."""

StreamName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,32}$")]
Short = Annotated[str, Meta(max_length=64)]
ChannelName = Annotated[str, Meta(min_length=1, max_length=128)]
Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Position = tuple[Short, Number]
Positions = Annotated[dict[ChannelName, Position], Meta(max_length=limits.CHANNELS_PER_SYNC_MAX)]
ABSENT: Final = Raw(b"")
"""A value that is left out; the codec cannot tell ``Raw`` and ``None`` apart when it reads."""

_LENGTH_BYTES: Final = 4


class Frame(Struct, tag_field="t", omit_defaults=False, frozen=True):
    """The parent of all frames; ``t`` tells them apart."""


# --- client to server -----------------------------------------------------------------------


class Hello(Frame, tag="hello", frozen=True, omit_defaults=True):
    """Opens a new session."""

    v: int
    stream: StreamName
    auth: Raw = ABSENT


class Resume(Frame, tag="resume", frozen=True):
    """Returns to a session."""

    v: int
    stream: StreamName
    session: Short
    token: Annotated[str, Meta(max_length=128)]
    channels: Positions = {}
    pending: Annotated[list[StreamName], Meta(max_length=limits.STREAMS_PENDING_MAX)] = []


class Send(Frame, tag="send", frozen=True):
    """A message for the application."""

    stream: StreamName
    seq: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    body: Raw


class Confirm(Frame, tag="confirm", frozen=True):
    """The newest resume token is stored."""


class ClientPing(Frame, tag="ping", frozen=True):
    """Asks for a pong with the server's clock."""

    n: Number = 0


class ClientPong(Frame, tag="pong", frozen=True):
    """Answers the server's ping."""

    n: Number = 0


class Sync(Frame, tag="sync", frozen=True):
    """Asks for what was missed."""

    channels: Positions = {}


class Leave(Frame, tag="leave", frozen=True):
    """Ends the session for good."""


ClientFrame = Hello | Resume | Send | Confirm | ClientPing | ClientPong | Sync | Leave


# --- server to client -----------------------------------------------------------------------


class CatchUp(Struct, omit_defaults=True, frozen=True):
    """A channel for one who comes (back): what was missed, or the state at ``offset``."""

    epoch: str
    offset: int
    events: list[tuple[int, Raw]] | None = None
    snapshot: Raw = ABSENT
    reset: str | None = None


class Welcome(Frame, tag="welcome", frozen=True):
    """Answers ``hello``."""

    session: str
    token: str
    now: int
    ping_ms: int
    grace_ms: int
    channels: dict[str, CatchUp]


class Restored(Frame, tag="restored", frozen=True):
    """Answers ``resume``."""

    session: str
    token: str
    now: int
    ping_ms: int
    grace_ms: int
    acked: dict[str, int]
    channels: dict[str, CatchUp]


class Event(Frame, tag="event", frozen=True):
    """One event of a channel: the same bytes for all who read it."""

    ch: str
    o: int
    data: Raw


class Ack(Frame, tag="ack", frozen=True):
    """All of the stream up to ``seq`` is committed."""

    stream: str
    seq: int


class Joined(Frame, tag="joined", frozen=True):
    """The application put the session into a channel."""

    ch: str
    epoch: str
    offset: int
    snapshot: Raw


class Left(Frame, tag="left", frozen=True):
    """The application took the session out of a channel."""

    ch: str


class Resync(Frame, tag="resync", frozen=True):
    """Frames were dropped for a slow reader; it is to say ``sync``."""


class Synced(Frame, tag="synced", frozen=True):
    """Answers ``sync``."""

    acked: dict[str, int]
    channels: dict[str, CatchUp]


class Ping(Frame, tag="ping", frozen=True):
    """The server's heartbeat."""

    n: int


class Pong(Frame, tag="pong", frozen=True):
    """Answers the client's ping."""

    n: int
    now: int


class Error(Frame, tag="error", frozen=True):
    """Something was refused; the connection goes on."""

    code: int
    name: str
    message: str
    retry_after: float | None = None
    stream: str | None = None
    seq: int | None = None


class Bye(Frame, tag="bye", frozen=True):
    """The last frame."""

    code: int
    name: str
    message: str
    again: bool
    retry_after: float | None = None


ServerFrame = (
    Welcome | Restored | Event | Ack | Joined | Left | Resync | Synced | Ping | Pong | Error | Bye
)


_SERVER_TAGS: Final = frozenset(str(frame.__struct_config__.tag) for frame in get_args(ServerFrame))


class _Tag(Struct, frozen=True):
    """Only what kind of frame it is."""

    t: str


class Refers(Struct, frozen=True):
    """Which message an answer belongs to."""

    stream: str
    seq: int


class Answer(Struct, omit_defaults=True, frozen=True):
    """An event on ``@me`` that answers a message: ``ok`` or ``error``."""

    re: Refers
    ok: Raw | None = None
    error: dict[str, Any] | None = None


def error_frame(
    error: ResilienceError, *, stream: str | None = None, seq: int | None = None
) -> Error:
    """Say an error as a frame."""
    return Error(int(error.code), error.name, error.message, error.retry_after, stream, seq)


# --- encodings ------------------------------------------------------------------------------


Decoder: TypeAlias = msgspec.json.Decoder[T] | msgspec.msgpack.Decoder[T]


class Codec(Protocol):
    """One encoding of the frames."""

    subprotocol: ClassVar[str]
    is_text: ClassVar[bool]

    def encode(self, frame: Frame) -> bytes:
        """Write one frame."""
        ...

    def value(self, data: object) -> Raw:
        """Write a value of the application, to be put into a frame."""
        ...

    def join(self, frames: list[bytes]) -> bytes:
        """Join frames into one message."""
        ...

    def client_frames(self, message: bytes) -> list[ClientFrame]:
        """Read a client's message; raises RemoteProtocolError 7002."""
        ...

    def server_frames(self, message: bytes) -> list[ServerFrame]:
        """Read a server's message; raises RemoteProtocolError 7002."""
        ...

    def to_json(self, raw: Raw) -> bytes:
        """Turn an application's value of this encoding into JSON."""
        ...

    def from_json(self, data: bytes) -> Raw:
        """Turn an application's JSON value into this encoding."""
        ...


class JsonCodec:
    """Frames as JSON, one a line."""

    subprotocol: ClassVar[str] = "holdfast.v1.json"
    is_text: ClassVar[bool] = True

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._client = msgspec.json.Decoder(ClientFrame)
        self._server = msgspec.json.Decoder(ServerFrame)
        self._tag = msgspec.json.Decoder(_Tag)

    def encode(self, frame: Frame) -> bytes:
        """Write one frame."""
        return self._encoder.encode(frame)

    def value(self, data: object) -> Raw:
        """Write a value of the application, to be put into a frame."""
        return Raw(self._encoder.encode(data))

    def join(self, frames: list[bytes]) -> bytes:
        """Join frames into one message."""
        return b"\n".join(frames)

    def client_frames(self, message: bytes) -> list[ClientFrame]:
        """Read a client's message; raises RemoteProtocolError 7002."""
        return _client_frames(message.split(b"\n"), self._client)

    def server_frames(self, message: bytes) -> list[ServerFrame]:
        """Read a server's message; raises RemoteProtocolError 7002."""
        return _server_frames(message.split(b"\n"), self._server, self._tag)

    def to_json(self, raw: Raw) -> bytes:
        """Return the bytes as they are."""
        return bytes(raw) or b"null"

    def from_json(self, data: bytes) -> Raw:
        """Return the bytes as they are."""
        return Raw(data)


class MsgpackCodec:
    """Frames as MessagePack, each after its length (32 bits, big-endian)."""

    subprotocol: ClassVar[str] = "holdfast.v1.msgpack"
    is_text: ClassVar[bool] = False

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._client = msgspec.msgpack.Decoder(ClientFrame)
        self._server = msgspec.msgpack.Decoder(ServerFrame)
        self._tag = msgspec.msgpack.Decoder(_Tag)

    def encode(self, frame: Frame) -> bytes:
        """Write one frame, its length before it."""
        body = self._encoder.encode(frame)
        return len(body).to_bytes(_LENGTH_BYTES, "big") + body

    def value(self, data: object) -> Raw:
        """Write a value of the application, to be put into a frame."""
        try:
            return Raw(self._encoder.encode(data))
        except OverflowError:  # JSON has whole numbers of any size
            return Raw(self._encoder.encode(_narrowed(data)))

    def join(self, frames: list[bytes]) -> bytes:
        """Join frames into one message."""
        return b"".join(frames)

    def client_frames(self, message: bytes) -> list[ClientFrame]:
        """Read a client's message; raises RemoteProtocolError 7002."""
        return _client_frames(_split_msgpack(message), self._client)

    def server_frames(self, message: bytes) -> list[ServerFrame]:
        """Read a server's message; raises RemoteProtocolError 7002."""
        return _server_frames(_split_msgpack(message), self._server, self._tag)

    def to_json(self, raw: Raw) -> bytes:
        """Transcode; applications see JSON only."""
        return _transcoded(raw) if bytes(raw) else b"null"

    def from_json(self, data: bytes) -> Raw:
        """Transcode; applications see JSON only."""
        return self.value(msgspec.json.decode(data))


JSON: Final = JsonCodec()
MSGPACK: Final = MsgpackCodec()
CODECS: Final[dict[str, Codec]] = {JSON.subprotocol: JSON, MSGPACK.subprotocol: MSGPACK}


def _split_msgpack(message: bytes) -> list[bytes]:
    parts = []
    at = 0
    while at < len(message):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(message[at:start], "big")
        if at > len(message):
            raise RemoteProtocolError("The message ends within a frame.")
        parts.append(message[start:at])
    return parts


def _client_frames(parts: list[bytes], decoder: Decoder[ClientFrame]) -> list[ClientFrame]:
    if len(parts) > limits.FRAMES_PER_MESSAGE_MAX:
        raise RemoteProtocolError(
            f"{len(parts)} frames in one message; at most {limits.FRAMES_PER_MESSAGE_MAX} are taken."
        )
    return [_decoded(part, decoder) for part in parts if part]


def _server_frames(
    parts: list[bytes], decoder: Decoder[ServerFrame], tags: Decoder[_Tag]
) -> list[ServerFrame]:
    frames = []
    for part in filter(None, parts):
        try:
            frames.append(_decoded(part, decoder))
        except RemoteProtocolError:
            if _decoded(part, tags).t in _SERVER_TAGS:
                raise
            # otherwise a newer server says something that this client need not know
    return frames


def _decoded(part: bytes, decoder: Decoder[T]) -> T:
    try:
        return decoder.decode(part)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(
            f"The frame cannot be read: {error}.",
            code=ErrorCode.MALFORMED_FRAME,
            original=error,
        ) from error


def _narrowed(value: object) -> object:
    """Say whole numbers of more than 64 bits as floats, as a browser does."""
    if isinstance(value, dict):
        return {key: _narrowed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_narrowed(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value


def _transcoded(raw: Raw) -> bytes:
    try:
        return msgspec.json.encode(msgspec.msgpack.decode(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise RemoteProtocolError(
            f"The value cannot be said in JSON: {error}.", original=error
        ) from error
