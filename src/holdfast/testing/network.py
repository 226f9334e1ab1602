"""The simulated network: names, listeners, connections, and the verbs that break them."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import inspect
import itertools
import socket
from asyncio import base_events
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from holdfast.testing.datagram import SimDatagramTransport
from holdfast.testing.errors import NotSimulatedError
from holdfast.testing.path import PROFILES, Path, Profile
from holdfast.testing.process import PROCESS, ProcessState
from holdfast.testing.sockets import SimSocket, error_of
from holdfast.testing.stream import Connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from holdfast.testing.chance import Chance
    from holdfast.testing.host import Host
    from holdfast.testing.loop import SimLoop
    from holdfast.testing.process import Process
    from holdfast.testing.trace import Trace

Address = tuple[str, int]

CONNECT_TIMEOUT = 127.0
"""Seconds until a system gives up a connection attempt that nobody answers (Linux)."""

FIRST_EPHEMERAL = 40_000
LOOPBACK = "127.0.0.1"
EVERY_ADDRESS = frozenset({None, "", "0.0.0.0", "::"})  # noqa: S104 - nothing real is bound
LOCAL_NAMES = frozenset({"localhost", LOOPBACK, "::1"})


@dataclass(slots=True)
class Listener:
    """A port that a process listens at."""

    factory: Callable[[], asyncio.BaseProtocol]
    server: base_events.Server | None
    sock: SimSocket
    context: Context
    process: Process | None

    @property
    def is_local(self) -> bool:
        """True when only its own host may connect."""
        return self.sock.getsockname()[0] == LOOPBACK


class Network:
    """What joins the hosts of one simulation.

    Args:
        loop: whose time passes.
        chance: of all paths.
        trace: where connections and faults are written.
    """

    def __init__(self, loop: SimLoop, chance: Chance, trace: Trace) -> None:
        self.loop = loop
        self.hosts: dict[str, Host] = {}
        self._chance = chance
        self._trace = trace
        self._numbers = itertools.count(1)
        self._addresses: dict[str, Host] = {}
        self._paths: dict[tuple[str, str], Path] = {}
        self._profiles: dict[tuple[str, str], Profile] = {}
        self._listeners: dict[Address, Listener] = {}
        self._links: dict[Address, SimDatagramTransport] = {}
        self._connections: dict[Connection, None] = {}
        self._ports: dict[str, itertools.count[int]] = {}
        self._unresolvable: set[str] = set()

    # --- hosts and paths --------------------------------------------------------------------

    def add(self, host: Host) -> str:
        """Give a host an address."""
        address = self._new_address()
        self.hosts[host.name] = self._addresses[address] = host
        return address

    def _new_address(self) -> str:
        count = next(self._numbers)
        return f"10.{count >> 16}.{(count >> 8) & 255}.{count & 255}"

    def here(self) -> Host:
        """Return the host of the running callback."""
        process = PROCESS.get()
        return self.hosts["main"] if process is None else process.host

    def path(self, sender: str, receiver: str) -> Path:
        """Return the way from one host to another, by their names."""
        found = self._paths.get((sender, receiver))
        if found is None:
            source = self._chance.stream(f"net:{sender}>{receiver}")
            ends = self.hosts[sender], self.hosts[receiver]
            found = Path(self.loop, source, *ends, self._profile_of(*ends))
            self._paths[sender, receiver] = found
        return found

    def _profile_of(self, sender: Host, receiver: Host) -> Profile:
        """A link's own profile, or that of the end with the slower access."""
        if sender is receiver:
            return PROFILES["loopback"]
        own = self._profiles.get((sender.name, receiver.name))
        if own is not None:
            return own
        return max(sender.profile, receiver.profile, key=lambda profile: profile.latency)

    def set_profile(self, a: str, b: str, profile: Profile | str, *, both: bool = True) -> None:
        """Say what the way between two hosts is like."""
        wanted = PROFILES[profile] if isinstance(profile, str) else profile
        for pair in ((a, b), (b, a)) if both else ((a, b),):
            self._profiles[pair] = wanted
            if pair in self._paths:
                self._paths[pair].profile = wanted

    def paths_of(self, host: str) -> list[Path]:
        """Return all paths that begin or end at a host, so far used."""
        return [path for pair, path in self._paths.items() if host in pair]

    # --- verbs ------------------------------------------------------------------------------

    def cut(self, a: str, b: str, *, both: bool = True) -> None:
        """Let nothing through from ``a`` to ``b``, nor back; what is sent waits for ``heal``."""
        self._note("cut", a, b, both=both)
        for path in self._pair(a, b, both=both):
            path.cut()

    def heal(self, a: str, b: str, *, both: bool = True) -> None:
        """Undo one cut."""
        self._note("heal", a, b, both=both)
        for path in self._pair(a, b, both=both):
            path.heal()

    def clog(self, a: str, b: str, factor: float, *, both: bool = True) -> None:
        """Make the way many times slower; ``clog`` with the inverse undoes it."""
        self._note(f"clog {factor:g}", a, b, both=both)
        for path in self._pair(a, b, both=both):
            path.clog(factor)

    def reset(self, a: str, b: str) -> None:
        """Reset all connections between two hosts; new ones work."""
        self._note("reset", a, b, both=True)
        for connection in self._between(a, b):
            connection.reset()

    def black_hole(self, a: str, b: str) -> None:
        """Swallow what existing connections send, as a gateway that forgot them; new ones work."""
        self._note("black hole", a, b, both=True)
        for connection in self._between(a, b):
            connection.black_hole()

    def roam(self, name: str) -> None:
        """Give a host another address; what it had open goes silent for ever, as when a phone leaves the Wi-Fi."""
        host = self.hosts[name]
        self._trace.add("net", "roam", name)
        for other in sorted(self.hosts.keys() - {name}):
            self.black_hole(name, other)
        old, new = host.address, self._new_address()
        self._addresses[new] = self._addresses.pop(old)
        for port in [port for address, port in self._listeners if address == old]:
            self._listeners[new, port] = self._listeners.pop((old, port))
        host.address = new  # datagrams of open links leave for nowhere: their address is gone

    def unresolve(self, name: str) -> None:
        """Let a name resolve no more."""
        self._unresolvable.add(name)

    def resolve(self, name: str) -> None:
        """Let a name resolve again."""
        self._unresolvable.discard(name)

    def _pair(self, a: str, b: str, *, both: bool) -> list[Path]:
        return [self.path(a, b), self.path(b, a)] if both else [self.path(a, b)]

    def _between(self, a: str, b: str) -> list[Connection]:
        paths = ((each, each.flows[0].path) for each in self._connections)
        return [each for each, path in paths if {path.sender.name, path.receiver.name} == {a, b}]

    def _note(self, verb: str, a: str, b: str, *, both: bool) -> None:
        self._trace.add("net", verb, f"{a} {'<>' if both else '>'} {b}")

    # --- for hosts --------------------------------------------------------------------------

    def process_died(self, process: Process, *, is_silent: bool) -> None:
        """Close what a dead process had open."""
        for address, listener in list(self._listeners.items()):
            if listener.process is process:
                del self._listeners[address]
        for connection in tuple(self._connections):
            for end in (connection.client, connection.server):
                if end.process is process:
                    end.die(is_silent=is_silent)
        for link in tuple(self._links.values()):
            if link.process is process:
                link.die()

    def is_listening(self, host: str, port: int) -> bool:
        """Say whether somebody takes connections there."""
        return (self.hosts[host].address, port) in self._listeners

    def open_things(self, process: Process) -> list[str]:
        """Name the listeners and connections of a process."""
        found = [
            f"a listener at {address[0]}:{address[1]}"
            for address, listener in self._listeners.items()
            if listener.process is process
        ]
        for connection in self._connections:
            for end in (connection.client, connection.server):
                if end.process is process and not end.is_gone:
                    host, port = end.get_extra_info("peername")
                    found.append(f"a connection with {host}:{port}")
        return found + [
            f"a link at {link}" for link, t in self._links.items() if t.process is process
        ]

    def close(self) -> None:
        """Close everything without a word: the world ends."""
        for connection in tuple(self._connections):
            connection.client.die(is_silent=True)
            connection.server.die(is_silent=True)

    def forget(self, connection: Connection) -> None:
        """Both ends of a connection are gone."""
        self._connections.pop(connection, None)

    # --- names ------------------------------------------------------------------------------

    async def getaddrinfo(
        self, host: Any, port: Any, **hints: int
    ) -> list[tuple[int, int, int, str, Address]]:
        """Resolve a name as ``loop.getaddrinfo`` does."""
        kind, proto = hints.get("type", 0) or socket.SOCK_STREAM, hints.get("proto", 0)
        address = self._resolve(host)
        return [(socket.AF_INET, kind, proto, "", (address, int(port or 0)))]

    def _resolve(self, name: Any) -> str:
        if isinstance(name, bytes):
            name = name.decode("ascii")
        if name in EVERY_ADDRESS or name in LOCAL_NAMES:
            return LOOPBACK
        if name in self._addresses:
            return cast("str", name)
        host = self.hosts.get(name)
        if host is None or name in self._unresolvable:
            raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {name}")
        return host.address

    def _host_at(self, address: str) -> Host | None:
        return self.here() if address == LOOPBACK else self._addresses.get(address)

    def path_between(self, sender: str, receiver: str) -> Path | None:
        """Return the path between two addresses, None when there is nobody."""
        ends = self._addresses.get(sender), self._addresses.get(receiver)
        if ends[0] is None or ends[1] is None:
            return None
        return self.path(ends[0].name, ends[1].name)

    def _free_port(self, host: Host) -> int:
        ports = self._ports.setdefault(host.name, itertools.count(FIRST_EPHEMERAL))
        while True:
            port = next(ports)
            if (host.address, port) not in self._listeners:
                return port

    # --- listening --------------------------------------------------------------------------

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: Any = None,
        *,
        sock: Any = None,
        ssl: Any = None,
        backlog: int = 100,
        start_serving: bool = True,
        **_: Any,
    ) -> base_events.Server:
        """Listen, as ``loop.create_server`` does."""
        self._refuse_unsimulated(sock, ssl)
        here = self.here()
        names = host if isinstance(host, list | tuple) else [host]
        sockets = []
        for name in names:
            address = here.address if name in EVERY_ADDRESS else self._resolve(name)
            if address not in {here.address, LOOPBACK}:
                raise error_of(errno.EADDRNOTAVAIL)
            wanted = port or self._free_port(here)
            key = (here.address, wanted)
            if key in self._listeners:
                raise OSError(errno.EADDRINUSE, f"error while attempting to bind on address {key}")
            sockets.append(SimSocket((address, wanted)))
        listeners: Any = sockets
        server = base_events.Server(
            self.loop, listeners, protocol_factory, None, backlog, None, None
        )
        if start_serving:
            await server.start_serving()
        return server

    def start_serving(self, factory: Any, sock: SimSocket, server: Any) -> None:
        """Take connections at a socket from now on."""
        context = contextvars.copy_context()
        process = context.get(PROCESS)
        here = self.here()
        key = (here.address, sock.getsockname()[1])
        self._trace.add(here.name, "listens", str(key[1]))
        self._listeners[key] = Listener(factory, server, sock, context, process)

    def stop_serving(self, sock: SimSocket) -> None:
        """Take no more connections there."""
        for address, listener in list(self._listeners.items()):
            if listener.sock is sock:
                del self._listeners[address]

    # --- connecting -------------------------------------------------------------------------

    async def _begun(self, begin: Callable[[], None]) -> None:
        """Begin in a callback of its own, as asyncio does, and wait for it."""
        begun: asyncio.Future[None] = self.loop.create_future()

        def first() -> None:
            begin()
            if not begun.done():
                begun.set_result(None)

        self.loop.call_soon(first)
        await begun

    async def create_connection(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        **_: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect, as ``loop.create_connection`` does.

        Raises:
            socket.gaierror: there is no such name.
            ConnectionRefusedError: nobody listens there.
            TimeoutError: nobody answered for 127 s.
        """
        self._refuse_unsimulated(sock, ssl)
        here = self.here()
        address = self._resolve(host)
        target = self._host_at(address)
        done: asyncio.Future[Connection] = self.loop.create_future()
        timer = self.loop.call_later(CONNECT_TIMEOUT, _give_up, done)
        connection: Connection | None = None
        client = (contextvars.copy_context(), PROCESS.get(), (here.address, self._free_port(here)))
        server_address = (address, int(port))

        def knock() -> None:
            """The first packet has arrived at the other machine."""
            nonlocal connection
            assert target is not None
            back = self.path(target.name, here.name)
            listener = self._listeners.get((target.address, server_address[1]))
            if listener is None or (listener.is_local and target is not here):
                back.carry(lambda: _refuse(done))
                return
            if client[1] is not None and client[1].state is ProcessState.DEAD:
                return
            there = self.path(here.name, target.name)
            server = listener.context.copy(), listener.process, server_address
            made = connection = Connection(self, there, back, client, server)
            self._connections[made] = None
            self._accept(listener, made)
            back.carry(lambda: _answer(done, made))

        if target is not None:
            self.path(here.name, target.name).carry(knock)
        try:
            await done
        except BaseException:
            if connection is not None:
                connection.client.abort()
            raise
        finally:
            timer.cancel()
        assert connection is not None, "an answer comes from a connection"
        self._trace.add(here.name, "connects", f"{host}:{port}")
        protocol, transport = protocol_factory(), connection.client
        try:
            await self._begun(lambda: transport.begin(protocol, None))
        except BaseException:
            transport.abort()
            raise
        return transport, protocol

    def _accept(self, listener: Listener, connection: Connection) -> None:
        transport = connection.server
        attach, detach = _attachment(listener.server, transport)
        attach()

        def accept() -> None:
            transport.begin(listener.factory(), detach)

        self.loop.call_soon(accept, context=transport.context)

    def _refuse_unsimulated(self, sock: Any, ssl: Any) -> None:
        if ssl:
            raise NotSimulatedError("There is no TLS inside a simulation; test it on real sockets.")
        if sock is not None:
            raise NotSimulatedError(
                "Give host and port: a socket of the system has no virtual time."
            )

    # --- message links ----------------------------------------------------------------------

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], asyncio.DatagramProtocol],
        local_addr: Any = None,
        remote_addr: Any = None,
        *,
        sock: Any = None,
        **_: Any,
    ) -> tuple[asyncio.DatagramTransport, asyncio.DatagramProtocol]:
        """Open a message link, as ``loop.create_datagram_endpoint`` does."""
        self._refuse_unsimulated(sock, None)
        here = self.here()
        port = (local_addr[1] if local_addr else 0) or self._free_port(here)
        key = (here.address, port)
        if key in self._links:
            raise error_of(errno.EADDRINUSE)
        peer = None if remote_addr is None else self.absolute(remote_addr)
        protocol = protocol_factory()
        transport = SimDatagramTransport(self, contextvars.copy_context(), protocol, key, peer)
        self._links[key] = transport
        await self._begun(lambda: protocol.connection_made(transport))
        return transport, protocol

    def absolute(self, address: Any) -> Address:
        """Return an address as seen from anywhere: names resolved, "localhost" replaced."""
        resolved = self._resolve(address[0])
        return (self.here().address if resolved == LOOPBACK else resolved), int(address[1])

    def datagram(self, target: Address, data: bytes, source: Address) -> None:
        """Hand a message that has arrived to whoever listens."""
        link = self._links.get(target)
        if link is None:
            return
        process = link.process
        if process is not None and process.state is ProcessState.FROZEN:
            process.parked.append(
                asyncio.Handle(link.received, (data, source), self.loop, link.context)
            )
        elif process is None or process.state is ProcessState.RUNNING:
            link.context.run(link.received, data, source)

    def close_datagram(self, address: Address) -> None:
        """A link is closed."""
        self._links.pop(address, None)


def _attachment(
    server: base_events.Server | None, transport: asyncio.Transport
) -> tuple[Callable[[], None], Callable[[], None] | None]:
    """Count a connection in its server, as this version of asyncio does it."""
    if server is None:
        return (lambda: None), None
    any_server: Any = server
    if len(inspect.signature(any_server._attach).parameters):  # since 3.13
        return (lambda: any_server._attach(transport)), (lambda: any_server._detach(transport))
    return any_server._attach, any_server._detach


def _answer(done: asyncio.Future[Connection], connection: Connection) -> None:
    if not done.done():
        done.set_result(connection)


def _refuse(done: asyncio.Future[Connection]) -> None:
    if not done.done():
        done.set_exception(error_of(errno.ECONNREFUSED))


def _give_up(done: asyncio.Future[Connection]) -> None:
    if not done.done():
        done.set_exception(error_of(errno.ETIMEDOUT))
