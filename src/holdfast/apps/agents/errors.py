"""What agents refuse or fail of, with which code, and how an error travels from node to node."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from holdfast.errors import ErrorCode, NetworkError, ResilienceError

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT_MAX: Final = 500
"""Characters of a message that came from outside (cut)."""


class AgentCode(IntEnum):
    """Stable numbers of the application."""

    AGENT_UNKNOWN = 13001
    PEER_UNKNOWN = 13002
    AGENT_FAILED = 13003
    AGENT_UNAVAILABLE = 13004
    AGENT_BUSY = 13005
    PEER_SILENT = 13006
    CALL_TIMEOUT = 13007
    CALL_CANCELLED = 13008
    CALL_INTERRUPTED = 13009
    REQUEST_ID_REUSED = 13010
    REQUEST_STALE = 13011
    STREAM_BROKEN = 13012
    BODY_TOO_LARGE = 13013
    BODY_INVALID = 13014
    TOO_MANY = 13015
    ADDRESS_INVALID = 13016
    TOPIC_INVALID = 13017
    CHILD_PROTOCOL = 13018
    CONFIG_INVALID = 13019
    NODE_NOT_RUNNING = 13020
    NODE_STOPPING = 13021
    REMOTE_FAILED = 13022


class AgentError(ResilienceError):
    """A call, a stream or an agent failed; the code says how.

    Args:
        code: which.
        message: for a person.
        retry_after: seconds, where trying again makes sense.
        details: values that belong to it.
    """

    def __init__(
        self, code: IntEnum, message: str, *, retry_after: float | None = None, **details: object
    ) -> None:
        super().__init__(message, code=code, retry_after=retry_after, details=details)


class RemoteAgentError(AgentError):
    """The agent, or its node, answered with an error; ``code`` is what it said.

    A code that is not known here is REMOTE_FAILED, with the number in ``details["remote_code"]``.
    """


class StreamBrokenError(AgentError):
    """A stream ended before it was whole; what was read of it is good, the rest is lost."""

    def __init__(self, message: str, *, code: IntEnum = AgentCode.STREAM_BROKEN) -> None:
        super().__init__(code, message)


NOT_RUN: Final = frozenset(
    {
        AgentCode.AGENT_BUSY,
        AgentCode.AGENT_UNAVAILABLE,
        AgentCode.TOO_MANY,
        AgentCode.NODE_STOPPING,
        ErrorCode.RATE_LIMIT_EXCEEDED,
        ErrorCode.SERVER_OVERLOADED,
    }
)
"""Answers that say: not now, and nothing was run; they are not kept, the same request may come again."""

_CODES: Final[dict[int, IntEnum]] = {int(code): code for code in (*AgentCode, *ErrorCode)}

COMES_BACK: Final = (NetworkError,)
"""What counts against a peer: silence and lost ways to it, never what one of its agents answers."""


def described(error: BaseException, agent: str) -> dict[str, object]:
    """Write an error for the other node, in the form of ``ResilienceError.to_dict``.

    An unexpected exception of an agent is described by its type alone: its text may hold what is nobody's
    business, and stands in the log of its own node.
    """
    if isinstance(error, ResilienceError):
        told = error.to_dict()
        told.pop("original", None)
        told["message"] = error.message[:TEXT_MAX]
        return told
    kind = type(error).__name__
    failed = AgentError(
        AgentCode.AGENT_FAILED,
        f"The agent {agent!r} failed with {kind}; its node's log says where.",
        kind=kind,
    )
    return failed.to_dict()


def understood(told: Mapping[str, object], where: str) -> RemoteAgentError:
    """Make the error that another node described; whatever is odd about it, it stays an error.

    Args:
        told: as from ``described``, from outside.
        where: the agent's address, for the message.
    """
    number, text, details = told.get("code"), told.get("message"), told.get("details")
    code = known(number)
    more: dict[str, object] = dict(details) if isinstance(details, dict) else {}
    if code is None:
        code = AgentCode.REMOTE_FAILED
        more["remote_code"] = number if isinstance(number, int) else None
    wait = told.get("retry_after")
    message = text[:TEXT_MAX] if isinstance(text, str) else "no reason was given"
    error = RemoteAgentError(code, f"{where}: {message}")
    error.details.update(more)
    if isinstance(wait, int | float) and 0 <= wait < float("inf"):
        error.retry_after = float(wait)
    return error


def failed(told: Mapping[str, object], agent: str) -> AgentError:
    """Make the error that a process of this node described.

    Args:
        told: as in ``understood``; a code that is not known is AGENT_FAILED.
        agent: its name.
    """
    text = told.get("message")
    message = text[:TEXT_MAX] if isinstance(text, str) else f"The agent {agent!r} gave no reason."
    details, wait = told.get("details"), told.get("retry_after")
    error = AgentError(known(told.get("code")) or AgentCode.AGENT_FAILED, message)
    error.details.update(details if isinstance(details, dict) else {})
    if isinstance(wait, int | float) and 0 <= wait < float("inf"):
        error.retry_after = float(wait)
    return error


def known(number: object) -> IntEnum | None:
    """Return the code with this number, None when there is none here."""
    if not isinstance(number, int):
        return None
    return _CODES.get(number)
