"""What is counted can be read, plotted and watched; what was not declared cannot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from holdfast import limits
from holdfast.apps.i3.operations import GATEWAY_METRICS, GATEWAY_RULES
from holdfast.ops import RULES, AlertRule, Kind, Metric, Metrics
from holdfast.server.mailbox_monitoring import MAILBOX_METRICS, MAILBOX_RULES
from holdfast.server.monitoring import TRENDS


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def made() -> tuple[Metrics, Clock]:
    clock = Clock()
    declared = [
        Metric("sent_total", Kind.COUNTER, "Sent.", "kind"),
        Metric("plain_total", Kind.COUNTER, "Plain."),
        Metric("open", Kind.GAUGE, "Open."),
        Metric("took_seconds", Kind.DURATION, "Took."),
    ]
    return Metrics(declared, clock), clock


def test_counters_have_rates_and_labels() -> None:
    metrics, clock = made()
    for _ in range(120):
        metrics.count("sent_total", label="a")
        metrics.count("sent_total", 2, label="b")
        clock.now += 1
    assert metrics.value("sent_total") == 360
    assert metrics.values("sent_total") == {"a": 120, "b": 240}
    assert metrics.rate("sent_total", 60) == pytest.approx(3.0, rel=0.1)
    assert metrics.summary("sent_total")["1m"]["rate"] == pytest.approx(3.0, rel=0.1)
    assert metrics.value("open") is None


def test_durations_have_percentiles_and_gauges_are_read() -> None:
    metrics, clock = made()
    for number in range(1, 101):
        metrics.observe("took_seconds", number / 1000)
    assert metrics.quantile("took_seconds", 0.95, 60) == pytest.approx(0.095, rel=0.03)
    clock.now += 7200
    assert metrics.quantile("took_seconds", 0.95, 60) is None
    known: float | None = None
    metrics.read("open", lambda: known)
    metrics.sample()
    assert metrics.value("open") is None
    known = 7.0
    metrics.sample()
    assert metrics.value("open") == 7.0
    assert metrics.series("open", 300) == [(0.0, 7.0)]


def test_prometheus_reads_them() -> None:
    metrics, _ = made()
    metrics.count("sent_total", label='odd"label')
    metrics.set("open", 3)
    metrics.observe("took_seconds", 0.2)
    text = metrics.export().decode()
    assert 'sent_total{kind="odd\\"label"} 1.0' in text
    assert "open 3.0" in text
    assert 'took_seconds_bucket{le="0.25"} 1.0' in text


def test_labels_are_bounded() -> None:
    metrics, _ = made()
    for number in range(3 * limits.METRIC_LABELS_MAX):
        metrics.count("sent_total", label=f"l{number}")
    assert len(metrics.values("sent_total")) == limits.METRIC_LABELS_MAX + 1
    assert metrics.values("sent_total")["other"] == 2 * limits.METRIC_LABELS_MAX


def test_what_was_not_declared_cannot_be_counted() -> None:
    metrics, _ = made()
    with pytest.raises(KeyError):
        metrics.count("unknown_total")
    with pytest.raises(AssertionError):
        metrics.count("sent_total")
    with pytest.raises(AssertionError):
        metrics.set("plain_total", 1)


@pytest.mark.parametrize(
    ("rules", "declared"),
    [((), ()), (MAILBOX_RULES, MAILBOX_METRICS), (GATEWAY_RULES, GATEWAY_METRICS)],
    ids=["of all programs", "of a gateway for the chat", "of a gateway for Intermud-3"],
)
def test_every_metric_of_a_shipped_rule_exists(
    rules: tuple[AlertRule, ...], declared: tuple[Metric, ...]
) -> None:
    metrics = Metrics(now=Clock())
    metrics.declare(*declared)
    watched = (*RULES, *rules)
    assert {rule.metric for rule in watched} <= metrics.names
    assert all(rule.advice for rule in watched), "an alert says what to do"
    assert len({rule.name for rule in watched}) == len(watched)


def test_every_metric_of_the_dashboard_exists() -> None:
    names = Metrics(now=Clock()).names
    pages = Path(__file__).parents[3] / "web" / "pages" / "src" / "admin"
    shown = {
        name
        for page in pages.glob("*.tsx")
        for name in re.findall(r"holdfast_[a-z_]+[a-z]", page.read_text("utf-8"))
    }
    assert len(shown) > 8
    assert shown <= names
    assert set(TRENDS) <= names
