"""The server floor serves any program: one without sessions is watched, shown and probed like the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from holdfast import limits
from holdfast.health import HealthCheckResult, HealthStatus
from holdfast.ops import AlertRule, Kind, Metric, RuleKind
from holdfast.server import Program
from holdfast.server.admin import Admin, NoTroubleError
from holdfast.server.admin_connections import NotHereError, Trouble
from holdfast.server.monitoring import Monitoring
from holdfast.session import Hub, HubRunner
from holdfast.session.store import MIGRATIONS
from holdfast.storage import Database
from holdfast.world import RealWorld
from tests.support.room import Room

if TYPE_CHECKING:
    from pathlib import Path


def admin_of(monitoring: Monitoring, *, is_demo: bool = False) -> Admin:
    return Admin(monitoring, shutdown=dict, is_demo=is_demo)


async def test_a_program_without_a_hub_is_described(tmp_path: Path) -> None:
    is_ready = True
    program = Program(RealWorld(), is_ready=lambda: is_ready)
    async with Monitoring(program, tmp_path) as monitoring:
        admin = admin_of(monitoring, is_demo=True)
        state: Any = await admin.state()
        assert list(state["health"]["components"]) == ["program", "disk", "loop", "tasks"]
        assert state["health"]["status"] == "healthy"
        assert state["limits"] is None
        assert state["breakers"] == {}
        assert admin.connections() == {"states": {}, "connections": []}
        with pytest.raises(NotHereError):
            admin.trouble(Trouble(do="cut", connection="x"))
        with pytest.raises(NoTroubleError):
            admin_of(monitoring).trouble(Trouble(do="cut", connection="x"))
        monitoring.metrics.sample()
        assert (monitoring.metrics.value("holdfast_uptime_seconds") or 0) >= 0
        trends: Any = admin.trends("1m")
        assert [each["name"] for each in trends["plots"]] == [
            "holdfast_loop_lag_seconds",
            "holdfast_cpu_share",
            "holdfast_memory_bytes",
        ]


async def test_a_program_that_cannot_do_its_job_is_degraded_for_what_it_waits_for_is_elsewhere(
    tmp_path: Path,
) -> None:
    async with Monitoring(Program(RealWorld(), is_ready=lambda: False), tmp_path) as monitoring:
        found = await monitoring.health.get_overall_health()
        assert found.status is HealthStatus.DEGRADED
        assert found.checks["program"].message == "it cannot do its job for now"


async def test_the_store_of_a_program_is_watched(tmp_path: Path) -> None:
    async with Database(tmp_path / "some.db", {"session": MIGRATIONS}) as database:
        program = Program(RealWorld(), is_ready=lambda: True, database=database)
        async with Monitoring(program, tmp_path) as monitoring:
            database.breaker.force_open()
            found = await monitoring.health.get_overall_health()
            assert found.checks["store"].status is HealthStatus.UNHEALTHY
            monitoring.metrics.sample()
            assert monitoring.metrics.value("holdfast_store_queue") == 0
            assert monitoring.metrics.value("holdfast_breakers_open") == 1


async def test_a_program_adds_metrics_checks_rules_and_plots(tmp_path: Path) -> None:
    async with Monitoring(Program(RealWorld(), is_ready=lambda: True), tmp_path) as monitoring:
        monitoring.metrics.declare(Metric("bridge_told_total", Kind.COUNTER, "What was told."))
        monitoring.metrics.declare(Metric("bridge_muds", Kind.GAUGE, "MUDs that are up."))
        monitoring.metrics.read("bridge_muds", lambda: 7)
        monitoring.alerts.add_rules(
            AlertRule("MudsFew", "bridge_muds", RuleKind.BELOW, 10, advice="Look at the router.")
        )
        monitoring.add_trend("bridge_told_total", "Told")
        monitoring.health.register_check(
            "router", lambda: HealthCheckResult(HealthStatus.DEGRADED, "it is slow")
        )
        monitoring.metrics.count("bridge_told_total")
        monitoring.metrics.sample()
        monitoring.alerts.look(program_time := monitoring.subject.now())
        state: Any = await admin_of(monitoring).state()
        assert state["figures"]["bridge_muds"] == 7
        assert [alert["name"] for alert in state["alerts"]] == ["MudsFew"]
        assert state["health"]["components"]["router"]["message"] == "it is slow"
        assert state["health"]["status"] == "degraded"
        plot = admin_of(monitoring).trends("1m")["plots"][-1]  # type: ignore[index]
        assert (plot["name"], plot["title"], plot["kind"]) == (
            "bridge_told_total",
            "Told",
            "counter",
        )
        assert monitoring.alerts.history[0].at == program_time
        with pytest.raises(ValueError, match="already"):
            monitoring.metrics.declare(Metric("bridge_muds", Kind.GAUGE, "Again."))
        with pytest.raises(ValueError, match="not there"):
            monitoring.alerts.add_rules(AlertRule("X", "bridge_cats", RuleKind.ABSENT))


async def test_a_hub_beside_a_program_is_watched_as_well(tmp_path: Path) -> None:
    hub = Hub(Room())
    program = Program(RealWorld(), is_ready=lambda: True)
    async with HubRunner(hub), Monitoring(program, tmp_path) as monitoring:
        monitoring.add_hub(hub)
        found = await monitoring.health.get_overall_health()
        assert "sessions" in found.checks
        assert found.status is HealthStatus.HEALTHY
        state: Any = await admin_of(monitoring).state()
        assert state["limits"]["connections"] == hub.settings.connections_max


async def test_panels_are_shown_as_they_are_filled(tmp_path: Path) -> None:
    async with Monitoring(Program(RealWorld(), is_ready=lambda: True), tmp_path) as monitoring:

        async def channels() -> dict[str, object]:
            rows = [[f"channel {n}", n, n % 2 == 0, None] for n in range(limits.PANEL_ROWS_MAX + 3)]
            columns = ["Name", "Listeners", "Mine", "Topic"]
            return {
                "title": "Channels",
                "tables": [{"title": "All", "columns": columns, "rows": rows, "empty": "None."}],
            }

        monitoring.add_panel("router", lambda: {"title": "Router", "figures": {"MUDs": 214}})
        monitoring.add_panel("channels", channels)
        panels: Any = (await admin_of(monitoring).state())["panels"]
        assert panels["router"] == {
            "title": "Router", "figures": {"MUDs": 214}, "tables": [], "error": "",
        }  # fmt: skip
        table = panels["channels"]["tables"][0]
        assert len(table["rows"]) == limits.PANEL_ROWS_MAX
        assert table["more"] == 3
        assert table["rows"][0] == ["channel 0", 0, True, None]


@pytest.mark.parametrize(
    "wrong",
    [
        {"figures": {}},
        {"title": "x", "figures": {"a": [1]}},
        {"title": "x", "tables": [{"title": "y"}]},
        {"title": "x", "colour": "red"},
        {"title": "x", "tables": [{"title": "y", "columns": [], "rows": []}] * 11},
        ["not a mapping"],
    ],
)
async def test_a_panel_that_is_wrong_does_not_hide_the_others(
    tmp_path: Path, wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    content = wrong
    async with Monitoring(Program(RealWorld(), is_ready=lambda: True), tmp_path) as monitoring:
        monitoring.add_panel("bad", lambda: content)
        monitoring.add_panel("good", lambda: {"title": "Good"})
        for _ in range(3):
            panels: Any = (await admin_of(monitoring).state())["panels"]
            assert panels["bad"]["error"] != ""
            assert panels["good"]["error"] == ""
        assert caplog.text.count("the panel bad failed") == 1
        content = {"title": "Mended"}
        panels = (await admin_of(monitoring).state())["panels"]
        assert panels["bad"] == {"title": "Mended", "figures": {}, "tables": [], "error": ""}


async def test_panels_and_plots_have_a_bound(tmp_path: Path) -> None:
    async with Monitoring(Program(RealWorld(), is_ready=lambda: True), tmp_path) as monitoring:
        for number in range(limits.PANELS_MAX):
            monitoring.add_panel(f"panel {number}", lambda: {"title": "x"})
        with pytest.raises(AssertionError, match="too many panels"):
            monitoring.add_panel("one more", lambda: {"title": "x"})
        names = sorted(monitoring.metrics.names - set(monitoring.trends))
        with pytest.raises(AssertionError, match="too many plots"):
            for name in names:
                monitoring.add_trend(name, name)
        assert len(monitoring.trends) == limits.TRENDS_MAX
