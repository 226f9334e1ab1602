"""The methods of the API as methods of Python."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

from holdfast.apps.i3.api import results

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")


class Methods(ABC):
    """What a gateway can be asked for; all raise what ``call`` raises."""

    @abstractmethod
    async def call(
        self, method: str, params: dict[str, object], of: type[T], *, within: float = 30.0
    ) -> T:
        """Call a method by name."""

    @abstractmethod
    def _new_id(self) -> str: ...

    async def tell(
        self,
        target_mud: str,
        target_user: str,
        message: str,
        *,
        from_user: str = "",
        visname: str = "",
        resend: str = "",
    ) -> results.MessageSent:
        """Tell a player on another mud something.

        Args:
            target_mud: as people write it.
            target_user: in any case.
            message: the text.
            from_user: who speaks.
            visname: how that is shown.
            resend: a name for this message; the same one again does not send it twice. One is made up when empty.
        """
        return await self._send(
            "tell",
            resend,
            target_mud=target_mud,
            target_user=target_user,
            message=message,
            from_user=from_user,
            visname=visname,
        )

    async def emoteto(
        self,
        target_mud: str,
        target_user: str,
        emote: str,
        *,
        from_user: str = "",
        visname: str = "",
        resend: str = "",
    ) -> results.MessageSent:
        """Do something towards a player on another mud; as ``tell``."""
        return await self._send(
            "emoteto",
            resend,
            target_mud=target_mud,
            target_user=target_user,
            emote=emote,
            from_user=from_user,
            visname=visname,
        )

    async def channel_send(
        self,
        channel: str,
        message: str,
        *,
        from_user: str = "",
        visname: str = "",
        resend: str = "",
    ) -> results.MessageSent:
        """Say something on a channel; as ``tell``."""
        return await self._send(
            "channel_send",
            resend,
            channel=channel,
            message=message,
            from_user=from_user,
            visname=visname,
        )

    async def channel_emote(
        self,
        channel: str,
        emote: str,
        *,
        from_user: str = "",
        visname: str = "",
        resend: str = "",
    ) -> results.MessageSent:
        """Do something on a channel; as ``tell``."""
        return await self._send(
            "channel_emote",
            resend,
            channel=channel,
            emote=emote,
            from_user=from_user,
            visname=visname,
        )

    async def _send(self, method: str, resend: str, **params: object) -> results.MessageSent:
        params["resend"] = resend or self._new_id()
        return await self.call(method, params, results.MessageSent)

    async def channel_join(self, channel: str, *, listen_only: bool = False) -> results.ChannelDone:
        """Listen to a channel from now on."""
        params: dict[str, object] = {"channel": channel, "listen_only": listen_only}
        return await self.call("channel_join", params, results.ChannelDone)

    async def channel_leave(self, channel: str) -> results.ChannelDone:
        """Listen to a channel no more."""
        return await self.call("channel_leave", {"channel": channel}, results.ChannelDone)

    async def channel_list(self) -> results.Channels:
        """List all channels of the network."""
        return await self.call("channel_list", {}, results.Channels)

    async def channel_who(self, channel: str, mud: str = "") -> results.ChannelMembers:
        """List who is on a channel: as was heard lately, or as a mud answers."""
        params: dict[str, object] = {"channel": channel, "mud": mud}
        return await self.call("channel_who", params, results.ChannelMembers)

    async def channel_history(
        self,
        channel: str,
        *,
        limit: int = 50,
        before: int | None = None,
        after: int | None = None,
    ) -> results.History:
        """Return lines of a channel, oldest first; ``before`` and ``after`` are ids of lines."""
        params: dict[str, object] = {
            "channel": channel,
            "limit": limit,
            "before": before,
            "after": after,
        }
        return await self.call("channel_history", params, results.History)

    async def channel_add(self, channel: str, kind: int = 0) -> results.ChannelDone:
        """Have the gateway's mud make and host a channel; a refusal comes as ``error_occurred``."""
        return await self.call(
            "channel_add", {"channel": channel, "type": kind}, results.ChannelDone
        )

    async def channel_remove(self, channel: str) -> results.ChannelDone:
        """Delete a channel that the gateway's mud hosts; as ``channel_add``."""
        return await self.call("channel_remove", {"channel": channel}, results.ChannelDone)

    async def channel_admit(
        self, channel: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> results.ChannelDone:
        """Invite muds to a channel that the gateway's mud hosts, or take it back; as ``channel_add``."""
        params: dict[str, object] = {"channel": channel, "add": list(add), "remove": list(remove)}
        return await self.call("channel_admit", params, results.ChannelDone)

    async def channel_ban(
        self, channel: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> results.ChannelDone:
        """Ban muds from a channel that the gateway's mud hosts, or take it back; as ``channel_add``."""
        params: dict[str, object] = {"channel": channel, "add": list(add), "remove": list(remove)}
        return await self.call("channel_ban", params, results.ChannelDone)

    async def who(self, target_mud: str, *, from_user: str = "") -> results.MudRequested:
        """Ask who is on another mud; the answer is the event ``who_reply``."""
        params: dict[str, object] = {"target_mud": target_mud, "from_user": from_user}
        return await self.call("who", params, results.MudRequested)

    async def finger(
        self, target_mud: str, target_user: str, *, from_user: str = ""
    ) -> results.FingerRequested:
        """Ask a mud about a player; the answer is the event ``finger_reply``."""
        params: dict[str, object] = {
            "target_mud": target_mud,
            "target_user": target_user,
            "from_user": from_user,
        }
        return await self.call("finger", params, results.FingerRequested)

    async def locate(self, target_user: str, *, from_user: str = "") -> results.LocateRequested:
        """Ask all muds for a player; the answers are events ``locate_reply``."""
        params: dict[str, object] = {"target_user": target_user, "from_user": from_user}
        return await self.call("locate", params, results.LocateRequested)

    async def mudlist(self) -> results.MudsListed:
        """List all muds of the network."""
        return await self.call("mudlist", {}, results.MudsListed)

    async def file_list(
        self, target_mud: str, directory: str = "", *, from_user: str = ""
    ) -> results.FilesListed:
        """List a public folder of another mud."""
        params: dict[str, object] = {"target_mud": target_mud, "directory": directory}
        return await self.call("file_list", {**params, "from_user": from_user}, results.FilesListed)

    async def file_get(
        self, target_mud: str, name: str, *, from_user: str = ""
    ) -> results.FileRead:
        """Get a public file of another mud."""
        params: dict[str, object] = {"target_mud": target_mud, "name": name}
        return await self.call("file_get", {**params, "from_user": from_user}, results.FileRead)

    async def file_put(
        self, target_mud: str, name: str, contents: str, *, from_user: str = ""
    ) -> results.FileStored:
        """Put a file into the public folder of another mud; not repeated when the connection breaks."""
        params: dict[str, object] = {"target_mud": target_mud, "name": name, "contents": contents}
        return await self.call("file_put", {**params, "from_user": from_user}, results.FileStored)

    async def mail_send(
        self,
        to: Iterable[Mapping[str, str]],
        subject: str,
        body: str,
        *,
        cc: Iterable[Mapping[str, str]] = (),
        bcc: Iterable[Mapping[str, str]] = (),
        from_user: str = "",
        resend: str = "",
    ) -> results.MailSent:
        """Send a letter to users of any muds.

        Args:
            to: ``user`` and ``mud`` of each; of the gateway's own mud where none is named.
            subject: one line.
            body: the text.
            cc: who gets a copy, likewise.
            bcc: who gets one that the others do not see, likewise.
            from_user: who writes.
            resend: as for ``tell``.
        """
        params: dict[str, object] = {
            "to": list(to),
            "cc": list(cc),
            "bcc": list(bcc),
            "subject": subject,
            "body": body,
            "from_user": from_user,
            "resend": resend or self._new_id(),
        }
        return await self.call("mail_send", params, results.MailSent)

    async def mail_list(self, user: str, *, after: int = 0, limit: int = 50) -> results.MailListed:
        """List letters of a user here, oldest first, from the one after ``after`` on."""
        params: dict[str, object] = {"user": user, "after": after, "limit": limit}
        return await self.call("mail_list", params, results.MailListed)

    async def mail_read(self, mail_id: int) -> results.MailShown:
        """Read a letter."""
        return await self.call("mail_read", {"mail_id": mail_id}, results.MailShown)

    async def mail_delete(self, mail_id: int, user: str = "") -> results.MailDeleted:
        """Take a letter out of the box of a user, or of all for whom it is when none is named."""
        params: dict[str, object] = {"mail_id": mail_id, "user": user}
        return await self.call("mail_delete", params, results.MailDeleted)

    async def news_groups(self, target_mud: str = "") -> results.NewsListed:
        """List the groups of news of a mud; of the gateway's own when none is named."""
        return await self.call("news_groups", {"target_mud": target_mud}, results.NewsListed)

    async def news_read(
        self, group: str, post_id: int, *, target_mud: str = "", from_user: str = ""
    ) -> results.NewsShown:
        """Read a post."""
        params: dict[str, object] = {
            "group": group,
            "post_id": post_id,
            "target_mud": target_mud,
            "from_user": from_user,
        }
        return await self.call("news_read", params, results.NewsShown)

    async def news_post(
        self,
        group: str,
        subject: str,
        text: str,
        *,
        from_user: str = "",
        thread: int = 0,
        target_mud: str = "",
    ) -> results.NewsPosted:
        """Post something, after another post (``thread``); not repeated when the connection breaks."""
        params: dict[str, object] = {
            "group": group,
            "subject": subject,
            "text": text,
            "from_user": from_user,
            "thread": thread,
            "target_mud": target_mud,
        }
        return await self.call("news_post", params, results.NewsPosted)

    async def presence_sync(self, users: Iterable[Mapping[str, object]]) -> results.Synchronized:
        """Say who is here, all of them; each with a ``name`` and what else is known."""
        return await self.call("presence_sync", {"users": list(users)}, results.Synchronized)

    async def ping(self) -> results.Pong:
        """Ask for an answer."""
        return await self.call("ping", {}, results.Pong)

    async def status(self) -> results.Status:
        """Ask whether the gateway is connected to a router."""
        return await self.call("status", {}, results.Status)

    async def stats(self) -> results.Stats:
        """Ask for figures."""
        return await self.call("stats", {}, results.Stats)

    async def reconnect(self) -> results.Reconnecting:
        """Have the gateway leave its router and come back; for operators."""
        return await self.call("reconnect", {}, results.Reconnecting)
