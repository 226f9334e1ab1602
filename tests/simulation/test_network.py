"""The network: unchanged streams and datagrams, backpressure, and every verb that breaks it."""

from __future__ import annotations

import asyncio
import socket

import pytest
import websockets

from holdfast.testing import PROFILES, Mode, NotSimulatedError, Profile, run

PLAIN = Mode()

# Clients here end without closing what they opened, as many programs do.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


async def echo(port: int = 7) -> None:
    async def handle(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(handle, "0.0.0.0", port) as server:
        await server.serve_forever()


def of_one_host(client, profile="lan", **how):
    """Run ``client(world)`` on a host beside an echo server."""

    async def scenario(world):
        world.host("server").spawn(echo)
        return await world.host("phone", profile).run(client, world)

    return run(scenario, **({"mode": PLAIN} | how))


def test_streams_carry_bytes_whole_and_in_order() -> None:
    async def client(world):
        reader, writer = await asyncio.open_connection("server", 7)
        sent = world.chance.stream("payload").randbytes(1_000_000)
        writer.write(sent)
        got = await reader.readexactly(len(sent))
        writer.close()
        await writer.wait_closed()
        return got == sent

    for seed, profile in enumerate(PROFILES):
        assert of_one_host(client, profile, seed=seed).value is True


def test_latency_and_bandwidth_take_their_time() -> None:
    async def client(world):
        began = world.now
        reader, writer = await asyncio.open_connection("server", 7)
        connected = world.now - began
        writer.write(bytes(100_000))
        await reader.readexactly(100_000)
        return connected, world.now - began - connected

    slow = Profile(latency=0.1, bandwidth=50_000.0)
    connected, echoed = of_one_host(client, slow).value
    assert connected == pytest.approx(0.2)
    assert 2.2 <= echoed <= 4.5  # two seconds each way, partly at once


def test_boundaries_of_writes_mean_nothing() -> None:
    async def client(world):
        reader, writer = await asyncio.open_connection("server", 7)
        sizes = set()
        for _ in range(300):
            writer.write(b"0123456789")
            sizes.add(len(await reader.read(100)))
            await asyncio.sleep(0.1)
        return sizes

    assert len(of_one_host(client).value) > 2


def test_a_peer_that_does_not_read_makes_the_sender_wait() -> None:
    async def scenario(world):
        held = asyncio.Event()

        async def deaf():
            async def handle(reader, writer):
                writer.transport.pause_reading()
                await held.wait()
                writer.transport.resume_reading()
                while await reader.read(65536):
                    pass
                writer.close()

            async with await asyncio.start_server(handle, port=7) as server:
                await server.serve_forever()

        async def client():
            _, writer = await asyncio.open_connection("server", 7)
            for _ in range(100):
                writer.write(bytes(10_000))
            assert writer.transport.get_write_buffer_size() == 1_000_000 - PROFILES["lan"].window
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):
                    await writer.drain()
            held.set()
            await writer.drain()
            assert writer.transport.get_write_buffer_size() <= 65536 // 4
            writer.close()

        world.host("server").spawn(deaf)
        await world.host("phone").run(client)

    run(scenario, mode=PLAIN)


def test_a_half_closed_stream_still_reads() -> None:
    async def scenario(world):
        async def server():
            async def handle(reader, writer):
                everything = await reader.read()
                writer.write(everything[::-1])
                writer.close()

            async with await asyncio.start_server(handle, port=7) as listening:
                await listening.serve_forever()

        async def client():
            reader, writer = await asyncio.open_connection("server", 7)
            writer.write(b"palindrome")
            writer.write_eof()
            return await reader.read()

        world.host("server").spawn(server)
        return await world.host("phone").run(client)

    assert run(scenario).value == b"emordnilap"


def test_names_resolve_inside_and_nowhere_else() -> None:
    async def client(world):
        with pytest.raises(socket.gaierror):
            await asyncio.open_connection("www.example.org", 80)
        world.network.unresolve("server")
        with pytest.raises(socket.gaierror):
            await asyncio.open_connection("server", 7)
        world.network.resolve("server")
        address = world.network.hosts["server"].address
        for name in ("server", address):
            _, writer = await asyncio.open_connection(name, 7)
            assert writer.get_extra_info("peername") == (address, 7)
            writer.close()

    of_one_host(client)


def test_nobody_listening_is_refused_and_a_taken_port_is_told() -> None:
    async def client(world):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("server", 8)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("localhost", 7)  # the server is another machine
        async with await asyncio.start_server(lambda r, w: None, "127.0.0.1", 7):
            with pytest.raises(OSError, match="bind"):
                await asyncio.start_server(lambda r, w: None, "127.0.0.1", 7)
        with pytest.raises(NotSimulatedError):
            await asyncio.open_connection("server", 7, ssl=True)

    of_one_host(client)


def test_what_listens_on_localhost_is_closed_to_others() -> None:
    async def scenario(world):
        async def listen():
            async with await asyncio.start_server(lambda r, w: None, "127.0.0.1", 7) as server:
                port = server.sockets[0].getsockname()[1]
                _, writer = await asyncio.open_connection("localhost", port)
                writer.close()
                await server.serve_forever()

        async def client():
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("server", 7)

        world.host("server").spawn(listen)
        await asyncio.sleep(1)
        await world.host("phone").run(client)

    run(scenario)


def test_a_cut_holds_bytes_until_it_heals() -> None:
    async def client(world):
        reader, writer = await asyncio.open_connection("server", 7)
        world.network.cut("phone", "server")
        writer.write(b"hello")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await reader.read(100)
        world.network.heal("phone", "server")
        healed = world.now
        assert await reader.readexactly(5) == b"hello"
        return world.now - healed

    times = [of_one_host(client, seed=seed).value for seed in range(20)]
    assert all(0 < time < 21 for time in times)
    assert max(times) > 3  # an old connection is slow to notice that the way is free


def test_a_one_way_cut_lets_the_other_direction_through() -> None:
    async def scenario(world):
        heard = []

        async def server():
            async def handle(reader, writer):
                writer.write(b"from server")
                heard.append(await reader.read(100))
                writer.close()

            async with await asyncio.start_server(handle, port=7) as listening:
                await listening.serve_forever()

        async def client():
            reader, writer = await asyncio.open_connection("server", 7)
            assert await reader.readexactly(11)
            world.network.cut("phone", "server", both=False)
            writer.write(b"from phone")
            await asyncio.sleep(30)
            assert not heard
            world.network.heal("phone", "server", both=False)
            await asyncio.sleep(60)
            assert heard == [b"from phone"]

        world.host("server").spawn(server)
        await world.host("phone").run(client)

    run(scenario)


def test_cuts_add_up() -> None:
    async def client(world):
        world.network.cut("phone", "server")
        world.network.cut("phone", "server")
        world.network.heal("phone", "server")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.open_connection("server", 7)
        world.network.heal("phone", "server")
        await asyncio.open_connection("server", 7)

    of_one_host(client)


def test_a_connection_attempt_into_silence_times_out_as_a_system_does() -> None:
    async def client(world):
        world.network.cut("phone", "server")
        began = world.now
        with pytest.raises(TimeoutError):
            await asyncio.open_connection("server", 7)
        return world.now - began

    assert of_one_host(client).value == pytest.approx(127)


def test_a_sender_without_any_answer_gives_up_and_an_idle_one_never_notices() -> None:
    async def scenario(world):
        async def client(data: bytes):
            reader, writer = await asyncio.open_connection("server", 7)
            world.network.cut(world.network.here().name, "server")
            writer.write(data)
            async with asyncio.timeout(3000):
                await reader.read(10)

        world.host("server").spawn(echo)
        with pytest.raises(
            TimeoutError, match="timed out"
        ):  # ETIMEDOUT, after a quarter of an hour
            await world.host("sender").run(client, b"hello")
        began = world.now
        with pytest.raises(TimeoutError):
            await world.host("idle").run(client, b"")
        assert world.now - began >= 3000

    run(scenario, minutes=90)


def test_a_reset_is_told_to_both_ends() -> None:
    async def client(world):
        reader, _ = await asyncio.open_connection("server", 7)
        world.network.reset("phone", "server")
        with pytest.raises(ConnectionResetError):
            await reader.read(10)
        await asyncio.open_connection("server", 7)

    of_one_host(client)


def test_a_black_hole_swallows_old_connections_and_lets_new_ones_live() -> None:
    async def client(world):
        reader, writer = await asyncio.open_connection("server", 7)
        world.network.black_hole("phone", "server")
        writer.write(b"lost")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await reader.read(10)
        reader, writer = await asyncio.open_connection("server", 7)
        writer.write(b"here")
        assert await reader.readexactly(4) == b"here"

    of_one_host(client, minutes=20)


def test_a_clog_slows_down_and_is_undone() -> None:
    async def client(world):
        async def round_trip():
            began = world.now
            writer.write(b"x")
            await reader.readexactly(1)
            return world.now - began

        reader, writer = await asyncio.open_connection("server", 7)
        before = await round_trip()
        world.network.clog("phone", "server", 50)
        during = await round_trip()
        world.network.clog("phone", "server", 1 / 50)
        assert during > 20 * before
        assert await round_trip() < during / 10

    of_one_host(client)


def test_message_links_lose_double_and_reorder() -> None:
    async def scenario(world):
        got: list[int] = []

        class Sink(asyncio.DatagramProtocol):
            def datagram_received(self, data, addr):
                got.append(int(data))

        async def listen():
            await asyncio.get_running_loop().create_datagram_endpoint(
                Sink, local_addr=("0.0.0.0", 9)
            )
            await asyncio.Event().wait()

        async def send():
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=("server", 9)
            )
            for number in range(2000):
                transport.sendto(b"%d" % number)
                await asyncio.sleep(0.05)
            transport.close()

        world.host("server").spawn(listen)
        await world.host("phone", Profile(0.05, 0.02, loss=0.1, duplicate=0.1, reorder=0.1)).run(
            send
        )
        await asyncio.sleep(5)
        return got

    got = run(scenario, mode=PLAIN).value
    assert 1700 < len(set(got)) < 1900
    assert 100 < len(got) - len(set(got)) < 300
    assert sum(a > b for a, b in zip(got, got[1:], strict=False)) > 50


def test_the_websockets_library_runs_unchanged() -> None:
    async def scenario(world):
        async def serve():
            async def handle(connection):
                async for message in connection:
                    await connection.send(message.upper())

            async with websockets.serve(handle, "0.0.0.0", 80) as server:
                await server.serve_forever()

        async def client():
            got = []
            async with websockets.connect("ws://server/", ping_interval=5) as connection:
                for number in range(20):
                    await connection.send(f"message {number}")
                    got.append(await connection.recv())
                    await asyncio.sleep(10)
            return got

        world.host("server").spawn(serve)
        return await world.host("phone", "train").run(client)

    for seed in range(5):
        assert run(scenario, seed=seed).value == [f"MESSAGE {number}" for number in range(20)]


def test_websockets_notices_a_dead_connection_by_its_pings() -> None:
    async def scenario(world):
        async def serve():
            async def handle(connection):
                await connection.wait_closed()

            async with websockets.serve(handle, "0.0.0.0", 80, ping_interval=None) as server:
                await server.serve_forever()

        async def client():
            async with websockets.connect("ws://server/", ping_interval=20) as connection:
                world.network.black_hole("phone", "server")
                with pytest.raises(websockets.ConnectionClosedError):
                    await connection.recv()
                return world.now

        world.host("server").spawn(serve)
        return await world.host("phone").run(client)

    assert 20 < run(scenario, mode=PLAIN).value < 55
