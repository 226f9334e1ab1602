"""An end in order: phases, times, a second signal."""

from __future__ import annotations

import asyncio
import os
import signal

from holdfast.ops import Phase, ShutdownManager, ShutdownSettings


def steps_of(manager: ShutdownManager) -> dict[str, str]:
    return {name: step.state for name, step in manager.steps.items()}


async def test_phases_run_in_order_and_a_step_that_fails_stops_nobody() -> None:
    order: list[str] = []
    phases: list[Phase] = []

    def step(name: str, *, fails: bool = False) -> None:
        async def run() -> None:
            order.append(name)
            if fails:
                raise OSError("broken")

        manager.on(Phase(name.split()[0]), name, run)

    manager = ShutdownManager(signals=())
    manager.on_phase(phases.append)
    step("cleanup files")
    step("draining clients")
    step("closing links", fails=True)
    step("closing others")
    async with manager:
        assert manager.phase is Phase.RUNNING
    assert order == ["draining clients", "closing links", "closing others", "cleanup files"]
    assert phases == [Phase.DRAINING, Phase.CLOSING, Phase.CLEANUP, Phase.TERMINATED]
    assert steps_of(manager)["closing links"] == "failed"
    assert manager.steps["closing links"].error == "OSError: broken"
    assert manager.statistics()["phase"] == "terminated"


async def test_a_phase_that_is_too_slow_is_left() -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    async def quick() -> None:
        pass

    manager = ShutdownManager(ShutdownSettings(drain_timeout=0.05), signals=())
    manager.on(Phase.DRAINING, "hangs", hangs)
    manager.on(Phase.CLOSING, "quick", quick)
    await manager.run()
    assert steps_of(manager) == {"hangs": "too slow", "quick": "done"}


async def test_all_of_it_has_an_end() -> None:
    forced: list[bool] = []

    async def hangs() -> None:
        await asyncio.Event().wait()

    settings = ShutdownSettings(drain_timeout=60, force_timeout=0.05)
    manager = ShutdownManager(settings, signals=())
    manager.on_forced(lambda: forced.append(True))
    manager.on(Phase.DRAINING, "hangs", hangs)
    await manager.run()
    assert forced == [True]
    assert manager.is_forced
    assert manager.phase is Phase.TERMINATED


async def test_what_is_turned_off_is_skipped() -> None:
    async def step() -> None:
        raise AssertionError("it was turned off")

    manager = ShutdownManager(ShutdownSettings(save_state=False, notify_peers=False), signals=())
    manager.on(Phase.DRAINING, "notify_peers", step)
    manager.on(Phase.CLEANUP, "save_state", step)
    await manager.run()
    assert steps_of(manager) == {"notify_peers": "skipped", "save_state": "skipped"}


async def test_a_signal_asks_and_a_second_one_forces() -> None:
    forced: list[bool] = []
    manager = ShutdownManager(signals=(signal.SIGUSR1,))
    manager.on_forced(lambda: forced.append(True))
    async with manager:
        os.kill(os.getpid(), signal.SIGUSR1)
        async with asyncio.timeout(5):
            await manager.requested.wait()
        assert manager.reason == "SIGUSR1"
        assert not forced
        os.kill(os.getpid(), signal.SIGUSR1)
        async with asyncio.timeout(5):
            while not forced:
                await asyncio.sleep(0)


async def test_who_asks_twice_waits_for_the_same() -> None:
    runs = 0

    async def step() -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.01)

    manager = ShutdownManager(signals=())
    manager.on(Phase.CLOSING, "once", step)
    await asyncio.gather(manager.run("a"), manager.run("b"))
    assert runs == 1
    assert manager.reason == "a"
