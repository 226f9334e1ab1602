"""Files from mud to mud past the router, and everything that a stranger may try on the way."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway import RouterAddress
from holdfast.apps.i3.gateway.oob import FileDesk, OobServer, Sandbox
from holdfast.apps.i3.gateway.requests import Kind
from holdfast.apps.i3.mudmode import Mudmode, packet
from holdfast.apps.i3.mudmode import packets as packets_of
from holdfast.apps.i3.packets import FileResult
from holdfast.apps.i3.router import Router, RouterSettings
from holdfast.world import RealWorld
from tests.support.i3_network import gateway_on, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from holdfast.apps.i3.gateway import Gateway

TOKEN = 42_789


def made(folder: Path) -> Path:
    """A public folder, and things beside it that are nobody's business."""
    public = folder / "public"
    (public / "maps").mkdir(parents=True)
    (folder / "secret").write_text("secret")
    (public / "hello").write_text("hello\nworld")
    (public / "maps" / "old").write_bytes(b"caf\xe9")
    (public / ".hidden").write_text("hidden")
    (public / "zero").write_bytes(b"a\0b")
    (public / "large").write_bytes(b"x" * (limits.OOB_FILE_BYTES_MAX + 1))
    (public / "link").symlink_to(folder / "secret")
    (public / "way out").symlink_to(folder)
    os.mkfifo(public / "pipe")
    return public


@asynccontextmanager
async def two(folder: Path, *, is_writable: bool = False) -> AsyncIterator[tuple[Gateway, Path]]:
    """Harbour asks Old Keep, which has a public folder."""
    public = made(folder)
    async with Router(None, RouterSettings(name="*hub", port=0, list_delay=0.01)) as router:
        hub = RouterAddress("*hub", "127.0.0.1", router.port)
        async with (
            gateway_on(folder, hub, request_timeout=20.0) as (harbour, _),
            gateway_on(folder, hub, name="Old Keep", files=public, files_writable=is_writable),
        ):
            await until(lambda: "Old Keep" in harbour.muds, "it sees the other")
            yield harbour, public


async def test_files_are_listed_and_fetched(tmp_path: Path) -> None:
    async with two(tmp_path) as (harbour, _):
        assert harbour.muds["Old Keep"].services["file"] == 1
        rows = await harbour.file_list("old.keep")
        assert [(row.name, row.size) for row in rows if row.name in {"hello", "maps"}] == [
            ("hello", 11),
            ("maps", -2),
        ]
        assert {row.name for row in rows} == {"hello", "large", "maps", "zero"}
        assert await harbour.file_get("Old Keep", "/hello") == "hello\nworld"
        assert await harbour.file_get("Old Keep", "maps/old") == "café"


async def test_a_file_is_put_once_and_only_where_it_may_be(tmp_path: Path) -> None:
    async with two(tmp_path, is_writable=True) as (harbour, public):
        await harbour.file_put("Old Keep", "maps/new", "a map", from_user="ann")
        assert (public / "maps" / "new").read_text() == "a map"
        for name in ("maps/new", "link", "hello"):
            with pytest.raises(I3Error) as refused:
                await harbour.file_put("Old Keep", name, "replaced")
            assert refused.value.code == I3Code.FILE_REFUSED
        assert (tmp_path / "secret").read_text() == "secret"
        assert sorted(each.name for each in (public / "maps").iterdir()) == ["new", "old"]
        with pytest.raises(I3Error):
            await harbour.file_put("Old Keep", "big", "x" * (limits.OOB_FILE_BYTES_MAX + 1))


async def test_nothing_is_put_where_that_is_not_wanted(tmp_path: Path) -> None:
    async with two(tmp_path) as (harbour, public):
        with pytest.raises(I3Error) as refused:
            await harbour.file_put("Old Keep", "new", "text")
        assert refused.value.details["result"] == FileResult.NOT_WRITABLE
        assert not (public / "new").exists()


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("../secret", FileResult.PATH),
        ("maps/../../secret", FileResult.PATH),
        ("way out/secret", FileResult.PATH),
        ("link", FileResult.PATH),
        (".hidden", FileResult.PATH),
        ("maps", FileResult.NOT_READABLE),
        ("pipe", FileResult.NOT_READABLE),
        ("zero", FileResult.NOT_READABLE),
        ("large", FileResult.NOT_READABLE),
        ("nothing", FileResult.PATH),
        ("a\nb", FileResult.PATH),
        ("x" * 300, FileResult.PATH),
        ("/".join("abcdefghijkl"), FileResult.PATH),
        ("", FileResult.PATH),
    ],
)
async def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str, result: int) -> None:
    async with serving(tmp_path) as port:
        replies = await talk(port, BEGIN, get(name))
        reply = packets.read_oob(replies[1])
        assert isinstance(reply, packets.FileGetReply)
        assert (reply.result, reply.contents) == (result, "")
        before = sorted(each.name for each in tmp_path.rglob("*"))
        if name != "nothing":
            replies = await talk(port, BEGIN, ["file-put", 1, "Harbour", "ann", name, "text"])
            assert replies[1] in (
                ["file-put-ack", 1, FileResult.PATH],
                ["file-put-ack", 1, FileResult.NOT_WRITABLE],
            )
        if name not in {"", "maps"}:
            replies = await talk(port, BEGIN, ["file-list-req", "Harbour", "ann", name])
            assert replies[1] == ["file-list-reply", "ann", []]
        assert sorted(each.name for each in tmp_path.rglob("*")) == before


# --- by hand ------------------------------------------------------------------------------------

BEGIN: list[object] = ["oob-begin", "Harbour", 1, TOKEN]


def get(name: str, mud: str = "Harbour") -> list[object]:
    return ["file-get-req", 1, mud, "ann", name]


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[int]:
    """Only the server; every connection may show the same token."""
    files = FileDesk(Sandbox(made(folder), is_writable=True), RealWorld())
    server = OobServer(
        "Old Keep", lambda mud, token: (mud, token) == ("Harbour", TOKEN), files.answers
    )
    port = await server.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await server.stop()
        files.close()
    assert not [t for t in asyncio.all_tasks() if t.get_name() == "holdfast-i3-oob"]


async def talk(port: int, *said: list[object] | bytes) -> list[object]:
    """Say all at once; return what came until the other side closed, or nothing more came for the last of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    framing = Mudmode(2**20)
    for each in said:
        writer.write(each if isinstance(each, bytes) else framing.encode(packet(each)))
    writer.write(framing.encode(packet(packets.write(packets.OobEnd(mud="Harbour")))))
    found: list[object] = []
    try:
        async with asyncio.timeout(20):
            while data := await reader.read(65_536):
                for frame in framing.feed(data):
                    assert isinstance(frame, bytes)
                    found += packets_of(frame).values
    except ConnectionError:
        pass  # it was cut
    writer.close()
    return found


async def test_who_shows_no_token_or_a_wrong_one_hears_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as port:
        for begin in (
            ["oob-begin", "Harbour", 0, 0],
            ["oob-begin", "Harbour", 1, TOKEN + 1],
            ["oob-begin", "Other", 1, TOKEN],
        ):
            assert await talk(port, begin, get("hello")) == []


async def test_requests_come_after_the_beginning_and_in_the_name_of_who_began(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as port:
        assert (await talk(port, get("hello")))[0][:2] == ["oob-error", "bad-proto"]  # type: ignore[index]
        replies = await talk(port, BEGIN, get("hello", mud="Other"), get("hello"))
        assert replies[0] == ["oob-begin", "Old Keep", 0, 0]
        assert replies[1][:2] == ["oob-error", "not-allowed"]  # type: ignore[index]
        assert len(replies) == 2
        replies = await talk(port, BEGIN, ["news-grplist-req"])
        assert replies[1][:2] == ["oob-error", "not-imp"]  # type: ignore[index]


async def test_answers_come_in_the_order_of_the_requests_and_then_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as port:
        replies = await talk(
            port, BEGIN, *[["file-get-req", n, "Harbour", "ann", "hello"] for n in range(20)]
        )
        assert [each[1] for each in replies[1:-1]] == list(range(20))  # type: ignore[index]
        assert replies[-1] == ["oob-end", "Old Keep"]


async def test_one_connection_may_not_ask_for_ever(tmp_path: Path) -> None:
    async with serving(tmp_path) as port:
        replies = await talk(port, BEGIN, *[get("hello")] * (limits.OOB_REQUESTS_MAX + 5))
        assert len(replies) == limits.OOB_REQUESTS_MAX + 2
        assert replies[-1][:2] == ["oob-error", "not-allowed"]  # type: ignore[index]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x7f\xff\xff\xff({",
        b"\x00\x00\x00\x02({",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x01\x00",
    ],
)
async def test_garbage_ends_its_own_connection_only(tmp_path: Path, garbage: bytes) -> None:
    async with serving(tmp_path) as port:
        replies = await talk(port, garbage)
        assert all(each[0] == "oob-error" for each in replies)  # type: ignore[index]
        assert len(await talk(port, BEGIN, get("hello"))) == 3


async def test_a_token_is_good_for_its_mud_once(tmp_path: Path) -> None:
    async with two(tmp_path) as (harbour, _):
        mud = harbour.muds["Old Keep"]
        wanted = packets.AuthMudReq(from_mud="Harbour", to_mud="Old Keep")
        given = await harbour._asking.answer(Kind.AUTH, "Old Keep", "", wanted)
        assert isinstance(given, int)
        begin: list[object] = ["oob-begin", "Harbour", 1, given]
        assert len(await talk(mud.tcp_port, begin, get("hello"))) == 3
        assert await talk(mud.tcp_port, begin, get("hello")) == []


async def test_a_mud_that_cannot_be_reached_out_of_band_is_an_error_that_says_so(
    tmp_path: Path,
) -> None:
    async with two(tmp_path) as (harbour, _):
        found = harbour._desk.machine.muds.muds
        for port, code in ((1, I3Code.OOB_FAILED), (0, I3Code.SERVICE_MISSING)):
            found["Old Keep"] = msgspec.structs.replace(found["Old Keep"], tcp_port=port)
            with pytest.raises(I3Error) as refused:
                await harbour.file_get("Old Keep", "hello")
            assert refused.value.code == code
