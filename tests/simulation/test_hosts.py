"""Hosts: killed, powered off, frozen, restarted, with a wrong clock; and what becomes of their files."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from pathlib import Path

import pytest

from holdfast.storage import Database
from holdfast.testing import Mode, Partition, PromiseBrokenError, SimulationError, nothing_left, run

PLAIN = Mode()

# Clients here end without closing what they opened, as many programs do.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


async def listen(handle, port: int = 7) -> None:
    async with await asyncio.start_server(handle, "0.0.0.0", port) as server:
        await server.serve_forever()


def test_killing_runs_no_finally_and_the_peer_sees_the_end() -> None:
    async def scenario(world):
        ran: list[str] = []

        async def program():
            async def handle(reader, writer):
                try:
                    await reader.read(10)
                except BaseException:
                    ran.append("except")
                    raise
                finally:
                    ran.append("finally")

            try:
                await listen(handle)
            finally:
                ran.append("main")

        async def client():
            reader, _ = await asyncio.open_connection("server", 7)
            server.kill()
            assert await reader.read(10) == b""
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("server", 7)

        server = world.host("server")
        server.spawn(program)
        await world.host("phone").run(client)
        await asyncio.sleep(100)
        assert ran == []
        return ran

    run(scenario)


def test_a_machine_without_power_is_silent_and_knows_nothing_when_it_is_back() -> None:
    async def scenario(world):
        async def handle(reader, writer):
            while data := await reader.read(10):
                writer.write(data)

        async def client():
            reader, writer = await asyncio.open_connection("server", 7)
            server.power_off()
            writer.write(b"?")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(30):
                    await reader.read(10)
            server.restart()
            with pytest.raises(ConnectionResetError):
                async with asyncio.timeout(60):
                    await reader.read(10)

        server = world.host("server")
        server.spawn(listen, handle)
        await world.host("phone").run(client)

    for seed in range(10):
        run(scenario, seed=seed)


def test_a_frozen_process_stands_still_and_its_peer_waits() -> None:
    async def scenario(world):
        ticks: list[float] = []

        async def handle(reader, writer):
            while data := await reader.read(10):
                writer.write(data)

        async def program():
            async def tick():
                while True:
                    await asyncio.sleep(1)
                    ticks.append(world.now)

            await asyncio.gather(tick(), listen(handle))

        async def client():
            reader, writer = await asyncio.open_connection("server", 7)
            server.freeze()
            frozen = world.now
            writer.write(b"?")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(30):
                    await reader.read(10)
            assert not [tick for tick in ticks if tick > frozen]
            server.thaw()
            assert await reader.read(10) == b"?"

        server = world.host("server")
        server.spawn(program)
        await world.host("phone").run(client)

    run(scenario)


def test_a_restart_finds_the_files_and_starts_the_programs_again() -> None:
    async def scenario(world):
        lives: list[str] = []

        async def program(host):
            path = host.folder / "note"
            lives.append(path.read_text() if path.exists() else "")
            path.write_text(f"life {len(lives)}")
            await asyncio.Event().wait()

        server = world.host("server")
        server.spawn(program, server)
        await asyncio.sleep(1)
        server.kill()
        with pytest.raises(SimulationError, match="restart it"):
            server.spawn(program, server)
        server.restart()
        await asyncio.sleep(1)
        return lives

    assert run(scenario).value == ["", "life 1"]


def test_what_was_buffered_in_the_process_dies_with_it() -> None:
    async def scenario(world):
        async def program(host):
            if not (host.folder / "log").exists():
                file = (host.folder / "log").open("w")  # noqa: SIM115
                file.write("flushed\n")
                file.flush()
                file.write("buffered\n")
            await asyncio.Event().wait()

        server = world.host("server")
        server.spawn(program, server)
        await asyncio.sleep(1)
        server.kill()
        server.restart()
        return (server.folder / "log").read_text()

    assert run(scenario).value == "flushed\n"


def test_power_loss_forgets_what_was_not_synced() -> None:
    async def scenario(world):
        async def program(host):
            if (host.folder / "synced").exists():
                await asyncio.Event().wait()
            for name in ("synced", "unsynced"):
                with (host.folder / name).open("w") as file:
                    file.write("first")
                    if name == "synced":
                        file.flush()
                        os.fsync(file.fileno())
                        file.write(" second")
            # The classic: a new file is moved over a good one without ever being synced.
            (host.folder / "synced-too").write_text("good")
            with (host.folder / "synced-too").open("r+b") as file:
                os.fsync(file.fileno())
            (host.folder / "new").write_text("better")
            (host.folder / "new").rename(host.folder / "synced-too")
            await asyncio.Event().wait()

        server = world.host("server")
        server.spawn(program, server)
        await asyncio.sleep(1)
        server.power_off()
        server.restart()
        return {path.name: path.read_text() for path in server.folder.iterdir()}

    assert run(scenario).value == {"synced": "first", "synced-too": "good"}


def test_what_was_synced_in_an_earlier_life_is_still_there_when_the_power_goes() -> None:
    async def scenario(world):
        lives: list[int] = []

        async def program(host):
            lives.append(len(lives) + 1)
            if len(lives) == 1:
                with (host.folder / "synced").open("w") as file:
                    file.write("kept")
                    file.flush()
                    os.fsync(file.fileno())
                (host.folder / "unsynced").write_text("gone")
                async with Database(host.folder / "a.db", {"t": ["CREATE TABLE t (n)"]}) as db:
                    await db.write(lambda c: c.execute("INSERT INTO t VALUES (1)"))
                    await asyncio.Event().wait()
            await asyncio.Event().wait()

        server = world.host("server")
        server.spawn(program, server)
        await asyncio.sleep(1)
        for end in (server.kill, server.power_off, server.kill, server.power_off):
            end()
            server.restart()
        connection = sqlite3.connect(server.folder / "a.db")
        assert connection.execute("SELECT n FROM t").fetchall() == [(1,)]
        connection.close()
        assert (server.folder / "synced").read_text() == "kept"
        assert not (server.folder / "unsynced").exists()

    run(scenario)


@pytest.mark.parametrize(("synchronous", "may_lose"), [("FULL", False), ("NORMAL", True)])
def test_sqlite_keeps_after_power_loss_what_its_settings_promise(
    synchronous: str, may_lose: bool
) -> None:
    async def scenario(world):
        async def program(host):
            connection = sqlite3.connect(host.folder / "test.db", isolation_level=None)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={synchronous}")
            connection.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER)")
            for number in range(50):
                connection.execute("INSERT INTO t VALUES (?)", (number,))
            connection.execute("BEGIN")
            connection.execute("INSERT INTO t VALUES (1000)")
            await asyncio.Event().wait()

        server = world.host("server")
        server.spawn(program, server)
        await asyncio.sleep(1)
        server.power_off()
        server.is_up = True
        folder = server.folder.with_name("server.left-by-1")
        connection = sqlite3.connect(folder / "test.db")
        try:
            rows = [n for (n,) in connection.execute("SELECT n FROM t ORDER BY n")]
        except sqlite3.OperationalError:
            rows = []  # not even the table
        connection.close()
        assert rows == list(range(len(rows)))
        return len(rows)

    counts = {run(scenario, seed=seed).value for seed in range(20)}
    assert (len(counts) > 3) if may_lose else (counts == {50})


def test_our_store_survives_kills_and_power_loss_and_is_not_locked_afterwards() -> None:
    async def scenario(world):
        acknowledged: list[int] = []

        async def program(host):
            async with Database(host.folder / "a.db", {"t": ["CREATE TABLE t (n INTEGER)"]}) as db:
                while True:
                    number = len(acknowledged) + 1
                    await db.write(lambda c, n=number: c.execute("INSERT INTO t VALUES (?)", (n,)))
                    acknowledged.append(number)
                    world.note("ack", str(number))

        server = world.host("server")
        server.spawn(program, server)
        for turn in range(6):
            await asyncio.sleep(0.1)
            (server.kill, server.power_off)[turn % 2]()
            await asyncio.sleep(0.1)
            server.restart()
        await asyncio.sleep(0.01)
        connection = sqlite3.connect(server.folder / "a.db")
        rows = {n for (n,) in connection.execute("SELECT n FROM t")}
        connection.close()
        assert set(acknowledged) <= rows
        assert len(acknowledged) > 100

    for seed in range(10):
        run(scenario, seed=seed)


def test_a_skewed_clock_is_seen_by_its_host_alone() -> None:
    async def scenario(world):
        async def tell():
            return time.time()

        before = world.host("a").wall_now()
        world.host("a").skew(-3600)
        assert world.host("a").wall_now() == before - 3600
        assert world.host("b").wall_now() == before
        assert await world.host("a").run(tell) == pytest.approx(before - 3600, abs=1)
        assert await world.host("b").run(tell) == pytest.approx(before, abs=1)

    run(scenario)


def test_slow_machines_take_longer_for_blocking_work() -> None:
    async def scenario(world):
        async def work():
            began = world.now
            for _ in range(20):
                await asyncio.to_thread(lambda: None)
            return world.now - began

        host = world.host("server")
        usual = await host.run(work)
        host.slow_down(100)
        slow = await host.run(work)
        host.speed_up(100)
        assert slow > 30 * usual

    run(scenario)


def test_what_is_left_after_a_shutdown_is_named() -> None:
    async def scenario(world):
        async def careless(host):
            asyncio.get_running_loop().create_task(asyncio.sleep(1000), name="forgotten")
            asyncio.get_running_loop().call_later(77, print)
            await asyncio.start_server(lambda r, w: None, "0.0.0.0", 7)
            host.file = (host.folder / "open").open("w")  # noqa: SIM115

        async def careful(host):
            async with await asyncio.start_server(lambda r, w: None, "0.0.0.0", 8):
                with (host.folder / "closed").open("w") as file:
                    file.write("x")
            await asyncio.sleep(0.1)

        good, bad = world.host("good"), world.host("bad")
        await good.spawn(careful, good)
        nothing_left(world, good)
        await bad.spawn(careless, bad)
        with pytest.raises(PromiseBrokenError) as caught:
            nothing_left(world, bad)
        for part in ("forgotten", "timer of print", "listener", "open"):
            assert part in str(caught.value)

    run(scenario)


def test_many_kills_leave_no_descriptors_behind() -> None:
    async def scenario(world):
        async def program(host):
            async with Database(host.folder / "a.db", {}):
                await asyncio.Event().wait()

        server = world.host("server")
        server.spawn(program, server)
        for _ in range(20):
            await asyncio.sleep(0.1)
            server.kill()
            server.restart()

    before = len([*Path("/proc/self/fd").iterdir()])
    for seed in range(5):
        run(scenario, seed=seed)
    assert len([*Path("/proc/self/fd").iterdir()]) <= before + 1


def test_a_partition_lets_nothing_through_to_anybody_until_it_is_over() -> None:
    async def scenario(world):
        heard: dict[str, float] = {}

        async def server():
            async def handle(reader, writer):
                name = (await reader.readline()).decode().strip()
                heard[name] = world.now
                writer.close()

            await listen(handle)

        async def say(name):
            _, writer = await asyncio.open_connection("server", 7)
            await asyncio.sleep(2)
            writer.write(name.encode() + b"\n")
            await writer.drain()
            await asyncio.sleep(100)

        world.host("server").spawn(server)
        for name in ("phone", "desk"):
            world.host(name).spawn(say, name)
        world.execute([Partition(at=1, lasts=30, host="phone")])
        await asyncio.sleep(20)
        assert set(heard) == {"desk"}
        await asyncio.sleep(80)
        assert heard["phone"] > 31

    run(scenario, mode=PLAIN)
