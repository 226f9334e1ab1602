"""How commands talk with a node that runs: a Unix socket in its data folder, a line of JSON each way.

Who can open the socket may do everything; so it can be opened by its owner only, and lies in a folder that is his.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Struct

from holdfast.apps.agents import limits
from holdfast.apps.agents.errors import AgentCode, AgentError, described, failed
from holdfast.errors import ResilienceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

log = logging.getLogger("holdfast.agents")

SOCKET: Final = "control.sock"
ANSWERS_WITHIN: Final = 30.0
"""Seconds that a command waits for its node beside the time of what it asks for."""

PEER_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"
"""Names that commands give to peers: what stands behind the @ of an address."""

PeerName = Annotated[str, Meta(pattern=PEER_NAME)]


class CallWish(Struct, tag="call", frozen=True, forbid_unknown_fields=True):
    """Ask an agent."""

    address: str
    body: object = None
    seconds: Annotated[float, Meta(gt=0, le=limits.CALL_TIMEOUT_MAX)] = limits.CALL_TIMEOUT
    id: str | None = None


class ListWish(Struct, tag="list", frozen=True, forbid_unknown_fields=True):
    """Tell of the own agents, and ask all peers for theirs."""

    seconds: Annotated[float, Meta(gt=0, le=limits.CALL_TIMEOUT_MAX)] = 5.0


class InviteWish(Struct, tag="invite", frozen=True, forbid_unknown_fields=True):
    """Make an invitation for a peer who will be called so."""

    name: PeerName


class AcceptWish(Struct, tag="accept", frozen=True, forbid_unknown_fields=True):
    """Use the invitation of a peer who will be called so."""

    name: PeerName
    link: str


Wish = CallWish | ListWish | InviteWish | AcceptWish


class Told(Struct, frozen=True, omit_defaults=True):
    """The answer to a wish: a value, or an error as ``ResilienceError.to_dict``."""

    value: object = None
    error: dict[str, object] | None = None


_WISHES: Final = msgspec.json.Decoder(Wish)
_TOLD: Final = msgspec.json.Decoder(Told)


class Control:
    """Answers commands; use it as an async context manager.

    Args:
        data: folder of the node.
        act: does what is wished and returns JSON values.
    """

    def __init__(self, data: Path, act: Callable[[Wish], Awaitable[object]]) -> None:
        self._path = data / SOCKET
        self._act = act
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            AgentError: CONFIG_INVALID; there can be no socket in this folder.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._path.exists() and stat.S_ISSOCK(self._path.stat().st_mode):
            self._path.unlink()  # of a life that was killed: the database lets only one live
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(
                self._serve, str(self._path), limit=limits.CONTROL_LINE_BYTES_MAX
            )
        except OSError as error:
            raise AgentError(
                AgentCode.CONFIG_INVALID,
                f"Commands cannot reach the node by {self._path}: {error}. A shorter path may help.",
            ) from error
        finally:
            os.umask(before)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(set(self._open))
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            if len(self._open) >= limits.CONTROL_CONNECTIONS_MAX:
                return
            self._open.add(task)
            writer.write(msgspec.json.encode(await self._answer(reader)) + b"\n")
            await writer.drain()
        except OSError:
            pass  # the command was ended before it had its answer
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> Told:
        """Read a wish and do it; when the command is ended meanwhile, so is what it wished."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                wish = _WISHES.decode(await reader.readline())
        except (msgspec.MsgspecError, ValueError, RecursionError, TimeoutError) as error:
            return Told(error=described(AgentError(AgentCode.BODY_INVALID, f"{error}"), ""))
        doing = asyncio.ensure_future(self._act(wish))
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise ConnectionResetError("the command has ended")
            return Told(doing.result())
        except ResilienceError as error:
            return Told(error=described(error, ""))
        finally:
            left: set[asyncio.Future[object]] = {doing, gone}  # type: ignore[arg-type]
            for each in left:
                each.cancel()
            await asyncio.wait(left)


async def ask(data: Path, wish: Wish, *, within: float = 0.0) -> object:
    """Let the node of a folder do something.

    Args:
        data: its folder.
        wish: what.
        within: seconds that this may take.

    Raises:
        AgentError: NODE_NOT_RUNNING; or what the node answered.
    """
    try:
        async with asyncio.timeout(within + ANSWERS_WITHIN):
            reader, writer = await asyncio.open_unix_connection(
                str(data / SOCKET), limit=4 * limits.CONTROL_LINE_BYTES_MAX
            )
            try:
                writer.write(msgspec.json.encode(wish) + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise AgentError(
            AgentCode.NODE_NOT_RUNNING,
            f"No node answers in {data}: start it with 'holdfast agent run'.",
        ) from error
    try:
        told = _TOLD.decode(line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise AgentError(
            AgentCode.NODE_NOT_RUNNING, "The node ended before it had answered; try again."
        ) from error
    if told.error is not None:
        raise failed(told.error, "")
    return told.value
