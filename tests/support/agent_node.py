"""A node of agents in a process of its own, on relays instead of gateways: ``python -m … NAME CONFIG PORT``."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from pathlib import Path

from holdfast.apps.agents import MIGRATIONS, AgentHost
from holdfast.apps.agents.config import Configuration
from holdfast.storage import Database
from tests.support.agent_relay import RelayWay, relay

NODES = ("client", "planner", "worker", "keeper")


async def node(name: str, config: Path, port: int) -> None:
    found = Configuration(config)
    way = RelayWay(name, NODES, [("127.0.0.1", port)], random.Random())
    async with Database(found.data / "agents.db", {"agents": MIGRATIONS}) as database:
        host = AgentHost(way, database)
        for agent, handler, settings in found.agents():
            host.register(agent, handler, settings)
        async with host:
            await way.live()


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    if sys.argv[1] == "relay":
        asyncio.run(relay(int(sys.argv[2]), random.Random(), loss=0.05, double=0.05))
    else:
        asyncio.run(node(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))


if __name__ == "__main__":
    main()
