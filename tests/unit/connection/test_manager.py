"""Many connections, added and removed while it runs, from any thread."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.connection import (
    ConnectionManager,
    ConnectionSettings,
    ConnectionState,
    Grade,
    get_connection_manager,
    set_connection_manager,
)
from holdfast.errors import NetworkError
from tests.support.peers import Peer

QUICK = ConnectionSettings(heartbeat=0.05, heartbeat_timeout=0.3, initial_delay=0.05, max_delay=0.2)


async def until_open(manager: ConnectionManager, count: int) -> None:
    async with asyncio.timeout(5):
        while len(manager.connected) != count:
            await asyncio.sleep(0.01)


async def test_messages_go_to_a_gateway_that_can_be_reached_and_answers_come_back() -> None:
    heard: list[tuple[str, bytes]] = []
    manager = ConnectionManager(
        settings=QUICK, on_message=lambda gateway, message: heard.append((gateway, message))
    )
    async with Peer() as a, Peer() as b:
        manager.add_gateway(a.url, name="a")
        manager.add_gateway(b.url, name="b")
        with pytest.raises(NetworkError, match="No gateway"):
            await manager.send(b"too early")
        async with manager:
            await until_open(manager, 2)
            assert await manager.send(b"to b", "b") == "b"
            await a.die()
            await until_open(manager, 1)
            assert await manager.send(b"to whom it may concern") == "b"
            async with asyncio.timeout(5):
                while len(heard) < 2:
                    await asyncio.sleep(0.01)
        assert heard == [("b", b"to b"), ("b", b"to whom it may concern")]


async def test_gateways_are_added_and_removed_while_it_runs() -> None:
    async with Peer() as a, Peer() as b, ConnectionManager(settings=QUICK) as manager:
        manager.add_gateway(a.url, name="a")
        await until_open(manager, 1)
        manager.add_gateway(b.url, name="b")
        with pytest.raises(ValueError, match="already"):
            manager.add_gateway(b.url, name="b")
        await until_open(manager, 2)
        await manager.remove("a")
        await manager.remove("a")
        assert manager.names == ["b"]
        assert manager.get("a") is None
        with pytest.raises(ValueError, match="no gateway"):
            await manager.send(b"x", "a")
        async with asyncio.timeout(5):
            while a.open:
                await asyncio.sleep(0.01)


async def test_figures_and_grades() -> None:
    async with Peer() as a, ConnectionManager(settings=QUICK) as manager:
        manager.add_gateway(a.url, name="a")
        await until_open(manager, 1)
        async with asyncio.timeout(5):
            while (quality := manager.monitor.quality("a")) is None or quality.latency is None:
                await asyncio.sleep(0.01)
        figures = manager.statistics()
        assert (figures["gateways"], figures["connected"], figures["failed"]) == (1, 1, 0)
        each = figures["connections"]
        assert isinstance(each, dict)
        assert each["a"]["grade"] == "excellent"
        grades: list[tuple[Grade, Grade]] = []
        manager.monitor.on_grade(lambda _, old, new: grades.append((old, new)))
        await a.die()
        async with asyncio.timeout(10):
            while (Grade.EXCELLENT, Grade.UNUSABLE) not in grades:
                manager.monitor.quality("a")
                await asyncio.sleep(0.05)
        assert manager.breakers.get("a").state.name == "FORCED_OPEN", (
            "whoever asks the breaker is told"
        )


async def test_another_thread_may_add_ask_and_probe() -> None:
    async with Peer() as a, ConnectionManager(settings=QUICK) as manager:

        def elsewhere() -> object:
            manager.add_gateway(a.url, name="a")
            manager.network_changed()
            return manager.statistics()["gateways"]

        assert await asyncio.to_thread(elsewhere) == 1
        await until_open(manager, 1)


async def test_a_program_may_share_one() -> None:
    try:
        assert get_connection_manager() is get_connection_manager()
        mine = ConnectionManager()
        set_connection_manager(mine)
        assert get_connection_manager() is mine
    finally:
        set_connection_manager(None)


async def test_a_manager_that_stops_leaves_nothing() -> None:
    async with Peer() as a:
        manager = ConnectionManager(settings=QUICK, on_message=lambda *_: None)
        manager.add_gateway(a.url, name="a")
        await manager.start()
        await until_open(manager, 1)
        await manager.stop()
        left = [t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith("holdfast")]
        assert left == []
        connection = manager.get("a")
        assert connection is not None
        assert connection.state is ConnectionState.DISCONNECTED
        await manager.start()
        await until_open(manager, 1)
        await manager.stop()
