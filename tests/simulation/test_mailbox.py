"""Gateways that die: what was answered "kept" is handed over, what was acknowledged never again; and no pipe leads on."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from holdfast import limits
from holdfast.connection import ConnectionSettings, Framed
from holdfast.errors import ErrorCode, ResilienceError
from holdfast.mailbox import (
    GatewayAddress,
    GatewaySettings,
    MailboxClient,
    MailboxKey,
    MailboxSettings,
)
from holdfast.mailbox import store as mailbox_store
from holdfast.mailbox.gateway import Gateway
from holdfast.mailbox.record import Acknowledged, Kept, Removed
from holdfast.mailbox.wire import Done, Pipe, Refused, encode, read_answer
from holdfast.storage import Database, Durability
from holdfast.testing import Cut, Flap, Kill, PowerOff, Reset, Simulation, search, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.mailbox.record import Note
    from holdfast.mailbox.wire import Answer
    from holdfast.testing import Host

PORT = 7000
TOKEN = b"t" * 32
KEY = MailboxKey(b"k" * 32)
COUNT, SIZE = 8, 700
DURABILITY = Durability.POWER_LOSS
LAST = b"l" * 16
SETTINGS = MailboxSettings(
    is_plain=True,
    call_timeout=5.0,
    connection=ConnectionSettings(
        connect_timeout=5.0, heartbeat=5.0, heartbeat_timeout=5.0, initial_delay=0.2, max_delay=5.0
    ),
)


def address(name: str) -> GatewayAddress:
    return GatewayAddress(name, PORT, sha256(name.encode()).digest())


async def serve(host: Host, others: Sequence[str] = (), lives: list[Gateway] | None = None) -> None:
    """Be a gateway that pipes to others."""
    tables = {"mailbox": mailbox_store.MIGRATIONS}
    async with Database(
        host.folder / "gateway.db", tables, durability=DURABILITY, readers=1
    ) as database:
        gateway = Gateway(
            database,
            pin=address(host.name).pin,
            settings=GatewaySettings(create_burst=1000),
            pipe_to=[address(name) for name in others],
            world=host,
        )
        await gateway.start("0.0.0.0", PORT)
        if lives is not None:
            lives.append(gateway)
        try:
            await asyncio.Event().wait()
        finally:
            await gateway.stop()


# --- what is kept ---------------------------------------------------------------------------


class Post:
    """One writes, one reads; both note what the gateway told them.

    Attributes:
        kept: envelopes of which the writer was told that they are kept.
        fresh: that have come and are not acknowledged since.
        acknowledged: of which the reader was told that they are gone.
        settled: of which both were told; what a writer without an answer puts in once more is not among them.
        again: that came all the same.
    """

    def __init__(self) -> None:
        self.kept: set[bytes] = set()
        self.fresh: set[bytes] = set()
        self.acknowledged: set[bytes] = set()
        self.settled: set[bytes] = set()
        self.again: list[bytes] = []
        self.is_made = False

    async def write(self, host: Host) -> None:
        async with MailboxClient(address("gate"), settings=SETTINGS, world=host) as client:
            while not self.is_made:
                await asyncio.sleep(0.1)
            for number in range(COUNT):
                envelope = number.to_bytes(16)
                while envelope not in self.kept:
                    with suppress(ResilienceError):  # it is asked again until it is answered
                        await client.deposit(KEY.mailbox, TOKEN, envelope, b"x" * SIZE)
                        self.kept.add(envelope)
                await asyncio.sleep(host.random.choice((0.0, 0.1, 1.0)))

    async def write_last(self, host: Host) -> None:
        """Put in what comes after everything that is still there."""
        async with MailboxClient(address("gate"), settings=SETTINGS, world=host) as client:
            while LAST not in self.kept:
                with suppress(ResilienceError):  # as above
                    await client.deposit(KEY.mailbox, TOKEN, LAST, b"x" * SIZE)
                    self.kept.add(LAST)

    async def read(self, host: Host) -> None:
        """Acknowledge what came as long as it is not answered."""
        news = asyncio.Event()

        def came(_: bytes, envelope: bytes, body: bytes) -> None:
            assert len(body) == SIZE
            if envelope in self.settled:
                self.again.append(envelope)
            self.fresh.add(envelope)
            news.set()

        async with MailboxClient(
            address("gate"), settings=SETTINGS, on_envelope=came, world=host
        ) as client:
            while not self.is_made:
                with suppress(ResilienceError):  # as above
                    await client.create(KEY, TOKEN)
                    await client.subscribe(KEY)
                    self.is_made = True
            while True:
                await news.wait()
                news.clear()
                while self.fresh:
                    due = self.fresh.copy()
                    self.fresh.clear()
                    try:
                        await client.acknowledge(KEY.mailbox, sorted(due))
                    except ResilienceError:  # as above; the mailbox is read again by itself
                        self.fresh |= due
                        await asyncio.sleep(0.05)
                    else:
                        gone = due - self.fresh
                        self.acknowledged |= gone
                        self.settled |= gone & self.kept


async def until(
    world: Simulation, condition: Callable[[], object], *, within: float, what: str
) -> None:
    """As the world's, looked at a few times a second."""
    for _ in range(int(5 * within)):
        if condition():
            return
        await asyncio.sleep(0.2)
    await world.until(condition, within=0, what=what)


async def deaths(world: Simulation) -> None:
    """A gateway is killed and loses its power while it is written to and read from."""
    gate, writer, reader = (
        world.host("gate"), world.host("writer", "cafe"), world.host("reader", "cafe"),
    )  # fmt: skip
    gate.spawn(serve, gate)
    post = Post()
    writer.spawn(post.write, writer)
    reader.spawn(post.read, reader)
    world.inject({Kill: 1, PowerOff: 1}, within=5, hosts=["gate"], lasts=(0.1, 3))
    links = [("gate", "writer"), ("gate", "reader")]
    world.inject({Reset: 3, Cut: 1, Flap: 1}, within=5, links=links, lasts=(0.1, 3))
    await world.calm()
    await until(world, lambda: len(post.kept) == COUNT, within=120, what="everything is kept")
    await until(
        world,
        lambda: post.kept == post.acknowledged and not post.fresh,
        within=60,
        what="what was answered is handed over",
    )
    gate.power_off()
    gate.restart()
    await writer.run(post.write_last, writer)
    await until(
        world, lambda: LAST in post.acknowledged, within=60, what="what comes last is handed over"
    )
    assert not post.again, f"{len(post.again)} came though they had been acknowledged"


@simulate(seeds=200, minutes=10)
async def test_what_was_answered_is_handed_over_and_after_its_acknowledgement_never_again(
    world: Simulation,
) -> None:
    """Threat model P8: whatever dies, and however."""
    await deaths(world)


def kept_in_the_memory_of_the_system(patch: pytest.MonkeyPatch) -> None:
    """What is answered survives a kill, and no power cut."""
    patch.setattr(sys.modules[__name__], "DURABILITY", Durability.PROCESS_DEATH)


def deleted_in_memory_only(patch: pytest.MonkeyPatch) -> None:
    """What is acknowledged is counted as gone, and stays in the store."""
    submit = mailbox_store.submit

    def forgetful(database: Database, notes: Sequence[Note]) -> asyncio.Future[list[Kept]]:
        told: asyncio.Future[list[Kept]] = asyncio.get_running_loop().create_future()

        def written(writing: asyncio.Future[list[Kept]]) -> None:
            found = iter(writing.result())
            told.set_result(
                [
                    Kept(
                        removed=tuple(Removed(note.mailbox.number, each, SIZE) for each in note.ids)
                    )
                    if isinstance(note, Acknowledged)
                    else next(found)
                    for note in notes
                ]
            )

        others = [note for note in notes if not isinstance(note, Acknowledged)]
        submit(database, others).add_done_callback(written)
        return told

    patch.setattr(mailbox_store, "submit", forgetful)


@pytest.mark.parametrize("bug", [kept_in_the_memory_of_the_system, deleted_in_memory_only])
def test_a_planted_bug_is_found(
    bug: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    simulation_note: Callable[[str], None],
) -> None:
    bug(monkeypatch)
    finding = search(deaths, range(50), shrinking=0)
    assert finding.failure is not None, f"{bug.__doc__} was not found in 50 seeds"
    simulation_note(f"planted: {bug.__name__} was found after {finding.runs} seeds")


# --- where pipes lead -----------------------------------------------------------------------


class Caller:
    """Says to gateways what no honest client says, over one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, name: str) -> Caller:
        return cls(*await asyncio.open_connection(name, PORT))

    async def pipe(self, name: str) -> Answer | None:
        """Ask whoever is at the end of this connection for a pipe; None when it has closed."""
        framing = Framed(limits.KIB)
        self._writer.write(framing.encode(encode(Pipe(1, address(name).pin))))
        with suppress(ConnectionError):  # cut: that is an end as well
            while data := await self._reader.read(4096):
                for message in framing.feed(data):
                    assert isinstance(message, bytes)
                    return read_answer(message)
        return None

    def close(self) -> None:
        self._writer.close()


async def rings(world: Simulation) -> None:
    """Gateways in a ring, which pipe to the next or to both neighbours, and somebody who tries to go round it."""
    chance = world.host("caller").random
    count, steps = chance.randint(3, 5), chance.choice([(1,), (1, -1)])
    names = [f"gate{number}" for number in range(count)]
    listed = {
        name: [names[(number + step) % count] for step in steps]
        for number, name in enumerate(names)
    }
    lives: list[Gateway] = []
    for name in names:
        host = world.host(name)
        host.spawn(serve, host, listed[name], lives)
    await world.until(lambda: len(lives) == count, within=10, what="all gateways are there")
    tried = [(a, b, c) for a in names for b in listed[a] for c in listed[b]]

    async def go_round() -> None:
        for first, second, third in tried:
            caller = await Caller.to(first)
            assert isinstance(await caller.pipe(second), Done), "one hop is what pipes are for"
            assert_refused(await caller.pipe(third), f"{first}, {second}, {third}")
            caller.close()
        for name in names:
            caller = await Caller.to(name)
            assert_refused(await caller.pipe(name), f"{name}, {name}")
            caller.close()

    await world.host("caller").run(go_round)
    await until(
        world,
        lambda: not any(each.statistics().pipes or each.statistics().connections for each in lives),
        within=120,
        what="nothing goes round by itself",
    )
    counts = sum((each.statistics().counts for each in lives), Counter[str]())
    assert counts["pipes opened"] == len(tried)
    assert counts["pipes refused pipe_refused"] == len(tried) + count


def assert_refused(answer: Answer | None, way: str) -> None:
    if answer is not None:  # the end of the connection may overtake it
        assert isinstance(answer, Refused), f"a chain: {way}"
        assert answer.code == ErrorCode.PIPE_REFUSED


@simulate(seeds=20, minutes=10)
async def test_gateways_in_a_ring_refuse_to_be_chained_and_nothing_goes_round(
    world: Simulation,
) -> None:
    """Threat model P7: also where none of them has the one before it on its list."""
    await rings(world)
