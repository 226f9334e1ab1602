"""Promises of the threat model that gateways have to keep, played on real sockets and real processes."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from holdfast.apps.chat.demo import DemoGateways
from holdfast.errors import MailboxFullError, NetworkError, RateLimitError, ResilienceError
from holdfast.mailbox import (
    Direct,
    GatewayAddress,
    GatewaySettings,
    MailboxClient,
    MailboxKey,
    TwoHop,
)
from holdfast.mailbox.gateway import Gateway
from holdfast.mailbox.store import MIGRATIONS
from holdfast.mailbox.tls import make_certificate, pin_of_file, server_context
from holdfast.storage import Database
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from holdfast.mailbox import GatewayPath

TOKEN = b"t" * 32
TTL = 3600.0


class Reader:
    """A client that keeps what is pushed to it."""

    def __init__(self, address: GatewayAddress, path: GatewayPath | None = None) -> None:
        self.came: list[tuple[bytes, bytes, bytes]] = []
        self.client = MailboxClient(
            address, path or Direct(), on_envelope=lambda *given: self.came.append(given)
        )

    async def has(self, *bodies: bytes) -> None:
        """Wait until exactly these are there."""
        async with asyncio.timeout(20):
            while len(self.came) < len(bodies):
                await asyncio.sleep(0.01)
        assert sorted(body for _, _, body in self.came) == sorted(bodies)


@asynccontextmanager
async def a_gateway(folder: Path, **settings: int) -> AsyncIterator[tuple[Gateway, GatewayAddress]]:
    folder.mkdir(exist_ok=True)
    pem = folder / "key.pem"
    make_certificate(pem)
    async with Database(folder / "gateway.db", {"mailbox": MIGRATIONS}) as database:
        gateway = Gateway(
            database,
            pin=pin_of_file(pem),
            settings=GatewaySettings(**settings),
            tls=server_context(pem),
            world=RealWorld(),
        )
        port = await gateway.start("127.0.0.1", 0)
        try:
            yield gateway, GatewayAddress("127.0.0.1", port, pin_of_file(pem))
        finally:
            await gateway.stop()


@asynccontextmanager
async def reading(*readers: Reader) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for reader in readers:
            await stack.enter_async_context(reader.client)
        yield


def key_of(number: int) -> MailboxKey:
    return MailboxKey(bytes([number]) * 32)


async def test_a_gateway_with_another_key_than_the_pinned_one_gets_nothing(tmp_path: Path) -> None:
    """Threat model P6: another key than the pinned one is no gateway of ours, and the error names it."""
    async with a_gateway(tmp_path) as (gateway, address):
        false = Reader(GatewayAddress(address.host, address.port, bytes(32)))
        async with reading(false):
            with pytest.raises(NetworkError) as raised:
                await false.client.create(key_of(1), TOKEN, within=3.0)
            assert false.client.name in f"{raised.value} {raised.value.details}"
        right = Reader(address)
        async with reading(right):
            with pytest.raises(ResilienceError):
                await right.client.deposit(key_of(1).mailbox, TOKEN, b"e" * 16, b"x", ttl=TTL)
            await right.client.create(key_of(1), TOKEN)


async def test_a_mailbox_is_its_owners_and_those_who_have_its_token(tmp_path: Path) -> None:
    """Threat model P10: without the key nothing is read, acknowledged or deleted; without the token nothing put in."""
    async with a_gateway(tmp_path) as (_, address):
        owner, stranger = Reader(address), Reader(address)
        async with reading(owner, stranger):
            await owner.client.create(key_of(1), TOKEN)
            await owner.client.deposit(key_of(1).mailbox, TOKEN, b"e" * 16, b"mine", ttl=TTL)
            for token in (b"x" * 32, bytes(32)):
                with pytest.raises(ResilienceError):
                    await stranger.client.deposit(
                        key_of(1).mailbox, token, b"f" * 16, b"junk", ttl=TTL
                    )
            with pytest.raises(ResilienceError):
                await stranger.client.subscribe(key_of(2))
            await stranger.client.delete(key_of(2))  # of what that key owns: nothing
            with suppress(ResilienceError):  # refused or passed over: it is there afterwards
                await stranger.client.acknowledge(key_of(1).mailbox, [b"e" * 16])
            await owner.client.subscribe(key_of(1))
            await owner.has(b"mine")
            assert stranger.came == []


async def test_nobody_suppresses_an_envelope_by_choosing_its_id(tmp_path: Path) -> None:
    """Threat model P13: one id in two mailboxes is two envelopes; twice in one mailbox it is one."""
    async with a_gateway(tmp_path) as (_, address):
        reader, writer = Reader(address), Reader(address)
        async with reading(reader, writer):
            for number in (1, 2):
                await reader.client.create(key_of(number), TOKEN)
                await reader.client.subscribe(key_of(number))
            for number in (1, 2, 2):
                body = b"for %d" % number
                await writer.client.deposit(key_of(number).mailbox, TOKEN, b"e" * 16, body, ttl=TTL)
            await reader.has(b"for 1", b"for 2")


async def test_logs_and_figures_name_no_mailbox_and_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Threat model P9: what a gateway logs and counts contains no mailbox, no token, no text and no address."""
    caplog.set_level(logging.DEBUG, logger="holdfast.mailbox")
    async with a_gateway(tmp_path) as (gateway, address):
        reader = Reader(address)
        async with reading(reader):
            key = key_of(1)
            await reader.client.create(key, TOKEN)
            await reader.client.subscribe(key)
            await reader.client.deposit(key.mailbox, TOKEN, b"e" * 16, b"secret text", ttl=TTL)
            with pytest.raises(ResilienceError):
                await reader.client.deposit(key.mailbox, b"x" * 32, b"f" * 16, b"junk", ttl=TTL)
            await reader.has(b"secret text")
            said = f"{gateway.statistics()} " + " ".join(
                record.getMessage() for record in caplog.records
            )
    for secret in (key.mailbox.hex(), repr(key.mailbox)[2:-1], TOKEN.decode(), "secret text"):
        assert secret not in said
    assert "127.0.0.1" not in f"{gateway.statistics()}"


async def test_a_killed_gateway_has_what_it_accepted(tmp_path: Path) -> None:
    """Threat model P8: after kill -9, everything that a deposit was told to be kept is handed out."""
    async with DemoGateways(tmp_path, 2) as gateways:
        one, _ = gateways.gateways
        writer = Reader(one.address)
        kept: list[bytes] = []
        async with reading(writer):
            await writer.client.create(key_of(1), TOKEN)

            async def put(number: int) -> None:
                body = b"%d" % number
                try:
                    await writer.client.deposit(
                        key_of(1).mailbox,
                        TOKEN,
                        number.to_bytes(16, "big"),
                        body,
                        ttl=TTL,
                        within=5.0,
                    )
                except ResilienceError:
                    return  # it was not told to be kept
                kept.append(body)

            flying = [asyncio.create_task(put(number)) for number in range(200)]
            while len(kept) < 20:
                await asyncio.sleep(0.001)
            await gateways.kill(one.name)
            await asyncio.gather(*flying)
        await gateways.start(one.name)
        reader = Reader(one.address)
        async with reading(reader):
            await reader.client.subscribe(key_of(1))
            async with asyncio.timeout(20):
                while not set(kept) <= {body for _, _, body in reader.came}:
                    ids = [envelope for _, envelope, _ in reader.came]
                    await reader.client.acknowledge(key_of(1).mailbox, ids)
                    await asyncio.sleep(0.01)
            bodies = [body for _, _, body in reader.came]
            assert len(bodies) == len(set(bodies)), "each once"


async def test_gateways_that_pipe_go_to_their_list_only(tmp_path: Path) -> None:
    """Threat model P7: a pipe to a gateway that is not on the list is refused; one on it works."""
    async with (
        DemoGateways(tmp_path / "three", 2) as gateways,
        a_gateway(tmp_path / "x") as (_, other),
    ):
        first, second = gateways.gateways
        through = Reader(second.address, TwoHop(first.address))
        astray = Reader(other, TwoHop(first.address))
        async with reading(through, astray):
            await through.client.create(key_of(1), TOKEN)
            await through.client.subscribe(key_of(1))
            await through.client.deposit(key_of(1).mailbox, TOKEN, b"e" * 16, b"hello", ttl=TTL)
            await through.has(b"hello")
            with pytest.raises(ResilienceError):
                await astray.client.create(key_of(1), TOKEN, within=3.0)


async def test_a_full_mailbox_says_so_and_others_are_not_touched(tmp_path: Path) -> None:
    """Threat model P11: a flood ends at the bound of its mailbox, is told so with a time, and costs nobody else."""
    async with a_gateway(tmp_path, mailbox_envelopes_max=5) as (_, address):
        reader, flood = Reader(address), Reader(address)
        async with reading(reader, flood):
            for number in (1, 2):
                await reader.client.create(key_of(number), TOKEN)

            async def put(mailbox: int, number: int) -> None:
                await flood.client.deposit(
                    key_of(mailbox).mailbox, TOKEN, bytes([number]) * 16, b"x", ttl=TTL
                )

            for number in range(5):
                await put(1, number)
            with pytest.raises(MailboxFullError) as raised:
                await put(1, 5)
            assert raised.value.retry_after is not None
            await put(2, 0)
            await reader.client.subscribe(key_of(1))
            await reader.has(*[b"x"] * 5)


async def test_deposits_faster_than_allowed_are_told_to_wait(tmp_path: Path) -> None:
    """Threat model P11: deposits beyond the rate of a mailbox are refused with a time, none is dropped in silence."""
    async with a_gateway(tmp_path, deposit_rate=1, deposit_burst=3) as (_, address):
        reader, flood = Reader(address), Reader(address)
        async with reading(reader, flood):
            await reader.client.create(key_of(1), TOKEN)
            await reader.client.subscribe(key_of(1))
            kept = 0
            for number in range(20):
                try:
                    await flood.client.deposit(
                        key_of(1).mailbox, TOKEN, bytes([number]) * 16, b"x", ttl=TTL
                    )
                except RateLimitError as error:
                    assert error.retry_after
                else:
                    kept += 1
            assert 3 <= kept < 20
            await reader.has(*[b"x"] * kept)


async def test_announcing_huge_frames_or_saying_nothing_holds_nobody_up(tmp_path: Path) -> None:
    """Threat model P12: a frame that is announced too large ends its connection; silent ones hold nobody up."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with a_gateway(tmp_path) as (_, address):
        silent = [
            await asyncio.open_connection(address.host, address.port, ssl=context)
            for _ in range(20)
        ]
        huge_reader, huge = await asyncio.open_connection(address.host, address.port, ssl=context)
        huge.write(b"\xff" * 64)
        async with asyncio.timeout(20):
            with suppress(ConnectionError):
                while await huge_reader.read(4096):
                    pass
        honest = Reader(address)
        async with reading(honest):
            await honest.client.create(key_of(1), TOKEN)
            await honest.client.subscribe(key_of(1))
            await honest.client.deposit(key_of(1).mailbox, TOKEN, b"e" * 16, b"hello", ttl=TTL)
            await honest.has(b"hello")
        for _, writer in [*silent, (huge_reader, huge)]:
            writer.transport.abort()
