"""A quiz as people play it: a real server, real Chromium, and a cable for each person that can be pulled."""

from __future__ import annotations

import json
import os
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from playwright.async_api import expect

from tests.support.players import Face
from tests.support.serving import FaultProxy

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Locator, Page

    from tests.support.processes import ServerProcess

SHOTS = Path(__file__).parent / "shots"

QUIZ: dict[str, Any] = {
    "title": "Cables",
    "questions": [
        {
            "text": f"Question number {number}?",
            "choices": [
                {"text": "The right one", "correct": True},
                {"text": "A wrong one"},
                {"text": "Another wrong one"},
            ],
            "limit_ms": 30_000,
            "explanation": "The first is right.",
        }
        for number in (1, 2)
    ],
}

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}


AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"


async def check_axe(page: Page, where: str) -> None:
    """axe finds nothing to complain about."""
    # As its own script the page's policy would refuse it; evaluated, it is the tester's.
    await page.evaluate(AXE.read_text("utf-8"))
    found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    problems = [
        (rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found["violations"]
    ]
    assert problems == [], f"{where}: {json.dumps(problems)}"


class Person:
    """Somebody with a browser of their own and a cable of their own."""

    def __init__(self, stage: Stage, context: BrowserContext, proxy: FaultProxy) -> None:
        self.stage = stage
        self.context = context
        self.proxy = proxy
        self.page: Page

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}"

    async def open(self, path: str) -> Page:
        """Open a page in a new tab."""
        self.page = await self.context.new_page()
        self.stage.watch(self.page)
        await self.page.goto(self.origin + path)
        return self.page

    def by(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    async def join(self, name: str) -> None:
        """Join by link, as a phone that scanned the code."""
        await self.open(f"/play/{self.stage.code}")
        await self.by("join-name").fill(name)
        await self.by("join-submit").click()
        await self.in_phase("lobby", "get_ready", "question", "reveal", "leaderboard", "final")

    async def in_phase(self, *phases: str, within: float = 15.0) -> None:
        names = "|".join(phases)
        await expect(self.page.locator("main[data-phase]")).to_have_attribute(
            "data-phase", re.compile(f"^({names})$"), timeout=1000 * within
        )

    async def is_connected(self, within: float = 15.0) -> None:
        """Nothing (any more) is said about the connection."""
        await expect(self.by("status")).to_have_attribute(
            "data-kind", re.compile("^(none|back)$"), timeout=1000 * within
        )

    async def is_cut(self, within: float = 15.0) -> None:
        await expect(self.by("status")).to_have_attribute(
            "data-kind", re.compile("^(amber|red)$"), timeout=1000 * within
        )

    async def choose(self, number: int) -> None:
        await self.by(f"choice-{number}").click()
        await expect(self.by(f"choice-{number}")).to_have_attribute("aria-pressed", "true")

    async def shot(self, name: str) -> None:
        """Keep a picture, to be looked at."""
        if os.environ.get("SHOTS"):
            SHOTS.mkdir(exist_ok=True)
            await self.page.screenshot(path=SHOTS / f"{name}.png")

    async def close(self) -> None:
        await self.context.close()
        await self.proxy.stop()


class Stage:
    """One event on one server, with a host that is a program and people with browsers."""

    def __init__(self, browser: Browser, server: ServerProcess) -> None:
        self.browser = browser
        self.server = server
        self.code = ""
        self.event = ""
        self.key = ""
        self.host: Face
        self.errors: list[str] = []
        self._people: list[Person] = []
        self._stack = AsyncExitStack()

    async def opened(self, quiz: dict[str, Any] | None = None) -> Stage:
        async with httpx.AsyncClient(base_url=self.server.url, timeout=30) as http:
            made = (await http.post("/api/quiz/quizzes", json=quiz or QUIZ)).raise_for_status()
            answer = await http.post("/api/quiz/events", json={"quiz": made.json()["id"]})
            event = answer.raise_for_status().json()
        self.code, self.event, self.key = event["code"], event["event"], event["key"]
        self.host = await self.program({"as": "host", "event": self.event, "key": self.key})
        return self

    async def program(self, auth: dict[str, Any]) -> Face:
        """Somebody without a browser."""
        face = Face(self.server.ws, auth)
        await self._stack.enter_async_context(face.client)
        return face

    async def bystander(self, name: str = "Bystander") -> Face:
        """A player who is there and answers nothing, so that questions stay open."""
        key = f"key-of-{name.lower():-<16}"
        async with httpx.AsyncClient(base_url=self.server.url, timeout=30) as http:
            url = f"/api/quiz/events/{self.code}/seats"
            (await http.post(url, json={"name": name, "key": key})).raise_for_status()
        return await self.program({"as": "player", "event": self.event, "key": key})

    async def person(self, size: dict[str, int] | None = None, **more: Any) -> Person:
        proxy = FaultProxy(self.server.port)
        await proxy.start()
        context = await self.browser.new_context(viewport=size or PHONE, **more)
        context.set_default_timeout(15_000)
        person = Person(self, context, proxy)
        self._people.append(person)
        return person

    async def go_on(self) -> None:
        """The host's click on "next", from wherever the game stands."""
        stage = self.host.stage
        number = stage["question"]["index"] if stage["question"] else -1
        await self.host.client.send({"do": "next", "phase": stage["phase"], "question": number})

    def watch(self, page: Page) -> None:
        """Faults of a page's program fail the test."""
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    async def close(self) -> None:
        for person in self._people:
            await person.close()
        await self._stack.aclose()
