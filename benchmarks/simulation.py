"""How fast simulated time passes: ``python benchmarks/simulation.py``.

Three workloads on ``holdfast.testing``, and the first of them, in the form that they can run (a queue and
``call_later`` in the place of a network), on every other virtual clock for Python that is installed: looptime,
aiotools, trio. All in one run, each several times, the best and the spread are shown.
"""

from __future__ import annotations

import asyncio
import importlib.util
import random
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from holdfast.testing import Cut, Flap, Kill, Mode, Simulation, run

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTIONS = 100
PING, TIMEOUT = 15.0, 10.0
REPEATS = 3


class Beats(asyncio.DatagramProtocol):
    """Answers pings."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


class Asks(asyncio.DatagramProtocol):
    """Hears answers."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.answers.put_nowait(data)


async def beat(source: random.Random, ends: float) -> None:
    """Ping each 15 s over a message link; miss and go on."""
    loop = asyncio.get_running_loop()
    transport, link = await loop.create_datagram_endpoint(Asks, remote_addr=("server", 9))
    await asyncio.sleep(source.random() * PING)
    while loop.time() < ends:
        transport.sendto(b"ping")
        try:
            async with asyncio.timeout(TIMEOUT):
                await link.answers.get()
        except TimeoutError:
            pass
        await asyncio.sleep(PING)
    transport.close()


async def serve() -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(Beats, local_addr=("0.0.0.0", 9))
    await asyncio.Event().wait()


def heartbeats(hours: float) -> float:
    """A network of message links with loss and cuts; returns simulated hours a second."""

    async def scenario(world: Simulation) -> None:
        world.host("server").spawn(serve)
        names = [f"phone{number}" for number in range(CONNECTIONS)]
        ends = world.loop.time() + hours * 3600
        hosts = [world.host(name, "cafe") for name in names]
        beats = [host.run(beat, host.random, ends) for host in hosts]
        links = [("server", name) for name in names]
        world.inject({Cut: int(20 * hours)}, within=hours * 3600 - 100, links=links)
        await asyncio.gather(*beats)

    began = time.perf_counter()
    run(scenario, minutes=hours * 60 + 5, mode=Mode())
    return hours / (time.perf_counter() - began)


def small_scenarios(count: int) -> float:
    """Ten minutes of ten clients of an echo server, with faults; returns runs a second."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(line)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def listen() -> None:
        async with await asyncio.start_server(echo, "0.0.0.0", 7) as server:
            await server.serve_forever()

    async def client(ends: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < ends:
            writer = None
            try:
                async with asyncio.timeout(TIMEOUT):
                    reader, writer = await asyncio.open_connection("server", 7)
                while loop.time() < ends:
                    writer.write(b"ping\n")
                    async with asyncio.timeout(TIMEOUT):
                        if not await reader.readline():
                            break
                    await asyncio.sleep(PING)
            except (OSError, TimeoutError):
                await asyncio.sleep(1)
            finally:
                if writer is not None:
                    writer.close()

    async def scenario(world: Simulation) -> None:
        world.host("server").spawn(listen)
        names = [f"phone{number}" for number in range(10)]
        ends = world.loop.time() + 600
        clients = [world.host(name, "cafe").run(client, ends) for name in names]
        links = [("server", name) for name in names]
        kinds = {Kill: 2, Cut: 5, Flap: 1}
        world.inject(kinds, within=500, hosts=["server"], links=links)
        await asyncio.gather(*clients)

    began = time.perf_counter()
    for seed in range(count):
        run(scenario, seed=seed, minutes=20)
    return count / (time.perf_counter() - began)


# --- the same heartbeats without a network, for loops that have none ------------------------


async def bare(hours: float) -> None:
    """100 pairs: a queue, ``call_later`` with a drawn latency, one in a hundred is lost."""
    loop = asyncio.get_running_loop()
    source = random.Random(1)
    ends = loop.time() + hours * 3600

    async def pair() -> None:
        answers: asyncio.Queue[int] = asyncio.Queue()
        await asyncio.sleep(source.random() * PING)
        while loop.time() < ends:
            if source.random() > 0.01:
                loop.call_later(source.uniform(0.01, 0.2), answers.put_nowait, 1)
            try:
                async with asyncio.timeout(TIMEOUT):
                    await answers.get()
            except TimeoutError:
                pass
            await asyncio.sleep(PING)

    await asyncio.gather(*(pair() for _ in range(CONNECTIONS)))


def on_ours(hours: float) -> None:
    run(lambda _: bare(hours), minutes=hours * 60 + 5, mode=Mode())


def on_looptime(hours: float) -> None:
    import looptime

    loop = looptime.new_event_loop()
    loop.run_until_complete(bare(hours))
    loop.close()


def on_aiotools(hours: float) -> None:
    import aiotools

    async def main() -> None:
        with aiotools.VirtualClock().patch_loop():
            await bare(hours)

    asyncio.run(main())


def on_trio(hours: float) -> None:
    import trio
    import trio.testing

    source = random.Random(1)

    async def pair(nursery: Any) -> None:
        send, receive = trio.open_memory_channel(10)
        await trio.sleep(source.random() * PING)
        ends = trio.current_time() + hours * 3600

        async def answer() -> None:
            await trio.sleep(source.uniform(0.01, 0.2))
            send.send_nowait(1)

        while trio.current_time() < ends:
            if source.random() > 0.01:
                nursery.start_soon(answer)
            with trio.move_on_after(TIMEOUT):
                await receive.receive()
            await trio.sleep(PING)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(CONNECTIONS):
                nursery.start_soon(pair, nursery)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


PEERS: list[tuple[str, str, Callable[[float], None], float]] = [
    ("holdfast.testing", "holdfast", on_ours, 2.0),
    ("looptime", "looptime", on_looptime, 0.1),
    ("aiotools VirtualClock", "aiotools", on_aiotools, 2.0),
    ("trio MockClock", "trio", on_trio, 0.5),
]


def several(measure: Callable[[], float]) -> tuple[float, float]:
    """Return the best of several runs and the spread of all of them."""
    results = [measure() for _ in range(REPEATS)]
    return max(results), statistics.pstdev(results)


def main() -> None:
    """Measure and print."""
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    rate, spread = several(lambda: heartbeats(hours))
    print(
        f"heartbeats of {CONNECTIONS} over message links with cuts: {rate:.2f} h/s (±{spread:.2f}),"
    )
    print(f"  so 24 h take {24 / rate:.0f} s")
    rate, spread = several(lambda: small_scenarios(30))
    print(f"10-minute scenario, 10 clients, streams, faults: {rate:.0f} seeds/s (±{spread:.1f})")
    print(f"\nthe same {CONNECTIONS} heartbeats without a network:")
    ours = 0.0
    for name, package, measure, length in PEERS:
        if importlib.util.find_spec(package) is None:
            print(f"  {name:<22} not installed")
            continue

        def timed(measure: Callable[[float], None] = measure, length: float = length) -> float:
            began = time.perf_counter()
            measure(length)
            return length / (time.perf_counter() - began)

        rate, spread = several(timed)
        ours = ours or rate
        print(f"  {name:<22} {rate:6.2f} h/s (±{spread:.2f})  ours is {ours / rate:.1f} times that")


if __name__ == "__main__":
    main()
