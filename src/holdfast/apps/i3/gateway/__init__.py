"""A mud's place on an Intermud-3 network: router links, lists, channels, questions, files, mail, news."""

from holdfast.apps.i3.gateway.events import EVENTS, Event
from holdfast.apps.i3.gateway.gateway import Gateway
from holdfast.apps.i3.gateway.model import (
    Channel,
    GatewayState,
    Group,
    Letter,
    LetterRow,
    Line,
    Member,
    Mud,
    Player,
    Post,
    Recipient,
    Sent,
)
from holdfast.apps.i3.gateway.settings import SERVICES, GatewaySettings, RouterAddress
from holdfast.apps.i3.gateway.store import MIGRATIONS

__all__ = [
    "EVENTS",
    "MIGRATIONS",
    "SERVICES",
    "Channel",
    "Event",
    "Gateway",
    "GatewaySettings",
    "GatewayState",
    "Group",
    "Letter",
    "LetterRow",
    "Line",
    "Member",
    "Mud",
    "Player",
    "Post",
    "Recipient",
    "RouterAddress",
    "Sent",
]
