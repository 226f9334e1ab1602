"""Limits: exact waiting times against a simple model, tiers, several keys at once, queues, bounded memory."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import ErrorCode, RateLimitError
from holdfast.resilience import RateLimitConfig, RateLimiter, TokenBucket, instant_waits
from holdfast.resilience._keyed import Keyed


@given(
    rate=st.floats(0.1, 100),
    burst=st.integers(1, 20),
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 3)), max_size=60),
)
def test_a_token_bucket_is_a_bucket_of_tokens(rate: float, burst: int, steps) -> None:
    limiter = RateLimiter(RateLimitConfig(rate, 1.0, burst))
    single = TokenBucket(rate, burst)
    tokens, now = float(burst), 1000.0
    for passed, wanted in steps:
        now += passed
        tokens = min(burst, tokens + passed * rate)
        wait = limiter.check("key", wanted, now=now)
        assert wait == pytest.approx(max(0.0, (wanted - tokens) / rate), abs=2e-6)
        assert single.take(now, wanted) == pytest.approx(wait, abs=2e-6)
        if wait == 0:
            tokens -= wanted


@given(
    steps=st.lists(st.tuples(st.floats(0, 4), st.integers(1, 3)), max_size=60),
    most=st.integers(3, 12),
)
def test_a_sliding_window_never_allows_twice_and_its_wait_is_enough(steps, most) -> None:
    config = RateLimitConfig(most, 10.0, None, algorithm="sliding_window")
    limiter = RateLimiter(config)
    taken: list[tuple[float, int]] = []
    now = 1000.0
    for passed, wanted in steps:
        now += passed
        wait = limiter.check("key", wanted, now=now)
        if wait == 0:
            taken.append((now, wanted))
            within = sum(count for at, count in taken if at > now - 10.0)
            assert (
                within <= 2 * most
            )  # the weighted form is close to the exact one, never double it
            continue
        now += wait + 1e-6
        assert limiter.check("key", wanted, now=now) == 0, "after the wait it is allowed"
        taken.append((now, wanted))


def test_more_than_allowed_is_refused_with_the_exact_time() -> None:
    limiter = RateLimiter(RateLimitConfig(max_requests=60, time_window=60.0, burst_size=10))
    for _ in range(10):
        limiter.allow("peer")
    with pytest.raises(RateLimitError) as caught:
        limiter.allow("peer")
    assert caught.value.retry_after == pytest.approx(1.0, abs=0.05)
    assert caught.value.code is ErrorCode.RATE_LIMIT_EXCEEDED
    limiter.allow("another peer")


def test_what_can_never_be_had_is_told_apart() -> None:
    limiter = RateLimiter(RateLimitConfig(burst_size=10))
    with pytest.raises(RateLimitError) as caught:
        limiter.allow("peer", tokens=11)
    assert caught.value.code is ErrorCode.RATE_LIMIT_QUOTA_EXHAUSTED
    assert caught.value.retry_after is None
    limiter.allow("peer", tokens=10)


def test_keys_may_have_limits_of_their_own_and_tiers() -> None:
    limiter = RateLimiter(
        RateLimitConfig(burst_size=1),
        tiers={"member": RateLimitConfig(burst_size=3), "operator": RateLimitConfig(burst_size=50)},
    )

    def allowed(key: str) -> int:
        return sum(limiter.check(key, now=5.0) == 0 for _ in range(100))

    limiter.set_tier("ada", "member")
    limiter.set_tier("root", "operator")
    limiter.set_limit("bob", RateLimitConfig(burst_size=7))
    assert [allowed(key) for key in ("anybody", "ada", "root", "bob")] == [1, 3, 50, 7]
    with pytest.raises(KeyError):
        limiter.set_tier("eve", "no such tier")
    limiter.forget("ada")
    assert allowed("ada") == 1


def test_of_several_keys_all_are_charged_or_none() -> None:
    limiter = RateLimiter(RateLimitConfig(60, 60.0, 5))
    limiter.set_limit("all", RateLimitConfig(60, 60.0, 8))
    for _ in range(5):
        limiter.allow_all(["peer", "all"])
    with pytest.raises(RateLimitError, match="peer"):
        limiter.allow_all(["peer", "all"])
    for _ in range(3):
        limiter.allow_all(["other", "all"])
    with pytest.raises(RateLimitError, match="all"):
        limiter.allow_all(["third", "all"])
    assert limiter.check("third", 5, now=None) == 0, "nothing was taken of it when all refused"


async def test_waiting_is_first_come_first_served_and_bounded() -> None:
    limiter = RateLimiter(RateLimitConfig(10, 1.0, 1))
    with instant_waits() as slept:
        for _ in range(5):
            await limiter.wait("key")
        limiter.wait_sync("key")
        with pytest.raises(RateLimitError):
            await limiter.wait("key", max_wait=0.3)
    assert slept == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5], abs=0.05)


async def test_who_stops_waiting_gives_its_place_back() -> None:
    limiter = RateLimiter(RateLimitConfig(1, 10.0, 1))
    await limiter.wait("key")
    waiting = asyncio.create_task(limiter.wait("key"))
    await asyncio.sleep(0)
    before = limiter._default.look("key", 0.0, 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert limiter._default.look("key", 0.0, 1) == pytest.approx(before - 10.0)


def test_a_million_keys_stay_within_bounds_and_the_busy_one_is_remembered() -> None:
    limiter = RateLimiter(RateLimitConfig(1, 3600.0, 3), keys_max=1000)
    for _ in range(3):
        limiter.allow("busy")
    for number in range(100_000):
        limiter.check(f"key {number}", now=1.0)
        if number % 100 == 0:
            limiter.check("busy", now=1.0)
    assert len(limiter) <= 1000
    with pytest.raises(RateLimitError):
        limiter.allow("busy")


@given(st.lists(st.integers(0, 50), max_size=300), st.integers(2, 40))
def test_a_keyed_map_keeps_the_newest_half_and_never_more_than_it_may(keys, most) -> None:
    keyed: Keyed[int, int] = Keyed(most)
    order: dict[int, int] = {}
    for index, key in enumerate(keys):
        keyed.put(key, index)
        order.pop(key, None)
        order[key] = index
        assert len(keyed) <= most
        newest = list(order.items())[-(most // 2) :]
        assert all(keyed.get(k) == value for k, value in newest)


def test_threads_never_get_more_than_there_is() -> None:
    limiter = RateLimiter(RateLimitConfig(1, 1e9, 1000))
    start = threading.Barrier(8)
    allowed: list[int] = []

    def work() -> None:
        start.wait()
        count = 0
        for _ in range(500):
            try:
                limiter.allow("shared")
                count += 1
            except RateLimitError:
                pass
        allowed.append(count)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 1000


@pytest.mark.parametrize("wrong", [{"max_requests": 0}, {"time_window": 0}, {"burst_size": 0.5}])
def test_senseless_figures_are_refused_by_name(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RateLimitConfig(**wrong)


async def test_a_limit_guards_calls_in_every_form() -> None:
    async def ask() -> int:
        return 1

    limit = RateLimiter(RateLimitConfig(1, 3600.0, 4)).limit("key")
    assert limit.call(lambda: 1) == limit(lambda: 1)() == 1
    assert await limit.call_async(ask) == await limit(ask)() == 1
    with pytest.raises(RateLimitError):
        limit.call(lambda: 1)
