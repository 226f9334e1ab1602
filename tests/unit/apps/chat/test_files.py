"""Attachments: pieces that may come in any order, twice, or after a break; what is joined is what was announced."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.apps.chat import limits
from holdfast.apps.chat.files import piece_id
from holdfast.apps.chat.wire import FileNote, Kind, Piece, packed
from tests.support.chat_desk import a_desk, two_friends, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.chat_desk import Desk

FILE = "file-00000001"
DATA = bytes(range(256)) * 300  # four pieces, the last one short


def upload_of(data: bytes = DATA, **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"id": FILE, "name": "a.bin", "mime": "x/y", "size": len(data), "digest": digest} | more


async def put(desk: Desk, number: int, data: bytes = DATA) -> int:
    piece = data[number * limits.PIECE_BYTES : (number + 1) * limits.PIECE_BYTES]
    answer = await desk.http.put(f"/api/chat/files/{FILE}/{number}", content=piece)
    return answer.status_code


async def test_an_attachment_arrives_whole(tmp_path: Path) -> None:
    ada, bob, to_bob, to_ada = await two_friends()
    async with a_desk(tmp_path / "ada", ada) as desk, a_desk(tmp_path / "bob", bob) as other:
        begun = await desk.ask("POST", f"/files/{to_bob}", json=upload_of())
        assert begun == {"kept": [], "piece": limits.PIECE_BYTES, "pieces": 4}
        for number in (2, 0, 3, 1, 1):
            assert await put(desk, number) == 200
        page = await desk.page()
        page.send({"do": "hand", "id": FILE, "to": to_bob})
        await until(lambda: (to_ada, piece_id(FILE, 3)) in bob.said)
        whole = await other.http.get(f"/api/chat/files/{to_ada}/{FILE}")
        assert whole.content == DATA
        assert whole.headers["content-type"] == "application/octet-stream"
        (row,) = (await other.ask("GET", f"/talks/{to_ada}"))["rows"]
        assert (row["file"]["there"], row["file"]["pieces"]) == (4, 4)
        async with asyncio.timeout(10):
            while (
                await desk.app.files.find(FILE) is not None
            ):  # what the node has is not kept twice
                await asyncio.sleep(0.002)


async def test_an_upload_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    ada, bob, to_bob, to_ada = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        await desk.ask("POST", f"/files/{to_bob}", json=upload_of())
        await put(desk, 0)
        await put(desk, 2)
    async with a_desk(tmp_path, ada) as desk:
        begun = await desk.ask("POST", f"/files/{to_bob}", json=upload_of())
        assert begun["kept"] == [0, 2]
        await put(desk, 1)
        await put(desk, 3)
        page = await desk.page()
        page.send({"do": "hand", "id": FILE, "to": to_bob})
        await until(lambda: (to_ada, piece_id(FILE, 3)) in bob.said)


async def test_sending_goes_on_after_a_restart_and_sends_no_piece_twice(tmp_path: Path) -> None:
    ada, bob, to_bob, to_ada = await two_friends()
    ada.is_up = False
    data = bytes(limits.PIECE_BYTES) * (limits.PIECES_UNDER_WAY + 4)
    async with a_desk(tmp_path, ada) as desk:
        note = upload_of(data)
        begun = await desk.ask("POST", f"/files/{to_bob}", json=note)
        for number in range(begun["pieces"]):
            await put(desk, number, data)
        page = await desk.page()
        page.send({"do": "hand", "id": FILE, "to": to_bob})
        await until(lambda: ada.sends == 1 + limits.PIECES_UNDER_WAY)
    ada.is_up = True
    ada.flush()
    async with a_desk(tmp_path, ada):
        last = piece_id(FILE, begun["pieces"] - 1)
        await until(lambda: (to_ada, last) in bob.said)
        assert ada.sends == 1 + begun["pieces"]


async def test_an_attachment_that_was_not_uploaded_whole_is_not_announced(tmp_path: Path) -> None:
    ada, _, to_bob, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        await desk.ask("POST", f"/files/{to_bob}", json=upload_of())
        await put(desk, 0)
        page = await desk.page()
        page.send({"do": "hand", "id": FILE, "to": to_bob})
        await until(lambda: desk.app.errors.statistics()["total"] == 1)
        assert ada.sends == 0


async def test_pieces_that_belong_nowhere_are_refused(tmp_path: Path) -> None:
    ada, _, to_bob, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        assert await put(desk, 0) == 404
        await desk.ask("POST", f"/files/{to_bob}", json=upload_of())
        assert await put(desk, 4) == 409
        answer = await desk.http.put(f"/api/chat/files/{FILE}/0", content=b"short")
        assert answer.json()["error"]["code"] == 12008


async def test_an_attachment_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    ada, _, to_bob, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        size = limits.FILE_BYTES_MAX + 1
        answer = await desk.http.post(f"/api/chat/files/{to_bob}", json=upload_of(size=size))
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, 12005)


@pytest.mark.parametrize("bound", ["FILES_WAITING", "FILES_WAITING_BYTES"])
async def test_more_uploads_than_the_bound_are_refused_with_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(limits, bound, 0)
    ada, _, to_bob, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        answer = await desk.http.post(f"/api/chat/files/{to_bob}", json=upload_of())
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, 12004)
        assert "retry-after" in answer.headers


async def test_what_is_not_what_was_announced_is_not_handed_out(tmp_path: Path) -> None:
    """Threat model P15: a contact who announces one attachment and sends another is found out."""
    ada, bob, to_bob, to_ada = await two_friends()
    note = FileNote(FILE, "a.txt", "text/plain", 5, hashlib.sha256(b"right").digest())
    await ada.send(to_bob, packed(note), kind=Kind.FILE, message_id=FILE)
    piece = packed(Piece(FILE, 0, b"wrong"))
    await ada.send(to_bob, piece, kind=Kind.PIECE, message_id=piece_id(FILE, 0))
    async with a_desk(tmp_path, bob) as desk:
        answer = await desk.http.get(f"/api/chat/files/{to_ada}/{FILE}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, 12007)


async def test_an_announcement_that_can_not_be_read_is_shown_as_damaged(tmp_path: Path) -> None:
    """Threat model P15: hostile announcements and pieces are lines that say so, and nothing else breaks."""
    ada, bob, to_bob, to_ada = await two_friends()
    huge = packed([FILE, "a", "x/y", limits.FILE_BYTES_MAX + 1, bytes(32)])
    async with a_desk(tmp_path, bob) as desk:
        for body in (b"", b"\xc1", packed({"id": 1}), packed([[[[]]]]), huge):
            await ada.send(to_bob, body, kind=Kind.FILE)
            await ada.send(to_bob, body, kind=Kind.PIECE)
        await ada.send(to_bob, "and a good one")
        rows = (await desk.ask("GET", f"/talks/{to_ada}"))["rows"]
        assert [row.get("file", "text") for row in rows] == [None] * 5 + ["text"]
        await until(lambda: "and a good one" in str(desk.app.board.shown["roster"]))


async def test_only_harmless_pictures_keep_their_kind(tmp_path: Path) -> None:
    """Threat model P19: an attachment is never handed out as something that a browser would run."""
    ada, bob, to_bob, to_ada = await two_friends()
    kinds = {"image/png": "image/png", "image/svg+xml": "application/octet-stream",
             "text/html": "application/octet-stream"}  # fmt: skip
    async with a_desk(tmp_path, bob) as desk:
        for number, (claimed, shown) in enumerate(kinds.items()):
            file = f"file-0000000{number}"
            body = b"<script>alert(1)</script>"
            note = FileNote(file, "a", claimed, len(body), hashlib.sha256(body).digest())
            await ada.send(to_bob, packed(note), kind=Kind.FILE, message_id=file)
            piece = packed(Piece(file, 0, body))
            await ada.send(to_bob, piece, kind=Kind.PIECE, message_id=piece_id(file, 0))
            answer = await desk.http.get(f"/api/chat/files/{to_ada}/{file}")
            assert answer.headers["content-type"] == shown
            assert answer.headers["content-disposition"] == "attachment"
            assert answer.headers["content-security-policy"].startswith("sandbox")
            assert answer.headers["x-content-type-options"] == "nosniff"
