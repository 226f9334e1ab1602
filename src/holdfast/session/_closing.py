"""How a connection ends: with which code a WebSocket is closed (RFC 6455, section 7.4), and what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.errors import ErrorCode, ProtocolError, RateLimitError, SessionError, StorageError

if TYPE_CHECKING:
    from holdfast.errors import ResilienceError

CLOSE_NORMAL, CLOSE_POLICY, CLOSE_RESTART, CLOSE_OVERLOAD = 1000, 1008, 1012, 1013


def close_code(error: ResilienceError, *, again: bool) -> int:
    """Return the code for a connection that ends with that error."""
    if error.code is ErrorCode.SERVER_RESTARTING:
        return CLOSE_RESTART
    if isinstance(error, RateLimitError | StorageError):
        return CLOSE_OVERLOAD
    if isinstance(error, ProtocolError):
        return CLOSE_POLICY
    return CLOSE_NORMAL if not again else CLOSE_RESTART


def application_failed() -> SessionError:
    """Say that the program has a fault, without saying which."""
    return SessionError(
        "The server failed at this; it was written to its log.", code=ErrorCode.APPLICATION_FAILED
    )
