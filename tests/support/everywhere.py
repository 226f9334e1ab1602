"""Scenarios in plain asyncio: they pass in simulated time, on real loopback with asyncio, and with uvloop."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

import pytest
import websockets

from holdfast.session import ClientStatus, SessionClient
from tests.support.room import Room
from tests.support.serving import listening

LOCAL = "127.0.0.1"


@asynccontextmanager
async def server(handle):
    async with await asyncio.start_server(handle, LOCAL, 0) as listening_server:
        yield listening_server.sockets[0].getsockname()[1]


async def echo(reader, writer):
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def a_megabyte_comes_back_whole() -> None:
    payload = random.Random(1).randbytes(1_000_000)
    async with server(echo) as port:
        reader, writer = await asyncio.open_connection(LOCAL, port)

        async def send() -> None:
            for start in range(0, len(payload), 30_000):
                writer.write(payload[start : start + 30_000])
                await writer.drain()
            writer.write_eof()

        _, got = await asyncio.gather(send(), reader.read())
        assert got == payload
        writer.close()
        await writer.wait_closed()


async def a_port_without_a_listener_refuses() -> None:
    async with server(echo) as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOCAL, port)


async def a_slow_reader_holds_its_writer_back() -> None:
    may_read = asyncio.Event()
    total = 40_000_000  # more than any system buffers

    async def slow(reader, writer):
        await may_read.wait()
        count = 0
        while data := await reader.read(1 << 20):
            count += len(data)
        writer.write(b"%d\n" % count)
        writer.close()

    async with server(slow) as port:
        reader, writer = await asyncio.open_connection(LOCAL, port, limit=1 << 20)
        writer.write(bytes(total))
        assert writer.transport.get_write_buffer_size() > 1_000_000
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await writer.drain()
        may_read.set()
        await writer.drain()
        writer.write_eof()
        assert await reader.readline() == b"%d\n" % total
        writer.close()


async def lines_come_whole_whatever_their_pieces() -> None:
    async def split(reader, writer):
        for piece in (b"one\ntw", b"o\nth", b"ree\n"):
            writer.write(piece)
            await asyncio.sleep(0.02)
        writer.close()

    async with server(split) as port:
        reader, writer = await asyncio.open_connection(LOCAL, port)
        assert [line async for line in reader] == [b"one\n", b"two\n", b"three\n"]
        writer.close()


async def the_end_of_one_side_is_seen_by_the_other() -> None:
    ended = asyncio.Event()

    async def wait(reader, writer):
        assert await reader.read() == b""
        ended.set()
        writer.close()

    async with server(wait) as port:
        _, writer = await asyncio.open_connection(LOCAL, port)
        writer.close()
        await asyncio.wait_for(ended.wait(), 5)


async def writing_to_one_who_has_gone_fails_in_the_end() -> None:
    async def leave(reader, writer):
        writer.close()

    async with server(leave) as port:
        reader, writer = await asyncio.open_connection(LOCAL, port)
        assert await reader.read() == b""
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(5):
                while True:
                    writer.write(b"is anybody there?")
                    await writer.drain()
                    await asyncio.sleep(0.01)
        writer.close()


async def an_aborted_connection_is_lost_at_once() -> None:
    lost = asyncio.get_running_loop().create_future()

    class Watch(asyncio.Protocol):
        def connection_lost(self, exc):
            lost.set_result(exc)

    async with server(echo) as port:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(Watch, LOCAL, port)
        transport.write(b"x")
        transport.abort()
        assert transport.is_closing()
        assert await asyncio.wait_for(lost, 5) is None


async def work_in_a_pool_of_one_is_done_in_order() -> None:
    loop = asyncio.get_running_loop()
    done: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        await asyncio.gather(*(loop.run_in_executor(pool, done.append, n) for n in range(50)))
    assert done == list(range(50))


async def a_cancelled_group_cancels_its_children_and_their_connections() -> None:
    cancelled = []

    async def talk(port: int, number: int) -> None:
        reader, writer = await asyncio.open_connection(LOCAL, port)
        try:
            await reader.read()
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        finally:
            writer.close()

    async with server(echo) as port:
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                for number in range(5):
                    group.create_task(talk(port, number))
                await asyncio.sleep(0.1)
                raise ValueError
    assert sorted(cancelled) == list(range(5))


async def datagrams_arrive() -> None:
    got: asyncio.Queue[bytes] = asyncio.Queue()

    class Sink(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            got.put_nowait(data)

    loop = asyncio.get_running_loop()
    receiver, _ = await loop.create_datagram_endpoint(Sink, local_addr=(LOCAL, 0))
    address = receiver.get_extra_info("sockname")
    sender, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address)
    sender.sendto(b"hello")
    assert await asyncio.wait_for(got.get(), 5) == b"hello"
    sender.close()
    receiver.close()


async def websockets_echo_and_close() -> None:
    async def handle(connection):
        async for message in connection:
            await connection.send(message)

    async with websockets.serve(handle, LOCAL, 0) as serving:
        port = next(iter(serving.sockets)).getsockname()[1]
        async with websockets.connect(f"ws://{LOCAL}:{port}/") as connection:
            for number in range(20):
                await connection.send(f"message {number}")
                assert await connection.recv() == f"message {number}"


async def a_session_survives_cuts() -> None:
    room = Room()
    async with listening(room) as (hub, url), SessionClient(url, {}) as client:
        for number in range(5):
            assert await client.send({"say": f"text {number}"}) == {"n": number + 1}
            client.cut()
            async with asyncio.timeout(10):
                while client.restored <= number or client.status is not ClientStatus.OPEN:
                    await asyncio.sleep(0.01)
        assert len(hub.sessions) == 1
    assert room.said == [f"text {number}" for number in range(5)]


EVERYWHERE = (
    a_megabyte_comes_back_whole,
    a_port_without_a_listener_refuses,
    a_slow_reader_holds_its_writer_back,
    lines_come_whole_whatever_their_pieces,
    the_end_of_one_side_is_seen_by_the_other,
    writing_to_one_who_has_gone_fails_in_the_end,
    an_aborted_connection_is_lost_at_once,
    work_in_a_pool_of_one_is_done_in_order,
    a_cancelled_group_cancels_its_children_and_their_connections,
    datagrams_arrive,
    websockets_echo_and_close,
    a_session_survives_cuts,
)
