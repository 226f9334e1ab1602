"""A gateway without a network: it remembers what it was asked, and says what a test wants said."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway import (
    Channel,
    GatewayState,
    Group,
    Letter,
    LetterRow,
    Line,
    Mud,
    Post,
    Recipient,
    Sent,
)
from holdfast.apps.i3.packets import FileRow

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeGateway:
    """Has one other mud, Old Keep, and the channel ale."""

    def __init__(self, name: str = "Harbour") -> None:
        self.name = name
        self.settings = SimpleNamespace(restart_delay=60, mud_name=name)
        self.is_ready = True
        self.state = GatewayState.READY
        self.muds = {
            "Old Keep": Mud(name="Old Keep", state=-1, driver="FluffOS", services={"tell": 1}),
            "Gone": Mud(name="Gone", state=0, driver="LDMud"),
        }
        self.channels = {"ale": Channel(name="ale", owner="Old Keep")}
        self.subscriptions: dict[str, bool] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.fails_with: Exception | None = None
        self.waits_for: asyncio.Event | None = None
        self.callbacks: list[Callable[[Any], object]] = []
        self.players: list[Any] = []
        self.mail = FakeMail(self)
        self.news = FakeNews(self)

    def on_event(self, callback: Callable[[Any], object]) -> Callable[[Any], object]:
        self.callbacks.append(callback)
        return callback

    def happens(self, event: Any) -> None:
        for callback in self.callbacks:
            callback(event)

    async def _asked(self, *what: Any) -> Sent:
        if self.waits_for is not None:
            await self.waits_for.wait()
        if self.fails_with is not None:
            raise self.fails_with
        self.asked.append(what)
        return Sent(f"m{len(self.asked)}", is_queued=not self.is_ready)

    async def tell(
        self, mud: str, user: str, text: str, *, from_user: str = "", visname: str = ""
    ) -> Sent:
        if mud not in self.muds:
            raise I3Error(I3Code.MUD_UNKNOWN, f"There is no mud {mud!r}.")
        return await self._asked("tell", mud, user, text, from_user, visname)

    async def emoteto(
        self, mud: str, user: str, text: str, *, from_user: str = "", visname: str = ""
    ) -> Sent:
        return await self._asked("emoteto", mud, user, text, from_user)

    async def channel_send(
        self, channel: str, text: str, *, from_user: str = "", visname: str = ""
    ) -> Sent:
        return await self._asked("channel_send", channel, text, from_user)

    async def channel_emote(
        self, channel: str, text: str, *, from_user: str = "", visname: str = ""
    ) -> Sent:
        return await self._asked("channel_emote", channel, text, from_user)

    async def beep(self, mud: str, user: str, *, from_user: str = "", visname: str = "") -> Sent:
        return await self._asked("beep", mud, user, from_user)

    async def channel_emote_to(
        self, channel: str, mud: str, user: str, text: str, *, target_text: str = "", **_: str
    ) -> Sent:
        return await self._asked("channel_emote_to", channel, mud, user, text, target_text)

    async def channel_leave(self, channel: str) -> None:
        await self._asked("channel_leave", channel)
        self.subscriptions.pop(channel, None)

    async def channel_add(self, channel: str, kind: int) -> None:
        await self._asked("channel_add", channel, kind)

    async def channel_remove(self, channel: str) -> None:
        await self._asked("channel_remove", channel)

    async def channel_admit(self, channel: str, *, add: Any, remove: Any) -> None:
        await self._asked("channel_admit", channel, add, remove)

    async def channel_ban(self, channel: str, *, add: Any, remove: Any) -> None:
        await self._asked("channel_ban", channel, add, remove)

    async def finger(self, mud: str, user: str, *, from_user: str = "") -> str:
        await self._asked("finger", mud, user, from_user)
        return mud

    async def locate(self, user: str, *, from_user: str = "") -> None:
        await self._asked("locate", user, from_user)

    async def file_list(self, mud: str, directory: str, *, from_user: str) -> list[FileRow]:
        await self._asked("file_list", mud, directory, from_user)
        return [FileRow("maps", -1, 1_700_000_000), FileRow("hello", 11, 1_700_000_001)]

    async def file_get(self, mud: str, name: str, *, from_user: str) -> str:
        await self._asked("file_get", mud, name, from_user)
        return "hello\nworld"

    async def file_put(self, mud: str, name: str, contents: str, *, from_user: str) -> None:
        await self._asked("file_put", mud, name, contents, from_user)

    async def channel_join(self, channel: str, *, listen_only: bool = False) -> None:
        await self._asked("channel_join", channel, listen_only)
        self.subscriptions[channel] = listen_only

    async def channel_who(self, channel: str, mud: str = "") -> list[str]:
        await self._asked("channel_who", channel, mud)
        return ["bo@Old Keep"]

    async def history(
        self, channel: str, limit: int = 50, before: int | None = None, after: int | None = None
    ) -> list[Line]:
        await self._asked("history", channel, limit, before, after)
        return [
            Line(
                id=7,
                channel=channel,
                at=1_700_000_000.5,
                kind="message",
                from_mud="Old Keep",
                from_user="bo",
                visname="Bo",
                message="hi",
            )
        ]

    async def who(self, mud: str, *, from_user: str = "") -> str:
        await self._asked("who", mud, from_user)
        return mud

    def presence(self, players: Any) -> int:
        self.players = list(players)
        return len(self.players)

    def reconnect(self) -> None:
        self.asked.append(("reconnect",))

    def statistics(self) -> dict[str, object]:
        return {"mud_count": 2, "online_muds": 1, "packets_sent": 5, "mudlist_id": 41}


class FakeMail:
    """Has one letter, for ann."""

    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway
        self.row = LetterRow(
            id=7, from_mud="Old Keep", from_user="bo", subject="s", at=1_700_000_000.5, size=1
        )

    async def send(self, subject: str, body: str, **more: Any) -> int:
        await self._gateway._asked("mail_send", subject, body, *more.values())
        return 1_700_000_000

    async def list(self, user: str, after: int, limit: int) -> tuple[LetterRow, ...]:
        await self._gateway._asked("mail_list", user, after, limit)
        return (self.row,)

    async def read(self, mail_id: int) -> Letter:
        await self._gateway._asked("mail_read", mail_id)
        return Letter(
            row=self.row, to=(Recipient("ann", "Harbour"),), cc=(), written_at=1_699_999_999,
            users=("ann", "cy"), body="b",
        )  # fmt: skip

    async def delete(self, mail_id: int, user: str) -> int:
        await self._gateway._asked("mail_delete", mail_id, user)
        return 1


class FakeNews:
    """Has one group."""

    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway

    async def groups(self, target_mud: str) -> tuple[Group, ...]:
        await self._gateway._asked("news_groups", target_mud)
        return (Group(name="lpc", first=1, last=3),)

    async def read(self, group: str, post_id: int, **more: str) -> Post:
        await self._gateway._asked("news_read", group, post_id, *more.values())
        return Post(
            id=post_id, at=1_700_000_000, thread=1, subject="s", poster="bo@Old Keep", text="t"
        )

    async def post(self, group: str, subject: str, text: str, **more: Any) -> int:
        await self._gateway._asked("news_post", group, subject, text, *more.values())
        return 4
