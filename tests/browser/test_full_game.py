"""A whole game by hand: a host, a projector and three phones, with every screen checked by axe."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.browser.stage import DESK, PHONE, Person, check_axe

if TYPE_CHECKING:
    from tests.support.processes import ServerProcess

StageMaker = "Callable[..., Awaitable[Stage]]"
SETTLE = """Promise.all(document.getAnimations()
    .filter(a => a.effect.getComputedTiming().iterations !== Infinity)
    .map(a => a.finished.catch(() => 0))).then(() => true)"""


async def looked_at(person: Person, name: str) -> None:
    await person.page.evaluate(SETTLE)  # what fades in has not its full contrast yet
    await person.shot(name)
    await check_axe(person.page, name)
    width = await person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, f"{name} scrolls sideways by {width} px"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_host_and_three_phones_play_to_the_final_leaderboard(
    scheme: str, stages: StageMaker, server: ServerProcess
) -> None:
    stage = await stages(server, is_blank=True)
    host = await stage.person(DESK, color_scheme=scheme)
    await host.open("/")
    await looked_at(host, f"{scheme}-landing")
    await host.by("quiz-host-sample").click()
    await host.page.wait_for_url(re.compile("/host/"))
    await host.in_phase("lobby")
    link = await host.by("join-link").text_content() or ""
    code = re.sub(r"\D", "", await host.by("host-code").inner_text())
    assert code in link.replace(" ", "")
    stage.code = code
    stage.event = host.page.url.split("/host/")[1].split("#")[0]

    people = [
        await stage.person(size, color_scheme=scheme)
        for size in (PHONE, PHONE, {"width": 320, "height": 640})
    ]
    names = ["Ada", "Wolfeschlegelsteinhausenbergerdorff Sr.", "Cyd 🎉"]
    screen = await stage.person(DESK, color_scheme=scheme)
    await screen.open(f"/screen/{stage.event}")
    for person, name in zip(people, names, strict=True):
        await person.open(f"/play/{code}")
        if person is people[0]:
            await looked_at(person, f"{scheme}-join")
        await person.by("join-name").fill(name)
        await person.by("join-submit").click()
        await person.in_phase("lobby")
        await expect(person.by("my-name")).to_have_text(name)
    ada = people[0]
    await expect(host.by("host-players")).to_contain_text("3")
    for person, face in ((host, "host"), (screen, "screen"), (ada, "player")):
        await looked_at(person, f"{scheme}-lobby-{face}")

    await host.by("host-start").click()
    await ada.in_phase("get_ready")
    await looked_at(ada, f"{scheme}-get-ready-player")
    for number in range(8):
        for person in people:
            await person.in_phase("question")
            await expect(person.by("choice-0")).to_be_visible()
        if number == 0:
            for person, face in ((host, "host"), (screen, "screen"), (people[2], "player-320")):
                await looked_at(person, f"{scheme}-question-{face}")
            await looked_at(ada, f"{scheme}-question-player")
        for place, person in enumerate(people):
            if person is ada and number == 0:
                await person.page.keyboard.press("2")
                await expect(person.by("choice-1")).to_have_attribute("aria-pressed", "true")
            else:
                await person.by(f"choice-{(number + place) % 2}").click()
            send = person.by("send-answer")
            if await send.is_visible():
                await send.click()
            if place == 0 and number == 0:
                await looked_at(ada, f"{scheme}-answered-player")
        await ada.in_phase("reveal")
        if number == 0:
            for person, face in (
                (host, "host"),
                (screen, "screen"),
                (ada, "player"),
                (people[1], "player-wrong"),
            ):
                await looked_at(person, f"{scheme}-reveal-{face}")
        await host.by("host-next").click()
        await ada.in_phase("leaderboard")
        if number == 0:
            for person, face in ((host, "host"), (screen, "screen"), (ada, "player")):
                await looked_at(person, f"{scheme}-leaderboard-{face}")
        await host.by("host-next").click()

    for person, face in ((host, "host"), (screen, "screen"), (ada, "player")):
        await person.in_phase("final")
        await looked_at(person, f"{scheme}-final-{face}")
    board = [await screen.by(f"leader-{place}").inner_text() for place in range(3)]
    for name in names:
        assert any(name.split()[0] in row for row in board)
    scores = [int(await person.by("my-score").inner_text()) for person in people]
    assert sum(scores) > 0


async def test_cut_recovery_second_tab_and_editor_are_looked_at_too(
    stages: StageMaker, server: ServerProcess
) -> None:
    stage = await stages(server)
    await stage.bystander()
    ada = await stage.person()
    await ada.join("Ada")
    await stage.go_on()
    await ada.in_phase("question")
    ada.proxy.cut()
    await ada.is_cut()
    await looked_at(ada, "reconnecting-brief")
    await expect(ada.by("retry")).to_be_visible(timeout=10_000)
    await looked_at(ada, "reconnecting-countdown")
    await ada.choose(0)
    await looked_at(ada, "reconnecting-answer-saved")
    await ada.page.set_viewport_size(DESK)
    await looked_at(ada, "reconnecting-desk")
    await ada.page.set_viewport_size(PHONE)
    ada.proxy.heal()
    await ada.is_connected()
    await looked_at(ada, "back")

    old = ada.page
    page = await ada.context.new_page()
    ada.page = page
    await page.goto(f"{ada.origin}/play/{stage.code}")
    await ada.in_phase("question")
    ada.page = old
    await expect(ada.by("play-here")).to_be_visible()
    await looked_at(ada, "second-tab")

    host = await stage.person(DESK)
    await host.open("/edit/new")
    await looked_at(host, "editor")
    await host.page.set_viewport_size(PHONE)
    await looked_at(host, "editor-phone")
    await host.page.goto(f"{host.origin}/host/{stage.event}#key={stage.key}")
    await host.in_phase("question")
    await looked_at(host, "host-phone")
    await host.page.goto(f"{host.origin}/play/000001")
    await looked_at(host, "no-such-code")


async def test_the_players_page_loads_under_a_hundred_kilobytes(
    stages: StageMaker, server: ServerProcess
) -> None:
    stage = await stages(server)
    ada = await stage.person()
    sizes: list[int] = []

    def count(response: Any) -> None:
        sizes.append(int(response.headers.get("content-length", 0)))

    page = await ada.context.new_page()
    ada.page = page
    page.on("response", count)
    await page.goto(f"{ada.origin}/play/{stage.code}")
    await ada.by("join-name").fill("Ada")
    await ada.by("join-submit").click()
    await ada.in_phase("lobby")

    print(f"\nplayer's page: {sum(sizes) / 1000:.1f} kB in {len(sizes)} answers")
    assert 50_000 < sum(sizes) < 100_000
