"""``@simulate`` under pytest: what a failure says, how it is repeated, and how it is made small."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from holdfast.testing import Cut, Kill, PromiseBrokenError, attempt, search
from holdfast.testing.faults import from_json, to_json

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["pytester"]

PROGRAM = '''
import asyncio
import pytest
from holdfast.testing import Cut, Kill, PromiseBrokenError, simulate

@pytest.fixture
def pause():
    return 1.0

@simulate(seeds=20, minutes=5, kept={3: "the first one that was found"})
async def test_fragile(world, pause):
    """Breaks when the server is killed, whatever else happens."""
    lives = []

    async def program():
        lives.append(1)
        await asyncio.Event().wait()

    server = world.host("server")
    server.spawn(program)
    world.host("phone")
    world.inject({Cut: 6, Kill: 1}, within=60, hosts=["server"], links=[("phone", "server")])
    for _ in range(100):
        await asyncio.sleep(pause)
        if len(lives) > 1:
            raise PromiseBrokenError("the server lives for ever", f"it died at {world.now:.0f} s")

@simulate(seeds=5)
async def test_sound(world):
    await asyncio.sleep(1)
'''


def test_a_failure_says_all_that_is_needed_to_repeat_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=PROGRAM)
    result = pytester.runpytest_inprocess(
        "-p", "no:asyncio", "-p", "no:cacheprovider", "test_it.py"
    )
    result.assert_outcomes(passed=1, failed=1)
    result = pytester.runpytest_inprocess("-p", "no:asyncio", "test_it.py")
    text, _, _ = result.stdout.str().partition("short test summary info")
    assert "the server lives for ever: it died at" in text
    assert "run 1 of 21: seed 3, mode: " in text
    assert "kept because: the first one that was found" in text
    assert text.count('"fault":') == 1, "the plan was made as small as can be"
    assert re.search(r"simulated: \d+ runs, 0\.\d hours, \d+ faults", result.stdout.str())
    (command,) = re.findall(r"To repeat it:\s+E?\s+(pytest .*)", text)
    again = pytester.runpytest_inprocess("-p", "no:asyncio", *command.split()[1:])
    again.assert_outcomes(failed=1)
    assert "run 1 of 1: seed 3" in again.stdout.str()


def test_a_plan_from_a_file_replaces_the_drawn_one(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=PROGRAM)
    plan = pytester.makefile(".json", plan=to_json([Cut(at=1, lasts=5, a="phone", b="server")]))
    result = pytester.runpytest_inprocess(
        "-p", "no:asyncio", "test_it.py", f"--sim-plan={plan}", "--sim-factor=0.1"
    )
    result.assert_outcomes(passed=2)


def test_fresh_seeds_begin_where_they_are_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=PROGRAM)
    result = pytester.runpytest_inprocess(
        "-p", "no:asyncio", "test_it.py", "--sim-fresh=5000", "-k", "sound"
    )
    result.assert_outcomes(passed=1, deselected=1)
    assert "simulation: fresh seeds from 5000" in result.stdout.str()


def test_many_seeds_are_shared_out_as_parts_that_together_are_all(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest
        from holdfast.testing import simulate
        from pathlib import Path

        @pytest.mark.parametrize("sort", ["a", "b"])
        @simulate(seeds=10, kept={77: "an old one"})
        async def test_seeds(world, sort):
            with Path("tried").open("a") as tried:
                tried.write(f"{sort}{world.seed} ")
            assert (sort, world.seed) != ("b", 9)
        """
    )
    given = ("-p", "no:asyncio", "test_it.py")
    # In a process of its own: the first seed of this run is not that run's.
    result = pytester.runpytest_subprocess(*given, "--sim-chunk=4")
    result.assert_outcomes(passed=5, failed=1)
    assert "simulated: " in result.stdout.str()
    text, _, _ = result.stdout.str().partition("short test summary info")
    (command,) = re.findall(r"To repeat it:\s+E?\s+(pytest .*)", text)
    assert "'test_it.py::test_seeds[b]' --sim-seed=9" in command
    tried = Counter((pytester.path / "tried").read_text().split())
    assert set(tried) == {f"{sort}{seed}" for sort in "ab" for seed in (*range(10), 77)}
    assert {name for name, times in tried.items() if times > 1} <= {"b9"}, "a failure is looked at"


async def fragile(world) -> None:
    """Fails if both the server was killed and the phone was cut off."""
    import asyncio

    async def idle() -> None:
        await asyncio.Event().wait()

    server = world.host("server")
    server.spawn(idle)
    world.host("phone")
    kinds = {Cut: 8, Kill: 4}
    world.inject(kinds, within=60, hosts=["server"], links=[("phone", "server")])
    await world.calm()
    done = {type(fault) for fault in world.plan}
    if done == {Cut, Kill}:
        raise PromiseBrokenError("not both", "both")


def test_a_failing_plan_shrinks_to_what_matters() -> None:
    failure = search(fragile, range(5)).failure
    assert failure is not None
    assert {type(fault) for fault in failure.plan} == {Cut, Kill}
    assert len(failure.plan) == 2
    assert attempt(fragile, seed=failure.seed, plan=failure.plan).digest == failure.digest


def test_plans_survive_being_written_and_read() -> None:
    plan = attempt(fragile, seed=9).plan
    assert len(plan) == 12
    assert from_json(to_json(plan)) == plan
    assert from_json(to_json([])) == []
