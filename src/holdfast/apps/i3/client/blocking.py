"""The client for programs without asyncio: a loop in a thread of its own.

::

    with BlockingI3Client("tcp://127.0.0.1:8081", api_key=key) as client:
        client.tell("Old Keep", "bo", "hello", from_user="ann")
        for event in client.events():
            print(event.method, event.params)
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from holdfast.apps.i3.client.client import I3Client
from holdfast.apps.i3.client.methods import Methods
from holdfast.connection import LoopThread
from holdfast.errors import ConnectionFailedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from types import TracebackType
    from typing import Self

    from holdfast.apps.i3.client.event import ReceivedEvent
    from holdfast.connection import ConnectionSettings, Endpoint

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[BlockingI3Client, P], T]:
    """Make a method that waits of one that is awaited."""

    @functools.wraps(method)
    def call(self: BlockingI3Client, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(method(self._required(), *args, **kwargs))

    return call  # type: ignore[return-value]  # what wraps keeps is not in its type


class BlockingI3Client:
    """The same as ``I3Client``, with calls that block.

    Args:
        endpoint: of the gateway.
        api_key: from its operator.
        after: the last event that was handled; None: what the key was not sent yet.
        settings: how to try to connect.
    """

    def __init__(
        self,
        endpoint: Endpoint | str,
        api_key: str,
        *,
        after: int | None = None,
        settings: ConnectionSettings | None = None,
    ) -> None:
        self._make: Callable[[], I3Client] = lambda: I3Client(
            endpoint, api_key, after=after, settings=settings
        )
        self._thread: LoopThread | None = None
        self._client: I3Client | None = None

    def __enter__(self) -> Self:
        """Start; raises ValueError when the endpoint is none."""
        self._thread = LoopThread("holdfast-i3-client")
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
        """Close, and end the thread; harmless when it was closed."""
        client, self._client = self._client, None
        if client is not None:
            self._run(client.close())
            self._stop()

    @property
    def position(self) -> int:
        """The number of the last event that ``events`` has returned."""
        return self._required().position

    connected = _blocking(I3Client.connected)
    tell = _blocking(Methods.tell)
    emoteto = _blocking(Methods.emoteto)
    channel_send = _blocking(Methods.channel_send)
    channel_emote = _blocking(Methods.channel_emote)
    channel_join = _blocking(Methods.channel_join)
    channel_leave = _blocking(Methods.channel_leave)
    channel_list = _blocking(Methods.channel_list)
    channel_who = _blocking(Methods.channel_who)
    channel_history = _blocking(Methods.channel_history)
    channel_add = _blocking(Methods.channel_add)
    channel_remove = _blocking(Methods.channel_remove)
    channel_admit = _blocking(Methods.channel_admit)
    channel_ban = _blocking(Methods.channel_ban)
    who = _blocking(Methods.who)
    finger = _blocking(Methods.finger)
    locate = _blocking(Methods.locate)
    mudlist = _blocking(Methods.mudlist)
    file_list = _blocking(Methods.file_list)
    file_get = _blocking(Methods.file_get)
    file_put = _blocking(Methods.file_put)
    mail_send = _blocking(Methods.mail_send)
    mail_list = _blocking(Methods.mail_list)
    mail_read = _blocking(Methods.mail_read)
    mail_delete = _blocking(Methods.mail_delete)
    news_groups = _blocking(Methods.news_groups)
    news_read = _blocking(Methods.news_read)
    news_post = _blocking(Methods.news_post)
    presence_sync = _blocking(Methods.presence_sync)
    ping = _blocking(Methods.ping)
    status = _blocking(Methods.status)
    stats = _blocking(Methods.stats)
    reconnect = _blocking(Methods.reconnect)

    def events(self) -> Iterator[ReceivedEvent]:
        """Yield events as they come; see ``I3Client.events``."""
        following: AsyncIterator[ReceivedEvent] = self._required().events()

        async def take() -> ReceivedEvent | None:
            async for event in following:
                return event
            return None

        while self._client is not None:
            event: ReceivedEvent | None = self._run(take())
            if event is None:
                return
            yield event

    async def _start(self) -> None:
        self._client = self._make()
        self._client.start()

    def _required(self) -> I3Client:
        if self._client is None:
            raise ConnectionFailedError("The client is closed.")
        return self._client

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._thread is not None, "it was entered"
        return self._thread.run(work)

    def _stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()
