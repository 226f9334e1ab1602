"""A handshake: as long as it may take, and no longer than its connection lives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from holdfast.connection.states import Reason
from holdfast.errors import ConnectionFailedError, NetworkTimeoutError

if TYPE_CHECKING:
    from collections.abc import Awaitable


class Shaking:
    """One handshake.

    Args:
        limit: seconds that it may take.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._scope: asyncio.Timeout | None = None
        self._broken = ""

    async def through(self, handshake: Awaitable[object]) -> None:
        """Wait until hands are shaken.

        Raises:
            NetworkTimeoutError: 1001; it took too long.
            ConnectionFailedError: 1002; the connection broke meanwhile.
        """
        try:
            async with asyncio.timeout(self._limit) as self._scope:
                await handshake
        except TimeoutError as error:
            if self._broken:
                raise ConnectionFailedError(self._broken) from error
            raise NetworkTimeoutError(
                f"The handshake took more than {self._limit:g} s.",
                details={"reason": Reason.HANDSHAKE_TIMEOUT},
            ) from error
        finally:
            self._scope = None

    def broke(self, message: str) -> None:
        """The connection is gone: nothing is waited for any more, once what came before has been read."""
        if self._scope is not None and not self._scope.expired():
            self._broken = message
            self._scope.reschedule(asyncio.get_running_loop().time())
