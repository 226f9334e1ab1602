"""Alerts are raised when they should be, soon, once, and do not flap."""

from __future__ import annotations

import asyncio
import logging

import pytest

from holdfast import limits
from holdfast.ops import AlertRule, Alerts, Kind, Metric, Metrics, RuleKind, Severity
from holdfast.ops.alerts import AlertMachine

DECLARED = [
    Metric("level", Kind.GAUGE, "Level."),
    Metric("done_total", Kind.COUNTER, "Done."),
    Metric("took_seconds", Kind.DURATION, "Took."),
]


def rule(kind: RuleKind = RuleKind.ABOVE, metric: str = "level", **more: float) -> AlertRule:
    return AlertRule("Test", metric, kind, more.pop("threshold", 10.0), **more)  # type: ignore[arg-type]


def looks(machine: AlertMachine, values: list[float | None]) -> list[tuple[int, bool]]:
    return [
        (now, alert.is_raised)
        for now, value in enumerate(values)
        if (alert := machine.look(now, value)) is not None
    ]


def test_it_has_to_hold_for_a_while() -> None:
    machine = AlertMachine(rule(hold=3))
    assert looks(machine, [11, 11, 9, 11, 11, 11, 11, 11]) == [(6, True)]


def test_it_is_cleared_well_on_the_other_side() -> None:
    machine = AlertMachine(rule())
    assert looks(machine, [11, 9.5, 11, 9.5, 9.1, 8.9, 11]) == [(0, True), (5, False), (6, True)]
    machine = AlertMachine(rule(clear=5.0))
    assert looks(machine, [11, 6, 5]) == [(0, True), (2, False)]


def test_below_and_absent() -> None:
    assert looks(AlertMachine(rule(RuleKind.BELOW)), [11, 9, 10.5, 11]) == [(1, True), (3, False)]
    machine = AlertMachine(rule(RuleKind.ABSENT, hold=2))
    assert looks(machine, [1, None, None, None, 2]) == [(3, True), (4, False)]
    assert looks(AlertMachine(rule()), [None, None]) == []


async def test_an_alert_is_seen_within_a_second_by_log_listener_and_webhook(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[dict[str, object]] = []

    async def webhook(description: dict[str, object]) -> None:
        told.append(description)

    metrics = Metrics(DECLARED)
    rules = [rule(), AlertRule("Fast", "done_total", RuleKind.RATE_ABOVE, 5.0, window=10)]
    alerts = Alerts(metrics, rules, webhook)
    heard: list[str] = []
    alerts.on_alert(lambda alert: heard.append(alert.rule.name))
    loop = asyncio.get_running_loop()
    watching = asyncio.create_task(alerts.run())
    with caplog.at_level(logging.WARNING, "holdfast.alerts"):
        await asyncio.sleep(0.05)
        began = loop.time()
        metrics.read("level", lambda: 12.0)
        metrics.count("done_total", 100)
        async with asyncio.timeout(5):
            while len(told) < 2:
                await asyncio.sleep(0.01)
        assert loop.time() - began < 1.0
    watching.cancel()
    assert heard == ["Test", "Fast"]
    assert told[0]["state"] == "raised"
    assert told[0]["value"] == 12.0
    assert "alert Test: level is 12" in caplog.text
    assert [one.name for one in alerts.raised] == ["Test", "Fast"]


async def test_a_webhook_that_hangs_or_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    release = asyncio.Event()

    async def webhook(_: dict[str, object]) -> None:
        await release.wait()
        raise OSError("nobody there")

    metrics = Metrics(DECLARED)
    alerts = Alerts(metrics, [rule()], webhook)
    for _ in range(limits.WEBHOOKS_PENDING_MAX + 5):
        metrics.set("level", 11)
        alerts.look(0.0)
        metrics.set("level", 0)
        alerts.look(0.0)
    assert len(alerts._sending) == limits.WEBHOOKS_PENDING_MAX
    assert "too slow" in caplog.text
    release.set()
    async with asyncio.timeout(5):
        while alerts._sending:
            await asyncio.sleep(0)
    assert "nobody there" in caplog.text


async def test_percentiles_are_watched_too_and_a_bug_in_a_listener_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics(DECLARED)
    alerts = Alerts(metrics, [rule(RuleKind.P95_ABOVE, "took_seconds", threshold=0.5)])
    alerts.on_alert(lambda _: 1 / 0)
    for _ in range(100):
        metrics.observe("took_seconds", 0.6)
    (alert,) = alerts.look(0.0)
    assert alert.is_raised
    assert alert.rule.severity is Severity.WARNING
    assert "listener" in caplog.text


async def test_a_rule_for_what_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown_total"):
        Alerts(Metrics(DECLARED), [rule(metric="unknown_total")])
