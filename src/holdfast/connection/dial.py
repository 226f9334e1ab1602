"""Opens a transport to an endpoint: TCP, TLS or WebSocket, directly or through SOCKS5."""

from __future__ import annotations

import asyncio
import importlib
import os
import ssl
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from holdfast.connection.endpoint import Candidate, interleaved
from holdfast.connection.framing import Framed
from holdfast.connection.states import Reason
from holdfast.connection.transport import StreamTransport, Transport
from holdfast.connection.websocket import WebSocketTransport
from holdfast.errors import ConnectionFailedError, NetworkError, NetworkTimeoutError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from holdfast.connection.endpoint import Endpoint
    from holdfast.connection.framing import Framing
    from holdfast.connection.transport import Receiver


ONION: Final = ".onion"
"""Names that only Tor knows; whoever asks the DNS for one tells it whom he wants to reach (RFC 7686)."""


class ProxyFailedError(ConnectionFailedError):
    """The proxy could not be reached, or refused."""


async def resolve(endpoint: Endpoint, timeout: float) -> list[Candidate]:  # noqa: ASYNC109 - told as ours
    """Return the addresses of an endpoint, in the order in which to try them.

    Raises:
        OSError: it has none.
        NetworkTimeoutError: 1001; the resolver does not answer.
        ConnectionFailedError: 1002; it is an onion service, and no proxy was given.
    """
    if endpoint.proxy is not None or endpoint.via is not None:
        return [Candidate(endpoint, "")]  # the name is not looked up here
    if endpoint.host.rstrip(".").endswith(ONION):
        raise ConnectionFailedError(
            f"{endpoint.host} is an onion service: it is reached through Tor's SOCKS proxy only."
        )
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=1)
    except TimeoutError as error:
        raise NetworkTimeoutError(
            f"The name {endpoint.host} was not resolved within {timeout:g} s."
        ) from error
    return [
        Candidate(endpoint, address)
        for address in interleaved((family, str(where[0])) for family, _, _, _, where in found)
    ]


async def dial(
    candidate: Candidate,
    receiver: Receiver,
    *,
    connect_timeout: float,
    handshake_timeout: float,
    message_max: int,
    framing: Callable[[int], Framing] = Framed,
    is_text: bool = True,
) -> Transport:
    """Open a transport.

    Args:
        candidate: an address of an endpoint.
        receiver: told of everything, once this has returned.
        connect_timeout: seconds until TCP, TLS and proxy are through.
        handshake_timeout: seconds until a WebSocket is open.
        message_max: bytes of one message.
        framing: cuts streams into messages, made with ``message_max``.
        is_text: whether WebSocket messages are text.

    Raises:
        NetworkTimeoutError: 1001; ``details["reason"]`` says in which part.
        ConnectionFailedError: 1002; the handshake or the proxy failed.
        RateLimitError: 2001; the server asks to come later.
        OSError: TCP or TLS failed.
    """
    endpoint = candidate.endpoint

    def build() -> StreamTransport | WebSocketTransport:
        if not endpoint.is_websocket:
            return StreamTransport(receiver, framing(message_max))
        return WebSocketTransport(
            endpoint.url,
            receiver,
            headers=endpoint.headers,
            subprotocols=endpoint.subprotocols,
            message_max=message_max,
            is_text=is_text,
        )

    opened: StreamTransport | WebSocketTransport | None = None
    part, limit = Reason.CONNECT_TIMEOUT, connect_timeout
    try:
        async with asyncio.timeout(connect_timeout):
            opened = await _connect(candidate, build)
        if isinstance(opened, WebSocketTransport):
            part, limit = Reason.HANDSHAKE_TIMEOUT, handshake_timeout
            async with asyncio.timeout(handshake_timeout):
                await opened.opened
    except TimeoutError as error:
        if opened is not None:
            opened.abort()
        raise NetworkTimeoutError(
            f"{candidate} did not answer within {limit:g} s.", details={"reason": part}
        ) from error
    except BaseException:
        if opened is not None:
            opened.abort()
        raise
    return opened


async def dial_any(
    endpoint: Endpoint,
    receiver: Receiver,
    *,
    timeout: float,  # noqa: ASYNC109 - told as our own error
    message_max: int,
) -> Transport:
    """Open a transport to the first address of an endpoint that answers.

    Args:
        endpoint: where to.
        receiver: told of everything.
        timeout: seconds for each address.
        message_max: bytes of one message.

    Raises:
        NetworkError: 1001, 1002; none did, the last one's error.
        RateLimitError: 2001; the server asks to come later.
    """
    problem: Exception = OSError("the name has no address")
    try:
        candidates = await resolve(endpoint, timeout)
    except OSError as error:
        raise ConnectionFailedError(
            f"Cannot find {endpoint.host}: {error}.", original=error
        ) from error
    for candidate in candidates:
        try:
            return await dial(
                candidate,
                receiver,
                connect_timeout=timeout,
                handshake_timeout=timeout,
                message_max=message_max,
            )
        except (OSError, NetworkError) as error:
            problem = error  # another address may answer
    if isinstance(problem, NetworkError):
        raise problem
    raise ConnectionFailedError(
        f"Cannot connect to {endpoint.url}: {problem}.", original=problem
    ) from problem


async def _connect(
    candidate: Candidate, build: Callable[[], StreamTransport | WebSocketTransport]
) -> StreamTransport | WebSocketTransport:
    endpoint = candidate.endpoint
    if endpoint.via is not None:
        return await endpoint.via.connect(endpoint, build)
    loop = asyncio.get_running_loop()
    tls: dict[str, Any] = {}
    if endpoint.is_tls:
        context = endpoint.tls or ssl.create_default_context()
        tls = {"ssl": context, "server_hostname": endpoint.host}
    if endpoint.proxy is not None:
        sock = await _through_proxy(endpoint, endpoint.proxy)
        _, opened = await loop.create_connection(build, sock=sock, **tls)
        return opened
    _, opened = await loop.create_connection(build, candidate.address, endpoint.port, **tls)
    return opened


async def _through_proxy(endpoint: Endpoint, through: str) -> socket.socket:
    """Connect through SOCKS5; the proxy resolves the name, so that names of its network work."""
    try:
        library = importlib.import_module("python_socks.async_.asyncio")
    except ImportError as error:
        raise ProxyFailedError(
            "Connections through a proxy need python-socks: pip install holdfast[socks].",
            original=error,
        ) from error
    proxy = library.Proxy.from_url(through, rdns=True)
    kinds = importlib.import_module("python_socks")
    refused: tuple[type[Exception], ...] = (
        OSError,
        kinds.ProxyError,
        kinds.ProxyTimeoutError,
        kinds.ProxyConnectionError,
    )
    try:
        sock: socket.socket = await proxy.connect(endpoint.host, endpoint.port)
    except kinds.ProxyConnectionError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.__cause__
        raise ProxyFailedError(
            f"The proxy {_place(through)} cannot be reached: {why}. Is it running?",
            original=error,
        ) from error
    except refused as error:
        raise ProxyFailedError(
            f"The proxy did not connect to {endpoint.host}:{endpoint.port}: {error}.",
            original=error,
        ) from error
    return sock


def _place(proxy: str) -> str:
    """Return ``host:port`` of a proxy; user and password are nobody else's business."""
    return urlsplit(proxy).netloc.rpartition("@")[2]
