"""The breaker: its machine against a simple model, its shell in every form, its herd of one."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.errors import CircuitBreakerOpenError, ErrorCode
from holdfast.resilience import (
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitBreakerManager,
    CircuitState,
)
from holdfast.resilience._breaker_machine import BreakerMachine, Trigger, Window, diagram


class Machine(RuleBasedStateMachine):
    """Calls come, end well, fail, are abandoned; time passes. A model in a few lines knows what is right."""

    def __init__(self) -> None:
        super().__init__()
        self.config = CircuitBreakerConfig(
            failure_threshold=3, success_threshold=2, timeout=10.0, half_open_max=2
        )
        self.machine = BreakerMachine(self.config)
        self.now = 100.0
        self.state = "closed"
        self.row = 0
        self.good_probes = 0
        self.opened = 0.0
        self.epoch = 0
        self.under_way: list[tuple[int, int]] = []

    def move(self, state: str) -> None:
        self.state, self.row, self.good_probes = state, 0, 0
        self.epoch += 1
        if state == "open":
            self.opened = self.now

    @rule(seconds=st.sampled_from([0.1, 3.0, 9.9, 10.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_call_comes(self) -> None:
        if self.state == "open" and self.now >= self.opened + 10.0:
            self.move("half_open")
        probes = sum(epoch == self.epoch for _, epoch in self.under_way)
        expected = self.state == "closed" or (self.state == "half_open" and probes < 2)
        wait = self.machine.enter(self.now)
        assert (wait is None) == expected
        if wait is None:
            self.under_way.append((self.machine.ticket, self.epoch))
        elif self.state == "open":
            assert wait == pytest.approx(self.opened + 10.0 - self.now)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), how=st.sampled_from(["good", "bad", "abandoned"]))
    def a_call_ends(self, data, how: str) -> None:
        index = data.draw(st.integers(0, len(self.under_way) - 1))
        ticket, epoch = self.under_way.pop(index)
        if how == "good":
            self.machine.succeeded(ticket, self.now, 0.0)
        elif how == "bad":
            self.machine.failed(ticket, self.now, 0.0)
        else:
            self.machine.abandoned(ticket)
        if epoch != self.epoch or how == "abandoned":
            return
        if self.state == "half_open":
            if how == "bad":
                self.move("open")
            else:
                self.good_probes += 1
                if self.good_probes >= 2:
                    self.move("closed")
        elif self.state == "closed":
            self.row = self.row + 1 if how == "bad" else 0
            if self.row >= 3:
                self.move("open")

    @invariant()
    def both_agree(self) -> None:
        assert self.machine.state.value == self.state


TestMachine = Machine.TestCase


@given(
    outcomes=st.lists(st.tuples(st.floats(0, 5), st.booleans(), st.booleans()), max_size=80),
    size=st.integers(1, 20),
)
def test_a_window_of_calls_counts_as_a_list_would(outcomes, size) -> None:
    window = Window(CircuitBreakerConfig(window_calls=size))
    seen: list[tuple[bool, bool]] = []
    now = 0.0
    for passed, failed, slow in outcomes:
        now += passed
        seen.append((failed, slow))
        last = seen[-size:]
        expected = len(last), sum(f for f, _ in last), sum(s for _, s in last)
        assert window.add(now, has_failed=failed, is_slow=slow) == expected


@given(outcomes=st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=80))
def test_a_window_of_time_forgets_by_the_bucket_and_nothing_else(outcomes) -> None:
    window = Window(CircuitBreakerConfig(window_time=10.0))
    seen: list[tuple[float, bool]] = []
    now = 0.0
    for passed, failed in outcomes:
        now += passed
        seen.append((now, failed))
        calls, failures, _ = window.add(now, has_failed=failed, is_slow=False)
        surely = [f for at, f in seen if at > now - 9.0 + 1e-9]
        perhaps = [f for at, f in seen if at >= now - 11.0]
        assert len(surely) <= calls <= len(perhaps)
        assert sum(surely) <= failures <= sum(perhaps)


def fail() -> None:
    raise ConnectionError("broken")


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("holdfast.resilience._ambient.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def tripped(**more) -> CircuitBreaker:
    breaker = CircuitBreaker("target", CircuitBreakerConfig(failure_threshold=2, **more))
    for _ in range(2):
        with pytest.raises(ConnectionError):
            breaker.call(fail)
    return breaker


def test_it_opens_refuses_probes_and_closes(clock: Clock) -> None:
    breaker = tripped(timeout=30.0)
    with pytest.raises(CircuitBreakerOpenError) as caught:
        breaker.call(lambda: 1)
    assert caught.value.code is ErrorCode.CIRCUIT_BREAKER_OPEN
    assert caught.value.retry_after == pytest.approx(30.0)
    clock.now += 29.999
    with pytest.raises(CircuitBreakerOpenError):
        breaker.call(lambda: 1)
    clock.now += 0.001
    assert breaker.call(lambda: 1) == 1
    assert breaker.state is CircuitState.CLOSED
    assert breaker.statistics()["rejected"] == 2


def test_a_failed_probe_opens_it_for_another_timeout(clock: Clock) -> None:
    breaker = tripped(timeout=30.0)
    clock.now += 30
    with pytest.raises(ConnectionError):
        breaker.call(fail)
    with pytest.raises(CircuitBreakerOpenError) as caught:
        breaker.call(lambda: 1)
    assert caught.value.retry_after == pytest.approx(30.0)


async def test_half_open_lets_a_bounded_number_through_never_a_herd(clock: Clock) -> None:
    breaker = tripped(timeout=30.0, half_open_max=3, success_threshold=3)
    clock.now += 30
    go = asyncio.Event()
    let_through = []

    async def probe() -> None:
        let_through.append(1)
        await go.wait()

    herd = [asyncio.create_task(breaker.call_async(probe)) for _ in range(100)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(let_through) == 3
    go.set()
    results = await asyncio.gather(*herd, return_exceptions=True)
    refused = [r for r in results if isinstance(r, CircuitBreakerOpenError)]
    assert len(refused) == 97
    assert {error.code for error in refused} == {ErrorCode.CIRCUIT_BREAKER_HALF_OPEN}
    assert breaker.state is CircuitState.CLOSED


async def test_cancellation_is_neither_and_frees_the_place_of_a_probe(clock: Clock) -> None:
    breaker = tripped(timeout=30.0)
    clock.now += 30
    probe = asyncio.create_task(breaker.call_async(asyncio.sleep, 3600))
    await asyncio.sleep(0)
    assert breaker.state is CircuitState.HALF_OPEN
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert breaker.state is CircuitState.HALF_OPEN
    assert breaker.call(lambda: 1) == 1
    assert breaker.state is CircuitState.CLOSED


def test_errors_that_are_not_expected_count_nowhere(clock: Clock) -> None:
    config = CircuitBreakerConfig(failure_threshold=1, expected_exception=ConnectionError)
    breaker = CircuitBreaker("target", config)
    with pytest.raises(KeyError):
        breaker.call({}.__getitem__, "x")
    assert breaker.state is CircuitState.CLOSED
    with pytest.raises(ConnectionError):
        breaker.call(fail)
    assert breaker.state is CircuitState.OPEN


def test_a_success_ends_the_row_of_failures(clock: Clock) -> None:
    breaker = CircuitBreaker("target", CircuitBreakerConfig(failure_threshold=3))
    for _ in range(10):
        for _ in range(2):
            with pytest.raises(ConnectionError):
                breaker.call(fail)
        breaker.call(lambda: 1)
    assert breaker.state is CircuitState.CLOSED


def test_a_late_result_of_an_earlier_state_counts_for_nothing(clock: Clock) -> None:
    breaker = CircuitBreaker("target", CircuitBreakerConfig(failure_threshold=1, timeout=10.0))
    with breaker:
        with pytest.raises(ConnectionError):
            breaker.call(fail)
        assert breaker.state is CircuitState.OPEN
    assert breaker.state is CircuitState.OPEN, "the block began while it was closed"


def test_failure_rate_and_slow_calls_open_it_too(clock: Clock) -> None:
    rate = CircuitBreaker(
        "rate", CircuitBreakerConfig(window_calls=10, minimum_calls=10, failure_rate=0.5)
    )
    for number in range(9):
        with pytest.raises(ConnectionError) if number % 2 else pytest.warns() if False else _free():
            rate.call(fail if number % 2 else (lambda: 1))
    assert rate.state is CircuitState.CLOSED
    with pytest.raises(ConnectionError):
        rate.call(fail)
    assert rate.state is CircuitState.OPEN

    slow = CircuitBreaker(
        "slow",
        CircuitBreakerConfig(window_time=60.0, minimum_calls=4, slow_call=1.0, slow_call_rate=0.5),
    )

    def dawdle() -> None:
        clock.now += 2.0

    for work in (lambda: 1, lambda: 1, dawdle):
        slow.call(work)
    assert slow.state is CircuitState.CLOSED
    slow.call(dawdle)
    assert slow.state is CircuitState.OPEN


class _free:  # noqa: N801 - reads as a context
    def __enter__(self) -> None: ...
    def __exit__(self, *_) -> None: ...


async def test_all_forms_guard_alike(clock: Clock) -> None:
    async def ask() -> int:
        return 1

    breaker = CircuitBreaker("target")
    assert breaker(lambda: 1)() == 1
    assert await breaker(ask)() == 1
    assert await breaker.call_async(ask) == 1
    async with breaker:
        pass
    with breaker:
        pass
    breaker.force_open()
    for attempt in (lambda: breaker(lambda: 1)(), lambda: breaker.__enter__()):
        with pytest.raises(CircuitBreakerOpenError):
            attempt()
    for guarded in (breaker(ask)(), breaker.call_async(ask), breaker.__aenter__()):
        with pytest.raises(CircuitBreakerOpenError):
            await guarded
    breaker.force_closed()
    for _ in range(20):
        with pytest.raises(ConnectionError):
            breaker.call(fail)
    assert breaker.state is CircuitState.FORCED_CLOSED
    breaker.reset()
    assert breaker.state is CircuitState.CLOSED


def test_changes_are_told(clock: Clock) -> None:
    changes: list[tuple[str, str]] = []
    breaker = CircuitBreaker("target", CircuitBreakerConfig(failure_threshold=1, timeout=1.0))
    breaker.on_change(lambda _, before, after: changes.append((before.value, after.value)))
    with pytest.raises(ConnectionError):
        breaker.call(fail)
    clock.now += 1
    breaker.call(lambda: 1)
    assert changes == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]


def test_threads_share_a_breaker(clock: Clock) -> None:
    breaker = CircuitBreaker("target", CircuitBreakerConfig(failure_threshold=10**9))
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for number in range(1000):
            try:
                breaker.call(fail if number % 10 == 0 else (lambda: 1))
            except ConnectionError:
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert breaker.statistics()["calls"] == 8000
    assert breaker.statistics()["failures"] == 800


def test_a_manager_keeps_the_breakers_that_are_used() -> None:
    manager = CircuitBreakerManager(breakers_max=3)
    first = manager.get("first")
    for name in ("a", "b", "first", "c", "first", "d"):
        manager.get(name)
    assert manager.get("first") is first
    assert len(manager) == 3
    assert set(manager.statistics()) == {"first", "c", "d"}
    manager.remove("first")
    assert manager.get("first") is not first


@pytest.mark.parametrize(
    "wrong",
    [
        {"failure_threshold": 0}, {"timeout": 0}, {"failure_rate": 1.5}, {"half_open_max": 0},
        {"window_calls": 5, "window_time": 5}, {"slow_call": 1.0},
    ],
)  # fmt: skip
def test_senseless_figures_are_refused_by_name(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CircuitBreakerConfig(**wrong)


def test_the_diagram_in_the_documents_is_the_table_of_the_code() -> None:
    page = Path(__file__).parents[3] / "docs" / "resilience" / "circuit-breaker.md"
    assert f"```mermaid\n{diagram()}\n```" in page.read_text("utf-8")
    assert Trigger.TRIPPED.value in diagram()
