"""The command: starts, refuses, ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from holdfast.session import SessionClient
from tests.support.players import open_event, quiz_of, take_seats
from tests.support.processes import COMMAND, ServerProcess, free_port

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=os.environ | environment,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: int) -> None:
    server = ServerProcess(tmp_path / "data")
    server.start()
    assert server.terminate(number) == 0
    assert "Traceback" not in server.log.read_text()


async def test_clients_are_told_to_come_back_and_do(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", drain=0.2)
    server.start()
    event = await open_event(server.url, quiz_of(1))
    (key,) = await take_seats(server.url, event["code"], 1)
    auth = {"as": "player", "event": event["event"], "key": key}
    async with SessionClient(server.ws, auth) as player:
        assert server.terminate() == 0
        await server.start_async()
        deadline = time.monotonic() + 15
        while player.restored == 0 and time.monotonic() < deadline:
            import asyncio

            await asyncio.sleep(0.02)
        assert player.restored == 1
    server.kill()


def test_port_zero_picks_a_free_one_and_prints_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--data", str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    address = line.split()[-1]
    assert httpx.get(address + "health/ready").json() == {"status": "ready"}
    process.terminate()
    rest = process.stdout.read()
    assert process.wait(15) == 0
    process.stdout.close()
    assert "Ctrl-C ends it." in rest


def test_a_second_server_on_the_same_data_says_who_has_it(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data"):
        second = run("--port", "0", "--data", str(tmp_path / "data"))
    assert second.returncode == 1
    assert "is used by another process" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = run("--port", port, "--data", str(tmp_path / "data"))
    assert refused.returncode == 1
    assert f"127.0.0.1:{port}" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--port", "70000"], {}, "--port: port must be between 0 and 65535"),
        ([], {"HOLDFAST_DRAIN": "long"}, "HOLDFAST_DRAIN: drain must be a number"),
        ([], {"HOLDFAST_GRACE": "-1"}, "grace must be more than 0"),
        ([], {"HOLDFAST_COLOUR": "red"}, "there is no setting 'colour'"),
        (["--config", "/nowhere.toml"], {}, "/nowhere.toml cannot be read"),
        (["--log-level", "loud"], {}, "--log-level: log_level must be debug"),
        (["--data", "/proc/nowhere"], {}, "/proc/nowhere cannot be used"),
    ],
)
def test_a_setting_that_cannot_work_is_named_with_its_source(
    arguments: list[str], environment: dict[str, str], said: str
) -> None:
    refused = run("--port", "0", *arguments, **environment)
    assert refused.returncode == 1
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_file_and_the_environment_are_read_in_their_order(tmp_path: Path) -> None:
    port = free_port()
    file = tmp_path / "holdfast.toml"
    file.write_text(f'port = 1\nlog_level = "warning"\ndata = "{tmp_path}/data"\ngrace = 5\n')
    import os

    process = subprocess.Popen(
        [*COMMAND, "--config", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"HOLDFAST_PORT": str(port)},
    )
    assert process.stdout is not None
    assert f":{port}/" in process.stdout.readline()
    process.terminate()
    assert process.wait(15) == 0
    process.stdout.close()
    assert sys.version_info >= (3, 11)
