"""An outbox whose owner sends by itself."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.delivery import MIGRATIONS, DeliveryState, Outbox
from holdfast.errors import DeliveryError
from holdfast.storage import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Outbox]:
    async with (
        Database(folder / "test.db", MIGRATIONS) as database,
        Outbox(database, None) as outbox,
    ):
        yield outbox


def nothing(_connection: sqlite3.Connection, _there: Any) -> None:
    pass


async def test_messages_are_begun_in_order_and_are_on_their_way_until_they_arrive(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as outbox:
        feed = outbox.feed("gate")
        ids = [await outbox.submit("gate", b"%d" % n, ordered=True) for n in range(5)]
        await outbox.submit("other", b"x", ordered=True)

        begun = await feed.begin(await feed.following(3), nothing)
        assert [message.body for message in begun] == [b"0", b"1", b"2"]
        assert [message.body for message in await feed.following(9)] == [b"3", b"4"]
        tracked = await outbox.status(ids[0])
        assert tracked is not None
        assert tracked.now.state is DeliveryState.SENDING
        assert (await outbox.statistics())["sending"] == 3

        feed.delivered(begun[0])
        assert (await outbox.outcome(ids[0])).state is DeliveryState.DELIVERED


async def test_what_was_begun_is_found_by_the_next_process_and_does_not_expire(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as outbox:
        begun = await outbox.submit("gate", b"begun", ttl=0.05, ordered=True)
        late = await outbox.submit("gate", b"late", ttl=0.05, ordered=True)
        feed = outbox.feed("gate")
        await feed.begin(await feed.following(1), nothing)
        assert (await outbox.outcome(late)).state is DeliveryState.EXPIRED
        assert await feed.following(9) == []
    async with opened(tmp_path) as outbox:
        (found,) = await outbox.feed("gate").begun()
        assert found.id == begun
        assert await outbox.feed("gate").following(9) == []


async def test_what_has_expired_since_it_was_read_is_not_begun(tmp_path: Path) -> None:
    async with opened(tmp_path) as outbox:
        feed = outbox.feed("gate")
        id = await outbox.submit("gate", b"x", ttl=0.05, ordered=True)
        read = await feed.following(1)
        await outbox.outcome(id)
        placed: list[object] = []
        assert await feed.begin(read, lambda _, there: placed.extend(there)) == []
        assert placed == []


async def test_the_owner_is_told_of_each_new_message(tmp_path: Path) -> None:
    async with opened(tmp_path) as outbox:
        news = asyncio.Event()
        outbox.on_queued(lambda _: news.set())
        await outbox.submit("gate", b"x", ordered=True)
        async with asyncio.timeout(5):
            await news.wait()


@pytest.mark.parametrize("more", [{}, {"ordered": True, "delay": 1.0}])
async def test_what_a_feed_would_not_show_is_refused(tmp_path: Path, more: Any) -> None:
    async with opened(tmp_path) as outbox:
        with pytest.raises(DeliveryError, match="without `send`"):
            await outbox.submit("gate", b"x", **more)
        with pytest.raises(DeliveryError, match="without `send`"):
            await outbox.submit_many([("gate", b"x")])


async def test_an_outbox_that_sends_has_no_feed(tmp_path: Path) -> None:
    async def send(_message: object) -> None: ...

    async with (
        Database(tmp_path / "test.db", MIGRATIONS) as database,
        Outbox(database, send) as outbox,
    ):
        with pytest.raises(DeliveryError, match="itself"):
            outbox.feed("gate")
