"""What a gateway tells its clients: one class for each event, with the field names of the client API.

``event.method`` is the name under which clients know it. Every text is clean: no control bytes but tab and
newline, and no colour codes unless the gateway's settings keep them. ``is_known`` says whether the mud is in the
list of the router; names on this network are claims, and a name that is not in the list even more so.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The parent of all events."""

    method: ClassVar[str] = ""


class TellReceived(Event, frozen=True, kw_only=True):
    """Somebody tells a player here something."""

    method: ClassVar[str] = "tell_received"
    from_mud: str
    from_user: str
    to_user: str
    visname: str
    message: str
    is_known: bool = True


class EmotetoReceived(Event, frozen=True, kw_only=True):
    """Somebody does something towards a player here; ``$N`` is replaced."""

    method: ClassVar[str] = "emoteto_received"
    from_mud: str
    from_user: str
    to_user: str
    visname: str
    message: str
    is_known: bool = True


class BeepReceived(Event, frozen=True, kw_only=True):
    """Somebody wants the attention of a player here."""

    method: ClassVar[str] = "beep_received"
    from_mud: str
    from_user: str
    to_user: str
    visname: str
    is_known: bool = True


class ChannelMessage(Event, frozen=True, kw_only=True):
    """A line on a channel, those from here included.

    Attributes:
        line_id: its place in the history, grows with time; 0 while the history cannot be written.
    """

    method: ClassVar[str] = "channel_message"
    channel: str
    from_mud: str
    from_user: str
    visname: str
    message: str
    line_id: int = 0
    is_known: bool = True


class ChannelEmote(Event, frozen=True, kw_only=True):
    """Somebody does something on a channel, perhaps to somebody; ``$N`` and ``$O`` are replaced.

    Attributes:
        target_message: what the target reads instead.
        line_id: as above.
    """

    method: ClassVar[str] = "channel_emote"
    channel: str
    from_mud: str
    from_user: str
    visname: str
    message: str
    target_message: str = ""
    target_mud: str = ""
    target_user: str = ""
    line_id: int = 0
    is_known: bool = True


class WhoRow(msgspec.Struct, frozen=True, kw_only=True):
    """A player elsewhere; ``idle`` in seconds."""

    name: str
    idle: int
    extra: str


class WhoReply(Event, frozen=True, kw_only=True):
    """Who is on another mud."""

    method: ClassVar[str] = "who_reply"
    from_mud: str
    to_user: str
    users: tuple[WhoRow, ...]


class FingerReply(Event, frozen=True, kw_only=True):
    """What a mud tells of a player; empty where it tells nothing.

    Attributes:
        idle: seconds; -1 when the player is not on.
    """

    method: ClassVar[str] = "finger_reply"
    from_mud: str
    to_user: str
    visname: str
    title: str
    real_name: str
    email: str
    login_time: str
    idle: int
    ip_name: str
    level: str
    extra: str


class LocateReply(Event, frozen=True, kw_only=True):
    """A mud has the player that was looked for."""

    method: ClassVar[str] = "locate_reply"
    from_mud: str
    to_user: str
    located_mud: str
    located_user: str
    idle: int
    status: str


class ErrorOccurred(Event, frozen=True, kw_only=True):
    """Something that was asked for came to nothing, perhaps long after it was accepted.

    Attributes:
        error: the router's or the mud's code (``unk-user``), or ``expired``, ``unknown-fate``, ``no-answer``; of a
            letter also ``not-delivered``.
        message: for a person.
        message_id: of what it is about, empty when that is not known; of a letter its ``mail_id``.
        from_mud: who says so, empty when it is the gateway.
        to_user: who had asked.
        packet_type: of what it is about.
        target_mud: where that went.
        target_user: to whom.
        channel: on which channel.
    """

    method: ClassVar[str] = "error_occurred"
    error: str
    message: str
    message_id: str = ""
    from_mud: str = ""
    to_user: str = ""
    packet_type: str = ""
    target_mud: str = ""
    target_user: str = ""
    channel: str = ""


class GatewayReconnected(Event, frozen=True, kw_only=True):
    """A router answered again; what happened on the network meanwhile is not known."""

    method: ClassVar[str] = "gateway_reconnected"
    router: str
    away: float


class MudOnline(Event, frozen=True, kw_only=True):
    """A mud came up."""

    method: ClassVar[str] = "mud_online"
    mud_name: str


class MudOffline(Event, frozen=True, kw_only=True):
    """A mud went down; ``returns_in`` seconds, 0 when it did not say."""

    method: ClassVar[str] = "mud_offline"
    mud_name: str
    returns_in: int = 0


class ChannelJoined(Event, frozen=True, kw_only=True):
    """This mud listens to a channel now."""

    method: ClassVar[str] = "channel_joined"
    channel: str


class ChannelLeft(Event, frozen=True, kw_only=True):
    """It does not any more; ``reason`` is empty when somebody here wanted it so."""

    method: ClassVar[str] = "channel_left"
    channel: str
    reason: str = ""


class UserJoinedChannel(Event, frozen=True, kw_only=True):
    """A player elsewhere was heard on a channel for the first time in a while."""

    method: ClassVar[str] = "user_joined_channel"
    channel: str
    mud_name: str
    user_name: str
    visname: str


class UserLeftChannel(Event, frozen=True, kw_only=True):
    """A player elsewhere was not heard for long, or the player's mud is gone."""

    method: ClassVar[str] = "user_left_channel"
    channel: str
    mud_name: str
    user_name: str
    visname: str


class ShutdownWarning(Event, frozen=True, kw_only=True):
    """The router, or this gateway, goes down; ``returns_in`` seconds, 0 when it is not known."""

    method: ClassVar[str] = "shutdown_warning"
    source: str
    returns_in: int


class RateLimitWarning(Event, frozen=True, kw_only=True):
    """Packets wait for their turn, or the router says that they are too many."""

    method: ClassVar[str] = "rate_limit_warning"
    source: str
    message: str
    queued: int


class MailReceived(Event, frozen=True, kw_only=True):
    """A letter for players here is in their boxes."""

    method: ClassVar[str] = "mail_received"
    from_mud: str
    from_user: str
    to_users: tuple[str, ...]
    subject: str
    mail_id: int


EVENTS: tuple[type[Event], ...] = (
    TellReceived,
    EmotetoReceived,
    BeepReceived,
    ChannelMessage,
    ChannelEmote,
    WhoReply,
    FingerReply,
    LocateReply,
    ErrorOccurred,
    GatewayReconnected,
    MudOnline,
    MudOffline,
    ChannelJoined,
    ChannelLeft,
    UserJoinedChannel,
    UserLeftChannel,
    ShutdownWarning,
    RateLimitWarning,
    MailReceived,
)
"""All there are."""
