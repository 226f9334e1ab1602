"""An agent: a coroutine function with a name, what it may, and what it is given."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from holdfast.apps.agents import limits
from holdfast.apps.agents.errors import AgentCode, AgentError
from holdfast.resilience import Bulkhead

if TYPE_CHECKING:
    from holdfast.apps.agents.flows import Reader, Writer
    from holdfast.apps.agents.host import AgentHost

NAME: Final = re.compile(rf"[a-z][a-z0-9_-]{{0,{limits.NAME_LENGTH_MAX - 1}}}")

EVERYBODY: Final = "*"


class AgentRequest:
    """What an agent is asked.

    A stream is read with ``async for piece in request`` and written with ``await request.send(piece)``; both are
    refused in a plain call. ``holdfast.resilience.remaining()`` says how much time there is.

    Attributes:
        agent: name of the one who is asked.
        sender: peer that asks, empty when it is this node.
        id: chosen by the caller; the same again is the same request.
        body: what was said, as JSON values.
        host: to call others and to publish; what is called with an id of its own, such as ``f"{id}/1"``, runs once
            even if this agent runs again.
    """

    def __init__(
        self,
        host: AgentHost,
        agent: str,
        sender: str,
        id: str,  # noqa: A002 - the word of the field
        body: object,
        *,
        reader: Reader | None = None,
        writer: Writer | None = None,
    ) -> None:
        self.host = host
        self.agent = agent
        self.sender = sender
        self.id = id
        self.body = body
        self._reader = reader
        self._writer = writer

    @property
    def is_stream(self) -> bool:
        """Whether pieces may come and go."""
        return self._reader is not None

    def __aiter__(self) -> Reader:
        if self._reader is None:
            raise AgentError(AgentCode.STREAM_BROKEN, "This call was not opened as a stream.")
        return self._reader

    async def send(self, piece: object) -> None:
        """Send a piece to the caller; waits while he does not read.

        Raises:
            AgentError: STREAM_BROKEN, BODY_TOO_LARGE, BODY_INVALID.
        """
        if self._writer is None:
            raise AgentError(AgentCode.STREAM_BROKEN, "This call was not opened as a stream.")
        await self._writer.send(piece)


Handler = Callable[[AgentRequest], Awaitable[object]]
"""An agent: what it returns is the answer, what it raises is told to the caller."""


@runtime_checkable
class Resident(Protocol):
    """An agent that lives longer than a request, such as a process of its own.

    Attributes:
        state: ``running`` when it can be asked; another word otherwise.
        problem: why it does not run, for a person.
    """

    state: str
    problem: str

    async def __call__(self, request: AgentRequest) -> object:
        """Answer a request."""
        ...

    async def live(self, host: AgentHost) -> None:
        """Live until cancelled."""
        ...


@dataclass(frozen=True, kw_only=True)
class AgentSettings:
    """What an agent may.

    Attributes:
        max_concurrent: requests that run at the same time.
        max_waiting: requests that wait for that; further ones are refused (AGENT_BUSY).
        may_run_again: a request whose node or process died in the middle is run again; else its caller is told that
            nobody knows how far it came (CALL_INTERRUPTED). Streams never run again.
        allow: names of the peers that may ask; ``*`` is everybody who is known.
        description: for a person.
    """

    max_concurrent: int = 8
    max_waiting: int = 64
    may_run_again: bool = False
    allow: tuple[str, ...] = (EVERYBODY,)
    description: str = ""


class Registered:
    """An agent with its name, its settings and its places."""

    __slots__ = ("bulkhead", "handler", "name", "settings")

    def __init__(self, name: str, handler: Handler, settings: AgentSettings) -> None:
        self.name = name
        self.handler = handler
        self.settings = settings
        self.bulkhead = Bulkhead(settings.max_concurrent, settings.max_waiting, name=name)

    def allows(self, peer: str) -> bool:
        """Say whether a peer may ask; this node itself always may."""
        return not peer or EVERYBODY in self.settings.allow or peer in self.settings.allow

    @property
    def state(self) -> str:
        """``running`` when it can be asked."""
        return self.handler.state if isinstance(self.handler, Resident) else "running"

    @property
    def problem(self) -> str:
        """Why it does not run, for a person."""
        return self.handler.problem if isinstance(self.handler, Resident) else ""


def split(address: str) -> tuple[str, str]:
    """Return agent and peer of ``agent@peer``; the peer is empty for one of this node.

    Raises:
        AgentError: ADDRESS_INVALID.
    """
    name, _, peer = address.partition("@")
    if NAME.fullmatch(name.removeprefix("_")) is None:
        raise AgentError(
            AgentCode.ADDRESS_INVALID,
            f"{address!r} is no address: it is agent@peer, the agent in small letters, digits, - and _.",
        )
    return name, peer
