"""What the methods of the API do: a word to the gateway, and its answer in the API's words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3.api import params, results
from holdfast.apps.i3.api.events import stamp
from holdfast.apps.i3.api.letters import LetterHandlers
from holdfast.apps.i3.api.rpc import RpcCode, RpcError
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway import Player
from holdfast.errors import RateLimitError, ResilienceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.apps.i3.api.keys import Account, ApiKeys
    from holdfast.apps.i3.gateway import Channel, Gateway, Mud, Sent

UP: Final = frozenset({"up", "online"})
BAD_PARAMS: Final = frozenset({I3Code.NAME_INVALID, I3Code.TEXT_INVALID})


class Handlers:
    """Does what is asked for.

    Args:
        gateway: asked.
        keys: administered.
        members: says how many were heard on a channel.

    Attributes:
        messages: methods that send; those of one client are done in the order in which they came.
        questions: methods that may take a while.
        at_once: methods that are answered at once.
    """

    def __init__(self, gateway: Gateway, keys: ApiKeys, members: Callable[[str], int]) -> None:
        self._gateway = gateway
        self._keys = keys
        self._members = members
        letters = LetterHandlers(gateway)
        self.messages: dict[str, Callable[..., Awaitable[Sent | results.MailSent]]] = {
            "tell": self._tell,
            "emoteto": self._emoteto,
            "beep": self._beep,
            "channel_send": self._channel_send,
            "channel_emote": self._channel_emote,
            "mail_send": letters.mail_send,
        }
        self.questions: dict[str, Callable[..., Awaitable[object]]] = {
            "channel_join": self._channel_join,
            "channel_leave": self._channel_leave,
            "channel_who": self._channel_who,
            "channel_history": self._channel_history,
            "channel_add": self._channel_add,
            "channel_remove": self._channel_remove,
            "channel_admit": self._channel_admit,
            "channel_ban": self._channel_ban,
            "who": self._who,
            "finger": self._finger,
            "locate": self._locate,
            "file_list": self._file_list,
            "file_get": self._file_get,
            "file_put": self._file_put,
            "key_add": self._key_add,
            "key_revoke": self._key_revoke,
            **letters.questions,
        }
        self.at_once: dict[str, Callable[..., object]] = {
            "channel_list": self._channel_list,
            "mudlist": self._mudlist,
            "presence_sync": self._presence_sync,
            "reconnect": self._reconnect,
            "key_list": self._key_list,
        }

    # --- messages ---------------------------------------------------------------------------

    def _tell(self, p: params.Tell) -> Awaitable[Sent]:
        return self._gateway.tell(
            p.target_mud, p.target_user, p.message, from_user=p.from_user, visname=p.visname
        )

    def _emoteto(self, p: params.Emoteto) -> Awaitable[Sent]:
        return self._gateway.emoteto(
            p.target_mud, p.target_user, _emote(p), from_user=p.from_user, visname=p.visname
        )

    def _beep(self, p: params.Beep) -> Awaitable[Sent]:
        return self._gateway.beep(
            p.target_mud, p.target_user, from_user=p.from_user, visname=p.visname
        )

    def _channel_send(self, p: params.ChannelSend) -> Awaitable[Sent]:
        return self._gateway.channel_send(
            p.channel, p.message, from_user=p.from_user, visname=p.visname
        )

    def _channel_emote(self, p: params.ChannelEmote) -> Awaitable[Sent]:
        if not p.target_user:
            return self._gateway.channel_emote(
                p.channel, _emote(p), from_user=p.from_user, visname=p.visname
            )
        return self._gateway.channel_emote_to(
            p.channel,
            p.target_mud,
            p.target_user,
            _emote(p),
            target_text=p.target_emote,
            from_user=p.from_user,
            visname=p.visname,
        )

    # --- channels ---------------------------------------------------------------------------

    async def _channel_join(self, p: params.ChannelJoin) -> results.ChannelDone:
        await self._gateway.channel_join(p.channel, listen_only=p.listen_only)
        return results.ChannelDone("joined", p.channel)

    async def _channel_leave(self, p: params.ChannelOnly) -> results.ChannelDone:
        await self._gateway.channel_leave(p.channel)
        return results.ChannelDone("left", p.channel)

    async def _channel_who(self, p: params.ChannelWho) -> results.ChannelMembers:
        found = await self._gateway.channel_who(p.channel, p.mud)
        return results.ChannelMembers("success", p.channel, found)

    async def _channel_history(self, p: params.ChannelHistory) -> results.History:
        lines = await self._gateway.history(p.channel, p.limit, p.before, p.after)
        messages = [
            results.HistoryLine(
                line.id,
                stamp(line.at),
                line.kind,
                line.from_mud,
                line.from_user,
                line.visname,
                line.message,
            )
            for line in lines
        ]
        return results.History("success", p.channel, messages, len(messages))

    async def _channel_add(self, p: params.ChannelAdd) -> results.ChannelDone:
        await self._gateway.channel_add(p.channel, p.type)
        return results.ChannelDone("requested", p.channel)

    async def _channel_remove(self, p: params.ChannelOnly) -> results.ChannelDone:
        await self._gateway.channel_remove(p.channel)
        return results.ChannelDone("requested", p.channel)

    async def _channel_admit(self, p: params.ChannelAdmin) -> results.ChannelDone:
        await self._gateway.channel_admit(p.channel, add=p.add, remove=p.remove)
        return results.ChannelDone("requested", p.channel)

    async def _channel_ban(self, p: params.ChannelAdmin) -> results.ChannelDone:
        await self._gateway.channel_ban(p.channel, add=p.add, remove=p.remove)
        return results.ChannelDone("requested", p.channel)

    def _channel_list(self, p: params.ChannelList) -> results.Channels:
        wish = p.filter or params.ChannelFilter()
        found = [self._row(each) for each in self._gateway.channels.values()]
        rows = [
            row
            for row in found
            if (wish.type is None or row.type == wish.type)
            and (wish.owner is None or row.owner == wish.owner)
            and row.member_count >= (wish.min_members or 0)
        ]
        return results.Channels("success", rows, len(rows), sorted(self._gateway.subscriptions))

    def _row(self, channel: Channel) -> results.ChannelRow:
        return results.ChannelRow(
            channel.name, channel.owner, channel.type, self._members(channel.name)
        )

    # --- questions --------------------------------------------------------------------------

    async def _who(self, p: params.Who) -> results.MudRequested:
        return results.MudRequested(
            "requested", await self._gateway.who(p.target_mud, from_user=p.from_user)
        )

    async def _finger(self, p: params.Finger) -> results.FingerRequested:
        mud = await self._gateway.finger(p.target_mud, p.target_user, from_user=p.from_user)
        return results.FingerRequested("requested", mud, p.target_user)

    async def _locate(self, p: params.Locate) -> results.LocateRequested:
        await self._gateway.locate(p.target_user, from_user=p.from_user)
        return results.LocateRequested("requested", p.target_user)

    def _mudlist(self, p: params.MudList) -> results.MudsListed:
        wish = p.filter or params.MudFilter()
        rows = [
            _mud_row(mud)
            for mud in self._gateway.muds.values()
            if (wish.status is None or mud.is_up == (wish.status in UP))
            and (wish.driver is None or wish.driver.casefold() in mud.driver.casefold())
            and (wish.has_service is None or wish.has_service in mud.services)
        ]
        return results.MudsListed("success", rows, len(rows))

    def _presence_sync(self, p: params.PresenceSync) -> results.Synchronized:
        players = [
            Player(
                name=user.name,
                title=user.title,
                race=user.race,
                guild=user.guild,
                location=user.location,
                status=user.status,
                level=user.level,
                idle=user.idle,
                login_time=str(user.login_time),
            )
            for user in p.users
        ]
        return results.Synchronized(
            "synchronized", self._gateway.name, self._gateway.presence(players)
        )

    def _reconnect(self, _: params.Nothing) -> results.Reconnecting:
        self._gateway.reconnect()
        return results.Reconnecting("reconnecting")

    # --- files ------------------------------------------------------------------------------

    async def _file_list(self, p: params.FileList) -> results.FilesListed:
        found = await self._gateway.file_list(p.target_mud, p.directory, from_user=p.from_user)
        rows = [results.FileRow(row.name, row.size, row.mtime) for row in found]
        return results.FilesListed("success", p.target_mud, rows, len(rows))

    async def _file_get(self, p: params.FileGet) -> results.FileRead:
        contents = await self._gateway.file_get(p.target_mud, p.name, from_user=p.from_user)
        return results.FileRead("success", p.target_mud, p.name, contents)

    async def _file_put(self, p: params.FilePut) -> results.FileStored:
        await self._gateway.file_put(p.target_mud, p.name, p.contents, from_user=p.from_user)
        return results.FileStored("success", p.target_mud, p.name)

    # --- keys -------------------------------------------------------------------------------

    def _key_list(self, _: params.Nothing) -> results.Keys:
        return results.Keys([key_row(each) for each in self._keys.by_name.values()])

    async def _key_add(self, p: params.KeyAdd) -> results.KeyMade:
        return results.KeyMade(
            p.name, await self._keys.add(p.name, p.permissions, p.rates, p.api_key)
        )

    async def _key_revoke(self, p: params.KeyOnly) -> results.KeyRevoked:
        await self._keys.revoke(p.name)
        return results.KeyRevoked("revoked", p.name)


def key_row(account: Account) -> results.KeyRow:
    """Describe a key without what is secret."""
    created = datetime.fromtimestamp(account.created / 1000, UTC)
    return results.KeyRow(
        account.name, account.permissions, account.rates, created.strftime("%Y-%m-%d %H:%M:%S")
    )


def translated(error: ResilienceError) -> RpcError:
    """Say in the API's words what a part of the gateway refused."""
    if isinstance(error, I3Error) and error.code in BAD_PARAMS:
        data = {key: value for key, value in error.to_dict().items() if key != "original"}
        return RpcError(RpcCode.INVALID_PARAMS, error.message, data)
    code = (
        RpcCode.RATE_LIMIT_EXCEEDED if isinstance(error, RateLimitError) else RpcCode.GATEWAY_ERROR
    )
    data = {key: value for key, value in error.to_dict().items() if key != "original"}
    return RpcError(code, error.message, data)


def _emote(p: params.Emoteto | params.ChannelEmote) -> str:
    text = p.emote or p.message
    if not text:
        raise RpcError(RpcCode.INVALID_PARAMS, "The param 'emote' is missing.", {"param": "emote"})
    return text


def _mud_row(mud: Mud) -> results.MudRow:
    return results.MudRow(
        name=mud.name,
        host=mud.host,
        port=mud.player_port,
        tcp_port=mud.tcp_port,
        udp_port=mud.udp_port,
        driver=mud.driver,
        mudlib=mud.mudlib,
        mud_type=mud.mud_type,
        status="up" if mud.is_up else "down",
        services=mud.services,
        open_status=mud.open_status,
        admin_email=mud.admin_email,
    )
