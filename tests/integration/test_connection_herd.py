"""A thousand connections to a server that dies and returns; what one costs while nothing happens."""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from holdfast.connection import ConnectionManager, ConnectionSettings, ConnectionState
from holdfast.connection.framing import Control, Framed

if TYPE_CHECKING:
    from holdfast.connection import StateChange

pytestmark = pytest.mark.alone  # a thousand at once, and at which rate

COUNT = 1000
RATE, BURST = 200.0, 50
IDLE_SECONDS = 3.0


pings = [0]


class Answering(asyncio.Protocol):
    """The other end, as light as can be, so that what is measured is ours."""

    def __init__(self, came: list[float], accepted: list[asyncio.Transport]) -> None:
        self._came = came
        self._accepted = accepted
        self._framing = Framed(1024)
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._came.append(time.monotonic())
        self._accepted.append(transport)

    def data_received(self, data: bytes) -> None:
        for found in self._framing.feed(data):
            if isinstance(found, Control):
                pings[0] += 1
                self._transport.write(
                    self._framing.control(Control(is_answer=True, number=found.number)) or b""
                )


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - not a file of ours
        return int(statm.read().split()[1]) * resource.getpagesize()


async def until_connected(manager: ConnectionManager) -> None:
    async with asyncio.timeout(60):
        while manager.statistics()[ConnectionState.CONNECTED.value] != COUNT:
            await asyncio.sleep(0.05)


async def test_a_thousand_come_back_at_the_admitted_rate_and_not_in_step() -> None:
    loop = asyncio.get_running_loop()
    came: list[float] = []
    accepted: list[asyncio.Transport] = []
    server = await loop.create_server(
        lambda: Answering(came, accepted), "127.0.0.1", 0, backlog=4096
    )
    port = server.sockets[0].getsockname()[1]
    back: list[float] = []

    def changed(_: str, change: StateChange) -> None:
        if change.new is ConnectionState.CONNECTED:
            back.append(change.at)

    settings = ConnectionSettings(initial_delay=1.0, heartbeat=1.0)
    manager = ConnectionManager(
        settings=settings, attempt_rate=RATE, attempt_burst=BURST, on_change=changed
    )
    gc.collect()
    before = resident_bytes()
    for number in range(COUNT):
        manager.add_gateway(f"tcp://127.0.0.1:{port}", name=f"g{number}")
    async with manager:
        await until_connected(manager)
        grown = (resident_bytes() - before) / COUNT
        used, before_pings = resource.getrusage(resource.RUSAGE_SELF), pings[0]
        await asyncio.sleep(IDLE_SECONDS)
        now_used = resource.getrusage(resource.RUSAGE_SELF)
        cpu = now_used.ru_utime + now_used.ru_stime - used.ru_utime - used.ru_stime
        answered = pings[0] - before_pings

        server.close()
        for transport in accepted:
            transport.abort()
        came.clear()
        back.clear()
        died = time.monotonic()
        await asyncio.sleep(1.5)
        returned = time.monotonic()
        server = await loop.create_server(
            lambda: Answering(came, accepted), "127.0.0.1", port, backlog=4096, reuse_address=True
        )
        await until_connected(manager)
    server.close()

    seconds = Counter(int(10 * (at - died)) for at in came)
    print(
        f"{COUNT} connections, server away for 1.5 s, all back {max(came) - died:.1f} s after it died"
    )
    for tenth in range(min(seconds), max(seconds) + 1):
        print(f"  {tenth / 10:4.1f} s {seconds[tenth]:4d} {'#' * (seconds[tenth] // 2)}")
    print(
        f"one connection that idles: {grown / 1000:.1f} kB, both ends; "
        f"{1e6 * cpu / answered:.0f} µs of the processor a heartbeat, both ends ({answered} of them)"
    )
    assert answered > COUNT
    assert len(came) == COUNT, "each came back once"
    assert len(set(back)) == COUNT, "no two at the same moment"
    for number, at in enumerate(sorted(came), 1):
        # From the return on, so that a busy machine makes them late and never too many.
        admitted = BURST + RATE * (at - returned)
        assert number <= 1.2 * admitted, "more than the admitted rate"
