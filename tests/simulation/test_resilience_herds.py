"""Policies in crowds: thundering herds, half-open herds, retry storms, and peers blocked by mistake."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from holdfast.errors import CircuitBreakerOpenError, NetworkError, ResilienceError
from holdfast.resilience import (
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitBreakerManager,
    RetryBudget,
    RetryPolicy,
)
from holdfast.testing import Mode, Simulation, run

PLAIN = Mode()


def test_full_jitter_keeps_a_herd_from_returning_together() -> None:
    """A server is away for 20 s; 500 clients try until it is back."""

    def arrivals(*, jitter: bool) -> tuple[int, int]:
        async def scenario(world: Simulation) -> Counter[int]:
            seen: Counter[int] = Counter()
            policy = RetryPolicy(
                max_attempts=50,
                initial_delay=0.5,
                max_delay=8.0,
                jitter=jitter,
                retry_on=NetworkError,
            )

            async def ask() -> None:
                seen[int(world.now * 10)] += 1
                await asyncio.sleep(0.01)
                if world.now < 20:
                    raise NetworkError("away")

            await asyncio.gather(*(policy.call_async(ask) for _ in range(500)))
            return seen

        seen = run(scenario, seed=1, mode=PLAIN).value
        later = {moment: count for moment, count in seen.items() if moment >= 100}
        return max(later.values()), sum(seen.values())

    with_jitter, without = arrivals(jitter=True), arrivals(jitter=False)
    assert without[0] == 500, "all of them in the same tenth of a second"
    assert with_jitter[0] <= 50


def test_half_open_lets_no_herd_through() -> None:
    async def scenario(world: Simulation) -> int:
        breaker = CircuitBreaker(
            "target", CircuitBreakerConfig(failure_threshold=5, timeout=10.0, half_open_max=2)
        )
        inside, most = 0, 0

        async def target() -> None:
            nonlocal inside, most
            inside += 1
            if breaker.state.value == "half_open":
                most = max(most, inside)
            await asyncio.sleep(0.5)
            inside -= 1
            if 10 < world.now < 60:
                raise NetworkError("down")

        async def client() -> None:
            while world.now < 90:
                try:
                    await breaker.call_async(target)
                except CircuitBreakerOpenError as error:
                    await asyncio.sleep(error.retry_after or 1.0)
                except NetworkError:
                    await asyncio.sleep(1.0)

        await asyncio.gather(*(client() for _ in range(200)))
        assert breaker.state.value == "closed"
        return most

    for seed in range(5):
        assert run(scenario, seed=seed).value <= 2


CLIENTS, CAPACITY, EACH = 200, 130.0, 2.0


def storm(budget: RetryBudget | None) -> tuple[list[int], list[int]]:
    """200 clients ask every two seconds; the server can take 130 requests a second, for 20 s a third of it.

    Returns:
        Offered and answered requests a second, in steps of five seconds.
    """

    async def scenario(world: Simulation) -> tuple[list[int], list[int]]:
        offered: Counter[int] = Counter()
        answered: Counter[int] = Counter()
        room, last = CAPACITY, 0.0
        policy = RetryPolicy(
            max_attempts=6, initial_delay=0.2, max_delay=2.0, budget=budget, retry_on=NetworkError
        )

        async def ask() -> None:
            nonlocal room, last
            offered[int(world.now // 5)] += 1
            capacity = CAPACITY / 3 if 30 <= world.now < 50 else CAPACITY
            room = min(capacity / 4, room + (world.now - last) * capacity)
            last = world.now
            # What it refuses costs it a part of an answer: so an overload feeds itself.
            is_taken = room >= 1
            room = max(-capacity, room - (1.0 if is_taken else 0.4))
            await asyncio.sleep(0.05)
            if not is_taken:
                raise NetworkError("overloaded")
            answered[int(world.now // 5)] += 1

        async def client(number: int) -> None:
            await asyncio.sleep(EACH * number / CLIENTS)
            source = world.chance.stream(f"client {number}")
            while world.now < 100:
                asyncio.get_running_loop().create_task(once())
                await asyncio.sleep(EACH * source.uniform(0.8, 1.2))

        async def once() -> None:
            try:
                await policy.call_async(ask)
            except ResilienceError:
                pass

        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
        await asyncio.sleep(20)
        steps = range(20)
        return [offered[s] // 5 for s in steps], [answered[s] // 5 for s in steps]

    return run(scenario, seed=4, mode=PLAIN).value


def plot(without: tuple[list[int], list[int]], budget: tuple[list[int], list[int]]) -> str:
    """Draw offered load as bars, one character for ten requests a second; answered ones are solid."""

    def bar(offered: int, answered: int) -> str:
        return ("█" * round(answered / 10)).ljust(round(offered / 10), "░")

    lines = ["  time   without a budget                                  with a budget"]
    for step in range(20):
        left = bar(without[0][step], without[1][step])
        right = bar(budget[0][step], budget[1][step])
        lines.append(f"{5 * step:4} s   {left:<50}{right}".rstrip())
    return "\n".join(lines)


def test_a_budget_keeps_retries_from_becoming_the_outage() -> None:
    without = storm(None)
    budget = storm(RetryBudget(ratio=0.1, per_second=1.0, burst=20))
    page = Path(__file__).parents[2] / "docs" / "resilience" / "retry.md"
    drawn = plot(without, budget)
    after = slice(12, 20)  # from ten seconds after the trouble on
    assert sum(budget[1][after]) > 0.95 * 8 * CLIENTS / EACH, "with a budget it recovers"
    assert sum(without[1][after]) < 0.7 * sum(budget[1][after]), "without one the storm goes on"
    assert max(without[0]) > 3 * CLIENTS / EACH
    assert max(budget[0]) < 1.3 * CLIENTS / EACH
    assert drawn in page.read_text("utf-8"), "the picture in the documents is this one"


@pytest.mark.parametrize(
    ("config", "errors"),
    [
        (CircuitBreakerConfig(failure_threshold=5, timeout=60.0), 0.05),
        (CircuitBreakerConfig(window_calls=50, minimum_calls=20, failure_rate=0.5), 0.10),
        (CircuitBreakerConfig(window_time=30.0, minimum_calls=20, failure_rate=0.5), 0.10),
    ],
    ids=["row of five", "window of calls", "window of time"],
)
def test_less_than_one_in_a_hundred_healthy_peers_is_blocked(
    config, errors, simulation_note
) -> None:
    """A thousand healthy peers, three hundred calls of each, which fail now and then by chance."""

    async def scenario(world: Simulation) -> float:
        source = world.chance.stream("errors")
        manager = CircuitBreakerManager(config)
        blocked = 0

        async def ask() -> None:
            if source.random() < errors:
                raise NetworkError("by chance")

        for number in range(1000):
            breaker = manager.get(f"peer-{number}")
            for _ in range(300):
                try:
                    await breaker.call_async(ask)
                except CircuitBreakerOpenError:
                    pass
                except NetworkError:
                    pass
            blocked += breaker.statistics()["rejected"] > 0
        return blocked / 1000

    share = run(scenario, seed=3, mode=PLAIN).value
    simulation_note(
        f"healthy peers blocked at {errors:.0%} errors, {config.window_calls=}: {share:.2%}"
    )
    assert share < 0.01
