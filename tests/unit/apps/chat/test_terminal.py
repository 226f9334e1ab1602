"""The chat in a terminal: what lines do, and what is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from holdfast.apps.chat.terminal import TerminalChat
from holdfast.node import MessageChanged, MessageState
from holdfast.ops import ErrorHandler
from tests.support.chat_desk import two_friends
from tests.support.fake_node import FakeNode

if TYPE_CHECKING:
    from holdfast.node import Message


class Terminal:
    def __init__(self, node: FakeNode) -> None:
        self.lines: list[str] = []
        self.errors = ErrorHandler()
        self.chat = TerminalChat(node, self.errors, self.lines.append)  # type: ignore[arg-type]

    async def types(self, *lines: str) -> str:
        """Type lines; return what was printed for them."""
        self.lines.clear()
        for line in lines:
            assert await self.chat.do(line)
        return "\n".join(self.lines)


async def test_two_people_talk() -> None:
    ada, bob, _, to_ada = await two_friends()
    came: list[Message] = []
    bob.on_message(came.append)
    hers, his = Terminal(ada), Terminal(bob)
    await hers.types("/open bob", "hello Bob", "//me waves")
    await his.types("/open Ada")
    assert "Ada: hello Bob" in his.lines[1]
    assert "Ada: /me waves" in his.lines[2]
    await his.chat.came(came[-1])
    assert his.lines[-1].endswith("Ada: /me waves")
    assert bob.known[to_ada].unread == 0


async def test_what_became_of_a_message_is_told() -> None:
    ada, _, to_bob, _ = await two_friends()
    terminal = Terminal(ada)
    await terminal.types("/open Bob", "hello")
    ((_, sent),) = ada.said
    await terminal.chat.changed(MessageChanged(to_bob, sent, MessageState.DELIVERED))
    assert terminal.lines[-1].strip() == "✓✓  hello"
    ada.becomes(to_bob, sent, MessageState.FAILED, "It expired.")
    await terminal.chat.changed(MessageChanged(to_bob, sent, MessageState.FAILED))
    assert terminal.lines[-1].strip() == "! not sent  hello: It expired."


async def test_friends_meet_by_a_link() -> None:
    ada, bob = FakeNode("ada"), FakeNode("bob")
    await ada.create_identity("Ada")
    await bob.create_identity("Bob")
    hers, his = Terminal(ada), Terminal(bob)
    assert "has not used" not in await hers.types("/list")
    link = (await hers.types("/invite Bob")).splitlines()[-1]
    assert "has not used your invitation" in await hers.types("/list")
    await his.types(f"/accept {link} Ada of the mill", "hi")
    assert "Ada of the mill" in his.chat.status_line()
    assert "1 unread" in await hers.types("/list")
    assert "damaged" in await his.types(f"/accept {link}")


async def test_names_are_found_by_how_they_begin() -> None:
    ada, _, _, _ = await two_friends()
    for name in ("Bobby", "Carol"):
        await ada.invite("identity-0", name=name)
    terminal = Terminal(ada)
    assert "--- Bob:" in await terminal.types("/open Bob")
    assert "--- Carol:" in await terminal.types("/open car")
    assert "2 are called 'bo'" in await terminal.types("/open bo")
    assert "Nobody is called 'Zoe'" in await terminal.types("/open Zoe")


async def test_rooms_are_opened_and_left() -> None:
    ada, _, _, _ = await two_friends()
    terminal = Terminal(ada)
    assert "a room of 2" in await terminal.types('/room "Book club" Bob')
    assert "room of 2" in await terminal.types("/list")
    assert ada.rooms[0].name == "Book club"
    assert "with quotes" in await terminal.types("/room alone")
    assert "You have left it" in await terminal.types("/leave")
    assert "/leave is for rooms" in await terminal.types("/open Bob", "/leave")


async def test_status_errors_words_and_search_are_shown() -> None:
    ada, _, _, _ = await two_friends()
    terminal = Terminal(ada)
    ada.set_down("127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003")
    terminal.errors.handle_error("gateway", "medium", 1001, "It closed the connection.")
    await terminal.types("/open Bob", "this one waits")
    line = terminal.chat.status_line()
    assert "Bob · 0 of 3 gateways · 1 waiting, next try in 4 s · 1 errors" in line
    ada.failing = 1
    assert "not taken by any gateway yet (/errors)" in terminal.chat.status_line()
    assert "127.0.0.1:9001  reconnecting, left alone for a while" in await terminal.types("/status")
    assert "gateway 1001: It closed the connection." in await terminal.types("/errors")
    assert "Dog Anchor Cake" in await terminal.types("/words")
    assert "this one waits" in await terminal.types("/search waits")
    ada.set_down()
    await terminal.types("/retry", "/verified", "/reads on")
    (bob,) = ada.contacts
    assert bob.is_verified
    assert bob.may_see_read
    assert "waiting" not in terminal.chat.status_line()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("hello", "With whom?"),
        ("/dance", "There is no command /dance"),
        ("/open", "Write /open NAME"),
        ("/open I'm", "Nobody is called"),
        ("/reads maybe", "With whom?"),
        ("/accept", "Write /accept LINK NAME"),
    ],
)
async def test_a_line_that_can_not_be_done_says_why(line: str, answer: str) -> None:
    ada, _, _, _ = await two_friends()
    assert answer in await Terminal(ada).types(line)


async def test_a_contact_can_not_paint_in_the_terminal() -> None:
    """Threat model P19: names and texts of contacts arrive without anything that a terminal obeys."""
    ada, bob, to_bob, to_ada = await two_friends()
    await bob.send(to_ada, "\x1b[2Jgone\r\x07")
    await ada.rename(to_bob, "Bob\x1b[31m")
    terminal = Terminal(ada)
    await terminal.types("/open Bob")
    assert "gone" in "".join(terminal.lines)
    assert "\x1b" not in "".join(terminal.lines)
    assert "\x1b" not in terminal.chat.status_line()


async def test_quit_ends_it() -> None:
    assert not await Terminal(FakeNode("ada")).chat.do("/quit")
