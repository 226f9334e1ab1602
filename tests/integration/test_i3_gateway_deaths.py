"""Tasks that die, and processes that are killed: what a gateway knew and had accepted is not lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from holdfast.apps.i3 import packets
from holdfast.apps.i3.gateway import events
from tests.support.i3_network import (
    WireRouter,
    after_trouble,
    gateway_on,
    listed,
    until,
)
from tests.support.processes import free_port

if TYPE_CHECKING:
    from pathlib import Path


# --- tasks and processes ------------------------------------------------------------------------


async def test_the_reader_that_dies_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with WireRouter() as router, gateway_on(tmp_path, router.address) as (gateway, heard):
        await gateway.channel_join("ale")
        await listed(gateway)
        received, deaths = gateway._desk.received, 0

        def dies_once(frame: bytes) -> None:
            nonlocal deaths
            if not deaths:
                deaths += 1
                raise RuntimeError("a bug of ours")
            received(frame)

        monkeypatch.setattr(gateway._desk, "received", dies_once)
        router.say_value(["tell", 5, "Old Keep", "bo", "Harbour", "ann", "Bo", "lost by the bug"])
        await until(lambda: deaths == 1, "it dies")
        await after_trouble(router, gateway, heard)


async def test_a_task_that_keeps_dying_is_reported_so_that_the_program_can_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up: list[str] = []
    async with WireRouter() as router, gateway_on(tmp_path, router.address) as (gateway, _):
        await listed(gateway)
        gateway._supervisor._on_given_up = lambda name, _: given_up.append(name)

        def dies(_: bytes) -> None:
            raise RuntimeError("a bug of ours")

        monkeypatch.setattr(gateway._desk, "received", dies)

        async def talk() -> None:
            while not given_up:
                if router.open:
                    router.say_value(["tell", 5, "Old Keep", "bo", "Harbour", "ann", "Bo", "x"])
                await asyncio.sleep(0.05)

        await asyncio.wait_for(talk(), 60)
    assert given_up == ["i3 Harbour reads"]


GATEWAY = """
import asyncio, os, sys
from pathlib import Path
from holdfast.apps.i3.gateway import *
from holdfast.storage import Database

def told(event):
    if event.method == "error_occurred":
        print("told", event.message_id, event.error, flush=True)

async def main(folder, port):
    settings = GatewaySettings(mud_name="Harbour", routers=(RouterAddress("*hub", "127.0.0.1", port),),
        retry_delay=0.05, retry_delay_max=0.2, attempt_interval=0.02, pace_rate=None)
    async with Database(Path(folder) / "Harbour" / "gateway.db", MIGRATIONS) as database, Gateway(database, settings) as gateway:
        if "ale" not in gateway.subscriptions:
            await gateway.channel_join("ale")
        gateway.on_event(told)
        number = 0
        while True:
            if "Old Keep" in gateway.muds:
                number += 1
                text = f"{os.getpid()}-{number}"
                sent = await gateway.tell("Old Keep", "bo", text, from_user="ann")
                print("accepted", sent.id, text, flush=True)
            await asyncio.sleep(0.002)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_what_a_gateway_knows_is_there_after_kill_9(tmp_path: Path) -> None:
    async with WireRouter() as router:
        for round_ in range(4):
            router.password = 1000 + round_
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", GATEWAY, str(tmp_path), str(router.port),
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None
            accepted = 0
            async with asyncio.timeout(60):
                while accepted < 3 or len(router.got(packets.ChannelListen)) <= round_:
                    line = await process.stdout.readline()
                    assert line, "it lives"
                    accepted += line.startswith(b"accepted")
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
        startups = router.got(packets.StartupReq3)
        assert [each.password for each in startups] == [0, 1000, 1001, 1002]
        assert [each.mudlist_id for each in startups[1:]] == [41, 41, 41]
        listens = [each.channel for each in router.got(packets.ChannelListen)]
        assert listens == ["ale"] * 4
    with closing(sqlite3.connect(tmp_path / "Harbour" / "gateway.db")) as connection:
        kept = connection.execute("SELECT password FROM i3_router").fetchall()
    assert kept == [(1003,)]


async def test_what_was_queued_before_kill_9_arrives_once_or_its_sender_is_told(
    tmp_path: Path,
) -> None:
    accepted: dict[str, str] = {}
    told: set[str] = set()
    arrived: list[str] = []

    def said(line: bytes) -> None:
        match line.decode().split():
            case ["accepted", id_, text]:
                accepted[id_] = text
            case ["told", id_, _]:
                told.add(id_)
            case _:
                pass  # the last line before the kill may have been cut

    async with WireRouter() as router:
        async with gateway_on(tmp_path, router.address) as (gateway, _):
            await listed(gateway)
        for _ in range(3):
            await router.die()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", GATEWAY, str(tmp_path), str(router.port),
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None
            for _ in range(8):
                said(await asyncio.wait_for(process.stdout.readline(), 60))
            router.heard.clear()
            await router.listen()  # it begins to send what waits, and dies in the middle of it
            await until(lambda: router.got(packets.Tell), "it sends")
            os.kill(process.pid, signal.SIGKILL)
            for line in (await process.stdout.read()).splitlines(keepends=True):
                if line.endswith(b"\n"):
                    said(line)
            await process.wait()
            await until(lambda: not router.open, "all that it sent was read")
            arrived += [each.text for each in router.got(packets.Tell)]
        router.heard.clear()
        async with gateway_on(tmp_path, router.address) as (gateway, heard):
            await until(lambda: gateway.statistics()["queued"] == 0, "nothing waits any more")
            await until(lambda: gateway.statistics()["unconfirmed"] == 0, "all was read")
            arrived += [each.text for each in router.got(packets.Tell)]
            missing = {id_ for id_, text in accepted.items() if text not in arrived} - told
            await until(
                lambda: missing <= {each.message_id for each in heard.of(events.ErrorOccurred)},
                "whose message did not arrive is told",
            )
    assert len(accepted) >= 24
    assert len(arrived) == len(set(arrived)), "a message was sent twice"


async def fetched(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


async def test_a_gateway_lives_while_its_router_is_down_and_is_ready_when_it_is_let_in(
    tmp_path: Path,
) -> None:
    router = WireRouter(manner="mute")
    port, router.port = free_port(), free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from holdfast.cli import main; main()", "i3", "gateway",
        "--mud", "Harbour", "--router", f"*hub=127.0.0.1:{router.port}",
        "--port", str(port), "--data", str(tmp_path / "data"), "--log-level", "error",
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip

    async def is_up() -> bool:
        try:
            return await fetched(port, "/health/live") == 200
        except OSError:
            return False  # it does not listen yet

    async def becomes(path: str, status: int) -> None:
        async with asyncio.timeout(30):
            while await fetched(port, path) != status:
                await asyncio.sleep(0.02)

    try:
        async with asyncio.timeout(30):
            while not await is_up():
                await asyncio.sleep(0.02)
        assert await fetched(port, "/health/ready") == 503
        async with router:
            await until(lambda: router.got(packets.StartupReq3), "a connection is not yet a place")
            assert await fetched(port, "/health/ready") == 503
            assert await fetched(port, "/health/live") == 200
            router.let_in()
            await becomes("/health/ready", 200)
        await becomes("/health/ready", 503)
        assert await fetched(port, "/health/live") == 200
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
