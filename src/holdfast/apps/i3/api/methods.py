"""The methods of the client API: their params, their results, who may call them and how often.

This table is all there is: the server reads params by it, and the description in OpenRPC is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3.api import params as p
from holdfast.apps.i3.api import results as r
from holdfast.apps.i3.api.rpc import Params

if TYPE_CHECKING:
    import msgspec


class Permission(StrEnum):
    """What a key may do; ``*`` in its place means everything."""

    NOBODY = ""
    TELL = "tell"
    CHANNEL = "channel"
    INFO = "info"
    PRESENCE = "presence"
    FILES = "files"
    MAIL = "mail"
    NEWS = "news"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    Attributes:
        name: on the wire.
        params: what it takes.
        result: what it returns.
        permission: that a key needs.
        rate: calls a second in the long run, where a key has no rate of its own.
        burst: calls at once.
    """

    name: str
    params: type[msgspec.Struct]
    result: object
    permission: Permission
    rate: float = 20.0
    burst: int = 100

    @property
    def reader(self) -> Params:
        """What reads its params."""
        return READERS[self.name]


OF: Final = Permission
METHODS: Final = {
    method.name: method
    for method in (
        Method("authenticate", p.Authenticate, r.Authenticated, OF.NOBODY),
        Method("ping", p.Nothing, r.Pong, OF.NOBODY),
        Method("heartbeat", p.Nothing, r.Beat, OF.NOBODY),
        Method("status", p.Nothing, r.Status, OF.NOBODY),
        Method("rpc.discover", p.Nothing, Mapping[str, p.Anything], OF.NOBODY, 1.0, 10),
        Method("tell", p.Tell, r.MessageSent, OF.TELL),
        Method("emoteto", p.Emoteto, r.MessageSent, OF.TELL),
        Method("beep", p.Beep, r.MessageSent, OF.TELL),
        Method("channel_send", p.ChannelSend, r.MessageSent, OF.CHANNEL),
        Method("channel_emote", p.ChannelEmote, r.MessageSent, OF.CHANNEL),
        Method("channel_join", p.ChannelJoin, r.ChannelDone, OF.CHANNEL, 5.0, 200),
        Method("channel_leave", p.ChannelOnly, r.ChannelDone, OF.CHANNEL, 5.0, 200),
        Method("channel_list", p.ChannelList, r.Channels, OF.CHANNEL, 2.0, 20),
        Method("channel_who", p.ChannelWho, r.ChannelMembers, OF.CHANNEL, 5.0, 20),
        Method("channel_history", p.ChannelHistory, r.History, OF.CHANNEL, 20.0, 100),
        Method("channel_add", p.ChannelAdd, r.ChannelDone, OF.ADMIN),
        Method("channel_remove", p.ChannelOnly, r.ChannelDone, OF.ADMIN),
        Method("channel_admit", p.ChannelAdmin, r.ChannelDone, OF.ADMIN),
        Method("channel_ban", p.ChannelAdmin, r.ChannelDone, OF.ADMIN),
        Method("who", p.Who, r.MudRequested, OF.INFO, 5.0, 20),
        Method("finger", p.Finger, r.FingerRequested, OF.INFO, 5.0, 20),
        Method("locate", p.Locate, r.LocateRequested, OF.INFO, 2.0, 10),
        Method("mudlist", p.MudList, r.MudsListed, OF.INFO, 2.0, 20),
        Method("presence_sync", p.PresenceSync, r.Synchronized, OF.PRESENCE, 5.0, 20),
        Method("file_list", p.FileList, r.FilesListed, OF.FILES, 1.0, 10),
        Method("file_get", p.FileGet, r.FileRead, OF.FILES, 1.0, 10),
        Method("file_put", p.FilePut, r.FileStored, OF.FILES, 1.0, 10),
        Method("mail_send", p.MailSend, r.MailSent, OF.MAIL, 5.0, 50),
        Method("mail_list", p.MailList, r.MailListed, OF.MAIL),
        Method("mail_read", p.MailRead, r.MailShown, OF.MAIL),
        Method("mail_delete", p.MailDelete, r.MailDeleted, OF.MAIL),
        Method("news_groups", p.NewsGroups, r.NewsListed, OF.NEWS, 5.0, 20),
        Method("news_read", p.NewsRead, r.NewsShown, OF.NEWS, 5.0, 50),
        Method("news_post", p.NewsPost, r.NewsPosted, OF.NEWS, 1.0, 10),
        Method("stats", p.Nothing, r.Stats, OF.INFO, 5.0, 20),
        Method("reconnect", p.Nothing, r.Reconnecting, OF.ADMIN, 0.2, 3),
        Method("key_list", p.Nothing, r.Keys, OF.ADMIN),
        Method("key_add", p.KeyAdd, r.KeyMade, OF.ADMIN),
        Method("key_revoke", p.KeyOnly, r.KeyRevoked, OF.ADMIN),
    )
}
"""All methods, by name."""

READERS: Final = {name: Params(method.params) for name, method in METHODS.items()}
