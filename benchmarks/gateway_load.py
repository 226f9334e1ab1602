"""Load for one gateway of the chat, by clients that do next to nothing; ``chat.py`` is what one runs.

The gateway is a process of its own with everything on: TLS 1.3, SQLite, a flush of the disk before each answer. Only
its quotas are wider, since a few connections stand for many people here.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, cast

import psutil

from holdfast import limits
from holdfast.connection import Framed
from holdfast.mailbox import MailboxKey
from holdfast.mailbox.gateway import Gateway
from holdfast.mailbox.key import NONCE_BYTES, Purpose, mailbox_of, token_hash
from holdfast.mailbox.memory import map_buffers
from holdfast.mailbox.settings import GatewaySettings
from holdfast.mailbox.store import ADD_MAILBOX, MIGRATIONS
from holdfast.mailbox.tls import (
    CERTIFICATE,
    make_certificate,
    pin_of_file,
    pinned_context,
    server_context,
)
from holdfast.mailbox.wire import (
    Acknowledge,
    Deposit,
    Done,
    Envelope,
    Hello,
    Subscribe,
    Welcome,
    encode,
    read_answer,
)
from holdfast.storage import Database
from holdfast.world import RealWorld

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Sequence

    from holdfast.mailbox.wire import Answer, Request

HOST = "127.0.0.1"
TOKEN = bytes(range(32))
WIDE = GatewaySettings(
    deposit_rate=1e6,
    deposit_burst=1_000_000,
    mailbox_envelopes_max=1_000_000,
    mailbox_bytes_max=2**40,
    request_rate=1e6,
    request_burst=1_000_000,
    per_address_max=20_000,
)
UNDER_WAY = 256
"""Deposits of one writer that are not answered."""

ACKNOWLEDGED_AT_ONCE = 64


async def serve(folder: Path) -> None:
    """Be the gateway: print the port when it is ready, and end with standard input."""
    map_buffers()
    pem = folder / CERTIFICATE
    async with Database(folder / "gateway.db", {"mailbox": MIGRATIONS}) as database:
        gateway = Gateway(database, pin=pin_of_file(pem), settings=WIDE, tls=server_context(pem))
        print(await gateway.start("0.0.0.0"), flush=True)  # 127.0.0.2 is one of ours too
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.to_thread(sys.stdin.read)
        await gateway.stop()


async def furnish(folder: Path, publics: Sequence[bytes]) -> None:
    """Write mailboxes into the store of a gateway that does not run."""
    make_certificate(folder / CERTIFICATE)
    rows = [
        (number, public, mailbox_of(public), token_hash(TOKEN), 0)
        for number, public in enumerate(publics, 1)
    ]
    async with Database(folder / "gateway.db", {"mailbox": MIGRATIONS}) as database:
        await database.write(lambda connection: connection.executemany(ADD_MAILBOX, rows).rowcount)


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[psutil.Process, int]]:
    """Run the gateway of a folder; yields its process and its port."""
    script = Path(__file__).with_name("chat.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), "--serve", str(folder),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        yield psutil.Process(process.pid), port
    finally:
        process.stdin.close()
        await process.wait()


class Line(asyncio.Protocol):
    """A connection that does next to nothing: it writes requests, and hands over answers."""

    def __init__(self) -> None:
        self._framing = Framed(limits.MAILBOX_FRAME_BYTES_MAX)
        self._transport: asyncio.Transport
        self.taken: Callable[[Answer], object] = lambda _: None
        self.nonce = b""

    @classmethod
    async def to(cls, port: int, tls: ssl.SSLContext, local: str | None = None) -> Line:
        _, line = await asyncio.get_running_loop().create_connection(
            cls, HOST, port, ssl=tls, server_hostname=HOST,
            local_addr=None if local is None else (local, 0),
        )  # fmt: skip
        return line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.close = self._transport.close

    def data_received(self, data: bytes) -> None:
        for message in self._framing.feed(data):
            if isinstance(message, bytes):
                self.taken(read_answer(message))

    def write(self, *requests: Request) -> None:
        self._transport.write(b"".join(self._framing.encode(encode(each)) for each in requests))

    async def asked(self, request: Request) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.taken = lambda got: None if answer.done() else answer.set_result(got)
        self.write(request)
        return await answer

    async def reads(self, key: MailboxKey, pin: bytes) -> None:
        """Prove the key of a mailbox, and read it from now on."""
        welcome = await self.asked(Hello(1))
        assert isinstance(welcome, Welcome)
        assert len(welcome.nonce) == NONCE_BYTES
        proof = key.prove(Purpose.SUBSCRIBE, pin, welcome.nonce)
        done = await self.asked(Subscribe(2, key.public, proof))
        assert isinstance(done, Done), done


class Reader:
    """Reads one mailbox to its end, and acknowledges what it got."""

    def __init__(self, line: Line, mailbox: bytes, count: int) -> None:
        self._line, self._mailbox, self._left = line, mailbox, count
        self._owed: list[bytes] = []
        self._unanswered = 0
        self._seen: set[bytes] = set()
        self.over = asyncio.Event()
        line.taken = self._taken

    def _taken(self, answer: Answer) -> None:
        if isinstance(answer, Envelope):
            assert answer.id not in self._seen, "nothing is handed over twice"
            self._seen.add(answer.id)
            self._left -= 1
            self._owed.append(answer.id)
            if len(self._owed) == ACKNOWLEDGED_AT_ONCE or not self._left:
                self._unanswered += 1
                self._line.write(Acknowledge(3, self._mailbox, tuple(self._owed)))
                self._owed.clear()
        else:
            assert isinstance(answer, Done), answer
            self._unanswered -= 1
        if not self._left and not self._unanswered:
            self.over.set()


async def write_all(line: Line, mailboxes: Sequence[bytes], bodies: deque[bytes], ttl: int) -> None:
    """Put an envelope into one mailbox after the other until there are no more bodies."""
    world, over = RealWorld(), asyncio.Event()
    under_way = number = 0

    def more() -> None:
        nonlocal under_way, number
        requests = []
        while bodies and under_way < UNDER_WAY:
            number += 1
            under_way += 1
            mailbox = mailboxes[number % len(mailboxes)]
            requests.append(
                Deposit(number, mailbox, TOKEN, world.secret_bytes(16), ttl, bodies.popleft())
            )
        if requests:
            line.write(*requests)
        elif not under_way:
            over.set()

    def taken(answer: Answer) -> None:
        nonlocal under_way
        assert isinstance(answer, Done), answer
        under_way -= 1
        if under_way <= UNDER_WAY // 2:
            more()

    line.taken = taken
    more()
    await over.wait()


async def through(folder: Path, count: int, body_bytes: int, people: int = 8) -> None:
    """Print how many envelopes a second go through one gateway, from the writer's hand into the reader's."""
    world = RealWorld()
    keys = [MailboxKey.new(world) for _ in range(people)]
    await furnish(folder, [key.public for key in keys])
    pin = pin_of_file(folder / CERTIFICATE)
    tls = pinned_context(pin, world)
    each = count // people
    async with serving(folder) as (gateway, port):
        readers, lines = [], []
        for key in keys:
            line = await Line.to(port, tls)
            await line.reads(key, pin)
            readers.append(Reader(line, key.mailbox, each))
            lines.append(line)
        writers = [await Line.to(port, tls) for _ in range(people)]
        lines += writers
        body = world.secret_bytes(body_bytes)
        spent, began = sum(gateway.cpu_times()[:2]), time.perf_counter()
        mine = time.process_time()
        await asyncio.gather(
            *(write_all(line, [key.mailbox], deque([body] * each), 86_400)
              for line, key in zip(writers, keys, strict=True)),
        )  # fmt: skip
        accepted = time.perf_counter() - began
        for reader in readers:
            await reader.over.wait()
        took = time.perf_counter() - began
        spent = sum(gateway.cpu_times()[:2]) - spent
        total = each * people
        for line in lines:
            line.close()
        print(
            f"  {total:,} envelopes of {body_bytes} bytes: accepted {total / accepted:,.0f}/s, "
            f"accepted, handed over and deleted {total / took:,.0f}/s"
        )
        print(
            f"  the gateway's processor: {spent / total * 1e6:.0f} µs each, {total / spent:,.0f}/s a core"
            f" (the clients': {(time.process_time() - mine) / total * 1e6:.0f} µs)"
        )


async def mailboxes(folder: Path, count: int) -> None:
    """Print the memory of a gateway with so many mailboxes, and how long it takes to start."""
    world = RealWorld()
    found = []
    for name, many in (("empty", 0), ("full", count)):
        home = folder / name
        home.mkdir()
        await furnish(home, [world.secret_bytes(32) for _ in range(many)])
        began = time.perf_counter()
        async with serving(home) as (gateway, _):
            found.append((gateway.memory_info().rss / 1e6, time.perf_counter() - began))
    (empty, _), (full, took) = found
    print(
        f"  {count:,} mailboxes: {full:.0f} MB, {(full - empty) / count * 1e6:.0f} bytes each over {empty:.0f} MB;"
        f" ready after {took:.1f} s"
    )


async def subscribers(folder: Path, count: int) -> None:
    """Print the memory of a gateway with so many readers over TLS for whom nothing comes."""
    world = RealWorld()
    keys = [MailboxKey.new(world) for _ in range(count)]
    await furnish(folder, [key.public for key in keys])
    pin = pin_of_file(folder / CERTIFICATE)
    tls = pinned_context(pin, world)
    async with serving(folder) as (gateway, port):
        before, began = gateway.memory_info().rss, time.perf_counter()
        gate = asyncio.Semaphore(32)
        lines: list[Line] = []

        async def enter(number: int, key: MailboxKey) -> None:
            async with gate:  # from many addresses, as people come
                line = await Line.to(port, tls, f"127.0.0.{2 + number % 200}")
                await line.reads(key, pin)
                lines.append(line)

        await asyncio.gather(*(enter(number, key) for number, key in enumerate(keys)))
        took = time.perf_counter() - began
        gateway.cpu_percent()
        await asyncio.sleep(3.0)
        memory = gateway.memory_info().rss
        each = (memory - before) / count / 1e3
        print(
            f"  {len(lines):,} idle subscribers over TLS: {memory / 1e6:.0f} MB, {each:.1f} kB each; "
            f"all there after {took:.0f} s; processor while idle {gateway.cpu_percent():.1f} %"
        )
        for line in lines:
            line.close()
        await asyncio.sleep(0.5)
