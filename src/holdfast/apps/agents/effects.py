"""What the machines ask of their shell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from holdfast.apps.agents.errors import AgentError
    from holdfast.apps.agents.wire import AnyFrame, Reply, Request


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame to the peer; it is worth nothing after ``within`` seconds."""

    frame: AnyFrame
    within: float


@dataclass(frozen=True, slots=True)
class Admit:
    """A request that is not known to run: look whether it ran before, else run it.

    The shell answers with ``Answering.admitted``, ``known`` or ``refused``.
    """

    request: Request


@dataclass(frozen=True, slots=True)
class Stop:
    """End what runs for a request: its caller withdrew it, or its time is over."""

    id: str
    error: AgentError


@dataclass(frozen=True, slots=True)
class Answered:
    """A call has come to its end; None when nothing came in time.

    Attributes:
        id: of the call.
        reply: what came.
        was_accepted: whether the peer gave a sign of life about it.
    """

    id: str
    reply: Reply | None
    was_accepted: bool


@dataclass(frozen=True, slots=True)
class Flowed:
    """A stream has moved, ended or broken: its reader or writer may go on."""

    id: str
    is_up: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """An event for those who listen; so many before it were missed."""

    topic: str
    body: bytes
    missed: int


@dataclass(frozen=True, slots=True)
class PeerStarted:
    """The peer's node has begun anew."""


Effect: TypeAlias = Send | Admit | Stop | Answered | Flowed | Heard | PeerStarted
