"""``holdfast chat demo`` as somebody tries it: real nodes, real gateways, two windows, and buttons that kill."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import FilePayload, expect

from holdfast.apps.chat.demo import DemoGateways
from tests.browser.stage import DESK, PHONE, SHOTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Locator, Page

PATIENCE_MS = 60_000
MINUTE = 60.0
"""Two people talk within a minute of the start."""


class Window:
    """One person's window."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def by(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    async def says(self, text: str) -> None:
        await self.by("text").fill(text)
        await self.by("send").click()

    async def is_told(self, text: str, *states: str) -> None:
        line = self.by("line").filter(has_text=text)
        pattern = re.compile(f"^({'|'.join(states)})$")
        await expect(line).to_have_attribute("data-state", pattern, timeout=PATIENCE_MS)

    async def opens(self, name: str) -> None:
        """Choose a conversation; on a phone the list is another page."""
        await self.page.locator(f'[data-name="{name}"]').click(timeout=PATIENCE_MS)

    async def hears(self, text: str) -> None:
        line = self.by("line").filter(has_text=text)
        await expect(line).to_have_count(1, timeout=PATIENCE_MS)

    async def verdict(self, words: str) -> None:
        await expect(self.by("verdict")).to_contain_text(words, timeout=PATIENCE_MS)

    async def does(self, what: str, count: int = 3) -> None:
        """Press a button of so many gateways."""
        await self.by("bar-open").click()
        rows = self.by("gateway")
        await expect(rows).to_have_count(3)
        for number in range(count):
            await rows.nth(number).get_by_test_id(what).click()
        await self.by("close").click()

    async def shot(self, name: str) -> None:
        """Keep a picture, to be looked at."""
        if os.environ.get("SHOTS"):
            SHOTS.mkdir(exist_ok=True)
            await self.page.screenshot(path=SHOTS / f"chat-{name}.png")


@asynccontextmanager
async def a_demonstration(folder: Path) -> AsyncIterator[list[str]]:
    """Start it; yields the links of both windows."""
    with (folder / "demo.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "holdfast.cli.main", "chat", "demo"),
            *("--no-window", "--data", str(folder / "data")),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        assert process.stdout is not None
        links: list[str] = []
        try:
            async with asyncio.timeout(MINUTE):
                while len(links) < 2:
                    line = (await process.stdout.readline()).decode()
                    assert line, (folder / "demo.log").read_text()
                    links += re.findall(r"window: (\S+)", line)
            yield links
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
                await process.communicate()
        assert process.returncode == 0, (folder / "demo.log").read_text()


@asynccontextmanager
async def a_third_one(folder: Path, gateways: list[str]) -> AsyncIterator[str]:
    """Somebody with a program of her own on the same gateways; yields the link of her window."""
    options = [word for address in gateways for word in ("--gateway", address)]
    with (folder / "third.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "holdfast.cli.main", "chat", *options),
            *("--no-window", "--data", str(folder / "third")),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=os.environ | {"HOLDFAST_PASSPHRASE": "a sentence for keys"},
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(MINUTE):
                line = await process.stdout.readuntil(b"#")
                rest = await process.stdout.readline()
            yield re.findall(r"(http\S+)", (line + rest).decode())[0]
        finally:
            process.send_signal(signal.SIGINT)
            await process.communicate()
        assert process.returncode == 0, (folder / "third.log").read_text()


@pytest.mark.timeout(300)
async def test_a_room_of_three_an_attachment_and_what_is_seen_of_both(
    browser: Browser, tmp_path: Path
) -> None:
    """On real nodes: an attachment of 1 MB goes on after a reload and a killed gateway; all else as a user does it."""
    async with AsyncExitStack() as stack:
        gateways = DemoGateways(tmp_path / "data").addresses  # they have ports before they live
        links, link = await asyncio.gather(
            stack.enter_async_context(a_demonstration(tmp_path)),
            stack.enter_async_context(a_third_one(tmp_path, gateways)),
        )
        links.append(link)
        faults: list[str] = []
        windows = []
        for link, size in zip(links, (DESK, PHONE, DESK), strict=True):
            context = await browser.new_context(viewport=size, has_touch=size is PHONE)  # type: ignore[arg-type]
            stack.push_async_callback(context.close)
            page = await context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.set_default_timeout(PATIENCE_MS)
            await page.goto(link)
            windows.append(Window(page))
        ada, bob, eve = windows
        await meets(eve, ada)
        await a_room(ada, bob, eve)
        await what_is_found(ada)
        await words_and_receipts(ada, bob)
        await an_attachment(ada, bob)
        await one_page_at_a_time(ada, links[0])
        await she_leaves(ada, eve)
        assert faults == []


async def meets(guest: Window, host: Window) -> None:
    """Begin with nothing: a name, then an invitation."""
    await guest.by("my-name").fill("Eve")
    await guest.by("start").click()
    await expect(guest.by("main")).to_contain_text("Nobody is here yet")
    await host.by("new").click()
    await host.by("new-invite").click()
    await host.by("invite-name").fill("Eve")
    await host.by("make-link").click()
    link = await host.by("made-link").input_value()
    await host.by("close").click()
    await guest.by("main").get_by_test_id("way-accept").click()
    await guest.by("accept-link").fill(link)
    await guest.by("accept-name").fill("Ada")
    await guest.by("accept").click()
    await guest.says("it is I")
    await guest.is_told("it is I", "delivered", "read")


async def a_room(ada: Window, bob: Window, eve: Window) -> None:
    """Each hears both others, who did not know each other before."""
    await ada.by("new").click()
    await ada.by("new-room").click()
    await ada.by("room-name").fill("Tea at five")
    for box in await ada.page.get_by_role("checkbox").all():
        await box.check()
    await ada.by("open-room").click()
    await ada.says("who brings the cake?")
    for guest in (bob, eve):
        await guest.opens("Tea at five")
        await guest.hears("who brings the cake?")
    await bob.says("I do")
    await eve.says("then I bring the tea")
    for each in (ada, bob, eve):
        await each.hears("I do")
        await each.hears("then I bring the tea")
    await ada.is_told("who brings the cake?", "delivered")
    await ada.shot("demo-room")
    await bob.shot("demo-room-phone")


async def what_is_found(ada: Window) -> None:
    await ada.by("search").fill("CAKE")
    await expect(ada.by("found")).to_have_count(1)
    await ada.by("found").click()
    await expect(ada.by("line").filter(has_text="cake")).to_be_visible()
    await ada.by("search").fill("nothing of the kind")
    await expect(ada.by("talks")).to_contain_text("Nothing found.")
    await ada.by("search").fill("")


async def words_and_receipts(ada: Window, bob: Window) -> None:
    await ada.opens("Bob")
    await bob.by("back").click()
    await bob.opens("Ada")
    words = []
    for each in (ada, bob):
        await each.by("talk-card").click()
        words.append(await each.by("safety-words").inner_text())
        await each.by("close").click()
    assert words[0] == words[1] != ""
    await ada.says("read me")
    await bob.hears("read me")
    await ada.is_told("read me", "read")


async def an_attachment(ada: Window, bob: Window) -> None:
    """Reloaded while it is read in, and a gateway dies while it is on its way."""
    content = os.urandom(1_000_000)
    file = FilePayload(name="photos.zip", mimeType="application/zip", buffer=content)
    await ada.by("picker").set_input_files(file)
    await expect(ada.by("upload").or_(ada.by("file"))).to_be_visible()
    await ada.page.reload()
    await ada.does("kill", 1)
    await expect(bob.by("file")).to_have_attribute("data-there", "true", timeout=PATIENCE_MS)
    async with bob.page.expect_download() as download:
        await bob.by("save").click()
    assert (await (await download.value).path()).read_bytes() == content
    await expect(ada.by("file")).to_have_attribute("data-there", "true", timeout=PATIENCE_MS)
    await ada.does("revive", 1)
    await ada.verdict("3 of 3 gateways")


async def one_page_at_a_time(ada: Window, link: str) -> None:
    """The newest page is live, an older one says so; with a wrong key there is none."""
    second = await ada.page.context.new_page()
    await second.goto(link)
    await ada.by("use-here").click()
    await expect(second.get_by_test_id("use-here")).to_be_visible(timeout=PATIENCE_MS)
    await second.goto("about:blank")
    await second.goto(f"{link[:-6]}AAAAAA")
    await expect(second.get_by_test_id("no-key")).to_be_visible(timeout=PATIENCE_MS)
    await second.close()
    await ada.page.reload()  # the wrong key has not taken the place of the good one
    await expect(ada.by("talks")).to_contain_text("Bob", timeout=PATIENCE_MS)


async def she_leaves(ada: Window, eve: Window) -> None:
    """Who is in a room with somebody leaves it before she removes him; he is told when nothing can be left for her."""
    await eve.opens("Ada")
    await eve.by("talk-card").click()
    await eve.page.get_by_text("Remove this contact").click()
    await eve.page.get_by_text("Really remove").click()
    await expect(eve.page.get_by_role("alert").filter(has_text="Tea at five")).to_be_visible()
    await eve.by("close").click()
    await eve.opens("Tea at five")
    await eve.by("talk-card").click()
    await eve.page.get_by_text("Leave this room").click()
    await eve.page.get_by_text("Really leave").click()
    await eve.opens("Ada")
    await eve.by("talk-card").click()
    await eve.page.get_by_text("Remove this contact").click()
    await eve.page.get_by_text("Really remove").click()
    await expect(eve.page.locator('[data-name="Ada"]')).to_have_count(0)
    await eve.shot("demo-removed")
    await ada.opens("Eve")
    await ada.says("are you there?")
    await ada.verdict("1 message could not be left at a gateway yet")
    await ada.shot("demo-stuck")


async def test_two_people_talk_within_a_minute_and_killed_gateways_lose_nothing(
    browser: Browser, tmp_path: Path
) -> None:
    """Threat model P8: gateways are killed by their buttons; everything arrives once, and the bar tells the truth."""
    began = time.monotonic()
    async with a_demonstration(tmp_path) as links:
        contexts = [
            await browser.new_context(viewport=DESK),  # type: ignore[arg-type]
            await browser.new_context(viewport=PHONE, has_touch=True),  # type: ignore[arg-type]
        ]
        faults: list[str] = []
        windows = []
        for context, link in zip(contexts, links, strict=True):
            page = await context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            await page.goto(link)
            windows.append(Window(page))
        ada, bob = windows
        for window in windows:
            await window.by("talk-row").click()
        await ada.says("hello Bob")
        await ada.is_told("hello Bob", "delivered", "read")
        await bob.hears("hello Bob")
        await bob.says("hello Ada")
        await ada.hears("hello Ada")
        assert time.monotonic() - began < MINUTE

        await ada.verdict("3 of 3 gateways")
        await ada.does("kill", 1)
        await ada.verdict("2 of 3 gateways")
        await ada.says("one is dead")
        await bob.hears("one is dead")
        await ada.does("kill")
        await ada.verdict("No gateway can be reached")
        await bob.verdict("No gateway can be reached")
        await ada.says("all are dead")
        await bob.says("here, too")
        await ada.is_told("all are dead", "queued")
        await ada.verdict("1 message waits")
        await ada.shot("demo-all-dead")
        await ada.by("bar-open").click()
        await ada.shot("demo-details")
        await expect(ada.by("queue")).to_contain_text("messages1")
        await ada.by("close").click()
        await ada.page.reload()
        await ada.is_told("all are dead", "queued")

        await ada.does("revive")
        await bob.hears("all are dead")
        await ada.hears("here, too")
        await ada.is_told("all are dead", "delivered", "read")
        await ada.verdict("3 of 3 gateways")
        lines = ada.by("line").locator(".bubble__text")
        assert await lines.all_inner_texts() == [
            "hello Bob", "hello Ada", "one is dead", "all are dead", "here, too",
        ]  # fmt: skip
        await bob.shot("demo-phone")
        for context in contexts:
            await context.close()
        assert faults == []
