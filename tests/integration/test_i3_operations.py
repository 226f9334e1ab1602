"""What an operator is shown of a gateway and a router: names that are promised exist, and say what is the case."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from holdfast.apps.i3 import packets
from holdfast.apps.i3.api import MIGRATIONS as API_MIGRATIONS
from holdfast.apps.i3.api import Api
from holdfast.apps.i3.gateway import MIGRATIONS, Gateway, GatewaySettings, RouterAddress, events
from holdfast.apps.i3.operations import (
    GATEWAY_METRICS,
    GATEWAY_RULES,
    ROUTER_METRICS,
    watch_gateway,
    watch_router,
)
from holdfast.apps.i3.router import MIGRATIONS as ROUTER_MIGRATIONS
from holdfast.apps.i3.router import Router, RouterSettings
from holdfast.server import Program
from holdfast.server.monitoring import Monitoring
from holdfast.storage import Database, Durability
from holdfast.world import RealWorld
from tests.support.i3_network import WireRouter, gateway_on, listed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PROMISED = (
    r"i3_gateway_cpu_percent",
    r"i3_gateway_memory_mb",
    r"i3_gateway_connections",
    r"i3_gateway_uptime_seconds",
    r"i3_gateway_circuit_\w+_state",
    r"i3_gateway_circuit_\w+_error_rate",
)
NOWHERE = RouterAddress("*hub", "127.0.0.1", 1)


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[tuple[Monitoring, Gateway]]:
    """A gateway that has no router, under observation."""
    tables = {**MIGRATIONS, "i3_api": API_MIGRATIONS}
    settings = GatewaySettings(mud_name="Harbour", routers=(NOWHERE,))
    async with (
        Database(folder / "g.db", tables, durability=Durability.PROCESS_DEATH) as database,
        Gateway(database, settings) as gateway,
        Api(gateway, database) as api,
    ):
        subject = Program(RealWorld(), is_ready=lambda: gateway.is_ready, database=database)
        monitoring = Monitoring(subject, folder)
        watch_gateway(monitoring, gateway, api)
        async with monitoring:
            yield monitoring, gateway


def exported(monitoring: Monitoring) -> dict[str, float]:
    """Read what a scraper gets, as name and value; labels are left out."""
    monitoring.metrics.sample()
    lines = monitoring.metrics.export().decode().splitlines()
    rows = (re.fullmatch(r"(\w+)(?:\{.*\})? (\S+)", line) for line in lines)
    return {row[1]: float(row[2]) for row in rows if row}


async def test_every_metric_that_is_promised_is_exported_with_a_value(tmp_path: Path) -> None:
    async with watched(tmp_path) as (monitoring, _):
        found = exported(monitoring)

        for promised in PROMISED:
            assert [name for name in found if re.fullmatch(promised, name)], promised
        assert {each.name for each in GATEWAY_METRICS} <= set(found)
        assert found["i3_gateway_memory_mb"] > 1


async def test_every_metric_of_a_shipped_rule_is_exported(tmp_path: Path) -> None:
    async with watched(tmp_path) as (monitoring, _):
        found = exported(monitoring)

        assert {rule.metric for rule in GATEWAY_RULES} <= set(found)
        assert all(rule.advice for rule in GATEWAY_RULES), "an alert says what to do"


async def test_breakers_have_a_state_and_a_rate_each(tmp_path: Path) -> None:
    async with watched(tmp_path) as (monitoring, _):
        found = exported(monitoring)
        states = {name.removesuffix("_state") for name in found if name.endswith("_state")}
        rates = {name.removesuffix("_error_rate") for name in found if name.endswith("_error_rate")}

        assert {name for name in states if "i3_gateway_circuit" in name} == {
            name for name in rates if "i3_gateway_circuit" in name
        }


async def test_a_mud_that_does_not_answer_is_seen_in_the_metrics(tmp_path: Path) -> None:
    async with watched(tmp_path) as (monitoring, gateway):
        assert exported(monitoring)["i3_gateway_circuit_muds_state"] == 0

        gateway.breakers.get("Old Keep").force_open()

        assert exported(monitoring)["i3_gateway_circuit_muds_state"] == 2


async def test_without_a_router_a_gateway_is_not_ready_and_an_alert_says_so(tmp_path: Path) -> None:
    async with watched(tmp_path) as (monitoring, _):
        found = exported(monitoring)
        assert found["i3_gateway_ready"] == 0
        assert found["i3_gateway_circuit_router_state"] > 0

        now = monitoring.subject.now()
        monitoring.alerts.look(now)
        assert not any(rule.name == "RouterAway" for rule in monitoring.alerts.raised)
        monitoring.alerts.look(now + 61)
        assert any(rule.name == "RouterAway" for rule in monitoring.alerts.raised)


async def test_a_router_that_refuses_is_seen_in_the_metrics_and_on_the_dashboard(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path) as (monitoring, gateway):
        async with asyncio.timeout(20):
            while gateway.links()[0][2] == "not tried":
                await asyncio.sleep(0.005)

        assert exported(monitoring)["i3_gateway_circuit_router_error_rate"] == 1
        panel: Any = (await monitoring.panels.described())["gateway"]
        tables = {table["title"]: table["rows"] for table in panel["tables"]}
        ((name, address, state),) = tables["Routers"]
        assert (name, address) == ("*hub", "127.0.0.1 1")
        assert state not in {"on it", "not tried"}
        assert panel["figures"]["Towards the router"] == gateway.state.value
        assert panel["figures"]["Clients"] == 0


async def test_a_router_shows_who_is_on_it(tmp_path: Path) -> None:
    tables = {"i3_router": ROUTER_MIGRATIONS}
    async with (
        Database(tmp_path / "r.db", tables, durability=Durability.PROCESS_DEATH) as database,
        Router(database, RouterSettings(name="*hub", port=0)) as router,
    ):
        monitoring = Monitoring(Program(RealWorld(), is_ready=lambda: True), tmp_path)
        watch_router(monitoring, router)
        async with monitoring:
            found = exported(monitoring)
            assert {each.name for each in ROUTER_METRICS} <= set(found)
            address = RouterAddress("*hub", "127.0.0.1", router.port)
            settings = GatewaySettings(mud_name="Harbour", routers=(address,))
            async with (
                Database(tmp_path / "gateway" / "g.db", MIGRATIONS) as of_gateway,
                Gateway(of_gateway, settings) as gateway,
            ):
                async with asyncio.timeout(20):
                    while not gateway.is_ready:
                        await asyncio.sleep(0.005)

                assert exported(monitoring)["i3_router_muds_up"] == 1
                panel: Any = (await monitoring.panels.described())["router"]
                assert [row[:2] for row in panel["tables"][0]["rows"]] == [["Harbour", "up"]]


async def test_while_much_comes_from_a_router_others_have_their_turn(tmp_path: Path) -> None:
    tell = packets.Tell(
        from_mud="Old Keep", from_user="bo", to_mud="Harbour", to_user="ann", visname="Bo", text="."
    )
    longest = in_a_row = 0

    def count(_: object) -> None:
        nonlocal longest, in_a_row
        in_a_row += 1
        longest = max(longest, in_a_row)

    async def take_turns() -> None:
        nonlocal in_a_row
        while True:
            in_a_row = 0
            await asyncio.sleep(0)

    async with WireRouter() as router, gateway_on(tmp_path, router.address) as (gateway, heard):
        await listed(gateway)
        gateway.on_event(count)
        others = asyncio.create_task(take_turns())
        for _ in range(2000):
            router.say(tell)
        await heard.next(events.TellReceived, 2000)
        others.cancel()

    assert longest <= 50
