"""Whatever happens to a participant's page in whatever phase: same seat, same place, same score.

7 phases × 13 events. The server's session times are a tenth of the defaults, so are the black hole (30 s) and
the host's absence: nothing in the rules happens later than the grace, so what holds past it holds for ten
minutes; that the quiz waits so long is shown with a clock that jumps in the unit tests.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import QUICK, SCALE
from tests.browser.stage import DESK, Person, Stage
from tests.support.processes import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    StageMaker = Callable[..., Awaitable[Stage]]

PHASES = ["lobby", "get_ready", "question", "answered", "reveal", "leaderboard", "final"]
NAME = "Ada"
RIGHT = 0

SHOWN = {
    "lobby": ("lobby",),
    "get_ready": ("get_ready", "question"),  # it goes on by itself while the event happens
    "question": ("question",),
    "answered": ("question",),
    "reveal": ("reveal",),
    "leaderboard": ("leaderboard",),
    "final": ("final",),
}


async def reached(stage: Stage, ada: Person, phase: str) -> None:
    """Play up to a phase; from the reveal on Ada has answered the first question rightly."""
    if phase == "lobby":
        return
    await stage.go_on()
    await ada.in_phase("get_ready")
    if phase == "get_ready":
        return
    await ada.in_phase("question")
    if phase == "question":
        await expect(ada.by("choice-0")).to_be_visible()
        return
    await ada.choose(RIGHT)
    await expect(ada.by("answer-note")).not_to_be_empty()
    await answered(stage)
    if phase == "answered":
        return
    await stage.go_on()
    await ada.in_phase("reveal")
    if phase == "reveal":
        return
    await stage.go_on()
    await ada.in_phase("leaderboard")
    if phase == "final":
        await stage.host.client.send({"do": "end"})
        await ada.in_phase("final")


async def answered(stage: Stage) -> None:
    """Ada's answer is committed."""
    async with asyncio.timeout(15):
        while stage.host.stage["answered"] != 1:
            await asyncio.sleep(0.05)


# --- the events -----------------------------------------------------------------------------


async def reload_page(stage: Stage, ada: Person) -> None:
    await ada.page.reload()


async def closed_then_root(stage: Stage, ada: Person) -> None:
    await ada.page.close()
    await ada.open("/")
    await ada.by(f"return-{stage.code}").click()


async def closed_then_link(stage: Stage, ada: Person) -> None:
    await ada.page.close()
    await ada.open(f"/play/{stage.code}")


async def closed_then_code_and_name(stage: Stage, ada: Person) -> None:
    await ada.page.close()
    await ada.open("/")
    await ada.by("join-code").fill(stage.code)
    await ada.by("join-submit").click()
    await ada.page.wait_for_url(re.compile("/play/"))
    name = ada.by("join-name")
    game = ada.page.locator("main[data-phase]:not([data-phase=join])")
    await expect(name.or_(game).first).to_be_visible()
    if await name.is_visible():
        await name.fill(NAME)
        await ada.by("join-submit").click()


async def second_tab(stage: Stage, ada: Person) -> None:
    first = ada.page
    await ada.open(f"/play/{stage.code}")
    await ada.in_phase(*PHASES)
    await expect(first.get_by_test_id("play-here")).to_be_visible()
    second = ada.page
    await first.get_by_test_id("play-here").click()
    ada.page = first
    await expect(second.get_by_test_id("play-here")).to_be_visible()


async def cut(stage: Stage, ada: Person) -> None:
    ada.proxy.cut()
    await ada.is_cut()
    ada.proxy.heal()


async def black_hole(stage: Stage, ada: Person) -> None:
    ada.proxy.swallow()
    await asyncio.sleep(30 / SCALE)
    ada.proxy.heal()


async def reload_offline(stage: Stage, ada: Person) -> None:
    await ada.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    ada.proxy.cut()
    await ada.page.reload()
    await expect(ada.page.locator("main[data-phase]")).to_be_visible()
    ada.proxy.heal()


async def storage_cleared(stage: Stage, ada: Person) -> None:
    await ada.page.evaluate("localStorage.clear(); sessionStorage.clear()")
    await ada.page.reload()


async def other_device(stage: Stage, ada: Person) -> None:
    await ada.by("open-personal-link").click()
    link = await ada.by("personal-link").input_value()
    old = ada.page
    await ada.page.keyboard.press("Escape")
    phone = await stage.person()
    await phone.open(link.removeprefix(ada.origin))
    await phone.in_phase(*PHASES)
    await expect(old.get_by_test_id("play-here")).to_be_visible()
    ada.page = phone.page
    ada.proxy = phone.proxy


async def host_page(stage: Stage) -> Person:
    """The host comes with a browser too."""
    host = await stage.person(DESK)
    await host.open(f"/host/{stage.event}#key={stage.key}")
    await host.in_phase(*PHASES)
    return host


async def host_is_back(stage: Stage, host: Person) -> None:
    await host.in_phase(stage.host.stage["phase"])
    await expect(host.by("host-players")).to_contain_text("2")


async def host_reloads(stage: Stage, ada: Person) -> None:
    host = await host_page(stage)
    await host.page.reload()
    await host_is_back(stage, host)


async def host_gone(stage: Stage, ada: Person) -> None:
    host = await host_page(stage)
    await host.page.close()
    await stage.host.client.leave()
    await asyncio.sleep(2 * QUICK["grace"])
    await ada.in_phase(*PHASES)
    stage.host = await stage.program({"as": "host", "event": stage.event, "key": stage.key})
    await host.open(f"/host/{stage.event}")
    await host_is_back(stage, host)


async def server_killed(stage: Stage, ada: Person) -> None:
    stage.server.kill()
    await ada.is_cut()
    await stage.server.start_async()


EVENTS = {
    "reload": reload_page,
    "closed_root": closed_then_root,
    "closed_link": closed_then_link,
    "closed_code_name": closed_then_code_and_name,
    "second_tab": second_tab,
    "cut": cut,
    "black_hole": black_hole,
    "reload_offline": reload_offline,
    "storage_cleared": storage_cleared,
    "other_device": other_device,
    "host_reload": host_reloads,
    "host_gone": host_gone,
    "server_killed": server_killed,
}


@pytest.fixture
def fragile_server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data", **QUICK) as process:
        yield process


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("event", EVENTS)
async def test_the_participant_is_back_in_the_same_place(
    event: str, phase: str, stages: StageMaker, request: pytest.FixtureRequest
) -> None:
    name = "fragile_server" if event == "server_killed" else "quick_server"
    stage = await stages(request.getfixturevalue(name))
    bystander = await stage.bystander()
    ada = await stage.person()
    await ada.join(NAME)
    await reached(stage, ada, phase)

    await EVENTS[event](stage, ada)

    await ada.in_phase(*SHOWN[phase])
    await ada.is_connected()
    await expect(ada.by("my-name")).to_have_text(NAME)
    await is_as_before(stage, ada, phase)
    await is_playable_to_the_end(stage, ada, bystander, phase)


async def is_as_before(stage: Stage, ada: Person, phase: str) -> None:
    """One seat, the answer, the score."""
    async with asyncio.timeout(10):  # counts are sent twice a second at most
        while stage.host.stage["players"] != 2:
            await asyncio.sleep(0.05)
    if phase == "answered":
        await expect(ada.by(f"choice-{RIGHT}")).to_have_attribute("aria-pressed", "true")
    if phase in {"reveal", "leaderboard", "final"}:
        await expect(ada.by("my-score")).to_have_text(re.compile(r"^[1-9]\d*$"))


async def is_playable_to_the_end(stage: Stage, ada: Person, bystander: Any, phase: str) -> None:
    """The game goes on, and what Ada answers counts."""
    async with asyncio.timeout(15):
        while stage.host.client.status != "open":
            await asyncio.sleep(0.05)
    if phase == "lobby":
        await stage.go_on()
    if phase in {"lobby", "get_ready", "question"}:
        await ada.in_phase("question")
        await ada.choose(RIGHT)
        await answered(stage)
    if stage.host.stage["phase"] == "question":
        await stage.go_on()
        await ada.in_phase("reveal")
    if phase != "final":
        await stage.host.client.send({"do": "end"})
    await ada.in_phase("final")
    await expect(ada.by("my-score")).to_have_text(re.compile(r"^[1-9]\d*$"))
