"""Many connections at once: gateways that are added and removed while it runs.

::

    manager = ConnectionManager(on_message=received)       # received(gateway, message)
    manager.add_gateway("wss://gateway-1.example/ws")
    await manager.start()
    await manager.send(b"hello")                           # to the best one
    await manager.stop()

Its methods may be called from other threads as well, while it runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from holdfast import limits
from holdfast.connection.connection import ReliableConnection
from holdfast.connection.monitor import ConnectionQualityMonitor
from holdfast.connection.states import ConnectionState
from holdfast.errors import ConnectionFailedError, NetworkError, NetworkTimeoutError
from holdfast.resilience import CircuitBreakerManager, RateLimitConfig, RateLimiter
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType
    from typing import Any, Self

    from holdfast.connection.connection import Handshake
    from holdfast.connection.endpoint import Endpoint
    from holdfast.connection.settings import ConnectionSettings
    from holdfast.connection.states import StateChange
    from holdfast.world import World

T = TypeVar("T")
OnMessage = Callable[[str, bytes], object]


class ConnectionManager:
    """Keeps connections to several gateways.

    Args:
        settings: of each connection that names none of its own.
        handshake: of each new connection.
        on_message: called with the name of a gateway and each of its messages.
        on_change: called with the name of a gateway and each change of its connection.
        attempt_rate: attempts to connect a second, over all of them; others wait for their turn.
        attempt_burst: attempts at once.
        world: chance and wall time.
    """

    def __init__(
        self,
        *,
        settings: ConnectionSettings | None = None,
        handshake: Handshake | None = None,
        on_message: OnMessage | None = None,
        on_change: Callable[[str, StateChange], object] | None = None,
        attempt_rate: float = limits.ATTEMPT_RATE,
        attempt_burst: int = limits.ATTEMPT_BURST,
        world: World | None = None,
    ) -> None:
        self._settings = settings
        self._handshake = handshake
        self._on_message = on_message
        self._on_change = on_change
        self._world: World = RealWorld() if world is None else world
        self._attempts = RateLimiter(
            RateLimitConfig(attempt_rate, 1.0, attempt_burst), name="attempts to connect"
        )
        self._connections: dict[str, ReliableConnection] = {}
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self.breakers = CircuitBreakerManager(breakers_max=limits.GATEWAYS_MAX)
        self.monitor = ConnectionQualityMonitor(self.breakers)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Begin to connect to all that were added."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        for connection in self._connections.values():
            self._begin(connection)

    async def stop(self) -> None:
        """Close all connections; they stay added."""
        names = list(self._connections)
        await asyncio.gather(*(self._end(name) for name in names))
        self._loop = None

    # --- gateways ---------------------------------------------------------------------------

    def add_gateway(
        self,
        address: Endpoint | str,
        *others: Endpoint | str,
        name: str | None = None,
        settings: ConnectionSettings | None = None,
    ) -> str:
        """Add a gateway; connects at once when the manager runs.

        Args:
            address: as a URL, such as ``wss://host/path`` or ``tcp://host:port``.
            others: of the same gateway.
            name: the address by default.
            settings: of its connection.

        Returns:
            Its name.

        Raises:
            ValueError: the address is none, the name is taken, or there are too many.
        """

        async def add() -> str:
            return self._add(address, others, name, settings)

        return self._here(add, lambda: self._add(address, others, name, settings))

    def _add(
        self,
        address: Endpoint | str,
        others: tuple[Endpoint | str, ...],
        name: str | None,
        settings: ConnectionSettings | None,
    ) -> str:
        connection = ReliableConnection(
            address,
            *others,
            settings=settings or self._settings,
            handshake=self._handshake,
            admission=self._admitted,
            name=name,
            world=self._world,
        )
        if connection.name in self._connections:
            raise ValueError(f"There is a gateway {connection.name!r} already.")
        if len(self._connections) >= limits.GATEWAYS_MAX:
            raise ValueError(f"There are {limits.GATEWAYS_MAX} gateways already.")
        self._connections[connection.name] = connection
        on_change = self._on_change
        if on_change is not None:
            known = connection.name
            connection.on_change(lambda change: on_change(known, change))
        if self._loop is not None:
            self._begin(connection)
        return connection.name

    async def remove(self, name: str) -> None:
        """Close the connection to a gateway and forget it; harmless when there is none."""
        await self._end(name)
        self._connections.pop(name, None)
        self.monitor.forget(name)
        self.breakers.remove(name)

    def get(self, name: str) -> ReliableConnection | None:
        """Return the connection to a gateway."""
        return self._connections.get(name)

    @property
    def names(self) -> list[str]:
        """Of all gateways."""
        return list(self._connections)

    @property
    def connected(self) -> list[str]:
        """The gateways that can be reached now, the best first."""
        ranks = {name: place for place, name in enumerate(self.monitor.ranked())}
        found = [
            name
            for name, connection in self._connections.items()
            if connection.state is ConnectionState.CONNECTED
        ]
        return sorted(found, key=lambda name: ranks.get(name, len(ranks)))

    # --- messages ---------------------------------------------------------------------------

    async def send(self, message: bytes, gateway: str | None = None) -> str:
        """Send a message to a gateway, by default to the best that can be reached.

        Returns:
            The gateway's name. That it was sent does not say that it arrived (``holdfast.delivery``).

        Raises:
            NetworkError: 1001, 1002; none can be reached, or it does not read.
            ValueError: there is no such gateway.
        """
        if gateway is not None:
            connection = self._connections.get(gateway)
            if connection is None:
                raise ValueError(f"There is no gateway {gateway!r}.")
            await connection.send(message, within=0)
            return gateway
        problem: NetworkError = ConnectionFailedError("No gateway can be reached.")
        for name in self.connected:
            try:
                await self._connections[name].send(message, within=0)
            except NetworkTimeoutError as error:
                problem = error  # the next one may read
            else:
                return name
        raise problem

    # --- what is known ----------------------------------------------------------------------

    def statistics(self) -> dict[str, object]:
        """Return figures: ``gateways``, how many are in each state, and each one's under ``connections``.

        Each one's are those of ``ReliableConnection.statistics`` with ``grade``, ``score`` and ``latency``.
        """

        def collect() -> dict[str, object]:
            each: dict[str, object] = {}
            states = dict.fromkeys(ConnectionState, 0)
            for name, connection in self._connections.items():
                states[connection.state] += 1
                quality = self.monitor.quality(name) if self._loop is not None else None
                more = {} if quality is None else {
                    "grade": quality.grade.name.lower(),
                    "score": round(quality.score, 3),
                    "latency": quality.latency,
                }  # fmt: skip
                each[name] = {**connection.statistics(), **more}
            counts = {state.value: count for state, count in states.items()}
            return {"gateways": len(each), **counts, "connections": each}

        async def collected() -> dict[str, object]:
            return collect()

        return self._here(collected, collect)

    def network_changed(self) -> None:
        """The machine is on another network, or has slept: ask each for a sign of life, try the others now."""

        def probe() -> None:
            for connection in self._connections.values():
                connection.probe()

        async def probed() -> None:
            probe()

        self._here(probed, probe)

    # --- inside -----------------------------------------------------------------------------

    def _here(self, far: Callable[[], Coroutine[Any, Any, T]], near: Callable[[], T]) -> T:
        """Run something in the loop's thread, wherever the caller is."""
        if self._loop is None or threading.get_ident() == self._thread:
            return near()
        return asyncio.run_coroutine_threadsafe(far(), self._loop).result()

    async def _admitted(self) -> None:
        await self._attempts.wait("all")

    def _begin(self, connection: ReliableConnection) -> None:
        connection.start()
        self.monitor.watch(connection)
        if self._on_message is not None:
            self._readers[connection.name] = asyncio.create_task(
                self._read(connection, self._on_message), name=f"holdfast-reader {connection.name}"
            )

    async def _end(self, name: str) -> None:
        reader = self._readers.pop(name, None)
        if reader is not None:
            reader.cancel()
            await asyncio.wait({reader})
        connection = self._connections.get(name)
        if connection is not None:
            await connection.close()

    @staticmethod
    async def _read(connection: ReliableConnection, on_message: OnMessage) -> None:
        async for message in connection:
            on_message(connection.name, message)


_shared: list[ConnectionManager] = []


def set_connection_manager(manager: ConnectionManager | None) -> None:
    """Set the one that is shared in this program."""
    _shared.clear()
    if manager is not None:
        _shared.append(manager)


def get_connection_manager() -> ConnectionManager:
    """Return the one that is shared in this program; it is made when there is none."""
    if not _shared:
        _shared.append(ConnectionManager())
    return _shared[0]
