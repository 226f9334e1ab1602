"""Two visitors on two MUDs in real browsers: they talk, and parts of the network die under them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.async_api import Browser, Page

PATIENCE_MS = 45_000
PHONE = {"width": 390, "height": 780}

pytestmark = pytest.mark.xdist_group("i3-bridge")


class Demo:
    """``holdfast i3 demo`` as a person starts it; its links and process numbers are read from what it prints."""

    def __init__(self, said: str) -> None:
        self.links = re.findall(r"http://\S+#key=\S+", said)
        self.parts = {name: int(pid) for pid, name in re.findall(r"kill -9 (\d+) +(.+)", said)}

    def kill(self, part: str) -> None:
        os.kill(self.parts[part], signal.SIGKILL)


@contextmanager
def demonstration(folder: Path) -> Iterator[Demo]:
    arguments = ["i3", "demo", "--port", "0", "--data", str(folder)]
    with subprocess.Popen(
        [sys.executable, "-m", "holdfast.cli.main", *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if "Ctrl-C ends it all" in line:
                    break
            yield Demo(said)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0


async def opened(browser: Browser, link: str, **more: object) -> Page:
    context = await browser.new_context(**more)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(link)
    await expect(page.get_by_test_id("state")).to_contain_text(
        "On the network with 2", timeout=PATIENCE_MS
    )
    return page


async def say(page: Page, text: str) -> None:
    await page.get_by_test_id("text").fill(text)
    await page.get_by_test_id("send").click()


async def reads(page: Page, text: str, times: int = 1) -> None:
    lines = page.get_by_test_id("line").filter(has_text=text)
    await expect(lines).to_have_count(times, timeout=PATIENCE_MS)


async def test_two_visitors_talk_and_nothing_is_lost_while_parts_of_the_network_die(
    browser: Browser, tmp_path: Path
) -> None:
    with demonstration(tmp_path) as demo:
        ann = await opened(browser, demo.links[0])
        bo = await opened(browser, demo.links[1], viewport=PHONE)
        assert "key=" not in ann.url, "the key is taken out of the address"

        await say(ann, "hello, is anybody there?")
        await reads(bo, "hello, is anybody there?")
        await say(bo, "/me raises a mug")
        await reads(ann, "raises a mug")
        await ann.get_by_test_id("person").click()
        await say(ann, "the beer is watered")
        await bo.get_by_test_id("talk").nth(1).click()
        await reads(bo, "the beer is watered")

        demo.kill("the router")
        await expect(ann.get_by_test_id("state")).to_contain_text(
            "The router is away", timeout=PATIENCE_MS
        )
        await say(ann, "said while the router was away")
        queued = ann.get_by_test_id("line").last.get_by_test_id("fate")
        await expect(queued).to_have_text("waits for the router", timeout=PATIENCE_MS)
        await reads(bo, "said while the router was away")

        demo.kill("the gateway of old keep")
        await expect(bo.get_by_test_id("state")).to_contain_text(
            "The gateway is away", timeout=PATIENCE_MS
        )
        await say(bo, "written while my gateway was away")
        await reads(ann, "written while my gateway was away")

        await ann.reload()
        await ann.get_by_test_id("talk").nth(1).click()
        await reads(ann, "the beer is watered")
        await reads(ann, "written while my gateway was away")
        await ann.context.close()
        await bo.context.close()


async def test_a_page_without_a_good_key_says_so(browser: Browser, tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        context = await browser.new_context()
        page = await context.new_page()
        url = demo.links[0].partition("#")[0]
        await page.goto(url)
        await expect(page.get_by_test_id("no-key")).to_contain_text("needs a key")
        await page.goto(f"{url}#key=this-is-no-key-of-anybody&name=eve&channel=tavern")
        await page.reload()
        await expect(page.get_by_test_id("no-key")).to_contain_text("not good here")
        await context.close()
