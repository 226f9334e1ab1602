"""The accepting side of TCP: what strangers may do is bounded, and nobody pays for anybody else."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from holdfast.connection import (
    Endpoint,
    Framed,
    Lines,
    Listener,
    ListenerSettings,
    Peer,
    ReliableConnection,
)
from holdfast.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Echo:
    """Says everything back; keeps what it was told about the end."""

    every: list[Echo]

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.heard: list[bytes] = []
        self.ends: list[Exception | None] = []
        self.gone = asyncio.Event()
        self.every.append(self)

    def received(self, message: bytes) -> None:
        self.heard.append(message)
        self.peer.proved()
        self.peer.send(message)

    def ponged(self, number: int) -> None: ...

    def lost(self, error: Exception | None) -> None:
        self.ends.append(error)
        self.gone.set()


@pytest.fixture(autouse=True)
def nobody() -> None:
    Echo.every = []


@contextlib.asynccontextmanager
async def echoing(
    tls: ssl.SSLContext | None = None, framing: type[Lines | Framed] = Lines, **settings: float
) -> AsyncIterator[tuple[Listener, int]]:
    made = ListenerSettings(**settings)  # type: ignore[arg-type]
    listener = Listener(Echo, framing=framing, settings=made, tls=tls)
    port = await listener.start("127.0.0.1")
    try:
        yield listener, port
    finally:
        await listener.stop()
    assert not listener.peers
    assert not listener._by_address


async def is_cut(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(10):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


async def test_messages_go_both_ways_and_the_end_is_told_once() -> None:
    async with echoing() as (listener, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"one\ntwo\nthr")
        writer.write(b"ee\n")
        assert await reader.readexactly(14) == b"one\ntwo\nthree\n"
        writer.close()
        async with asyncio.timeout(10):
            await Echo.every[0].gone.wait()
        assert Echo.every[0].ends == [None]
        assert listener.accepted == 1


async def test_a_reliable_connection_over_tls_reaches_it() -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    async with (
        echoing(server, Framed) as (_, port),
        ReliableConnection(Endpoint(f"tls://localhost:{port}", tls=client)) as connection,
    ):
        await connection.send(b"hello")
        assert await connection.receive(10) == b"hello"
        assert Echo.every[0].peer.tls is not None


async def test_who_does_not_say_who_he_is_is_cut_and_who_does_may_stay() -> None:
    async with echoing(proof_timeout=0.2) as (_, port):
        known_reader, known = await asyncio.open_connection("127.0.0.1", port)
        known.write(b"me\n")
        assert await known_reader.readline() == b"me\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"slow")
        assert await is_cut(reader)
        writer.close()
        assert "did not say who it is" in str(Echo.every[1].ends[0])
        known.write(b"still here\n")
        assert await known_reader.readline() == b"still here\n"
        known.close()


async def test_silence_is_cut_and_every_byte_is_a_sign_of_life() -> None:
    async with echoing(read_timeout=0.3) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(4):
            writer.write(b"x\n")
            assert await reader.readline() == b"x\n"
        assert await is_cut(reader)
        writer.close()
        assert "was silent" in str(Echo.every[0].ends[0])


async def test_too_many_and_too_many_from_one_address_are_cut_at_once() -> None:
    async with echoing(per_address_max=2) as (listener, port):
        inside = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await is_cut(reader)
        writer.close()
        assert (listener.accepted, listener.refused) == (2, 1)
        inside[0][1].close()
        async with asyncio.timeout(10):
            await Echo.every[0].gone.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"in\n")
        assert await reader.readline() == b"in\n"
        for _, each in [*inside, (reader, writer)]:
            each.close()


async def test_who_connects_and_shakes_no_hands_is_counted_and_keeps_nobody_else_out() -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    tls: dict[str, Any] = {"ssl": client, "server_hostname": "localhost"}
    async with echoing(server, per_address_max=3) as (listener, port):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        async with asyncio.timeout(10):
            while listener.refused < 2:
                await asyncio.sleep(0.01)
        assert [await is_cut(reader) for reader, _ in silent[3:]] == [True, True]
        assert (listener.accepted, listener._inside) == (0, 3)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=("127.0.0.9", 0), **tls
        )
        writer.write(b"me\n")
        assert await reader.readline() == b"me\n"
        silent[0][1].close()  # gone without a word: there is room for another one from there
        async with asyncio.timeout(10):
            while listener._inside > 3:
                await asyncio.sleep(0.01)
        again_reader, again = await asyncio.open_connection("127.0.0.1", port, **tls)
        again.write(b"in\n")
        assert await again_reader.readline() == b"in\n"
        for each in (*(writer for _, writer in silent), writer, again):
            each.transport.abort()
    assert not listener._inside


async def test_who_connects_too_fast_is_cut() -> None:
    async with echoing(accept_rate=0.01, accept_burst=3) as (listener, port):
        pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        assert await is_cut(pairs[3][0])
        assert listener.refused == 1
        for _, writer in pairs:
            writer.close()


async def test_who_does_not_read_is_cut_at_the_bound_and_others_are_served() -> None:
    async with echoing(write_queue_max=100_000) as (listener, port):
        _, deaf = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"a\n")
        assert await reader.readline() == b"a\n"
        first = Echo.every[0]
        while not first.gone.is_set():
            first.peer.send(b"z" * 10_000)
            assert first.peer.queued <= 200_000
            await asyncio.sleep(0)
        assert isinstance(first.ends[0], NetworkError)
        assert listener.slow == 1
        writer.write(b"b\n")
        assert await reader.readline() == b"b\n"
        deaf.transport.abort()  # what it still has to say will never be read
        writer.close()


async def test_a_message_that_is_too_large_ends_the_connection() -> None:
    async with echoing(message_max=100) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"y" * 300)
        assert await is_cut(reader)
        writer.close()


async def test_a_taken_port_is_an_error_that_names_it() -> None:
    async with echoing() as (_, port):
        with pytest.raises(NetworkError, match=str(port)):
            await Listener(Echo).start("127.0.0.1", port)


async def test_stopping_says_goodbye_and_does_not_wait_for_the_deaf() -> None:
    async with echoing() as (listener, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        _, deaf = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"last\n")
        assert await reader.readline() == b"last\n"
        for each in Echo.every:
            each.peer.send(b"q" * 900_000)
        stopping = asyncio.create_task(listener.stop(0.2))
        assert len(await reader.read()) == 900_001
        await stopping
        deaf.transport.abort()
        writer.close()
