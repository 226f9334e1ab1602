"""Intermud-3: ``python benchmarks/i3.py [codec|tells|memory]`` (peers: dependency group ``bench``).

Codec: the LPC values of real packets are written and read by ours and by JSON codecs on equal data; JSON is the simpler
format and its fast codecs are in C or Rust, so the ratio says how far ours is from what is possible at all. Each figure
is the median of rounds that take turns, with the spread behind it.

Tells: a router and two gateways, each a process of its own with everything on (SQLite, keys, limits, events that are
kept), and one client at each gateway. A round trip is from the call at one API until the event came out of the other.
The burst: tells that are called without waiting, until the last event is there; none may be missing or out of order.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
from apart import percentile

from holdfast.apps.i3 import lpc
from holdfast.apps.i3.client import I3Client
from holdfast.cli.i3_demo import Part
from holdfast.cli.i3_serving import with_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from holdfast.apps.i3.api import ApiKeys

ROUNDS = 7
ROUND_SECONDS = 0.15
TRIPS = 3000
BURST = 20_000
UNDER_WAY = 256


# --- codec ----------------------------------------------------------------------------------------


def deep(levels: int) -> object:
    value: object = 0
    for _ in range(levels):
        value = [value]
    return value


def values() -> dict[str, object]:
    mud = [-1, "192.0.2.17", 4000, 0, 0, "Dead Souls 3.8", "Dead Souls", "FluffOS v2019", "LP", "open",
           "admin@example.org", {"tell": 1, "channel": 1, "who": 1, "finger": 1, "locate": 1}, 0]  # fmt: skip
    return {
        "tell": ["tell", 200, "Harbour", "ann", "Old Keep", "bo", "Ann", "Shall we meet at the tavern tonight?"],
        "mudlist of 1000": ["mudlist", 5, "*hub", 0, "Harbour", 0, 1234, {f"Mud {n}": mud for n in range(1000)}],
        "10 000 ints": list(range(10_000)),
        "100 levels": deep(100),
    }  # fmt: skip


def per_second(work: Callable[[], object]) -> float:
    work()
    count, began = 0, time.perf_counter()
    while (taken := time.perf_counter() - began) < ROUND_SECONDS:
        for _ in range(1 + count // 8):
            work()
            count += 1
    return count / taken


def codec() -> None:
    codecs: dict[str, tuple[Callable[[Any], bytes], Callable[[bytes], object]]] = {
        "holdfast LPC": (lpc.encode, lpc.decode),
        "stdlib json": (lambda value: json.dumps(value).encode(), json.loads),
        "msgspec": (msgspec.json.encode, msgspec.json.decode),
    }
    try:
        import orjson
    except ImportError:
        print("orjson is not installed and not measured (dependency group bench)")
    else:
        codecs["orjson"] = orjson.dumps, orjson.loads
    for what, value in values().items():
        print(f"\n{what}")
        for place, verb in enumerate(("encode", "decode")):
            rates: dict[str, list[float]] = {name: [] for name in codecs}
            for _ in range(ROUNDS):
                for name, pair in codecs.items():
                    argument = value if place == 0 else pair[0](value)
                    rates[name].append(per_second(lambda f=pair[place], a=argument: f(a)))  # type: ignore[misc]
            base = statistics.median(rates["stdlib json"])
            for name, found in rates.items():
                middle = statistics.median(found)
                print(f"  {verb} {name:14s} {middle:12,.0f}/s  ({min(found):,.0f} to {max(found):,.0f})  "
                      f"{1000 / middle:8.4f} ms  {middle / base:5.2f} times stdlib json")  # fmt: skip
    text = b"({" * 100_000
    began = time.perf_counter()
    with contextlib.suppress(lpc.LpcError):
        lpc.decode(text)
    print(f"\n100 000 levels are refused in {(time.perf_counter() - began) * 1000:.3f} ms")


# --- tells ----------------------------------------------------------------------------------------


async def key_of(keys: ApiKeys) -> str:
    return await keys.add("bench", ["*"], {"*": (1e6, 1_000_000)})


@contextlib.asynccontextmanager
async def network(folder: Path) -> AsyncIterator[tuple[list[Part], list[I3Client]]]:
    async with contextlib.AsyncExitStack() as stack:
        router = Part("router", ("i3", "router", "--name", "*bench", "--port", "0", "--packet-rate", "0",
                                 "--data", str(folder / "router")))  # fmt: skip
        stack.push_async_callback(router.stop)
        address = await router.start()
        parts, clients = [router], []
        settings = folder / "gateway.toml"
        settings.write_text("pace_rate = 0\n")
        for mud in ("Harbour", "Keep"):
            data = folder / mud
            key = await with_keys(data, key_of)
            part = Part(mud, ("i3", "gateway", "--mud", mud, "--router", f"*bench={address}", "--port", "0",
                              "--data", str(data), "--config", str(settings)))  # fmt: skip
            stack.push_async_callback(part.stop)
            url = await part.start()
            parts.append(part)
            client = I3Client(url.replace("http", "ws", 1) + "/ws", key)
            clients.append(await stack.enter_async_context(client))
        for client in clients:
            while not all(mud.status == "up" for mud in (await client.mudlist()).muds) or len(
                (await client.mudlist()).muds
            ) < len(clients):
                await asyncio.sleep(0.05)
        yield parts, clients


async def tells() -> None:
    with tempfile.TemporaryDirectory() as name:
        async with network(Path(name)) as (parts, (ann, bo)):
            events = bo.events()

            async def next_tell() -> str:
                async for event in events:
                    if event.method == "tell_received":
                        return str(event.params["message"])
                raise AssertionError("the client ended")

            trips = []
            for number in range(TRIPS):
                began = time.perf_counter()
                sending = asyncio.ensure_future(
                    ann.tell("Keep", "bo", f"t{number}", from_user="ann")
                )
                assert await next_tell() == f"t{number}"
                trips.append((time.perf_counter() - began) * 1000)
                await sending
            print(
                f"tell, API to API: P50 {percentile(trips, 0.5):.3f} ms, P99 {percentile(trips, 0.99):.3f} ms"
            )

            gate = asyncio.Semaphore(UNDER_WAY)

            async def one(number: int) -> None:
                async with gate:
                    await ann.tell("Keep", "bo", f"b{number}", from_user="ann")

            for _ in range(3):
                began = time.perf_counter()
                sending = asyncio.gather(*(one(number) for number in range(BURST)))
                for number in range(BURST):
                    got = await next_tell()
                    assert got == f"b{number}", f"{got} came instead of b{number}"
                await sending
                rate = BURST / (time.perf_counter() - began)
                print(
                    f"burst of {BURST}, {UNDER_WAY} under way: {rate:,.0f}/s, none lost, none reordered"
                )
            memory(parts)


def memory(parts: list[Part]) -> None:
    for part in parts:
        assert part.process is not None
        resident = psutil.Process(part.process.pid).memory_info().rss / 1e6
        print(f"memory of {part.name}: {resident:.0f} MB")


async def idle() -> None:
    with tempfile.TemporaryDirectory() as name:
        async with network(Path(name)) as (parts, _):
            await asyncio.sleep(2)
            print("idle:")
            memory(parts)


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["codec", "tells", "memory"]
    if "codec" in wanted:
        codec()
    if "memory" in wanted:
        asyncio.run(idle())
    if "tells" in wanted:
        asyncio.run(tells())
