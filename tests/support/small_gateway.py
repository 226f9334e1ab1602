"""What a gateway does on a disk of a few megabytes: run by ``test_mailbox`` in a mount of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import StorageError
from holdfast.mailbox import Direct, GatewayAddress, MailboxClient, MailboxKey
from holdfast.mailbox.gateway import Gateway
from holdfast.mailbox.store import MIGRATIONS
from holdfast.mailbox.tls import CERTIFICATE, make_certificate, pin_of_file, server_context
from holdfast.storage import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY, TOKEN = MailboxKey(b"k" * 32), b"t" * 32
BODY = b"x" * 30_000
BALLAST = 2_000_000
ENOUGH = 30.0


@asynccontextmanager
async def gateway_in(folder: Path) -> AsyncIterator[GatewayAddress]:
    pem = folder / CERTIFICATE
    if not pem.exists():
        make_certificate(pem)
    async with Database(folder / "gateway.db", {"mailbox": MIGRATIONS}) as database:
        gateway = Gateway(database, pin=pin_of_file(pem), tls=server_context(pem))
        port = await gateway.start("127.0.0.1")
        try:
            yield GatewayAddress("127.0.0.1", port, pin_of_file(pem))
        finally:
            await gateway.stop()


class Told:
    """What the clients were told."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.errors: set[str] = set()
        self.was_always_told_when = True

    async def deposit(self, client: MailboxClient) -> bool:
        """Put in the next one, once; say whether it is kept."""
        envelope = len(self.kept).to_bytes(16)
        try:
            await client.deposit(KEY.mailbox, TOKEN, envelope, BODY)
        except StorageError as error:
            self.errors.add(error.name)
            self.was_always_told_when &= bool(error.retry_after)
            return False
        self.kept.append(envelope)
        return True


async def read(address: GatewayAddress, expected: list[bytes]) -> list[bytes]:
    """Read all that is expected; what else came by then is returned as well."""
    came: list[bytes] = []
    is_there = asyncio.Event()

    def on_envelope(_: bytes, envelope: bytes, body: bytes) -> None:
        assert body == BODY
        came.append(envelope)
        if len(came) >= len(expected):
            is_there.set()

    async with MailboxClient(address, Direct(), on_envelope=on_envelope) as reader:
        await reader.subscribe(KEY)
        async with asyncio.timeout(ENOUGH):
            await is_there.wait()
    return came


async def acknowledge(address: GatewayAddress, ids: list[bytes]) -> None:
    """Acknowledge, as often as it takes."""
    async with MailboxClient(address, Direct()) as reader, asyncio.timeout(ENOUGH):
        await reader.subscribe(KEY)
        while True:
            with suppress(StorageError):  # the breaker waits a moment after the last failure
                await reader.acknowledge(KEY.mailbox, ids)
                return
            await asyncio.sleep(0.1)


async def main(folder: Path) -> dict[str, object]:
    """Fill the disk with envelopes, read while it is full, make room, go on; tell what was seen."""
    ballast = folder / "ballast"
    ballast.write_bytes(b"\0" * BALLAST)
    told = Told()
    async with gateway_in(folder) as address, MailboxClient(address, Direct()) as writer:
        await writer.create(KEY, TOKEN)
        while await told.deposit(writer):
            pass
        kept_by_then = len(told.kept)
        for _ in range(20):
            await told.deposit(writer)
        while_full = await read(address, told.kept)
        ballast.unlink()
        async with asyncio.timeout(ENOUGH):
            while not await told.deposit(writer):
                await asyncio.sleep(0.1)
        first, rest = told.kept[:3], told.kept[3:]
        await acknowledge(address, first)
    async with gateway_in(folder) as address:
        after = await read(address, rest)
    return {
        "errors": sorted(told.errors),
        "was_always_told_when": told.was_always_told_when,
        "kept": kept_by_then,
        "read_while_full": while_full == told.kept[: len(while_full)] and len(while_full) >= kept_by_then,
        "after_a_restart": after == rest,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
