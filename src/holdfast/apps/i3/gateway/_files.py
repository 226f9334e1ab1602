"""Files of other muds: listed, got and put past the router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway._past import unfit
from holdfast.apps.i3.packets import FileResult

if TYPE_CHECKING:
    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.gateway._past import Past
    from holdfast.apps.i3.gateway.model import Mud

WORDS: Final = {
    FileResult.FAILED: "it does not say why",
    FileResult.PATH: "there is no such path",
    FileResult.NOT_READABLE: "it may not be read",
    FileResult.NOT_WRITABLE: "nothing may be written there",
}
WHAT: Final = "A file of another mud"


class Files:
    """Gives and takes.

    Args:
        desk: what all share.
        past: the way to other muds.
    """

    def __init__(self, desk: Desk, past: Past) -> None:
        self._own = desk.settings.mud_name
        self._past = past

    async def list(self, mud: Mud, directory: str, by: str) -> tuple[packets.FileRow, ...]:
        """What is in a folder?"""
        request = packets.FileListReq(mud=self._own, user=by, directory=directory)
        answer = await self._past.ask(mud, request, WHAT)
        if not isinstance(answer, packets.FileListReply):
            raise unfit(mud)
        return answer.files

    async def get(self, mud: Mud, name: str, by: str) -> str:
        """Get one."""
        request = packets.FileGetReq(id=1, mud=self._own, user=by, name=name)
        answer = await self._past.ask(mud, request, WHAT)
        if not isinstance(answer, packets.FileGetReply):
            raise unfit(mud)
        _check(mud, name, answer.result)
        return answer.contents

    async def put(self, mud: Mud, name: str, contents: str, by: str) -> None:
        """Give one."""
        if len(contents.encode("utf-8", "replace")) > limits.OOB_FILE_BYTES_MAX:
            message = f"A file for another mud has at most {limits.OOB_FILE_BYTES_MAX} bytes."
            raise I3Error(I3Code.FILE_REFUSED, message)
        request = packets.FilePut(id=1, mud=self._own, user=by, name=name, contents=contents)
        answer = await self._past.ask(mud, request, WHAT)
        if not isinstance(answer, packets.FilePutAck):
            raise unfit(mud)
        _check(mud, name, answer.result)


def _check(mud: Mud, name: str, result: int) -> None:
    if result != FileResult.DONE:
        why = WORDS.get(FileResult(result), "") if result in set(FileResult) else f"result {result}"
        message = f"{mud.name} refuses {name!r}: {why}."
        raise I3Error(I3Code.FILE_REFUSED, message, result=result)
