"""Somebody who speaks to a gateway as it suits him: byte by byte, too much, too fast, or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from holdfast.connection import Endpoint, Framed
from holdfast.connection.framing import Control
from holdfast.mailbox import MailboxKey
from holdfast.mailbox.key import Purpose, token_hash
from holdfast.mailbox.pipe import PipeVia
from holdfast.mailbox.tls import pinned_context
from holdfast.mailbox.wire import (
    Create,
    Deposit,
    Hello,
    Subscribe,
    Welcome,
    encode,
    read_answer,
)
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from holdfast.mailbox import GatewayAddress
    from holdfast.mailbox.wire import Answer, Request

TOKEN = b"t" * 32
PATIENCE = 20.0
"""Seconds that nothing here needs."""


class Stranger(asyncio.Protocol):
    """One connection to a gateway, in TLS."""

    def __init__(self, pin: bytes) -> None:
        self.pin = pin
        self.transport: asyncio.Transport
        self.gone = asyncio.Event()
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        self._framing = Framed(2**20)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for found in self._framing.feed(data):
            if not isinstance(found, Control):
                self.answers.put_nowait(read_answer(found))

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()

    def say(self, request: Request) -> None:
        self.transport.write(self._framing.encode(encode(request)))

    async def asks(self, request: Request) -> Answer:
        """Say it, and return the answer."""
        self.say(request)
        return await self.answer()

    async def answer(self) -> Answer:
        async with asyncio.timeout(PATIENCE):
            return await self.answers.get()

    async def is_cut(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.gone.wait()

    async def greeted(self) -> bytes:
        """Return the nonce of this connection."""
        welcome = await self.asks(Hello(0))
        assert isinstance(welcome, Welcome)
        return welcome.nonce

    async def creates(self, key: MailboxKey, nonce: bytes) -> Answer:
        """Ask for a mailbox."""
        hashed = token_hash(TOKEN)
        proof = key.prove(Purpose.CREATE, self.pin, nonce, hashed)
        return await self.asks(Create(1, key.public, hashed, proof))

    def subscription(self, key: MailboxKey, nonce: bytes) -> Subscribe:
        """Return the wish to read a mailbox."""
        return Subscribe(2, key.public, key.prove(Purpose.SUBSCRIBE, self.pin, nonce))


async def connected(address: GatewayAddress, *, source: str = "127.0.0.1") -> Stranger:
    """Connect from an address of this machine; all of 127.0.0.0/8 are."""
    _, stranger = await asyncio.get_running_loop().create_connection(
        lambda: Stranger(address.pin),
        address.host,
        address.port,
        ssl=pinned_context(address.pin, RealWorld()),
        server_hostname=address.host,
        local_addr=(source, 0),
    )
    return stranger


async def piped(first: GatewayAddress, to: GatewayAddress) -> Stranger:
    """Connect through a gateway to another one."""
    world = RealWorld()

    def endpoint(address: GatewayAddress) -> Endpoint:
        return Endpoint(
            f"tls://{address.host}:{address.port}", tls=pinned_context(address.pin, world)
        )

    return await PipeVia(endpoint(first), to.pin).connect(endpoint(to), lambda: Stranger(to.pin))


def key_of(number: int) -> MailboxKey:
    return MailboxKey(number.to_bytes(32))


def deposit(key: MailboxKey, number: int, body: bytes = b"x") -> Deposit:
    return Deposit(number, key.mailbox, TOKEN, number.to_bytes(16), 3600, body)
