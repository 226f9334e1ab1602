"""Through a SOCKS proxy no two connections, and no two attempts, travel under one name: each has a circuit of its own."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import replace

from holdfast.mailbox import GatewayAddress, MailboxClient, MailboxKey, MailboxSettings, Socks

GATEWAY = GatewayAddress("gateway.invalid", 8410, bytes(32))
USUAL = MailboxSettings()
QUICK = replace(USUAL, connection=replace(USUAL.connection, initial_delay=0.1, max_delay=0.2))


class Refusing:
    """A proxy that asks for a name, notes it, and connects to nothing."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.hosts: set[str] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"socks5://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            _, count = await reader.readexactly(2)
            assert 2 in await reader.readexactly(count), "a name is offered"
            writer.write(b"\x05\x02")
            _, length = await reader.readexactly(2)
            self.names.append((await reader.readexactly(length)).decode())
            (length,) = await reader.readexactly(1)
            await reader.readexactly(length)
            writer.write(b"\x01\x00")
            _, _, _, kind, length = await reader.readexactly(5)
            assert kind == 3, "the proxy resolves names, not we"
            self.hosts.add((await reader.readexactly(length)).decode())
            await reader.readexactly(2)
            writer.write(b"\x05\x04\x00\x01" + bytes(6))
            await writer.drain()
        writer.close()


async def test_each_attempt_travels_under_a_name_of_its_own() -> None:
    proxy = Refusing()
    key = MailboxKey(b"k" * 32)
    async with proxy as url, MailboxClient(GATEWAY, Socks(url), settings=QUICK) as client:
        asking = [
            asyncio.create_task(client.subscribe(key)),
            asyncio.create_task(client.deposit(key.mailbox, b"t" * 32, b"e" * 16, b"x", ttl=3600)),
        ]
        async with asyncio.timeout(30):
            while len(proxy.names) < 6:  # some to read, some to write
                await asyncio.sleep(0.01)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
    assert len(set(proxy.names)) == len(proxy.names)
    assert proxy.hosts == {"gateway.invalid"}


async def test_a_proxy_that_is_not_there_is_named_and_so_is_what_it_needs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    said: list[str] = []
    async with MailboxClient(
        GATEWAY, Socks(f"socks5://127.0.0.1:{port}"), settings=QUICK
    ) as client:
        client.on_change(lambda change: said.append(change.message))
        asking = asyncio.create_task(client.subscribe(MailboxKey(b"k" * 32)))
        async with asyncio.timeout(30):
            while not any(said):
                await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait([asking])
    first = next(filter(None, said))
    assert (
        first == f"The proxy 127.0.0.1:{port} cannot be reached: Connection refused. Is it running?"
    )
