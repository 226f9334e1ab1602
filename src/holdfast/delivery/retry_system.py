"""One shared outbox for a program: the retry system of a node that speaks to gateways.

::

    retries = MessageRetrySystem(Path("data"), send)    # await send(gateway, message: bytes)
    await retries.start()
    await retries.add_message(b"hello", "gateway-1", priority=2)
    await retries.stop()

A thin face on ``Outbox``: a message that was added is delivered, or is a dead letter that says why.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import msgspec

from holdfast.delivery import inbox, store
from holdfast.delivery.outbox import Outbox
from holdfast.errors import DeliveryError
from holdfast.storage import Database

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.delivery.message import Message
    from holdfast.delivery.settings import OutboxSettings
    from holdfast.world import World

GatewaySend = Callable[[str, bytes], Awaitable[object]]


class MessageRetrySystem:
    """Sends each message until its gateway has it.

    Args:
        data: folder for what is kept; it belongs to this process while the system runs.
        send: hands a message to a gateway; what it may raise, see ``Outbox``.
        settings: how to try.
        world: chance, ids, wall time.
    """

    def __init__(
        self,
        data: Path,
        send: GatewaySend,
        *,
        settings: OutboxSettings | None = None,
        world: World | None = None,
    ) -> None:
        self._data = data
        self._send = send
        self._settings = settings
        self._world = world
        self._stack: AsyncExitStack | None = None
        self._outbox: Outbox | None = None

    @property
    def outbox(self) -> Outbox:
        """What does the work: tracking, dead letters, callbacks.

        Raises:
            DeliveryError: 5001; the system does not run.
        """
        if self._outbox is None:
            raise DeliveryError("The retry system does not run: call start() first.")
        return self._outbox

    async def start(self) -> None:
        """Open the store and begin to send what waits in it; harmless when it runs.

        Raises:
            StorageLockedError: 8003; another process has the folder.
            StorageError: 8xxx; the store cannot be opened.
        """
        if self._outbox is not None:
            return
        migrations = {"outbox": store.MIGRATIONS, "inbox": inbox.MIGRATIONS}
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(
                Database(self._data / "holdfast.db", migrations)
            )
            outbox = Outbox(database, self._hand_over, settings=self._settings, world=self._world)
            self._outbox = await stack.enter_async_context(outbox)
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Stop sending and close the store; what waits goes on at the next start; harmless when stopped."""
        stack, self._stack, self._outbox = self._stack, None, None
        if stack is not None:
            await stack.aclose()

    async def add_message(self, message: object, gateway: str, priority: int = 1) -> str:
        """Take a message for a gateway; returns its id when it would survive a crash.

        Args:
            message: bytes, text, or a value that is sent as JSON.
            gateway: where to.
            priority: higher goes first among those for this gateway.

        Raises:
            OutboxFullError: 5101; nothing was taken.
            DeliveryError: 5001; it is too large, no JSON value, or the system does not run.
            StorageError: 8xxx; nothing was taken.
        """
        return await self.outbox.submit(gateway, _encoded(message), priority=priority)

    async def statistics(self) -> dict[str, float]:
        """Return counters; see ``Outbox.statistics``."""
        return await self.outbox.statistics()

    async def _hand_over(self, message: Message) -> None:
        await self._send(message.destination, message.body)


def _encoded(message: object) -> bytes:
    if isinstance(message, bytes | bytearray | memoryview):
        return bytes(message)
    if isinstance(message, str):
        return message.encode()
    try:
        return msgspec.json.encode(message)
    except (TypeError, ValueError) as error:
        raise DeliveryError(f"The message cannot be written as JSON: {error}") from error


_shared: MessageRetrySystem | None = None


def set_retry_system(system: MessageRetrySystem | None) -> None:
    """Name the system that ``get_retry_system`` returns; None to forget it."""
    global _shared  # noqa: PLW0603 - one shared instance is what it is for
    _shared = system


def get_retry_system() -> MessageRetrySystem:
    """Return the shared system of this program.

    Raises:
        DeliveryError: 5001; ``set_retry_system`` was not called.
    """
    if _shared is None:
        raise DeliveryError("This program has no retry system: call set_retry_system(...) first.")
    return _shared
