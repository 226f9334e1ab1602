"""What a program says when it is asked how it is."""

from __future__ import annotations

import asyncio
import threading

import pytest

from holdfast.health import HealthChecker, HealthCheckResult, HealthStatus

H = HealthStatus


async def asked(health: HealthChecker) -> dict[str, HealthStatus]:
    found = await health.get_overall_health()
    return {name: result.status for name, result in found.checks.items()} | {"": found.status}


async def test_the_worst_critical_part_decides() -> None:
    health = HealthChecker()
    health.register_check("a", lambda: None)
    health.register_check("b", lambda: H.DEGRADED)
    health.register_check("c", lambda: False, is_critical=False)
    assert await asked(health) == {
        "a": H.HEALTHY,
        "b": H.DEGRADED,
        "c": H.UNHEALTHY,
        "": H.DEGRADED,
    }
    health.register_check("d", lambda: HealthCheckResult(H.UNHEALTHY, "out of paper"))
    assert (await asked(health))[""] is H.UNHEALTHY
    health.remove_check("d")
    health.remove_check("d")
    assert (await asked(health))[""] is H.DEGRADED


async def test_a_check_that_raises_hangs_or_is_cancelled_is_unhealthy_and_never_fatal() -> None:
    health = HealthChecker()
    release = threading.Event()

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def is_cancelled() -> None:
        raise asyncio.CancelledError

    def raises() -> None:
        raise OSError("no disk")

    health.register_check("hangs", hangs, timeout=0.05)
    health.register_check("blocks", release.wait, timeout=0.05)
    health.register_check("raises", raises)
    health.register_check("is cancelled", is_cancelled)
    health.register_check("is odd", lambda: "fine")  # type: ignore[arg-type,return-value]
    found = await health.get_overall_health()
    release.set()
    assert {result.status for result in found.checks.values()} == {H.UNHEALTHY}
    assert found.checks["raises"].message == "OSError: no disk"
    assert "0.05 s" in found.checks["hangs"].message
    await health.close()


async def test_what_blocks_is_not_asked_twice_at_once() -> None:
    release = threading.Event()
    began = 0

    def blocks() -> None:
        nonlocal began
        began += 1
        release.wait(5)

    health = HealthChecker(cache=0.0)
    health.register_check("a", blocks, timeout=0.02)
    for _ in range(5):
        assert (await asked(health))["a"] is H.UNHEALTHY
    assert began == 1
    release.set()
    await health.close()


async def test_answers_are_kept_for_a_moment_and_many_callers_ask_once() -> None:
    began = 0

    async def slow() -> None:
        nonlocal began
        began += 1
        await asyncio.sleep(0.01)

    health = HealthChecker(cache=60.0)
    health.register_check("a", slow)
    await asyncio.gather(*(health.get_overall_health() for _ in range(20)))
    await health.get_overall_health()
    assert began == 1


async def test_parts_are_asked_in_the_order_in_which_they_need_each_other() -> None:
    order: list[str] = []

    def part(name: str, *, is_well: bool = True) -> None:
        def check() -> bool:
            order.append(name)
            return is_well

        needs = {"api": ["store"], "page": ["api"]}.get(name, [])
        health.register_check(name, check, needs=needs)

    health = HealthChecker(cache=0.0)
    for name in ("store", "api", "page"):
        part(name)
    await health.get_overall_health()
    assert order == ["store", "api", "page"]
    order.clear()
    part("store", is_well=False)
    found = await health.get_overall_health()
    assert order == ["store"], "the others cannot be well"
    assert found.checks["page"].message == "not asked: it needs api"
    with pytest.raises(ValueError, match="nobody"):
        health.register_check("x", lambda: None, needs=["nobody"])


async def test_a_caller_who_leaves_does_not_stop_the_others() -> None:
    health = HealthChecker()

    async def slow() -> None:
        await asyncio.sleep(0.02)

    health.register_check("a", slow)
    first = asyncio.create_task(health.get_overall_health())
    second = asyncio.create_task(health.get_overall_health())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).status is H.HEALTHY
