"""Connections break; sessions, messages and people do not get lost."""

from holdfast.errors import ErrorCode, ResilienceError
from holdfast.session import Application, Hub, HubSettings, PresenceState, Session, Transaction

__all__ = [
    "Application",
    "ErrorCode",
    "Hub",
    "HubSettings",
    "PresenceState",
    "ResilienceError",
    "Session",
    "Transaction",
]
