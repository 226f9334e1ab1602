"""The two ends of a stream for those who use it: one is iterated over, the other is sent to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from holdfast.apps.agents import limits
from holdfast.apps.agents.errors import StreamBrokenError
from holdfast.apps.agents.wire import from_json, to_json

if TYPE_CHECKING:
    from holdfast.apps.agents.link import Link


class Reader:
    """The pieces of a stream, in order; iterate over it. It ends when all have come.

    Raises:
        StreamBrokenError: STREAM_BROKEN or why the call ended; the rest will not come.
        AgentError: BODY_INVALID; the writer does not speak JSON.
    """

    def __init__(self, link: Link, id: str, *, is_up: bool) -> None:  # noqa: A002 - the word of the field
        self._link = link
        self._id = id
        self._is_up = is_up

    def __aiter__(self) -> Reader:
        return self

    async def __anext__(self) -> object:
        link = self._link
        while True:
            inflow = link.conversation.inflow(self._id, is_up=self._is_up)
            if inflow is None:
                raise StreamBrokenError("The stream is closed.")
            if inflow.has_piece:
                now = asyncio.get_running_loop().time()
                body, effects = inflow.take(link.conversation.within(self._id, now))
                link.perform(effects)
                return from_json(body)
            if inflow.is_whole:
                raise StopAsyncIteration
            if inflow.error is not None:
                raise inflow.error
            await link.moved(self._id, is_up=self._is_up)


class Writer:
    """Sends the pieces of a stream; waits while the other end does not read."""

    def __init__(self, link: Link, id: str, *, is_up: bool) -> None:  # noqa: A002 - the word of the field
        self._link = link
        self._id = id
        self._is_up = is_up

    async def send(self, piece: object) -> None:
        """Send a piece, made of JSON values.

        Raises:
            StreamBrokenError: nobody reads it any more.
            AgentError: BODY_TOO_LARGE, BODY_INVALID.
        """
        body = to_json(piece, limits.CHUNK_BYTES_MAX)
        conversation = self._link.conversation
        await self._room()
        now = asyncio.get_running_loop().time()
        out = conversation.outflow(self._id, is_up=self._is_up)
        assert out is not None
        self._link.perform(out.write(body, now, conversation.within(self._id, now)))

    async def end(self) -> None:
        """Say that all was sent; harmless the second time.

        Raises:
            StreamBrokenError: nobody reads it any more.
        """
        out = self._link.conversation.outflow(self._id, is_up=self._is_up)
        if out is None or out.is_ended:
            return
        await self._room()
        now = asyncio.get_running_loop().time()
        self._link.perform(out.end(now, self._link.conversation.within(self._id, now)))

    async def _room(self) -> None:
        while True:
            now = asyncio.get_running_loop().time()
            if self._link.conversation.may_write(self._id, is_up=self._is_up, now=now):
                return
            self._link.rescheduled()
            await self._link.moved(self._id, is_up=self._is_up)
