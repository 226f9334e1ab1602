"""How a gateway tells another one that it pipes to it: a connection that stands as long as there may be pipes.

Theory. A gateway must not pipe for another gateway: chains make rings, and through a ring whoever has one connection
has each of his bytes carried as often as he likes. Whom a gateway pipes to it knows from its list; who pipes to *it* it
cannot know, so it is told. Over the standing connection it learns from which address pipes will come; nobody from there
gets a pipe of it while the connection stands. No pipe is opened before the other end has answered that it stands, so
also one that was started again a moment ago knows.

It says nothing that the other end could not see: pipes come from that address.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from holdfast import limits
from holdfast.connection import Control, Framed
from holdfast.errors import ConnectionFailedError, ResilienceError
from holdfast.mailbox.wire import Done, Piping, Refused, encode, read_answer, readable

if TYPE_CHECKING:
    import ssl

    from holdfast.mailbox.address import GatewayAddress


PING_EVERY: Final = 30.0
"""Seconds between two signs of life; less than ``limits.MAILBOX_READ_TIMEOUT`` of the other end."""

PINGS_MAX: Final = 2**31
"""Numbers of pings; then they begin anew."""

_GONE: Final = "The gateway that is piped to does not stand by us any more."


class Standing:
    """The connection to one gateway that we pipe to; made when it is needed.

    Args:
        target: the gateway.
        tls: our side of TLS; None only where the network is a simulated one.
        host: where pipes go out from; empty where the system chooses.
    """

    def __init__(self, target: GatewayAddress, tls: ssl.SSLContext | None, host: str) -> None:
        self._target = target
        self._tls = tls
        self._local = (host, 0) if host else None
        self._line: _Line | None = None
        self._opening = asyncio.Lock()

    async def known(self) -> None:
        """Return when the other gateway has said, just now, that it knows us.

        Raises:
            ConnectionFailedError: 1002; it refuses, or the connection broke.
            OSError: it cannot be reached.
        """
        async with self._opening:
            if self._line is None or not self._line.is_open:
                self._line = await self._opened()
                return  # it has just said so
            line = self._line
        try:
            await line.pong()
        except BaseException:
            line.close()  # it does not answer: the next pipe makes another one
            raise

    async def _opened(self) -> _Line:
        target = self._target
        name = target.host if self._tls is not None else None
        _, line = await asyncio.get_running_loop().create_connection(
            _Line, target.host, target.port, ssl=self._tls, server_hostname=name, local_addr=self._local
        )  # fmt: skip
        try:
            await line.taken
        except BaseException:
            line.close()
            raise
        return line

    def close(self) -> None:
        """Let it stand no longer."""
        if self._line is not None:
            self._line.close()


class _Line(asyncio.Protocol):
    """One connection: says what we are, and stands."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._framing = Framed(limits.KIB)
        self._pings = 0
        self._pongs: dict[int, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.taken: asyncio.Future[None] = self._loop.create_future()
        self.is_open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say what we are."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._framing.encode(encode(Piping(1))))
        self._timer = self._loop.call_later(PING_EVERY, self._stand)

    def connection_lost(self, exc: Exception | None) -> None:
        """It stands no longer."""
        self._fail(exc)

    def data_received(self, data: bytes) -> None:
        """Read the answer, and answers to pings."""
        try:
            for found in self._framing.feed(data):
                if not isinstance(found, Control):
                    self._answered(found)
                elif found.is_answer:
                    self._ponged(found.number)
        except ResilienceError as error:
            self.close(error)

    async def pong(self) -> None:
        """Ask whether the other end is there; returns with its answer."""
        if not self.is_open:
            raise ConnectionFailedError(_GONE)
        number = self._ping()
        waiting = self._pongs[number] = self._loop.create_future()
        try:
            await waiting
        finally:
            self._pongs.pop(number, None)

    def close(self, error: Exception | None = None) -> None:
        """Cut it."""
        self._fail(error)
        self._transport.abort()

    def _answered(self, message: bytes) -> None:
        answer = read_answer(message)
        if isinstance(answer, Refused):
            raise ConnectionFailedError(f"The gateway takes no pipes: {readable(answer.text)}")
        if isinstance(answer, Done) and not self.taken.done():
            self.taken.set_result(None)

    def _ponged(self, number: int) -> None:
        waiting = self._pongs.pop(number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _ping(self) -> int:
        self._pings = self._pings % PINGS_MAX + 1
        ping = self._framing.control(Control(is_answer=False, number=self._pings))
        assert ping is not None, "this framing has pings"
        self._transport.write(ping)
        return self._pings

    def _stand(self) -> None:
        """Show that we are there, or the other end takes us for gone."""
        self._ping()
        self._timer = self._loop.call_later(PING_EVERY, self._stand)

    def _fail(self, error: Exception | None) -> None:
        self.is_open = False
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._pongs = [self.taken, *self._pongs.values()], {}
        for each in waiting:
            if not each.done():
                reason = f"{_GONE} ({error})" if error is not None else _GONE
                each.set_exception(ConnectionFailedError(reason, original=error))
                each.exception()  # it counts as looked at, also when nobody waits any more
