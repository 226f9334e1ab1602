"""One HTML page of what a server does: ``python benchmarks/report.py [minutes of soak] [file]`` (default: 2, report.html).

A hub with SQLite (answers survive a power cut) in a process of its own, clients in this one, on loopback. Measured: codec
throughput; latency of acknowledged messages by load; sessions at once with memory and CPU; a spike of ten times the load and
the recovery; a soak with clients that lose their connection again and again, and whether memory grows. The limits that we
hold ourselves to stand beside what was seen: error rate below 0.1 %, mean latency below 100 ms, CPU below 80 %, growth below 100 MB.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import platform
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
from apart import percentile

from holdfast.session import Hub, HubRunner, HubSettings, SessionClient, wire
from holdfast.session.store import MIGRATIONS
from holdfast.storage import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from holdfast.session import Handshake, PresenceState, Session, Transaction

FREE = 1_000_000
CLIENTS = 100
RATES = (100, 500, 1000, 2000, 4000)
SESSIONS = (100, 500, 1000, 2000)
SETTLE = 120.0
"""Seconds for what is still under way when a load ends."""
BASE_RATE, SPIKE = 200, 10
ERROR_LIMIT, MEAN_LIMIT, CPU_LIMIT, LEAK_LIMIT = 0.001, 0.100, 0.80, 100e6


# --- the server -----------------------------------------------------------------------------------


class Echo:
    """Keeps each message and answers with how many there are."""

    name = "echo"
    migrations = ("CREATE TABLE said (n INTEGER PRIMARY KEY, text TEXT NOT NULL)",)

    def __init__(self) -> None:
        self.count = 0

    async def load(self, hub: Hub) -> None:
        pass

    def open(self, tx: Transaction, session: Session, auth: bytes, handshake: Handshake) -> None:
        session.principal = "somebody"

    def message(self, tx: Transaction, session: Session, body: bytes) -> object:
        self.count += 1
        tx.execute("INSERT INTO said (text) VALUES (?)", (body.decode(),))
        return self.count

    def snapshot(self, session: Session, channel: str) -> object:
        return {}

    def presence(self, tx: Transaction, session: Session, state: PresenceState) -> None:
        pass


async def serve(folder: Path) -> None:
    from holdfast.server.ws import HubProtocol, TurnFlusher

    settings = HubSettings(message_rate=FREE, message_burst=FREE, frame_rate=FREE, frame_burst=FREE)
    echo = Echo()
    migrations = {"session": MIGRATIONS, "echo": echo.migrations}
    async with Database(folder / "report.db", migrations) as database:
        hub = Hub(echo, database=database, settings=settings)
        async with HubRunner(hub):
            flusher = TurnFlusher()
            loop = asyncio.get_running_loop()
            server = await loop.create_server(
                lambda: HubProtocol(hub, flusher), "127.0.0.1", 0, backlog=4096
            )
            print(server.sockets[0].getsockname()[1], flush=True)
            await server.serve_forever()


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[tuple[str, psutil.Process]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "serve", folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            port = int(await asyncio.to_thread(process.stdout.readline))
            yield f"ws://127.0.0.1:{port}/ws", psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


# --- the load -------------------------------------------------------------------------------------


@dataclass
class Load:
    """Messages at a rate, whatever the answers do: who waits for answers hides how slow they are."""

    clients: Sequence[SessionClient]
    took: list[tuple[float, float]] = field(default_factory=list)
    errors: int = 0
    sending: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, rate: float, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        while (now := loop.time()) - began < seconds:
            while sent < (now - began) * rate:
                task = asyncio.create_task(self._one(self.clients[sent % len(self.clients)]))
                self.sending.add(task)
                task.add_done_callback(self.sending.discard)
                sent += 1
            await asyncio.sleep(0.002)

    async def _one(self, client: SessionClient) -> None:
        began = time.perf_counter()
        try:
            await client.send({"text": "x" * 80})
        except Exception:
            self.errors += 1
        else:
            self.took.append((began, time.perf_counter() - began))

    async def settled(self) -> None:
        """Wait for what is under way; what has no answer after so long is an error, not the end."""
        if not self.sending:
            return
        _, late = await asyncio.wait(set(self.sending), timeout=SETTLE)
        self.errors += len(late)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


@contextlib.asynccontextmanager
async def people(url: str, count: int) -> AsyncIterator[list[SessionClient]]:
    clients = [SessionClient(url, {}) for _ in range(count)]
    gate = asyncio.Semaphore(200)

    async def enter(client: SessionClient) -> None:
        async with gate:
            await client.__aenter__()

    await asyncio.gather(*(enter(client) for client in clients))
    try:
        yield clients
    finally:
        await asyncio.gather(*(client.__aexit__(None, None, None) for client in clients))


class Watch:
    """Memory and CPU of the server, twice a second."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.points: list[tuple[float, float, float]] = []

    async def run(self) -> None:
        self._process.cpu_percent()
        while True:
            await asyncio.sleep(0.5)
            memory = self._process.memory_info().rss
            self.points.append((time.perf_counter(), memory, self._process.cpu_percent() / 100))

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.run())
        try:
            yield
        finally:
            task.cancel()


# --- what is measured -----------------------------------------------------------------------------


def codec() -> str:
    body = msgspec.Raw(msgspec.json.encode({"text": "x" * 80}))
    frame = wire.Send("0123456789abcdef", 1, body)
    rows = []
    for name, one in (("JSON", wire.JSON), ("MessagePack", wire.MSGPACK)):
        raw = one.from_json(bytes(body)) if one is wire.MSGPACK else body
        frame = wire.Send("0123456789abcdef", 1, raw)
        encoded = one.encode(frame)
        rates = [
            per_second(lambda: one.encode(frame)),
            per_second(lambda: one.client_frames(encoded)),
        ]
        rows.append((name, *(f"{rate / 1000:,.0f} k/s" for rate in rates), f"{len(encoded)} bytes"))
    return table("Codec", ("", "encode", "decode", "a message of 100 bytes"), rows)


def per_second(work: Callable[[], object]) -> float:
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < 0.5:
        for _ in range(1000):
            work()
        count += 1000
    return count / (time.perf_counter() - began)


async def latency(url: str, process: psutil.Process) -> str:
    rows, curves = [], {"P50": [], "P95": [], "P99": []}  # type: ignore[var-annotated]
    done: list[tuple[float, float]] = []
    used: list[tuple[float, float]] = []
    async with people(url, CLIENTS) as clients:
        for rate in RATES:
            load = Load(clients)
            process.cpu_percent()
            began = time.perf_counter()
            await load.run(rate, 5.0)
            cpu = process.cpu_percent() / 100
            await load.settled()
            last = max(at + took for at, took in load.took)
            done.append((rate, len(load.took) / (last - began)))
            used.append((rate, 100 * cpu))
            times = [took for _, took in load.took]
            found = [1000 * percentile(times, share) for share in (0.5, 0.95, 0.99)]
            for curve, value in zip(curves.values(), found, strict=True):
                curve.append((rate, value))
            mean = sum(times) / len(times)
            rows.append(
                (f"{rate}/s", f"{done[-1][1]:,.0f}/s", *(f"{value:.1f} ms" for value in found), f"{1000 * mean:.1f} ms",
                 f"{cpu:.0%}", f"{load.errors / (len(times) + load.errors):.2%}")
            )  # fmt: skip
    head = ("messages", "acknowledged", "P50", "P95", "P99", "mean", "CPU of the server", "errors")
    unit = "messages a second"
    drawing = plot("Acknowledged messages a second, by load", {"acknowledged": done}, unit=unit)
    drawing += plot("Latency by load, ms", curves, unit=unit)
    drawing += plot("CPU of the server by load, %", {"CPU": used}, unit=unit)
    return table(f"Latency of acknowledged messages, {CLIENTS} clients", head, rows) + drawing


async def sessions(url: str, process: psutil.Process) -> str:
    before = process.memory_info().rss
    rows, curve = [], []
    for count in SESSIONS:
        began = time.perf_counter()
        async with people(url, count):
            took = time.perf_counter() - began
            await asyncio.sleep(1.0)
            process.cpu_percent()
            await asyncio.sleep(2.0)
            cpu = process.cpu_percent() / 100
            memory = process.memory_info().rss
        curve.append((count, memory / 1e6))
        each = (memory - before) / count / 1000
        rows.append(
            (count, f"{took:.1f} s", f"{memory / 1e6:.0f} MB", f"{each:.1f} kB", f"{cpu:.1%}")
        )
    head = ("sessions at once", "all open after", "memory", "each", "CPU while idle")
    drawing = plot("Memory by sessions, MB", {"memory": curve}, unit="sessions")
    return table(f"Sessions; baseline of the server {before / 1e6:.0f} MB", head, rows) + drawing


async def spike(url: str, process: psutil.Process) -> str:
    watch = Watch(process)
    async with people(url, CLIENTS) as clients, watch.watching():
        load = Load(clients)
        began = time.perf_counter()
        for rate, seconds in ((BASE_RATE, 10), (BASE_RATE * SPIKE, 10), (BASE_RATE, 15)):
            await load.run(rate, seconds)
        await load.settled()
    calm = [took for at, took in load.took if at - began < 10]
    hot = [took for at, took in load.took if 10 <= at - began < 20]
    after = [took for at, took in load.took if at - began >= 25]
    rows = [
        (
            name,
            f"{1000 * percentile(times, 0.5):.1f} ms",
            f"{1000 * percentile(times, 0.99):.1f} ms",
        )
        for name, times in (("before", calm), (f"{SPIKE} × the load", hot), ("5 s after it", after))
    ]
    total = len(load.took) + load.errors
    rows.append(("errors", f"{load.errors} of {total}", f"{load.errors / total:.2%}"))
    seconds = by_second([(at - began, 1000 * took) for at, took in load.took], 0.99)
    return table("Spike and recovery", ("", "P50", "P99"), rows) + plot(
        "P99 by second, ms", {"P99": seconds}, unit="s"
    )


async def soak(url: str, process: psutil.Process, minutes: float) -> str:
    source, watch = random.Random(1), Watch(process)
    cuts = 0
    async with people(url, CLIENTS) as clients, watch.watching():
        load = Load(clients)
        began = time.perf_counter()
        running = asyncio.create_task(load.run(BASE_RATE, 60 * minutes))
        while not running.done():
            source.choice(clients).cut()
            cuts += 1
            await asyncio.sleep(0.05)
        await running
        await load.settled()
        returns = sum(client.restored for client in clients)
    memory = [(at - began, rss) for at, rss, _ in watch.points]
    settled = [rss for at, rss in memory if at > 10] or [rss for _, rss in memory]
    growth = settled[-1] - settled[0]
    times = [took for _, took in load.took]
    mean, total = sum(times) / len(times), len(times) + load.errors
    cpu = sum(share for _, _, share in watch.points) / len(watch.points)
    rows = [
        ("messages", f"{total:,}", ""),
        ("connections cut, returns", f"{cuts:,}, {returns:,}", ""),
        (
            "error rate",
            f"{load.errors / total:.3%}",
            verdict(load.errors / total < ERROR_LIMIT, "< 0.1 %"),
        ),
        ("mean latency", f"{1000 * mean:.1f} ms", verdict(mean < MEAN_LIMIT, "< 100 ms")),
        ("CPU of the server", f"{cpu:.0%}", verdict(cpu < CPU_LIMIT, "< 80 %")),
        ("growth of memory", f"{growth / 1e6:+.1f} MB", verdict(growth < LEAK_LIMIT, "< 100 MB")),
    ]
    lines = {"memory": [(at, rss / 1e6) for at, rss in memory]}
    drawing = plot("Memory of the server, MB", lines, unit="s")
    seconds = by_second([(at - began, 1000 * took) for at, took in load.took], 0.99)
    drawing += plot("P99 by second, ms", {"P99": seconds}, unit="s")
    return (
        table(f"Soak, {minutes:g} minutes with cut connections", ("", "seen", "limit"), rows)
        + drawing
    )


def by_second(points: list[tuple[float, float]], share: float) -> list[tuple[float, float]]:
    seconds: dict[int, list[float]] = {}
    for at, value in points:
        seconds.setdefault(int(at), []).append(value)
    return [(second, percentile(values, share)) for second, values in sorted(seconds.items())]


def verdict(is_met: bool, limit: str) -> str:
    return f"{'met' if is_met else 'MISSED'}: {limit}"


# --- the page -------------------------------------------------------------------------------------

COLOURS = ("#a06a00", "#1d6b12", "#a3162a")
WIDTH, HEIGHT, LEFT, BOTTOM = 720, 240, 60, 30
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #16130e; background: #faf6ec }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem } th, td { text-align: left; padding: 0.25rem 1rem 0.25rem 0; border-bottom: 1px solid #d8cfb8 }
.wide { overflow-x: auto } td { white-space: nowrap } td { font-variant-numeric: tabular-nums } svg { background: #fff; border-radius: 0.6rem; margin-bottom: 1.5rem; max-width: 100%; height: auto }
"""


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    def cells(tag: str, row: Sequence[Any]) -> str:
        return "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in row)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<h2>{html.escape(title)}</h2><div class=wide><table><tr>{cells('th', head)}</tr>{body}</table></div>"


def figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plot(title: str, curves: dict[str, list[tuple[float, float]]], *, unit: str) -> str:
    points = [point for curve in curves.values() for point in curve]
    right = max((x for x, _ in points), default=1) or 1
    top = 1.1 * max((y for _, y in points), default=1) or 1

    def place(x: float, y: float) -> str:
        across = LEFT + (WIDTH - LEFT - 20) * x / right
        return f"{across:.1f},{HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 30) * y / top:.1f}"

    parts = [f'<text x="{LEFT}" y="20" font-weight="700">{html.escape(title)}</text>']
    for share in (0, 0.5, 1):
        across, up = place(right * share, 0).split(",")[0], place(0, top * share).split(",")[1]
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{up}" y2="{up}" stroke="#e4dcc8"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{float(up) + 4}" text-anchor="end">{figure(top * share)}</text>'
        )
        parts.append(
            f'<text x="{across}" y="{HEIGHT - 8}" text-anchor="middle">{figure(right * share)}</text>'
        )
    parts.append(f'<text x="{WIDTH - 20}" y="20" text-anchor="end" fill="#5b5445">{unit}</text>')
    for number, (name, curve) in enumerate(curves.items()):
        line = " ".join(place(x, y) for x, y in curve)
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(curves) > 1 and curve:
            x, y = place(*curve[-1]).split(",")
            parts.append(
                f'<text x="{float(x) - 4}" y="{float(y) - 6}" text-anchor="end" fill="{colour}">{name}</text>'
            )
    inside = "".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" font-family="system-ui" font-size="12" role="img">{inside}</svg>'


async def main(minutes: float, target: Path) -> None:
    sections = [codec()]
    for name, work in (
        ("latency", latency),
        ("sessions", sessions),
        ("spike", spike),
        ("soak", lambda url, process: soak(url, process, minutes)),
    ):
        print(f"{name} …", flush=True)
        async with serving() as (url, process):
            sections.append(await work(url, process))
    machine = (
        f"{psutil.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}"
    )
    target.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=width=device-width><title>Holdfast: report</title><style>{STYLE}</style>"
        f"<h1>Holdfast: what a server does</h1><p>{time.strftime('%Y-%m-%d %H:%M')}, {machine}; clients and server on one "
        f"machine, over loopback. Every acknowledgement survives a power cut.</p>{''.join(sections)}</html>",
        "utf-8",
    )
    print(f"{target} is written.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(Path(sys.argv[2])))
    else:
        soak_minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
        asyncio.run(main(soak_minutes, Path(sys.argv[2] if len(sys.argv) > 2 else "report.html")))
