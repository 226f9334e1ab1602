"""Named agents on nodes that call each other, whatever breaks in between."""

from holdfast.apps.agents.agent import AgentRequest, AgentSettings, Resident
from holdfast.apps.agents.errors import (
    AgentCode,
    AgentError,
    RemoteAgentError,
    StreamBrokenError,
)
from holdfast.apps.agents.events import AgentEvent, Subscription
from holdfast.apps.agents.host import AgentHost, HostSettings
from holdfast.apps.agents.outgoing import StreamCall
from holdfast.apps.agents.process import ProcessAgent, ProcessSettings
from holdfast.apps.agents.report import AgentReport, NodeReport
from holdfast.apps.agents.settings import ConversationSettings
from holdfast.apps.agents.store import MIGRATIONS
from holdfast.apps.agents.transport import Transport

__all__ = [
    "MIGRATIONS",
    "AgentCode",
    "AgentError",
    "AgentEvent",
    "AgentHost",
    "AgentReport",
    "AgentRequest",
    "AgentSettings",
    "ConversationSettings",
    "HostSettings",
    "NodeReport",
    "ProcessAgent",
    "ProcessSettings",
    "RemoteAgentError",
    "Resident",
    "StreamBrokenError",
    "StreamCall",
    "Subscription",
    "Transport",
]
