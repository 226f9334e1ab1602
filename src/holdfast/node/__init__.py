"""A node of the chat and of agents: identities, contacts, conversations that lose nothing, through gateways."""

from holdfast.node.invitation import Invitation
from holdfast.node.model import (
    Change,
    Contact,
    ContactChanged,
    ContactId,
    ContactState,
    ConversationId,
    ErrorNoted,
    GatewayChanged,
    GatewayStatus,
    Identity,
    IdentityId,
    Message,
    MessageChanged,
    MessageId,
    MessageState,
    PlainChanged,
    QueueChanged,
    QueueStatus,
    Room,
    RoomChanged,
    RoomId,
)
from holdfast.node.node import Node
from holdfast.node.settings import Mode, NodeSettings
from holdfast.node.store import NODE_MIGRATIONS

__all__ = [
    "NODE_MIGRATIONS",
    "Change",
    "Contact",
    "ContactChanged",
    "ContactId",
    "ContactState",
    "ConversationId",
    "ErrorNoted",
    "GatewayChanged",
    "GatewayStatus",
    "Identity",
    "IdentityId",
    "Invitation",
    "Message",
    "MessageChanged",
    "MessageId",
    "MessageState",
    "Mode",
    "Node",
    "NodeSettings",
    "PlainChanged",
    "QueueChanged",
    "QueueStatus",
    "Room",
    "RoomChanged",
    "RoomId",
]
