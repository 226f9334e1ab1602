"""A gateway's mailboxes on real sockets, disks and processes: what it keeps, through what, and how much of it."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import ssl
import sys
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from holdfast import limits
from holdfast.errors import (
    ErrorCode,
    MailboxFullError,
    MailboxUnknownError,
    ResilienceError,
    StorageError,
)
from holdfast.mailbox import (
    Direct,
    GatewayAddress,
    GatewaySettings,
    MailboxClient,
    MailboxKey,
    MailboxSettings,
)
from holdfast.mailbox import store as mailbox_store
from holdfast.mailbox.gateway import Gateway
from holdfast.mailbox.record import Acknowledged
from holdfast.mailbox.store import MIGRATIONS
from holdfast.mailbox.tls import CERTIFICATE, make_certificate, pin_of_file, server_context
from holdfast.mailbox.wire import Done, Refused
from holdfast.node import Mode
from holdfast.storage import Database, Durability
from tests.integration.test_failures import in_a_mount
from tests.support.nodes import World, befriend, until
from tests.support.processes import free_port
from tests.support.raw_mailbox import RawClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from holdfast.mailbox.record import Kept, Note

KEY, OTHER = MailboxKey(b"k" * 32), MailboxKey(b"o" * 32)
TOKEN = b"t" * 32
ENOUGH = 60.0
"""Seconds that nothing here needs."""
QUICK = MailboxSettings(
    connection=replace(MailboxSettings().connection, initial_delay=0.05, max_delay=0.3)
)
KILLS = 2
WRITERS = 4
DAYS = 24 * 60
"""Minutes, as a gateway counts its age."""


@asynccontextmanager
async def opened(
    folder: Path, settings: GatewaySettings | None = None
) -> AsyncIterator[tuple[Gateway, GatewayAddress]]:
    folder.mkdir(exist_ok=True)
    pem = folder / CERTIFICATE
    if not pem.exists():
        make_certificate(pem)
    async with Database(
        folder / "gateway.db", {"mailbox": MIGRATIONS}, durability=Durability.PROCESS_DEATH
    ) as database:
        gateway = Gateway(
            database, pin=pin_of_file(pem), tls=server_context(pem), settings=settings
        )
        port = await gateway.start("127.0.0.1")
        try:
            yield gateway, GatewayAddress("127.0.0.1", port, pin_of_file(pem))
        finally:
            await gateway.stop()


class Reader:
    """Reads a mailbox and notes what came."""

    def __init__(self, key: MailboxKey = KEY) -> None:
        self.key = key
        self.came: dict[bytes, bytes] = {}
        self.client: MailboxClient

    @asynccontextmanager
    async def reading(self, address: GatewayAddress) -> AsyncIterator[Reader]:
        async with MailboxClient(address, Direct(), on_envelope=self.on_envelope) as self.client:
            await self.client.subscribe(self.key)
            yield self

    def on_envelope(self, _: bytes, envelope: bytes, body: bytes) -> None:
        assert self.came.setdefault(envelope, body) == body
        self.came[envelope] = body

    async def acknowledge_all(self) -> None:
        await self.client.acknowledge(self.key.mailbox, list(self.came))
        self.came.clear()


# --- through what ---------------------------------------------------------------------------


def test_on_a_full_disk_deposits_are_refused_reading_goes_on_and_with_room_all_goes_on(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "small"
    command = (sys.executable, "-m", "tests.support.small_gateway", str(folder))
    seen = json.loads(in_a_mount("size=4m", folder, *command))
    assert seen["errors"] == ["STORAGE_UNAVAILABLE"]
    assert seen["was_always_told_when"], "a client is told when to try again"
    assert seen["kept"] > 10
    assert seen["read_while_full"]
    assert seen["after_a_restart"], "nothing is lost, and nothing comes that was acknowledged"


async def start(folder: Path, port: int) -> tuple[asyncio.subprocess.Process, GatewayAddress]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast.cli.main", "chat", "gateway"),
        *("--port", str(port), "--data", str(folder), "--log-level", "error"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(ENOUGH):
        line = (await process.stdout.readline()).decode()
    return process, GatewayAddress.parse(line.rpartition(" ")[2].strip())


async def test_killed_among_deposits_a_gateway_has_all_that_it_answered_and_is_the_same(
    tmp_path: Path,
) -> None:
    """Threat model P8: what a deposit was told to be kept is handed out; key, mailbox and token are as they were."""
    port, chance = free_port(), random.Random(7)
    process, address = await start(tmp_path / "g", port)
    kept: set[bytes] = set()
    is_over = asyncio.Event()

    async def write(number: int) -> None:
        count = 0
        async with MailboxClient(address, Direct(), settings=QUICK) as client:
            while not is_over.is_set():
                count += 1
                envelope = bytes((number,)) + count.to_bytes(15)
                while envelope not in kept and not is_over.is_set():
                    with suppress(ResilienceError):  # asked again until it is answered
                        await client.deposit(KEY.mailbox, TOKEN, envelope, envelope * 8)
                        kept.add(envelope)

    try:
        async with MailboxClient(address, Direct()) as owner:
            await owner.create(KEY, TOKEN)
        writers = [asyncio.create_task(write(number)) for number in range(WRITERS)]
        for _ in range(KILLS):
            enough = len(kept) + chance.randint(40, 80)
            await until(lambda enough=enough: len(kept) >= enough, ENOUGH)  # type: ignore[misc]
            process.kill()
            await process.wait()
            process, again = await start(tmp_path / "g", port)
            assert again == address, "its key is the same, so whoever knows it comes back"
        is_over.set()
        await asyncio.gather(*writers)
        async with Reader().reading(address) as reader:
            await until(lambda: kept <= set(reader.came), ENOUGH)
            assert all(body == envelope * 8 for envelope, body in reader.came.items())
    finally:
        is_over.set()
        if process.returncode is None:
            process.kill()
            await process.wait()


def envelopes_in(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "gateway.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM envelope").fetchone()[0])


class FullForAcknowledgements:
    """A disk that has no room for so many of them."""

    def __init__(self, patch: pytest.MonkeyPatch, times: int) -> None:
        self.left = times
        self._submit = mailbox_store.submit
        patch.setattr(mailbox_store, "submit", self.submit)

    def submit(self, database: Database, notes: Sequence[Note]) -> asyncio.Future[list[Kept]]:
        if self.left and any(isinstance(note, Acknowledged) for note in notes):
            self.left -= 1
            raise StorageError("The disk is full.", retry_after=0.05)
        return self._submit(database, notes)


@pytest.mark.parametrize("is_bounded", [False, True], ids=["made again", "past the bound"])
async def test_what_a_full_disk_kept_of_an_acknowledged_message_is_acknowledged_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_bounded: bool
) -> None:
    """On the same connection, or it would count as unread while that lives, and at many nothing new would come; past
    the bound of those that wait with the next connection."""
    async with World(tmp_path, gateways=1) as world:
        (gateway,) = world.gateways
        people = [await world.person(name, mode=Mode.DIRECT) for name in ("ann", "bob")]
        ann, bob = people
        await befriend(ann, bob)
        await until(lambda: envelopes_in(gateway.folder) == 0)
        if is_bounded:
            monkeypatch.setattr(limits, "NODE_ACKNOWLEDGEMENTS_MAX", 0)
        disk = FullForAcknowledgements(monkeypatch, 1 if is_bounded else 3)
        await ann.node.send(ann.contact("bob"), "hello")
        await until(lambda: bob.texts() == ["hello"] and not disk.left)
        if is_bounded:
            await gateway.stop()
            await gateway.start()
        await until(lambda: envelopes_in(gateway.folder) == 0)
        assert bob.texts() == ["hello"]


async def test_after_a_restart_mailboxes_and_tokens_are_as_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "g"
    async with opened(folder) as (_, address), MailboxClient(address, Direct()) as client:
        await client.create(KEY, TOKEN)
        await client.create(OTHER, b"1" * 32)
        await client.create(OTHER, b"2" * 32)  # another token: the first is good for nothing
        await client.deposit(KEY.mailbox, TOKEN, bytes(16), b"one")
        await client.deposit(OTHER.mailbox, b"2" * 32, bytes(16), b"two")
        await client.delete(OTHER)
        await client.create(OTHER, b"3" * 32)
    async with opened(folder) as (gateway, again):
        assert again.pin == address.pin
        assert gateway.statistics().mailboxes == 2
        assert gateway.statistics().envelopes == 1
        async with MailboxClient(again, Direct()) as client:
            for wrong in (b"1" * 32, b"2" * 32, TOKEN):
                with pytest.raises(MailboxUnknownError):
                    await client.deposit(OTHER.mailbox, wrong, bytes(16), b"x")
            await client.deposit(OTHER.mailbox, b"3" * 32, bytes(16), b"three")
            await client.deposit(KEY.mailbox, TOKEN, bytes(16), b"one")  # the same one, once more
        async with Reader().reading(again) as mine, Reader(OTHER).reading(again) as others:
            await until(lambda: mine.came and others.came)
            assert (mine.came, others.came) == ({bytes(16): b"one"}, {bytes(16): b"three"})


async def test_who_is_connected_is_told_that_a_gateway_ends_and_what_it_answered_is_kept(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "g") as (gateway, address):
        reader, writer = await RawClient.to(address), await RawClient.to(address)
        await reader.greets()
        assert isinstance(await reader.asks(reader.create(KEY, TOKEN)), Done)
        assert isinstance(await reader.asks(reader.subscribe(KEY)), Done)
        writer.say(
            *(writer.deposit(KEY, TOKEN, n.to_bytes(16), b"x" * 500, n=n) for n in range(200))
        )
        first = await writer.hears()  # some are answered, others on their way
        await gateway.stop()
        said = [first, *await writer.hears_all()]
        for heard in (said, await reader.hears_all()):
            (leave,) = (each for each in heard if isinstance(each, Refused))
            assert (leave.n, leave.code) == (0, ErrorCode.SERVER_RESTARTING)
            assert leave.retry_ms > 0
        answered = {each.n.to_bytes(16) for each in said if isinstance(each, Done)}
        assert answered
        for client in (reader, writer):
            await client.close()
    async with opened(tmp_path / "g") as (_, address), Reader().reading(address) as again:
        await until(lambda: answered <= set(again.came))


async def test_an_end_that_waits_for_somebody_can_be_forced(tmp_path: Path) -> None:
    async with opened(tmp_path / "g") as (gateway, address):
        mute = await RawClient.to(address)
        await mute.greets()
        transport = mute.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()  # it does not take leave
        ending = asyncio.create_task(gateway.stop(within=10 * ENOUGH))
        await until(lambda: not gateway.is_open)
        with pytest.raises(ConnectionRefusedError):
            while True:  # as long as it listens
                with suppress(ConnectionResetError, ssl.SSLError):
                    await (await RawClient.to(address)).close()
        assert not ending.done()
        gateway.abort()
        async with asyncio.timeout(ENOUGH):
            await ending
        transport.abort()


# --- how much -------------------------------------------------------------------------------


async def test_a_full_mailbox_refuses_harms_no_other_and_takes_again_when_it_was_read(
    tmp_path: Path,
) -> None:
    settings = GatewaySettings(mailbox_envelopes_max=3, mailbox_bytes_max=1000)
    async with opened(tmp_path / "g", settings) as (_, address):
        async with MailboxClient(address, Direct()) as client:
            for key in (KEY, OTHER):
                await client.create(key, TOKEN)
            for number in range(3):
                await client.deposit(KEY.mailbox, TOKEN, number.to_bytes(16), b"x")
            with pytest.raises(MailboxFullError) as count:
                await client.deposit(KEY.mailbox, TOKEN, b"n" * 16, b"x")
            await client.deposit(OTHER.mailbox, TOKEN, bytes(16), b"x" * 900)
            with pytest.raises(MailboxFullError) as size:
                await client.deposit(OTHER.mailbox, TOKEN, b"n" * 16, b"x" * 101)
            for refused in (count.value, size.value):
                assert refused.code == ErrorCode.MAILBOX_FULL
                assert refused.retry_after
            async with Reader().reading(address) as reader:
                await until(lambda: len(reader.came) == 3)
                await reader.acknowledge_all()
                await client.deposit(KEY.mailbox, TOKEN, b"n" * 16, b"x")
                await until(lambda: list(reader.came) == [b"n" * 16])


async def test_a_full_gateway_says_so_and_when_to_come_again(tmp_path: Path) -> None:
    settings = GatewaySettings(store_bytes_max=1000, mailboxes_max=1)
    async with (
        opened(tmp_path / "g", settings) as (_, address),
        MailboxClient(address, Direct()) as client,
    ):
        await client.create(KEY, TOKEN)
        await client.deposit(KEY.mailbox, TOKEN, bytes(16), b"x" * 1000)
        with pytest.raises(MailboxFullError) as size:
            await client.deposit(KEY.mailbox, TOKEN, b"n" * 16, b"x")
        with pytest.raises(MailboxFullError) as mailboxes:
            await client.create(OTHER, TOKEN)
        for refused in (size.value, mailboxes.value):
            assert refused.code == ErrorCode.GATEWAY_FULL
            assert refused.retry_after


def grow_old(folder: Path, minutes: int) -> None:
    """Let a gateway that does not run be older by so much; it counts the time that it has run."""
    with sqlite3.connect(folder / "gateway.db") as connection:
        connection.execute("UPDATE age SET minutes = minutes + ?", (minutes,))
    connection.close()


async def test_an_envelope_goes_when_its_time_is_over_and_a_mailbox_when_nobody_comes(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "g"
    async with opened(folder) as (_, address), MailboxClient(address, Direct()) as client:
        await client.create(KEY, TOKEN)
        await client.deposit(KEY.mailbox, TOKEN, b"s" * 16, b"short", ttl=24 * 3600.0)
        await client.deposit(KEY.mailbox, TOKEN, b"l" * 16, b"long")
        await client.deposit(KEY.mailbox, TOKEN, b"m" * 16, b"for ever", ttl=10 * 365 * 86_400.0)
    grow_old(folder, 2 * DAYS)
    async with opened(folder) as (gateway, address):
        await until(lambda: gateway.statistics().envelopes == 2)
        assert gateway.statistics().counts["expired"] == 1
        async with Reader().reading(address) as reader:
            await until(lambda: set(reader.came) == {b"l" * 16, b"m" * 16})
    grow_old(folder, 14 * DAYS)
    async with opened(folder) as (gateway, _):
        await until(lambda: gateway.statistics().envelopes == 0)
        assert gateway.statistics().size == 0
        assert gateway.statistics().mailboxes == 1
    grow_old(folder, 90 * DAYS)
    async with opened(folder) as (gateway, _):
        await until(lambda: gateway.statistics().mailboxes == 0)
