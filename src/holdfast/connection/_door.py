"""Where TLS connections come in: each is asked after before anything is done for it.

A server of the loop tells of a TLS connection when its handshake is over. Until then it costs a socket and a timer, is
counted nowhere, and somebody who connects and says nothing, a thousand times, keeps all others out. So connections are
accepted here one by one: first it is looked whether there is room for one more from there, then hands are shaken.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine

    from holdfast.connection.listener import Peer

log = logging.getLogger("holdfast.connection")

HANDSHAKE: Final = 10.0
"""Seconds that a TLS handshake may take; nothing but the address is known of a peer before it."""

NO_ROOM: Final = 1.0
"""Seconds of rest when the system gives no more sockets: those that are open have to end first."""

AT_ONCE: Final = 32
"""Connections that are taken in a row before others get their turn in the loop."""

CUSTOMER_BITS: Final = 64
"""The network that one customer of IPv6 has: 2**64 addresses are one person's."""


def origin_of(address: str) -> str:
    """Return what limits count an address under: itself, or for IPv6 the network that one customer has."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address  # of a simulated network, or none
    if not isinstance(found, IPv6Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((found, CUSTOMER_BITS), strict=False))


class Door:
    """Listens on an address, and takes in those who may.

    Args:
        tls: the server's side of TLS.
        enter: called with the address of somebody who has connected; returns who receives for him once hands are
            shaken, or None when he may not come in.
        over: called with that receiver when hands are shaken, or could not be.
        name: for the log.
    """

    def __init__(
        self,
        tls: ssl.SSLContext,
        enter: Callable[[str], Peer | None],
        over: Callable[[Peer], object],
        *,
        name: str,
    ) -> None:
        self._tls = tls
        self._enter = enter
        self._over = over
        self._name = name
        self._listening: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int, backlog: int) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                self._listening.append(_listening(family, address, backlog))
        except OSError:
            self._shut()
            raise
        self._accepting = [self._spawn(self._accept(each), "accept") for each in self._listening]
        return int(self._listening[0].getsockname()[1])

    async def close(self) -> None:
        """Take nobody any more, and cut those with whom hands are being shaken."""
        for task in self._accepting:
            task.cancel()
        if self._accepting:
            await asyncio.wait(self._accepting)
        self._shut()
        await asyncio.sleep(
            0
        )  # whoever was taken in a moment ago has a task that has begun, and closes his socket
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _shut(self) -> None:
        for each in self._listening:
            each.close()
        self._listening.clear()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        taken = 0
        while True:
            try:
                connection, address = await loop.sock_accept(listening)
            except ConnectionError:
                continue  # it has gone before we came to the door
            except OSError as error:
                log.warning("%s takes nobody for a moment: %s", self._name, error)
                await asyncio.sleep(NO_ROOM)
                continue
            taken += 1
            peer = self._enter(str(address[0]))
            if peer is None:
                connection.close()
            else:
                self._spawn(self._shake(connection, peer), "handshake")
            if not taken % AT_ONCE:
                await asyncio.sleep(0)

    async def _shake(self, connection: socket.socket, peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                lambda: peer, connection, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE
            )
        except OSError as error:  # also what TLS and the timeout raise; it is the stranger's affair
            log.debug("%s: no handshake: %s", self._name, error)
        finally:
            self._over(peer)

    def _spawn(self, work: Coroutine[object, object, None], what: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"holdfast-{self._name}-{what}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: taking somebody in failed", self._name, exc_info=error)


def _listening(family: int, address: object, backlog: int) -> socket.socket:
    """Return a socket that listens; as those of the loop's servers are made."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setblocking(False)
        made.bind(address)  # type: ignore[arg-type]
        made.listen(backlog)
    except OSError:
        made.close()
        raise
    return made
