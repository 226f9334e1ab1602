"""The hub and the Python client over real sockets."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from holdfast.errors import ConnectionFailedError, SessionError
from holdfast.session import PresenceState, RefusedError, SessionClient
from tests.support.room import Room
from tests.support.serving import FaultProxy, listening

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def until(condition: Callable[[], object], within: float = 10.0) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_message_is_answered_and_seen_by_all(tmp_path: Path) -> None:
    heard: list[object] = []
    async with (
        listening(Room(), tmp_path) as (_, url),
        SessionClient(url, {}) as ada,
        SessionClient(url, {}, on_event=lambda _, data: heard.append(data)),
    ):
        assert await ada.send({"say": "hi"}) == {"n": 1}
        await until(lambda: heard == [{"say": "hi"}])
        with pytest.raises(RefusedError, match="I will not"):
            await ada.send({"refuse": 1})


async def test_messages_given_while_the_cable_is_out_arrive_once_and_in_order(
    tmp_path: Path,
) -> None:
    heard: list[object] = []
    room = Room()
    async with listening(room, tmp_path) as (_, url):
        proxy = FaultProxy(int(url.split(":")[2].split("/")[0]))
        await proxy.start()
        async with (
            SessionClient(
                f"ws://127.0.0.1:{proxy.port}/ws", {}, on_event=lambda _, data: heard.append(data)
            ) as ada,
            SessionClient(url, {}) as bob,
        ):
            proxy.cut()
            given = [asyncio.create_task(ada.send({"say": f"a{n}"})) for n in range(5)]
            await bob.send({"say": "b"})
            proxy.heal()
            replies = await asyncio.gather(*given)
            await until(lambda: len(heard) == 6)
            assert ada.restored == 1
        await proxy.stop()

    assert replies == [{"n": n} for n in range(2, 7)]
    assert room.said == ["b", "a0", "a1", "a2", "a3", "a4"]
    assert heard == [{"say": text} for text in room.said]


async def test_a_black_hole_is_noticed_by_the_missing_acknowledgement(tmp_path: Path) -> None:
    async with listening(Room(), tmp_path) as (_, url):
        proxy = FaultProxy(int(url.split(":")[2].split("/")[0]))
        await proxy.start()
        async with SessionClient(f"ws://127.0.0.1:{proxy.port}/ws", {}) as ada:
            proxy.swallow()
            sending = asyncio.create_task(ada.send({"say": "into the hole"}))
            await until(lambda: ada.status == "reconnecting", within=6)
            proxy.heal()
            assert await sending == {"n": 1}
        await proxy.stop()


async def test_a_stalled_reader_costs_the_others_nothing_and_catches_up() -> None:
    heard: list[object] = []
    states: list[object] = []
    room = Room()
    async with (
        listening(room) as (hub, url),
        SessionClient(url, {}, on_event=lambda _, data: heard.append(data)),
        SessionClient(url, {}, on_state=lambda _, data: states.append(data)) as slow,
    ):
        socket = slow._line.transport
        assert socket is not None
        socket._transport.pause_reading()
        for number in range(400):
            room.said.append("x")
            hub.apply(lambda tx: tx.publish("room", {"say": "x" * 30_000}))
            await until(lambda number=number: len(heard) == number + 1)
        (stalled,) = (c for c in hub.connections if c.session and c.session.id == slow.session)
        assert stalled.is_lagging

        socket._transport.resume_reading()
        await until(lambda: {"count": 400} in states)
        assert await slow.send({"say": "back"}) == {"n": 401}


@pytest.mark.parametrize(
    "noise",
    [
        b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /ws HTTP/1.1\r\n\r\n",
        b"\x00\x01\x02\xff" * 100,
        b"GET /elsewhere HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
        os.urandom(5000),
        b"GET /ws HTTP/1.1\r\n" + b"X: " + b"y" * 100_000,
    ],
)
async def test_noise_on_the_socket_is_refused_and_harms_nobody(noise: bytes) -> None:
    async with listening(Room()) as (hub, url):
        port = int(url.split(":")[2].split("/")[0])
        async with SessionClient(url, {}) as ada:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(noise)
            writer.write_eof()
            async with asyncio.timeout(15):
                await reader.read()
            writer.close()
            assert await ada.send({"say": "unharmed"}) == {"n": 1}
            assert len(hub.connections) == 1


async def test_a_foreign_origin_is_refused() -> None:
    async with listening(Room()) as (_, url):
        with pytest.raises((ConnectionFailedError, TimeoutError)):
            async with asyncio.timeout(0.5):
                async with SessionClient(url, {}, headers={"Origin": "https://evil.example"}):
                    pass


async def test_a_frame_of_ten_megabytes_ends_the_connection_only() -> None:
    async with listening(Room()) as (hub, url), SessionClient(url, {}) as ada:
        await ada.send({"say": "before"})
        socket = ada._line.transport
        assert socket is not None
        socket.send(b'"' + b"x" * 10_000_000 + b'"')
        await until(lambda: ada.restored == 1)
        assert await ada.send({"say": "after"}) == {"n": 2}
        assert len(hub.sessions) == 1


async def test_a_refused_hello_is_raised_where_the_client_is_entered() -> None:
    async with listening(Room()) as (_, url):
        with pytest.raises(SessionError, match="Not today"):
            async with SessionClient(url, {"refuse": True}):
                pass


async def test_a_server_that_stops_is_returned_to(tmp_path: Path) -> None:
    room = Room()
    async with listening(room, tmp_path) as (_, url):
        proxy = FaultProxy(int(url.split(":")[2].split("/")[0]))
        await proxy.start()
        client = SessionClient(f"ws://127.0.0.1:{proxy.port}/ws", {})
        await client.__aenter__()
        await client.send({"say": "one"})
    async with listening(Room(), tmp_path) as (hub, url):
        proxy._target_port = int(url.split(":")[2].split("/")[0])
        await until(lambda: client.restored == 1)
        assert await client.send({"say": "two"}) == {"n": 2}
        assert [s.presence for s in hub.sessions.values()] == [PresenceState.CONNECTED]
        await client.__aexit__(None, None, None)
    await proxy.stop()
