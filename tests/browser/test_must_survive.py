"""What the README promises to survive, each seen in real Chromium with the default times."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.async_api import expect

from tests.browser.stage import DESK, Person, Stage
from tests.support.processes import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path
    from typing import Any

    StageMaker = Callable[..., Awaitable[Stage]]


async def until(condition: Callable[[], Any], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.03)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data") as process:
        yield process


async def in_question(stage: Stage, person: Person) -> None:
    await stage.go_on()
    await person.in_phase("question")
    await expect(person.by("choice-0")).to_be_visible()


async def test_an_answer_given_with_the_cable_out_is_kept_and_counted_fairly(
    server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(server)
    await stage.bystander()
    ada = await stage.person()
    await ada.join("Ada")
    await in_question(stage, ada)
    await asyncio.sleep(1.0)
    ada.proxy.cut()
    started = time.monotonic()
    await ada.is_cut()
    await ada.choose(0)
    thought_s = time.monotonic() - started + 1.0
    await expect(ada.by("answer-note")).to_contain_text("Saved on this phone")
    await ada.shot("answer-saved-offline")
    await asyncio.sleep(10 - (time.monotonic() - started))
    assert stage.host.stage["answered"] == 0

    ada.proxy.heal()

    await until(lambda: stage.host.stage["answered"] == 1)
    await expect(ada.by("answer-note")).to_contain_text("counted at")
    note = await ada.by("answer-note").inner_text()
    counted = float(re.search(r"counted at ([\d.]+)", note)[1])  # type: ignore[index]
    waited_s = 1.0 + time.monotonic() - started
    assert thought_s - 0.5 <= counted <= waited_s - 6 + 0.5, (
        "6 s of witnessed silence are given back"
    )
    await stage.go_on()
    await expect(ada.by("my-score")).to_have_text(re.compile(r"^[1-9]\d*$"))


async def test_who_returns_after_the_grace_has_the_seat_and_the_score(
    quick_server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(quick_server)
    await stage.bystander()
    ada = await stage.person()
    await ada.join("Ada")
    await in_question(stage, ada)
    await ada.choose(0)
    await until(lambda: stage.host.stage["answered"] == 1)
    await stage.go_on()
    await ada.in_phase("reveal")
    score = await ada.by("my-score").inner_text()
    roster = stage.host.channels[f"quiz/{stage.event}/host"]["roster"]
    seat = next(key for key, row in roster.items() if row["name"] == "Ada")

    ada.proxy.cut()
    await until(lambda: roster[seat]["state"] == "temporarily_disconnected")
    await until(lambda: roster[seat]["state"] == "disconnected")
    ada.proxy.heal()

    await ada.is_connected()
    await ada.in_phase("reveal")
    await expect(ada.by("my-score")).to_have_text(score)
    await until(lambda: roster[seat]["state"] == "connected")
    assert stage.host.stage["players"] == 2, "who returns is not announced as new"
    assert len(roster) == 2


async def test_a_short_cut_is_shown_to_nobody_else(
    server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(server)
    bob = await stage.bystander("Bob")
    ada = await stage.person()
    await ada.join("Ada")
    await until(lambda: stage.host.stage["players"] == 2)
    await until(lambda: bob.stage["players"] == 2)
    heard = len(bob.seen)
    ada.proxy.cut()
    ada.proxy.heal()
    await ada.page.wait_for_timeout(500)
    await ada.is_connected()

    await asyncio.sleep(1.5)

    assert len(bob.seen) == heard, "nothing is sent to others for a blip"


async def test_the_host_is_cut_off_and_the_game_goes_on_to_the_reveal_and_waits(
    quick_server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(quick_server)
    host = await stage.person(DESK)
    await host.open(f"/host/{stage.event}#key={stage.key}")
    await host.in_phase("lobby")
    await stage.host.client.leave()
    ada = await stage.person()
    await ada.join("Ada")
    await host.by("host-start").click()
    await ada.in_phase("question")

    host.proxy.cut()
    await host.is_cut()
    await host.shot("host-offline")
    await ada.by("choice-0").click()
    await ada.in_phase("reveal")
    await expect(ada.by("host-away")).to_be_visible()
    host.proxy.heal()

    await host.in_phase("reveal")
    await host.is_connected()
    await expect(ada.by("host-away")).not_to_be_visible()
    await host.by("host-next").click()
    await ada.in_phase("leaderboard")


async def test_the_server_is_killed_in_a_question_and_everyone_returns_to_it(
    own_server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(own_server)
    await stage.bystander()
    ada, bob = await stage.person(), await stage.person()
    await ada.join("Ada")
    await bob.join("Bob")
    await in_question(stage, ada)
    await ada.choose(0)
    await until(lambda: stage.host.stage["answered"] == 1)
    left_before = stage.host.stage["question"]["closes_at"] / 1000 - time.time()

    own_server.kill()
    await ada.is_cut()
    await bob.is_cut()
    await bob.choose(0)
    await asyncio.sleep(2.0)
    started_at = time.time()
    await own_server.start_async()
    up_at = time.time()

    await ada.is_connected()
    await bob.is_connected()
    await expect(ada.by("choice-0")).to_have_attribute("aria-pressed", "true")
    await until(lambda: stage.host.client.restored == 1 and stage.host.stage["answered"] == 2)
    went_on_at = stage.host.stage["question"]["closes_at"] / 1000 - left_before
    assert started_at - 1.2 <= went_on_at <= up_at + 1.2, "the time that it was away is not counted"
    await stage.go_on()
    for person in (ada, bob):
        await person.in_phase("reveal")
        await expect(person.by("my-score")).to_have_text(re.compile(r"^[1-9]\d*$"))


async def test_two_joins_at_the_same_instant_with_one_key_are_one_seat(
    server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(server)
    url = f"{server.url}/api/quiz/events/{stage.code}/seats"
    wish = {"name": "Twin", "key": "one-key-for-two-joins"}
    async with httpx.AsyncClient() as http:
        answers = await asyncio.gather(*(http.post(url, json=wish) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["seat"] for answer in answers}) == 1

    link = f"/play/{stage.code}#key={wish['key']}"
    people = [await stage.person(), await stage.person()]
    await asyncio.gather(*(person.open(link) for person in people))

    await until(lambda: stage.host.stage["players"] == 1)
    here = [person.by("play-here") for person in people]
    async with asyncio.timeout(15):
        while [await button.is_visible() for button in here].count(True) != 1:
            await asyncio.sleep(0.1)


async def test_ten_failed_attempts_then_given_up_and_a_retry_by_hand_works(
    server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(server)
    await stage.bystander()
    ada = await stage.person()
    await ada.context.clock.install()
    await ada.join("Ada")
    ada.proxy.cut()
    await ada.is_cut()

    async with asyncio.timeout(60):
        while await ada.by("status").get_attribute("data-kind") != "red":
            await ada.page.clock.run_for(5_000)
            await asyncio.sleep(0.02)
    await expect(ada.page.get_by_role("alert")).to_contain_text("safe")
    await ada.shot("given-up")
    ada.proxy.heal()
    await ada.page.clock.run_for(120_000)
    assert await ada.by("status").get_attribute("data-kind") == "red", "it has given up"
    await ada.by("retry").click()

    async with asyncio.timeout(20):
        while await ada.by("status").get_attribute("data-kind") not in {"none", "back"}:
            await ada.page.clock.run_for(500)
            await asyncio.sleep(0.05)
    await ada.in_phase("lobby")


async def test_wrong_codes_and_names_are_explained_and_odd_ones_are_shown_as_text(
    server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(server)
    await stage.bystander("Taken")
    ada = await stage.person()
    await ada.open("/play/000001")
    await expect(ada.by("join-error")).to_be_visible()

    await ada.page.goto(f"{ada.origin}/play/{stage.code}")
    for wrong in ("", "   ", "taken", "x" * 200):
        await ada.by("join-name").fill(wrong)
        await ada.by("join-submit").click()
        if len(wrong) < 100:
            await expect(ada.by("join-error")).not_to_be_empty()
            assert await ada.page.locator("main").get_attribute("data-phase") == "join"
    shown = ada.by("join-error").or_(ada.by("my-name"))
    await expect(shown.first).not_to_be_empty()

    for name in ("👩‍👩‍👧 🎉", "<img src=x onerror=alert(1)>"):
        guest = await stage.person()
        await guest.open(f"/play/{stage.code}")
        await guest.by("join-name").fill(name)
        await guest.by("join-submit").click()
        await guest.in_phase("lobby")
        await expect(guest.by("my-name")).to_have_text(name)
    names = {
        row["name"] for row in stage.host.channels[f"quiz/{stage.event}/host"]["roster"].values()
    }
    assert "<img src=x onerror=alert(1)>" in names


async def test_the_host_locks_the_door_and_removes_a_participant(
    server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(server)
    host = await stage.person(DESK)
    await host.open(f"/host/{stage.event}#key={stage.key}")
    ada, late = await stage.person(), await stage.person()
    await ada.join("Ada")
    await host.by("host-lock").click()
    await until(lambda: stage.host.stage["locked"])

    await late.open(f"/play/{stage.code}")
    await late.by("join-name").fill("Late")
    await late.by("join-submit").click()
    await expect(
        late.page.get_by_text(re.compile("nobody else|locked|closed", re.IGNORECASE)).first
    ).to_be_visible()
    await ada.page.reload()
    await ada.in_phase("lobby")

    seat = ada.page.get_by_test_id("removed")
    roster = stage.host.channels[f"quiz/{stage.event}/host"]["roster"]
    await stage.host.client.send({"do": "remove", "seat": next(iter(roster))})
    await expect(seat).to_be_visible()
    await until(lambda: stage.host.stage["players"] == 0)
    await ada.page.reload()
    await expect(seat).to_be_visible()


async def test_reduced_motion_is_respected(server: ServerProcess, stages: StageMaker) -> None:
    stage = await stages(server)
    await stage.bystander()
    ada = await stage.person(reduced_motion="reduce")
    await ada.join("Ada")
    await in_question(stage, ada)
    moving = await ada.page.evaluate(
        "document.getAnimations().filter(a => a.effect.getComputedTiming().duration > 50).length"
    )
    assert moving == 0
