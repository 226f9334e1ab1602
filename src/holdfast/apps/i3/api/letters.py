"""What the methods about mail and news do: a word to the gateway, and its answer in the API's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.apps.i3.api import params, results
from holdfast.apps.i3.api.events import stamp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from holdfast.apps.i3.gateway import Gateway, Letter, LetterRow, Recipient


class LetterHandlers:
    """Does what is asked for.

    Args:
        gateway: asked.

    Attributes:
        questions: methods that may take a while.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.questions: dict[str, Callable[..., Awaitable[object]]] = {
            "mail_list": self._mail_list,
            "mail_read": self._mail_read,
            "mail_delete": self._mail_delete,
            "news_groups": self._news_groups,
            "news_read": self._news_read,
            "news_post": self._news_post,
        }

    async def mail_send(self, p: params.MailSend) -> results.MailSent:
        """Send a letter; it is a message, of which a client may say that it is the same."""
        number = await self._gateway.mail.send(
            p.subject,
            p.body,
            from_user=p.from_user,
            to=_named(p.to),
            cc=_named(p.cc),
            bcc=_named(p.bcc),
        )
        return results.MailSent("queued", number)

    async def _mail_list(self, p: params.MailList) -> results.MailListed:
        found = await self._gateway.mail.list(p.user, p.after, p.limit)
        return results.MailListed("success", p.user, [_row(each) for each in found], len(found))

    async def _mail_read(self, p: params.MailRead) -> results.MailShown:
        return _shown(await self._gateway.mail.read(p.mail_id))

    async def _mail_delete(self, p: params.MailDelete) -> results.MailDeleted:
        count = await self._gateway.mail.delete(p.mail_id, p.user)
        return results.MailDeleted("deleted", p.mail_id, count)

    async def _news_groups(self, p: params.NewsGroups) -> results.NewsListed:
        found = await self._gateway.news.groups(p.target_mud)
        rows = [results.NewsRow(each.name, each.first, each.last) for each in found]
        return results.NewsListed("success", self._mud(p.target_mud), rows, len(rows))

    async def _news_read(self, p: params.NewsRead) -> results.NewsShown:
        post = await self._gateway.news.read(
            p.group, p.post_id, from_user=p.from_user, target_mud=p.target_mud
        )
        return results.NewsShown(
            status="success",
            mud_name=self._mud(p.target_mud),
            group=p.group,
            post_id=p.post_id,
            posted=post.at,
            thread=post.thread,
            subject=post.subject,
            poster=post.poster,
            text=post.text,
        )

    async def _news_post(self, p: params.NewsPost) -> results.NewsPosted:
        number = await self._gateway.news.post(
            p.group,
            p.subject,
            p.text,
            from_user=p.from_user,
            thread=p.thread,
            target_mud=p.target_mud,
        )
        return results.NewsPosted("success", self._mud(p.target_mud), p.group, number)

    def _mud(self, name: str) -> str:
        return name or self._gateway.name


def _named(users: Iterable[params.MailUser]) -> list[tuple[str, str]]:
    return [(each.mud, each.user) for each in users]


def _row(row: LetterRow) -> results.MailRow:
    return results.MailRow(
        row.id, stamp(row.at), row.from_mud, row.from_user, row.subject, row.size
    )


def _shown(letter: Letter) -> results.MailShown:
    row = letter.row
    return results.MailShown(
        status="success",
        mail_id=row.id,
        timestamp=stamp(row.at),
        written=letter.written_at,
        from_mud=row.from_mud,
        from_user=row.from_user,
        to=_rows(letter.to),
        cc=_rows(letter.cc),
        users=list(letter.users),
        subject=row.subject,
        body=letter.body,
    )


def _rows(recipients: Iterable[Recipient]) -> list[results.MailUserRow]:
    return [results.MailUserRow(each.mud, each.user) for each in recipients]
