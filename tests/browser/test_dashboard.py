"""The dashboard: a stranger can say from it what is wrong, on a desk and on a phone."""

from __future__ import annotations

import asyncio
import contextlib
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.stage import SHOTS, check_axe
from tests.integration.test_operations import token_of
from tests.support.players import Face, open_event, quiz_of, take_seats
from tests.support.processes import ServerProcess
from tests.support.serving import FaultProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Page

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
PEOPLE = 300
SETTINGS = {"demo": "true", "ping_interval": 1, "pong_timeout": 20, "grace": 60}


@asynccontextmanager
async def dashboard(
    browser: Browser, server: ServerProcess, size: dict[str, int] = DESK, **more: Any
) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport=size, **more)  # type: ignore[arg-type]
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        await page.goto(f"{server.url}/admin")
        await page.get_by_label("Token").fill(token_of(server))
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator(".verdict h1")).to_be_visible()
        yield page
    finally:
        await context.close()
    assert faults == []


async def is_narrow_enough(page: Page) -> None:
    wide = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide == 0, f"{wide} pixels stick out"


async def shot(page: Page, name: str) -> None:
    """Keep a picture, to be looked at."""
    if os.environ.get("SHOTS"):
        SHOTS.mkdir(exist_ok=True)
        await page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


async def test_only_the_token_opens_it(browser: Browser, tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"{server.url}/admin")
        await page.get_by_label("Token").fill("a guess")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert").first).to_contain_text("not the token")
        await check_axe(page, "sign in")
        await context.close()
        async with dashboard(browser, server) as page:
            await page.reload()
            await expect(page.locator(".verdict h1")).to_be_visible()
            await page.get_by_role("button", name="Sign out").click()
            await expect(page.get_by_label("Token")).to_be_visible()
            await page.reload()
            await expect(page.get_by_label("Token")).to_be_visible()


@pytest.mark.parametrize(("size", "scheme"), [(DESK, "light"), (PHONE, "dark")])
async def test_it_fits_and_can_be_read(
    browser: Browser, tmp_path: Path, size: dict[str, int], scheme: str
) -> None:
    with ServerProcess(tmp_path / "data") as server:
        async with dashboard(browser, server, size, color_scheme=scheme) as page:
            await expect(page.locator(".plot")).to_have_count(8)
            await expect(page.get_by_text("Nobody is connected.")).to_be_visible()
            await is_narrow_enough(page)
            await check_axe(page, f"dashboard, {scheme}")
            await page.get_by_role("button", name="1 minute").click()
            await expect(page.get_by_role("button", name="1 minute")).to_have_attribute(
                "aria-pressed", "true"
            )
            await page.get_by_role("button", name="Errors").click()
            # A busy machine may have given it an error to tell of.
            lines = page.get_by_role("region", name="Log")
            await lines.get_by_label("Find").fill("what nobody says")
            await expect(page.get_by_text("No such lines.")).to_be_visible()


async def test_a_server_that_does_not_answer_is_the_news(browser: Browser, tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        async with dashboard(browser, server) as page:
            server.kill()
            await expect(page.locator(".verdict h1")).to_have_text(
                "The server does not answer", timeout=15_000
            )
            await server.start_async()
            # Who was signed in at the old process signs in again.
            await expect(page.get_by_label("Token")).to_be_visible(timeout=15_000)


async def test_300_clients_in_three_states_of_trouble(browser: Browser, tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", **SETTINGS) as server:
        event = await open_event(server.url, quiz_of(1))
        keys = await take_seats(server.url, event["code"], PEOPLE)
        proxy = FaultProxy(server.port)
        await proxy.start()
        direct, far = keys[: PEOPLE * 2 // 3], keys[PEOPLE * 2 // 3 :]
        auth = {"as": "player", "event": event["event"]}
        players = [Face(server.ws, {**auth, "key": key}) for key in direct]
        players += [Face(f"ws://127.0.0.1:{proxy.port}/ws", {**auth, "key": key}) for key in far]
        try:
            await asyncio.gather(*(player.client.__aenter__() for player in players))
            async with dashboard(browser, server) as page:
                verdict = page.locator(".verdict")
                await expect(page.locator("[data-state=open]").first).to_have_text(f"{PEOPLE} open")
                await expect(verdict).not_to_contain_text("do not answer")

                # 1. A third of the people is behind a line that is dead.
                proxy.swallow()
                await expect(verdict).to_contain_text("do not answer", timeout=20_000)
                await expect(page.locator("[data-state=silent]").first).to_be_visible()
                await is_narrow_enough(page)
                await shot(page, "dashboard-silent")

                # 2. It is cut: they are away, and can come back.
                proxy.cut()
                await expect(verdict).to_contain_text(
                    f"{len(far)} sessions have lost their connection", timeout=30_000
                )
                async with dashboard(browser, server, PHONE, color_scheme="dark") as phone:
                    await expect(phone.locator(".verdict")).to_contain_text("lost their connection")
                    await is_narrow_enough(phone)
                    await shot(phone, "dashboard-away-phone")
                    await check_axe(phone, "dashboard in trouble")

                await shot(page, "dashboard-away")
                # It is mended: all come back by themselves.
                proxy.heal()
                await expect(page.locator("[data-state=open]").first).to_have_text(
                    f"{PEOPLE} open", timeout=30_000
                )
                for words in ("do not answer", "lost their connection"):
                    await expect(verdict).not_to_contain_text(words, timeout=30_000)

                # 3. One of them is troubled on purpose, and comes back while one watches.
                await page.get_by_label("Find").first.fill("player")
                await page.get_by_role("button", name="Cut", exact=True).first.click()
                await expect(page.get_by_text("Watch it come back")).to_be_visible()
                async with asyncio.timeout(10):
                    while sum(player.client.restored for player in players) <= len(far):
                        await asyncio.sleep(0.05)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(20):
                    await asyncio.gather(
                        *(player.client.__aexit__(None, None, None) for player in players)
                    )
            await proxy.stop()
