"""Channels: lines on them, who hears them, and who may."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from holdfast.apps.i3.packets._shape import OrNothing, Packet


class ChannelType(IntEnum):
    """Who may use a channel; the host's list says who is banned or invited."""

    OPEN = 0
    INVITED = 1
    FILTERED = 2


class ChannelMessage(Packet, tag="channel-m", frozen=True, kw_only=True):
    """A line on a channel."""

    channel: str
    visname: OrNothing
    text: str


class ChannelEmote(Packet, tag="channel-e", frozen=True, kw_only=True):
    """A gesture on a channel; ``$N`` stands for who makes it."""

    channel: str
    visname: OrNothing
    text: str


class ChannelTarget(Packet, tag="channel-t", frozen=True, kw_only=True):
    """A gesture on a channel towards somebody.

    Attributes:
        channel: its name.
        target_mud: of whom it is made towards.
        target_user: who that is, in lower case.
        text: for all others; ``$N`` is who makes it, ``$O`` whom it is made towards.
        target_text: for the target.
        visname: who makes it, as shown.
        target_visname: the target, as shown.
    """

    channel: str
    target_mud: str
    target_user: str
    text: str
    target_text: str
    visname: OrNothing
    target_visname: OrNothing


class ChannelListen(Packet, tag="channel-listen", frozen=True, kw_only=True):
    """Tune in (1) or out (0); to the router."""

    channel: str
    is_on: int


class ChannelAdd(Packet, tag="channel-add", frozen=True, kw_only=True):
    """Make a channel; to the router."""

    channel: str
    kind: int


class ChannelRemove(Packet, tag="channel-remove", frozen=True, kw_only=True):
    """Delete a channel; to the router, by its host."""

    channel: str


class ChannelAdmin(Packet, tag="channel-admin", frozen=True, kw_only=True):
    """Change the list of a channel, of banned or invited muds; to the router, by its host."""

    channel: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


class ChanFilterReq(Packet, tag="chan-filter-req", frozen=True, kw_only=True):
    """The router asks the host of a channel: may this packet pass?"""

    channel: str
    packet: list[object]


class ChanFilterReply(Packet, tag="chan-filter-reply", frozen=True, kw_only=True):
    """It may, in this form."""

    channel: str
    packet: list[object]


class ChanWhoReq(Packet, tag="chan-who-req", frozen=True, kw_only=True):
    """Who on your mud hears that channel?"""

    channel: str


class ChanWhoReply(Packet, tag="chan-who-reply", frozen=True, kw_only=True):
    """These do."""

    channel: str
    visnames: tuple[str, ...]


class ChannelRow(msgspec.Struct, array_like=True, frozen=True):
    """A channel in the list of the router.

    Attributes:
        host: the mud that owns it.
        kind: see ``ChannelType``.
    """

    host: str
    kind: int = 0


class ChanlistReq(Packet, tag="chanlist-req", frozen=True, kw_only=True):
    """Send the list of channels again; to the router, not in the specification."""


class ChanlistReply(Packet, tag="chanlist-reply", frozen=True, kw_only=True):
    """Changes to the list of channels.

    Attributes:
        id: of the list that they make; opaque.
        channels: for each name what it is now; None: it is gone.
    """

    id: int
    channels: dict[str, ChannelRow | None]


class ChanAck(Packet, tag="chan-ack", frozen=True, kw_only=True):
    """A router's word about what was asked of it for a channel; not in the specification."""

    text: str


class ChanAdminlist(Packet, tag="chan-adminlist", frozen=True, kw_only=True):
    """Which muds are on the list of a channel? To the router, not in the specification."""

    channel: str


class ChanAdminlistReply(Packet, tag="chan-adminlist-reply", frozen=True, kw_only=True):
    """These are."""

    channel: str
    muds: tuple[str, ...]
