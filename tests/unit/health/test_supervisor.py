"""Tasks that must not die."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from holdfast.health import Supervisor
from holdfast.testing import Mode, run

if TYPE_CHECKING:
    from holdfast.testing import Simulation


def test_a_task_that_dies_is_started_again_and_given_up_when_that_does_not_help() -> None:
    given_up: list[tuple[str, str]] = []
    lives = {"sickly": 0, "dead": 0, "done": 0}

    async def scenario(_: Simulation) -> None:
        async def sickly() -> None:
            lives["sickly"] += 1
            if lives["sickly"] < 4:
                raise RuntimeError("not today")
            await asyncio.Event().wait()

        async def dead() -> None:
            lives["dead"] += 1
            raise OSError("never")

        async def done() -> None:
            lives["done"] += 1

        async with Supervisor(
            restarts_max=5, on_given_up=lambda name, error: given_up.append((name, str(error)))
        ) as supervisor:
            supervisor.start("sickly", sickly)
            supervisor.start("dead", dead)
            supervisor.start("dead but unimportant", dead, is_critical=False)
            supervisor.start("done", done)
            await asyncio.sleep(60)
            reports = supervisor.reports
            assert reports["sickly"].is_running
            assert reports["sickly"].restarts == 3
            assert reports["dead"].is_given_up
            assert reports["dead"].last_error == "OSError: never"
            assert not reports["done"].is_running

    run(scenario, seed=1, mode=Mode(), minutes=5)
    assert given_up == [("dead", "never")]
    assert lives == {"sickly": 4, "dead": 12, "done": 1}
