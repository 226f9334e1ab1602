"""The chat's page in a real browser: two people write; what they are told about it is true, whatever breaks."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest_asyncio
from playwright.async_api import expect

from holdfast.apps.chat.store import MIGRATIONS
from holdfast.apps.chat.window import Window, open_port
from holdfast.ops import ErrorHandler, ShutdownManager
from holdfast.session.store import MIGRATIONS as SESSION_MIGRATIONS
from holdfast.storage import Database
from holdfast.world import RealWorld
from tests.browser.stage import DESK, PHONE, SHOTS, check_axe
from tests.support.chat_desk import KEYSTORE
from tests.support.fake_node import FakeNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from playwright.async_api import Browser, Locator, Page

GATEWAYS = ("127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003")
PATIENCE_MS = 20_000


class Person:
    """Somebody with a program on a node without a network, and a browser."""

    def __init__(self, name: str, folder: Path) -> None:
        self.node = FakeNode(name)
        self.errors = ErrorHandler()
        self.link = ""
        self.page: Page
        self.foreign: list[str] = []
        self._data = folder / name
        self._data.mkdir()
        self._running: tuple[asyncio.Task[None], ShutdownManager] | None = None

    async def start(self) -> None:
        """Start the program, on the port of last time."""
        shutdown = ShutdownManager(signals=())
        ready = asyncio.Event()
        task = asyncio.create_task(self._serve(shutdown, ready))
        self._running = task, shutdown
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        assert not task.done(), task.exception()

    async def _serve(self, shutdown: ShutdownManager, ready: asyncio.Event) -> None:
        migrations = {"session": SESSION_MIGRATIONS, "chat": MIGRATIONS}
        world = RealWorld()
        async with Database(self._data / "node.db", migrations) as database:
            window = Window(
                self.node, database, self.errors, KEYSTORE, self._data, world,  # type: ignore[arg-type]
                about={"mode": "two_hop", "demo": False},
            )  # fmt: skip
            listener = open_port(self._data, None)
            self.link = window.link(listener)
            await window.serve(listener, shutdown, on_ready=ready.set)

    async def stop(self) -> None:
        if self._running is not None:
            task, shutdown = self._running
            self._running = None
            await shutdown.run("the test")
            await task

    @property
    def origin(self) -> str:
        return self.link.split("/#", maxsplit=1)[0]

    def by(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    def line(self, text: str) -> Locator:
        return self.by("line").filter(has_text=text)

    async def says(self, text: str) -> None:
        await self.by("text").fill(text)
        await self.by("send").click()

    async def is_told(self, text: str, state: str) -> None:
        """The line with this text is there once, and says so."""
        await expect(self.line(text)).to_have_attribute("data-state", state, timeout=PATIENCE_MS)

    async def verdict(self, words: str, mood: str) -> None:
        await expect(self.by("verdict")).to_contain_text(words, timeout=PATIENCE_MS)
        await expect(self.by("bar")).to_have_attribute("data-mood", mood)

    async def shot(self, name: str) -> None:
        """Keep a picture, to be looked at."""
        if os.environ.get("SHOTS"):
            SHOTS.mkdir(exist_ok=True)
            await self.page.screenshot(path=SHOTS / f"chat-{name}.png")


@pytest_asyncio.fixture(loop_scope="session")
async def people(
    browser: Browser, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[Person]]]:
    """Opens programs with a page; a fault of a page's program, or a foreign request, fails the test."""
    opened: list[Person] = []
    contexts = []
    faults: list[str] = []

    async def make(name: str, size: dict[str, int] = DESK, **more: Any) -> Person:
        person = Person(name.lower(), tmp_path)
        opened.append(person)
        await person.node.create_identity(name)
        await person.start()
        context = await browser.new_context(viewport=size, **more)  # type: ignore[arg-type]
        contexts.append(context)
        person.page = await context.new_page()
        person.page.on("pageerror", lambda error: faults.append(str(error)))
        own = (person.origin, person.origin.replace("http", "ws"), "data:", "blob:")
        person.page.on(
            "request",
            lambda request: None if request.url.startswith(own) else faults.append(request.url),
        )
        await person.page.goto(person.link)
        return person

    yield make
    for context in contexts:
        await context.close()
    for person in opened:
        await person.stop()
    assert faults == []


async def two_talking(
    people: Callable[..., Awaitable[Person]], **phone: Any
) -> tuple[Person, Person]:
    """Two people who know each other, each with the other's conversation open."""
    ada, bob = await people("Ada"), await people("Bob", **phone)
    invitation = await ada.node.invite("identity-0", name="Bob")
    await bob.node.accept("identity-0", invitation.link, "Ada")
    for person in (ada, bob):
        await person.by("talk-row").click()
        await expect(person.by("text")).to_be_visible()
    return ada, bob


async def sticks_out(page: Page) -> int:
    return int(
        await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
    )


async def test_two_people_meet_by_a_link_and_compare_words(
    people: Callable[..., Awaitable[Person]],
) -> None:
    ada, bob = await people("Ada"), await people("Bob", PHONE)
    await check_axe(ada.page, "empty")
    await ada.by("main").get_by_test_id("way-invite").click()
    await ada.by("invite-name").fill("Bob")
    await ada.by("make-link").click()
    link = await ada.by("made-link").input_value()
    await expect(ada.page.locator("svg.code-picture")).to_be_visible()
    await check_axe(ada.page, "an invitation")
    await ada.shot("invitation")
    await ada.by("close").click()
    await expect(ada.by("talk-row")).to_contain_text("Has not used your invitation yet")

    await bob.by("talks").get_by_test_id("way-accept").click()
    await bob.by("accept-link").fill(link)
    await bob.by("accept").click()
    await expect(bob.by("text")).to_be_visible()
    await ada.by("talk-row").click()
    for person in (ada, bob):
        await person.by("talk-card").click()
        await expect(person.by("safety-words").locator("li")).to_have_count(7)
    await check_axe(bob.page, "a contact on a phone")
    await ada.by("verified").check()
    await ada.by("close").click()
    await expect(ada.by("talk-card")).to_contain_text("Safety words compared")


async def test_a_message_is_seen_to_wait_to_be_delivered_and_to_be_read(
    people: Callable[..., Awaitable[Person]],
) -> None:
    ada, bob = await two_talking(people)
    (his,) = bob.node.contacts
    await bob.node.allow_read(his.id, allowed=True)
    await bob.page.goto(f"{bob.origin}/")
    ada.node.set_down(*GATEWAYS)
    await ada.says("hello Bob")
    await ada.is_told("hello Bob", "queued")
    ada.node.set_down()
    await ada.is_told("hello Bob", "delivered")
    await expect(bob.by("unread")).to_contain_text("1")
    await bob.page.bring_to_front()
    await bob.by("talk-row").click()
    await expect(bob.line("hello Bob")).to_be_visible()
    await ada.is_told("hello Bob", "read")
    await bob.says("hello Ada")
    await expect(ada.line("hello Ada")).to_be_visible()
    await check_axe(ada.page, "a conversation")


async def test_the_bar_tells_what_is_broken_and_nothing_is_lost(
    people: Callable[..., Awaitable[Person]],
) -> None:
    ada, bob = await two_talking(people)
    await ada.verdict("All well: 3 of 3 gateways connected", "good")
    ada.node.set_down(GATEWAYS[0])
    await ada.verdict("2 of 3 gateways connected", "amber")
    ada.node.set_down(*GATEWAYS)
    for number in range(3):
        await ada.says(f"number {number}")
    await ada.verdict("No gateway can be reached. 3 messages wait", "red")
    ada.errors.handle_error("gateway", "high", 1001, "127.0.0.1:9001 closed the connection.")
    ada.node.tell(None)
    await ada.by("error-category").click()
    await expect(ada.by("error-list")).to_contain_text("127.0.0.1:9001 closed the connection")
    await expect(ada.by("gateway")).to_have_count(3)
    await expect(ada.by("queue")).to_contain_text("messages3")
    await expect(ada.by("next-attempt")).to_contain_text(re.compile(r"in \d+ s|now"))
    await check_axe(ada.page, "behind the bar")
    await ada.shot("details")
    ada.node.down = set()
    ada.node.is_up = True
    await ada.by("retry").click()
    await ada.by("close").click()
    await ada.verdict("All well", "good")
    for number in range(3):
        await ada.is_told(f"number {number}", "delivered")
        await expect(bob.line(f"number {number}")).to_have_count(1)
    said = [message.text for message in bob.node.said.values()]
    assert said == ["number 0", "number 1", "number 2"]


async def test_what_is_written_while_the_program_is_away_survives_a_reload(
    people: Callable[..., Awaitable[Person]],
) -> None:
    ada, bob = await two_talking(people)
    await ada.says("before")
    await ada.is_told("before", "delivered")
    await ada.stop()
    await ada.says("while it was away")
    await ada.is_told("while it was away", "waiting")
    await ada.verdict("The program on this computer does not answer", "red")
    await ada.by("text").fill("half a thought")
    await ada.start()
    await ada.page.reload()
    await ada.is_told("while it was away", "delivered")
    await ada.is_told("before", "delivered")
    await expect(ada.by("text")).to_have_value("half a thought")
    assert [message.text for message in bob.node.said.values()] == ["before", "while it was away"]
    await expect(ada.by("line")).to_have_count(2)


async def test_a_second_tab_takes_over_and_gives_back(
    people: Callable[..., Awaitable[Person]],
) -> None:
    ada, bob = await two_talking(people)
    first = ada.page
    second = await first.context.new_page()
    await second.goto(f"{ada.origin}/")
    ada.page = second
    await ada.by("talk-row").click()
    await ada.says("from the second tab")
    await ada.is_told("from the second tab", "delivered")
    await expect(first.get_by_test_id("use-here")).to_be_visible(timeout=PATIENCE_MS)
    ada.page = first
    await ada.by("use-here").click()
    await ada.says("from the first one again")
    await ada.is_told("from the first one again", "delivered")
    await ada.is_told("from the second tab", "delivered")
    assert len(bob.node.said) == 2


async def test_on_a_phone_everything_is_reached_and_nothing_sticks_out(
    people: Callable[..., Awaitable[Person]],
) -> None:
    ada, bob = await two_talking(people, size=PHONE, color_scheme="dark", has_touch=True)
    await ada.says("https://example.org/" + "long/" * 60)
    await expect(bob.by("line")).to_be_visible()
    await bob.says("👍 " + "verylongword" * 20)
    assert await sticks_out(bob.page) == 0
    await check_axe(bob.page, "a conversation on a phone")
    await bob.shot("phone")
    await bob.by("bar-open").click()
    await expect(bob.by("gateway").first).to_be_visible()
    assert await sticks_out(bob.page) == 0
    await bob.by("close").click()
    await bob.by("back").click()
    await expect(bob.by("talk-row")).to_be_visible()
    await bob.by("search").fill("verylong")
    await bob.by("found").click()
    await expect(bob.by("text")).to_be_visible()


async def test_an_attachment_arrives_as_it_was(people: Callable[..., Awaitable[Person]]) -> None:
    ada, bob = await two_talking(people)
    data = bytes(range(256)) * 400
    file: Any = {"name": "figures.bin", "mimeType": "application/x-figures", "buffer": data}
    await ada.by("picker").set_input_files(file)
    await expect(ada.by("file")).to_have_attribute("data-there", "true", timeout=PATIENCE_MS)
    await expect(bob.by("file")).to_have_attribute("data-there", "true", timeout=PATIENCE_MS)
    async with bob.page.expect_download() as download:
        await bob.by("save").click()
    got = await download.value
    assert got.suggested_filename == "figures.bin"
    assert (await got.path()).read_bytes() == data


async def test_a_room_is_opened_and_talked_in(people: Callable[..., Awaitable[Person]]) -> None:
    ada, _ = await two_talking(people)
    await ada.by("new").click()
    await ada.by("new-room").click()
    await ada.by("room-name").fill("Book club")
    await ada.page.get_by_role("checkbox", name="Bob").check()
    await ada.by("open-room").click()
    await expect(ada.by("talk-card")).to_contain_text("Book club")
    await ada.says("welcome")
    await expect(ada.line("welcome")).to_be_visible()
    assert [room.name for room in ada.node.rooms] == ["Book club"]


async def test_words_of_a_contact_are_text_and_load_nothing(
    people: Callable[..., Awaitable[Person]],
) -> None:
    """Threat model P19: markup and links of a contact are shown as letters; the page loads nothing foreign."""
    ada, bob = await two_talking(people)
    (his,) = bob.node.contacts
    evil = '<img src="https://evil.example/x.png" onerror="document.title=1"><b>bold</b> https://evil.example/y'
    await ada.node.rename(ada.node.contacts[0].id, "<i>Bob</i>")
    await bob.node.send(his.id, evil)
    await expect(ada.line("evil.example")).to_contain_text(evil)
    await expect(ada.by("talk-card")).to_contain_text("<i>Bob</i>")
    assert await ada.page.locator(".bubble img, .bubble b, .bubble a, .talk__who i").count() == 0
    assert "1" != await ada.page.title()
    policy = await ada.page.evaluate(
        f"fetch('{ada.origin}/').then(r => r.headers.get('content-security-policy'))"
    )
    assert "default-src 'none'" in policy or "default-src 'self'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[-1].split(";")[0]


async def test_without_the_key_a_page_shows_nothing(
    browser: Browser, people: Callable[..., Awaitable[Person]]
) -> None:
    """Threat model P23: the address without its key, or with a guess, opens nothing; a web site reads nothing."""
    ada, _ = await two_talking(people)
    await ada.says("a secret")
    await ada.is_told("a secret", "delivered")
    assert ada.page.url.startswith(f"{ada.origin}/")
    assert "#" not in ada.page.url, "the key does not stay in the address"
    async with a_stranger(browser) as stranger:
        for address in (f"{ada.origin}/", f"{ada.origin}/#a-guess-at-the-key-of-the-page"):
            await stranger.goto(address)
            await expect(stranger.get_by_test_id("no-key")).to_be_visible(timeout=PATIENCE_MS)
        await stranger.context.route(
            "http://site.example/*", lambda route: route.fulfill(body="<p>Hi")
        )
        await stranger.goto("http://site.example/")
        key = ada.link.split("#")[1]
        told = await stranger.evaluate(
            """async ([origin, key]) => {
                const asked = (more) => fetch(origin + "/api/chat/node/board", more)
                    .then((answer) => answer.text(), () => "refused");
                const socket = await new Promise((done) => {
                    const opened = new WebSocket(origin.replace("http", "ws") + "/ws");
                    opened.onopen = () => done("open");
                    opened.onerror = () => done("refused");
                });
                return [socket, await asked({}), await asked({headers: {Authorization: "Bearer " + key}})];
            }""",
            [ada.origin, key],
        )
        assert told == ["refused"] * 3, "even with the key, no foreign site is answered"


async def test_it_listens_on_this_machine_only_and_to_its_own_name(
    people: Callable[..., Awaitable[Person]],
) -> None:
    """Threat model P24: the port is bound to 127.0.0.1, and a name that was bent to it gets nothing."""
    ada = await people("Ada")
    port = int(ada.origin.rpartition(":")[2])
    bound = [
        c.laddr.ip
        for c in psutil.Process().net_connections()
        if c.laddr.port == port and not c.raddr
    ]
    assert bound == ["127.0.0.1"]
    async with httpx.AsyncClient() as http:
        for path in ("/", "/health", "/api/chat/node/board"):
            headers = {
                "Host": f"evil.example:{port}",
                "Authorization": f"Bearer {ada.link.split('#')[1]}",
            }
            answer = await http.get(ada.origin + path, headers=headers)
            assert answer.status_code == 421


@asynccontextmanager
async def a_stranger(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport=DESK)  # type: ignore[arg-type]
    try:
        yield await context.new_page()
    finally:
        await context.close()
