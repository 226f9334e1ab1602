"""Where other muds connect out of band: a listener and a thread around the conversation and the folder."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.gateway.oob.conversation import Admit, Conversation, Do, HangUp, Say
from holdfast.apps.i3.gateway.oob.sandbox import FileRefusedError
from holdfast.apps.i3.lpc import LpcError
from holdfast.apps.i3.mudmode import Mudmode, packet
from holdfast.apps.i3.mudmode import packets as packets_of
from holdfast.apps.i3.packets import FileResult
from holdfast.connection import Listener, ListenerSettings
from holdfast.errors import NetworkTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.apps.i3.gateway.oob.conversation import Effect, FileRequest
    from holdfast.apps.i3.gateway.oob.sandbox import Sandbox
    from holdfast.apps.i3.packets import OobPacket
    from holdfast.connection import Peer
    from holdfast.world import World

log = logging.getLogger("holdfast.i3")


class OobServer:
    """The answering side.

    Args:
        name: of our mud.
        sandbox: the public folder.
        redeem: says whether a mud may come in with a token (None: without one), and uses it up.
        world: names of files that are being written.
    """

    def __init__(
        self,
        name: str,
        sandbox: Sandbox,
        redeem: Callable[[str, int | None], bool],
        world: World,
    ) -> None:
        self.name = name
        self.sandbox = sandbox
        self.redeem = redeem
        self.world = world
        self.pool = ThreadPoolExecutor(limits.OOB_WORKERS, "holdfast-i3-files")
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
        self.pool.shutdown(wait=False, cancel_futures=True)

    def answer(self, request: FileRequest) -> OobPacket:
        """Do what is asked for; blocks."""
        try:
            match request:
                case packets.FileListReq():
                    rows = self.sandbox.rows(request.directory)
                    return packets.FileListReply(user=request.user, files=rows)
                case packets.FileGetReq():
                    text = self.sandbox.read(request.name)
                    return packets.FileGetReply(
                        id=request.id, result=FileResult.DONE, contents=text
                    )
                case packets.FilePut():
                    self.sandbox.write(request.name, request.contents, self.world.new_id())
                    return packets.FilePutAck(id=request.id, result=FileResult.DONE)
        except FileRefusedError as refused:
            return _no(request, refused.result)
        except OSError as error:
            log.warning("a file could not be seen to: %s", error)
            return _no(request, FileResult.FAILED)


def _no(request: FileRequest, result: FileResult) -> OobPacket:
    match request:
        case packets.FileListReq():
            return packets.FileListReply(user=request.user, files=())
        case packets.FileGetReq():
            return packets.FileGetReply(id=request.id, result=result, contents="")
        case packets.FilePut():
            return packets.FilePutAck(id=request.id, result=result)


class _Session:
    """A connection: what comes is done in its order, one after the other."""

    def __init__(self, server: OobServer, peer: Peer) -> None:
        self._server = server
        self._peer = peer
        self._conversation = Conversation(server.name, server.redeem)
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
                        loop, server = asyncio.get_running_loop(), self._server
                        self._say(await loop.run_in_executor(server.pool, server.answer, request))
                        await self._peer.drained(limits.OOB_IDLE_TIMEOUT)
                    case HangUp():
                        self._peer.close()
        except NetworkTimeoutError as error:
            log.info("%s does not read what it asked for: %s", self._conversation.mud, error)
            self._peer.abort()
        finally:
            self._working = None
        if self._peer.is_open:
            self._peer.resume()

    def _say(self, said: OobPacket) -> None:
        try:
            body = packet(packets.write(said))
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
