"""News between muds past the router: groups are listed, posts are read and written, and strangers are kept in bounds."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway import Group, RouterAddress
from holdfast.apps.i3.gateway.oob import OobClient
from holdfast.apps.i3.router import Router, RouterSettings
from tests.integration.test_i3_files import talk
from tests.integration.test_i3_mail import begun
from tests.support.i3_network import gateway_on, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from holdfast.apps.i3.gateway import Gateway

HEADER = ["news-read-req", 5, "Harbour", "ann", "Old Keep", 0]


@asynccontextmanager
async def two(folder: Path, **more: Any) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Harbour asks Old Keep, which has two groups."""
    groups = ("lpc", "code exchange")
    async with Router(None, RouterSettings(name="*hub", port=0, list_delay=0.01)) as router:
        hub = RouterAddress("*hub", "127.0.0.1", router.port)
        async with (
            gateway_on(folder, hub, request_timeout=20.0, player_port=4000, **more) as (harbour, _),
            gateway_on(folder, hub, name="Old Keep", news_groups=groups) as (keep, _),
        ):
            await until(lambda: "Old Keep" in harbour.muds, "it sees the other")
            yield harbour, keep


async def test_groups_are_listed_and_posts_are_written_and_read_here_and_there(
    tmp_path: Path,
) -> None:
    async with two(tmp_path) as (harbour, keep):
        assert harbour.muds["Old Keep"].services["news"] == 1
        assert "mail" not in harbour.muds["Old Keep"].services
        news = harbour.news
        there: dict[str, Any] = {"target_mud": "old.keep"}
        assert await news.groups("Old Keep") == (
            Group(name="lpc", first=1, last=0),
            Group(name="code exchange", first=1, last=0),
        )

        first = await news.post("lpc", "Hello", "one\ntwo", from_user="Ann", **there)
        second = await keep.news.post("lpc", "Re: Hello", "", from_user="bo", thread=first)
        third = await news.post("lpc", "", "x", thread=99, **there)

        assert (first, second, third) == (1, 2, 3)
        assert (await keep.news.groups())[0] == Group(name="lpc", first=1, last=3)
        for post in (await news.read("lpc", 1, **there), await keep.news.read("lpc", 1)):
            assert (post.id, post.thread, post.subject, post.text) == (1, 1, "Hello", "one\ntwo")
            assert post.poster == "ann@Harbour"
        second_post = await news.read("lpc", 2, **there)
        assert (second_post.thread, second_post.poster) == (1, "bo@Old Keep")
        assert (await news.read("lpc", 3, **there)).poster == "Harbour@Harbour"
        assert (await news.read("lpc", 3, **there)).thread == 3, "that thread is not known"
        assert keep.statistics()["posts"] == 3


async def test_what_there_is_not_is_refused(tmp_path: Path) -> None:
    async with two(tmp_path) as (harbour, keep):
        refused = {}
        for name, asked in {
            "post there": harbour.news.read("lpc", 1, target_mud="Old Keep"),
            "group there": harbour.news.read("lpd", 1, target_mud="Old Keep"),
            "no posting there": harbour.news.post("lpd", "s", "t", target_mud="Old Keep"),
            "post here": keep.news.read("lpc", 1),
            "group here": keep.news.post("lpd", "s", "t"),
            "no news here": harbour.news.post("lpc", "s", "t"),
            "no news there": keep.news.groups("Harbour"),
            "nowhere": harbour.news.groups("Nowhere"),
            "subject": keep.news.post("lpc", "a\nb", "t"),
            "text": keep.news.post("lpc", "s", "x" * (limits.NEWS_TEXT_BYTES_MAX + 1)),
        }.items():
            with pytest.raises(I3Error) as error:
                await asked
            refused[name] = (error.value.code, error.value.details.get("fault"))
        assert refused == {
            "post there": (I3Code.NEWS_REFUSED, "unk-post"),
            "group there": (I3Code.NEWS_REFUSED, "unk-group"),
            "no posting there": (I3Code.NEWS_REFUSED, "unk-group"),
            "post here": (I3Code.NEWS_UNKNOWN, None),
            "group here": (I3Code.NEWS_UNKNOWN, None),
            "no news here": (I3Code.NEWS_UNKNOWN, None),
            "no news there": (I3Code.SERVICE_MISSING, None),
            "nowhere": (I3Code.MUD_UNKNOWN, None),
            "subject": (I3Code.TEXT_INVALID, None),
            "text": (I3Code.TEXT_INVALID, None),
        }
        assert await harbour.news.groups() == ()


async def test_a_full_group_loses_its_oldest_posts_and_never_reuses_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "NEWS_POSTS_MAX", 3)
    nowhere = RouterAddress("*hub", "127.0.0.1", 1)
    for round_ in range(2):  # over a restart as well
        async with gateway_on(tmp_path, nowhere, news_groups=("lpc",)) as (gateway, _):
            numbers = [await gateway.news.post("lpc", f"{n}", "") for n in range(5)]
            assert numbers == [5 * round_ + n + 1 for n in range(5)]
            (group,) = await gateway.news.groups()
            assert (group.first, group.last) == (numbers[2], numbers[4])
            with pytest.raises(I3Error):
                await gateway.news.read("lpc", numbers[1])
            assert (await gateway.news.read("lpc", numbers[2])).subject == "2"


async def test_on_the_wire_answers_are_bare_and_a_post_is_that_of_the_mud_that_has_shown_its_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "NEWS_BURST", 2)
    monkeypatch.setattr(limits, "NEWS_RATE", 0.001)
    async with two(tmp_path) as (harbour, keep):
        port = harbour.muds["Old Keep"].tcp_port

        def post(group: str = "lpc", mud: str = "Harbour", text: str = "") -> list[object]:
            return ["news-post-req", mud, 4000, group, 0, 0, "bo@Old Keep", text]

        replies = await talk(
            port, await begun(harbour, "Old Keep"),
            post(), post("lpd"), post(text="x" * (limits.NEWS_TEXT_BYTES_MAX + 1)), post(), post(),
            [*HEADER, "lpc", 1], [*HEADER, "lpc", 9], [*HEADER, "lpd", 1], ["news-grplist-req"],
        )  # fmt: skip
        kinds: list[Any] = [
            each[:2] if isinstance(each, list) and each[0] == "oob-error" else each
            for each in replies[1:]
        ]
        at, *post_read = kinds[5]
        assert isinstance(at, int)
        assert post_read == [1, 0, "bo@Old Keep@Harbour", 0]
        assert [*kinds[:5], *kinds[6:]] == [
            1,
            ["oob-error", "unk-group"],
            ["oob-error", "bad-pkt"],
            2,
            ["oob-error", "not-allowed"],
            ["oob-error", "unk-post"],
            ["oob-error", "unk-group"],
            [["lpc", 1, 2], ["code exchange", 1, 0]],
            ["oob-end", "Old Keep"],
        ]
        for stolen in (
            post(mud="Other"),
            ["news-read-req", 5, "Other", 0, "Old Keep", 0, "lpc", 1],
        ):
            replies = await talk(port, await begun(harbour, "Old Keep"), stolen, post())
            assert replies[1][:2] == ["oob-error", "not-allowed"]  # type: ignore[index]
            assert len(replies) == 2
        assert await talk(port, post()) != []
        assert (await keep.news.groups())[0].last == 2


NO_ANSWER: tuple[tuple[str, object], ...] = (
    ("groups", 5),
    ("groups", packets.MailAck(failed={})),
    ("read", []),
    ("read", [1, 2, "s", "p"]),
    ("read", ["1", 2, "s", "p", "t"]),
    ("post", []),
    ("post", "1"),
)


async def test_an_answer_that_is_none_is_an_error_and_not_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(tmp_path) as (harbour, _):
        said: list[object] = []

        async def says(*_: object) -> object:
            return said[-1]

        monkeypatch.setattr(OobClient, "ask", says)
        news = harbour.news
        given: dict[str, Any] = {
            "groups": lambda: news.groups("Old Keep"),
            "read": lambda: news.read("lpc", 1, target_mud="Old Keep"),
            "post": lambda: news.post("lpc", "s", "t", target_mud="Old Keep"),
        }
        for asked, answer in NO_ANSWER:
            said.append(answer)
            with pytest.raises(I3Error) as error:
                await given[asked]()
            assert error.value.code == I3Code.OOB_FAILED, (asked, answer)


async def test_of_a_list_of_groups_only_the_good_rows_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [["a", 1, 2], ["b"], 7, ["c", "1", 2], [3, 1, 2], ["\x1b[31md", 4, 5, 6]]

    async def says(*_: object) -> object:
        return [*rows, *[["x", 1, 1]] * 200]

    async with two(tmp_path) as (harbour, _):
        monkeypatch.setattr(OobClient, "ask", says)
        found = await harbour.news.groups("Old Keep")
        assert [(each.name, each.first, each.last) for each in found[:2]] == [("a", 1, 2), ("d", 4, 5)]  # fmt: skip
        assert len(found) <= limits.NEWS_GROUPS_MAX
