"""A way between agents' nodes in one loop, which can lose, double and reorder frames."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from holdfast.apps.agents import AgentError
from holdfast.apps.agents.errors import AgentCode
from holdfast.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Network:
    """Nodes by name; a frame takes ``delay`` seconds."""

    def __init__(self, *, seed: int = 0, loss: float = 0.0, double: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.loss = loss
        self.double = double
        self.delay = (0.0, 0.0)
        self.nodes: dict[str, Way] = {}
        self.cut: set[str] = set()
        self.sent: list[tuple[str, str, bytes]] = []

    def node(self, name: str) -> Way:
        return self.nodes.setdefault(name, Way(self, name))


class Way:
    """The transport of one node."""

    def __init__(self, network: Network, name: str) -> None:
        self.network = network
        self.name = name
        self._callbacks: list[Callable[[str, bytes], object]] = []

    def peers(self) -> Sequence[str]:
        return [name for name in self.network.nodes if name != self.name]

    async def send(self, peer: str, data: bytes, *, within: float) -> None:
        network = self.network
        if peer not in network.nodes:
            raise AgentError(AgentCode.PEER_UNKNOWN, f"no {peer}")
        if peer in network.cut or self.name in network.cut:
            raise NetworkError(f"no way to {peer}")
        network.sent.append((self.name, peer, data))
        loop = asyncio.get_running_loop()
        for _ in range(1 + (network.random.random() < network.double)):
            if network.random.random() >= network.loss:
                loop.call_later(
                    network.random.uniform(*network.delay),
                    network.nodes[peer].arrive,
                    self.name,
                    data,
                )

    def arrive(self, sender: str, data: bytes) -> None:
        for callback in self._callbacks:
            callback(sender, data)

    def on_message(self, callback: Callable[[str, bytes], object]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)
