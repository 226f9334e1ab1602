"""For those who write an agent's process in Python: the other end of the lines.

::

    from holdfast.apps.agents.child import ChildRequest, run

    async def double(request: ChildRequest) -> object:
        return request.body * 2

    if __name__ == "__main__":
        run(double)

``print`` is safe: stdout is the node's, and what is printed goes to stderr and so into the node's log.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from holdfast.apps.agents import child_wire, limits
from holdfast.apps.agents.child_wire import (
    WINDOW,
    Answer,
    Ask,
    Call,
    Cancel,
    End,
    Failed,
    FromChild,
    More,
    Piece,
    Publish,
    Ready,
    Reply,
)
from holdfast.apps.agents.errors import (
    AgentCode,
    AgentError,
    StreamBrokenError,
    described,
    failed,
    known,
)
from holdfast.errors import ResilienceError
from holdfast.resilience import deadline

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2


class ChildRequest:
    """What the process is asked; the same as ``AgentRequest`` is for a coroutine function.

    Attributes:
        id: of the request; what is called with an id made of it, such as ``f"{id}/1"``, runs once.
        sender: peer that asks, empty when it is the own node.
        body: what was said, as JSON values.
    """

    def __init__(self, child: _Child, ask: Ask) -> None:
        self.id = ask.id
        self.sender = ask.sender
        self.body = ask.body
        self.is_stream = ask.is_stream
        self._child = child
        self._number = ask.n
        self._room = WINDOW
        self._moved = asyncio.Event()
        self._pieces: deque[object] = deque()
        self._end: End | None = None

    def __aiter__(self) -> ChildRequest:
        return self

    async def __anext__(self) -> object:
        if not self.is_stream:
            raise AgentError(AgentCode.STREAM_BROKEN, "This call was not opened as a stream.")
        while not self._pieces:
            if self._end is not None:
                if self._end.error is None:
                    raise StopAsyncIteration
                told = self._end.error
                code = known(told.get("code")) or AgentCode.STREAM_BROKEN
                raise StreamBrokenError(str(told.get("message", "The stream broke.")), code=code)
            self._moved.clear()
            await self._moved.wait()
        piece = self._pieces.popleft()
        self._child.write(More(self._number))
        return piece

    async def send(self, piece: object) -> None:
        """Send a piece to the caller; waits while he does not read.

        Raises:
            AgentError: STREAM_BROKEN, this is no stream; BODY_INVALID, BODY_TOO_LARGE.
        """
        if not self.is_stream:
            raise AgentError(AgentCode.STREAM_BROKEN, "This call was not opened as a stream.")
        while self._room == 0:
            self._moved.clear()
            await self._moved.wait()
        self._child.write(Piece(self._number, piece))
        self._room -= 1

    async def call(
        self,
        address: str,
        body: object = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - a deadline that travels with the request
        id: str | None = None,  # noqa: A002 - the word of the field
    ) -> object:
        """Ask an agent through the node; raises ``AgentError`` with the code that ``AgentHost.call`` would."""
        return await self._child.call(address, body, timeout, id)

    def publish(self, topic: str, body: object = None) -> None:
        """Tell those who want to hear of a topic."""
        self._child.write(Publish(topic, body))

    def moved(self, line: Piece | More | End) -> None:
        """Of the process: a line for this request."""
        match line:
            case Piece():
                self._pieces.append(line.body)
            case More():
                self._room += 1
            case End():
                self._end = line
        self._moved.set()


ChildHandler = Callable[[ChildRequest], Awaitable[object]]


def run(handler: ChildHandler) -> None:
    """Answer requests until the node ends."""
    asyncio.run(_live(handler))


async def _live(handler: ChildHandler) -> None:
    loop = asyncio.get_running_loop()
    out = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)  # what is printed must not come between the lines
    reader = asyncio.StreamReader(limit=limits.LINE_BYTES_MAX)
    source, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(STDIN, "rb", 0)
    )
    sink, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(out, "wb", 0)
    )
    child = _Child(handler, asyncio.StreamWriter(sink, protocol, None, loop))
    try:
        child.write(Ready())
        await child.read(reader)
    finally:
        await child.close()
        source.close()
        sink.close()


class _Child:
    """All that the process has open with its node."""

    def __init__(self, handler: ChildHandler, writer: asyncio.StreamWriter) -> None:
        self._handler = handler
        self._writer = writer
        self._requests: dict[int, ChildRequest] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._calls: dict[int, asyncio.Future[object]] = {}
        self._numbers = itertools.count(1)

    def write(self, line: FromChild) -> None:
        """Write a line; the node bounds what may be open, so that nothing grows."""
        self._writer.write(child_wire.encode(line))

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Take the node's lines until it ends."""
        while data := await reader.readline():
            line = child_wire.from_node(data)
            match line:
                case Ask():
                    self._requests[line.n] = request = ChildRequest(self, line)
                    self._tasks[line.n] = asyncio.create_task(self._answer(line, request))
                case Cancel():
                    task = self._tasks.get(line.n)
                    if task is not None:
                        task.cancel()
                case Piece() | More() | End():
                    found = self._requests.get(line.n)
                    if found is not None:
                        found.moved(line)
                case Answer():
                    self._answered(line)

    async def close(self) -> None:
        """End what runs."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def call(
        self, address: str, body: object, seconds: float | None, id_: str | None
    ) -> object:
        """Ask an agent through the node."""
        number = next(self._numbers)
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.write(Call(number, address, body, id_, seconds))
        self._calls[number] = answer
        try:
            return await answer
        finally:
            del self._calls[number]

    def _answered(self, line: Answer) -> None:
        answer = self._calls.get(line.c)
        if answer is None or answer.done():
            return  # its caller was cancelled
        if line.error is None:
            answer.set_result(line.body)
        else:
            answer.set_exception(failed(line.error, "called"))

    async def _answer(self, ask: Ask, request: ChildRequest) -> None:
        try:
            with deadline(ask.seconds):
                body = await self._handler(request)
            self.write(Reply(ask.n, body))
        except asyncio.CancelledError as error:
            stopped = AgentError(AgentCode.CALL_CANCELLED, "It was cancelled.")
            self.write(Failed(ask.n, described(stopped, "")))
            raise error from None
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller must hear of it
            if not isinstance(error, ResilienceError):
                # The caller is told its kind, the log all of it.
                print(f"request {ask.id} failed:", file=sys.stderr)  # noqa: T201 - stderr is the log
                sys.excepthook(type(error), error, error.__traceback__)
            self.write(Failed(ask.n, described(error, "")))
        finally:
            del self._requests[ask.n]
            del self._tasks[ask.n]
