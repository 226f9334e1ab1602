"""A way between agents' nodes through relays that keep nothing: frames are lost, doubled, overtake each other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from holdfast.apps.agents import AgentError
from holdfast.apps.agents.errors import AgentCode
from holdfast.errors import NetworkError

SIZE = 4
AGAIN = 2.0
"""Seconds until a relay is tried again."""


async def read(reader: asyncio.StreamReader) -> list[object]:
    size = int.from_bytes(await reader.readexactly(SIZE), "big")
    found: list[object] = msgspec.msgpack.decode(await reader.readexactly(size), type=list)
    return found


def framed(*parts: object) -> bytes:
    body = msgspec.msgpack.encode(parts)
    return len(body).to_bytes(SIZE, "big") + body


async def relay(
    port: int, chance: random.Random, *, loss: float = 0.0, double: float = 0.0
) -> None:
    """Pass on what comes to whoever is connected."""
    writers: dict[str, asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (name,) = await read(reader)
        writers[str(name)] = writer
        try:
            while True:
                peer, data = await read(reader)
                for _ in range(1 + (chance.random() < double)):
                    other = writers.get(str(peer))
                    if other is not None and chance.random() >= loss:
                        other.write(framed(name, data))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the node is gone or its connection broke
        finally:
            if writers.get(str(name)) is writer:
                del writers[str(name)]
            writer.close()

    async with await asyncio.start_server(serve, "0.0.0.0", port) as server:
        await server.serve_forever()


class RelayWay:
    """The transport of one node, through any of the relays that it reaches."""

    def __init__(
        self,
        name: str,
        peers: Sequence[str],
        relays: Sequence[tuple[str, int]],
        chance: random.Random,
    ) -> None:
        self._name = name
        self._peers = [peer for peer in peers if peer != name]
        self._relays = relays
        self._random = chance
        self._writers: dict[tuple[str, int], asyncio.StreamWriter] = {}
        self._callbacks: list[Callable[[str, bytes], object]] = []

    async def live(self) -> None:
        async with asyncio.TaskGroup() as group:
            for address in self._relays:
                group.create_task(self._keep(address))

    async def _keep(self, address: tuple[str, int]) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                async with asyncio.timeout(5):
                    reader, writer = await asyncio.open_connection(*address)
                try:
                    writer.write(framed(self._name))
                    self._writers[address] = writer
                    while True:
                        sender, data = await read(reader)
                        for callback in self._callbacks:
                            callback(str(sender), data)  # type: ignore[arg-type]
                finally:
                    self._writers.pop(address, None)
                    writer.close()
            await asyncio.sleep(self._random.uniform(0, AGAIN))

    def peers(self) -> Sequence[str]:
        return self._peers

    async def send(self, peer: str, data: bytes, *, within: float) -> None:
        if peer not in self._peers:
            raise AgentError(AgentCode.PEER_UNKNOWN, f"no {peer}")
        if not self._writers:
            raise NetworkError("no relay can be reached")
        self._random.choice(list(self._writers.values())).write(framed(peer, data))

    def on_message(self, callback: Callable[[str, bytes], object]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)
