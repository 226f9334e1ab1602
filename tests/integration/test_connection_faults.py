"""The table of faults on real sockets: each is noticed, named and recovered from, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import datetime as dt
import resource
import socket
import ssl
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from holdfast.connection import (
    BlockingConnection,
    ConnectionSettings,
    ConnectionState,
    Endpoint,
    Reason,
    ReliableConnection,
    StateChange,
)
from holdfast.errors import ConnectionFailedError, NetworkTimeoutError
from holdfast.world import RealWorld
from tests.support.peers import Peer, Socks5
from tests.support.room import Room
from tests.support.serving import FaultProxy, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUICK = ConnectionSettings(
    connect_timeout=1.0,
    handshake_timeout=0.5,
    heartbeat=0.2,
    heartbeat_timeout=0.3,
    initial_delay=0.1,
    max_delay=0.5,
    stable_after=0.5,
    write_timeout=0.5,
)


class Watched:
    """A connection whose changes are kept, with the time that a recovery took."""

    def __init__(self, connection: ReliableConnection) -> None:
        self.connection = connection
        self.changes: list[StateChange] = []
        self._began = 0.0
        connection.on_change(self.changes.append)

    @property
    def reasons(self) -> list[Reason]:
        return [change.reason for change in self.changes if change.reason is not None]

    def breaks(self) -> None:
        self._began = time.monotonic()
        self.changes.clear()

    async def comes_back(self, fault: str) -> None:
        await self.until(ConnectionState.CONNECTED)
        took = time.monotonic() - self._began
        print(
            f"{fault}: open again {1000 * took:.0f} ms after it, noticed as {self.reasons[0].value!r}"
        )
        assert await echo(self.connection, b"again") == b"again"

    async def until(self, state: ConnectionState) -> None:
        async with asyncio.timeout(10):
            while not any(change.new is state for change in self.changes):
                await asyncio.sleep(0.005)

    async def hears_of(self, reason: Reason) -> None:
        async with asyncio.timeout(10):
            while reason not in self.reasons:
                await asyncio.sleep(0.005)


async def echo(connection: ReliableConnection, message: bytes) -> bytes:
    """Say something that is new, and wait for it; the network may hold older answers."""
    await connection.send(message, within=5)
    while (answer := await connection.receive(within=5)) != message:
        pass
    return answer


def ours(before: set[asyncio.Task[Any]]) -> list[str]:
    names = [task.get_name() for task in asyncio.all_tasks() - before if not task.done()]
    return [name for name in names if name.startswith("holdfast")]


@asynccontextmanager
async def connected(*endpoints: Endpoint | str, **more: Any) -> AsyncIterator[Watched]:
    """A connection; afterwards there is no task, timer or thread of it left, and no loop was busy."""
    before = set(asyncio.all_tasks())
    async with ReliableConnection(*endpoints, **{"settings": QUICK, **more}) as connection:
        watched = Watched(connection)
        yield watched
        assert len(ours(before)) <= 1, "a connection is one task"
    assert not ours(before)


@asynccontextmanager
async def through_a_cable(peer: Peer) -> AsyncIterator[tuple[FaultProxy, str]]:
    proxy = FaultProxy(peer.port)
    await proxy.start()
    try:
        yield proxy, f"tcp://localhost:{proxy.port}"
    finally:
        await proxy.stop()


async def test_a_refused_connection_is_tried_until_somebody_listens() -> None:
    async with Peer() as peer:
        await peer.die()
        async with connected(peer.url) as watched:
            watched.breaks()
            await watched.hears_of(Reason.REFUSED)
            await peer.listen()
            await watched.comes_back("refused")


@pytest.mark.parametrize("how", ["reset", "say_goodbye"])
async def test_a_connection_that_the_peer_ends_comes_back(how: str) -> None:
    async with Peer() as peer, connected(peer.url) as watched:
        await watched.connection.connected(5)
        watched.breaks()
        getattr(peer, how)()
        await watched.comes_back(how)
        assert watched.reasons[0] in {Reason.RESET, Reason.CLOSED_BY_PEER}
        assert peer.open == 1, "never two at once"


async def test_a_black_hole_is_noticed_by_the_heartbeat() -> None:
    async with Peer() as peer, through_a_cable(peer) as (cable, url), connected(url) as watched:
        await watched.connection.connected(5)
        watched.breaks()
        cable.swallow()
        await watched.hears_of(Reason.HEARTBEAT)
        cable.heal()
        await watched.comes_back("black hole")


async def test_a_peer_that_freezes_is_left_and_found_again() -> None:
    async with Peer() as peer, connected(peer.url) as watched:
        await watched.connection.connected(5)
        watched.breaks()
        peer.freeze()
        await watched.hears_of(Reason.HEARTBEAT)
        peer.thaw.set()
        await watched.comes_back("frozen peer")


async def test_a_half_open_connection_that_still_talks_is_noticed() -> None:
    """The peer's messages come, ours do not reach it: only an answer proves both directions."""
    async with Peer() as peer, connected(peer.url) as watched:
        await watched.connection.connected(5)
        watched.breaks()
        peer.freeze()

        async def talk() -> None:
            while True:
                peer.say(b"news")
                await asyncio.sleep(0.05)

        talking = asyncio.create_task(talk())
        try:
            await watched.hears_of(Reason.HEARTBEAT)
        finally:
            talking.cancel()
        peer.thaw.set()
        await watched.comes_back("half-open")


async def test_a_name_that_is_not_known_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Peer() as peer:
        loop = asyncio.get_running_loop()
        resolve = loop.getaddrinfo
        is_known = False

        async def getaddrinfo(host: str, *rest: Any, **more: Any) -> Any:
            if host == "gateway.example" and not is_known:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return await resolve("127.0.0.1" if host == "gateway.example" else host, *rest, **more)

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        async with connected(f"tcp://gateway.example:{peer.port}") as watched:
            watched.breaks()
            await watched.hears_of(Reason.DNS)
            is_known = True
            await watched.comes_back("unknown name")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, name: str, *, days: int = 30) -> ssl.SSLContext:
    now = dt.datetime.now(dt.UTC)
    certificate = authority.issue_cert(
        name,
        not_before=now - dt.timedelta(days=60),
        not_after=now + dt.timedelta(days=days),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.mark.parametrize(
    ("fault", "named"),
    [("expired", "expired"), ("wrong host", "not valid for"), ("untrusted", "self-signed|issuer")],
)
async def test_a_certificate_that_is_not_good_is_refused_and_named(
    authority: trustme.CA, fault: str, named: str
) -> None:
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    signer = trustme.CA() if fault == "untrusted" else authority
    name = "other.example" if fault == "wrong host" else "localhost"
    context = server_context(signer, name, days=-1 if fault == "expired" else 30)
    async with Peer(context) as bad:
        async with connected(Endpoint(bad.url, tls=ours)) as watched:
            watched.breaks()
            await watched.hears_of(Reason.TLS)
            message = next(change.message for change in watched.changes if change.reason)
            assert any(word in message for word in named.split("|")), message
            await bad.die()
            async with Peer(server_context(authority, "localhost")) as good:
                # the operator has put a good one in its place
                await good.die()
                good.port = bad.port
                await good.listen()
                await watched.comes_back(f"TLS, {fault}")


async def test_a_slow_handshake_is_given_up_and_tried_again() -> None:
    is_slow = True

    async def handshake(connection: ReliableConnection) -> None:
        if is_slow:
            peer.freeze()
        else:
            peer.thaw.set()
        assert await connection.exchange(b"who are you") == b"who are you"

    async with Peer() as peer, connected(peer.url, handshake=handshake) as watched:
        watched.breaks()
        await watched.hears_of(Reason.HANDSHAKE_TIMEOUT)
        is_slow = False
        await watched.comes_back("slow handshake")


async def test_a_websocket_that_never_answers_is_given_up() -> None:
    async with Peer() as peer, connected(f"ws://localhost:{peer.port}/ws") as watched:
        peer.freeze()
        watched.breaks()
        await watched.hears_of(Reason.HANDSHAKE_TIMEOUT)


async def test_a_flapping_line_is_used_while_it_holds_and_tried_ever_less() -> None:
    async with Peer() as peer, through_a_cable(peer) as (cable, url), connected(url) as watched:
        await watched.connection.connected(5)
        watched.breaks()
        for _ in range(4):
            cable.cut()
            await asyncio.sleep(0.5)
            cable.heal()
            await asyncio.sleep(0.5)
        await watched.comes_back("flapping every second")
        lost = [change for change in watched.changes if change.old is ConnectionState.CONNECTED]
        assert 1 <= len(lost) <= 25, "what is accepted and cut at once does not count as good"
        assert peer.most_open <= 2, (
            "the new one, and an old one of whose end the peer has not heard yet"
        )


async def test_another_network_is_noticed_at_once_when_somebody_says_so() -> None:
    settings = ConnectionSettings(heartbeat=60, heartbeat_timeout=60, initial_delay=0.1)
    async with (
        Peer() as peer,
        through_a_cable(peer) as (cable, url),
        connected(url, settings=settings) as watched,
    ):
        await watched.connection.connected(5)
        watched.breaks()
        cable.swallow()
        watched.connection.probe(0.2)
        await watched.hears_of(Reason.HEARTBEAT)
        cable.heal()
        await watched.comes_back("another network")


class Sleepy(RealWorld):
    """A machine whose wall clock can jump, as that of a laptop that slept."""

    slept = 0.0

    def wall_now(self) -> float:
        return time.time() + self.slept


async def test_a_laptop_that_slept_asks_for_a_sign_of_life_when_it_wakes() -> None:
    world = Sleepy()
    settings = ConnectionSettings(heartbeat=0.3, heartbeat_timeout=60, initial_delay=0.1)
    async with (
        Peer() as peer,
        through_a_cable(peer) as (cable, url),
        connected(url, settings=settings, world=world) as watched,
    ):
        await watched.connection.connected(5)
        await asyncio.sleep(0.05)
        watched.breaks()
        cable.swallow()
        world.slept = 3600.0
        await watched.hears_of(Reason.HEARTBEAT)
        cable.heal()
        await watched.comes_back("laptop sleep")


async def test_a_peer_that_reads_no_more_is_dropped() -> None:
    settings = ConnectionSettings(heartbeat=None, write_timeout=0.3, initial_delay=0.1)
    async with Peer() as peer, connected(peer.url, settings=settings) as watched:
        await watched.connection.connected(5)
        watched.breaks()
        peer.freeze()
        with pytest.raises(NetworkTimeoutError, match="not read"):
            for _ in range(200):
                await watched.connection.send(b"x" * 100_000)
        await watched.hears_of(Reason.WRITE_TIMEOUT)
        peer.thaw.set()
        await watched.comes_back("a peer that does not read")


async def test_the_next_address_is_used_when_one_is_dead() -> None:
    async with Peer() as dead, Peer() as alive:
        await dead.die()
        async with connected(dead.url, alive.url) as watched:
            watched.breaks()
            await watched.comes_back("a dead address")
            assert watched.changes[-1].address.endswith(str(alive.port))
            began = time.monotonic()
            alive.reset()
            watched.breaks()
            await watched.comes_back("the living address again")
            assert alive.accepted == 2
            assert time.monotonic() - began < 5


async def test_a_connection_that_fails_too_often_is_given_up_and_can_be_begun_again() -> None:
    settings = ConnectionSettings(max_attempts=3, initial_delay=0.05, max_delay=0.05)
    async with Peer() as peer:
        await peer.die()
        async with connected(peer.url, settings=settings) as watched:
            with pytest.raises(ConnectionFailedError, match="failed"):
                await watched.connection.connected(5)
            with pytest.raises(ConnectionFailedError):
                await watched.connection.receive()
            await peer.listen()
            watched.connection.start()
            assert await echo(watched.connection, b"hello") == b"hello"


async def test_an_idle_connection_is_closed_and_opened_by_the_next_message() -> None:
    settings = ConnectionSettings(idle_timeout=0.2)
    async with Peer() as peer, connected(peer.url, settings=settings) as watched:
        assert await echo(watched.connection, b"a") == b"a"
        await watched.hears_of(Reason.IDLE)
        assert watched.connection.state is ConnectionState.DISCONNECTED
        assert await echo(watched.connection, b"b") == b"b"


async def test_what_is_not_read_makes_the_peer_wait() -> None:
    settings = ConnectionSettings(received_max=10)
    async with Peer() as peer, connected(peer.url, settings=settings) as watched:
        await watched.connection.connected(5)
        message = b"x" * 50_000
        for _ in range(200):
            peer.say(message)
        await asyncio.sleep(0.3)
        waiting = watched.connection.statistics()["waiting"]
        assert isinstance(waiting, int)
        assert waiting < 60, "what was under way when it said stop"
        for _ in range(200):
            assert await watched.connection.receive(within=5) == message


async def test_through_a_proxy_that_resolves_the_name() -> None:
    async with Peer() as peer, Socks5({"hidden.onion": peer.port}) as proxy:
        through = f"socks5://127.0.0.1:{proxy.port}"
        async with connected(Endpoint("tcp://hidden.onion:1", proxy=through)) as watched:
            assert await echo(watched.connection, b"a") == b"a"
            assert proxy.asked == ["hidden.onion"]
        async with connected(Endpoint("tcp://unknown.onion:1", proxy=through)) as watched:
            await watched.hears_of(Reason.PROXY)


async def test_a_websocket_of_ours_is_a_peer_too(tmp_path: Path) -> None:
    async with listening(Room(), tmp_path) as (_, url):
        endpoint = Endpoint(url, subprotocols=["holdfast.v1.json"])
        async with connected(endpoint) as watched:
            hello = b'{"t":"hello","v":1,"stream":"0123456789","auth":{}}'
            await watched.connection.send(hello, within=5)
            assert b'"t":"welcome"' in await watched.connection.receive(within=5)


def test_a_program_without_asyncio_has_the_same() -> None:
    ready, done = threading.Event(), threading.Event()
    port: list[int] = []

    def serve() -> None:
        async def main() -> None:
            async with Peer() as peer:
                port.append(peer.port)
                ready.set()
                while not done.is_set():
                    await asyncio.sleep(0.01)

        asyncio.run(main())

    server = threading.Thread(target=serve)  # noqa: TID251 - the test's own
    server.start()
    ready.wait(5)
    try:
        with BlockingConnection(f"tcp://localhost:{port[0]}", settings=QUICK) as connection:
            connection.send(b"hello", within=5)
            assert connection.receive(within=5) == b"hello"
            with pytest.raises(NetworkTimeoutError):
                connection.receive(within=0.05)
            assert connection.state is ConnectionState.CONNECTED
            assert connection.statistics()["messages_in"] == 1
        with pytest.raises(ConnectionFailedError):
            connection.send(b"too late")
    finally:
        done.set()
        server.join()


async def test_a_connection_in_trouble_is_not_busy() -> None:
    """A second of reconnecting, with nobody there, costs next to no time of the processor."""
    async with Peer() as peer:
        await peer.die()
        async with connected(peer.url) as watched:
            before = resource.getrusage(resource.RUSAGE_SELF)
            await asyncio.sleep(1.0)
            after = resource.getrusage(resource.RUSAGE_SELF)
            tries = len(watched.changes)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"a second of reconnecting: {tries} attempts, {1000 * used:.0f} ms of the processor")
    assert 1 <= tries <= 25


async def test_something_cancelled_in_a_handshake_is_an_attempt_in_vain() -> None:
    tries = 0

    async def handshake(_: ReliableConnection) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise asyncio.CancelledError

    async with Peer() as peer, connected(peer.url, handshake=handshake) as watched:
        watched.breaks()
        await watched.comes_back("cancelled from inside")
        assert tries == 3


async def test_a_connection_that_breaks_in_a_handshake_is_tried_again_at_once() -> None:
    tries = 0
    settings = replace(QUICK, handshake_timeout=60.0)

    async def handshake(connection: ReliableConnection) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            asyncio.get_running_loop().call_soon(peer.say_goodbye)
            await asyncio.Event().wait()

    async with Peer() as peer:
        async with connected(peer.url, handshake=handshake, settings=settings) as watched:
            watched.breaks()
            await watched.comes_back("broke in the handshake")
            assert tries == 3


async def test_a_connection_is_left_for_another_address_when_its_user_says_so() -> None:
    said: list[str] = []

    async def handshake(connection: ReliableConnection) -> None:
        assert connection.endpoint is not None
        said.append(connection.endpoint.url)
        connection.say(b"hello")

    async with (
        Peer() as first,
        Peer() as second,
        connected(first.url, handshake=handshake) as watched,
    ):
        connection = watched.connection
        assert await connection.receive(within=5) == b"hello"
        watched.breaks()
        connection.reroute(second.url, first.url)
        connection.renew("somebody knows a better one")
        await watched.hears_of(Reason.REQUESTED)
        assert await connection.receive(within=5) == b"hello"
        assert said == [first.url, second.url]
        with pytest.raises(ValueError, match="needs an endpoint"):
            connection.reroute()
