"""The chat's program: what a page says is kept, sent once, and shown; nothing lies in the clear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from holdfast.apps.chat import limits
from holdfast.errors import NodeError, OutboxFullError
from holdfast.node import ErrorNoted, MessageState
from tests.support.chat_desk import a_desk, two_friends, until
from tests.support.fake_node import FakeNode

if TYPE_CHECKING:
    from pathlib import Path


def wish(conversation: str, text: str, number: int = 1) -> dict[str, Any]:
    return {"do": "say", "id": f"wish-{number:08}", "to": conversation, "text": text}


async def test_what_a_page_says_arrives_and_is_acknowledged(tmp_path: Path) -> None:
    ada, bob, to_bob, to_ada = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        page = await desk.page()
        page.send(wish(to_bob, "hello"))
        await page.hears("ack")
        message = await until(lambda: bob.said.get((to_ada, "wish-00000001")))
        assert message.text == "hello"
        await until(lambda: desk.app.courier.waiting == 0)


async def test_the_same_wish_from_two_streams_is_sent_once(tmp_path: Path) -> None:
    ada, bob, to_bob, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        for stream in ("stream-a", "stream-b"):
            page = await desk.page(stream)
            page.send(wish(to_bob, "hello"))
            await page.hears("ack")
        await until(lambda: len(bob.said) == 1)
        assert ada.sends == 1


async def test_what_was_acknowledged_is_sent_by_the_next_process(tmp_path: Path) -> None:
    ada, bob, to_bob, to_ada = await two_friends()
    ada.refusing = OutboxFullError("full", retry_after=30.0)
    async with a_desk(tmp_path, ada) as desk:
        page = await desk.page()
        page.send(wish(to_bob, "kept"))
        await page.hears("ack")
    assert ada.sends == 0
    ada.refusing = None
    async with a_desk(tmp_path, ada):
        message = await until(lambda: bob.said.get((to_ada, "wish-00000001")))
        assert message.text == "kept"


async def test_wishes_keep_their_order(tmp_path: Path) -> None:
    ada, bob, to_bob, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        page = await desk.page()
        for number in range(1, 21):
            page.send(wish(to_bob, f"{number}", number))
        await until(lambda: len(bob.said) == 20)
        assert [m.text for m in bob.said.values()] == [f"{n}" for n in range(1, 21)]


async def test_what_the_node_refuses_for_good_is_said_and_not_tried_again(tmp_path: Path) -> None:
    ada, _, to_bob, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        ada.refusing = NodeError("The conversation is closed.")
        page = await desk.page()
        page.send(wish(to_bob, "hello"))
        await until(lambda: desk.app.errors.statistics()["total"] == 1)
        (error,) = await desk.ask("GET", "/node/errors")
        assert error["category"] == "message"
        assert "closed" in error["message"]
        assert desk.app.courier.waiting == 0


async def test_a_page_that_asks_for_a_stranger_is_refused(tmp_path: Path) -> None:
    ada, _, _, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        page = await desk.page()
        page.send(wish("somebody-else", "hello"))
        await page.hears("event", "12003")


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"do": "explode"},
        {"do": "say", "id": "short", "to": "somebody", "text": "x"},
        {"do": "say", "id": "wish-00000001", "to": "somebody-else", "text": ""},
        {"do": "say", "id": "wish-00000001", "to": "somebody-else", "text": "x" * 8001},
        {"do": "say", "id": "wish-00000001", "to": "../../etc/passwd", "text": "x"},
        {"do": "read", "to": "somebody-else", "through": -1},
    ],
)
async def test_malformed_wishes_are_refused_with_a_code(tmp_path: Path, body: object) -> None:
    ada, _, _, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        page = await desk.page()
        page.send(body)
        await page.hears("event", "12002")
        assert desk.app.courier.waiting == 0


async def test_more_wishes_than_the_bound_are_refused_with_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WISHES_MAX", 2)
    ada, _, to_bob, _ = await two_friends()
    ada.refusing = OutboxFullError("full", retry_after=30.0)
    async with a_desk(tmp_path, ada) as desk:
        page = await desk.page()
        for number in (1, 2, 3):
            page.send(wish(to_bob, "x", number))
        await page.hears("event", "12004")
        assert desk.app.courier.waiting == 2


async def test_pages_are_told_a_revision_and_fetch_the_board(tmp_path: Path) -> None:
    ada, bob, to_bob, to_ada = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        page = await desk.page()
        before = (await desk.ask("GET", "/node/board"))["revision"]
        await bob.send(to_ada, "are you there?")
        await until(lambda: desk.app.board.revision > before)
        board = await desk.ask("GET", "/node/board")
        row = board["roster"][to_bob]
        assert (row["unread"], row["last"]["text"]) == (1, "are you there?")
        assert board["mode"] == "direct"
        event = await page.hears("event", f"{board['revision']}")
        assert event["data"] == {"revision": board["revision"]}


async def test_the_board_tells_gateways_queue_and_errors(tmp_path: Path) -> None:
    ada, _, to_bob, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        ada.set_down("127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003")
        await ada.send(to_bob, "waits")
        error = desk.app.errors.handle_error("gateway", "medium", 1001, "It closed the connection.")
        ada.tell(ErrorNoted(error))
        await until(
            lambda: desk.app.board.shown.get("errors") == {"total": 1, "by": {"gateway": 1}}
        )
        board = await desk.ask("GET", "/node/board")
        assert board["queue"]["waiting"] == 1
        assert board["queue"]["by_priority"] == {"1": 1}
        assert board["queue"]["next"] is not None
        assert {row["state"] for row in board["gateways"]} == {"reconnecting"}
        assert {row["breaker"] for row in board["gateways"]} == {"open"}
        assert {row["trouble"] for row in board["gateways"]} == {"nobody listens there"}


async def test_a_page_that_knows_a_revision_gets_what_changed_since(tmp_path: Path) -> None:
    ada, bob, to_bob, to_ada = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        for number in range(3):
            await bob.send(to_ada, f"{number}")
        first = await desk.ask("GET", f"/talks/{to_bob}")
        assert [row["text"] for row in first["rows"]] == ["0", "1", "2"]
        assert first["whole"]
        sent = await ada.send(to_bob, "mine")
        ada.becomes(to_bob, sent, MessageState.READ)
        then = await desk.ask("GET", f"/talks/{to_bob}?since={first['revision']}")
        assert [(row["text"], row["state"]) for row in then["rows"]] == [("mine", "read")]
        assert not then["whole"]
        unknown = await desk.ask("GET", f"/talks/{to_bob}?since=1")
        assert unknown["whole"]
        assert len(unknown["rows"]) == 4


async def test_reading_a_conversation_is_told_to_the_node(tmp_path: Path) -> None:
    ada, bob, to_bob, to_ada = await two_friends()
    await bob.send(to_ada, "hello")
    async with a_desk(tmp_path, ada) as desk:
        page = await desk.page()
        assert ada.known[to_bob].unread == 1
        page.send({"do": "read", "to": to_bob, "through": 99})
        await until(lambda: ada.known[to_bob].unread == 0)


async def test_nothing_that_was_said_lies_in_the_clear_beside_the_node(tmp_path: Path) -> None:
    """Threat model P20: texts, names and pieces that the page's program keeps are sealed."""
    ada, bob, to_bob, to_ada = await two_friends()
    await ada.rename(to_bob, "Bob Secretname")
    await bob.send(to_ada, "a secret that came")
    ada.refusing = OutboxFullError("full", retry_after=30.0)
    async with a_desk(tmp_path, ada) as desk:
        page = await desk.page()
        page.send(wish(to_bob, "a secret that waits"))
        await page.hears("ack")
        note = {"id": "file-00000001", "name": "secret plan.pdf", "mime": "application/pdf",
                "size": 20, "digest": "0" * 64}  # fmt: skip
        await desk.ask("POST", f"/files/{to_bob}", json=note)
        await desk.ask("PUT", "/files/file-00000001/0", content=b"secret bytes of it!!")
        await page.hears("event", "revision")
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"wish-00000001" in kept, "it was looked for where it is"
    assert b"ecret" not in kept


async def test_a_node_without_anybody_shows_an_empty_board(tmp_path: Path) -> None:
    async with a_desk(tmp_path, FakeNode("new")) as desk:
        board = await desk.ask("GET", "/node/board")
        assert (board["me"], board["roster"]) == ([], {})
        made = await desk.ask("POST", "/identities", json={"name": "Ada"})
        assert made["name"] == "Ada"
        board = await until_board(desk)
        assert [row["name"] for row in board["me"]] == ["Ada"]


async def until_board(desk: Any) -> Any:
    await until(lambda: desk.app.board.shown.get("me"))
    return await desk.ask("GET", "/node/board")
