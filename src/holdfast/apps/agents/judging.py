"""What the end of a call means for its caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.apps.agents import wire
from holdfast.apps.agents.errors import (
    NOT_RUN,
    AgentCode,
    AgentError,
    RemoteAgentError,
    understood,
)
from holdfast.errors import NetworkTimeoutError

if TYPE_CHECKING:
    from holdfast.apps.agents.effects import Answered


def judged(end: Answered, where: str) -> object:
    """Return what the agent answered.

    Args:
        end: of the call.
        where: the agent's address, for messages.

    Raises:
        RemoteAgentError: it answered with an error.
        AgentError: CALL_TIMEOUT, it had the request and did not answer in time; BODY_INVALID, it does not speak JSON.
        NetworkTimeoutError: PEER_SILENT; its node gave no sign of life.
    """
    reply = end.reply
    if reply is None:
        if end.was_accepted:
            raise AgentError(
                AgentCode.CALL_TIMEOUT,
                f"{where} has the request and did not answer in time; ask again with the same id.",
            )
        raise NetworkTimeoutError(
            f"The node of {where} gave no sign of life in time; ask again with the same id.",
            code=AgentCode.PEER_SILENT,
        )
    if reply.error is not None:
        told = wire.from_json(reply.error)
        raise understood(told if isinstance(told, dict) else {}, where)
    if reply.body is None:
        raise AgentError(AgentCode.BODY_INVALID, f"{where} answered with nothing at all.")
    return wire.from_json(reply.body)


def was_not_run(error: Exception) -> bool:
    """Say whether the same request may be sent again: it was refused before it ran."""
    return isinstance(error, RemoteAgentError) and error.code in NOT_RUN
