"""Bulkhead, timeout, hedge, fallback, chaos, events, and the pipeline of all."""

from __future__ import annotations

import asyncio
import sys
import threading
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import NetworkError, NetworkTimeoutError, RateLimitError, RetryExhaustedError
from holdfast.resilience import (
    AdaptiveBulkhead,
    Bulkhead,
    BulkheadFullError,
    Chaos,
    CircuitBreaker,
    CircuitBreakerConfig,
    Fallback,
    Hedge,
    Policy,
    PolicyEvent,
    RateLimitConfig,
    RateLimiter,
    RetryBudget,
    RetryPolicy,
    Timeout,
    add_listener,
    deadline,
    instant_waits,
    opentelemetry_listener,
    prometheus_listener,
    remaining,
    structlog_listener,
)
from holdfast.testing import Mode, run


def simulated(scenario):
    """Run a coroutine function in virtual time: waiting costs nothing, and nothing sleeps really."""
    return run(lambda _: scenario(), mode=Mode(), seed=1, minutes=60).value


# --- bulkhead -------------------------------------------------------------------------------


def test_only_so_many_run_and_only_so_many_wait() -> None:
    async def scenario() -> None:
        bulkhead = Bulkhead(3, max_waiting=5)
        most = 0

        async def work() -> None:
            nonlocal most
            most = max(most, bulkhead.active)
            await asyncio.sleep(1)

        jobs = [asyncio.create_task(bulkhead.call_async(work)) for _ in range(10)]
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert most == 3
        assert sum(isinstance(result, BulkheadFullError) for result in results) == 2
        assert bulkhead.active == bulkhead.waiting == 0

    simulated(scenario)


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=40), st.integers(1, 4))
def test_no_place_is_ever_lost_whoever_is_cancelled_and_when(plan, width) -> None:
    async def scenario() -> None:
        bulkhead = Bulkhead(width, max_waiting=1000)
        tasks = []
        for steps, is_cancelled in plan:
            task = asyncio.create_task(bulkhead.call_async(asyncio.sleep, steps % 3))
            tasks.append(task)
            for _ in range(steps % 4):
                await asyncio.sleep(0)
            if is_cancelled:
                tasks[steps % len(tasks)].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert bulkhead.active == bulkhead.waiting == 0

    simulated(scenario)


def test_threads_wait_for_each_other() -> None:
    bulkhead = Bulkhead(2, max_waiting=100)
    most, lock, count = [0], threading.Lock(), [0]

    def work() -> None:
        with lock:
            count[0] += 1
            most[0] = max(most[0], count[0])
        with lock:
            count[0] -= 1

    threads = [
        threading.Thread(target=lambda: [bulkhead.call(work) for _ in range(200)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 2
    assert bulkhead.active == bulkhead.waiting == 0


async def test_a_thread_hands_its_place_to_a_task() -> None:
    bulkhead = Bulkhead(1)
    bulkhead.acquire()
    waiting = asyncio.create_task(bulkhead.acquire_async())
    await asyncio.sleep(0)
    thread = threading.Thread(target=bulkhead.release)
    thread.start()
    await asyncio.wait_for(waiting, 5)
    thread.join()
    bulkhead.release()
    async with bulkhead:
        assert bulkhead.active == 1
    with bulkhead:
        assert bulkhead(lambda: bulkhead.active) is not None
    assert bulkhead.active == 0


def test_an_adaptive_bulkhead_finds_the_width_of_its_target() -> None:
    async def scenario() -> int:
        bulkhead = AdaptiveBulkhead(2, maximum=100, max_waiting=1000)
        inside = 0

        async def target() -> None:
            nonlocal inside
            inside += 1
            await asyncio.sleep(0.1 if inside <= 20 else 0.5)
            inside -= 1

        async def ask() -> None:
            for _ in range(300):
                await bulkhead.call_async(target)

        await asyncio.gather(*(ask() for _ in range(60)))
        return bulkhead.max_concurrent

    assert 10 <= simulated(scenario) <= 40


# --- timeout --------------------------------------------------------------------------------


def test_a_task_that_takes_too_long_is_cancelled_and_says_so() -> None:
    async def scenario() -> None:
        timeout = Timeout(2.0, name="slow call")
        with pytest.raises(NetworkTimeoutError, match="slow call: not within 2 s"):
            await timeout.call_async(asyncio.sleep, 3600)
        with pytest.raises(NetworkTimeoutError):
            async with timeout.block():
                await asyncio.sleep(3600)
        assert await timeout(asyncio.sleep)(1, "result") == "result"

    simulated(scenario)


def test_deadlines_nest_and_only_shrink() -> None:
    async def scenario() -> None:
        assert remaining() is None
        with deadline(10.0) as outer:
            assert outer == 10.0
            with deadline(60.0) as inner:
                assert inner == pytest.approx(10.0)
            with deadline(1.0) as inner:
                assert inner == 1.0
            await asyncio.sleep(4)
            assert remaining() == pytest.approx(6.0)
            loop = asyncio.get_running_loop()
            began = loop.time()
            with pytest.raises(NetworkTimeoutError):
                await Timeout(100.0).call_async(asyncio.sleep, 3600)
            assert loop.time() - began == pytest.approx(6.0)
            with pytest.raises(NetworkTimeoutError), deadline(5.0):
                pass
        assert remaining() is None

    simulated(scenario)


def test_a_timeout_of_the_function_itself_stays_its_own() -> None:
    async def scenario() -> None:
        async def own() -> None:
            raise TimeoutError("its own")

        with pytest.raises(TimeoutError, match="its own"):
            await Timeout(5.0).call_async(own)

    simulated(scenario)


def test_in_a_thread_a_late_result_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("holdfast.resilience._ambient.monotonic", lambda: now[0])

    def dawdle(seconds: float) -> float | None:
        left = remaining()
        now[0] += seconds
        return left

    timeout = Timeout(2.0)
    assert timeout.call(dawdle, 1.0) == 2.0
    with pytest.raises(NetworkTimeoutError):
        timeout(dawdle)(3.0)


# --- hedge, fallback, chaos -----------------------------------------------------------------


def test_a_late_answer_is_overtaken_by_a_second_one() -> None:
    async def scenario() -> None:
        loop, calls, cancelled = asyncio.get_running_loop(), [], []

        async def ask() -> int:
            number = len(calls)
            calls.append(loop.time())
            try:
                await asyncio.sleep(10 if number == 0 else 0.1)
            except asyncio.CancelledError:
                cancelled.append(number)
                raise
            return number

        began = loop.time()
        assert await Hedge(0.5).call_async(ask) == 1
        assert loop.time() - began == pytest.approx(0.6)
        assert cancelled == [0]
        assert await Hedge(0.5).call_async(ask) == 2, "quick answers are not hedged"
        assert len(calls) == 3

    simulated(scenario)


def test_a_hedge_fails_when_all_of_it_fails_and_keeps_its_budget() -> None:
    async def scenario() -> None:
        calls = 0

        async def fail() -> None:
            nonlocal calls
            calls += 1
            await asyncio.sleep(1)
            raise NetworkError(f"failure {calls}")

        with pytest.raises(NetworkError, match="failure 3"):
            await Hedge(0.1, max_hedges=2).call_async(fail)
        assert calls == 3
        broke = RetryBudget(ratio=0.0, per_second=0.0, burst=1)
        broke.withdraw(0.0)
        with pytest.raises(NetworkError):
            await Hedge(0.1, budget=broke).call_async(fail)
        assert calls == 4

    simulated(scenario)
    with pytest.raises(TypeError):
        Hedge(1.0).call(lambda: 1)


async def test_a_fallback_answers_for_what_failed() -> None:
    def fail() -> int:
        raise NetworkError("down")

    async def fail_async() -> int:
        raise NetworkError("down")

    async def handler(error: Exception) -> str:
        return f"instead of {error}"

    assert Fallback(7).call(fail) == 7
    assert await Fallback(7).call_async(fail_async) == 7
    assert await Fallback(handler=handler).call_async(fail_async) == "instead of down"
    assert Fallback(7).call(lambda: 1) == 1
    with pytest.raises(NetworkError):
        Fallback(7, on=KeyError).call(fail)


async def test_chaos_repeats_from_its_seed() -> None:
    def outcomes(seed: int) -> list[bool]:
        chaos = Chaos(error_rate=0.3, latency_rate=0.5, seed=seed)
        found = []
        for _ in range(200):
            try:
                found.append(chaos.call(lambda: True))
            except NetworkError:
                found.append(False)
        return found

    with instant_waits() as slept:
        assert outcomes(1) == outcomes(1) != outcomes(2)
        assert 80 < sum(outcomes(3)) < 180
        assert any(slept)
    off = Chaos(error_rate=1.0)
    off.is_on = False
    assert off.call(lambda: 1) == 1
    assert await off.call_async(asyncio.sleep, 0, 1) == 1
    with pytest.raises(ValueError, match="rate"):
        Chaos(error_rate=2)


# --- the pipeline ---------------------------------------------------------------------------


def test_the_order_is_visible_and_sensible() -> None:
    policy = Policy(
        bulkhead=Bulkhead(5), retry=RetryPolicy(), timeout=10.0, circuit_breaker=CircuitBreaker()
    )
    assert policy.order == ("timeout", "retry", "circuit_breaker", "bulkhead")
    assert repr(policy) == "<Policy timeout > retry > circuit_breaker > bulkhead>"
    assert repr(Policy()) == "<Policy empty>"
    assert Policy().call(lambda: 1) == 1
    with pytest.raises(ValueError, match="bulkhead"):
        Policy(bulkhead=Bulkhead(), order=("retry",))


def test_an_order_of_ones_own_is_kept() -> None:
    policy = Policy(
        retry=RetryPolicy(), circuit_breaker=CircuitBreaker(), order=("circuit_breaker", "retry")
    )
    assert policy.order == ("circuit_breaker", "retry")


def test_retries_pass_the_breaker_which_opens_and_ends_them() -> None:
    calls = []

    def fail() -> None:
        calls.append(1)
        raise NetworkError("down")

    breaker = CircuitBreaker("target", CircuitBreakerConfig(failure_threshold=3))
    policy = Policy(
        retry=RetryPolicy(max_attempts=10, retry_on=NetworkError),
        circuit_breaker=breaker,
        fallback=Fallback("instead"),
    )
    with instant_waits():
        assert policy.call(fail) == "instead"
    assert len(calls) == 3, "an open circuit is not worth a retry here"


def test_everything_together_in_virtual_time() -> None:
    async def scenario() -> None:
        loop, calls = asyncio.get_running_loop(), []

        async def target(number: int) -> int:
            calls.append(loop.time())
            if len(calls) < 3:
                await asyncio.sleep(100)
            return number

        policy = Policy(
            timeout=20.0,
            retry=RetryPolicy(max_attempts=5, jitter=False),
            rate_limit=RateLimiter(RateLimitConfig(burst_size=10)).limit("target"),
            circuit_breaker=CircuitBreaker(),
            bulkhead=Bulkhead(1),
            attempt_timeout=2.0,
        )
        guarded = policy(target)
        assert await guarded(42) == 42
        assert [at - calls[0] for at in calls] == pytest.approx([0, 3, 7], abs=0.1)
        calls.clear()
        strict = Policy(timeout=3.0, retry=RetryPolicy(max_attempts=99), attempt_timeout=2.0)
        with pytest.raises((NetworkTimeoutError, RetryExhaustedError)):
            await strict.call_async(asyncio.sleep, 100)

    simulated(scenario)


def test_a_limit_refuses_before_the_breaker_counts() -> None:
    breaker = CircuitBreaker("target", CircuitBreakerConfig(failure_threshold=1))
    limit = RateLimiter(RateLimitConfig(1, 3600.0, 1)).limit("key")
    policy = Policy(rate_limit=limit, circuit_breaker=breaker)
    assert policy.call(lambda: 1) == 1
    with pytest.raises(RateLimitError):
        policy.call(lambda: 1)
    assert breaker.statistics()["failures"] == 0


# --- events ---------------------------------------------------------------------------------


def test_adapters_pass_events_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries are optional: small stand-ins with the calls that the adapters make."""
    seen: list[tuple[object, ...]] = []

    class Counter:
        def __init__(self, *args, **more) -> None:
            seen.append(("counter", args[0]))

        def labels(self, *labels):
            return types.SimpleNamespace(inc=lambda: seen.append(("prometheus", *labels)))

    span = types.SimpleNamespace(add_event=lambda name, attributes: seen.append((name, attributes)))
    logger = types.SimpleNamespace(info=lambda what, **more: seen.append(("structlog", what, more)))
    trace = types.SimpleNamespace(get_current_span=lambda: span)
    modules = {
        "structlog": types.SimpleNamespace(get_logger=lambda name: logger),
        "prometheus_client": types.SimpleNamespace(Counter=Counter),
        "opentelemetry": types.SimpleNamespace(trace=trace),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    listeners = [structlog_listener(), prometheus_listener(), opentelemetry_listener()]
    removers = [add_listener(listener) for listener in listeners]
    Fallback(1, name="price").call(lambda: {}["x"])
    for remove in removers:
        remove()
    assert ("prometheus", "fallback", "price", "used") in seen
    assert any(entry[:2] == ("structlog", "fallback.used") for entry in seen)
    assert any(entry[0] == "fallback.used" for entry in seen)


def test_events_are_data() -> None:
    event = PolicyEvent("retry", "fetch", "exhausted", {"attempts": 3})
    assert event == PolicyEvent("retry", "fetch", "exhausted", {"attempts": 3})
