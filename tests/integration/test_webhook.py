"""Alerts are told to a real web server, whatever that does; the alerts themselves never wait for it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest

from holdfast import limits
from holdfast.errors import NetworkError
from holdfast.ops import AlertRule, Alerts, Kind, Metric, Metrics, RuleKind
from holdfast.server.settings import SettingsError
from holdfast.server.webhook import webhook_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ALERT: dict[str, object] = {"alert": "DiskAlmostFull", "state": "raised"}


class Receiver:
    """A web server that takes a request and answers as it is told, or not at all."""

    def __init__(self, answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> None:
        self._answer = answer
        self.bodies: list[bytes] = []
        self.connections = 0
        self.url = ""

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            self.bodies.append(await reader.readexactly(size))
            await self._answer(writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went away, as it may
        finally:
            writer.close()


@asynccontextmanager
async def receiving(
    answer: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[Receiver]:
    receiver = Receiver(answer)
    async with await asyncio.start_server(receiver.take, "127.0.0.1", 0) as server:
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/alert"
        yield receiver


def with_status(status: str, *more: str) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def answer(writer: asyncio.StreamWriter) -> None:
        head = [f"HTTP/1.1 {status}", "content-length: 0", "connection: close", *more]
        writer.write("\r\n".join([*head, "", ""]).encode())
        await writer.drain()

    return answer


async def never(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def a_byte_at_a_time(writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nx-slow: " + b"x" * 10_000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def without_end(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        await writer.drain()


async def nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    await writer.drain()


async def test_an_alert_is_posted_as_json() -> None:
    async with receiving(with_status("204 No Content")) as receiver:
        await webhook_to(receiver.url)(ALERT)
    assert [msgspec.json.decode(body) for body in receiver.bodies] == [ALERT]


async def test_a_body_without_end_is_not_read() -> None:
    async with receiving(without_end) as receiver, asyncio.timeout(30):
        await webhook_to(receiver.url)(ALERT)
    assert receiver.bodies


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (with_status("500 Internal Server Error"), "answered 500"),
        (with_status("302 Found", "location: http://127.0.0.1:9/elsewhere"), "answered 302"),
        (never, "did not answer"),
        (a_byte_at_a_time, "did not answer"),
        (nonsense, "cannot be reached"),
    ],
    ids=["fault", "redirect", "silence", "slow", "nonsense"],
)
async def test_a_server_that_does_not_take_it_is_named_and_left(
    answer: Callable[[asyncio.StreamWriter], Awaitable[None]], words: str
) -> None:
    async with receiving(answer) as receiver, asyncio.timeout(30):
        with pytest.raises(NetworkError, match=words):
            await webhook_to(receiver.url, timeout=0.5)(ALERT)
    assert receiver.connections == 1, "it is asked once"


async def test_a_server_that_is_gone_is_named() -> None:
    async with receiving(never) as receiver:
        url = receiver.url
    with pytest.raises(NetworkError, match="cannot be reached"):
        await webhook_to(url)(ALERT)


@pytest.mark.parametrize("url", ["ftp://example.org/", "example.org", "http://", ""])
def test_what_is_no_url_of_a_web_server_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(SettingsError):
        webhook_to(url)


async def test_alerts_go_on_while_their_webhook_hangs_and_no_more_than_a_few_wait_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    metrics = Metrics(now=lambda: now)
    count = limits.WEBHOOKS_PENDING_MAX + 3
    metrics.declare(*(Metric(f"test_{n}_total", Kind.GAUGE, "One.") for n in range(count)))
    rules = [AlertRule(f"Rule{n}", f"test_{n}_total", RuleKind.ABOVE, 1.0) for n in range(count)]
    async with receiving(never) as receiver:
        alerts = Alerts(metrics, rules, webhook=webhook_to(receiver.url, timeout=0.5))
        for n in range(count):
            metrics.set(f"test_{n}_total", 5.0)
        with caplog.at_level(logging.WARNING):
            alerts.look(now)
            assert len(alerts.raised) == count, "raised without waiting for anybody"
            async with asyncio.timeout(30):
                while (
                    sum("did not answer" in each for each in caplog.messages)
                    < limits.WEBHOOKS_PENDING_MAX
                ):
                    await asyncio.sleep(0.01)
        assert sum("too slow" in each for each in caplog.messages) == 3
        assert receiver.connections <= limits.WEBHOOKS_PENDING_MAX
