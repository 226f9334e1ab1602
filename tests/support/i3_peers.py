"""A real ``holdfast i3 …`` in a process of its own, and honest peers who speak to it over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from typing import TYPE_CHECKING, ClassVar

import psutil

from holdfast.apps.i3 import packets as p
from holdfast.apps.i3.errors import PacketError
from holdfast.apps.i3.mudmode import Mudmode, packet, packets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

ANSWERED_WITHIN = 20.0
"""Seconds that an honest peer waits while others make noise, on a machine that has other work to do."""

GROWTH_MAX = 160 * 2**20
"""Bytes that a process may hold more than when it was ready, with every queue in use: it must not grow for ever."""

READY = re.compile(rb"is ready: (\S+)")


class Program:
    """A real ``holdfast i3 …`` whose errors go to a file."""

    def __init__(self, process: asyncio.subprocess.Process, address: str, log: Path) -> None:
        self.process = process
        self.port = int(address.rstrip("/").rpartition(":")[2])
        self.log = log
        self._memory = psutil.Process(process.pid)
        self._first = self.memory()
        self.most = self._first

    async def kill(self) -> None:
        """End it by ``kill -9``."""
        self.process.kill()
        await self.process.wait()

    def memory(self) -> int:
        """Bytes that it holds."""
        return int(self._memory.memory_info().rss)

    def check(self) -> None:
        """It lives, and is not too large."""
        assert self.process.returncode is None, f"it died: {self.log.read_text()[-3000:]}"
        self.most = max(self.most, self.memory())
        grown = self.most - self._first
        assert grown < GROWTH_MAX, f"it has grown by {grown / 2**20:.0f} MiB"


@contextlib.asynccontextmanager
async def running(folder: Path, *arguments: str) -> AsyncIterator[Program]:
    log = folder / "errors.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "holdfast.cli.main", "i3", *arguments, "--log-level", "error",
            stdout=asyncio.subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    assert process.stdout is not None
    reading: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(60):
            while not (found := READY.search(await process.stdout.readline())):
                assert not process.stdout.at_eof(), log.read_text()
        reading = asyncio.create_task(process.stdout.read())
        program = Program(process, found[1].decode(), log)
        yield program
        if process.returncode is None:  # nobody has killed it
            program.check()
            process.terminate()
            async with asyncio.timeout(30):
                assert await process.wait() == 0, "it ends as always"
        said = log.read_text()
        assert "Traceback" not in said, f"{said[:3000]}"
        assert "Fatal error" not in said, f"{said[:3000]}"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        if reading is not None:
            await reading


class Peer:
    """A peer that does all as it should: on a connection to a router."""

    _open: ClassVar[list[Peer]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._framing = Mudmode(2**21)
        self._came: list[p.Packet] = []

    @classmethod
    async def connect(cls, port: int, address: str = "127.0.0.1") -> Peer:
        peer = cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0)))
        cls._open.append(peer)
        return peer

    def say(self, what: p.Packet) -> None:
        self.writer.write(self._framing.encode(packet(p.write(what))))

    async def hear(self, wanted: Callable[[p.Packet], bool]) -> p.Packet:
        """Wait for a packet, and let all others pass."""
        async with asyncio.timeout(ANSWERED_WITHIN):
            while True:
                while self._came:
                    if wanted(found := self._came.pop(0)):
                        return found
                data = await self._reader.read(65_536)
                assert data, "an honest peer was cut off"
                for frame in self._framing.feed(data):
                    assert isinstance(frame, bytes)
                    for value in packets(frame).values:
                        with contextlib.suppress(PacketError):
                            self._came.append(p.read(value))

    def close(self) -> None:
        self.writer.transport.abort()

    @classmethod
    async def close_all(cls) -> None:
        """End all that were connected."""
        for peer in cls._open:
            peer.close()
        cls._open.clear()
        await asyncio.sleep(0)  # so that the loop lets go of their sockets
