"""What a node tells of itself and its agents when it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.apps.agents import wire
from holdfast.apps.agents.errors import AgentCode, AgentError
from holdfast.apps.agents.wire import Reply

if TYPE_CHECKING:
    from holdfast.apps.agents.agent import Registered
    from holdfast.apps.agents.host import AgentHost
    from holdfast.apps.agents.wire import Request

REPORTER: Final = "_node"
"""The agent that every node has: asked for anything, it reports."""

TEXT_MAX: Final = 200
"""Characters of a description or a problem in a report."""


@dataclass(frozen=True, slots=True)
class AgentReport:
    """How an agent does.

    Attributes:
        name: of the agent.
        state: ``running`` when it can be asked.
        description: for a person.
        problem: why it does not run.
        active: requests that run.
        waiting: requests that wait.
    """

    name: str
    state: str
    description: str = ""
    problem: str = ""
    active: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class NodeReport:
    """How a node does.

    Attributes:
        life: another one after each start of the node.
        agents: those that the asker may ask.
    """

    life: str
    agents: tuple[AgentReport, ...]


def report_of(host: AgentHost, request: Request, peer: str = "") -> Reply:
    """Answer with how this node does."""
    agents = tuple(_described(each) for each in host.agents.values() if each.allows(peer))
    return Reply(request.id, wire.to_json(NodeReport(host.epoch, agents)), None, 0)


def read_report(told: object) -> NodeReport:
    """Read what another node told.

    Raises:
        AgentError: BODY_INVALID.
    """
    try:
        return msgspec.convert(told, NodeReport)
    except msgspec.ValidationError as error:
        raise AgentError(
            AgentCode.BODY_INVALID, f"The node told something else than a report: {error}."
        ) from error


def _described(agent: Registered) -> AgentReport:
    return AgentReport(
        agent.name,
        agent.state,
        agent.settings.description[:TEXT_MAX],
        agent.problem[:TEXT_MAX],
        agent.bulkhead.active,
        agent.bulkhead.waiting,
    )
