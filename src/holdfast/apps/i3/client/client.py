"""A client of a gateway's API for Python programs: muds, bots, tools.

::

    async with I3Client("ws://gateway.example:8080/ws", api_key=key) as client:
        await client.tell("Old Keep", "bo", "hello", from_user="ann")
        async for event in client.events():         # over every reconnect: none missing, none twice
            print(event.method, event.params)

Theory. The connection comes back by itself; each time it is open the client says who it is and which event it has
taken in last. What the program does not take fast enough is left in the gateway's log and read from there later. A
call that was under way when the connection broke is made again: a question does no harm, and a message carries a name
by which the gateway knows it again, so that it is sent once. What cannot be repeated fails.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec

from holdfast.apps.i3 import limits
from holdfast.apps.i3.api import results
from holdfast.apps.i3.client.errors import ApiError, raised
from holdfast.apps.i3.client.event import ReceivedEvent
from holdfast.apps.i3.client.methods import Methods
from holdfast.connection import (
    ConnectionSettings,
    ConnectionState,
    Lines,
    ReliableConnection,
    StateChange,
)
from holdfast.errors import ConnectionFailedError, NetworkTimeoutError
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType
    from typing import Self

    from holdfast.connection import Endpoint
    from holdfast.world import World

T = TypeVar("T")
log = logging.getLogger("holdfast.i3.client")

NOT_REPEATED: Final = frozenset(
    {"key_add", "channel_add", "channel_remove", "file_put", "news_post"}
)
"""Methods that are not called again by themselves: a second call would not do the same."""

GREETING: Final = "welcome"
"""What a gateway says first over TCP; it is no event and comes anew with each connection."""

SETTINGS: Final = ConnectionSettings(message_max=4 * 1024 * 1024, heartbeat=15.0)
"""Of the connection: a list of all muds is larger than a message to the gateway may be."""


class _Message(msgspec.Struct):
    method: str = ""
    params: msgspec.Raw = msgspec.Raw()
    result: msgspec.Raw = msgspec.Raw()
    error: dict[str, Any] | None = None
    id: int | None = None


class _Waiting:
    """A call that was not answered yet."""

    __slots__ = ("done", "message", "repeats")

    def __init__(self, message: bytes, done: asyncio.Future[bytes], *, repeats: bool) -> None:
        self.message = message
        self.done = done
        self.repeats = repeats


class I3Client(Methods):
    """A client of a gateway; use it as an async context manager.

    Args:
        endpoint: ``ws://host:port/ws``, ``wss://…``, ``tcp://host:port`` or ``tls://…``.
        api_key: from the gateway's operator.
        after: the last event that was handled, from ``position`` of an earlier run; None: what the key was not
            sent yet.
        settings: how to try to connect.
        world: ids.

    Attributes:
        position: number of the last event that ``events`` has returned; to be kept by programs that restart.
        is_complete: whether no event was missed since the start: False once the gateway's log did not reach back.
    """

    def __init__(
        self,
        endpoint: Endpoint | str,
        api_key: str,
        *,
        after: int | None = None,
        settings: ConnectionSettings | None = None,
        world: World | None = None,
    ) -> None:
        self._world: World = RealWorld() if world is None else world
        self._key = api_key
        self._connection = ReliableConnection(
            endpoint, settings=settings or SETTINGS, framing=Lines, world=self._world
        )
        self._connection.on_change(self._changed)
        self._waiting: dict[int, _Waiting] = {}
        self._number = 0
        self._login: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._known = asyncio.Event()
        self._arrived: deque[ReceivedEvent] = deque()
        self._work = asyncio.Event()
        self._read = after
        self._is_behind = False
        self._fault: ApiError | ConnectionFailedError | None = None
        self.position = after or 0
        self.is_complete = True
        self.mud_name = ""
        self.session_id = ""

    # --- life -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to connect; returns at once."""
        if self._task is None:
            self._connection.start()
            self._task = asyncio.create_task(self._run(), name="i3-client")

    async def close(self) -> None:
        """Close; calls that were not answered fail."""
        task, self._task = self._task, None
        await self._connection.close()
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self._end(ConnectionFailedError("The client is closed."))

    @property
    def is_connected(self) -> bool:
        """Whether the gateway knows who this is, now."""
        return self._known.is_set()

    async def connected(self, within: float | None = None) -> None:
        """Wait until the gateway knows who this is.

        Args:
            within: seconds; None waits for ever.

        Raises:
            ApiError: -32000; the key is none.
            NetworkTimeoutError: 1001; it was not so in time.
            ConnectionFailedError: 1002; the client is closed.
        """
        try:
            async with asyncio.timeout(within):
                await self._known.wait()
        except TimeoutError as error:
            raise NetworkTimeoutError(
                f"{self._connection.name} has not answered within {within:g} s."
            ) from error
        if self._fault is not None:
            raise self._fault

    # --- calls ------------------------------------------------------------------------------

    async def call(
        self, method: str, params: dict[str, object], of: type[T], *, within: float = 30.0
    ) -> T:
        """Call a method, again if the connection breaks.

        Args:
            method: its name.
            params: by name.
            of: type of the result.
            within: seconds for all of it.

        Raises:
            ApiError: the gateway says no; ``code`` and ``details`` say why, ``retry_after`` when to try again.
            NetworkTimeoutError: 1001; there was no answer. A message may have been sent; calling again with the same
                ``resend`` does not send it twice.
            ConnectionFailedError: 1002; the client is closed, or the connection broke under what is not repeated.
        """
        if self._fault is not None:
            raise self._fault
        self._number += 1
        number = self._number
        request = {"jsonrpc": "2.0", "method": method, "params": params, "id": number}
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(msgspec.json.encode(request), done, repeats=method not in NOT_REPEATED)
        self._waiting[number] = waiting
        if self._known.is_set():
            self._connection.send_now(waiting.message)
        try:
            async with asyncio.timeout(within):
                answer = await done
        except TimeoutError as error:
            raise NetworkTimeoutError(f"{method} was not answered within {within:g} s.") from error
        finally:
            self._waiting.pop(number, None)
        return msgspec.json.decode(answer, type=of)

    def _new_id(self) -> str:
        return self._world.new_id()

    # --- events -----------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[ReceivedEvent]:
        """Yield events as they come, over every reconnect, each once; ends when the client is closed.

        Raises:
            ApiError: -32000; the key is none.
        """
        while True:
            while self._arrived:
                event = self._arrived.popleft()
                if event.event_id:
                    self.position = event.event_id
                yield event
            if isinstance(self._fault, ApiError):
                raise self._fault
            if self._fault is not None:
                return
            if self._is_behind and self._known.is_set() and self._login is None:
                self._log_in()  # what was not taken in is read from the gateway's log
            self._work.clear()
            await self._work.wait()

    # --- the connection ---------------------------------------------------------------------

    def _changed(self, change: StateChange) -> None:
        if change.new is not ConnectionState.CONNECTED:
            self._known.clear()
            self._login = None
            for number, waiting in tuple(self._waiting.items()):
                if not waiting.repeats and not waiting.done.done():
                    text = "The connection broke; whether it was done is not known."
                    waiting.done.set_exception(ConnectionFailedError(text))
                    self._waiting.pop(number, None)
            return
        self._log_in()

    def _log_in(self) -> None:
        """Say who this is, and which event it has taken in last."""
        self._number += 1
        self._login = self._number
        params: dict[str, object] = {"api_key": self._key}
        if self._read is not None:
            params["after"] = self._read
        request = {
            "jsonrpc": "2.0",
            "method": "authenticate",
            "params": params,
            "id": self._login,
        }
        self._connection.send_now(msgspec.json.encode(request))

    async def _run(self) -> None:
        decode = msgspec.json.Decoder(_Message).decode
        async for raw in self._connection:
            try:
                message = decode(raw)
            except msgspec.DecodeError:
                log.warning("the gateway sent what is no JSON-RPC: %.200r", raw)
                continue
            if message.method:
                self._happened(message)
            elif message.id is None:
                log.warning("the gateway refused something: %s", message.error)
            elif message.id == self._login:
                if not self._logged_in(message):
                    return
            else:
                self._answered(message)

    def _logged_in(self, message: _Message) -> bool:
        if message.error is not None:
            self._end(raised(message.error))
            return False
        known = msgspec.json.decode(message.result, type=results.Authenticated)
        self._login = None
        self._is_behind = False
        self.mud_name, self.session_id = known.mud_name, known.session_id
        self._read = known.event_id if self._read is None else self._read
        self.is_complete = self.is_complete and known.is_complete
        if self._known.is_set():
            return True  # it was to be read to from the log, no more
        self._known.set()
        for _, waiting in sorted(self._waiting.items()):
            self._connection.send_now(waiting.message)
        return True

    def _answered(self, message: _Message) -> None:
        waiting = self._waiting.get(cast("int", message.id))
        if waiting is None or waiting.done.done():
            return  # nobody waits for it any more
        if message.error is not None:
            waiting.done.set_exception(raised(message.error))
        else:
            waiting.done.set_result(bytes(message.result))

    def _happened(self, message: _Message) -> None:
        if self._is_behind or message.method == GREETING:
            return  # it comes again, from the log; or it says hello, which nobody waits for
        if len(self._arrived) >= limits.EVENTS_PAGE:
            self._is_behind = True
            return
        event = ReceivedEvent.read(message.method, bytes(message.params) or b"{}")
        if event.event_id:
            if self._read is not None and event.event_id <= self._read:
                return  # it was sent again
            self._read = event.event_id
        self._arrived.append(event)
        self._work.set()

    def _end(self, error: ApiError | ConnectionFailedError) -> None:
        if self._fault is None:
            self._fault = error
        self._known.set()
        self._work.set()
        for waiting in self._waiting.values():
            if not waiting.done.done():
                waiting.done.set_exception(error)
