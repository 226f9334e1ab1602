"""A client of a gateway that says what it is told to, from an address of its choice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from holdfast import limits
from holdfast.connection import Framed
from holdfast.mailbox.key import Purpose, token_hash
from holdfast.mailbox.tls import pinned_context
from holdfast.mailbox.wire import (
    Acknowledge,
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
    from holdfast.mailbox import GatewayAddress, MailboxKey
    from holdfast.mailbox.wire import Answer, Request

ENOUGH = 30.0


class RawClient:
    """One connection, with TLS, and nothing that comes back or waits by itself."""

    def __init__(
        self, gateway: GatewayAddress, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._gateway = gateway
        self._reader = reader
        self._framing = Framed(limits.MAILBOX_FRAME_BYTES_MAX)
        self._answers: list[Answer] = []
        self._nonce = b""
        self.writer = writer

    @classmethod
    async def to(cls, gateway: GatewayAddress, own: str = "127.0.0.1") -> RawClient:
        reader, writer = await asyncio.open_connection(
            gateway.host,
            gateway.port,
            ssl=pinned_context(gateway.pin, RealWorld()),
            server_hostname=gateway.host,
            local_addr=(own, 0),
        )
        return cls(gateway, reader, writer)

    def say(self, *requests: Request) -> None:
        self.writer.write(b"".join(self._framing.encode(encode(each)) for each in requests))

    async def hears(self) -> Answer | None:
        """Return what it says next; None when it has closed."""
        async with asyncio.timeout(ENOUGH):
            while not self._answers:
                try:
                    data = await self._reader.read(65_536)
                except OSError:
                    return None  # cut: that is an end as well
                if not data:
                    return None
                found = self._framing.feed(data)
                self._answers += [read_answer(each) for each in found if isinstance(each, bytes)]
            return self._answers.pop(0)

    async def hears_all(self) -> list[Answer]:
        """Return all that it says until it closes."""
        heard: list[Answer] = []
        while (answer := await self.hears()) is not None:
            heard.append(answer)
        return heard

    async def asks(self, request: Request) -> Answer | None:
        self.say(request)
        return await self.hears()

    async def greets(self) -> None:
        welcome = await self.asks(Hello(1))
        assert isinstance(welcome, Welcome)
        self._nonce = welcome.nonce

    def create(self, key: MailboxKey, token: bytes, n: int = 2) -> Create:
        hashed = token_hash(token)
        proof = key.prove(Purpose.CREATE, self._gateway.pin, self._nonce, hashed)
        return Create(n, key.public, hashed, proof)

    def subscribe(self, key: MailboxKey, n: int = 3) -> Subscribe:
        proof = key.prove(Purpose.SUBSCRIBE, self._gateway.pin, self._nonce)
        return Subscribe(n, key.public, proof)

    @staticmethod
    def deposit(
        key: MailboxKey, token: bytes, envelope: bytes, body: bytes = b"x", *, n: int = 4
    ) -> Deposit:
        return Deposit(n, key.mailbox, token, envelope, 3600, body)

    @staticmethod
    def acknowledge(key: MailboxKey, *ids: bytes, n: int = 5) -> Acknowledge:
        return Acknowledge(n, key.mailbox, ids)

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass  # it was cut by the other side
