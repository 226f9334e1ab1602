"""The outbox with its store: what is taken, what is told, what is refused."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from holdfast.delivery import (
    MIGRATIONS,
    Change,
    DeliveryState,
    Message,
    Outbox,
    OutboxSettings,
    store,
)
from holdfast.errors import (
    DeliveryError,
    DeliveryRefusedError,
    ErrorCode,
    OutboxFullError,
    StorageError,
)
from holdfast.storage import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

OWN = {"own": ("CREATE TABLE own (id INTEGER PRIMARY KEY)",)}


class Destination:
    """Takes messages, once it is open."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.arrived: list[Message] = []
        self.attempts = 0
        self.error: Exception | None = None
        self._open = asyncio.Event()
        if is_open:
            self._open.set()

    def open(self) -> None:
        self._open.set()

    async def __call__(self, message: Message) -> None:
        self.attempts += 1
        await self._open.wait()
        if self.error is not None:
            raise self.error
        self.arrived.append(message)

    @property
    def bodies(self) -> list[bytes]:
        return [message.body for message in self.arrived]


@asynccontextmanager
async def opened(
    folder: Path, send: Destination, settings: OutboxSettings | None = None
) -> AsyncIterator[tuple[Outbox, Database]]:
    async with (
        Database(folder / "a.db", MIGRATIONS | OWN) as database,
        Outbox(database, send, settings=settings) as outbox,
    ):
        yield outbox, database


async def all_gone(outbox: Outbox) -> None:
    async with asyncio.timeout(10):
        while outbox.queued:
            await asyncio.sleep(0.001)


async def test_what_is_submitted_arrives_and_its_life_can_be_followed(tmp_path: Path) -> None:
    send = Destination(is_open=False)
    async with opened(tmp_path, send) as (outbox, _):
        with outbox.changes() as changes:
            id = await outbox.submit("gate", b"hello")
            seen = []
            async for change in changes:
                seen.append(change.state)
                if change.state is DeliveryState.SENDING:
                    tracked = await outbox.status(id)
                    assert tracked is not None
                    assert tracked.now.state is DeliveryState.SENDING
                    assert (await outbox.statistics())["sending"] == 1
                    send.open()
                if change.state.is_final:
                    break
        tracked = await outbox.status(id)
        assert tracked is not None
        assert [change.state for change in tracked.history] == ["queued", "delivered"]
        assert (await outbox.statistics())["delivered"] == 1
    assert seen == ["queued", "sending", "delivered"]
    assert send.bodies == [b"hello"]


async def test_what_was_not_sent_is_sent_by_the_next_process(tmp_path: Path) -> None:
    closed = Destination(is_open=False)
    async with opened(tmp_path, closed) as (outbox, _):
        for number in range(300):
            await outbox.submit(f"gate-{number % 7}", b"%d" % number)
    send = Destination()
    async with opened(tmp_path, send) as (outbox, _):
        assert outbox.queued == 300
        await all_gone(outbox)
    assert sorted(int(body) for body in send.bodies) == list(range(300))


async def test_an_id_of_the_callers_own_is_taken_once(tmp_path: Path) -> None:
    send = Destination(is_open=False)
    async with opened(tmp_path, send) as (outbox, _):
        await outbox.submit("gate", b"first", id="mine")
        await outbox.submit("gate", b"second", id="mine")
        assert outbox.queued == 1
        send.open()
        await outbox.outcome("mine")
        await outbox.submit("gate", b"third", id="mine")
        assert outbox.queued == 0
    assert send.bodies == [b"first"]


async def test_a_message_and_the_callers_own_write_are_one_transaction(tmp_path: Path) -> None:
    send = Destination()
    async with opened(tmp_path, send) as (outbox, database):
        id = await outbox.submit(
            "gate", b"kept", within=lambda c: c.execute("INSERT INTO own VALUES (1)")
        )
        with pytest.raises(StorageError):
            await outbox.submit(
                "gate", b"not kept", within=lambda c: c.execute("INSERT INTO own VALUES (1)")
            )
        await outbox.outcome(id)
        assert await database.fetch_all("SELECT id FROM own") == [(1,)]
        async with asyncio.timeout(5):
            while outbox.queued:  # the store may say so a turn before the outbox has heard of it
                await asyncio.sleep(0)
    assert send.bodies == [b"kept"]


async def test_who_stops_waiting_for_a_submit_takes_nothing_back(tmp_path: Path) -> None:
    send = Destination()
    async with opened(tmp_path, send) as (outbox, _):
        for within in (None, lambda _: None):
            task = asyncio.create_task(outbox.submit("gate", b"x", within=within))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with asyncio.timeout(5):
            while len(send.arrived) < 2:
                await asyncio.sleep(0.001)


async def test_higher_priority_overtakes_what_waits(tmp_path: Path) -> None:
    send = Destination(is_open=False)
    async with opened(tmp_path, send, OutboxSettings(workers=1)) as (outbox, _):
        await outbox.submit("gate", b"first")
        while not send.attempts:
            await asyncio.sleep(0)
        for number in range(400):  # more than memory holds of one destination
            await outbox.submit("gate", b"%d" % number)
        await outbox.submit("gate", b"urgent", priority=5)
        send.open()
        await all_gone(outbox)
    assert send.bodies[:3] == [b"first", b"urgent", b"0"]
    assert [int(body) for body in send.bodies[2:]] == list(range(400))


async def test_refused_for_good_is_a_dead_letter_that_can_be_sent_again_or_purged(
    tmp_path: Path,
) -> None:
    send = Destination()
    send.error = DeliveryRefusedError("no such room")
    failed: list[Change] = []
    delivered: list[Change] = []
    async with opened(tmp_path, send) as (outbox, _):
        outbox.on_failed(failed.append)
        outbox.on_delivered(delivered.append)
        ids = [await outbox.submit(f"gate-{number}", b"%d" % number) for number in range(3)]
        for id in ids:
            assert (await outbox.outcome(id)).state is DeliveryState.FAILED
        assert send.attempts == 3
        letters = await outbox.dead_letters()
        assert [letter.message.id for letter in letters] == ids
        assert [letter.reason for letter in letters] == ["DeliveryRefusedError: no such room"] * 3
        assert len(await outbox.dead_letters("gate-1")) == 1
        assert len(await outbox.dead_letters(limit=2)) == 2
        send.error = None
        assert await outbox.resend(ids[0], "unknown") == 1
        assert (await outbox.outcome(ids[0])).state is DeliveryState.DELIVERED
        assert await outbox.purge(ids[1]) == 1
        assert await outbox.purge(ids[1]) == 0
        assert [letter.message.id for letter in await outbox.dead_letters()] == [ids[2]]
        assert (await outbox.statistics())["dead_letters"] == 1
    assert [change.id for change in failed] == ids
    assert [change.id for change in delivered] == [ids[0]]


async def test_bounds_are_refused_with_a_reason(tmp_path: Path) -> None:
    send = Destination(is_open=False)
    async with opened(tmp_path, send, OutboxSettings(queued_max=2)) as (outbox, _):
        with pytest.raises(DeliveryError, match="1048577 bytes"):
            await outbox.submit("gate", b"x" * (1024 * 1024 + 1))
        with pytest.raises(DeliveryError, match="cannot expire after 5 s"):
            await outbox.submit("gate", b"x", delay=10, ttl=5)
        await outbox.submit("gate", b"1")
        await outbox.submit("gate", b"2")
        with pytest.raises(OutboxFullError) as caught:
            await outbox.submit("gate", b"3")
        assert caught.value.retry_after
        send.open()
        await all_gone(outbox)
        await outbox.submit("gate", b"3")
        await all_gone(outbox)
    assert send.bodies == [b"1", b"2", b"3"]


async def test_nobody_can_wait_for_what_is_not_known(tmp_path: Path) -> None:
    async with opened(tmp_path, Destination()) as (outbox, _):
        assert await outbox.status("nothing") is None
        with pytest.raises(DeliveryError, match="no message 'nothing'"):
            await outbox.outcome("nothing")


async def test_a_slow_subscriber_loses_the_oldest_and_knows_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.limits.CHANGES_QUEUED_MAX", 10)
    async with opened(tmp_path, Destination()) as (outbox, _):
        with outbox.changes() as changes:
            last = [await outbox.submit("gate", b"%d" % number) for number in range(20)][-1]
            await all_gone(outbox)
            assert changes.missed == 50
            async for change in changes:
                if change.id == last and change.state.is_final:
                    break


async def test_a_bug_in_a_callback_is_logged_and_delivery_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Change) -> None:
        raise KeyError("mine")

    send = Destination()
    async with opened(tmp_path, send) as (outbox, _):
        outbox.on_delivered(fail)
        await outbox.submit("gate", b"x")
        await outbox.submit("gate", b"y")
        await all_gone(outbox)
    assert "callback for delivered messages failed" in caplog.text
    assert len(send.arrived) == 2


async def test_something_cancelled_inside_send_is_an_attempt_without_an_answer(
    tmp_path: Path,
) -> None:
    attempts = 0

    async def send(_: Message) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise asyncio.CancelledError

    settings = OutboxSettings(initial_delay=0.01)
    async with (
        Database(tmp_path / "a.db", MIGRATIONS) as database,
        Outbox(database, send, settings=settings) as outbox,
    ):
        await outbox.outcome(await outbox.submit("gate", b"x"))
    assert attempts == 2


async def test_many_more_destinations_than_memory_holds_are_all_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.limits.OUTBOX_LANES_MAX", 8)
    monkeypatch.setattr("holdfast.delivery._keeper.ROTATION_MS", 5)
    send = Destination()
    async with opened(tmp_path, send) as (outbox, _):
        await outbox.submit_many((f"gate-{number}", b"%d" % number) for number in range(200))
        await all_gone(outbox)
        assert outbox._desk.lanes.room == 8, "nothing of them is left in memory"
    assert sorted(int(body) for body in send.bodies) == list(range(200))


async def test_large_bodies_are_not_all_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.limits.OUTBOX_MEMORY_MAX", 250_000)
    send = Destination(is_open=False)
    async with opened(tmp_path, send) as (outbox, _):
        for number in range(50):
            await outbox.submit("gate", bytes([number]) * 100_000)
        held = sum(
            len(m.body) for lane in outbox._desk.lanes._lanes.values() for _, m in lane.waiting
        )
        assert held <= 250_000
        send.open()
        await all_gone(outbox)
    assert sorted(body[0] for body in send.bodies) == list(range(50))
    assert {len(body) for body in send.bodies} == {100_000}


async def test_a_full_disk_refuses_new_messages_and_forgets_no_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.delivery._ledger.RETRY_DELAY", 0.01)
    send = Destination(is_open=False)
    async with opened(tmp_path, send) as (outbox, database):
        ids = [await outbox.submit("gate", b"%d" % number) for number in range(5)]
        await database.write(lambda c: c.execute("PRAGMA max_page_count = 1").fetchone() and None)
        with pytest.raises(StorageError) as caught:
            for _ in range(100):
                await outbox.submit("gate", b"x" * 100_000)
        assert caught.value.code == ErrorCode.STORAGE_FULL
        send.open()
        while len(send.arrived) < 5:
            await asyncio.sleep(0.001)
        database.breaker.reset()
        await database.write(
            lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone() and None
        )
        await all_gone(outbox)
        for id in ids:
            tracked = await outbox.status(id)
            assert tracked is not None
            assert tracked.now.state is DeliveryState.DELIVERED
    assert sorted({int(body) for body in send.bodies}) == list(range(5))
    assert len(send.arrived) == 5


def test_every_query_finds_its_rows_by_an_index() -> None:
    connection = sqlite3.connect(":memory:")
    for script in (*MIGRATIONS["outbox"], *MIGRATIONS["inbox"]):
        connection.executescript(script)
    for sql, parameters in (
        (store.LANE, ("a", 0, 10)),
        (store.NEXT_LANE, ("a", 0)),
        (store.NEXT_DUE, ()),
        (store.NEXT_EXPIRY, ()),
        (store.OLDEST, ()),
        (store.PROMOTE, (1, 10)),
        (store.KNOWS, {"id": "a"}),
        ("SELECT number FROM outbox WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?", (1, 10)),
    ):
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
        assert not [step for step in plan if "TEMP B-TREE" in step], plan
        scans = [step for step in plan if step.startswith("SCAN") and sql is not store.OLDEST]
        assert not scans, plan


async def test_an_ordered_message_goes_when_it_is_due_though_nothing_else_happens(
    tmp_path: Path,
) -> None:
    destination = Destination()
    async with opened(tmp_path, destination) as (outbox, _):
        await outbox.submit("gate", b"first", ordered=True)
        await all_gone(outbox)
        await outbox.submit("gate", b"later", ordered=True, delay=0.05)
        await all_gone(outbox)
        assert destination.bodies == [b"first", b"later"]
