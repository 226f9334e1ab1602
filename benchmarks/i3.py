"""Intermud-3: ``python benchmarks/i3.py [codec|tells|memory]`` (peers: dependency group ``bench``).

Codec: the LPC values of real packets are written and read by ours and by JSON codecs on equal data; JSON is the simpler
format and its fast codecs are in C or Rust, so the ratio says how far ours is from what is possible at all. Each figure
is the median of rounds that take turns, with the spread behind it.

Tells: a router and two gateways, each a process of its own with everything on (SQLite, keys, limits, events that are
kept), and one client at each gateway over TCP. A round trip is from the call at one API until the event came out of the
other. The burst: tells that are called without waiting, until the last event is there; none may be missing or out of
order. First with a client that does next to nothing, so that the servers are what is measured; then with our own.
The processor's time of each process is told beside it: on a busy machine it says more than the rate.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import psutil
from apart import percentile

from holdfast.apps.i3 import lpc
from holdfast.apps.i3.client import I3Client
from holdfast.cli.i3_demo import Part
from holdfast.cli.i3_serving import with_keys
from holdfast.server import loop_factory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from holdfast.apps.i3.api import ApiKeys

ROUNDS = 5
ROUND_SECONDS = 0.15
TRIPS = 3000
BURST = 20_000
LOAD = 1000
LOAD_SECONDS = 10
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


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.asynccontextmanager
async def network(folder: Path) -> AsyncIterator[tuple[list[Part], list[tuple[int, str]]]]:
    """A router and two gateways that know each other; yields them, and port and key of each API."""
    async with contextlib.AsyncExitStack() as stack:
        router = Part("router", ("i3", "router", "--name", "*bench", "--port", "0", "--packet-rate", "0",
                                 "--data", str(folder / "router")))  # fmt: skip
        stack.push_async_callback(router.stop)
        address = await router.start()
        parts, doors = [router], []
        settings = folder / "gateway.toml"
        settings.write_text("pace_rate = 0\n")
        for mud in ("Harbour", "Keep"):
            data, port = folder / mud, free_port()
            key = await with_keys(data, key_of)
            part = Part(mud, ("i3", "gateway", "--mud", mud, "--router", f"*bench={address}", "--port", "0",
                              "--tcp-port", str(port), "--data", str(data), "--config", str(settings)))  # fmt: skip
            stack.push_async_callback(part.stop)
            await part.start()
            parts.append(part)
            doors.append((port, key))
        for port, key in doors:
            async with I3Client(f"tcp://127.0.0.1:{port}", key) as client:
                while sum(mud.status == "up" for mud in (await client.mudlist()).muds) < len(doors):
                    await asyncio.sleep(0.5)
        yield parts, doors


class Line(asyncio.Protocol):
    """A client that does next to nothing: it writes what it is given, and hands over lines."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport
        self.taken: Callable[[bytes], None] = lambda _: None

    @classmethod
    async def to(cls, port: int, key: str) -> Line:
        _, line = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        known = asyncio.Event()
        line.taken = lambda got: known.set() if b"session_id" in got else None
        line.write(msgspec.json.encode({"jsonrpc": "2.0", "method": "authenticate",
                                        "params": {"api_key": key}, "id": "a"}) + b"\n")  # fmt: skip
        await known.wait()
        return line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            "asyncio.Transport", transport
        )  # uvloop's is one by its methods only
        self.write, self.close = self._transport.write, self._transport.close

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self.taken(line)


def call(text: str, number: int) -> bytes:
    return (
        b'{"jsonrpc":"2.0","method":"tell","params":{"target_mud":"Keep","target_user":"bo",'
        b'"message":"%b","from_user":"ann"},"id":%d}\n' % (text.encode(), number)
    )


async def trips_of(ann: Line, bo: Line, count: int) -> list[float]:
    """Return milliseconds for each of so many tells, one after the other."""
    came = asyncio.Event()

    def taken(line: bytes) -> None:
        if b"tell_received" in line:
            assert expected in line, f"{line!r} came instead of {expected!r}"
            came.set()

    bo.taken = taken
    found = []
    for number in range(count):
        expected = b'"t%d"' % number
        began = time.perf_counter()
        ann.write(call(f"t{number}", number))
        await came.wait()
        found.append((time.perf_counter() - began) * 1000)
        came.clear()
    return found


async def load_of(ann: Line, bo: Line) -> tuple[list[float], int]:
    """Send at the target load; return the milliseconds of each tell that arrived, and how many were refused."""
    count, refused = LOAD * LOAD_SECONDS, 0
    began = [0.0] * count
    found: list[float] = []
    over = asyncio.Event()

    def answer(line: bytes) -> None:
        nonlocal refused
        refused += b'"error"' in line

    def event(line: bytes) -> None:
        if b"tell_received" in line:
            number = int(line.partition(b'"message":"l')[2].partition(b'"')[0])
            found.append((time.perf_counter() - began[number]) * 1000)
            if number == count - 1:
                over.set()

    ann.taken, bo.taken = answer, event
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(count):
        if (wait := start + number / LOAD - loop.time()) > 0:
            await asyncio.sleep(wait)
        began[number] = time.perf_counter()
        ann.write(call(f"l{number}", number))
    await over.wait()
    return found, refused


async def burst_of(ann: Line, bo: Line, count: int) -> float:
    """Return how many tells a second arrive; all have to, in order, and to be answered as sent."""
    over = asyncio.Event()
    sent = answered = arrived = 0

    def more() -> None:
        nonlocal sent
        fits = min(UNDER_WAY - (sent - answered), count - sent)
        if fits >= UNDER_WAY // 8 or fits == count - sent:
            ann.write(b"".join(call(f"b{number}", number) for number in range(sent, sent + fits)))
            sent += fits

    def answer(line: bytes) -> None:
        nonlocal answered
        if b'"result"' in line:
            assert b'"sent"' in line, line
            answered += 1
            more()

    def event(line: bytes) -> None:
        nonlocal arrived
        if b"tell_received" in line:
            assert b'"b%d"' % arrived in line, f"{line!r} came instead of b{arrived}"
            arrived += 1
            if arrived == count:
                over.set()

    ann.taken, bo.taken = answer, event
    began = time.perf_counter()
    more()
    await over.wait()
    return count / (time.perf_counter() - began)


async def tells() -> None:
    with tempfile.TemporaryDirectory() as name:
        async with network(Path(name)) as (parts, ((ann_port, ann_key), (bo_port, bo_key))):
            ann, bo = await Line.to(ann_port, ann_key), await Line.to(bo_port, bo_key)
            with processor(parts, TRIPS):
                show_trips("tell, API to API", await trips_of(ann, bo, TRIPS))
            with processor(parts, LOAD * LOAD_SECONDS):
                latencies, refused = await load_of(ann, bo)
                lost = LOAD * LOAD_SECONDS - len(latencies)
                show_trips(
                    f"{LOAD} a second for {LOAD_SECONDS} s, {refused} refused, {lost} lost",
                    latencies,
                )
            for _ in range(ROUNDS):
                with processor(parts, BURST):
                    rate = await burst_of(ann, bo, BURST)
                    print(
                        f"burst of {BURST}, {UNDER_WAY} under way: {rate:,.0f}/s, none lost, none reordered"
                    )
            ann.close()
            bo.close()
            memory(parts)
            urls = [f"tcp://127.0.0.1:{port}" for port in (ann_port, bo_port)]
            async with I3Client(urls[0], ann_key) as first, I3Client(urls[1], bo_key) as second:
                await first.connected(10)
                await second.connected(10)
                with processor(parts, TRIPS):
                    show_trips("the same with I3Client", await trips_of_clients(first, second))


async def trips_of_clients(ann: I3Client, bo: I3Client) -> list[float]:
    events = bo.events()
    found = []
    for number in range(TRIPS):
        began = time.perf_counter()
        sending = asyncio.ensure_future(ann.tell("Keep", "bo", f"c{number}", from_user="ann"))
        async for event in events:
            if event.method == "tell_received" and event.params["message"] == f"c{number}":
                break
        found.append((time.perf_counter() - began) * 1000)
        await sending
    return found


def show_trips(what: str, trips: list[float]) -> None:
    print(f"{what}: P50 {percentile(trips, 0.5):.3f} ms, P99 {percentile(trips, 0.99):.3f} ms")


@contextlib.contextmanager
def processor(parts: list[Part], count: int) -> Iterator[None]:
    """Say how much of a processor each process took for each of so many things."""
    processes = {part.name: psutil.Process(part.process.pid) for part in parts if part.process}
    processes["client"] = psutil.Process()
    before = {name: sum(each.cpu_times()[:2]) for name, each in processes.items()}
    yield
    taken = {name: sum(each.cpu_times()[:2]) - before[name] for name, each in processes.items()}
    print(
        "  processor, each: "
        + ", ".join(f"{name} {each / count * 1e6:.0f} µs" for name, each in taken.items())
    )


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


def run(work: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=loop_factory("auto")) as runner:
        runner.run(work)


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["codec", "tells", "memory"]
    if "codec" in wanted:
        codec()
    if "memory" in wanted:
        run(idle())
    if "tells" in wanted:
        run(tells())
