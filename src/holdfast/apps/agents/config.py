"""The configuration of a node of agents, a TOML file.

::

    name = "Ann's desk"                     # what peers are told
    data = "node"                           # folder, beside this file
    gateways = ["gateway://…", "gateway://…"]
    mode = "two_hop"                        # or direct, or tor with proxy = "127.0.0.1:9050"
    health = "127.0.0.1:8420"               # HTTP with health, metrics, dashboard; none by default

    [agents.worker]
    command = ["python3", "worker.py"]      # a process that speaks JSON lines
    max_concurrent = 2
    may_run_again = true

    [agents.keeper]
    function = "keeper:keep"                # a coroutine function of a module beside this file, or installed
    allow = ["bob"]
"""

from __future__ import annotations

import importlib
import sys
import tomllib
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from holdfast import limits as house
from holdfast.apps.agents import limits
from holdfast.apps.agents.agent import EVERYBODY, NAME, AgentSettings, Handler
from holdfast.apps.agents.errors import AgentCode, AgentError
from holdfast.apps.agents.process import ProcessAgent, ProcessSettings
from holdfast.mailbox import GatewayAddress
from holdfast.node import NodeSettings

if TYPE_CHECKING:
    from pathlib import Path

Positive = Annotated[int, Meta(ge=1, le=10_000)]
Address = Annotated[str, Meta(pattern=r"^(\[[0-9a-fA-F:.]+\]|[^:\s\[\]]+):\d{1,5}$")]


class AgentConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An agent: a command or a function, and as ``AgentSettings``."""

    command: Annotated[list[str], Meta(min_length=1)] | None = None
    function: Annotated[str, Meta(pattern=r"^[\w.]+:\w+$")] | None = None
    folder: str = ""
    environment: dict[str, str] = {}
    max_concurrent: Positive = 8
    max_waiting: Annotated[int, Meta(ge=0, le=10_000)] = 64
    may_run_again: bool = False
    allow: tuple[str, ...] = (EVERYBODY,)
    description: str = ""


class NodeConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A node with its agents.

    Attributes:
        name: what peers are told.
        gateways: addresses, as ``holdfast chat gateway`` prints them.
        data: folder for keys and everything that is kept.
        mode: how gateways are reached.
        proxy: of Tor, for ``tor``.
        health: address of the HTTP server; empty for none.
        agents: by name.
    """

    name: Annotated[str, Meta(min_length=1, max_length=house.NODE_NAME_MAX)]
    gateways: Annotated[list[str], Meta(min_length=1)]
    data: str = "node"
    mode: Literal["direct", "two_hop", "tor"] = "two_hop"
    proxy: str | None = None
    health: Address | None = None
    agents: dict[str, AgentConfig] = {}


class Configuration:
    """A configuration that was read, and where it stands.

    Args:
        path: of the file.

    Raises:
        AgentError: CONFIG_INVALID; what is wrong, and where.

    Attributes:
        node: what it says.
        data: the folder, whole.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                text = file.read(limits.CONFIG_BYTES_MAX + 1)
        except OSError as error:
            raise self._wrong(f"it cannot be read: {error.strerror}") from error
        if len(text) > limits.CONFIG_BYTES_MAX:
            raise self._wrong(f"it has more than {limits.CONFIG_BYTES_MAX} bytes")
        try:
            self.node = msgspec.convert(tomllib.loads(text.decode("utf-8")), NodeConfig)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise self._wrong(f"it is no TOML: {error}") from error
        except msgspec.ValidationError as error:
            raise self._wrong(str(error)) from error
        self.data = (path.parent / self.node.data).resolve()
        self._check()

    @property
    def health(self) -> tuple[str, int] | None:
        """Host and port of the HTTP server, None for none."""
        if self.node.health is None:
            return None
        host, _, port = self.node.health.rpartition(":")
        return host.strip("[]"), int(port)

    def node_settings(self) -> NodeSettings:
        """Return how the node reaches its gateways. Raises AgentError (CONFIG_INVALID)."""
        try:
            gateways = tuple(GatewayAddress.parse(text) for text in self.node.gateways)
            return NodeSettings(gateways=gateways, mode=self.node.mode, proxy=self.node.proxy)
        except ValueError as error:
            raise self._wrong(str(error)) from error

    def agents(self) -> list[tuple[str, Handler, AgentSettings]]:
        """Make the agents: names, what answers, what they may.

        Raises:
            AgentError: CONFIG_INVALID; a function cannot be had.
        """
        return [
            (name, self._handler(name, agent), _settings(agent))
            for name, agent in self.node.agents.items()
        ]

    def _check(self) -> None:
        self.node_settings()
        for name, agent in self.node.agents.items():
            if NAME.fullmatch(name) is None:
                raise self._wrong(
                    f"an agent cannot be called {name!r}: small letters, digits, - and _"
                )
            if (agent.command is None) == (agent.function is None):
                raise self._wrong(f"the agent {name!r} needs either a command or a function")

    def _handler(self, name: str, agent: AgentConfig) -> Handler:
        here = self._path.parent.resolve()
        if agent.command is not None:
            settings = ProcessSettings(folder=here / agent.folder, environment=agent.environment)
            return ProcessAgent(*agent.command, settings=settings)
        assert agent.function is not None
        module, _, attribute = agent.function.partition(":")
        if str(here) not in sys.path:
            sys.path.insert(0, str(here))
        try:
            found: object = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise self._wrong(
                f"the function {agent.function!r} of {name!r} cannot be had: {error}"
            ) from error
        if not iscoroutinefunction(found):
            raise self._wrong(f"{agent.function!r} of {name!r} is no coroutine function")
        handler: Handler = found
        return handler

    def _wrong(self, what: str) -> AgentError:
        return AgentError(AgentCode.CONFIG_INVALID, f"The configuration {self._path}: {what}.")


def _settings(agent: AgentConfig) -> AgentSettings:
    return AgentSettings(
        max_concurrent=agent.max_concurrent,
        max_waiting=agent.max_waiting,
        may_run_again=agent.may_run_again,
        allow=agent.allow,
        description=agent.description,
    )
