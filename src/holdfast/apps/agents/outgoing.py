"""A call that is open as a stream, for the one who opened it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from holdfast.apps.agents.flows import Reader, Writer
from holdfast.apps.agents.judging import judged

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from holdfast.apps.agents.link import Link, Waiting
    from holdfast.apps.agents.wire import Request


class StreamCall:
    """Pieces both ways, and an answer at the end. ``AgentHost.stream`` makes it; use it as an async context manager.

    ::

        async with host.stream("summer@bob", {"scale": 2}) as call:
            await call.send(1)
            await call.end()
            async for piece in call: ...
            total = await call.result()

    Leaving the block withdraws what has not ended.
    """

    def __init__(self, link: Link, request: Request, due: float, where: str) -> None:
        self._link = link
        self._request = request
        self._due = due
        self._where = where
        self._waiting: Waiting | None = None
        self._writer = Writer(link, request.id, is_up=True)
        self._reader = Reader(link, request.id, is_up=False)

    async def __aenter__(self) -> Self:
        self._waiting = self._link.open(self._request, self._due)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._link.withdraw(self._request.id)

    async def send(self, piece: object) -> None:
        """Send a piece; waits while the agent does not read.

        Raises:
            StreamBrokenError: the call has ended; ``result`` says how.
            AgentError: BODY_TOO_LARGE, BODY_INVALID.
        """
        await self._writer.send(piece)

    async def end(self) -> None:
        """Say that all was sent. Raises StreamBrokenError, as ``send``."""
        await self._writer.end()

    def __aiter__(self) -> Reader:
        return self._reader

    async def result(self) -> object:
        """Wait for the answer; raises as ``AgentHost.call``."""
        assert self._waiting is not None, "the call is not open"
        return judged(await asyncio.shield(self._waiting.answer), self._where)
