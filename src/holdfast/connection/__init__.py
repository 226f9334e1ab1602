"""Connections that come back."""

from holdfast.connection.blocking import BlockingConnection
from holdfast.connection.connection import ReliableConnection
from holdfast.connection.dial import dial_any
from holdfast.connection.endpoint import Endpoint
from holdfast.connection.framing import Control, Framed, Framing, LengthPrefixed, Lines
from holdfast.connection.listener import Listener, ListenerSettings, Peer
from holdfast.connection.manager import (
    ConnectionManager,
    get_connection_manager,
    set_connection_manager,
)
from holdfast.connection.monitor import ConnectionQualityMonitor
from holdfast.connection.pool import ConnectionPool, PoolSettings
from holdfast.connection.quality import Grade, Quality
from holdfast.connection.settings import ConnectionSettings
from holdfast.connection.states import ConnectionState, Reason, StateChange
from holdfast.connection.thread import LoopThread
from holdfast.connection.transport import Receiver, Transport

__all__ = [
    "BlockingConnection",
    "ConnectionManager",
    "ConnectionPool",
    "ConnectionQualityMonitor",
    "ConnectionSettings",
    "ConnectionState",
    "Control",
    "Endpoint",
    "Framed",
    "Framing",
    "Grade",
    "LengthPrefixed",
    "Lines",
    "Listener",
    "ListenerSettings",
    "LoopThread",
    "Peer",
    "PoolSettings",
    "Quality",
    "Reason",
    "Receiver",
    "ReliableConnection",
    "StateChange",
    "Transport",
    "dial_any",
    "get_connection_manager",
    "set_connection_manager",
]
