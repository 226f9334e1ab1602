"""One connection of a client to a gateway, with its requests and their answers."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from holdfast.connection import ConnectionState, ReliableConnection
from holdfast.errors import ConnectionFailedError, NetworkTimeoutError, RemoteProtocolError
from holdfast.mailbox._calls import Calls
from holdfast.mailbox.wire import (
    Done,
    Envelope,
    Hello,
    Refused,
    TakenOver,
    Welcome,
    encode,
    read_answer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.connection import Endpoint, StateChange
    from holdfast.mailbox.settings import MailboxSettings
    from holdfast.mailbox.wire import Request
    from holdfast.world import World

log = logging.getLogger("holdfast.mailbox")

LATE: Final = 3.0
"""Seconds after which an answer is late. A circuit of Tor whose other end has gone may stay silent for forty."""

DOUBT: Final = 5.0
"""Seconds that the other end has then to show that it is there."""

TRYING: Final = frozenset({ConnectionState.CONNECTING, ConnectionState.RECONNECTING})


class Line:
    """A connection that comes back, and what is asked over it.

    Args:
        endpoint: where to connect to.
        settings: of the client.
        name: for logs.
        world: chance and wall time.
        is_reading: it is greeted with a hello and stays open; else it closes when nothing is written.
        on_ready: called when a new connection has been greeted, with the gateway's nonce.
        on_push: called with what the gateway says by itself.
        on_change: called with each change of the connection.

    Attributes:
        connection: the one.
        nonce: the gateway's challenge on this connection, None before the greeting.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: MailboxSettings,
        *,
        name: str,
        world: World,
        is_reading: bool,
        on_ready: Callable[[], object] | None = None,
        on_push: Callable[[Envelope | TakenOver], object] | None = None,
        on_change: Callable[[StateChange], object] | None = None,
    ) -> None:
        how = settings.connection
        if not is_reading:
            how = replace(how, idle_timeout=settings.writing_idle)
        self.connection = ReliableConnection(endpoint, settings=how, name=name, world=world)
        self.nonce: bytes | None = None
        self._is_reading = is_reading
        self._calls = Calls(world)
        self._hello = 0
        self._is_nonsense = False
        self._on_ready = on_ready
        self._on_push = on_push
        self._trouble = ""
        self._pauses_until = 0.0
        self._doubted_until = 0.0
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._reader: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self.connection.on_change(self._changed)
        if on_change is not None:
            self.connection.on_change(on_change)

    def start(self) -> None:
        """Connect; harmless when it does."""
        self.connection.start()
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(
                self._read(), name=f"holdfast-mailbox {self.connection.name}"
            )

    async def close(self) -> None:
        """End all that belongs to it; who waits for an answer is told that none will come."""
        reader, self._reader = self._reader, None
        await self.connection.close()
        self._calls.lost("it was closed")
        self._ready.set()
        if reader is not None:
            reader.cancel()
            await asyncio.wait({reader})

    def hold(self, *, is_held: bool) -> None:
        """Read nothing until it is let go: the gateway has to wait, with what it hands out and what it answers."""
        if is_held:
            self._may_read.clear()
        else:
            self._may_read.set()

    @property
    def is_pausing(self) -> bool:
        """Whether it waits for its next attempt."""
        is_trying = self.connection.state in TRYING
        return is_trying and asyncio.get_running_loop().time() < self._pauses_until

    @property
    def pending(self) -> int:
        """Requests that are not answered yet."""
        return len(self._calls)

    async def call(self, make: Callable[[int], Request], within: float) -> None:
        """Ask, and return when it is done.

        Args:
            make: makes the request of its number, once the connection is there.
            within: seconds, with the time to connect.

        Raises:
            NetworkError: 1001, 1002, 1003; whether it was done is not known.
            ResilienceError: as the gateway refused.

        Cancelled: whether it was done is not known.
        """
        self.start()
        number, answer = self._calls.begin()
        late: asyncio.TimerHandle | None = None
        try:
            async with asyncio.timeout(within):
                if self._is_reading:
                    await self._greeted()
                await self.connection.send(encode(make(number)))
                late = asyncio.get_running_loop().call_later(LATE, self.doubt)
                await answer
        except TimeoutError as error:
            why = f": {self._trouble}" if self._trouble else "."
            raise NetworkTimeoutError(
                f"The gateway {self.connection.name} did not answer within {within:g} s{why}"
            ) from error
        finally:
            if late is not None:
                late.cancel()
            self._calls.end(number)

    def doubt(self) -> None:
        """Something is late: see whether the other end is still there. Once asked, it is given its time."""
        now = asyncio.get_running_loop().time()
        if self.connection.state is ConnectionState.CONNECTED and now >= self._doubted_until:
            self._doubted_until = now + 2 * DOUBT
            self.connection.probe(DOUBT)

    async def _greeted(self) -> None:
        while self.nonce is None:
            self._ready.clear()
            await self._ready.wait()
            if self._reader is None:
                raise ConnectionFailedError(f"{self.connection.name} is closed.")

    def _changed(self, change: StateChange) -> None:
        self._trouble = change.message
        self._pauses_until = change.at + (change.retry_in or 0.0)
        if change.new is ConnectionState.CONNECTED:
            self._is_nonsense = False
            self._doubted_until = 0.0
            if self._is_reading:
                # Not a handshake: what waits to be read from the connection before would be taken for its answer.
                self._hello, answer = self._calls.begin()
                answer.add_done_callback(_looked_at)
                self.connection.send_now(encode(Hello(self._hello)))
        elif change.old is ConnectionState.CONNECTED:
            self.nonce = None
            self._calls.lost(change.message or str(change.reason))

    async def _read(self) -> None:
        try:
            while True:
                await self._may_read.wait()
                self._take(await self.connection.receive())
        except ConnectionFailedError:
            return  # it was closed, or given up: whoever waits is told by ``call``

    def _take(self, message: bytes) -> None:
        try:
            answer = read_answer(message)
        except RemoteProtocolError as error:
            if not self._is_nonsense:  # once for each connection, however much of it comes
                self._is_nonsense = True
                log.warning("%s: %s", self.connection.name, error)
            return
        match answer:
            case Welcome():
                if answer.n == self._hello and self.connection.state is ConnectionState.CONNECTED:
                    self.nonce = answer.nonce
                    self._calls.answered(answer)
                    self._ready.set()
                    if self._on_ready is not None:
                        self._on_ready()
            case Done():
                self._calls.answered(answer)
            case Refused():
                self._calls.refused(answer)
            case Envelope() | TakenOver():
                if self._on_push is not None:
                    self._on_push(answer)


def _looked_at(answer: asyncio.Future[Done | Welcome]) -> None:
    """A greeting that fails shows in the state of the connection."""
    if not answer.cancelled():
        answer.exception()
