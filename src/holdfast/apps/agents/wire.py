"""What nodes say to each other about agents: structs as MessagePack, one frame a message.

::

    caller                                   answerer
    Request(id, agent, body, budget) ──────▶  runs once for an id; said again until answered
                              ◀──────────  Accepted(id)       it is here: ask again at leisure
    Chunk(id, up) ────────────────────────▶  pieces of a stream, upward and downward
                              ◀──────────  Credit(id, up)     so much has come, so much may come
    Cancel(id) ───────────────────────────▶  never mind
                              ◀──────────  Reply(id, body or error, chunks)   kept for a day

Beside calls: ``Topics`` (what I want to hear of), ``Kept`` (noted), ``Event``, ``Started`` (I have begun anew).
Frames may be lost, come twice and overtake each other; the machines see to it. Bodies are JSON in bytes: what an
agent says is its own business and is parsed where it is used.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from holdfast.apps.agents import limits
from holdfast.apps.agents.errors import AgentCode, AgentError
from holdfast.errors import ErrorCode, RemoteProtocolError

ID: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
TOPIC: Final = re.compile(rf"[A-Za-z0-9_.-]{{1,{limits.TOPIC_LENGTH_MAX}}}")
WANTED: Final = re.compile(rf"[A-Za-z0-9_.-]{{1,{limits.TOPIC_LENGTH_MAX - 2}}}(\.\*)?|\*")
"""Ids, topics of events, and topics that are wanted."""

Id = Annotated[str, Meta(pattern=rf"^({ID.pattern})$")]
Name = Annotated[
    str, Meta(min_length=1, max_length=limits.NAME_LENGTH_MAX, pattern=r"^_?[a-z][a-z0-9_-]*$")
]
Topic = Annotated[str, Meta(pattern=rf"^({TOPIC.pattern})$")]
Wanted = Annotated[str, Meta(pattern=rf"^({WANTED.pattern})$")]
Short = Annotated[str, Meta(max_length=32)]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Body = Annotated[bytes, Meta(max_length=limits.BODY_BYTES_MAX)]


class Frame(Struct, tag_field="t", array_like=True, frozen=True):
    """The parent of all frames."""


class Request(Frame, tag=1, frozen=True):
    """Asks an agent.

    Attributes:
        id: chosen by the caller; the same again is the same request.
        agent: its name.
        body: JSON.
        budget_ms: milliseconds that are left of the caller's deadline.
        sent_ms: the caller's wall time.
        is_stream: whether pieces may come both ways.
    """

    id: Id
    agent: Name
    body: Body
    budget_ms: Count
    sent_ms: Count
    is_stream: bool


class Accepted(Frame, tag=2, frozen=True):
    """The request is here and will be answered."""

    id: Id


class Reply(Frame, tag=3, frozen=True):
    """The end of a call.

    Attributes:
        id: of the request.
        body: JSON; None when it failed.
        error: as ``ResilienceError.to_dict`` as JSON; None when it did not.
        chunks: pieces that were sent downward.
    """

    id: Id
    body: Body | None
    error: Body | None
    chunks: Count


class Cancel(Frame, tag=4, frozen=True):
    """The caller does not wait any more; what it sends later with the same id is another try."""

    id: Id
    sent_ms: Count


class Chunk(Frame, tag=5, frozen=True):
    """A piece of a stream.

    Attributes:
        id: of the request.
        is_up: from caller to agent.
        seq: from 0.
        body: JSON.
        is_last: the stream ends here; without a body of its own.
    """

    id: Id
    is_up: bool
    seq: Count
    body: Annotated[bytes, Meta(max_length=limits.CHUNK_BYTES_MAX)]
    is_last: bool


class Credit(Frame, tag=6, frozen=True):
    """Pieces below ``have`` have come, pieces below ``may`` may come."""

    id: Id
    is_up: bool
    have: Count
    may: Count


class Ask(Frame, tag=7, frozen=True):
    """The writer of a stream waits: how much may come?"""

    id: Id
    is_up: bool


class Broken(Frame, tag=8, frozen=True):
    """There is no such stream here (any more)."""

    id: Id
    is_up: bool


class Topics(Frame, tag=9, frozen=True):
    """All topics that the sender wants to hear of; a later version replaces an earlier one.

    Attributes:
        epoch: the life of the sender's node.
        version: counted in it.
        topics: exact, or a prefix that ends in ``.*``, or ``*``.
    """

    epoch: Short
    version: Count
    topics: Annotated[tuple[Wanted, ...], Meta(max_length=limits.TOPICS_MAX)]


class Kept(Frame, tag=10, frozen=True):
    """This version of the topics is noted."""

    version: Count


class Event(Frame, tag=11, frozen=True):
    """Something happened.

    Attributes:
        epoch: the life of the sender's node.
        seq: counted in it for this peer, so that a gap is seen.
        topic: exact.
        body: JSON.
    """

    epoch: Short
    seq: Count
    topic: Topic
    body: Body


class Started(Frame, tag=12, frozen=True):
    """The sender's node has begun anew: say again what it should know."""

    epoch: Short


AnyFrame: TypeAlias = (
    Request
    | Accepted
    | Reply
    | Cancel
    | Chunk
    | Credit
    | Ask
    | Broken
    | Topics
    | Kept
    | Event
    | Started
)

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(AnyFrame)


def encode(frame: AnyFrame) -> bytes:
    """Write a frame."""
    return _ENCODER.encode(frame)


def decode(data: bytes) -> AnyFrame:
    """Read a frame.

    Raises:
        RemoteProtocolError: 7002 or 7003; it is none, or too large.
    """
    if len(data) > limits.FRAME_BYTES_MAX:
        raise RemoteProtocolError(
            f"A frame of {len(data)} bytes; {limits.FRAME_BYTES_MAX} are allowed.",
            code=ErrorCode.FRAME_TOO_LARGE,
        )
    try:
        frame: AnyFrame = _DECODER.decode(data)
        return frame
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RemoteProtocolError(f"Not a frame of the agents: {error}.", original=error) from error


REQUEST_PREFIX: Final = encode(Request("-", "a", b"", 0, 0, False))[:2]
"""The first bytes of each request: what it is can be seen before it is decoded."""


def to_json(value: object, most: int = limits.BODY_BYTES_MAX) -> bytes:
    """Write what an agent says.

    Args:
        value: made of None, bool, numbers, text, lists, dicts; msgspec structs and dataclasses too.
        most: bytes.

    Raises:
        AgentError: BODY_INVALID, it is not JSON; BODY_TOO_LARGE, it is too much.
    """
    try:
        body = msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise AgentError(
            AgentCode.BODY_INVALID, f"This cannot be said in JSON: {error}."
        ) from error
    if len(body) > most:
        raise AgentError(
            AgentCode.BODY_TOO_LARGE,
            f"{len(body)} bytes of JSON; {most} are allowed at once. Send larger things as a stream.",
        )
    return body


def from_json(body: bytes) -> object:
    """Read what an agent said.

    Raises:
        AgentError: BODY_INVALID; it is not JSON, or nested too deeply.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise AgentError(AgentCode.BODY_INVALID, f"This is not JSON: {error}.") from error
