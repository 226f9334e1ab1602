"""News: groups of posts that this mud hosts, for its own users and for other muds, and those that others host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.errors import Fault, I3Code, I3Error
from holdfast.apps.i3.gateway import news_store
from holdfast.apps.i3.gateway._past import unfit
from holdfast.apps.i3.gateway.letter import checked_body, checked_subject
from holdfast.apps.i3.gateway.model import Group, Post
from holdfast.apps.i3.gateway.text import checked_name, checked_user, cleaned, folded
from holdfast.resilience import RateLimitConfig, RateLimiter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.gateway._past import Past
    from holdfast.apps.i3.gateway._voice import Voice
    from holdfast.apps.i3.gateway.model import Mud
    from holdfast.apps.i3.gateway.oob.client import Reply
    from holdfast.apps.i3.gateway.oob.conversation import Request
    from holdfast.apps.i3.gateway.oob.server import Answer, Bare
    from holdfast.apps.i3.packets import OobPacket, Packet

WHAT: Final = "News of another mud"
SERVICE: Final = "news"
_GROUP_FIELDS: Final = 3
_POST_FIELDS: Final = 5


class News:
    """News of a gateway: ``gateway.news``.

    Args:
        desk: what all share.
        past: the way to other muds.
        voice: finds the mud that is meant.

    Attributes:
        posted: posts in the groups here, since the start.
    """

    def __init__(self, desk: Desk, past: Past, voice: Voice) -> None:
        self._desk = desk
        self._own = desk.settings.mud_name
        self._hosted = desk.settings.news_groups
        self._past = past
        self._voice = voice
        self._rate = RateLimiter(
            RateLimitConfig(limits.NEWS_BURST, limits.NEWS_BURST / limits.NEWS_RATE, limits.NEWS_BURST),
            keys_max=limits.MUDS_MAX,
            name="posts of a mud",
        )  # fmt: skip
        self.posted = 0

    # --- for users here ---------------------------------------------------------------------

    async def groups(self, target_mud: str = "") -> tuple[Group, ...]:
        """Return the groups of a mud, of this one when it is not named.

        Raises:
            I3Error: 11020, 11021, 11022 about the mud; 11041 OOB_FAILED, 11044 NEWS_REFUSED, 11010, 11015.
            CircuitBreakerOpenError: 3001; it has not answered for a while.
            StorageError: 8xxx.
        """
        mud = self._elsewhere(target_mud)
        if mud is None:
            return await self._own_groups()
        answer = await self._ask(mud, packets.NewsGrplistReq())
        return _groups(mud, answer)

    async def read(
        self, group: str, post_id: int, *, from_user: str = "", target_mud: str = ""
    ) -> Post:
        """Return a post of a group.

        Raises:
            I3Error: 11043 NEWS_UNKNOWN (no such group or post here), and as ``groups``.
        """
        mud, by = self._elsewhere(target_mud), checked_user(from_user)
        checked_name(group, "group")
        if mud is not None:
            request = packets.NewsReadReq(
                from_mud=self._own, from_user=by, to_mud=mud.name, group=group, id=post_id
            )
            return _post(mud, post_id, await self._ask(mud, request))
        self._require_group(group)
        found = await self._desk.database.read(lambda c: news_store.post(c, group, post_id))
        if found is None:
            raise I3Error(I3Code.NEWS_UNKNOWN, f"There is no post {post_id} in {group!r}.")
        return found

    async def post(
        self,
        group: str,
        subject: str,
        text: str,
        *,
        from_user: str = "",
        thread: int = 0,
        target_mud: str = "",
    ) -> int:
        """Post something in a group; returns its number when it is stored there.

        Args:
            group: its name.
            subject: one line.
            text: at most ``limits.NEWS_TEXT_BYTES_MAX`` bytes.
            from_user: who posts; empty for the mud itself.
            thread: the post that it follows, 0 for none.
            target_mud: whose group it is; this one's when it is not named.

        Raises:
            I3Error: 11004 NAME_INVALID, 11005 TEXT_INVALID, and as ``read``.
        """
        mud, by = self._elsewhere(target_mud), checked_user(from_user) or self._own
        checked_name(group, "group")
        checked_subject(subject)
        checked_body(text, limits.NEWS_TEXT_BYTES_MAX)
        if mud is None:
            self._require_group(group)
            return await self._keep(group, thread, subject, f"{by}@{self._own}", text)
        port = self._desk.settings.player_port
        request = packets.NewsPostReq(
            mud=self._own, port=port, group=group, thread=thread, subject=subject, poster=by, text=text
        )  # fmt: skip
        answer = await self._ask(mud, request)
        if not isinstance(answer, int):
            raise unfit(mud)
        return answer

    def _elsewhere(self, name: str) -> Mud | None:
        """Return the mud that is meant, None for this one."""
        if not name or folded(name) == folded(self._own):
            return None
        return self._voice.mud(name, SERVICE)

    async def _ask(self, mud: Mud, request: OobPacket | Packet) -> Reply:
        try:
            return await self._past.ask(mud, request, WHAT)
        except I3Error as error:
            _refused(error)

    def _require_group(self, group: str) -> None:
        if group not in self._hosted:
            raise I3Error(I3Code.NEWS_UNKNOWN, f"{self._own} has no group {group!r}.")

    async def _own_groups(self) -> tuple[Group, ...]:
        found = await self._desk.database.read(lambda c: news_store.groups(c, self._hosted))
        return tuple(found)

    async def _keep(self, group: str, thread: int, subject: str, poster: str, text: str) -> int:
        at = int(self._desk.world.wall_now())
        new = Post(id=0, at=at, thread=thread, subject=subject, poster=poster, text=text)
        number = await self._desk.database.write(lambda c: news_store.add(c, group, new))
        self.posted += 1
        return number

    # --- for other muds ---------------------------------------------------------------------

    @property
    def answers(self) -> Mapping[type[Request], Answer]:
        """What is seen to, for an ``OobServer``."""
        if not self._hosted:
            return {}
        return {
            packets.NewsGrplistReq: self._list_for,
            packets.NewsReadReq: self._read_for,
            packets.NewsPostReq: self._post_for,
        }

    async def _list_for(self, _: str, __: packets.NewsGrplistReq) -> Bare:
        return [[each.name, each.first, each.last] for each in await self._own_groups()]

    async def _read_for(self, _: str, asked: packets.NewsReadReq) -> OobPacket | Bare:
        if asked.group not in self._hosted:
            return _no(Fault.UNKNOWN_GROUP, "There is no such group.")
        found = await self._desk.database.read(lambda c: news_store.post(c, asked.group, asked.id))
        if found is None:
            return _no(Fault.UNKNOWN_POST, f"There is no post {asked.id} in {asked.group}.")
        return [found.at, found.thread, found.subject or 0, found.poster, found.text or 0]

    async def _post_for(self, mud: str, asked: packets.NewsPostReq) -> OobPacket | Bare:
        if asked.group not in self._hosted:
            return _no(Fault.UNKNOWN_GROUP, "There is no such group.")
        is_small = (
            len(asked.subject) <= limits.MAIL_SUBJECT_LENGTH_MAX
            and len(asked.poster) <= limits.NAME_LENGTH_MAX
            and len(asked.text.encode("utf-8", "replace")) <= limits.NEWS_TEXT_BYTES_MAX
        )
        if not is_small:
            return _no(Fault.BAD_PACKET, "The post, or something in it, is too large.")
        if self._rate.check(mud, now=self._desk.now()) > 0:
            return _no(Fault.NOT_ALLOWED, "That are too many posts; come back later.")
        poster = (
            f"{' '.join(cleaned(asked.poster).split()) or mud}@{mud}"  # the mud has shown who it is
        )
        subject = " ".join(cleaned(asked.subject).split())
        return await self._keep(asked.group, asked.thread, subject, poster, cleaned(asked.text))


def _no(fault: Fault, message: str) -> OobPacket:
    return packets.OobError(code=fault, message=message)


def _refused(error: I3Error) -> NoReturn:
    """Say that another mud says no; any other error stays what it is."""
    fault = error.details.get("fault")
    if not fault:
        raise error
    raise I3Error(I3Code.NEWS_REFUSED, error.message, fault=fault) from error


def _groups(mud: Mud, answer: Reply) -> tuple[Group, ...]:
    """Read a list of groups; rows that are none are left out."""
    if not isinstance(answer, list):
        raise unfit(mud)
    rows: list[Any] = answer[: limits.NEWS_GROUPS_MAX]
    return tuple(
        Group(name=cleaned(row[0])[: limits.NAME_LENGTH_MAX], first=row[1], last=row[2])
        for row in rows
        if isinstance(row, list)
        and len(row) >= _GROUP_FIELDS
        and isinstance(row[0], str)
        and all(isinstance(each, int) for each in row[1:_GROUP_FIELDS])
    )


def _post(mud: Mud, number: int, answer: Reply) -> Post:
    """Read a post."""
    if not isinstance(answer, list) or len(answer) < _POST_FIELDS:
        raise unfit(mud)
    at, thread, *texts = answer[:_POST_FIELDS]
    if not isinstance(at, int) or not isinstance(thread, int):
        raise unfit(mud)
    subject, poster, text = (cleaned(each) if isinstance(each, str) else "" for each in texts)
    return Post(id=number, at=at, thread=thread, subject=subject, poster=poster, text=text)
