"""Peers of connections on 127.0.0.1: one that echoes, and everything that can be wrong with one."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

from holdfast.connection.framing import Control, Framed

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class Peer:
    """Answers each message with the same, and pings with pongs; deaf or mute on demand."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._tls = tls
        self._host = host
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.heard: list[bytes] = []
        self.accepted = 0
        self.open = 0
        self.most_open = 0
        self.is_frozen = False
        self.thaw = asyncio.Event()
        self.thaw.set()

    @property
    def url(self) -> str:
        return f"{'tls' if self._tls else 'tcp'}://localhost:{self.port}"

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.die()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, self._host, self.port, ssl=self._tls, backlog=4096
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def die(self) -> None:
        """Listen no more, and cut everybody."""
        if self._server is not None:
            self._server.close()
        self.reset()
        self.thaw.set()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def reset(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def say_goodbye(self) -> None:
        for writer in list(self._writers):
            writer.close()

    def say(self, message: bytes) -> None:
        for writer in self._writers:
            writer.write(Framed(1 << 20).encode(message))

    def freeze(self) -> None:
        """Keep everything open and do nothing."""
        self.thaw.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.accepted += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        framing = Framed(1 << 20)
        try:
            while data := await reader.read(65_536):
                await self.thaw.wait()
                for found in framing.feed(data):
                    if isinstance(found, Control):
                        answer = framing.control(Control(is_answer=True, number=found.number))
                        writer.write(answer or b"")
                    else:
                        self.heard.append(found)
                        writer.write(framing.encode(found))
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass  # it broke, or the peer dies: the test looks at the other end
        finally:
            self.open -= 1
            self._writers.discard(writer)
            self._tasks.discard(task)
            with contextlib.suppress(RuntimeError):  # the loop may be over
                writer.close()


class Socks5:
    """A SOCKS5 proxy that resolves names itself: everything it is asked for is on 127.0.0.1."""

    def __init__(self, ports: dict[str, int]) -> None:
        self._ports = ports
        self._server: asyncio.Server | None = None
        self.asked: list[str] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._pass_on(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one end has gone
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        assert kind == 3, "the proxy resolves names, not we"
        (length,) = await reader.readexactly(1)
        name = (await reader.readexactly(length)).decode()
        await reader.readexactly(2)
        self.asked.append(name)
        if name not in self._ports:
            writer.write(b"\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00")
            await writer.drain()
            return
        far_reader, far = await asyncio.open_connection("127.0.0.1", self._ports[name])
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
            sink.close()

        await asyncio.gather(pump(reader, far), pump(far_reader, writer))
