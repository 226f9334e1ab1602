"""A loop that stands still is noticed, and systemd is told that ours turns."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from typing import TYPE_CHECKING

from holdfast.health import LoopWatchdog, Systemd

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_a_stalled_loop_is_counted_and_what_it_did_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, "holdfast.health"):
        async with LoopWatchdog(stalled_after=0.2) as watchdog:
            await asyncio.sleep(0.15)
            assert watchdog.stalls == 0
            time.sleep(0.6)  # noqa: ASYNC251 - what is being tested
            await asyncio.sleep(0.15)
            assert watchdog.stalls == 1
            assert watchdog.lag > 0.3
            assert watchdog.statistics()["longest_stall"] > 0.3
    assert len(caplog.records) == 1, "once for each time"
    assert "time.sleep(0.6)" in caplog.records[0].getMessage()


async def test_systemd_hears_that_we_are_ready_and_alive(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.setblocking(False)
        systemd = Systemd({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "200000"})
        systemd.tell("READY=1", "STATUS=serving")
        assert listener.recv(100) == b"READY=1\nSTATUS=serving"
        async with LoopWatchdog(systemd=systemd):
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(5):
                assert await loop.sock_recv(listener, 100) == b"WATCHDOG=1"
                assert await loop.sock_recv(listener, 100) == b"WATCHDOG=1"


def test_without_systemd_nothing_is_said() -> None:
    Systemd({}).tell("READY=1")
    Systemd({"NOTIFY_SOCKET": "/nowhere/at/all"}).tell("READY=1")
    assert Systemd({"WATCHDOG_USEC": "nonsense"}).interval is None
