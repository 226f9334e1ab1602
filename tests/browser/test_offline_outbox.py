"""What is given offline is in the browser's database: it outlives the tab, arrives once, and is gone then."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import expect

from tests.browser.stage import Person, Stage
from tests.browser.test_must_survive import in_question, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.processes import ServerProcess

    StageMaker = Callable[..., Awaitable[Stage]]

ROWS = """() => new Promise((resolve, reject) => {
  const opening = indexedDB.open("holdfast", 1);
  opening.onerror = () => reject(opening.error);
  opening.onupgradeneeded = () => opening.result.createObjectStore("messages");
  opening.onsuccess = () => {
    const reading = opening.result.transaction("messages").objectStore("messages").getAll();
    reading.onsuccess = () => { opening.result.close(); resolve(reading.result.map(JSON.parse)); };
    reading.onerror = () => reject(reading.error);
  };
})"""

LOG = "Object.keys(localStorage).filter((key) => /^holdfast:.*:out:/.test(key))"

NO_DATABASE = "delete window.indexedDB; delete Window.prototype.indexedDB;"

REFUSED_DATABASE = """
  IDBFactory.prototype.open = () => {
    const request = new EventTarget();
    queueMicrotask(() => request.onerror(new Event("error")));
    return request;
  };
"""

NEVER_WRITTEN = """
  IDBDatabase.prototype.transaction = () => ({ objectStore: () => ({ put() {}, delete() {} }) });
"""

DEAF_DATABASE = "IDBFactory.prototype.open = () => new EventTarget();"

FULL_DATABASE = """
  IDBObjectStore.prototype.put = function () {
    this.transaction.abort();
    Object.defineProperty(this.transaction, "error", { value: new DOMException("full", "QuotaExceededError") });
    return new EventTarget();
  };
"""


async def rows(person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await person.page.evaluate(ROWS)
    return found


async def log(person: Person) -> list[str]:
    keys: list[str] = await person.page.evaluate(LOG)
    return keys


async def answered_offline(stage: Stage, *scripts: str) -> Person:
    """Somebody who has tapped the first answer with the cable out."""
    await stage.bystander()
    ada = await stage.person()
    for script in scripts:
        await ada.context.add_init_script(script)
    await ada.join("Ada")
    await in_question(stage, ada)
    await ada.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    ada.proxy.cut()
    await ada.is_cut()
    await ada.choose(0)
    await expect(ada.by("answer-note")).to_contain_text("Saved on this phone")
    return ada


async def opened_anew(stage: Stage, ada: Person) -> None:
    old = ada.page
    await ada.open(f"/play/{stage.code}")
    await old.close()


async def is_counted_once(stage: Stage, ada: Person) -> None:
    await until(lambda: stage.host.stage["answered"] == 1)
    await expect(ada.by("answer-note")).to_have_attribute("data-kind", "sent")
    await expect(ada.by("choice-0")).to_have_attribute("aria-pressed", "true")
    await stage.go_on()
    await ada.in_phase("reveal")
    assert stage.host.stage["answered"] == 1


async def test_an_answer_given_offline_outlives_the_tab_in_the_database_and_arrives_once(
    server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(server)
    ada = await answered_offline(stage)
    kept = await rows(ada)
    assert [(row["body"]["choices"], row["wasSent"]) for row in kept] == [([0], False)]
    assert await log(ada) == []

    await opened_anew(stage, ada)
    await expect(ada.by("choice-0")).to_have_attribute("aria-pressed", "true")
    await expect(ada.by("answer-note")).to_contain_text("Saved on this phone")
    assert [row["id"] for row in await rows(ada)] == [kept[0]["id"]]
    assert stage.host.stage["answered"] == 0
    ada.proxy.heal()

    await is_counted_once(stage, ada)
    async with asyncio.timeout(20):
        while await rows(ada):
            await asyncio.sleep(0.05)
    assert await log(ada) == []


async def test_a_tab_that_is_killed_in_the_moment_of_the_tap_loses_nothing(
    server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(server)
    await stage.bystander()
    ada = await stage.person()
    await ada.join("Ada")
    await in_question(stage, ada)
    await ada.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    ada.proxy.cut()
    await ada.is_cut()
    await ada.page.evaluate(NEVER_WRITTEN)
    await ada.choose(0)
    await expect(ada.by("answer-note")).to_contain_text("Saving")

    with contextlib.suppress(PlaywrightError):
        await ada.page.goto("chrome://crash")
    # The service worker may have died with its tab, and Chromium takes its time to start it again: one reloads.
    # Until it has, the page is asked for over the cable, which is cut.
    for _ in range(3):
        with contextlib.suppress(PlaywrightError):
            await opened_anew(stage, ada)
            break

    await expect(ada.by("choice-0")).to_have_attribute("aria-pressed", "true")
    async with asyncio.timeout(20):
        while await log(ada) or len(await rows(ada)) != 1:
            await asyncio.sleep(0.05)
    await expect(ada.by("answer-note")).to_contain_text("Saved on this phone")
    ada.proxy.heal()
    await is_counted_once(stage, ada)


async def test_an_answer_that_an_earlier_version_of_the_page_kept_is_sent(
    server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(server)
    ada = await answered_offline(stage)
    await ada.page.evaluate(
        """async (rows) => {
          const [row] = await eval(rows)();
          await new Promise((resolve) => { indexedDB.deleteDatabase("holdfast").onsuccess = resolve; });
          const name = Object.keys(localStorage).find((key) => /^holdfast:quiz-.*-player$/.test(key));
          const { id, body, at, wasSent } = row;
          localStorage.setItem(`${name}:out:earlier-version:1`, JSON.stringify({ id, body, at, wasSent }));
        }""",
        ROWS,
    )

    await opened_anew(stage, ada)
    await expect(ada.by("choice-0")).to_have_attribute("aria-pressed", "true")
    async with asyncio.timeout(20):
        while await log(ada):
            await asyncio.sleep(0.05)
    assert len(await rows(ada)) == 1
    ada.proxy.heal()

    await is_counted_once(stage, ada)


async def without_database(stages: StageMaker, server: ServerProcess, script: str) -> None:
    stage = await stages(server)
    ada = await answered_offline(stage, script)
    assert len(await log(ada)) == 1

    await opened_anew(stage, ada)
    await expect(ada.by("choice-0")).to_have_attribute("aria-pressed", "true")
    ada.proxy.heal()

    await is_counted_once(stage, ada)
    async with asyncio.timeout(20):
        while await log(ada):
            await asyncio.sleep(0.05)


async def test_without_a_database_answers_are_kept_in_local_storage(
    server: ServerProcess, stages: StageMaker
) -> None:
    await without_database(stages, server, NO_DATABASE)


async def test_a_database_that_is_refused_leaves_local_storage(
    server: ServerProcess, stages: StageMaker
) -> None:
    await without_database(stages, server, REFUSED_DATABASE)


async def test_a_database_that_never_opens_is_not_waited_for(
    server: ServerProcess, stages: StageMaker
) -> None:
    await without_database(stages, server, DEAF_DATABASE)


async def test_a_full_database_leaves_local_storage(
    server: ServerProcess, stages: StageMaker
) -> None:
    await without_database(stages, server, FULL_DATABASE)


async def test_a_page_lets_a_later_version_change_the_database_and_goes_on(
    server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(server)
    ada = await answered_offline(stage)
    await ada.page.evaluate(
        """() => new Promise((resolve, reject) => {
          const opening = indexedDB.open("holdfast", 2);
          opening.onsuccess = () => { opening.result.close(); resolve(); };
          opening.onblocked = () => reject(new Error("blocked"));
          opening.onerror = () => reject(opening.error);
        })"""
    )

    await ada.choose(1)
    await expect(ada.by("answer-note")).to_contain_text("Saved on this phone")
    assert len(await log(ada)) == 1
    ada.proxy.heal()

    await until(lambda: stage.host.stage["answered"] == 1)
    await expect(ada.by("choice-1")).to_have_attribute("aria-pressed", "true")


async def test_two_tabs_with_one_seat_count_an_answer_once(
    server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(server)
    ada = await answered_offline(stage)
    first = ada.page
    await ada.open(f"/play/{stage.code}")
    await expect(ada.by("choice-0")).to_have_attribute("aria-pressed", "true")
    ada.proxy.heal()

    await until(lambda: stage.host.stage["answered"] == 1)
    buttons = [tab.get_by_test_id("play-here") for tab in (first, ada.page)]
    async with asyncio.timeout(15):
        while [await button.is_visible() for button in buttons].count(True) != 1:
            await asyncio.sleep(0.1)
    quiet = first if await buttons[0].is_visible() else ada.page
    await quiet.get_by_test_id("play-here").click()
    await expect(quiet.get_by_test_id("answer-note")).to_have_attribute("data-kind", "sent")
    assert stage.host.stage["answered"] == 1
    async with asyncio.timeout(20):
        while await rows(ada):
            await asyncio.sleep(0.05)
