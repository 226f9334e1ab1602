"""A person whose node is in the mode ``tor``, in a process that writes down each address it touches.

``python -m … FOLDER NAME OTHER LOOP PROXY GATEWAY…``. The files of ``chat_process``, and two more: ``touched`` has a line
for everything that leaves the process or looks a name up, ``gateways`` says what the node says of its gateways.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop

from holdfast.crypto import Keystore
from holdfast.mailbox import GatewayAddress
from holdfast.node import NODE_MIGRATIONS, Message, Mode, Node, NodeSettings
from holdfast.node.settings import OVER_TOR
from holdfast.storage import Database
from tests.support.chat_process import Log, meet, report

PATIENT = OVER_TOR.mailbox
"""Everything is as over any Tor, but that nobody here waits a minute for the next attempt, or half of one for this."""

CONTROL = "localhost"
"""Looked up at the beginning, to show that a look-up is seen."""

SEEN = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
    "socket.getnameinfo": 0,
    "subprocess.Popen": 0,
    "os.posix_spawn": 0,
    "os.exec": 0,
    "os.system": 0,
}
"""What the interpreter tells of (PEP 578), and where in it the address stands."""


def watch(log: Log) -> None:
    """Write down whatever Python itself does with an address, for the whole life of the process."""

    def seen(event: str, arguments: tuple[Any, ...]) -> None:
        if event in SEEN:
            log.add(f"{event} {told(arguments[SEEN[event]])}")

    sys.addaudithook(seen)


def told(address: Any) -> str:
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)


def watched_uvloop(log: Log) -> asyncio.AbstractEventLoop:
    """A uvloop, which does some of it in C where no hook sees it: these write it down before."""

    class Watched(uvloop.Loop):
        async def getaddrinfo(self, host: Any, *rest: Any, **more: Any) -> Any:
            log.add(f"socket.getaddrinfo {host}")
            return await super().getaddrinfo(host, *rest, **more)

        async def create_connection(
            self, factory: Any, host: Any = None, port: Any = None, **more: Any
        ) -> Any:
            if host is not None:
                log.add(f"socket.connect {host}:{port}")
            return await super().create_connection(factory, host, port, **more)

        async def create_datagram_endpoint(self, factory: Any, *rest: Any, **more: Any) -> Any:
            log.add(f"socket.sendto {rest} {more}")
            return await super().create_datagram_endpoint(factory, *rest, **more)

    return Watched()


async def tell(node: Node, folder: Path) -> None:
    """Write down, for ever, what the node says of its gateways; ends the process when nobody reads it any more."""
    parent = os.getppid()
    while True:
        if os.getppid() != parent:
            os._exit(1)
        rows = {each.name: [each.state, each.trouble] for each in node.gateways()}
        fresh = folder / "gateways.new"
        fresh.write_text(json.dumps(rows))
        fresh.replace(folder / "gateways")
        await asyncio.sleep(0.1)


async def live(folder: Path, name: str, other: str, proxy: str, gateways: list[str]) -> None:
    await asyncio.get_running_loop().getaddrinfo(CONTROL, 1, type=socket.SOCK_STREAM)
    accepted, shown = Log(folder / "accepted"), Log(folder / "shown")

    def on_message(message: Message) -> None:
        shown.add(f"{time.monotonic():.3f} {message.body.decode()}")

    settings = NodeSettings(
        gateways=tuple(GatewayAddress.parse(each) for each in gateways),
        mode=Mode.TOR,
        proxy=proxy,
        places=len(gateways),
        mailbox=replace(
            PATIENT, connection=replace(PATIENT.connection, max_delay=2.0, connect_timeout=10.0)
        ),
        retry_max=2.0,
    )
    async with (
        Database(folder / "node.db", NODE_MIGRATIONS) as database,
        Node(database, Keystore.open(folder / "node.key"), settings) as node,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(tell(node, folder))
        node.on_message(on_message)
        await node.create_identity(name)
        contact = await meet(node, folder, name, other)
        number = 0
        while True:
            if (folder.parent / "quiet").exists():
                await report(node, folder, contact)
            else:
                number += 1
                await node.send(contact.id, f"{name} {number}", message_id=f"{name}-{number:06d}")
                accepted.add(f"{name} {number}")
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    where, who, whom, kind, through, *known = sys.argv[1:]
    touched = Log(Path(where) / "touched")
    watch(touched)
    factory = (lambda: watched_uvloop(touched)) if kind == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(live(Path(where), who, whom, through, known))
