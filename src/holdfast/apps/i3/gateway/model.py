"""What a gateway knows: muds, channels, players, lines."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the codec reads annotations at run time
from enum import StrEnum

import msgspec


class GatewayState(StrEnum):
    """Where a gateway stands towards its routers."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    STARTING = "starting"
    READY = "ready"


class Sent(msgspec.Struct, frozen=True):
    """A message was accepted.

    Attributes:
        id: names it in an ``ErrorOccurred`` that may follow.
        is_queued: it waits durably for a router; otherwise a router that was ready has been handed it.
    """

    id: str
    is_queued: bool = False


class Mud(msgspec.Struct, frozen=True, kw_only=True):
    """A mud in the router's list.

    Attributes:
        state: -1 up, 0 down, otherwise down for about that many seconds.
        services: its services, with 1 or a port.
    """

    name: str
    state: int = 0
    host: str = ""
    player_port: int = 0
    tcp_port: int = 0
    udp_port: int = 0
    mudlib: str = ""
    base_mudlib: str = ""
    driver: str = ""
    mud_type: str = ""
    open_status: str = ""
    admin_email: str = ""
    services: Mapping[str, int] = msgspec.field(default_factory=dict)

    @property
    def is_up(self) -> bool:
        """Whether it is connected to the router."""
        return self.state == -1


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel in the router's list.

    Attributes:
        owner: the mud that hosts it.
        type: 0 open to all but the banned, 1 invited only, 2 invited only and filtered by the host.
    """

    name: str
    owner: str
    type: int = 0


class Player(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who plays here, as the mud tells its gateway.

    Attributes:
        idle: seconds.
        login_time: as it is shown to others.
    """

    name: str
    title: str = ""
    race: str = ""
    guild: str = ""
    location: str = ""
    status: str = ""
    level: int = 0
    idle: int = 0
    login_time: str = ""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on a channel."""

    mud: str
    user: str
    visname: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a channel's history.

    Attributes:
        id: grows with time.
        at: seconds since 1970.
        kind: ``message`` or ``emote``.
    """

    id: int
    channel: str
    at: float
    kind: str
    from_mud: str
    from_user: str
    visname: str
    message: str


class Recipient(msgspec.Struct, frozen=True):
    """Somebody to whom a letter goes.

    Attributes:
        user: in lower case.
        mud: the exact name.
    """

    user: str
    mud: str


class LetterRow(msgspec.Struct, frozen=True, kw_only=True):
    """A letter in somebody's box.

    Attributes:
        id: of the letter here; grows with each, and is the same for all who have it.
        at: when it came, seconds since 1970.
        size: bytes of its body.
    """

    id: int
    from_mud: str
    from_user: str
    subject: str
    at: float
    size: int


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A whole letter.

    Attributes:
        row: as in the list.
        to: to whom it goes, on all muds; who got a blind copy is not told.
        cc: who gets a copy, likewise.
        written_at: when it was written by the word of its mud, seconds since 1970.
        users: who here has it in the box.
    """

    row: LetterRow
    to: tuple[Recipient, ...]
    cc: tuple[Recipient, ...]
    written_at: int
    users: tuple[str, ...]
    body: str


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group of posts.

    Attributes:
        first: the lowest number that is kept, one more than ``last`` when there is none.
        last: the number of the newest, 0 before the first post of all.
    """

    name: str
    first: int
    last: int


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """A post in a group.

    Attributes:
        at: seconds since 1970.
        thread: the number of the post that began the thread.
        poster: as shown; where this gateway is the host, with the mud that was authenticated.
    """

    id: int
    at: int
    thread: int
    subject: str
    poster: str
    text: str
