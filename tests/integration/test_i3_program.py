"""``holdfast i3`` as an operator runs it: keys, a gateway with its API, health, metrics, and an orderly end."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from typer.testing import CliRunner

from holdfast.apps.i3 import packets
from holdfast.apps.i3.client import I3Client
from holdfast.apps.i3.operations import GATEWAY_METRICS, GATEWAY_RULES, ROUTER_METRICS
from holdfast.cli.i3 import program
from tests.support.i3_network import WireRouter, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HUB = ("--mud", "Harbour", "--router", "*hub=127.0.0.1:1")


def said_by(*arguments: str, status: int = 0) -> str:
    """Run a command to its end; return what it printed."""
    found = CliRunner().invoke(program, arguments)
    assert found.exit_code == status, found.output
    assert isinstance(found.exception, SystemExit | None), "an error is told in a line"
    return found.output


class Running:
    """A program that has said that it is ready."""

    def __init__(self, process: asyncio.subprocess.Process, said: str) -> None:
        self.process = process
        self.said = said
        self.url = next(iter(re.findall(r"http://[\d.:]+", said)), "")

    def find(self, pattern: str) -> str:
        found = re.search(pattern, self.said)
        assert found is not None, self.said
        return found[1]

    async def ends(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 60)


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "holdfast.cli.main", "i3", *arguments, "--log-level", "error",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        said = ""
        async with asyncio.timeout(60):
            while line := (await process.stdout.readline()).decode():
                said += line
                if "Ctrl-C ends it" in line:
                    break
        yield Running(process, said)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_keys_are_made_listed_and_revoked_from_the_command_line(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))

    none = said_by("keys", "list", *data)
    key = (said_by("keys", "add", "mud", "--permission", "tell", *data)).strip()
    listed = said_by("keys", "list", *data)
    again = said_by("keys", "add", "mud", *data, status=1)
    wrong = said_by("keys", "add", "bot", "--permission", "fly", *data, status=1)
    said_by("keys", "revoke", "mud", *data)
    gone = said_by("keys", "revoke", "mud", *data, status=1)

    assert "no keys" in none
    assert len(key) >= 32
    assert "mud" in listed
    assert "tell" in listed
    assert key not in listed
    assert "already" in again
    assert "fly" in wrong
    assert "no key" in gone


async def test_a_gateway_serves_its_clients_shows_how_it_is_and_takes_leave(tmp_path: Path) -> None:
    settings = tmp_path / "gateway.toml"
    settings.write_text("restart_delay = 90\npace_rate = 0\n")
    async with WireRouter() as router:
        arguments = (
            "gateway", "--mud", "Harbour", "--router", f"*hub=127.0.0.1:{router.port}", "--port", "0",
            "--tcp-port", "0", "--data", str(tmp_path / "data"), "--config", str(settings),
        )  # fmt: skip
        async with running(*arguments) as gateway, httpx.AsyncClient(base_url=gateway.url) as http:
            key = gateway.find(r"first key, shown only now +(\S+)")
            token = gateway.find(r"token, shown only now +(\S+)")
            line = "tcp://" + gateway.find(r"API over TCP +(\S+)")
            async with (
                I3Client(gateway.url.replace("http", "ws", 1) + "/ws", key) as web,
                I3Client(line, key) as lines,
            ):
                await web.connected(20)
                await lines.connected(20)
                async with asyncio.timeout(20):
                    while (
                        not (await web.stats()).gateway_connected or not (await web.mudlist()).muds
                    ):
                        await asyncio.sleep(0.02)

                sent = await lines.tell("Old Keep", "bo", "hello", from_user="ann")
                assert sent.status == "sent"
                await until(lambda: router.got(packets.Tell), "the tell is on the wire")
                await shown(http, token)
                assert await gateway.ends() == 0

                (leave,) = router.got(packets.Shutdown)
                assert leave.restart_delay == 90
                for client in (web, lines):
                    assert await returns_in(client) == 90
            assert key not in gateway.said.replace(key, "", 1)


async def returns_in(client: I3Client) -> int:
    """Read on to the word that the gateway goes."""
    async with asyncio.timeout(20):
        async for event in client.events():
            if event.method == "shutdown_warning":
                return int(event.params["returns_in"])
    raise AssertionError("the client ended")


async def shown(http: httpx.AsyncClient, token: str) -> None:
    """What an operator sees: health, metrics, dashboard, and the description of the API."""
    ready = await http.get("/health/ready")
    exported = (await http.get("/metrics")).text
    described = (await http.get("/api/openrpc.json")).json()
    assert (await http.get("/api/admin/state")).status_code == 401
    await http.post("/api/admin/sign-in", json={"token": token})
    panel: dict[str, Any] = (await http.get("/api/admin/state")).json()["panels"]["gateway"]
    page = await http.get("/")

    assert ready.status_code == 200
    names = {line.split(" ")[0].split("{")[0] for line in exported.splitlines()}
    assert {each.name for each in GATEWAY_METRICS} <= names
    assert {rule.metric for rule in GATEWAY_RULES} <= names
    assert "tell" in {each["name"] for each in described["methods"]}
    assert panel["figures"]["Towards the router"] == "ready"
    assert panel["figures"]["Clients"] == 2
    assert [row[2] for row in panel["tables"][0]["rows"]] == ["on it"]
    assert "text/html" in page.headers["content-type"]


async def test_a_router_shows_its_network_and_ends_in_peace(tmp_path: Path) -> None:
    arguments = ("router", "--port", "0", "--http-port", "0", "--data", str(tmp_path))
    async with running(*arguments) as router, httpx.AsyncClient(base_url=router.url) as http:
        ready = await http.get("/health/ready")
        exported = (await http.get("/metrics")).text

        assert ready.status_code == 200
        assert {each.name for each in ROUTER_METRICS} <= set(re.findall(r"^\w+", exported, re.M))
        assert await router.ends() == 0


@pytest.mark.parametrize(
    ("text", "arguments", "expected"),
    [
        ("", (), "--mud NAME"),
        ("", ("--mud", "Harbour", "--router", "hub:1"), "*name=host:port"),
        ("speed = 9", HUB, "speed"),
        ("ttl = 'long'", HUB, "ttl"),
        ("= =", HUB, "cannot be read"),
    ],
)
def test_settings_that_make_no_sense_are_told_in_a_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    arguments: tuple[str, ...],
    expected: str,
) -> None:
    monkeypatch.setattr("holdfast.ops.configure_logging", lambda _: None)
    settings = tmp_path / "gateway.toml"
    settings.write_text(text)
    at = ("--data", str(tmp_path / "data"), "--config", str(settings))

    assert expected in said_by("gateway", *arguments, *at, status=1)
