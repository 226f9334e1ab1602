"""``holdfast chat gateway`` as an operator runs it: what it says, how it ends, and why it may not start."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import signal
import socket
import sqlite3
import sys
from contextlib import asynccontextmanager, closing
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from typer.testing import CliRunner

from holdfast.cli.chat import program
from holdfast.errors import ErrorCode
from holdfast.mailbox import Direct, GatewayAddress, MailboxClient, MailboxKey
from holdfast.mailbox.key import token_hash
from holdfast.mailbox.store import ADD_MAILBOX, MIGRATIONS
from holdfast.mailbox.tls import CERTIFICATE, make_certificate, pin_of_file
from holdfast.mailbox.wire import Done, Envelope, Refused
from holdfast.storage._lock import DirectoryLock
from holdfast.storage._migrations import migrate
from tests.integration.test_failures import in_a_mount
from tests.support.raw_mailbox import RawClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

READY = "The gateway is ready: "
ENOUGH = 60.0
"""Seconds that nothing here needs."""
VISITOR = "127.0.0.77"
"""An address that stands out."""


class Running:
    """A gateway that has said that it is ready."""

    def __init__(self, process: asyncio.subprocess.Process, said: str) -> None:
        self.process = process
        self.said = said
        self.address = GatewayAddress.parse(self.find(rf"{READY}(\S+)"))

    def find(self, pattern: str) -> str:
        found = re.search(pattern, self.said)
        assert found is not None, self.said
        return found[1]

    async def interrupted(self) -> int:
        """Press Ctrl-C; returns the status."""
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(ENOUGH):
            return await self.process.wait()


@asynccontextmanager
async def running(data: Path, *arguments: str, log_level: str = "error") -> AsyncIterator[Running]:
    with (data.parent / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "holdfast.cli.main", "chat", "gateway", "--port", "0"),
            *("--data", str(data), "--log-level", log_level, *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    try:
        said = ""
        async with asyncio.timeout(ENOUGH):
            while line := (await process.stdout.readline()).decode():
                said += line
                if "Ctrl-C ends it" in line:
                    break
        yield Running(process, said)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def refused(*arguments: str) -> str:
    """Run the command to its end, which is an error; returns the line that a person reads."""
    found = CliRunner().invoke(program, ["gateway", "--log-level", "error", *arguments])
    assert found.exit_code == 1, found.output
    assert isinstance(found.exception, SystemExit), "an error is told in a line"
    assert len(found.output.splitlines()) == 1, found.output
    return found.output


# --- its life -------------------------------------------------------------------------------


async def test_its_address_stays_over_a_restart_and_so_does_what_it_holds(tmp_path: Path) -> None:
    key, token, came = MailboxKey(b"k" * 32), b"t" * 32, asyncio.Event()
    async with running(tmp_path / "g") as first:
        async with MailboxClient(
            first.address, Direct(), on_envelope=lambda *_: came.set()
        ) as client:
            await client.create(key, token)
            await client.deposit(key.mailbox, token, b"e" * 16, b"hello", ttl=3600)
        assert await first.interrupted() == 0
    assert not came.is_set()
    onion = "a" * 56 + ".onion"
    names = ("--public-host", "localhost", "--onion", onion)
    async with running(tmp_path / "g", *names) as second:
        assert second.address.pin == first.address.pin
        assert (second.address.host, second.address.onion) == ("localhost", onion)
        assert (tmp_path / "g" / CERTIFICATE).stat().st_mode & 0o077 == 0, "its owner's alone"
        async with MailboxClient(
            second.address, Direct(), on_envelope=lambda *_: came.set()
        ) as client:
            await client.subscribe(key)
            async with asyncio.timeout(ENOUGH):
                await came.wait()


def forms(secret: bytes) -> set[str]:
    """The ways in which bytes may be written down."""
    url = base64.urlsafe_b64encode(secret).decode().rstrip("=")
    plain = base64.b64encode(secret).decode().rstrip("=")
    return {secret.hex(), secret.hex().upper(), url, plain, repr(secret)[2:-1], str(list(secret))}


async def everything_shown(http: httpx.AsyncClient, token: str) -> str:
    """All that an operator can ask for."""
    open_pages = ("/health/live", "/health/ready", "/health", "/metrics")
    guarded = ("state", "trends", "connections", "log", "events")
    assert (await http.get("/api/admin/state")).status_code == 401
    signed_in = await http.post("/api/admin/sign-in", json={"token": token})
    assert signed_in.status_code == 204
    answers = [await http.get(path) for path in open_pages]
    answers += [await http.get(f"/api/admin/{name}") for name in guarded]
    assert {answer.status_code for answer in answers} == {200}
    assert "<html" in (await http.get("/admin")).text
    return "\n".join(answer.text for answer in answers)


def figure(exported: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", exported, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


async def test_its_operator_sees_how_much_and_how_well_and_never_who(tmp_path: Path) -> None:
    """Threat model P9: in all that can be asked for, and in the log at its most talkative, nobody is named."""
    key, token = MailboxKey(sha256(b"key").digest()), sha256(b"token").digest()
    envelope, body = sha256(b"id").digest()[:16], sha256(b"body").digest()
    async with running(tmp_path / "g", "--http", "0", log_level="debug") as gateway:
        url = gateway.find(r"Dashboard +(http://127.0.0.1:\d+)/admin")
        client = await RawClient.to(gateway.address, VISITOR)
        await client.greets()
        assert isinstance(await client.asks(client.create(key, token)), Done)
        assert isinstance(await client.asks(client.subscribe(key)), Done)
        assert isinstance(await client.asks(client.deposit(key, token, envelope, body)), Done)
        assert isinstance(await client.hears(), Envelope)
        assert isinstance(await client.asks(client.acknowledge(key, envelope)), Done)
        wrong = await client.asks(client.deposit(key, b"w" * 32, envelope))
        assert isinstance(wrong, Refused)
        liar = await RawClient.to(gateway.address, VISITOR)
        liar.writer.write(b"\x00\x00\x00\x01\xff")
        await liar.hears_all()
        await liar.close()

        async with httpx.AsyncClient(base_url=url) as http:
            admin_token = gateway.find(r"token, shown only now +(\S+)")
            shown = await everything_shown(http, admin_token)
            state: dict[str, Any] = (await http.get("/api/admin/state")).json()
        for name, expected in {
            "mailbox_ready": 1,
            "mailbox_mailboxes": 1,
            "mailbox_connections": 1,
            "mailbox_envelopes": 0,
            "mailbox_kept_bytes": 0,
            "mailbox_deposited_total": 1,
            "mailbox_delivered_total": 1,
            'mailbox_refused_total{code="mailbox_unknown"}': 1,
            'mailbox_connections_cut_total{reason="malformed"}': 1,
        }.items():
            assert figure(shown, name) == expected, name
        assert figure(shown, "holdfast_commit_seconds_count") >= 3
        assert state["panels"]["mailboxes"]["figures"]["Delivered"] == 1
        assert state["health"]["components"]["mailboxes"]["status"] == "healthy"
        assert state["shutdown"]["phase"] == "running"

        gateway.process.send_signal(signal.SIGTERM)
        (leave,) = await client.hears_all()
        assert isinstance(leave, Refused)
        assert leave.code == ErrorCode.SERVER_RESTARTING
        assert await gateway.interrupted() == 0, "and a second signal is no harm"
        await client.close()
    written = shown + str(state) + gateway.said + (tmp_path / "log").read_text()
    secrets = (key.mailbox, key.public, key.seed, token, token_hash(token), envelope, body)
    for named in (VISITOR, *(form for secret in secrets for form in forms(secret))):
        assert named not in written


# --- why it may not start -------------------------------------------------------------------


def test_a_port_in_use_is_told_with_what_to_do(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        said = refused("--port", port, "--data", str(tmp_path / "g"))
        assert f"cannot listen on 127.0.0.1:{port}" in said
        assert "Another program may have the port" in said
        for http in (port, f"127.0.0.1:{port}"):
            said = refused("--port", "0", "--data", str(tmp_path / "g"), "--http", http)
            assert f"Cannot listen on 127.0.0.1:{port}" in said
            assert "give another --http" in said


def test_a_folder_that_another_gateway_uses_is_told_with_its_process(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path / "g")
    lock.acquire()
    try:
        said = refused("--port", "0", "--data", str(tmp_path / "g"))
    finally:
        lock.release()
    assert f"used by another process ({os.getpid()})" in said
    assert "--data" in said
    assert not (tmp_path / "g" / CERTIFICATE).exists(), "who comes second makes no key"


def test_a_folder_that_cannot_be_used_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused("--port", "0", "--data", str(tmp_path / "file" / "g"))
    assert "cannot be made: Not a directory" in said
    assert "--data" in said


FULL_THEN_READ_ONLY = """
import subprocess, sys
from contextlib import suppress
from pathlib import Path
from typer.testing import CliRunner
from holdfast.cli.chat import program

def start():
    found = CliRunner().invoke(program, ["gateway", "--port", "0", "--data", sys.argv[1] + "/g"])
    print(found.exit_code, found.output, end="")

ballast = Path(sys.argv[1], "ballast").open("wb", buffering=0)
for size in (65536, 512, 1):
    with suppress(OSError):
        while ballast.write(bytes(size)) == size:
            pass
start()
ballast.close()
subprocess.run(["mount", "-o", "remount,ro", sys.argv[1]], check=True)
start()
"""


def test_a_disk_that_is_full_or_read_only_is_told_with_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    command = (sys.executable, "-c", FULL_THEN_READ_ONLY, str(folder))
    full, read_only = in_a_mount("size=1m", folder, *command).splitlines()
    assert full.startswith("1 holdfast: ")
    assert "The disk is full: make room" in full
    assert read_only.startswith("1 holdfast: ")
    assert "Read-only file system" in read_only


@pytest.mark.parametrize(
    "damage",
    [
        lambda pem: b"",
        lambda pem: b"no key at all",
        lambda pem: pem[: len(pem) // 2],
        lambda pem: pem[pem.index(b"-----BEGIN CERT") :],
        lambda pem: pem.replace(b"PRIVATE KEY", b"PUBLIC KEY"),
        lambda pem: pem[:40] + b"AAAA" + pem[44:],
    ],
    ids=["empty", "text", "half", "no private key", "wrong kind", "changed"],
)
def test_a_damaged_key_is_told_with_what_to_do(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    pem = tmp_path / CERTIFICATE
    make_certificate(pem)
    pem.write_bytes(damage(pem.read_bytes()))
    said = refused("--port", "0", "--data", str(tmp_path))
    assert str(pem) in said
    assert "Put your copy of the file back" in said


def test_a_key_that_is_gone_is_not_replaced_in_silence(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    with closing(sqlite3.connect(tmp_path / "g" / "gateway.db")) as connection:
        migrate(connection, {"mailbox": MIGRATIONS})
        connection.execute(ADD_MAILBOX, (1, b"p" * 32, b"a" * 16, b"t" * 32, 0))
        connection.commit()
    said = refused("--port", "0", "--data", str(tmp_path / "g"))
    assert "put your copy of it back" in said
    assert not (tmp_path / "g" / CERTIFICATE).exists()


def test_addresses_that_are_none_are_told_before_anything_is_made(tmp_path: Path) -> None:
    folder = ("--port", "0", "--data", str(tmp_path / "g"))
    pin = "A" * 43
    assert "'nonsense' is no address of a gateway" in refused(*folder, "--pipe-to", "nonsense")
    assert "is no port" in refused(*folder, "--pipe-to", f"gateway://{pin}@example.org:0")
    assert "is no host" in refused(*folder, "--public-host", "two words")
    assert "is no onion service" in refused(*folder, "--onion", "example.onion")
    assert "is neither a port nor host:port" in refused(*folder, "--http", "everywhere")
    assert not (tmp_path / "g").exists()


def test_a_gateway_does_not_pipe_to_itself(tmp_path: Path) -> None:
    make_certificate(tmp_path / CERTIFICATE)
    own = GatewayAddress("127.0.0.1", 8410, pin_of_file(tmp_path / CERTIFICATE))
    said = refused("--port", "0", "--data", str(tmp_path), "--pipe-to", str(own))
    assert "does not pipe to itself" in said
