"""Files of other muds and for them: the token through the router, then a connection past it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway._sender import away
from holdfast.apps.i3.gateway.oob import OobClient, OobServer, Sandbox
from holdfast.apps.i3.gateway.pacing import Priority
from holdfast.apps.i3.gateway.requests import Kind
from holdfast.apps.i3.packets import FileResult

if TYPE_CHECKING:
    from holdfast.apps.i3.gateway._asking import Asking
    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.gateway._sender import Sender
    from holdfast.apps.i3.gateway.model import Mud
    from holdfast.apps.i3.packets import OobPacket, Packet

ANNOUNCED_BEFORE: Final = 2.0
"""Seconds that a mud without tokens has to hear that we come."""

WORDS: Final = {
    FileResult.FAILED: "it does not say why",
    FileResult.PATH: "there is no such path",
    FileResult.NOT_READABLE: "it may not be read",
    FileResult.NOT_WRITABLE: "nothing may be written there",
}


class Files:
    """Gives and takes.

    Args:
        desk: what all share.
        sender: the way to the router.
        asking: for tokens.
    """

    def __init__(self, desk: Desk, sender: Sender, asking: Asking) -> None:
        self._desk = desk
        self._sender = sender
        self._asking = asking
        self._server: OobServer | None = None
        settings = desk.settings
        if settings.files is not None:
            sandbox = Sandbox(settings.files, is_writable=settings.files_writable)
            self._server = OobServer(settings.mud_name, sandbox, self._redeem, desk.world)

    async def start(self) -> int:
        """Listen; return the port, 0 without a folder.

        Raises:
            NetworkError: 1002; the address is taken.
        """
        settings = self._desk.settings
        if self._server is None:
            return 0
        return await self._server.start(settings.oob_host, settings.oob_port)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            await self._server.stop()

    def _redeem(self, mud: str, token: int | None) -> bool:
        return self._desk.machine.tokens.redeem(mud, token, self._desk.now())

    async def list(self, mud: Mud, directory: str, by: str) -> tuple[packets.FileRow, ...]:
        """What is in a folder?"""
        own = self._desk.settings.mud_name
        answer = await self._ask(mud, packets.FileListReq(mud=own, user=by, directory=directory))
        if not isinstance(answer, packets.FileListReply):
            raise _unfit(mud, answer)
        return answer.files

    async def get(self, mud: Mud, name: str, by: str) -> str:
        """Get one."""
        own = self._desk.settings.mud_name
        answer = await self._ask(mud, packets.FileGetReq(id=1, mud=own, user=by, name=name))
        if not isinstance(answer, packets.FileGetReply):
            raise _unfit(mud, answer)
        _check(mud, name, answer.result)
        return answer.contents

    async def put(self, mud: Mud, name: str, contents: str, by: str) -> None:
        """Give one."""
        if len(contents.encode("utf-8", "replace")) > limits.OOB_FILE_BYTES_MAX:
            message = f"A file for another mud has at most {limits.OOB_FILE_BYTES_MAX} bytes."
            raise I3Error(I3Code.FILE_REFUSED, message)
        own = self._desk.settings.mud_name
        request = packets.FilePut(id=1, mud=own, user=by, name=name, contents=contents)
        answer = await self._ask(mud, request)
        if not isinstance(answer, packets.FilePutAck):
            raise _unfit(mud, answer)
        _check(mud, name, answer.result)

    async def _ask(self, mud: Mud, request: OobPacket) -> OobPacket | Packet:
        if not mud.tcp_port:
            raise I3Error(I3Code.SERVICE_MISSING, f"{mud.name} has no out-of-band port.")
        own = self._desk.settings.mud_name
        token: int | None = None
        if "auth" in mud.services:
            wanted = packets.AuthMudReq(from_mud=own, to_mud=mud.name)
            given = await self._asking.answer(Kind.AUTH, mud.name, "", wanted)
            assert isinstance(given, int), "it is a token"
            token = given
        else:
            if not self._desk.machine.is_ready:
                raise away(self._desk.settings.retry_delay, "A file of another mud")
            self._sender.send(packets.OobReq(from_mud=own, to_mud=mud.name), Priority.ANSWER)
            await asyncio.sleep(ANNOUNCED_BEFORE)
        client = OobClient(own, mud.name, mud.host, mud.tcp_port, token)
        return await client.ask(request, self._desk.settings.request_timeout)


def _check(mud: Mud, name: str, result: int) -> None:
    if result != FileResult.DONE:
        why = WORDS.get(FileResult(result), "") if result in set(FileResult) else f"result {result}"
        message = f"{mud.name} refuses {name!r}: {why}."
        raise I3Error(I3Code.FILE_REFUSED, message, result=result)


def _unfit(mud: Mud, answer: OobPacket | Packet) -> I3Error:
    return I3Error(I3Code.OOB_FAILED, f"{mud.name} answered with {answer.type} to something else.")
