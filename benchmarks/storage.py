"""Reads and durable writes under load: ``python benchmarks/storage.py [seconds]`` (peers: dependency group ``bench``).

The workload: 80 % reads of one row by its key, 20 % inserts of one row that are durable when they return
(``synchronous=FULL``, WAL), by 50 and by 200 tasks at once, on a table of 100,000 rows, each library in a process of
its own and as its documentation has it. Printed: operations a second, the 99th percentile of writes and the mean of all
operations in milliseconds, how late the event loop was (99th percentile), and how many times as many ours does.
Beside it: what the disk and SQLite can do at most, with nothing around them.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apart import in_process, percentile

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROWS = 100_000
ROUNDS = 3
READ = "SELECT body FROM item WHERE id = ?"
WRITE = "INSERT INTO item (body) VALUES (?)"
BODY = "x" * 100
PRAGMAS = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")

Read = "Callable[[int], Awaitable[object]]"
Write = "Callable[[], Awaitable[object]]"


def filled(folder: Path) -> Path:
    path = folder / "bench.db"
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO item (body) VALUES (?)", [(BODY,)] * ROWS)
    connection.execute("COMMIT")
    connection.close()
    return path


# --- the libraries: each makes a read and a write -------------------------------------------------


async def holdfast(stack: AsyncExitStack, path: Path) -> tuple[Any, Any]:
    from holdfast.storage import Database

    database = await stack.enter_async_context(Database(path, {}))
    return (
        lambda key: database.fetch_one(READ, (key,)),
        lambda: database.execute(WRITE, (BODY,)),
    )


async def holdfast_threads(stack: AsyncExitStack, path: Path) -> tuple[Any, Any]:
    from holdfast.storage import Database

    database = await stack.enter_async_context(Database(path, {}))
    return (
        lambda key: database.read(lambda c: c.execute(READ, (key,)).fetchone()),
        lambda: database.execute(WRITE, (BODY,)),
    )


async def aiosqlite_one(stack: AsyncExitStack, path: Path) -> tuple[Any, Any]:
    aiosqlite = importlib.import_module("aiosqlite")
    database = await stack.enter_async_context(aiosqlite.connect(path, isolation_level=None))
    for pragma in PRAGMAS:
        await database.execute(pragma)

    async def read(key: int) -> object:
        async with database.execute(READ, (key,)) as cursor:
            return await cursor.fetchone()

    return read, lambda: database.execute(WRITE, (BODY,))


async def aiosqlite_pool(stack: AsyncExitStack, path: Path) -> tuple[Any, Any]:
    aiosqlite = importlib.import_module("aiosqlite")
    pool: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(5):
        database = await stack.enter_async_context(aiosqlite.connect(path, isolation_level=None))
        for pragma in PRAGMAS:
            await database.execute(pragma)
        pool.put_nowait(database)

    async def read(key: int) -> object:
        database = await pool.get()
        try:
            async with database.execute(READ, (key,)) as cursor:
                return await cursor.fetchone()
        finally:
            pool.put_nowait(database)

    async def write() -> None:
        database = await pool.get()
        try:
            await database.execute(WRITE, (BODY,))
        finally:
            pool.put_nowait(database)

    return read, write


async def aiosqlitepool(stack: AsyncExitStack, path: Path) -> tuple[Any, Any]:
    aiosqlite = importlib.import_module("aiosqlite")
    library = importlib.import_module("aiosqlitepool")

    async def connect() -> Any:
        database = await aiosqlite.connect(path, isolation_level=None)
        for pragma in PRAGMAS:
            await database.execute(pragma)
        return database

    pool = await stack.enter_async_context(
        library.SQLiteConnectionPool(connection_factory=connect, pool_size=5)
    )

    async def read(key: int) -> object:
        async with pool.connection() as database:
            cursor = await database.execute(READ, (key,))
            return await cursor.fetchone()

    async def write() -> None:
        async with pool.connection() as database:
            await database.execute(WRITE, (BODY,))

    return read, write


async def sqlalchemy_async(stack: AsyncExitStack, path: Path) -> tuple[Any, Any]:
    sqlalchemy = importlib.import_module("sqlalchemy")
    aio = importlib.import_module("sqlalchemy.ext.asyncio")
    engine = aio.create_async_engine(f"sqlite+aiosqlite:///{path}")
    stack.push_async_callback(engine.dispose)

    @sqlalchemy.event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        for pragma in PRAGMAS:
            connection.execute(pragma)

    select = sqlalchemy.text("SELECT body FROM item WHERE id = :id")
    insert = sqlalchemy.text("INSERT INTO item (body) VALUES (:body)")

    async def read(key: int) -> object:
        async with engine.connect() as connection:
            return (await connection.execute(select, {"id": key})).first()

    async def write() -> None:
        async with engine.begin() as connection:
            await connection.execute(insert, {"body": BODY})

    return read, write


async def databases(stack: AsyncExitStack, path: Path) -> tuple[Any, Any]:
    library = importlib.import_module("databases")
    database = await stack.enter_async_context(library.Database(f"sqlite+aiosqlite:///{path}"))
    return (
        lambda key: database.fetch_one("SELECT body FROM item WHERE id = :id", {"id": key}),
        lambda: database.execute("INSERT INTO item (body) VALUES (:body)", {"body": BODY}),
    )


async def apsw_async(stack: AsyncExitStack, path: Path) -> tuple[Any, Any]:
    apsw = importlib.import_module("apsw")
    database = await apsw.Connection.as_async(str(path))
    stack.push_async_callback(database.aclose)
    for pragma in PRAGMAS:
        await database.pragma(*pragma.removeprefix("PRAGMA ").split("="))

    async def read(key: int) -> object:
        return [row async for row in await database.execute(READ, (key,))]

    return read, lambda: database.execute(WRITE, (BODY,))


async def default_executor(stack: AsyncExitStack, path: Path) -> tuple[Any, Any]:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    stack.callback(connection.close)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    thread = ThreadPoolExecutor(1)
    loop = asyncio.get_running_loop()
    return (
        lambda key: loop.run_in_executor(
            thread, lambda: connection.execute(READ, (key,)).fetchone()
        ),
        lambda: loop.run_in_executor(thread, connection.execute, WRITE, (BODY,)),
    )


LIBRARIES: dict[str, Callable[[AsyncExitStack, Path], Awaitable[tuple[Any, Any]]]] = {
    "holdfast": holdfast,
    "holdfast, reads in threads": holdfast_threads,
    "sqlite3 in one thread": default_executor,
    "aiosqlite, one connection": aiosqlite_one,
    "aiosqlite, pool of 5": aiosqlite_pool,
    "aiosqlitepool": aiosqlitepool,
    "apsw async": apsw_async,
    "SQLAlchemy async": sqlalchemy_async,
    "databases": databases,
}


# --- one measurement, in a process of its own -----------------------------------------------------


async def measure(name: str, tasks: int, seconds: float) -> dict[str, float]:
    source = random.Random(7)
    reads: list[float] = []
    writes: list[float] = []
    lags: list[float] = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        path = filled(Path(folder))
        async with AsyncExitStack() as stack:
            read, write = await LIBRARIES[name](stack, path)
            ends = time.perf_counter() + seconds

            async def work() -> None:
                while (began := time.perf_counter()) < ends:
                    if source.random() < 0.8:
                        assert await read(source.randrange(1, ROWS))
                        reads.append(time.perf_counter() - began)
                    else:
                        await write()
                        writes.append(time.perf_counter() - began)

            async def watch() -> None:
                while (began := time.perf_counter()) < ends:
                    await asyncio.sleep(0.005)
                    lags.append(time.perf_counter() - began - 0.005)

            await asyncio.gather(watch(), *(work() for _ in range(tasks)))
        with sqlite3.connect(path) as connection:
            kept = connection.execute("SELECT count(*) FROM item").fetchone()[0] - ROWS
        connection.close()
    assert kept == len(writes), f"{name} acknowledged {len(writes)} and kept {kept}"
    return {
        "rate": (len(reads) + len(writes)) / seconds,
        "write_p99": 1000 * percentile(writes, 0.99),
        "mean": 1000 * statistics.fmean([*reads, *writes]),
        "lag_p99": 1000 * percentile(lags, 0.99),
    }


def limits() -> None:
    """Print what disk and SQLite do with nothing around them."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        path = filled(Path(folder))
        with (Path(folder) / "raw").open("wb") as file:
            began, count = time.perf_counter(), 1000
            for _ in range(count):
                file.write(b"x" * 4096)
                file.flush()
                os.fdatasync(file.fileno())
            flushes = count / (time.perf_counter() - began)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(PRAGMAS[1])
        print(f"\nlimits: {flushes:,.0f} flushes of 4 kB a second")
        for rows in (1, 17, 100):
            began, total = time.perf_counter(), 0
            while (took := time.perf_counter() - began) < 1:
                connection.execute("BEGIN")
                connection.executemany(WRITE, [(BODY,)] * rows)
                connection.execute("COMMIT")
                total += rows
            print(f"        {total / took:,.0f} rows a second with {rows} a commit (executemany)")
        began, total = time.perf_counter(), 0
        while (took := time.perf_counter() - began) < 1:
            for key in range(1, 1000):
                connection.execute(READ, (key,)).fetchone()
            total += 999
        print(f"        {total / took:,.0f} reads a second in a plain loop")
        connection.close()


def main(seconds: float) -> None:
    for tasks in (50, 200):
        print(
            f"\n{tasks} tasks, 80 % reads, 20 % durable inserts, {ROUNDS} rounds of {seconds:g} s"
        )
        print(
            f"  {'':30s} {'ops/s':>9s} {'spread':>7s} {'write p99':>10s} {'mean ms':>8s} {'lag p99':>8s}  ours is"
        )
        ours = 0.0
        for name in LIBRARIES:
            found = [
                in_process(__file__, name, tasks, seconds, limit=60 + 10 * seconds)
                for _ in range(ROUNDS)
            ]
            rounds = [figures for figures in found if figures is not None]
            if not rounds:
                continue
            middle = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
            rates = [each["rate"] for each in rounds]
            spread = 100 * (max(rates) - min(rates)) / middle["rate"]
            ours = ours or middle["rate"]
            print(
                f"  {name:30s} {middle['rate']:9,.0f} {spread:6.0f}% {middle['write_p99']:10.2f} "
                f"{middle['mean']:8.3f} {middle['lag_p99']:8.2f} {ours / middle['rate']:7.1f} x",
                flush=True,
            )
    limits()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(
            json.dumps(
                asyncio.run(measure(sys.argv[2], int(float(sys.argv[3])), float(sys.argv[4])))
            )
        )
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
