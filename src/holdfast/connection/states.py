"""The five states of a connection, why it changes them, and the table that says which changes there are."""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from holdfast.errors import (
    ConnectionFailedError,
    NetworkTimeoutError,
    ProtocolError,
    RateLimitError,
)


class ConnectionState(StrEnum):
    """Where a connection stands."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    FAILED = "failed"


class Happening(StrEnum):
    """What can happen to a connection."""

    WANTED = "wanted"
    OPENED = "opened"
    ATTEMPT_FAILED = "attempt failed"
    LOST = "lost"
    GIVEN_UP = "given up"
    IDLE = "idle"
    CLOSED = "closed"
    BROKEN = "broken"


_S, _H = ConnectionState, Happening

TABLE: Final = {
    (_S.DISCONNECTED, _H.WANTED): _S.CONNECTING,
    (_S.FAILED, _H.WANTED): _S.CONNECTING,
    (_S.CONNECTING, _H.OPENED): _S.CONNECTED,
    (_S.CONNECTING, _H.ATTEMPT_FAILED): _S.CONNECTING,
    (_S.CONNECTING, _H.GIVEN_UP): _S.FAILED,
    (_S.CONNECTED, _H.LOST): _S.RECONNECTING,
    (_S.CONNECTED, _H.IDLE): _S.DISCONNECTED,
    (_S.RECONNECTING, _H.OPENED): _S.CONNECTED,
    (_S.RECONNECTING, _H.ATTEMPT_FAILED): _S.RECONNECTING,
    (_S.RECONNECTING, _H.GIVEN_UP): _S.FAILED,
    **{(state, _H.BROKEN): _S.FAILED for state in _S},
    **{(state, _H.CLOSED): _S.DISCONNECTED for state in _S},
}
"""All changes there are; anything else is a bug of ours."""


class Reason(StrEnum):
    """Why an attempt failed or a connection ended."""

    REQUESTED = "requested"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    DNS = "dns"
    TLS = "tls"
    PROXY = "proxy"
    CONNECT_TIMEOUT = "connect timeout"
    HANDSHAKE_TIMEOUT = "handshake timeout"
    HANDSHAKE = "handshake"
    BUSY = "busy"
    CLOSED_BY_PEER = "closed by peer"
    RESET = "reset"
    PROTOCOL = "protocol"
    HEARTBEAT = "heartbeat"
    SILENCE = "silence"
    WRITE_TIMEOUT = "write timeout"
    IDLE = "idle"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class StateChange:
    """A connection came into a state, or tried again in vain.

    Attributes:
        at: seconds on the loop's clock.
        old: the state before.
        new: the state now; the same as ``old`` when an attempt failed.
        reason: why, None when it was opened or wanted.
        message: the same for a person.
        address: of the peer, ``host:port`` as resolved; empty before the first attempt.
        attempts: in vain since it was last good.
        retry_in: seconds until the next attempt, None when none is planned.
    """

    at: float
    old: ConnectionState
    new: ConnectionState
    reason: Reason | None = None
    message: str = ""
    address: str = ""
    attempts: int = 0
    retry_in: float | None = None


_UNREACHABLE: Final = frozenset(
    {
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EHOSTDOWN,
        errno.EADDRNOTAVAIL,
        errno.EACCES,
        errno.EPERM,
    }
)


def reason_of(error: BaseException | None) -> Reason:  # noqa: C901, PLR0911 - one for each
    """Say in one word what an error of the network means."""
    match error:
        case None:
            return Reason.CLOSED_BY_PEER
        case ssl.SSLError():
            return Reason.TLS
        case socket.gaierror():
            return Reason.DNS
        case ConnectionRefusedError():
            return Reason.REFUSED
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return Reason.RESET
        case RateLimitError():
            return Reason.BUSY
        case NetworkTimeoutError() | TimeoutError():
            return Reason.CONNECT_TIMEOUT
        case ProtocolError():
            return Reason.PROTOCOL
        case ConnectionFailedError():
            return reason_of(error.original) if error.original else Reason.HANDSHAKE
        case OSError() if error.errno in _UNREACHABLE:
            return Reason.UNREACHABLE
        case OSError():
            return Reason.RESET
        case _:
            return Reason.HANDSHAKE
