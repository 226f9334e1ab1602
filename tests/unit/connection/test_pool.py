"""Things that are lent: never too many, never the same to two, never a broken one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from holdfast.connection import ConnectionPool, PoolSettings
from holdfast.errors import ConnectionFailedError, NetworkTimeoutError
from holdfast.testing import Mode, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.testing import Simulation


class Shop:
    """Opens numbered things."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed: list[int] = []
        self.unwell: set[int] = set()
        self.is_out_of_order = False

    async def create(self) -> int:
        await asyncio.sleep(0.01)
        if self.is_out_of_order:
            raise OSError("out of order")
        self.opened += 1
        return self.opened

    async def close(self, item: int) -> None:
        self.closed.append(item)

    async def check(self, item: int) -> bool:
        return item not in self.unwell

    def pool(self, **more: float) -> ConnectionPool[int]:
        settings = PoolSettings(**more)  # type: ignore[arg-type]
        return ConnectionPool(self.create, close=self.close, check=self.check, settings=settings)


def in_virtual_time(scenario: Callable[[Simulation], Awaitable[None]]) -> None:
    run(scenario, seed=1, mode=Mode(), minutes=300)


async def test_things_are_lent_again_and_never_to_two_at_once() -> None:
    shop = Shop()
    lent: set[int] = set()

    async def use() -> None:
        async with pool.acquire() as item:
            assert item not in lent
            lent.add(item)
            await asyncio.sleep(0.001)
            lent.discard(item)

    async with shop.pool(max_size=3) as pool:
        await asyncio.gather(*(use() for _ in range(50)))
        figures = pool.statistics()
        assert figures["lent_total"] == 50
        assert figures["size"] == figures["idle"] == 3
    assert shop.opened == 3
    assert sorted(shop.closed) == [1, 2, 3]


async def test_who_waits_too_long_is_told_and_the_next_one_has_his_turn() -> None:
    shop = Shop()
    async with shop.pool(max_size=1, acquire_timeout=0.05) as pool:
        async with pool.acquire():
            with pytest.raises(NetworkTimeoutError, match="came back"):
                async with pool.acquire():
                    pass
            assert pool.statistics()["timeouts"] == 1
        async with pool.acquire() as item:
            assert item == 1


async def test_who_is_cancelled_while_waiting_takes_nobody_s_turn() -> None:
    shop = Shop()

    async def use() -> int:
        async with pool.acquire() as item:
            return item

    async with shop.pool(max_size=1) as pool:
        async with pool.acquire():
            waiting = [asyncio.create_task(use()) for _ in range(3)]
            await asyncio.sleep(0.01)
            waiting[0].cancel()
        assert await waiting[1] == 1
        assert await waiting[2] == 1


async def test_what_broke_in_somebody_s_hands_is_checked_and_replaced() -> None:
    shop = Shop()
    async with shop.pool(max_size=1) as pool:
        with pytest.raises(RuntimeError):
            async with pool.acquire() as item:
                shop.unwell.add(item)
                raise RuntimeError("it broke")
        assert shop.closed == [1]
        async with pool.acquire() as item:
            assert item == 2
        with pytest.raises(RuntimeError):
            async with pool.acquire():
                raise RuntimeError("not the connection's fault")
        async with pool.acquire() as item:
            assert item == 2


async def test_a_shop_that_is_out_of_order_says_so_and_blocks_nobody() -> None:
    shop = Shop()
    async with shop.pool(max_size=1) as pool:
        shop.is_out_of_order = True
        with pytest.raises(OSError, match="out of order"):
            async with pool.acquire():
                pass
        shop.is_out_of_order = False
        async with pool.acquire() as item:
            assert item == 1


async def test_a_closed_pool_lends_nothing_and_waits_for_what_is_in_use() -> None:
    shop = Shop()
    pool = shop.pool(max_size=1)
    with pytest.raises(ConnectionFailedError):
        async with pool.acquire():
            pass
    async with pool:
        release = asyncio.Event()

        async def use() -> None:
            async with pool.acquire():
                await release.wait()

        using = asyncio.create_task(use())
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(use())
        await asyncio.sleep(0.01)
        closing = asyncio.create_task(pool.close())
        with pytest.raises(ConnectionFailedError):
            await waiting
        assert not closing.done()
        release.set()
        await using
        await closing
    assert shop.closed == [1]


def test_idle_old_and_unwell_ones_are_closed_and_the_least_number_kept() -> None:
    shop = Shop()

    async def scenario(_: Simulation) -> None:
        more = {
            "min_size": 1,
            "max_size": 4,
            "idle_timeout": 100,
            "lifetime": 1000,
            "check_interval": 30,
        }
        async with shop.pool(**more) as pool:
            assert pool.statistics()["size"] == 1
            holders = [pool.acquire() for _ in range(4)]
            for holder in holders:
                await holder.__aenter__()
            for holder in holders:
                await holder.__aexit__(None, None, None)
            await asyncio.sleep(150)
            assert pool.statistics()["size"] == 1, "three were idle for too long"
            shop.unwell |= set(range(shop.opened + 1))
            await asyncio.sleep(60)
            assert pool.statistics()["size"] == 1
            opened = shop.opened
            assert opened == 5, "the unwell one was replaced"
            await asyncio.sleep(1100)
            assert shop.opened == opened + 1, "too old"

    in_virtual_time(scenario)
    assert sorted(shop.closed) == list(range(1, shop.opened + 1))
