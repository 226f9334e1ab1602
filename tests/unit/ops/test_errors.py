"""Errors are counted, kept, recovered from; too many are an emergency."""

from __future__ import annotations

import asyncio

import pytest

from holdfast import limits
from holdfast.ops import (
    EmergencyPolicy,
    ErrorCategory,
    ErrorHandler,
    ErrorSeverity,
    HandledError,
    get_error_handler,
    handle_error,
    set_error_handler,
)
from holdfast.world import RealWorld

C, S = ErrorCategory, ErrorSeverity


class World(RealWorld):
    wall = 1000.0

    def wall_now(self) -> float:
        return self.wall


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_errors_are_counted_and_the_last_ones_kept(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[HandledError] = []
    handler = ErrorHandler(on_error=seen.append)
    handler.handle_error("network", "low", "NET_1", "slow", peer="a")
    handler.handle_error(C.MESSAGE, S.HIGH, 5001, "lost")
    assert [error.code for error in handler.recent()] == ["5001", "NET_1"]
    assert handler.recent()[1].details == {"peer": "a"}
    figures = handler.statistics()
    assert figures["total"] == 2
    assert figures["by_category"] == {"network": 1, "message": 1}
    assert figures["by_severity"] == {"low": 1, "high": 1}
    assert [error.message for error in seen] == ["slow", "lost"]
    assert "message 5001: lost" in caplog.text
    for number in range(2 * limits.ERRORS_KEPT):
        handler.handle_error("ui", "low", number, "x" * 5000)
    assert len(handler.recent(10_000)) == limits.ERRORS_KEPT
    assert len(handler.recent()[0].message) == limits.ERROR_TEXT_MAX
    with pytest.raises(ValueError, match="nonsense"):
        handler.handle_error("nonsense", "low", 1, "")


async def test_recoveries_are_tried_in_order_until_one_helps(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tried: list[str] = []
    handler = ErrorHandler()

    def breaks(_: HandledError) -> bool:
        tried.append("breaks")
        raise RuntimeError("a bug")

    def does_nothing(_: HandledError) -> None:
        tried.append("does nothing")

    async def helps(_: HandledError) -> bool:
        tried.append("helps")
        return True

    for recovery in (breaks, does_nothing, helps, does_nothing):
        handler.register_recovery(C.GATEWAY, recovery)
    handler.handle_error("gateway", "medium", "G", "down")
    handler.handle_error("network", "medium", "N", "nobody registered")
    await settle()
    assert tried == ["breaks", "does nothing", "helps"]
    assert handler.statistics()["recovered"] == 1
    assert "a recovery from G failed" in caplog.text


async def test_too_many_of_one_kind_are_an_emergency_once_and_it_ends() -> None:
    world = World()
    begun: list[tuple[ErrorCategory, int]] = []
    handler = ErrorHandler(
        policy=EmergencyPolicy({C.NETWORK: 5}, window=10, quiet=30),
        on_emergency=lambda category, count: begun.append((category, count)),
        world=world,
    )
    for _ in range(20):
        world.wall += 3  # four in ten seconds: not too many
        handler.handle_error("network", "low", "N", "slow")
    assert handler.emergencies == []
    for _ in range(20):
        world.wall += 1
        handler.handle_error("network", "low", "N", "slow")
        handler.handle_error("ui", "low", "U", "has no threshold")
    assert begun == [(C.NETWORK, 5)]
    assert handler.statistics()["emergencies"] == ["network"]
    world.wall += 31
    assert handler.emergencies == []


async def test_bugs_of_listeners_harm_nobody(caplog: pytest.LogCaptureFixture) -> None:
    handler = ErrorHandler(on_error=lambda _: 1 / 0)
    handler.handle_error("ui", "low", 1, "x")
    assert "listener for errors" in caplog.text


def test_an_error_may_be_reported_where_there_is_no_loop() -> None:
    handler = ErrorHandler()
    handler.register_recovery(C.SYSTEM, lambda _: True)
    handler.handle_error("system", "critical", 1, "from a thread")
    assert handler.statistics()["total"] == 1


async def test_a_program_may_share_one() -> None:
    try:
        set_error_handler(ErrorHandler())
        handle_error("ui", "low", 1, "x")
        assert get_error_handler().statistics()["total"] == 1
    finally:
        set_error_handler(None)


async def test_recoveries_under_way_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    release = asyncio.Event()
    handler = ErrorHandler()

    async def slow(_: HandledError) -> bool:
        await release.wait()
        return True

    handler.register_recovery(C.NETWORK, slow)
    for number in range(limits.RECOVERIES_PENDING_MAX + 3):
        handler.handle_error("network", "low", number, "x")
    assert "too many recoveries" in caplog.text
    release.set()
    await settle()
    assert handler.statistics()["recovered"] == limits.RECOVERIES_PENDING_MAX
