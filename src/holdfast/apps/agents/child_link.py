"""One life of a subprocess: the requests that it has, the calls that it makes, its lines in and out."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

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
    FromNode,
    More,
    Piece,
    Publish,
    Ready,
    Reply,
)
from holdfast.apps.agents.errors import AgentCode, AgentError, described, failed
from holdfast.errors import ResilienceError
from holdfast.resilience import remaining

if TYPE_CHECKING:
    from holdfast.apps.agents.agent import AgentRequest
    from holdfast.apps.agents.host import AgentHost

log = logging.getLogger("holdfast.agents")

CANCEL_GRACE: Final = 10.0
"""Seconds that a process has to end what was cancelled; one that does not is stuck."""


class ChildDiedError(Exception):
    """The process has ended while it had a request; it is never seen outside."""


class _Exchange:
    """A request that the process has."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.pieces: deque[object] = deque()
        self.room = WINDOW
        self.moved = asyncio.Event()

    def end(self, value: object, error: BaseException | None = None) -> None:
        """Set the answer, if there is none yet."""
        if not self.answer.done():
            if error is None:
                self.answer.set_result(value)
            else:
                self.answer.set_exception(error)
                self.answer.exception()  # looked at: perhaps nobody waits any more
        self.moved.set()


class ChildLink:
    """What a node has open with one life of a process.

    Args:
        name: of the agent.
        host: for the calls that the process makes.
        writer: to its stdin.

    Attributes:
        ready: set when it can be asked.
        broken: becomes why this life has to end.
    """

    def __init__(self, name: str, host: AgentHost, writer: asyncio.StreamWriter) -> None:
        self.ready = asyncio.Event()
        self.broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._name = name
        self._host = host
        self._writer = writer
        self._numbers = itertools.count(1)
        self._open: dict[int, _Exchange] = {}
        self._cancelled: dict[int, asyncio.TimerHandle] = {}
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._is_closed = False

    def close(self) -> None:
        """The process has ended: so has all that it had."""
        self._is_closed = True
        for exchange in self._open.values():
            exchange.end(None, ChildDiedError())
        for handle in self._cancelled.values():
            handle.cancel()
        for task in self._calls.values():
            task.cancel()

    async def closed(self) -> None:
        """Wait until its calls have ended, after ``close``."""
        if self._calls:
            await asyncio.wait(set(self._calls.values()))

    # --- requests to the process ------------------------------------------------------------

    async def ask(self, request: AgentRequest) -> object:
        """Let the process answer a request.

        Raises:
            ChildDiedError: it ended; nobody knows how far it came.
            AgentError: what it failed of.
        """
        if self._is_closed:
            raise ChildDiedError
        number = next(self._numbers)
        exchange = _Exchange()
        left = remaining()
        ask = Ask(
            number,
            request.id,
            request.sender,
            request.body,
            limits.CALL_TIMEOUT_MAX if left is None else left,
            request.is_stream,
        )
        self._write(ask)
        self._open[number] = exchange
        try:
            if not request.is_stream:
                return await exchange.answer
            return await self._streamed(number, request, exchange)
        finally:
            del self._open[number]
            if not exchange.answer.done() or exchange.answer.cancelled():
                self._cancel(number)

    def _cancel(self, number: int) -> None:
        """Tell the process that nobody waits; it still has to end it."""
        if not self._is_closed:
            self._write(Cancel(number))
            self._cancelled[number] = asyncio.get_running_loop().call_later(
                CANCEL_GRACE,
                self.end,
                "it did not end a request that was cancelled: it is stuck",
            )

    async def _streamed(self, number: int, request: AgentRequest, exchange: _Exchange) -> object:
        upward = asyncio.create_task(
            self._upward(number, request, exchange), name=f"holdfast-agent {self._name} up"
        )
        try:
            while True:
                while exchange.pieces:
                    await request.send(exchange.pieces[0])
                    exchange.pieces.popleft()
                    if not exchange.answer.done():
                        self._write(More(number))
                if exchange.answer.done():
                    return exchange.answer.result()
                exchange.moved.clear()
                await exchange.moved.wait()
        finally:
            upward.cancel()
            await asyncio.wait({upward})

    async def _upward(self, number: int, request: AgentRequest, exchange: _Exchange) -> None:
        """Hand the caller's pieces to the process, as far as it reads."""
        error: dict[str, object] | None = None
        try:
            async for piece in request:
                while exchange.room == 0 and not exchange.answer.done():
                    exchange.moved.clear()
                    await exchange.moved.wait()
                if exchange.answer.done():
                    return
                exchange.room -= 1
                self._write(Piece(number, piece))
        except AgentError as problem:
            error = described(problem, self._name)  # the process is told, and decides
        if not exchange.answer.done():
            self._write(End(number, error))

    # --- lines of the process ---------------------------------------------------------------

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Take its lines until it ends or says what it may not: then this life has to end."""
        why = "nobody reads its stdout any more"
        try:
            while True:
                self._received(child_wire.from_child(await reader.readuntil(b"\n")))
        except asyncio.IncompleteReadError:
            why = "it has closed its stdout"
        except asyncio.LimitOverrunError:
            why = f"it wrote a line of more than {limits.LINE_BYTES_MAX} bytes"
        except OSError as error:
            why = f"its stdout cannot be read: {error}"
        except AgentError as error:
            why = error.message
        finally:
            self.end(why)

    def _received(self, line: FromChild) -> None:
        match line:
            case Ready():
                self.ready.set()
            case Reply():
                self._ended(line.n, line.body)
            case Failed():
                self._ended(line.n, None, failed(line.error, self._name))
            case Piece():
                self._piece(line)
            case More():
                exchange = self._open.get(line.n)
                if exchange is not None:
                    exchange.room = min(WINDOW, exchange.room + 1)
                    exchange.moved.set()
            case Call():
                self._call(line)
            case Publish():
                self._publish(line)

    def _ended(self, number: int, body: object, error: AgentError | None = None) -> None:
        handle = self._cancelled.pop(number, None)
        if handle is not None:
            handle.cancel()
        exchange = self._open.get(number)
        if exchange is not None:
            exchange.end(body, error)

    def _piece(self, line: Piece) -> None:
        exchange = self._open.get(line.n)
        if exchange is None or exchange.answer.done():
            return  # it was cancelled and cannot know yet
        if len(exchange.pieces) >= WINDOW:
            raise AgentError(
                AgentCode.CHILD_PROTOCOL,
                f"It sent more than {WINDOW} pieces ahead, without waiting for 'more'.",
            )
        exchange.pieces.append(line.body)
        exchange.moved.set()

    def _call(self, line: Call) -> None:
        if line.c in self._calls:
            raise AgentError(
                AgentCode.CHILD_PROTOCOL, f"It used the number {line.c} for two open calls."
            )
        if len(self._calls) >= limits.CHILD_CALLS_MAX:
            busy = AgentError(
                AgentCode.TOO_MANY, f"{len(self._calls)} calls of this process are open already."
            )
            self._write(Answer(line.c, error=described(busy, self._name)))
            return
        task = self._calls[line.c] = asyncio.create_task(
            self._called(line), name=f"holdfast-agent {self._name} calls {line.to}"
        )
        task.add_done_callback(lambda _: self._calls.pop(line.c, None))

    async def _called(self, line: Call) -> None:
        try:
            # What has an id of the process' choice may be asked for again in its next life.
            body = await self._host.call(
                line.to, line.body, id=line.id, timeout=line.seconds, withdraw=line.id is None
            )
            self._write(Answer(line.c, body))
        except ResilienceError as error:
            self._write(Answer(line.c, error=described(error, self._name)))

    def _publish(self, line: Publish) -> None:
        try:
            self._host.publish(line.topic, line.body)
        except AgentError as error:
            log.warning("the agent %s published nothing: %s", self._name, error)

    # --- lines to the process ---------------------------------------------------------------

    def _write(self, line: FromNode) -> None:
        if self._is_closed:
            return
        self._writer.write(child_wire.encode(line))
        if self._writer.transport.get_write_buffer_size() > limits.CHILD_QUEUE_BYTES_MAX:
            self.end("it does not read its stdin")

    def end(self, why: str) -> None:
        """Say why this life has to end, if it is not known."""
        if not self.broken.done():
            self.broken.set_result(why)
