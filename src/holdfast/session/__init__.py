"""People and programs that are not lost when their connections break."""

from holdfast.session._keeping import CLIENT_MIGRATIONS
from holdfast.session.application import Application
from holdfast.session.client import ClientStatus, RefusedError, SessionClient
from holdfast.session.connection import Connection, Handshake, Link, Packet
from holdfast.session.hub import Hub
from holdfast.session.record import PresenceState, Session
from holdfast.session.runner import HubRunner
from holdfast.session.settings import HubSettings
from holdfast.session.timers import Timer
from holdfast.session.transaction import Transaction

__all__ = [
    "CLIENT_MIGRATIONS",
    "Application",
    "ClientStatus",
    "Connection",
    "Handshake",
    "Hub",
    "HubRunner",
    "HubSettings",
    "Link",
    "Packet",
    "PresenceState",
    "RefusedError",
    "Session",
    "SessionClient",
    "Timer",
    "Transaction",
]
