"""The loop: virtual time, inline executors, and errors in the place of hanging."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.testing import (
    DeadlockError,
    ForeignThreadError,
    LivelockError,
    Mode,
    NotSimulatedError,
    OutOfTimeError,
    ProgramFailedError,
    attempt,
    run,
)


def test_a_day_passes_at_once() -> None:
    async def scenario(world):
        await asyncio.sleep(86_400)
        return world.now

    assert run(scenario, minutes=2000, mode=Mode()).value == pytest.approx(86_400)


def test_timers_are_never_early() -> None:
    async def scenario(world):
        loop = asyncio.get_running_loop()
        source = random.Random(world.seed)
        for _ in range(300):
            due = loop.time() + source.random() * 10
            done = loop.create_future()
            loop.call_at(due, done.set_result, None)
            await done
            assert loop.time() >= due

    for seed in range(10):
        run(scenario, seed=seed, minutes=60)


def test_timeouts_task_groups_and_queues_run_unchanged() -> None:
    async def scenario(world):
        queue: asyncio.Queue[int] = asyncio.Queue(2)
        seen = []

        async def produce():
            for number in range(10):
                await queue.put(number)
                await asyncio.sleep(1)

        async def consume():
            with pytest.raises(TimeoutError):
                while True:
                    async with asyncio.timeout(5):
                        seen.append(await queue.get())

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            group.create_task(consume())
        return seen

    assert run(scenario, seed=3).value == list(range(10))


def test_a_deadlock_names_who_waits_and_where() -> None:
    async def scenario(world):
        async def stuck_program():
            await asyncio.Event().wait()

        world.host("server").spawn(stuck_program)
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError) as caught:
        run(scenario)
    assert "server:stuck_program on server" in str(caught.value)
    assert "await asyncio.Event().wait()" in str(caught.value)


def test_a_livelock_names_what_turns() -> None:
    async def scenario(world):
        async def spin():
            while True:
                await asyncio.sleep(0)

        await asyncio.get_running_loop().create_task(spin(), name="the spinner")

    with pytest.raises(LivelockError, match="the spinner"):
        run(scenario)


def test_a_scenario_that_does_not_end_in_its_time_fails() -> None:
    async def scenario(world):
        while True:
            await asyncio.sleep(1)

    with pytest.raises(OutOfTimeError, match="after 120 simulated seconds"):
        run(scenario, minutes=2)


def test_a_call_from_a_foreign_thread_fails_the_run() -> None:
    async def scenario(world):
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def call() -> None:
            with pytest.raises(ForeignThreadError):
                loop.call_soon_threadsafe(done.set_result, None)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        await done

    with pytest.raises(ForeignThreadError, match="run_in_executor"):
        run(scenario)


def test_blocking_work_takes_simulated_time_and_a_small_pool_queues() -> None:
    async def scenario(world):
        loop = asyncio.get_running_loop()
        order: list[int] = []
        with ThreadPoolExecutor(1) as pool:
            jobs = [loop.run_in_executor(pool, order.append, number) for number in range(20)]
            began = loop.time()
            await asyncio.gather(*jobs)
        assert order == list(range(20))
        assert 20 * 0.0002 <= loop.time() - began <= 20 * 0.003 + 0.02

        def fail() -> None:
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()  # as in a thread
            raise ValueError("from the pool")

        with pytest.raises(ValueError, match="from the pool"):
            await asyncio.to_thread(fail)

    run(scenario, seed=2)


@pytest.mark.parametrize("what", ["add_reader", "create_unix_server", "subprocess_exec"])
def test_what_cannot_be_simulated_says_so(what: str) -> None:
    async def scenario(world):
        getattr(asyncio.get_running_loop(), what)()

    with pytest.raises(NotSimulatedError, match=what):
        run(scenario)


def test_ambient_time_and_chance_come_from_the_seed() -> None:
    async def scenario(world):
        began = time.time(), time.monotonic()
        await asyncio.sleep(3600)
        assert (time.time() - began[0], time.monotonic() - began[1]) == pytest.approx((3600, 3600))
        return random.random(), secrets.token_hex(8), str(uuid.uuid4()), os.urandom(4)

    first, again, other = (run(scenario, seed=seed, minutes=70).value for seed in (1, 1, 2))
    assert first == again
    assert not set(first) & set(other)


def test_the_machine_has_its_own_time_and_chance_back_afterwards() -> None:
    async def scenario(world):
        random.seed(5)
        await asyncio.sleep(3600)

    random.seed(77)
    expected = random.Random(77).random()
    before = time.time()
    run(scenario, minutes=70)
    assert random.random() == expected
    assert 0 <= time.time() - before < 60


def test_tasks_and_futures_hash_by_birth_so_that_sets_of_them_iterate_alike() -> None:
    async def scenario(world):
        ended: list[str] = []

        async def wait(name: str) -> None:
            try:
                await asyncio.sleep(100)
            finally:
                ended.append(name)

        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                for number in range(50):
                    group.create_task(wait(str(number)))
                await asyncio.sleep(1)
                raise ValueError
        return ended

    runs = [run(scenario, seed=4).value for _ in range(3)]
    assert runs[0] == runs[1] == runs[2]


def test_shuffling_and_holding_back_make_a_narrow_race_meet() -> None:
    """Check, yield, act: on a plain loop two such tasks never meet in their zero-width window."""

    async def scenario(world):
        owners: list[int] = []

        async def take(number: int) -> None:
            await asyncio.sleep((number + 1) * 0.0004)
            if not owners:
                await asyncio.sleep(0)
                owners.append(number)

        await asyncio.gather(*(take(number) for number in range(5)))
        assert len(owners) == 1

    def found(mode: Mode) -> int:
        return sum(attempt(scenario, seed=seed, mode=mode).error is not None for seed in range(60))

    assert found(Mode()) == 0
    assert found(Mode(grid=0.001)) == 60
    assert 5 < found(Mode(hold_back=0.1)) < 60


def test_a_program_that_fails_ends_the_run_with_its_error() -> None:
    async def scenario(world):
        async def broken():
            await asyncio.sleep(1)
            raise KeyError("lost")

        world.host("server").spawn(broken)
        await asyncio.sleep(100)

    with pytest.raises(ProgramFailedError, match="server:broken") as caught:
        run(scenario)
    assert isinstance(caught.value.__cause__, KeyError)


class InterruptedFromOutside(BaseException):
    """As a test's own time-out raises it, from a signal, in whatever is running."""


def test_an_interruption_from_outside_is_not_kept_by_a_task_that_nobody_looks_at() -> None:
    async def scenario(_):
        async def is_interrupted() -> None:
            await asyncio.sleep(1)
            raise InterruptedFromOutside

        asyncio.get_running_loop().create_task(is_interrupted()).add_done_callback(lambda _: None)
        await asyncio.sleep(100)

    with pytest.raises(InterruptedFromOutside):
        run(scenario, seed=1, mode=Mode(), minutes=5)


def test_what_a_run_leaves_behind_does_not_slow_the_later_ones_down() -> None:
    async def dies_with_a_task(world):
        host = world.host("here")
        host.spawn(asyncio.Event().wait)
        await asyncio.sleep(1)
        host.kill()

    before = len(asyncio.tasks._all_tasks)  # type: ignore[attr-defined]
    for seed in range(100):
        assert attempt(dies_with_a_task, seed=seed).error is None
    assert len(asyncio.tasks._all_tasks) - before < 100  # type: ignore[attr-defined]


def test_what_a_dying_block_begins_after_a_failure_begins_in_the_simulation() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def scenario(world):
        async def program():
            try:
                await asyncio.Event().wait()
            finally:
                ended = asyncio.gather(asyncio.sleep(0))
                loops.append(ended.get_loop())
                await ended

        world.host("one").spawn(program)
        await asyncio.sleep(1)
        loops.append(asyncio.get_running_loop())
        raise LookupError

    with pytest.raises(LookupError):
        run(scenario)
    assert len(set(loops)) == 1, "no real loop was made for it"
