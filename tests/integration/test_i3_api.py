"""The client API over real sockets: any JSON-RPC client, ours over cut cables, and restarts in between."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from holdfast.apps.i3.api import MIGRATIONS, Api, ApiWebSocket, RpcCode, line_listener
from holdfast.apps.i3.client import ApiError, BlockingI3Client, I3Client
from holdfast.apps.i3.gateway.events import TellReceived
from holdfast.connection import ConnectionSettings
from holdfast.errors import ConnectionFailedError
from holdfast.server import TurnFlusher
from holdfast.storage import Database, Durability
from tests.integration.test_i3_files import two
from tests.support.fake_gateway import FakeGateway
from tests.support.serving import FaultProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEY = "a-key-of-the-harbour"
QUICK = ConnectionSettings(
    initial_delay=0.02, max_delay=0.1, heartbeat=0.5, heartbeat_timeout=0.5,
    message_max=4 * 1024 * 1024,
)  # fmt: skip


class Served:
    """An API that listens on both transports; its gateway has no network."""

    def __init__(self, api: Api, gateway: FakeGateway, ports: tuple[int, int]) -> None:
        self.api = api
        self.gateway = gateway
        self.ports = ports

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.ports[0]}/ws"

    @property
    def tcp(self) -> str:
        return f"tcp://127.0.0.1:{self.ports[1]}"

    def says(self, *texts: str) -> None:
        for text in texts:
            self.gateway.happens(
                TellReceived(
                    from_mud="Old Keep", from_user="bo", to_user="ann", visname="Bo", message=text
                )
            )


@asynccontextmanager
async def serving(folder: Path, ports: tuple[int, int] = (0, 0)) -> AsyncIterator[Served]:
    gateway: Any = FakeGateway()
    async with (
        Database(
            folder / "i3.db", {"api": MIGRATIONS}, durability=Durability.PROCESS_DEATH
        ) as database,
        Api(gateway, database) as api,
    ):
        if api.keys.find(KEY) is None:
            await api.keys.add("mud", ["*"], {"*": (10_000.0, 10_000)}, KEY)
        flusher = TurnFlusher()
        server = await asyncio.get_running_loop().create_server(
            lambda: ApiWebSocket(api, flusher), "127.0.0.1", ports[0]
        )
        lines = line_listener(api)
        port = await lines.start("127.0.0.1", ports[1])
        try:
            yield Served(api, gateway, (server.sockets[0].getsockname()[1], port))
        finally:
            api.close()
            server.close()
            await lines.stop()


async def taken(client: I3Client, count: int, texts: list[str] | None = None) -> list[str]:
    found = [] if texts is None else texts
    async with asyncio.timeout(20):
        async for event in client.events():
            if event.method == "tell_received":
                found.append(event.params["message"])
            if len(found) >= count:
                break
    return found


# --- any client -----------------------------------------------------------------------------------


async def test_a_client_of_the_field_speaks_over_websocket(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, connect(served.ws) as socket:
        await socket.send(
            json.dumps(
                {
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "authenticate",
                    "params": {"api_key": KEY},
                }
            )
        )
        known = json.loads(await socket.recv())
        await socket.send('{"jsonrpc":"2.0","id":"x","method":"ping"}')
        pong = json.loads(await socket.recv())
        served.says("hello")
        event = json.loads(await socket.recv())

    assert known["result"]["mud_name"] == "Harbour"
    assert (pong["id"], pong["result"]["pong"]) == ("x", True)
    assert event["method"] == "tell_received"
    assert event["params"]["message"] == "hello"


async def test_the_key_may_come_in_the_header(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        async with connect(served.ws, additional_headers={"X-API-Key": KEY}) as socket:
            await socket.send('{"jsonrpc":"2.0","id":1,"method":"status"}')
            assert json.loads(await socket.recv())["result"]["connected"] is True
        async with connect(served.ws, additional_headers={"X-API-Key": "wrong"}) as socket:
            refused = json.loads(await socket.recv())
            assert refused["error"]["code"] == RpcCode.NOT_AUTHENTICATED
            with pytest.raises(ConnectionClosed):
                await socket.recv()


async def test_a_client_of_the_field_speaks_over_lines(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.ports[1])
        welcome = json.loads(await reader.readline())
        request = {"jsonrpc": "2.0", "id": 1, "method": "authenticate", "params": {"api_key": KEY}}
        data = json.dumps(request).encode() + b"\r\n\n"
        for at in range(0, len(data), 7):  # in any pieces
            writer.write(data[at : at + 7])
            await writer.drain()
        known = json.loads(await reader.readline())
        batch = [{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in range(3)]
        writer.write(json.dumps(batch).encode() + b"\n")
        pongs = json.loads(await reader.readline())
        served.says("two\nlines")
        event = json.loads(await reader.readline())
        writer.close()

    assert welcome["method"] == "welcome"
    assert welcome["params"]["service"] == "i3-gateway"
    assert known["result"]["status"] == "authenticated"
    assert [each["id"] for each in pongs] == [0, 1, 2]
    assert event["params"]["message"] == "two\nlines"


async def test_a_page_of_another_site_may_not_connect(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        with pytest.raises(InvalidStatus, match="403"):
            await connect(served.ws, origin="https://evil.example")  # type: ignore[arg-type]


@pytest.mark.parametrize("garbage", [b"\0" * 5000, b"{" * 5000 + b"\n", b"\xff\xfe\n" * 300])
async def test_garbage_over_lines_hurts_nobody_else(tmp_path: Path, garbage: bytes) -> None:
    async with serving(tmp_path) as served, I3Client(served.tcp, KEY) as client:
        await client.connected(5)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.ports[1])
        await reader.readline()

        writer.write(garbage)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):  # noqa: PT012
            writer.write(b"x" * 300_000)
            while True:
                await reader.readexactly(1)

        assert (await client.ping()).pong
        writer.close()
        async with asyncio.timeout(5):
            while len(served.api.sessions) > 1:
                await asyncio.sleep(0.01)


async def test_who_does_not_say_who_it_is_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.apps.i3.limits.API_AUTHENTICATE_TIMEOUT", 0.2)
    async with serving(tmp_path) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.ports[1])
        await reader.readline()
        async with asyncio.timeout(5), connect(served.ws) as socket:
            assert await reader.read() == b""
            writer.close()
            with pytest.raises(ConnectionClosed):
                await socket.recv()


# --- ours -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ws", "tcp"])
async def test_our_client_calls_and_listens(tmp_path: Path, kind: str) -> None:
    async with (
        serving(tmp_path) as served,
        I3Client(getattr(served, kind), KEY, settings=QUICK) as client,
    ):
        await client.connected(5)
        served.says("one", "two")

        sent = await client.tell("Old Keep", "bo", "hi", from_user="ann")
        history = await client.channel_history("ale", limit=1)
        muds = await client.mudlist()
        with pytest.raises(ApiError) as caught:
            await client.tell("Nowhere", "bo", "hi")

        assert await taken(client, 2) == ["one", "two"]
        assert client.mud_name == "Harbour"
        assert sent.status == "sent"
        assert history.messages[0].visname == "Bo"
        assert muds.count == 2
        assert caught.value.code is RpcCode.GATEWAY_ERROR
        assert caught.value.details["name"] == "MUD_UNKNOWN"


async def test_a_wrong_key_is_told_and_not_tried_for_ever(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, I3Client(served.ws, "not a key at all") as client:
        with pytest.raises(ApiError) as caught:
            await client.connected(5)
        with pytest.raises(ApiError):
            await client.ping()
        with pytest.raises(ApiError):
            async for _ in client.events():
                pass

        assert caught.value.code is RpcCode.NOT_AUTHENTICATED


@pytest.mark.parametrize("kind", ["ws", "tcp"])
async def test_over_cut_cables_nothing_is_missed_and_nothing_comes_twice(
    tmp_path: Path, kind: str
) -> None:
    async with serving(tmp_path) as served:
        proxy = FaultProxy(served.ports[0 if kind == "ws" else 1])
        await proxy.start()
        url = f"ws://127.0.0.1:{proxy.port}/ws" if kind == "ws" else f"tcp://127.0.0.1:{proxy.port}"
        texts: list[str] = []
        async with I3Client(url, KEY, settings=QUICK) as client:
            await client.connected(5)
            reading = asyncio.create_task(taken(client, 400, texts))
            for turn in range(8):
                for n in range(50):
                    served.says(f"{turn} {n}")
                    if n % 10 == 0:
                        await client.tell("Gone", "x", f"{turn} {n}")
                    if n == 25:
                        (proxy.swallow if turn % 2 else proxy.cut)()
                        asyncio.get_running_loop().call_later(0.1, proxy.heal)
                        if turn % 2:
                            asyncio.get_running_loop().call_later(0.05, proxy.cut)
            await reading
        await proxy.stop()

    assert texts == [f"{turn} {n}" for turn in range(8) for n in range(50)]
    told = [each[3] for each in served.gateway.asked]
    assert told == [f"{turn} {n}" for turn in range(8) for n in range(0, 50, 10)]


async def test_after_a_restart_of_both_the_client_goes_on_where_it_was(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        ports = served.ports
        async with I3Client(served.ws, KEY, settings=QUICK) as client:
            await client.connected(5)
            served.says("one", "two", "three")
            assert await taken(client, 1) == ["one"]
            position = client.position
        served.says("four")
    async with I3Client(
        f"ws://127.0.0.1:{ports[0]}/ws", KEY, after=position, settings=QUICK
    ) as client:
        async with serving(tmp_path, ports) as served:  # it listens later than the client tries
            await client.connected(5)
            served.says("five")

            assert await taken(client, 4) == ["two", "three", "four", "five"]
            assert client.is_complete


async def test_what_a_program_does_not_take_waits_in_the_log(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, I3Client(served.tcp, KEY, settings=QUICK) as client:
        await client.connected(5)
        for start in range(0, 5000, 100):
            served.says(*(str(n) for n in range(start, start + 100)))
            await client.ping()  # a call is answered whatever waits

        assert len(client._arrived) <= 500
        assert await taken(client, 5000) == [str(n) for n in range(5000)]


async def test_what_a_gateway_says_in_greeting_is_no_event(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, I3Client(served.tcp, KEY, settings=QUICK) as client:
        await client.connected(5)
        served.says("one")

        first = await anext(client.events())

        assert first.method == "tell_received"


async def test_files_of_another_mud_are_listed_read_and_put_over_the_api(tmp_path: Path) -> None:
    async with (
        two(tmp_path, is_writable=True) as (harbour, public),
        Database(
            tmp_path / "api" / "api.db", {"api": MIGRATIONS}, durability=Durability.PROCESS_DEATH
        ) as database,
        Api(harbour, database) as api,
    ):
        await api.keys.add("mud", ["files"], key=KEY)
        lines = line_listener(api)
        port = await lines.start("127.0.0.1", 0)
        async with I3Client(f"tcp://127.0.0.1:{port}", KEY, settings=QUICK) as client:
            listed = await client.file_list("Old Keep", from_user="ann")
            got = await client.file_get("Old Keep", "hello", from_user="ann")
            await client.file_put("Old Keep", "new", "from afar", from_user="ann")
            with pytest.raises(ApiError) as caught:
                await client.file_get("Old Keep", "../secret", from_user="ann")
        await lines.stop()

    assert {row.name: row.size for row in listed.files}["hello"] == 11
    assert got.contents == "hello\nworld"
    assert (public / "new").read_text() == "from afar"
    assert caught.value.code is RpcCode.GATEWAY_ERROR
    assert caught.value.details["name"] == "FILE_REFUSED"


async def test_a_call_that_is_not_repeated_fails_when_the_connection_breaks(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        proxy = FaultProxy(served.ports[0])
        await proxy.start()
        url = f"ws://127.0.0.1:{proxy.port}/ws"
        async with I3Client(url, KEY, settings=QUICK) as client:
            await client.connected(5)
            proxy.swallow()
            making = asyncio.create_task(client.call("key_add", {"name": "bot"}, dict))
            await asyncio.sleep(0)
            proxy.cut()

            with pytest.raises(ConnectionFailedError):
                await making
        await proxy.stop()


async def test_a_program_without_asyncio_uses_the_same(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:

        def program() -> list[object]:
            with BlockingI3Client(served.tcp, KEY) as client:
                client.connected(5)
                sent = client.tell("Old Keep", "bo", "hi", from_user="ann")
                client.ping()
                texts = []
                for event in client.events():
                    texts.append(event.params["message"])
                    if len(texts) == 2:
                        break
                return [sent.status, texts, client.position > 0]

        running = asyncio.get_running_loop().run_in_executor(None, program)
        while not running.done() and not any(each.account for each in served.api.sessions.values()):
            await asyncio.sleep(0.005)
        served.says("one", "two")

        assert await running == ["sent", ["one", "two"], True]


async def test_no_task_is_left_when_all_is_over(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with serving(tmp_path) as served, I3Client(served.ws, KEY) as client:
        await client.connected(5)
        await client.ping()

    assert {task.get_name() for task in asyncio.all_tasks() - before} == set()
