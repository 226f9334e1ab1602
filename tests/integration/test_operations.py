"""What an operator sees and does: dashboard's API, metrics, doctor, a restart under load."""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from holdfast.server.monitoring import TRENDS
from tests.integration.test_quiz_under_fire import click
from tests.support.players import Face, Player, open_event, quiz_of, take_seats
from tests.support.processes import ServerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

SILENT_LINE = b"GET /health HTTP/1.1\r\n"


def token_of(server: ServerProcess) -> str:
    """Read the token that was printed; the port may be open a moment before."""
    deadline = time.monotonic() + 10
    while (found := re.search(r"shown only now\s+(\S+)\n", server.log.read_text())) is None:
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.01)
    return found[1]


@asynccontextmanager
async def signed_in(server: ServerProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{server.url}/api/admin", timeout=10) as http:
        answer = await http.post("/sign-in", json={"token": token_of(server)})
        assert answer.status_code == 204, answer.text
        yield http


async def until(condition: Callable[[], Any], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not await condition():
            await asyncio.sleep(0.05)


async def test_nobody_sees_anything_without_the_token(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        async with httpx.AsyncClient(base_url=f"{server.url}/api/admin") as http:
            for path in ("/state", "/trends", "/connections", "/log", "/events"):
                assert (await http.get(path)).status_code == 401, path
            assert (
                await http.post("/chaos", json={"do": "cut", "connection": "x"})
            ).status_code == 401
            tries = [await http.post("/sign-in", json={"token": f"guess{n}"}) for n in range(15)]
            assert {answer.status_code for answer in tries} == {401, 429}
            assert int(tries[-1].headers["Retry-After"]) >= 1
        kept = (server.data / "admin-token.sha256").read_text()
        assert token_of(server) not in kept, "only its hash is kept"
        assert (server.data / "admin-token.sha256").stat().st_mode & 0o077 == 0


async def test_the_token_is_shown_once_and_outlives_a_restart(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        token = token_of(server)
        async with signed_in(server) as http:
            cookies = dict(http.cookies)
            assert (await http.get("/state")).status_code == 200
            assert (
                await http.get("/state", headers={"Sec-Fetch-Site": "cross-site"})
            ).status_code == 401
            await http.post("/sign-out")
        async with httpx.AsyncClient(base_url=f"{server.url}/api/admin", cookies=cookies) as http:
            assert (await http.get("/state")).status_code == 401
        server.terminate()
        await server.start_async()
        assert server.log.read_text().count("shown only now") == 1
        async with httpx.AsyncClient(base_url=f"{server.url}/api/admin") as http:
            assert (await http.post("/sign-in", json={"token": token})).status_code == 204


async def test_everything_that_is_counted_is_shown_and_exported(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data", ping_interval=0.3) as server:
        event = await open_event(server.url, quiz_of(1))
        keys = await take_seats(server.url, event["code"], 3)
        players = [
            Face(server.ws, {"as": "player", "event": event["event"], "key": key}) for key in keys
        ]
        host = Face(server.ws, {"as": "host", "event": event["event"], "key": event["key"]})
        async with players[0].client, players[1].client, players[2].client, host.client:
            await click(host, "lobby")
            async with signed_in(server) as http:

                async def is_seen() -> bool:
                    state = (await http.get("/state")).json()
                    figures = state["figures"]
                    return bool(
                        figures["holdfast_connections"] == 4
                        and figures["holdfast_messages_received_total"] == 1
                        and (figures["holdfast_deliveries_total"] or 0) >= 4
                        and state["commits"]["1m"]["count"] > 0
                    )

                await until(is_seen)
                listed = (await http.get("/connections")).json()
                assert listed["states"] == {"open": 4, "absent": 0}
                assert sorted(each["kind"] for each in listed["connections"]) == [
                    "host", "player", "player", "player",
                ]  # fmt: skip
                trends = (await http.get("/trends?window=1m")).json()
                assert [each["name"] for each in trends["plots"]] == list(TRENDS)
                assert trends["plots"][0]["name"] == "holdfast_connections"
                assert trends["plots"][0]["points"][-1][1] > 0
                players[0].client.cut()

                async def is_back() -> bool:
                    figures = (await http.get("/state")).json()["figures"]
                    return bool(figures["holdfast_sessions_resumed_total"] == 1)

                await until(is_back)
                by_label = (await http.get("/state")).json()["byLabel"]
                assert by_label["holdfast_connections_closed_total"] == {"LOST": 1}
        async with httpx.AsyncClient(base_url=server.url) as http:
            exported = (await http.get("/metrics")).text
            assert "holdfast_sessions_resumed_total 1.0" in exported
            assert 'holdfast_health{check="store"} 0.0' in exported


async def test_a_connection_can_be_troubled_in_a_demonstration_and_comes_back(
    tmp_path: Path,
) -> None:
    with ServerProcess(
        tmp_path / "data", demo="true", ping_interval=0.3, pong_timeout=0.5
    ) as server:
        event = await open_event(server.url, quiz_of(1))
        (key,) = await take_seats(server.url, event["code"], 1)
        player = Face(server.ws, {"as": "player", "event": event["event"], "key": key})
        async with player.client, signed_in(server) as http:

            async def trouble(**wish: object) -> int:
                (line,) = (await http.get("/connections")).json()["connections"]
                wish = {"connection": line["id"], **wish}
                return (await http.post("/chaos", json=wish)).status_code

            assert await trouble(do="cut") == 204
            async with asyncio.timeout(10):
                while player.client.restored < 1:
                    await asyncio.sleep(0.01)
            assert await trouble(do="stall", seconds=5) == 204
            async with asyncio.timeout(10):
                while player.client.restored < 2:
                    await asyncio.sleep(0.01)
            assert (
                await http.post("/chaos", json={"do": "cut", "connection": "gone"})
            ).status_code == 404
            assert (
                await http.post("/chaos", json={"do": "burn", "connection": "x"})
            ).status_code == 400


async def test_without_demo_nobody_is_troubled(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        async with signed_in(server) as http:
            answer = await http.post("/chaos", json={"do": "cut", "connection": "x"})
            assert answer.status_code == 403
            assert "--demo" in answer.json()["error"]["message"]


async def test_the_log_is_json_without_secrets_and_can_be_searched(tmp_path: Path) -> None:
    log_file = tmp_path / "holdfast.jsonl"
    settings = {"log_file": log_file, "log_level": "info"}
    with ServerProcess(tmp_path / "data", **settings) as server:
        async with signed_in(server) as http:
            lines = (await http.get("/log")).json()["lines"]
            assert any("Started server" in line["text"] for line in lines)
            assert (await http.get("/log?search=no%20such%20line")).json()["lines"] == []
            assert (await http.get("/log?level=nonsense")).status_code == 400
        server.terminate()
        written = [json.loads(line) for line in log_file.read_text().splitlines()]
        assert {"event", "level", "logger", "timestamp"} <= set(written[0])
        assert "shutdown: terminated" in [line["event"] for line in written]
        assert token_of(server) not in log_file.read_text()


def doctor(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-c", "from holdfast.cli import main; main()", "doctor", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_the_doctor_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    data = tmp_path / "data"
    code, said = doctor("--data", str(data), "--url", "http://127.0.0.1:9")
    assert code == 0
    assert "nobody listens there" in said
    assert "holdfast serve" in said
    with ServerProcess(data) as server:
        code, said = doctor("--data", str(data), "--url", server.url)
        assert code == 0, said
        assert "WebSockets come through" in said
        assert "is whole" in said
        server.terminate()
    path = data / "holdfast.db"
    content = bytearray(path.read_bytes())
    content[4096 : 4096 + 8192] = b"\xff" * 8192
    path.write_bytes(content)
    for each in data.glob("holdfast.db-*"):
        each.unlink()
    code, said = doctor("--data", str(data), "--url", "http://127.0.0.1:9")
    assert code == 1
    assert "damaged" in said
    assert "holdfast store restore" in said
    assert doctor("--url", "ftp://x")[0] == 2


class Prober:
    """Asks the server something again and again: a new connection each time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.took: list[float] = []
        self.refused: list[str] = []

    async def run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    writer.write(
                        b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                    )
                    answer = await reader.read()
                finally:
                    writer.close()
            except OSError as error:
                self.refused.append(str(error))
            else:
                if b"200 OK" in answer:
                    self.took.append(time.monotonic() - began)
                else:
                    self.refused.append(answer[:60].decode())
            await asyncio.sleep(0.05)


@asynccontextmanager
async def in_a_question(server: ServerProcess) -> AsyncIterator[tuple[Face, list[Player]]]:
    """300 players, a third of whom have answered."""
    source = random.Random(11)
    event = await open_event(server.url, quiz_of(2, limit_ms=20_000))
    keys = await take_seats(server.url, event["code"], 300)
    players = [Player(server.ws, event["event"], key, source, think=6.0) for key in keys]
    host = Face(server.ws, {"as": "host", "event": event["event"], "key": event["key"]})
    async with host.client:
        await asyncio.gather(*(player.client.__aenter__() for player in players))
        await click(host, "lobby")
        async with asyncio.timeout(20):
            while host.stage.get("phase") != "question":
                await asyncio.sleep(0.02)
        await asyncio.sleep(2.0)
        yield host, players
        await asyncio.gather(*(player.client.__aexit__(None, None, None) for player in players))


async def all_have_answered(host: Face, players: list[Player], began: float) -> float:
    async with asyncio.timeout(30):
        for player in players:
            await player.answered(0)
        while any(player.client.status != "open" for player in players):
            await asyncio.sleep(0.02)
    back = time.monotonic() - began
    assert [error for player in players for error in player.errors] == []
    assert all(player.client.restored == 1 for player in players)

    async def are_counted() -> bool:
        return bool(host.stage.get("answered") == 300)

    await until(are_counted)
    return back


@pytest.mark.alone
async def test_a_restart_under_300_playing_clients_loses_nothing_and_nobody(tmp_path: Path) -> None:
    """The operator replaces the server in a question: the new one starts when the old one has ended."""
    with ServerProcess(tmp_path / "data", drain=0.5) as server:
        async with in_a_question(server) as (host, players):
            began = time.monotonic()
            assert await asyncio.to_thread(server.terminate) == 0
            await server.start_async()
            down = time.monotonic() - began
            back = await all_have_answered(host, players, began)
    print(
        f"a restart under 300 playing clients: away for {down:.2f} s, the last one was back after "
        f"{back:.2f} s and had answered; no answer was lost or refused"
    )


@pytest.mark.alone
async def test_with_a_socket_that_stays_open_nobody_is_even_refused(tmp_path: Path) -> None:
    """As under systemd with a socket unit: who comes in between waits for the new process."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        server = ServerProcess(tmp_path / "data", listener=listener, drain=0.5)
        await server.start_async()
        prober = Prober(server.port)
        probing = asyncio.create_task(prober.run())
        try:
            async with in_a_question(server) as (host, players):
                began = time.monotonic()
                assert await asyncio.to_thread(server.terminate) == 0
                server.spawn()
                back = await all_have_answered(host, players, began)
        finally:
            probing.cancel()
            await asyncio.wait({probing})
            server.kill()
    print(
        f"a restart with a socket that stays open: {len(prober.took)} requests of strangers meanwhile, "
        f"{len(prober.refused)} refused, the longest waited {max(prober.took):.2f} s; all players were back "
        f"after {back:.2f} s"
    )
    assert prober.refused == []


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_every_signal_ends_it_in_order(tmp_path: Path, number: str) -> None:
    import signal

    with ServerProcess(tmp_path / "data", log_level="info") as server:
        assert server.terminate(getattr(signal, number)) == 0
    said = server.log.read_text()
    phases = re.findall(r"shutdown: (\w+)", said)
    assert phases == ["draining", "closing", "cleanup", "terminated"]
