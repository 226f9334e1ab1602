"""What the methods of the client API return. Names of fields are those that clients in the field use."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the codec reads annotations at run time
from typing import Literal

import msgspec


class Authenticated(msgspec.Struct):
    """You are known.

    Attributes:
        event_id: events after this one follow.
        is_complete: whether these are all that happened since; else some are not kept any more.
    """

    status: Literal["authenticated"]
    mud_name: str
    session_id: str
    event_id: int
    is_complete: bool


class MessageSent(msgspec.Struct):
    """A message was accepted: a router has been handed it, or (``queued``) it waits durably for one."""

    status: Literal["sent", "queued"]
    message_id: str


class ChannelDone(msgspec.Struct):
    """Something was done with a channel."""

    status: Literal["joined", "left", "requested"]
    channel: str


class ChannelRow(msgspec.Struct):
    """A channel; ``type`` 0 open, 1 invited only, 2 filtered; ``member_count`` as was heard here."""

    name: str
    owner: str
    type: int
    member_count: int


class Channels(msgspec.Struct):
    """Channels of the network, and which of them this mud listens to."""

    status: Literal["success"]
    channels: list[ChannelRow]
    count: int
    subscribed_channels: list[str]


class ChannelMembers(msgspec.Struct):
    """Who is on a channel."""

    status: Literal["success"]
    channel: str
    members: list[str]


class HistoryLine(msgspec.Struct):
    """A line of a channel; ``timestamp`` as in events."""

    line_id: int
    timestamp: str
    kind: str
    from_mud: str
    from_user: str
    visname: str
    message: str


class History(msgspec.Struct):
    """Lines of a channel, oldest first."""

    status: Literal["success"]
    channel: str
    messages: list[HistoryLine]
    count: int


class MudRequested(msgspec.Struct):
    """The mud was asked; the answer is an event."""

    status: Literal["requested"]
    mud_name: str


class FingerRequested(msgspec.Struct):
    """The mud was asked about a player; the answer is an event."""

    status: Literal["requested"]
    mud_name: str
    user_name: str


class LocateRequested(msgspec.Struct):
    """All muds were asked; the answers are events."""

    status: Literal["requested"]
    user_name: str


class MudRow(msgspec.Struct):
    """A mud of the network."""

    name: str
    host: str
    port: int
    tcp_port: int
    udp_port: int
    driver: str
    mudlib: str
    mud_type: str
    status: Literal["up", "down"]
    services: Mapping[str, int]
    open_status: str
    admin_email: str


class MudsListed(msgspec.Struct):
    """Muds of the network."""

    status: Literal["success"]
    muds: list[MudRow]
    count: int


class FileRow(msgspec.Struct):
    """A file or folder of another mud; ``size`` in bytes, negative for a folder; ``changed`` in seconds since 1970."""

    name: str
    size: int
    changed: int


class FilesListed(msgspec.Struct):
    """What is in a folder of another mud."""

    status: Literal["success"]
    mud_name: str
    files: list[FileRow]
    count: int


class FileRead(msgspec.Struct):
    """What is in a file of another mud."""

    status: Literal["success"]
    mud_name: str
    name: str
    contents: str


class FileStored(msgspec.Struct):
    """Another mud has the file."""

    status: Literal["success"]
    mud_name: str
    name: str


class MailSent(msgspec.Struct):
    """A letter is stored for each mud that it goes to; ``error_occurred`` tells by its number what comes to nothing."""

    status: Literal["queued"]
    mail_id: int


class MailRow(msgspec.Struct):
    """A letter in a box; ``timestamp`` of when it came, ``size`` of the body in bytes."""

    mail_id: int
    timestamp: str
    from_mud: str
    from_user: str
    subject: str
    size: int


class MailListed(msgspec.Struct):
    """Letters of a user, oldest first."""

    status: Literal["success"]
    user: str
    mails: list[MailRow]
    count: int


class MailUserRow(msgspec.Struct):
    """Somebody to whom a letter goes."""

    mud: str
    user: str


class MailShown(msgspec.Struct):
    """A letter; ``written`` in seconds since 1970 by the word of its mud, ``users`` are those here who have it."""

    status: Literal["success"]
    mail_id: int
    timestamp: str
    written: int
    from_mud: str
    from_user: str
    to: list[MailUserRow]
    cc: list[MailUserRow]
    users: list[str]
    subject: str
    body: str


class MailDeleted(msgspec.Struct):
    """A letter is in no box any more, or not in that user's; it was in ``count``."""

    status: Literal["deleted"]
    mail_id: int
    count: int


class NewsRow(msgspec.Struct):
    """A group of news, with the numbers of its first and its last post."""

    group: str
    first: int
    last: int


class NewsListed(msgspec.Struct):
    """Groups of news of a mud."""

    status: Literal["success"]
    mud_name: str
    groups: list[NewsRow]
    count: int


class NewsShown(msgspec.Struct):
    """A post; ``posted`` in seconds since 1970, ``thread`` is the post that began its thread."""

    status: Literal["success"]
    mud_name: str
    group: str
    post_id: int
    posted: int
    thread: int
    subject: str
    poster: str
    text: str


class NewsPosted(msgspec.Struct):
    """A post is stored where its group is."""

    status: Literal["success"]
    mud_name: str
    group: str
    post_id: int


class Synchronized(msgspec.Struct):
    """Who is here is known now."""

    status: Literal["synchronized"]
    mud_name: str
    count: int


class Pong(msgspec.Struct):
    """An answer; ``timestamp`` in seconds since 1970."""

    pong: bool
    timestamp: float


class Beat(msgspec.Struct):
    """An answer; ``timestamp`` in seconds since 1970."""

    status: Literal["ok"]
    timestamp: float


class Status(msgspec.Struct):
    """How it stands; ``uptime`` of this connection in seconds."""

    connected: bool
    mud_name: str
    session_id: str
    uptime: float


class Stats(msgspec.Struct):
    """Figures."""

    mud_count: int
    online_muds: int
    channel_count: int
    session_count: int
    mudlist_id: int
    chanlist_id: int
    gateway_connected: bool
    packets_sent: int
    packets_received: int


class Reconnecting(msgspec.Struct):
    """The router is left and come back to."""

    status: Literal["reconnecting"]


class KeyRow(msgspec.Struct):
    """A key, without what is secret."""

    name: str
    permissions: tuple[str, ...]
    rates: Mapping[str, tuple[float, int]]
    created: str


class Keys(msgspec.Struct):
    """All keys."""

    keys: list[KeyRow]


class KeyMade(msgspec.Struct):
    """A key; shown this once."""

    name: str
    api_key: str


class KeyRevoked(msgspec.Struct):
    """A key is good for nothing any more."""

    status: Literal["revoked"]
    name: str
