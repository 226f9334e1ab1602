"""Bad input of any kind to the real server: an error with a code or a close with a reason, and nobody else is hurt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from holdfast.session import RefusedError, SessionClient
from tests.support.players import open_event, quiz_of, take_seats
from tests.support.processes import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("hostile") / "data") as process:
        yield process


async def conversation(
    server: ServerProcess, *messages: str | bytes
) -> tuple[list[dict[str, Any]], int]:
    """Say messages; returns the frames that came until the end, and the close code (0: still open)."""
    frames: list[dict[str, Any]] = []
    async with connect(server.ws, compression=None, open_timeout=10) as socket:
        try:
            for message in messages:
                await socket.send(message)
            async with asyncio.timeout(3):
                while True:
                    frames += read(await socket.recv())
                    if frames and frames[-1]["t"] == "error":
                        return frames, 0
        except ConnectionClosed:
            return frames, socket.close_code or 1006
        except TimeoutError:
            return frames, 0


def read(message: str | bytes) -> list[dict[str, Any]]:
    text = message if isinstance(message, str) else message.decode()
    return [json.loads(line) for line in text.split("\n")]


HELLO = '{"t":"hello","v":1,"stream":"stream-xyz","auth":'


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("not json", "MALFORMED_FRAME"),
        ("", None),
        ("{}", "MALFORMED_FRAME"),
        ('{"t":"hello"}', "MALFORMED_FRAME"),
        ('{"t":"hello","v":"1","stream":"stream-xyz"}', "MALFORMED_FRAME"),
        ('{"t":"hello","v":1,"stream":"../../etc"}', "MALFORMED_FRAME"),
        ('{"t":"hello","v":99,"stream":"stream-xyz"}', "UNSUPPORTED_VERSION"),
        (HELLO + "null}", "MESSAGE_INVALID"),
        (HELLO + '{"as":"player","event":"no","key":"aaaaaaaaaaaaaaaaaaaa"}}', "EVENT_NOT_FOUND"),
        (HELLO + '{"as":"host","event":5}}', "MESSAGE_INVALID"),
        ("[" * 10_000, "MALFORMED_FRAME"),
        ('{"t":"resume","v":1,"stream":"stream-xyz","session":"x","token":"y"}', "SESSION_EXPIRED"),
        ('{"t":"send","stream":"stream-xyz","seq":1,"body":1}', "UNEXPECTED_FRAME"),
        (b"\xff\x00\xfe", "MALFORMED_FRAME"),
        ("\n".join(['{"t":"ping"}'] * 100), "MALFORMED_FRAME"),
    ],
)
async def test_a_bad_first_frame_ends_with_a_code(
    server: ServerProcess, message: str | bytes, name: str | None
) -> None:
    frames, closed = await conversation(server, message)
    if name is None:
        assert closed == 0, "an empty message says nothing"
        return
    assert frames[-1]["t"] == "bye"
    assert frames[-1]["name"] == name
    assert closed >= 1000


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(noise=st.lists(st.binary(max_size=400) | st.text(max_size=200), min_size=1, max_size=4))
async def test_noise_is_answered_with_a_code_or_nothing(
    server: ServerProcess, noise: list[bytes | str]
) -> None:
    frames, _ = await conversation_briefly(server, noise)
    assert all(frame["t"] in {"bye", "error", "pong"} for frame in frames)


async def conversation_briefly(
    server: ServerProcess, noise: list[bytes | str]
) -> tuple[list[dict[str, Any]], int]:
    frames: list[dict[str, Any]] = []
    async with connect(server.ws, compression=None) as socket:
        try:
            for message in noise:
                await socket.send(message)
            await socket.send('{"t":"ping","n":77}')
            while not any(frame.get("n") == 77 for frame in frames):
                frames += read(await socket.recv())
        except ConnectionClosed:
            pass  # closed with a reason, which is the last frame
    return frames, socket.close_code or 0


async def test_a_message_of_ten_megabytes_is_closed_with_1009(server: ServerProcess) -> None:
    _, closed = await conversation(server, "x" * 10_000_000)
    assert closed == 1009


async def test_a_foreign_origin_and_another_path_are_refused(server: ServerProcess) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(server.ws, origin="https://evil.example"):  # type: ignore[arg-type]
            pass
    assert refused.value.response.status_code == 403
    with pytest.raises(InvalidStatus) as elsewhere:
        async with connect(server.ws + "/other"):
            pass
    assert elsewhere.value.response.status_code == 404


async def opened(server: ServerProcess) -> tuple[dict[str, Any], ClientConnection, dict[str, str]]:
    event = await open_event(server.url, quiz_of(1))
    (key,) = await take_seats(server.url, event["code"], 1)
    socket = await connect(server.ws, compression=None)
    auth = {"as": "player", "event": event["event"], "key": key}
    await socket.send(json.dumps({"t": "hello", "v": 1, "stream": "stream-xyz", "auth": auth}))
    return read(await socket.recv())[0], socket, event


async def test_a_used_up_and_a_stolen_token_are_rejected(server: ServerProcess) -> None:
    welcome, first, _ = await opened(server)
    resume = {"t": "resume", "v": 1, "stream": "stream-two", "session": welcome["session"]}

    wrong, _ = await conversation(server, json.dumps(resume | {"token": "A" * 27}))
    assert (wrong[0]["name"], wrong[0]["t"]) == ("TOKEN_REJECTED", "bye")

    second = await connect(server.ws, compression=None)
    await second.send(json.dumps(resume | {"token": welcome["token"]}))
    assert read(await second.recv())[0]["t"] == "restored"
    await second.send('{"t":"confirm"}')
    await second.send('{"t":"ping","n":9}')
    while not any(
        frame.get("n") == 9 and frame["t"] == "pong" for frame in read(await second.recv())
    ):
        pass
    replayed, _ = await conversation(server, json.dumps(resume | {"token": welcome["token"]}))
    assert replayed[0]["name"] == "TOKEN_REJECTED"
    await second.send('{"t":"ping","n":10}')
    assert await second.recv(), "the rightful owner is not disturbed"
    await first.close()
    await second.close()


async def test_another_players_messages_and_a_players_host_clicks_are_refused(
    server: ServerProcess,
) -> None:
    event = await open_event(server.url, quiz_of(1))
    (key,) = await take_seats(server.url, event["code"], 1)
    auth = {"as": "player", "event": event["event"], "key": key}
    async with SessionClient(server.ws, auth) as player:
        for body in (
            {"do": "next", "phase": "lobby", "question": -1},
            {"do": "remove", "seat": "x"},
            {"do": "answer", "question": 0, "choices": [0], "took_ms": 0},
            {"do": "answer", "question": 10**9, "choices": [0], "took_ms": 0},
            [],
            None,
            "x" * 1000,
        ):
            with pytest.raises(RefusedError) as refused:
                await player.send(body)
            assert refused.value.answer["code"] >= 10000


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/quiz/quizzes", b"{", 400),
        ("POST", "/api/quiz/quizzes", b"[]", 400),
        ("POST", "/api/quiz/quizzes", b'{"title":"x","questions":[]}', 400),
        ("POST", "/api/quiz/quizzes", b"\xff\xfe", 400),
        ("POST", "/api/quiz/quizzes", b"[" * 100_000, 400),
        ("POST", "/api/quiz/quizzes", b'"' + b"x" * 10_000_000 + b'"', 413),
        ("POST", "/api/quiz/events", b'{"quiz":"none"}', 404),
        ("POST", "/api/quiz/events/123/seats", b'{"name":"a","key":"aaaaaaaaaaaaaaaaaaaa"}', 404),
        ("POST", "/api/quiz/events/123/seats", b'{"name":"a","key":"short"}', 400),
        ("GET", "/api/quiz/events/%00", b"", 404),
        ("GET", "/api/quiz/quizzes/../../etc/passwd", b"", 404),
        ("GET", "/assets/../../../etc/passwd", b"", 404),
        ("DELETE", "/api/quiz/quizzes/sample", b"", 404),
        ("PUT", "/api/quiz/quizzes/sample", b'{"title":"x"}', 400),
        ("PATCH", "/api/quiz/quizzes", b"", 405),
        ("GET", "/nowhere", b"", 404),
    ],
)
async def test_bad_requests_are_answered_with_an_error_that_has_a_code(
    server: ServerProcess, method: str, path: str, body: bytes, status: int
) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
        try:
            answer = await http.request(
                method, path, content=body, headers={"content-type": "application/json"}
            )
        except httpx.WriteError:
            assert status == 413  # refused before it was read
            return
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert isinstance(error["code"], int)
    assert error["name"]
    assert error["message"]


async def flood(server: ServerProcess, path: str, count: int) -> list[int]:
    """Ask as fast as a socket takes it, all requests in one go; returns the codes of the answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    host = f"Host: 127.0.0.1:{server.port}"
    writer.write(f"GET {path} HTTP/1.1\r\n{host}\r\n\r\n".encode() * (count - 1))
    writer.write(f"GET {path} HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n".encode())
    answers = await reader.read(-1)
    writer.close()
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


async def test_an_address_that_asks_too_fast_is_told_when_to_come_back(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        path = "/api/quiz/events/1"
        floods = await asyncio.gather(*(flood(server, path, 1_000) for _ in range(6)))
        assert [len(codes) for codes in floods] == [1_000] * 6
        assert {code for codes in floods for code in codes} == {404, 429}
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            answer, *_ = [
                each
                for each in await asyncio.gather(*(http.get(path) for _ in range(50)))
                if each.status_code == 429
            ]
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["name"] == "RATE_LIMIT_EXCEEDED"
            assert (await http.get("/health/live")).status_code == 200


@pytest.mark.parametrize(
    "beginning",
    [b"", b"GET /health HTTP/1.1\r\nHost: x\r\n", b"POST /api/quiz/quizzes HTTP/1.1\r\n"],
)
async def test_a_request_that_is_never_finished_is_cut(
    server: ServerProcess, beginning: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(beginning)
    async with asyncio.timeout(14):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_headers_without_end_are_cut(server: ServerProcess) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n")
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 20_000_000:
            writer.write(b"X-Header: " + b"y" * 10_000 + b"\r\n")
            await writer.drain()
            sent += 10_000
    assert sent < 10_000_000
    writer.transport.abort()


async def test_hostile_connections_leave_no_memory_behind_and_hurt_nobody(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        event = await open_event(server.url, quiz_of(1))
        (key,) = await take_seats(server.url, event["code"], 1)
        auth = {"as": "player", "event": event["event"], "key": key}
        async with SessionClient(server.ws, auth) as player:
            await abuse(server, 200)
            before = memory_kb(server)
            await abuse(server, 1000)
            grown = memory_kb(server) - before
            assert grown < 20_000, f"{grown} kB grew"
            async with httpx.AsyncClient(base_url=server.url) as http, asyncio.timeout(10):
                while True:  # what /health says may be a second old
                    described = (await http.get("/health")).json()
                    if described["components"]["sessions"]["connections"] == 1:
                        break
                    await asyncio.sleep(0.05)
            assert player.restored == 0


async def abuse(server: ServerProcess, times: int) -> None:
    gate = asyncio.Semaphore(50)

    async def once(number: int) -> None:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            if number % 2:
                writer.write(os.urandom(3000))
            else:
                writer.write(
                    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
                    + os.urandom(500)
                )
            try:
                async with asyncio.timeout(5):
                    await reader.read(200)
            except (ConnectionError, TimeoutError):
                pass  # closed hard, or kept waiting: both cost the server nothing more
            writer.transport.abort()

    await asyncio.gather(*(once(number) for number in range(times)))


def memory_kb(server: ServerProcess) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


async def test_who_has_a_seat_is_not_held_up_by_strangers_behind_the_same_address(
    tmp_path: Path,
) -> None:
    with ServerProcess(tmp_path / "data") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as seated:
            event = await open_event(server.url, quiz_of(1))
            wish = {"name": "Ada", "key": "key-of-ada-0123456789"}
            url = f"/api/quiz/events/{event['code']}"
            (await seated.post(f"{url}/seats", json=wish)).raise_for_status()
            async with httpx.AsyncClient(base_url=server.url, timeout=30) as stranger:
                floods = await asyncio.gather(*(flood(server, url, 1_000) for _ in range(6)))
                assert {code for codes in floods for code in codes} == {200, 429}
                made_up = f"holdfast_seat_{event['event']}=a-key-that-nobody-was-given"
                # Some, for the limit gives one back every few milliseconds.
                asked = (stranger.get(url, headers={"cookie": made_up}) for _ in range(50))
                refused = [each for each in await asyncio.gather(*asked) if each.status_code == 429]
                assert len(refused) > 10
                assert int(refused[0].headers["retry-after"]) >= 1
            answer = await seated.get(url)
            assert answer.status_code == 200
            assert answer.json()["you"]["name"] == "Ada"
