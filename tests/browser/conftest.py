"""One Chromium for all browser tests of a worker, and servers with people on them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from tests.browser.stage import Stage
from tests.support.processes import ServerProcess

if TYPE_CHECKING:
    from playwright.async_api import Browser

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SCALE = 10
"""The matrix runs with the times of sessions divided by this."""

STAMP = Path(__file__).parents[2] / ".venv" / "chromium"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def chromium_path() -> str:
    if "CHROMIUM" in os.environ:
        return os.environ["CHROMIUM"]
    return STAMP.read_text().strip() if STAMP.is_file() else "/usr/bin/chromium"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        yield started
        await started.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with the default times, shared by all tests that do not kill it."""
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as process:
        yield process


@pytest.fixture(scope="session")
def quick_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose session times are a tenth of the defaults."""
    with ServerProcess(tmp_path_factory.mktemp("quick") / "data", **QUICK) as process:
        yield process


QUICK = {
    "ping_interval": 15 / SCALE,
    "pong_timeout": 10 / SCALE,
    "grace": 30 / SCALE,
    "sweep_interval": 60 / SCALE,
}


@pytest_asyncio.fixture(loop_scope="session")
async def stages(browser: Browser) -> AsyncIterator[Callable[..., Awaitable[Stage]]]:
    """Opens events; closes them after the test, and fails it if a page's program had a fault."""
    opened: list[Stage] = []

    async def make(
        server: ServerProcess, quiz: dict[str, Any] | None = None, *, is_blank: bool = False
    ) -> Stage:
        stage = Stage(browser, server)
        opened.append(stage)
        return stage if is_blank else await stage.opened(quiz)

    yield make
    for stage in opened:
        await stage.close()
    assert [error for stage in opened for error in stage.errors] == []
