"""What a node and a process of one of its agents say to each other: a JSON object a line, on stdin and stdout.

::

    node                                              process
                                     ◀─────────────   {"t":"ready"}
    {"t":"request","n":1,"id":…,"body":…} ────────▶   one of several at a time; ``n`` is the node's number for it
                                     ◀─────────────   {"t":"reply","n":1,"body":…}  or  {"t":"failed","n":1,"error":…}
    {"t":"cancel","n":1} ─────────────────────────▶   never mind; the process still ends it with reply or failed

    {"t":"piece","n":1,"body":…} ◀────────────────▶   pieces of a stream, at most ``WINDOW`` of them ahead
    {"t":"more","n":1} ◀──────────────────────────▶   one was read: one more may come
    {"t":"end","n":1} ────────────────────────────▶   the caller has sent all; with ``error``: it broke

                                     ◀─────────────   {"t":"call","c":7,"to":"agent@peer","body":…}  its own number
    {"t":"answer","c":7,"body":…}  ───────────────▶   or with ``error``
                                     ◀─────────────   {"t":"publish","topic":…,"body":…}

Errors have the form of ``ResilienceError.to_dict``; ``code`` and ``message`` are enough.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from holdfast.apps.agents import limits
from holdfast.apps.agents.errors import AgentCode, AgentError

WINDOW: Final = limits.STREAM_WINDOW
"""Pieces that may be ahead of their reader, in each direction."""

Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Told = dict[str, object]


class Line(Struct, tag_field="t", frozen=True, omit_defaults=True):
    """The parent of all lines."""


class Ready(Line, tag="ready", frozen=True):
    """The process can be asked."""


class Ask(Line, tag="request", frozen=True):
    """A request.

    Attributes:
        n: the node's number for it, never used again.
        id: of the request; what is called with an id made of it runs once, even if this runs again.
        sender: peer that asks, empty when it is this node.
        body: what was said.
        seconds: that are left of its time.
        is_stream: whether pieces may come and go.
    """

    n: Number
    id: str
    sender: str
    body: object = None
    seconds: float = 0.0
    is_stream: bool = False


class Cancel(Line, tag="cancel", frozen=True):
    """Nobody waits for it any more."""

    n: Number


class End(Line, tag="end", frozen=True):
    """No more pieces come; with an error when these were not all."""

    n: Number
    error: Told | None = None


class Piece(Line, tag="piece", frozen=True):
    """A piece of a stream."""

    n: Number
    body: object = None


class More(Line, tag="more", frozen=True):
    """A piece was read."""

    n: Number


class Reply(Line, tag="reply", frozen=True):
    """The answer to a request."""

    n: Number
    body: object = None


class Failed(Line, tag="failed", frozen=True):
    """The request failed."""

    n: Number
    error: Told = {}


class Call(Line, tag="call", frozen=True):
    """The process asks an agent.

    Attributes:
        c: its number for the call, until it is answered.
        to: ``agent@peer``, or ``agent``.
        body: what it says.
        id: of the request; new when None.
        seconds: that it waits.
    """

    c: Number
    to: str
    body: object = None
    id: str | None = None
    seconds: float | None = None


class Answer(Line, tag="answer", frozen=True):
    """What a called agent answered, or the error."""

    c: Number
    body: object = None
    error: Told | None = None


class Publish(Line, tag="publish", frozen=True):
    """The process tells of something."""

    topic: str
    body: object = None


FromNode: TypeAlias = Ask | Cancel | End | Piece | More | Answer
FromChild: TypeAlias = Ready | Reply | Failed | Piece | More | Call | Publish

_ENCODER: Final = msgspec.json.Encoder()
_FROM_NODE: Final = msgspec.json.Decoder(FromNode)
_FROM_CHILD: Final = msgspec.json.Decoder(FromChild)

SHOWN_MAX: Final = 80
"""Bytes of a wrong line that an error shows."""


def encode(line: FromNode | FromChild) -> bytes:
    """Write a line, with its end.

    Raises:
        AgentError: BODY_INVALID, it is not JSON; BODY_TOO_LARGE.
    """
    try:
        data = _ENCODER.encode(line) + b"\n"
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise AgentError(
            AgentCode.BODY_INVALID, f"This cannot be said in JSON: {error}."
        ) from error
    if len(data) > limits.LINE_BYTES_MAX:
        raise AgentError(
            AgentCode.BODY_TOO_LARGE,
            f"A line of {len(data)} bytes; {limits.LINE_BYTES_MAX} are allowed.",
        )
    return data


def from_child(data: bytes) -> FromChild:
    """Read a line of a process; raises ``AgentError`` (CHILD_PROTOCOL) for what is none."""
    try:
        line: FromChild = _FROM_CHILD.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise AgentError(
            AgentCode.CHILD_PROTOCOL,
            f"It wrote {data[:SHOWN_MAX]!r}, which is no line of the protocol ({error}); "
            "what is for people belongs on stderr.",
        ) from error
    return line


def from_node(data: bytes) -> FromNode:
    """Read a line of the node; raises ``AgentError`` (CHILD_PROTOCOL) for what is none."""
    try:
        line: FromNode = _FROM_NODE.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise AgentError(
            AgentCode.CHILD_PROTOCOL, f"The node wrote {data[:SHOWN_MAX]!r}: {error}."
        ) from error
    return line
