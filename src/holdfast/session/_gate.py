"""Between a client and its connection: nothing leaves that rests on something unstored."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from holdfast.connection import Transport


class Gate:
    """Messages leave in order, and wait while something is being stored.

    Args:
        failed: called with the error when it could not be; what waited is dropped.
    """

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        self._saving: asyncio.Future[None] | None = None
        self._held: list[tuple[Transport, bytes]] = []

    def close_for(self, saving: asyncio.Future[None]) -> None:
        """Let nothing through until that is done; what was waited for before is stored before it."""
        self._saving = saving
        saving.add_done_callback(self._open)

    def send(self, socket: Transport, message: bytes) -> None:
        """Send a message over a connection, now or when it may leave."""
        if self._saving is None:
            socket.send(message)
        else:  # a few: the store is waited for, or the connection is cut
            self._held.append((socket, message))

    def _open(self, saving: asyncio.Future[None]) -> None:
        if saving is not self._saving:
            return
        self._saving = None
        held, self._held = self._held, []
        error = None if saving.cancelled() else saving.exception()
        if error is not None:
            self._failed(error)
            return
        for socket, message in held:
            socket.send(message)  # harmless when the connection is gone
