"""Retry: attempts, delays, conditions, deadline, budget; sync, async, as decorator and as block."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import NetworkError, RateLimitError, RetryExhaustedError
from holdfast.resilience import (
    PolicyEvent,
    RetryBudget,
    RetryPolicy,
    add_listener,
    decorrelated_jitter,
    exponential_backoff,
    fibonacci_backoff,
    fixed_delay,
    instant_waits,
    linear_backoff,
    retry_sync,
    retry_with_policy,
)


class Flaky:
    """Fails so many times, then answers."""

    def __init__(self, failures: int, error: type[Exception] = NetworkError) -> None:
        self.failures = failures
        self.calls = 0
        self.error = error

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error(f"failure {self.calls}")
        return "answer"

    async def ask(self) -> str:
        return self()


def test_a_call_that_fails_twice_succeeds_at_the_third_attempt() -> None:
    flaky = Flaky(2)
    with instant_waits() as slept:
        assert RetryPolicy().call(flaky) == "answer"
    assert flaky.calls == 3
    assert len(slept) == 2
    assert 0 <= slept[0] <= 1 <= 2 >= slept[1] >= 0


def test_when_attempts_are_used_up_the_last_error_is_the_cause() -> None:
    flaky = Flaky(10)
    with instant_waits(), pytest.raises(RetryExhaustedError) as caught:
        RetryPolicy(max_attempts=4).call(flaky)
    assert caught.value.attempts == 4
    assert caught.value.details["reason"] == "attempts"
    assert str(caught.value.__cause__) == "failure 4"


async def test_sync_and_async_behave_alike_in_every_form() -> None:
    policy = RetryPolicy(max_attempts=3)
    with instant_waits():
        assert policy.call(Flaky(2)) == "answer"
        assert await policy.call_async(Flaky(2).ask) == "answer"
        assert policy(Flaky(2).__call__)() == "answer"
        assert await policy(Flaky(2).ask)() == "answer"
        assert retry_sync(Flaky(2), policy, "named") == "answer"
        assert await retry_with_policy(Flaky(2).ask, policy, "named") == "answer"
        for attempts in (policy.attempts("block"),):
            flaky, answer = Flaky(2), ""
            for attempt in attempts:
                with attempt:
                    answer = flaky()
            assert (answer, flaky.calls, attempt.number) == ("answer", 3, 3)
        flaky, answer = Flaky(2), ""
        async for attempt in policy.attempts("block"):
            with attempt:
                answer = await flaky.ask()
        assert (answer, flaky.calls) == ("answer", 3)
    assert policy.statistics().to_dict() == {
        "calls": 4,
        "successes": 4,
        "failures": 0,
        "retries": 8,
    }
    assert policy.statistics("named").retries == 4
    assert policy.statistics("block").to_dict()["successes"] == 2


async def test_a_block_gives_up_as_a_call_does() -> None:
    with instant_waits(), pytest.raises(RetryExhaustedError):
        for attempt in RetryPolicy(max_attempts=2).attempts():
            with attempt:
                raise NetworkError("no")
    with instant_waits(), pytest.raises(KeyError):
        async for attempt in RetryPolicy(retry_on=NetworkError).attempts():
            with attempt:
                raise KeyError("not mine")


def test_only_the_errors_that_are_asked_for_are_retried() -> None:
    flaky = Flaky(1, ValueError)
    with pytest.raises(ValueError, match="failure 1"):
        RetryPolicy(retry_on=(NetworkError, OSError)).call(flaky)
    assert flaky.calls == 1
    with instant_waits():
        assert RetryPolicy(retry_on=lambda error: "failure" in str(error)).call(flaky) == "answer"


def test_a_result_can_be_a_failure_too() -> None:
    results = itertools.count()
    with instant_waits():
        assert RetryPolicy(retry_result=lambda n: n < 2).call(lambda: next(results)) == 2
    with instant_waits(), pytest.raises(RetryExhaustedError):
        RetryPolicy(retry_result=lambda n: True).call(lambda: 1)


@pytest.mark.parametrize("stop", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
async def test_cancellation_passes_at_once_and_counts_nowhere(stop) -> None:
    policy = RetryPolicy(retry_result=lambda result: False)
    calls = []

    async def ask() -> None:
        calls.append(1)
        raise stop

    with pytest.raises(stop):
        await policy.call_async(ask)
    with pytest.raises(stop):
        for attempt in policy.attempts():
            with attempt:
                raise stop
    assert len(calls) == 1
    assert policy.statistics().calls == policy.statistics().retries == 0


def test_what_a_server_asks_for_is_waited() -> None:
    def busy() -> None:
        raise RateLimitError("later", retry_after=7.0)

    with instant_waits() as slept, pytest.raises(RetryExhaustedError):
        RetryPolicy(max_attempts=3, initial_delay=0.1).call(busy)
    assert all(7.0 <= seconds <= 7.7 for seconds in slept)
    assert slept[0] != slept[1], "those who were asked together must not return together"


def test_no_wait_is_begun_that_ends_after_the_deadline() -> None:
    flaky = Flaky(10)
    policy = RetryPolicy(max_attempts=10, initial_delay=100.0, jitter=False, deadline=5.0)
    with instant_waits() as slept, pytest.raises(RetryExhaustedError) as caught:
        policy.call(flaky)
    assert caught.value.details["reason"] == "deadline"
    assert slept == []
    assert flaky.calls == 1


def test_a_budget_ends_the_retries_of_all_who_share_it() -> None:
    budget = RetryBudget(ratio=0.1, per_second=0.0, burst=5)
    policy = RetryPolicy(max_attempts=3, budget=budget)
    calls = 0
    with instant_waits():
        for _ in range(200):
            flaky = Flaky(10)
            with pytest.raises(RetryExhaustedError):
                policy.call(flaky)
            calls += flaky.calls
    assert 200 < calls <= 200 + 5 + 20, "one retry in ten, besides what was saved up"


def test_each_attempt_is_told_logged_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    told: list[tuple[int, str]] = []
    events: list[PolicyEvent] = []
    remove = add_listener(events.append)
    policy = RetryPolicy(on_retry=lambda number, error, delay: told.append((number, str(error))))
    with instant_waits(), caplog.at_level(logging.INFO), pytest.raises(RetryExhaustedError):
        retry_sync(Flaky(5), policy, "fetch")
    remove()
    assert told == [(1, "failure 1"), (2, "failure 2")]
    assert [event.kind for event in events] == ["attempt_failed", "attempt_failed", "exhausted"]
    assert sum("fetch" in record.getMessage() for record in caplog.records) == 3


def test_a_listener_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: PolicyEvent) -> None:
        raise RuntimeError("listener")

    remove = add_listener(broken)
    with instant_waits():
        assert RetryPolicy().call(Flaky(1)) == "answer"
    remove()
    remove()
    assert "a listener failed" in caplog.text


STRATEGIES = [
    exponential_backoff,
    fixed_delay,
    linear_backoff,
    fibonacci_backoff,
    decorrelated_jitter,
]


@given(
    strategy=st.sampled_from(STRATEGIES),
    initial=st.floats(0.001, 10),
    factor=st.floats(1, 100),
    jitter=st.booleans(),
)
def test_no_strategy_leaves_its_bounds(strategy, initial, factor, jitter) -> None:
    maximum = initial * factor
    policy = RetryPolicy(initial_delay=initial, max_delay=maximum, jitter=jitter, strategy=strategy)
    with instant_waits():
        delays = list(itertools.islice(strategy(policy), 30))
    assert all(0 <= delay <= maximum * 1.25 + 1e-9 for delay in delays)


def test_strategies_without_jitter_are_the_textbook_ones() -> None:
    def first(strategy, count: int = 6) -> list[float]:
        policy = RetryPolicy(jitter=False, max_delay=6.0, strategy=strategy)
        return list(itertools.islice(strategy(policy), count))

    assert first(exponential_backoff) == [1, 2, 4, 6, 6, 6]
    assert first(fixed_delay) == [1, 1, 1, 1, 1, 1]
    assert first(linear_backoff) == [1, 2, 3, 4, 5, 6]
    assert first(fibonacci_backoff) == [1, 1, 2, 3, 5, 6]


def test_a_strategy_of_ones_own_plugs_in_and_may_end() -> None:
    flaky = Flaky(10)
    policy = RetryPolicy(max_attempts=100, strategy=lambda policy: iter((0.5, 0.25)))
    with instant_waits() as slept, pytest.raises(RetryExhaustedError) as caught:
        policy.call(flaky)
    assert slept == [0.5, 0.25]
    assert caught.value.details["reason"] == "strategy"


@pytest.mark.parametrize(
    "wrong", [{"max_attempts": 0}, {"initial_delay": -1}, {"max_delay": -1}, {"deadline": 0}]
)
def test_senseless_figures_are_refused_by_name(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)


def test_one_policy_serves_many_threads() -> None:
    policy = RetryPolicy(max_attempts=2)
    start = threading.Barrier(8)

    def work() -> None:
        with instant_waits():
            start.wait()
            for _ in range(500):
                policy.call(Flaky(0))
                policy.call(Flaky(1))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert policy.statistics().calls == 8000


def test_operations_without_bound_share_statistics() -> None:
    policy = RetryPolicy()
    for number in range(3000):
        retry_sync(Flaky(0), policy, f"operation {number}")
    assert len(policy._operations) <= 1001
    assert policy.statistics("(others)").calls > 1000
