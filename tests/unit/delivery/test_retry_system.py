"""The thin face on the outbox."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from holdfast.delivery import (
    MessageRetrySystem,
    OutboxSettings,
    get_retry_system,
    set_retry_system,
)
from holdfast.errors import DeliveryError

if TYPE_CHECKING:
    from pathlib import Path


async def test_messages_are_sent_until_their_gateway_has_them_also_after_a_restart(
    tmp_path: Path,
) -> None:
    arrived: list[tuple[str, bytes]] = []
    is_up = False

    async def send(gateway: str, message: bytes) -> None:
        if not is_up:
            raise ConnectionRefusedError("down")
        arrived.append((gateway, message))

    settings = OutboxSettings(initial_delay=0.01, max_delay=0.02, breaker_timeout=0.01)
    system = MessageRetrySystem(tmp_path, send, settings=settings)
    await system.start()
    await system.start()
    await system.add_message(b"bytes", "g1")
    await system.add_message("text", "g1", priority=5)
    await system.add_message({"a": [1]}, "g2")
    assert (await system.statistics())["delivered"] == 0
    await system.stop()
    await system.stop()
    with pytest.raises(DeliveryError, match=r"start\(\)"):
        await system.add_message(b"x", "g1")

    is_up = True
    await system.start()
    async with asyncio.timeout(5):
        while (await system.statistics())["delivered"] < 3:
            await asyncio.sleep(0.001)
    with pytest.raises(DeliveryError, match="JSON"):
        await system.add_message(object(), "g1")
    await system.stop()
    assert sorted(arrived) == [("g1", b"bytes"), ("g1", b"text"), ("g2", b'{"a":[1]}')]
    assert arrived.index(("g1", b"text")) < arrived.index(("g1", b"bytes"))


async def test_a_program_may_have_one_that_is_shared(tmp_path: Path) -> None:
    async def send(gateway: str, message: bytes) -> None:
        pass

    with pytest.raises(DeliveryError, match="set_retry_system"):
        get_retry_system()
    system = MessageRetrySystem(tmp_path, send)
    set_retry_system(system)
    assert get_retry_system() is system
    set_retry_system(None)
