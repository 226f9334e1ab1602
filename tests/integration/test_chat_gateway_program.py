"""``holdfast chat gateway`` as an operator runs it."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from holdfast.mailbox import Direct, GatewayAddress, MailboxClient, MailboxKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

READY = "The gateway is ready: "
ENOUGH = 30.0
"""Seconds that nothing here needs."""


class Running:
    """A gateway that has said that it is ready."""

    def __init__(self, process: asyncio.subprocess.Process, address: GatewayAddress) -> None:
        self.process = process
        self.address = address

    async def interrupted(self) -> int:
        """Press Ctrl-C; returns the status."""
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(ENOUGH):
            return await self.process.wait()


@asynccontextmanager
async def running(data: Path, *arguments: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "holdfast.cli.main", "chat", "gateway", "--port", "0", "--data", str(data)),
        *("--log-level", "error", *arguments),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(ENOUGH):
            line = (await process.stdout.readline()).decode()
        assert line.startswith(READY)
        yield Running(process, GatewayAddress.parse(line.removeprefix(READY).strip()))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def refused(*arguments: str) -> str:
    """Run the command to its end, which is an error; returns what a person reads."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast.cli.main", "chat", "gateway", "--log-level", "error"),
        *arguments,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(ENOUGH):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 1
    assert len(said.splitlines()) == 1, "an error is told in a line"
    return said.decode()


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
    async with running(tmp_path / "g") as second:
        assert second.address.pin == first.address.pin
        async with MailboxClient(
            second.address, Direct(), on_envelope=lambda *_: came.set()
        ) as client:
            await client.subscribe(key)
            async with asyncio.timeout(ENOUGH):
                await came.wait()


async def test_a_folder_or_a_port_in_use_is_told_in_a_line(tmp_path: Path) -> None:
    async with running(tmp_path / "g") as gateway:
        same_folder = ("--port", "0", "--data", str(tmp_path / "g"))
        said = await refused(*same_folder)
        assert "used by another process" in said
        same_port = ("--port", str(gateway.address.port), "--data", str(tmp_path / "h"))
        assert "cannot listen" in await refused(*same_port)


async def test_an_address_to_pipe_to_that_is_none_is_told_in_a_line(tmp_path: Path) -> None:
    said = await refused("--port", "0", "--data", str(tmp_path / "g"), "--pipe-to", "nonsense")
    assert "'nonsense' is no address of a gateway" in said


async def test_it_says_the_name_and_the_onion_service_that_it_was_given(tmp_path: Path) -> None:
    onion = "a" * 56 + ".onion"
    names = ("--public-host", "gateway.example", "--onion", onion)
    async with running(tmp_path / "g", *names) as gateway:
        assert (gateway.address.host, gateway.address.onion) == ("gateway.example", onion)


async def test_with_an_onion_service_alone_it_does_not_say_where_it_listens(tmp_path: Path) -> None:
    onion = "a" * 56 + ".onion"
    async with running(tmp_path / "g", "--onion", onion) as gateway:
        assert (gateway.address.host, gateway.address.onion) == (onion, None)


async def test_only_its_owner_can_read_its_key(tmp_path: Path) -> None:
    async with running(tmp_path / "g"):
        assert (tmp_path / "g" / "gateway.pem").stat().st_mode & 0o077 == 0
