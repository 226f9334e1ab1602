"""A durable queue from end to end: ``python benchmarks/outbox.py [seconds]`` (peers: dependency group ``bench``).

The workload: messages of 100 bytes are enqueued by 1 and by 50 producers, each waiting until its message is stored
before the next; they are claimed, handed over and acknowledged meanwhile, until the last one is done. Durable means:
survives a power cut (fsync before the answer), except where it says otherwise. Each library in a process of its own, on
the same disk, as its documentation has it; Redis (``appendfsync always``) and NATS from Debian, on 127.0.0.1. Printed:
messages a second, and how many times as many ours does. Beside it: what the disk and SQLite can do at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apart import in_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ROUNDS = 3
BODY = b"x" * 100
BATCH = 100


class Count:
    """Messages that were produced and done; who produces stops when the time is over."""

    def __init__(self, seconds: float) -> None:
        self.began = time.perf_counter()
        self.ends = self.began + seconds
        self.produced = 0
        self.done = 0

    @property
    def is_open(self) -> bool:
        return time.perf_counter() < self.ends

    def rate(self) -> float:
        assert self.done == self.produced, f"{self.produced} produced, {self.done} done"
        return self.done / (time.perf_counter() - self.began)


async def produce(count: Count, producers: int, put: Callable[[], Awaitable[object]]) -> None:
    async def one() -> None:
        while count.is_open:
            await put()
            count.produced += 1

    await asyncio.gather(*(one() for _ in range(producers)))


# --- ours -----------------------------------------------------------------------------------------


async def holdfast(folder: Path, producers: int, count: Count) -> None:
    from holdfast.delivery import MIGRATIONS, Outbox
    from holdfast.storage import Database

    async def send(_: object) -> None: ...

    async with Database(folder / "a.db", MIGRATIONS) as database, Outbox(database, send) as outbox:
        await produce(count, producers, lambda: outbox.submit("gate", BODY))
        while outbox.queued:  # until it is stored that all have arrived
            await asyncio.sleep(0.001)
        count.done = int((await outbox.statistics())["delivered"])


# --- queues on SQLite: each thread puts one and takes one, so that nothing piles up ---------------


def by_threads(
    producers: int, count: Count, put: Callable[[], object], take: Callable[[], bool]
) -> None:
    lock = threading.Lock()

    def one() -> None:
        while count.is_open:
            put()
            done = take()
            with lock:
                count.produced += 1
                count.done += done

    with ThreadPoolExecutor(producers) as pool:
        for each in [pool.submit(one) for _ in range(producers)]:
            each.result()
    while count.done < count.produced and take():
        count.done += 1


def persist_queue(folder: Path, producers: int, count: Count) -> None:
    library = importlib.import_module("persistqueue")
    queue = library.SQLiteAckQueue(str(folder), multithreading=True, auto_commit=True)
    for connection in (queue._putter, queue._getter):
        connection.execute("PRAGMA synchronous=FULL")

    def take() -> bool:
        try:
            queue.ack(queue.get(block=False))
        except library.exceptions.Empty:
            return False
        return True

    by_threads(producers, count, lambda: queue.put(BODY), take)


def litequeue(folder: Path, producers: int, count: Count) -> None:
    library = importlib.import_module("litequeue")
    own = threading.local()

    def queue() -> Any:
        if not hasattr(own, "queue"):
            own.queue = library.LiteQueue(str(folder / "lite.db"))
            own.queue.conn.execute("PRAGMA synchronous=FULL")
            own.queue.conn.execute("PRAGMA busy_timeout=20000")
        return own.queue

    queue()
    text = BODY.decode()

    def take() -> bool:
        message = queue().pop()
        if message is None:
            return False
        queue().done(message.message_id)
        return True

    by_threads(producers, count, lambda: queue().put(text), take)


def huey(folder: Path, producers: int, count: Count) -> None:
    library = importlib.import_module("huey.storage")
    storage = library.SqliteStorage("bench", str(folder / "huey.db"), fsync=True, timeout=20)
    by_threads(
        producers, count, lambda: storage.enqueue(BODY), lambda: storage.dequeue() is not None
    )


# --- servers --------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


@contextlib.asynccontextmanager
async def serving(port: int, *command: str) -> AsyncIterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.asynccontextmanager
async def redis_in(folder: Path) -> AsyncIterator[Any]:
    library = importlib.import_module("redis.asyncio")
    port = free_port()
    command = f"redis-server --port {port} --bind 127.0.0.1 --dir {folder} --save  "
    command += "--appendonly yes --appendfsync always"
    async with (
        serving(port, *command.split(" ")),
        library.Redis(port=port, max_connections=200) as client,
    ):
        await client.xgroup_create("out", "workers", id="0", mkstream=True)
        yield client


async def redis_streams(folder: Path, producers: int, count: Count) -> None:
    """One command at a time, as most programs use it."""
    async with redis_in(folder) as client:
        producing = asyncio.create_task(
            produce(count, producers, lambda: client.xadd("out", {"body": BODY}))
        )
        while not (producing.done() and count.done == count.produced):
            found = await client.xreadgroup("workers", "w", {"out": ">"}, count=1, block=5)
            for _, entries in found:
                for id_, _ in entries:
                    await client.xack("out", "workers", id_)
                    await client.xdel("out", id_)
                    count.done += 1
        await producing


async def redis_batched(folder: Path, producers: int, count: Count) -> None:
    """All that came up meanwhile in one pipeline, in both directions."""
    async with redis_in(folder) as client:
        waiting: list[asyncio.Future[None]] = []
        news = asyncio.Event()

        async def put() -> None:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiting.append(done)
            news.set()
            await done

        async def write() -> None:
            while True:
                await news.wait()
                news.clear()
                mine = waiting.copy()
                waiting.clear()
                pipeline = client.pipeline(transaction=False)
                for _ in mine:
                    pipeline.xadd("out", {"body": BODY})
                await pipeline.execute()
                for done in mine:
                    done.set_result(None)

        writer = asyncio.create_task(write())
        producing = asyncio.create_task(produce(count, producers, put))
        while not (producing.done() and count.done == count.produced):
            found = await client.xreadgroup("workers", "w", {"out": ">"}, count=BATCH, block=5)
            for _, entries in found:
                ids = [id_ for id_, _ in entries]
                pipeline = client.pipeline(transaction=False)
                pipeline.xack("out", "workers", *ids)
                pipeline.xdel("out", *ids)
                await pipeline.execute()
                count.done += len(ids)
        await producing
        writer.cancel()


async def jetstream(folder: Path, producers: int, count: Count) -> None:
    """Flushed every two minutes, its default: survives the end of the process only."""
    library = importlib.import_module("nats")
    port = free_port()
    async with serving(
        port, "nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder)
    ):
        client = await library.connect(f"nats://127.0.0.1:{port}")
        stream = client.jetstream()
        await stream.add_stream(name="out", subjects=["out"])
        consumer = await stream.pull_subscribe("out", durable="w")
        producing = asyncio.create_task(
            produce(count, producers, lambda: stream.publish("out", BODY))
        )
        while not (producing.done() and count.done == count.produced):
            try:
                messages = await consumer.fetch(BATCH, timeout=0.05)
            except TimeoutError:
                continue
            await asyncio.gather(*(message.ack_sync() for message in messages))
            count.done += len(messages)
        await producing
        await client.close()


LIBRARIES: dict[str, Callable[..., Any]] = {
    "holdfast": holdfast,
    "persist-queue": persist_queue,
    "litequeue": litequeue,
    "huey (no acknowledgement)": huey,
    "Redis streams": redis_streams,
    "Redis streams, batched": redis_batched,
    "NATS JetStream (flushed later)": jetstream,
}


def one(name: str, producers: int, seconds: float) -> dict[str, float]:
    run = LIBRARIES[name]
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        count = Count(seconds)
        found = run(Path(folder), producers, count)
        if found is not None:
            asyncio.run(timed(found, count))
        return {"rate": count.rate()}


async def timed(running: Awaitable[None], count: Count) -> None:
    async with asyncio.timeout(60 + count.ends - count.began):
        await running


def limits() -> None:
    """Print what disk and SQLite do with nothing around them."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        connection = sqlite3.connect(Path(folder) / "raw.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE queue (number INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        for size in (1, 50, 1000):
            began, total = time.perf_counter(), 0
            while (took := time.perf_counter() - began) < 1:
                connection.execute("BEGIN")
                rows = [(number, BODY) for number in range(size)]
                connection.executemany("INSERT INTO queue VALUES (?, ?)", rows)
                connection.execute("COMMIT")
                connection.execute("BEGIN")
                connection.executemany(
                    "DELETE FROM queue WHERE number = ?", [row[:1] for row in rows]
                )
                connection.execute("COMMIT")
                total += size
            print(
                f"limit: {total / took:9,.0f} messages a second, {size} inserted in one commit and deleted in another"
            )
        connection.close()


def main(seconds: float) -> None:
    for producers in (1, 50):
        print(f"\n{producers} producers, {ROUNDS} rounds of {seconds:g} s")
        print(f"  {'':32s} {'messages/s':>10s} {'spread':>7s}  ours is")
        ours = 0.0
        for name in LIBRARIES:
            found = [
                in_process(__file__, name, producers, seconds, limit=90 + seconds)
                for _ in range(ROUNDS)
            ]
            rates = [figures["rate"] for figures in found if figures is not None]
            if not rates:
                continue
            middle = statistics.median(rates)
            spread = 100 * (max(rates) - min(rates)) / middle
            ours = ours or middle
            print(f"  {name:32s} {middle:10,.0f} {spread:6.0f}% {ours / middle:7.1f} x", flush=True)
    limits()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2], int(float(sys.argv[3])), float(sys.argv[4]))))
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
