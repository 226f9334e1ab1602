"""Files of the public folder for other muds: what they ask for is done in threads, a few at once."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.gateway.oob.sandbox import FileRefusedError
from holdfast.apps.i3.packets import FileResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.apps.i3.gateway.oob.conversation import Request
    from holdfast.apps.i3.gateway.oob.sandbox import Sandbox
    from holdfast.apps.i3.gateway.oob.server import Answer
    from holdfast.apps.i3.packets import OobPacket
    from holdfast.world import World

log = logging.getLogger("holdfast.i3")

FileRequest = packets.FileListReq | packets.FileGetReq | packets.FilePut


class FileDesk:
    """Sees to what is asked for.

    Args:
        sandbox: the public folder.
        world: names of files that are being written.
    """

    def __init__(self, sandbox: Sandbox, world: World) -> None:
        self._sandbox = sandbox
        self._world = world
        self._pool = ThreadPoolExecutor(limits.OOB_WORKERS, "holdfast-i3-files")

    @property
    def answers(self) -> Mapping[type[Request], Answer]:
        """What is seen to, for an ``OobServer``."""
        kinds = (packets.FileListReq, packets.FileGetReq, packets.FilePut)
        return dict.fromkeys(kinds, self._answer)

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, _: str, request: FileRequest) -> OobPacket:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._do, request)

    def _do(self, request: FileRequest) -> OobPacket:
        """Do what is asked for; blocks."""
        try:
            match request:
                case packets.FileListReq():
                    rows = self._sandbox.rows(request.directory)
                    return packets.FileListReply(user=request.user, files=rows)
                case packets.FileGetReq():
                    text = self._sandbox.read(request.name)
                    return packets.FileGetReply(
                        id=request.id, result=FileResult.DONE, contents=text
                    )
                case packets.FilePut():
                    self._sandbox.write(request.name, request.contents, self._world.new_id())
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
