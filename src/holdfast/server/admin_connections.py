"""The connections of a hub as the dashboard shows them, and the trouble that can be made for them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Final, Literal, Protocol, runtime_checkable

import msgspec

from holdfast.errors import ErrorCode, ResilienceError

if TYPE_CHECKING:
    from holdfast.session import Connection, Hub

CONNECTIONS_MAX: Final = 500
STALL_MAX: Final = 60.0
SILENT_AFTER: Final = 3.0
"""Seconds that a ping may be unanswered before a connection is called silent."""


@runtime_checkable
class Troubled(Protocol):
    """A link that can be troubled on purpose."""

    def cut(self) -> None:
        """Drop the connection as if the cable was pulled."""

    def stall(self, seconds: float) -> None:
        """Let nothing through in either direction for a while."""


class Trouble(msgspec.Struct):
    """What is to be done to a connection: cut it like a cable, or let nothing through for some seconds."""

    do: Literal["cut", "stall"]
    connection: Annotated[str, msgspec.Meta(max_length=100)]
    seconds: Annotated[float, msgspec.Meta(ge=0.0, le=STALL_MAX)] = 10.0


class NotHereError(ResilienceError):
    """What was asked for is not there, or not any more."""

    default_code = ErrorCode.SESSION_EXPIRED
    http_status = 404


def describe_connections(hub: Hub) -> dict[str, object]:
    """List connections, those in trouble first, at most 500, and count all by state."""
    listed = [_connection(each, hub.now()) for each in hub.connections]
    listed.sort(key=lambda each: (each["state"] == "open", str(each["kind"]), str(each["id"])))
    states: dict[str, int] = {}
    for each in listed:
        states[str(each["state"])] = states.get(str(each["state"]), 0) + 1
    states["absent"] = sum(1 for each in hub.sessions.values() if each.connection is None)
    return {"states": states, "connections": listed[:CONNECTIONS_MAX]}


def make_trouble(hub: Hub, wish: Trouble) -> None:
    """Trouble a connection, so that one can watch it come back.

    Raises:
        NotHereError: 6001; the connection has gone.
    """
    for connection in hub.connections:
        link = connection.link
        if _name(connection) != wish.connection or not isinstance(link, Troubled):
            continue
        if wish.do == "cut":
            link.cut()
        else:
            link.stall(wish.seconds)
        return
    raise NotHereError("This connection has gone already, or cannot be troubled.")


def _name(connection: Connection) -> str:
    """Name a connection without telling what could be used to take it over."""
    session = connection.session
    told = f"{id(connection)}-{session.id if session is not None else ''}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _connection(connection: Connection, now: float) -> dict[str, object]:
    session = connection.session
    silent = now - connection.silent_since if connection.silent_since is not None else 0.0
    if session is None:
        state = "opening"
    elif connection.is_lagging:
        state = "slow reader"
    elif silent > SILENT_AFTER:
        state = "silent"
    else:
        state = "open"
    rtt = session.rtt_ms() if session is not None else None
    kind = session.principal.split(":", 1)[0] if session is not None else ""
    return {
        "id": _name(connection),
        "kind": kind,
        "state": state,
        "remote": connection.handshake.remote,
        "rttMs": rtt,
        "silentFor": round(silent, 1),
        "channels": len(session.channels) if session is not None else 0,
    }
