"""Where other muds connect out of band: a listener around the conversation, and who sees to what they ask for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.gateway.oob.conversation import Admit, Conversation, Do, HangUp, Say
from holdfast.apps.i3.lpc import LpcError
from holdfast.apps.i3.mudmode import Mudmode, packet
from holdfast.apps.i3.mudmode import packets as packets_of
from holdfast.apps.i3.packets import FileResult, OobPacket
from holdfast.connection import Listener, ListenerSettings
from holdfast.errors import NetworkTimeoutError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.apps.i3.gateway.oob.conversation import Effect, Request
    from holdfast.connection import Peer

log = logging.getLogger("holdfast.i3")

Bare = int | list[object]
"""An answer that is no packet, as those about news are."""

Answer = Callable[[str, Any], Awaitable[OobPacket | Bare | None]]
"""Sees to a request of a mud; what it returns is said, None: hang up, so that it comes again later."""


class OobServer:
    """The answering side.

    Args:
        name: of our mud.
        redeem: says whether a mud may come in with a token (None: without one), and uses it up.
        answers: who sees to which request; the others are refused.
    """

    def __init__(
        self,
        name: str,
        redeem: Callable[[str, int | None], bool],
        answers: Mapping[type[Request], Answer],
    ) -> None:
        self.name = name
        self.redeem = redeem
        self.answers = answers
        self.tasks: set[asyncio.Task[None]] = set()
        self._listener = Listener(
            lambda peer: _Session(self, peer),
            framing=Mudmode,
            settings=ListenerSettings(
                connections_max=limits.OOB_CONNECTIONS_MAX,
                per_address_max=limits.OOB_PER_ADDRESS_MAX,
                proof_timeout=limits.OOB_PROOF_TIMEOUT,
                read_timeout=limits.OOB_IDLE_TIMEOUT,
                write_queue_max=limits.OOB_WRITE_QUEUE_MAX,
                message_max=limits.OOB_MESSAGE_BYTES_MAX,
            ),
            name=f"i3 {name} out of band",
        )

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port.

        Raises:
            NetworkError: 1002; the address is taken.
        """
        return await self._listener.start(host, port)

    async def stop(self) -> None:
        """Listen no more, and end what is being done."""
        await self._listener.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class _Session:
    """A connection: what comes is done in its order, one after the other."""

    def __init__(self, server: OobServer, peer: Peer) -> None:
        self._server = server
        self._peer = peer
        self._conversation = Conversation(server.name, server.redeem, server.answers)
        self._todo: list[Effect] = []
        self._working: asyncio.Task[None] | None = None

    def received(self, message: bytes) -> None:
        """Take a frame."""
        found = packets_of(message)
        for value in found.values:
            self._todo += self._conversation.received(value)
        if found.error is not None:
            self._todo += self._conversation.garbled(found.error.message)
        if self._todo and self._working is None:
            self._peer.pause()  # whoever asks for more waits until this is answered
            name = "holdfast-i3-oob"
            task = self._working = asyncio.get_running_loop().create_task(self._work(), name=name)
            self._server.tasks.add(task)
            task.add_done_callback(self._server.tasks.discard)

    def ponged(self, number: int) -> None:
        """There are none."""

    def lost(self, error: Exception | None) -> None:
        """It is gone, and nobody waits for answers."""
        if error is not None:
            log.info("an out-of-band connection broke: %s", error)
        if self._working is not None:
            self._working.cancel()

    async def _work(self) -> None:
        try:
            while self._todo:
                match self._todo.pop(0):
                    case Admit():
                        self._peer.proved()
                    case Say(said):
                        self._say(said)
                    case Do(request):
                        await self._do(request)
                    case HangUp():
                        self._peer.close()
        except NetworkTimeoutError as error:
            log.info("%s does not read what it asked for: %s", self._conversation.mud, error)
            self._peer.abort()
        finally:
            self._working = None
        if self._peer.is_open:
            self._peer.resume()

    async def _do(self, request: Request) -> None:
        mud = self._conversation.mud
        try:
            answer = await self._server.answers[type(request)](mud, request)
        except StorageError as error:
            log.warning("a %s of %s could not be seen to: %s", request.type, mud, error.message)
            answer = None
        if answer is None:
            self._conversation.is_over = True
            self._todo.clear()
            self._peer.close()
            return
        self._say(answer)
        await self._peer.drained(limits.OOB_IDLE_TIMEOUT)

    def _say(self, said: OobPacket | Bare) -> None:
        try:
            body = packet(packets.write(said) if isinstance(said, OobPacket) else said)
        except LpcError as error:  # a file that is larger as a packet than others take
            log.info("an answer out of band could not be written: %s", error.message)
            assert isinstance(said, packets.FileGetReply | packets.FileListReply), (
                "others are short"
            )
            said = (
                packets.FileGetReply(id=said.id, result=FileResult.NOT_READABLE, contents="")
                if isinstance(said, packets.FileGetReply)
                else packets.FileListReply(user=said.user, files=())
            )
            body = packet(packets.write(said))
        if self._peer.is_open:
            self._peer.send(body)
