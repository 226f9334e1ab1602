"""The hub inside somebody's FastAPI program: the README's example, as it stands there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import uvicorn

from examples.fastapi_chat import app
from holdfast.session import SessionClient
from tests.support.processes import free_port
from tests.support.serving import FaultProxy

ROOT = Path(__file__).parents[2]


def test_the_readme_shows_the_example_that_is_run() -> None:
    shown = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    code = (ROOT / "examples" / "fastapi_chat.py").read_text()
    squeezed = [line for line in code.splitlines() if line.strip()]
    for line in shown[1].splitlines():
        assert not line.strip() or line in squeezed


async def test_a_chat_on_fastapi_survives_a_cut_cable() -> None:
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="error", ws="websockets-sansio")
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    proxy = FaultProxy(port)
    await proxy.start()
    heard: list[object] = []
    shown: list[object] = []
    async with (
        SessionClient(
            f"ws://127.0.0.1:{proxy.port}/ws/",
            None,
            on_event=lambda _, data: heard.append(data),
            on_state=lambda name, data: shown.append((name, data)),
        ) as ada,
        SessionClient(f"ws://127.0.0.1:{port}/ws/", None) as bob,
    ):
        await ada.send("one")
        proxy.cut()
        await bob.send("two")
        pending = asyncio.create_task(ada.send("three"))
        proxy.heal()
        await pending
        async with asyncio.timeout(10):
            while len(heard) < 3:
                await asyncio.sleep(0.01)
        assert heard == ["one", "two", "three"]
        assert ada.restored == 1
        assert dict(shown)["room"] == {"said": []}
        assert len(shown) == 2, "no snapshot on return: the log reached back"
    await proxy.stop()
    server.should_exit = True
    await serving
