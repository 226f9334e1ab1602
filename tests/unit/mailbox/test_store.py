"""What a gateway writes down: one envelope for one id, what is due goes, what is deleted leaves nothing."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast.mailbox import store
from holdfast.mailbox.record import (
    Acknowledged,
    Client,
    Expired,
    Fetch,
    Gone,
    Kept,
    Mailbox,
    NewEnvelope,
    NewMailbox,
    Reading,
    Row,
)
from holdfast.resilience import TokenBucket
from holdfast.storage import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from holdfast.mailbox.record import Note

CLIENT = Client(1, "192.0.2.1", bytes(32), TokenBucket(1.0, 1))
BOX = Mailbox(1, b"m" * 16, b"p" * 32, b"t" * 32, seen_day=3)
ONE, TWO = b"1" * 16, b"2" * 16


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Database]:
    async with Database(folder / "gateway.db", {"mailbox": store.MIGRATIONS}) as database:
        yield database


def made() -> NewMailbox:
    return NewMailbox(CLIENT, 1, BOX, BOX.token, is_new=True)


def put(number: int, envelope: bytes, body: bytes, *, due_hour: int = 10) -> NewEnvelope:
    return NewEnvelope(CLIENT, 1, BOX, number, envelope, due_hour, body)


async def waiting(database: Database) -> list[Row]:
    return await store.fetch(database, Fetch(Reading(CLIENT), BOX, 0, 10))


async def test_one_id_is_one_envelope_and_another_body_is_seen(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        notes: list[Note] = [
            made(),
            put(1, ONE, b"a"),
            put(2, ONE, b"a"),
            put(3, ONE, b"b"),
            put(4, TWO, b"c"),
        ]
        kept = await store.submit(database, notes)
        assert kept[1:] == [Kept(), Kept(is_new=False), Kept(is_new=False, is_same=False), Kept()]
        assert await waiting(database) == [Row(1, ONE, b"a"), Row(4, TWO, b"c")]


async def test_what_was_written_is_there_after_a_restart_with_its_sums(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await store.submit(database, [made(), put(1, ONE, b"abc"), put(2, TWO, b"d"), Expired(90)])
    async with opened(tmp_path) as database:
        (box,), last, age = await store.load(database)
        assert (box.address, box.public, box.token, box.seen_day) == (
            *(BOX.address, BOX.public, BOX.token),
            3,
        )
        assert (box.held, box.size, last, age) == (2, 4, 2, 90 * 60)


async def test_what_is_due_goes_and_what_is_not_stays(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        notes: list[Note] = [made(), put(1, ONE, b"a", due_hour=2), put(2, TWO, b"b", due_hour=3)]
        await store.submit(database, notes)
        (early,) = await store.submit(database, [Expired(119)])
        assert early.removed == ()
        (late,) = await store.submit(database, [Expired(120)])
        assert [each.id for each in late.removed] == [ONE]
        assert [row.id for row in await waiting(database)] == [TWO]


async def test_an_acknowledgement_removes_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await store.submit(database, [made(), put(1, ONE, b"abc")])
        acknowledged = Acknowledged(CLIENT, 1, BOX, (ONE, TWO))
        first, second = await store.submit(database, [acknowledged, acknowledged])
        assert [(each.id, each.size) for each in first.removed] == [(ONE, 3)]
        assert second.removed == ()


async def test_a_deleted_mailbox_takes_its_envelopes_with_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await store.submit(database, [made(), put(1, ONE, b"abc")])
        await store.submit(database, [Gone(CLIENT, 1, BOX)])
        assert await waiting(database) == []
        assert await store.load(database) == ([], 0, 0)


async def test_many_at_once_are_what_they_are_one_by_one(tmp_path: Path) -> None:
    other = replace(BOX, number=2, address=b"n" * 16, public=b"q" * 32)
    ids = [number.to_bytes(16, "big") for number in range(1, 401)]
    put_twice = set(ids[::7])
    async with opened(tmp_path) as database:
        again: list[Note] = [put(1000 + n, each, b"old") for n, each in enumerate(put_twice)]
        both: list[Note] = [made(), replace(made(), mailbox=other)]
        await store.submit(database, [*both, *again])
        boxes = [BOX, other]
        notes: list[Note] = [
            replace(put(n, each, b"%d" % n), mailbox=boxes[n % 2]) for n, each in enumerate(ids, 1)
        ]
        kept = await store.submit(database, notes)
        known = [boxes[n % 2] is BOX and each in put_twice for n, each in enumerate(ids, 1)]
        assert [each.is_new for each in kept] == [not each for each in known]
        loaded, _, _ = await store.load(database)
        assert [box.held for box in loaded] == [200 + len(put_twice) - sum(known), 200]

        removed = await store.submit(
            database, [Acknowledged(CLIENT, 1, BOX, tuple(ids)), Expired(60 * 10)]
        )
        assert len(removed[0].removed) == 200 + len(put_twice) - sum(known)
        assert {each.mailbox for each in removed[1].removed} == {other.number}
        assert len(removed[1].removed) == 200
        left = await database.fetch_all("SELECT number FROM body UNION SELECT number FROM envelope")
        assert left == []
