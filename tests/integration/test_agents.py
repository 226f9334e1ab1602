"""Three agents on three nodes: each is killed by ``kill -9`` while a job runs, and its result comes once and whole."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psutil
import pytest

from examples.agents.town import configure
from holdfast.apps.agents import MIGRATIONS, AgentHost
from holdfast.mailbox import GatewayAddress
from holdfast.storage import Database
from tests.support.agent_node import NODES
from tests.support.agent_relay import RelayWay
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GATEWAY = str(GatewayAddress("127.0.0.1", 8410, b"p" * 32))
TEXTS = [" ".join(f"w{(number * step) % 7}" for step in range(20)) for number in range(24)]
PAUSE = 0.2
ROOT = Path(__file__).parents[2]


class Cast:
    """The processes of the play."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configs = configure(folder, [GATEWAY])
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.start("relay", "relay", str(self.port))
        for name in self.configs:
            self.start_node(name)

    def start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "tests.support.agent_node", *arguments],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )

    def start_node(self, name: str) -> None:
        self.start(name, name, str(self.configs[name]), str(self.port))

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def kill_the_worker_itself(self) -> None:
        for child in psutil.Process(self.processes["worker"].pid).children(recursive=True):
            child.kill()

    @property
    def counted(self) -> set[str]:
        """Pieces that the worker has begun to count."""
        log = (self.folder / "worker.log").read_text("utf-8", "replace")
        return {line.rpartition(" ")[2] for line in log.splitlines() if ":counting " in line}

    def results(self) -> dict[str, dict[str, int]]:
        path = self.folder / "keeper" / "results.db"
        with closing(sqlite3.connect(path)) as connection:
            return {
                job: json.loads(words)
                for job, words in connection.execute("SELECT job, words FROM result")
            }

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)


@pytest.fixture
def cast_(tmp_path: Path) -> Iterator[Cast]:
    cast = Cast(tmp_path)
    yield cast
    cast.close()


async def until(condition: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(150):
        while not condition():
            await asyncio.sleep(0.02)
    assert condition(), what


async def test_each_agent_is_killed_and_the_result_comes_once_and_whole(cast_: Cast) -> None:
    way = RelayWay("client", NODES, [("127.0.0.1", cast_.port)], random.Random(1))
    async with Database(cast_.folder / "client.db", {"agents": MIGRATIONS}) as database:
        living = asyncio.create_task(way.live())
        async with AgentHost(way, database) as client:
            job = asyncio.create_task(
                client.call(
                    "planner@planner", {"texts": TEXTS, "pause": PAUSE}, id="job", timeout=400
                )
            )
            await until(lambda: len(cast_.counted) >= 3, "the job runs")
            cast_.kill("planner")
            cast_.start_node("planner")
            await until(
                lambda: len(cast_.counted) >= 7, "it goes on without its planner's first life"
            )
            cast_.kill_the_worker_itself()
            await until(lambda: len(cast_.counted) >= 11, "a new worker goes on")
            cast_.kill("worker")
            cast_.start_node("worker")
            await until(lambda: len(cast_.counted) >= 15, "a new node with a new worker goes on")
            cast_.kill("keeper")
            assert not job.done(), "all of them died while it ran"
            cast_.start_node("keeper")
            result = cast("dict[str, Any]", await job)
            again = await client.call(
                "planner@planner", {"texts": TEXTS, "pause": PAUSE}, id="job", timeout=120
            )
        living.cancel()
        await asyncio.wait({living})

    whole = Counter(" ".join(TEXTS).split())
    assert result["words"] == whole
    assert again == result, "who asks again gets the same answer"
    assert cast_.results() == {"job": whole}
