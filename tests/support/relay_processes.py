"""The relay in processes of its own, to be killed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import relay

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from holdfast.delivery import Outbox
    from holdfast.storage import Database

SUBMITTERS = 4


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def receiver(folder: Path, port: int) -> None:
    asyncio.run(relay.receive_in(folder, "127.0.0.1", port))


def sender(folder: Path, port: int, life: int, told: Connection, busy: bool) -> None:
    """Submit without end, and tell each id once ``submit`` has returned."""

    async def act(outbox: Outbox, _: Database) -> None:
        source = random.Random(life)

        async def submit(who: int) -> None:
            number = 0
            while True:
                number += 1
                id = f"{life}-{who}-{number}"
                gate = source.randrange(3)
                await outbox.submit(f"gate-{gate}", id.encode(), id=id, ordered=gate == 0)
                told.send(id)
                await asyncio.sleep(source.uniform(0, 0.004))

        told.send("ready")
        if busy:
            await asyncio.gather(*(submit(who) for who in range(SUBMITTERS)))
        await asyncio.Event().wait()

    asyncio.run(relay.send_from(folder, "127.0.0.1", port, act))


class Pair:
    """A sender and a receiver on real files, each of which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["tests.support.relay_processes"])
        self.acknowledged: list[str] = []
        self.life = 0
        self._processes: dict[str, BaseProcess] = {}
        self._told: Connection | None = None
        for name in ("sender", "receiver"):
            (folder / name).mkdir()

    def start_receiver(self) -> None:
        self._start(
            "receiver",
            self.context.Process(target=receiver, args=(self.folder / "receiver", self.port)),
        )

    def start_sender(self, *, busy: bool = True) -> None:
        self.life += 1
        self._told, theirs = self.context.Pipe(duplex=False)
        arguments = (self.folder / "sender", self.port, self.life, theirs, busy)
        self._start("sender", self.context.Process(target=sender, args=arguments))
        theirs.close()
        assert self._told.poll(20), "the sender starts"
        assert self._told.recv() == "ready"

    def _start(self, name: str, process: BaseProcess) -> None:
        process.start()
        self._processes[name] = process

    def kill(self, name: str) -> None:
        """As ``kill -9``."""
        process = self._processes.pop(name)
        assert process.is_alive(), f"the {name} ended by itself: {process.exitcode}"
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        self.listen()
        if name == "sender" and self._told is not None:
            self._told.close()

    def listen(self) -> None:
        """Take down what was acknowledged; a word that the kill cut in two was not said."""
        with suppress(EOFError):
            while self._told is not None and not self._told.closed and self._told.poll():
                self.acknowledged.append(self._told.recv())

    def end(self) -> None:
        for name in list(self._processes):
            self.kill(name)
