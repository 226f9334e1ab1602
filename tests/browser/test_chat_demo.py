"""``holdfast chat demo`` as somebody tries it: real nodes, real gateways, two windows, and buttons that kill."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from playwright.async_api import expect

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
