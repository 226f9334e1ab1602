"""A reliable connection for programs without asyncio: a loop in a thread of its own.

::

    with BlockingConnection("wss://host/ws") as connection:
        connection.send(b"hello")
        print(connection.receive(within=5))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from holdfast.connection.connection import ReliableConnection
from holdfast.connection.thread import LoopThread
from holdfast.errors import ConnectionFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import TracebackType
    from typing import Any, Self

    from holdfast.connection.endpoint import Endpoint
    from holdfast.connection.settings import ConnectionSettings
    from holdfast.connection.states import ConnectionState, StateChange

T = TypeVar("T")


class BlockingConnection:
    """The same as ``ReliableConnection``, with calls that block.

    Args:
        endpoints: of the one peer.
        settings: how to try.
        on_change: called with each change, in the connection's thread.
    """

    def __init__(
        self,
        *endpoints: Endpoint | str,
        settings: ConnectionSettings | None = None,
        on_change: Callable[[StateChange], None] | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._settings = settings
        self._on_change = on_change
        self._thread: LoopThread | None = None
        self._connection: ReliableConnection | None = None

    def __enter__(self) -> Self:
        """Start; raises ValueError when an endpoint is none."""
        self._thread = LoopThread("holdfast-connection")
        try:
            self._run(self._start())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Say goodbye, close, end the thread; harmless when it was closed."""
        if self._connection is not None:
            self._run(self._connection.close())
            self._connection = None
            self._stop()

    @property
    def state(self) -> ConnectionState:
        """Where it stands."""
        return self._required().state

    def connected(self, within: float | None = None) -> None:
        """Wait until it is open; raises as ``ReliableConnection.connected``."""
        self._run(self._required().connected(within))

    def send(self, message: bytes, *, within: float | None = None) -> None:
        """Send a message; raises as ``ReliableConnection.send``."""
        self._run(self._required().send(message, within=within))

    def receive(self, within: float | None = None) -> bytes:
        """Return the next message; raises as ``ReliableConnection.receive``."""
        return self._run(self._required().receive(within))

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                yield self.receive()
            except ConnectionFailedError:
                return  # it is over: given up or closed

    def statistics(self) -> dict[str, object]:
        """Return figures, as ``ReliableConnection.statistics``."""

        async def collect() -> dict[str, object]:
            return self._required().statistics()

        return self._run(collect())

    async def _start(self) -> None:
        self._connection = ReliableConnection(*self._endpoints, settings=self._settings)
        if self._on_change is not None:
            self._connection.on_change(self._on_change)
        self._connection.start()

    def _required(self) -> ReliableConnection:
        if self._connection is None:
            raise ConnectionFailedError("The connection is closed.")
        return self._connection

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._thread is not None, "it was entered"
        return self._thread.run(work)

    def _stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()
