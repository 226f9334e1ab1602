"""Questions to a mud about its users, and the answers."""

from __future__ import annotations

import msgspec

from holdfast.apps.i3.packets._shape import OrNothing, Packet


class WhoReq(Packet, tag="who-req", frozen=True, kw_only=True):
    """Who is on?"""


class WhoRow(msgspec.Struct, array_like=True, frozen=True):
    """One user who is on.

    Attributes:
        visname: as shown.
        idle: seconds.
        extra: title, level, what the mud likes.
    """

    visname: str
    idle: int = 0
    extra: OrNothing = ""


class WhoReply(Packet, tag="who-reply", frozen=True, kw_only=True):
    """These are on."""

    rows: tuple[WhoRow, ...]


class FingerReq(Packet, tag="finger-req", frozen=True, kw_only=True):
    """Who is that?"""

    user: str


class FingerReply(Packet, tag="finger-reply", frozen=True, kw_only=True):
    """That is who; what is empty is not told.

    Attributes:
        visname: as shown.
        title: with the name or without.
        real_name: of the person.
        email: of the person.
        login_time: when logged in or out, as text.
        idle: seconds, -1 when not on.
        ip_name: where from.
        level: as text.
        extra: lines of text.
    """

    visname: OrNothing
    title: OrNothing
    real_name: OrNothing
    email: OrNothing
    login_time: OrNothing
    idle: int
    ip_name: OrNothing
    level: OrNothing
    extra: OrNothing


class LocateReq(Packet, tag="locate-req", frozen=True, kw_only=True):
    """Where is that user? Asked of everybody; only who has him answers."""

    user: str


class LocateReply(Packet, tag="locate-reply", frozen=True, kw_only=True):
    """Here.

    Attributes:
        located_mud: where.
        located_visname: as shown there.
        idle: seconds; 0 also from old muds, which do not tell.
        status: words joined by ``, ``, such as ``editing, inactive``.
    """

    located_mud: str
    located_visname: str
    idle: int = 0
    status: OrNothing = ""


class ChanUserReq(Packet, tag="chan-user-req", frozen=True, kw_only=True):
    """How is that user shown, and of which gender?"""

    user: str


class ChanUserReply(Packet, tag="chan-user-reply", frozen=True, kw_only=True):
    """So.

    Attributes:
        user: in lower case.
        visname: as shown.
        gender: 0 male, 1 female, 2 neuter or other.
    """

    user: str
    visname: str
    gender: int


class UcacheUpdate(Packet, tag="ucache-update", frozen=True, kw_only=True):
    """What ``ChanUserReply`` would say of a user has changed; sent to everybody."""

    user: str
    visname: str
    gender: int


class AuthMudReq(Packet, tag="auth-mud-req", frozen=True, kw_only=True):
    """Give me a token for a connection out of band; to one's own name it serves as a sign of life."""


class AuthMudReply(Packet, tag="auth-mud-reply", frozen=True, kw_only=True):
    """Here is the token: good once, for ten minutes."""

    token: int


class OobReq(Packet, tag="oob-req", frozen=True, kw_only=True):
    """I will connect to your port out of band; for muds without ``auth``."""


class PingReq(Packet, tag="ping-req", frozen=True, kw_only=True):
    """Are you there? Seen between muds, not in the specification."""

    token: object = 0


class PingReply(Packet, tag="ping-reply", frozen=True, kw_only=True):
    """Yes; the token of the question."""

    token: object
