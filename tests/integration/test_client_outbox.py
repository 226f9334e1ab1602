"""A client with an outbox over real sockets and real files."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from holdfast.delivery import DeliveryState, Outbox
from holdfast.errors import DeliveryError, ErrorCode, LocalProtocolError, SessionError
from holdfast.session import CLIENT_MIGRATIONS, ClientStatus, RefusedError, SessionClient
from holdfast.storage import Database
from tests.support.room import Room
from tests.support.serving import FaultProxy, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def client_in(folder: Path, url: str, auth: object = None) -> AsyncIterator[SessionClient]:
    (folder / "client").mkdir(exist_ok=True)
    async with (
        Database(folder / "client" / "client.db", CLIENT_MIGRATIONS) as database,
        Outbox(database, None) as outbox,
        SessionClient(url, auth or {}, feed=outbox.feed("room")) as client,
    ):
        yield client


@asynccontextmanager
async def cable(url: str) -> AsyncIterator[tuple[FaultProxy, str]]:
    proxy = FaultProxy(int(url.split(":")[2].split("/")[0]))
    await proxy.start()
    try:
        yield proxy, f"ws://127.0.0.1:{proxy.port}/ws"
    finally:
        await proxy.stop()


async def test_what_is_posted_offline_outlives_the_program_and_arrives_once_in_order(
    tmp_path: Path,
) -> None:
    room = Room()
    async with listening(room, tmp_path) as (_, server), cable(server) as (proxy, url):
        proxy.cut()
        async with client_in(tmp_path, url) as client:
            ids = [await client.post({"say": f"{n}"}) for n in range(3)]
            assert client.status is not ClientStatus.OPEN
            assert client.outbox is not None
            tracked = await client.outbox.status(ids[0])
            assert tracked is not None
            assert tracked.now.state is DeliveryState.QUEUED

        async with client_in(tmp_path, url) as client:
            assert client.outbox is not None
            later = await client.post({"say": "3"})
            proxy.heal()
            for id in (*ids, later):
                assert (await client.outbox.outcome(id)).state is DeliveryState.DELIVERED
    assert room.said == ["0", "1", "2", "3"]


async def test_the_next_program_has_the_same_session(tmp_path: Path) -> None:
    async with listening(Room(), tmp_path) as (hub, url):
        async with client_in(tmp_path, url) as client:
            assert await client.send({"say": "a"}) == {"n": 1}
            session = client.session
        async with client_in(tmp_path, url) as client:
            assert await client.send({"say": "b"}) == {"n": 2}
            assert client.session == session
            assert client.restored == 1
        assert len(hub.sessions) == 1


async def test_a_message_cut_off_before_its_acknowledgement_is_not_handled_twice(
    tmp_path: Path,
) -> None:
    room = Room()
    async with listening(room, tmp_path) as (_, server), cable(server) as (proxy, url):
        async with client_in(tmp_path, url) as client:
            await client.send({"say": "a"})
            async with asyncio.timeout(10):
                proxy.swallow()  # the server may have it, its answer never comes
                id = await client.post({"say": "b"})
        proxy.heal()
        async with client_in(tmp_path, url) as client:
            assert client.outbox is not None
            assert (await client.outbox.outcome(id)).state is DeliveryState.DELIVERED
    assert room.said == ["a", "b"]


async def test_an_answer_and_a_refusal_come_to_who_waits(tmp_path: Path) -> None:
    async with listening(Room(), tmp_path) as (_, url), client_in(tmp_path, url) as client:
        assert await client.send({"say": "hi"}) == {"n": 1}
        with pytest.raises(RefusedError, match="I will not"):
            await client.send({"refuse": 1})
        assert client.outbox is not None
        assert await client.outbox.dead_letters() == [], "it was handled: the answer is no"


async def test_what_expires_offline_is_not_sent_and_who_waits_is_told(tmp_path: Path) -> None:
    room = Room()
    async with listening(room, tmp_path) as (_, server), cable(server) as (proxy, url):
        proxy.cut()
        async with client_in(tmp_path, url) as client:
            id = await client.post({"say": "too late"}, ttl=0.05)
            assert client.outbox is not None
            assert (await client.outbox.outcome(id)).state is DeliveryState.EXPIRED
            waiting = asyncio.create_task(client.send({"say": "too late as well"}, ttl=0.05))
            with pytest.raises(DeliveryError, match="time was over"):
                await waiting
            proxy.heal()
            await client.send({"say": "in time"})
    assert room.said == ["in time"]


async def test_a_lost_session_is_begun_anew_with_what_was_kept(tmp_path: Path) -> None:
    room = Room()
    async with listening(room) as (_, url), client_in(tmp_path, url) as client:
        await client.send({"say": "a"})
        session = client.session
    async with listening(room) as (_, url), client_in(tmp_path, url) as client:
        assert await client.send({"say": "b"}) == {"n": 1}, "this server knows nothing of the first"
        assert client.session != session


async def test_a_refused_session_keeps_its_messages(tmp_path: Path) -> None:
    room = Room()
    async with listening(room, tmp_path) as (_, url):
        async with client_in(tmp_path, url, {"refuse": True}) as client:
            id = await client.post({"say": "kept"})
            async with asyncio.timeout(5):
                while client.status is not ClientStatus.ENDED:
                    await asyncio.sleep(0.01)
            with pytest.raises(SessionError, match="Not today"):
                await client.send({"say": "not kept: its caller is told"})
        async with client_in(tmp_path, url) as client:
            assert client.outbox is not None
            await client.outbox.outcome(id)
            await client.send({"say": "last"})
    assert room.said == ["kept", "last"]


async def test_who_leaves_for_good_begins_with_another_session(tmp_path: Path) -> None:
    async with listening(Room(), tmp_path) as (hub, url):
        async with client_in(tmp_path, url) as client:
            await client.send({"say": "a"})
            session = client.session
            await client.leave()
        assert len(hub.sessions) == 0
        async with client_in(tmp_path, url) as client:
            await client.send({"say": "b"})
            assert client.session != session


async def test_hundreds_of_messages_go_many_at_a_time_and_in_order(tmp_path: Path) -> None:
    room = Room()
    async with listening(room, tmp_path) as (_, server), cable(server) as (proxy, url):
        proxy.cut()
        async with client_in(tmp_path, url) as client:
            assert client.outbox is not None
            ids = [await client.post({"say": f"{n}"}) for n in range(120)]
            proxy.heal()
            async with asyncio.timeout(60):
                await client.outbox.outcome(ids[-1])
    assert room.said == [f"{n}" for n in range(120)]


async def test_a_message_that_no_frame_can_carry_is_refused_at_once(tmp_path: Path) -> None:
    async with listening(Room(), tmp_path) as (_, url), client_in(tmp_path, url) as client:
        for sending in (client.send, client.post):
            with pytest.raises(LocalProtocolError, match="bytes") as caught:
                await sending({"say": "x" * 70_000})
            assert caught.value.code is ErrorCode.FRAME_TOO_LARGE
        await client.send({"say": "x" * 50_000})


async def test_a_client_without_an_outbox_keeps_nothing(tmp_path: Path) -> None:
    async with listening(Room(), tmp_path) as (_, url), SessionClient(url, {}) as client:
        assert client.outbox is None
        with pytest.raises(LocalProtocolError, match="outbox"):
            await client.post({"say": "x"})
