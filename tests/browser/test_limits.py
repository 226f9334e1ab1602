"""A page that is told to come later does so, by itself, and nothing it had to say is lost."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.stage import Stage
from tests.browser.test_must_survive import until
from tests.support.processes import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    StageMaker = Callable[..., Awaitable[Stage]]


@pytest.fixture
def strict_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """One message in ten seconds; hosts may send twice as many."""
    with ServerProcess(tmp_path / "data", message_rate=0.1, message_burst=1) as process:
        yield process


async def test_an_answer_that_came_too_soon_is_sent_again_after_retry_after(
    strict_server: ServerProcess, stages: StageMaker
) -> None:
    stage = await stages(strict_server)
    ada, bob = await stage.person(), await stage.person()
    await ada.join("Ada")
    await bob.join("Bob")
    await stage.go_on()
    await ada.in_phase("question")
    await ada.choose(0)
    answered = time.monotonic()
    await until(lambda: stage.host.stage["answered"] == 1)

    await stage.go_on()  # the host's second message at once: reveal
    await ada.in_phase("reveal")
    await stage.go_on()  # the host waits for its turn as well
    await ada.in_phase("leaderboard", "get_ready", "question", within=15)
    if stage.host.stage["phase"] == "leaderboard":
        await stage.go_on()
    await ada.in_phase("question", within=20)
    await ada.choose(0)
    await ada.shot("answer-held-back")
    await until(lambda: stage.host.stage["answered"] == 1, within=15)

    assert time.monotonic() - answered > 9.5, "the second answer was not taken before its time"
    await expect(ada.by("answer-note")).to_contain_text("Answer sent")
    await stage.go_on()
    await expect(ada.by("my-score")).to_have_text(re.compile(r"^[1-9]\d*$"), timeout=20_000)
