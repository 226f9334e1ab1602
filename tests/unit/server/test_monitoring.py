"""What a server knows of itself, its outbox and its gateways."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from holdfast.connection import ConnectionManager, ConnectionSettings
from holdfast.delivery import MIGRATIONS, Message, Outbox
from holdfast.errors import NetworkError
from holdfast.server.admin import Admin
from holdfast.server.monitoring import Monitoring
from holdfast.session import Hub, HubRunner
from holdfast.storage import Database
from tests.support.peers import Peer
from tests.support.room import Room

if TYPE_CHECKING:
    from pathlib import Path


async def test_outbox_gateways_and_breakers_are_shown(tmp_path: Path) -> None:
    async def send(_: Message) -> None:
        raise NetworkError("nobody there")

    hub = Hub(Room())
    async with (
        Database(tmp_path / "outbox.db", MIGRATIONS) as database,
        Outbox(database, send) as outbox,
        Peer() as peer,
        ConnectionManager(settings=ConnectionSettings(heartbeat=0.05)) as manager,
        HubRunner(hub),
        Monitoring(hub, tmp_path) as monitoring,
    ):
        monitoring.add_outbox(outbox)
        monitoring.add_gateways(manager)
        manager.add_gateway(peer.url, name="harbour")
        await outbox.submit("gate", b"x")
        admin = Admin(monitoring, shutdown=dict, is_demo=False)
        async with asyncio.timeout(10):
            while True:
                state: Any = await admin.state()
                figures = state["figures"]
                line = state["gateways"][0]["connections"]["harbour"]
                is_measured = line.get("latency") is not None and state["outboxes"]
                if is_measured and figures["holdfast_outbox_messages"]:
                    break
                await asyncio.sleep(0.05)
        assert line["state"] == "connected"
        assert line["grade"] == "excellent"
        assert state["byLabel"]["holdfast_outbox_messages"] == {
            "queued": 1,
            "sending": 0,
            "dead": 0,
        }
        assert state["breakers"]["gate"]["state"] == "closed"
        assert figures["holdfast_breakers_open"] == 0
        outbox.breakers.get("gate").force_open()
        monitoring.metrics.sample()
        assert monitoring.metrics.value("holdfast_breakers_open") == 1
        assert state["health"]["status"] == "healthy"
