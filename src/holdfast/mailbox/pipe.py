"""The client's end of a pipe: a connection to one gateway that becomes a connection to another.

The first gateway is asked, and from its answer on it passes bytes. So nothing may follow its answer before we have
spoken to the other gateway, and nothing of ours may be under way before it: both are checked.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from holdfast import limits
from holdfast.connection import Framed
from holdfast.connection.dial import resolve
from holdfast.connection.framing import Control
from holdfast.errors import ConnectionFailedError, NetworkError, RateLimitError, ResilienceError
from holdfast.mailbox.wire import Done, Pipe, Refused, encode, read_answer, readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.connection import Endpoint

T = TypeVar("T", bound=asyncio.Protocol)


class PipeVia:
    """Leads to a gateway through another one.

    Args:
        first: where the piping gateway is.
        pin: of the gateway at the other end; the piping one knows where that is.
    """

    def __init__(self, first: Endpoint, pin: bytes) -> None:
        self._first = first
        self._pin = pin

    async def connect(self, endpoint: Endpoint, build: Callable[[], T]) -> T:
        """Open a connection, and return the protocol that was built for it.

        Raises:
            ConnectionFailedError: 1002; the piping gateway refused, or cannot reach the other.
            RateLimitError: 2001; it asks to come later.
            OSError: TCP or TLS failed, with either gateway.
        """
        asking = await self._opened()
        try:
            transport = await asking.piped(self._pin)
            loop = asyncio.get_running_loop()
            protocol = build()
            if endpoint.is_tls:
                context = endpoint.tls or ssl.create_default_context()
                inner = await loop.start_tls(
                    transport, protocol, context, server_hostname=endpoint.host
                )
                if inner is None:  # as uvloop says it when the other end has gone meanwhile
                    raise ConnectionFailedError("The gateway closed the pipe.")
                transport = inner
            else:
                transport.set_protocol(protocol)
            protocol.connection_made(transport)
        except BaseException:
            asking.abort()
            raise
        return protocol

    async def _opened(self) -> _Asking:
        """Connect to the piping gateway, at the first of its addresses that answers."""
        first, loop = self._first, asyncio.get_running_loop()
        tls: dict[str, Any] = {}
        if first.is_tls:
            tls = {"ssl": first.tls, "server_hostname": first.host}
        problem: Exception = OSError("the name has no address")
        for candidate in await resolve(first, limits.PIPE_CONNECT_TIMEOUT):
            try:
                _, asking = await loop.create_connection(
                    _Asking, candidate.address, first.port, **tls
                )
            except OSError as error:
                problem = error  # another address may answer
            else:
                return asking
        raise problem


def _cuttable(transport: asyncio.Transport) -> asyncio.Transport:
    """Let TLS within TLS cut what is around it when it fails.

    In Python 3.11 that call raises a TypeError, which is no error of a network: the connection was given up for ever
    when the other end of a pipe showed a wrong key, or said anything that is not TLS.
    """
    with suppress(AttributeError):  # uvloop's cannot be changed, and has no need
        transport._force_close = lambda _: transport.abort()  # type: ignore[attr-defined]
    return transport


class _Asking(asyncio.Protocol):
    """Asks for a pipe, and reads one answer."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._framing = Framed(limits.KIB)
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The piping gateway has gone."""
        self._fail(exc or ConnectionFailedError("The gateway closed the connection."))

    def data_received(self, data: bytes) -> None:
        """Read the answer."""
        try:
            found = self._framing.feed(data)
            if not found:
                return
            answer = found[0]
            if len(found) > 1 or isinstance(answer, Control):
                raise ConnectionFailedError("The gateway said more than was asked.")
            self._take(answer)
        except ResilienceError as error:
            self._fail(error)

    def abort(self) -> None:
        """Cut at once."""
        self._fail(ConnectionFailedError("The attempt was given up."))
        self._transport.abort()

    async def piped(self, pin: bytes) -> asyncio.Transport:
        """Ask; return the transport, which leads to the other gateway then."""
        self._transport.write(self._framing.encode(encode(Pipe(1, pin))))
        await self._answer
        return _cuttable(self._transport)

    def _take(self, message: bytes) -> None:
        answer = read_answer(message)
        if isinstance(answer, Done):
            if not self._answer.done():
                self._answer.set_result(None)
            return
        if not isinstance(answer, Refused):
            raise ConnectionFailedError("The gateway did not answer what was asked.")
        text = readable(answer.text)
        if answer.retry_ms:
            retry_after = min(answer.retry_ms / 1000, limits.PIPE_RETRY_MAX)
            raise RateLimitError(text, retry_after=retry_after)
        raise ConnectionFailedError(f"The gateway does not pipe: {text}")

    def _fail(self, error: Exception) -> None:
        if self._answer.done():
            return
        if not isinstance(error, OSError | NetworkError | RateLimitError):
            error = ConnectionFailedError(str(error), original=error)
        self._answer.set_exception(error)
        self._answer.exception()  # it counts as looked at, also when nobody waits any more
