"""What is counted and measured: declared once by name, for Prometheus, for trends and for alert rules.

``Metrics`` is a registry of its own, so that two servers in one process do not share figures. A metric that was not
declared cannot be counted, shown or watched: the mistake shows in a test, not at night.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from holdfast import limits
from holdfast.ops.sketch import WINDOWS, Trend

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Kind(StrEnum):
    """What a metric is."""

    COUNTER = "counter"
    GAUGE = "gauge"
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Metric:
    """A declared metric.

    Attributes:
        name: as Prometheus writes it, with its unit.
        kind: what it is; durations are in seconds.
        help: in one line.
        label: its one label, empty for none.
    """

    name: str
    kind: Kind
    help: str
    label: str = ""


BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

DECLARED: Final = (
    Metric("holdfast_connections", Kind.GAUGE, "Connections that are open."),
    Metric("holdfast_connections_opened_total", Kind.COUNTER, "Connections that were opened."),
    Metric("holdfast_connections_closed_total", Kind.COUNTER, "Connections that ended.", "reason"),
    Metric(
        "holdfast_connections_refused_total",
        Kind.COUNTER,
        "Handshakes that were refused.",
        "reason",
    ),
    Metric("holdfast_sessions", Kind.GAUGE, "Sessions that can be resumed."),
    Metric("holdfast_sessions_opened_total", Kind.COUNTER, "Sessions that were begun."),
    Metric("holdfast_sessions_resumed_total", Kind.COUNTER, "Returns to a session."),
    Metric("holdfast_channels", Kind.GAUGE, "Channels that have a log."),
    Metric(
        "holdfast_messages_received_total", Kind.COUNTER, "Messages of clients that were handled."
    ),
    Metric("holdfast_events_total", Kind.COUNTER, "Events that were published."),
    Metric("holdfast_deliveries_total", Kind.COUNTER, "Events to readers."),
    Metric("holdfast_messages_failed_total", Kind.COUNTER, "Messages that were refused.", "code"),
    Metric("holdfast_commit_seconds", Kind.DURATION, "From a message to its commit."),
    Metric("holdfast_store_queue", Kind.GAUGE, "Writes that wait for the store."),
    Metric("holdfast_outbox_messages", Kind.GAUGE, "Messages in the outbox.", "state"),
    Metric(
        "holdfast_outbox_oldest_seconds", Kind.GAUGE, "Age of what waits longest in the outbox."
    ),
    Metric("holdfast_errors_total", Kind.COUNTER, "Errors that were handled.", "category"),
    Metric("holdfast_breakers_open", Kind.GAUGE, "Circuit breakers that are open."),
    Metric(
        "holdfast_loop_lag_seconds", Kind.GAUGE, "How late the event loop was in the last minute."
    ),
    Metric("holdfast_health", Kind.GAUGE, "0 healthy, 1 degraded, 2 unhealthy.", "check"),
    Metric("holdfast_cpu_share", Kind.GAUGE, "Processors in use by this process."),
    Metric("holdfast_memory_bytes", Kind.GAUGE, "Resident memory of this process."),
    Metric("holdfast_disk_free_bytes", Kind.GAUGE, "Room on the disk of the data folder."),
    Metric("holdfast_open_files", Kind.GAUGE, "Files and sockets that are open."),
    Metric("holdfast_alerts", Kind.GAUGE, "Alerts that are raised."),
    Metric("holdfast_uptime_seconds", Kind.GAUGE, "Since the start."),
)

Reader = Callable[[], float | None]
CountReader = Callable[[], float | dict[str, int]]


class Metrics:
    """Counts, and says what was counted.

    Args:
        declared: the metrics there are.
        now: seconds that only grow; the loop's by default.
    """

    def __init__(
        self,
        declared: Iterable[Metric] = DECLARED,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._registry = CollectorRegistry()
        self._metrics: dict[str, Metric] = {}
        self._exported: dict[str, Counter | Gauge | Histogram] = {}
        self._values: dict[str, dict[str, float]] = {}
        self._trends: dict[str, Trend] = {}
        self._readers: dict[tuple[str, str], Reader] = {}
        self._followed: dict[str, CountReader] = {}
        self._seen: dict[tuple[str, str], float] = {}
        for metric in declared:
            self._declare(metric)

    def declare(self, *metrics: Metric) -> None:
        """Add the metrics of a program.

        Raises:
            ValueError: there is one of that name.
        """
        for metric in metrics:
            if metric.name in self._metrics:
                raise ValueError(f"There is a metric {metric.name!r} already.")
            self._declare(metric)

    def _declare(self, metric: Metric) -> None:
        labels = [metric.label] if metric.label else []
        made: Counter | Gauge | Histogram
        if metric.kind is Kind.COUNTER:
            made = Counter(metric.name, metric.help, labels, registry=self._registry)
        elif metric.kind is Kind.GAUGE:
            made = Gauge(metric.name, metric.help, labels, registry=self._registry)
        else:
            made = Histogram(metric.name, metric.help, registry=self._registry, buckets=BUCKETS)
        self._metrics[metric.name] = metric
        self._exported[metric.name] = made
        self._values[metric.name] = {}
        self._trends[metric.name] = Trend()

    @property
    def names(self) -> frozenset[str]:
        """Of all metrics there are."""
        return frozenset(self._metrics)

    def kind(self, name: str) -> Kind:
        """Say what a metric is."""
        return self._metrics[name].kind

    def is_known(self, name: str) -> bool:
        """Say whether a metric ever had a value."""
        return bool(self._values[name]) or self._trends[name].has_begun

    # --- counting ---------------------------------------------------------------------------

    def count(self, name: str, times: float = 1, label: str = "") -> None:
        """Count something that happened."""
        label = self._known_label(name, label)
        values = self._values[name]
        values[label] = values.get(label, 0.0) + times
        exported = self._exported[name]
        assert isinstance(exported, Counter), f"{name} is no counter"
        (exported.labels(label) if label else exported).inc(times)
        self._trends[name].observe(self._now(), times)

    def observe(self, name: str, seconds: float) -> None:
        """Note how long something took."""
        exported = self._exported[name]
        assert isinstance(exported, Histogram), f"{name} is no duration"
        exported.observe(seconds)
        self._trends[name].observe(self._now(), seconds)

    def set(self, name: str, value: float, label: str = "") -> None:
        """Set a gauge."""
        label = self._known_label(name, label)
        self._values[name][label] = value
        exported = self._exported[name]
        assert isinstance(exported, Gauge), f"{name} is no gauge"
        (exported.labels(label) if label else exported).set(value)
        if not label:
            self._trends[name].observe(self._now(), value)

    def read(self, name: str, reader: Reader, label: str = "") -> None:
        """Set a gauge from a function whenever ``sample`` is called; None says nothing."""
        assert self._metrics[name].kind is Kind.GAUGE, f"{name} is no gauge"
        self._readers[name, label] = reader

    def follow(self, name: str, reader: CountReader) -> None:
        """Count by what a function says was counted elsewhere since the start: a number, or numbers by label."""
        assert self._metrics[name].kind is Kind.COUNTER, f"{name} is no counter"
        self._followed[name] = reader

    def sample(self) -> None:
        """Read everything that has a reader."""
        for name, count in self._followed.items():
            found = count()
            totals = found if isinstance(found, dict) else {"": found}
            for label, total in totals.items():
                known = self._seen.get((name, label), 0.0)
                if total > known:
                    self.count(name, total - known, label)
                    self._seen[name, label] = total
        for (name, label), reader in self._readers.items():
            value = reader()
            if value is not None:
                self.set(name, value, label)

    def _known_label(self, name: str, label: str) -> str:
        assert bool(label) == bool(self._metrics[name].label), f"{name} has another label"
        values = self._values[name]
        if label and label not in values and len(values) >= limits.METRIC_LABELS_MAX:
            return "other"
        return label

    # --- what is known ----------------------------------------------------------------------

    def value(self, name: str) -> float | None:
        """Return a counter or gauge now, all its labels added up; None when nothing is known."""
        values = self._values[name]
        return sum(values.values()) if values else None

    def values(self, name: str) -> Mapping[str, float]:
        """Return a counter or gauge by label."""
        return dict(self._values[name])

    def rate(self, name: str, seconds: float) -> float:
        """Return how much a counter grew a second, over the last ``seconds``."""
        return self._trends[name].over(self._now(), seconds).total / seconds

    def quantile(self, name: str, share: float, seconds: float) -> float | None:
        """Return a quantile of a duration or gauge over the last ``seconds``; None when there was nothing."""
        found = self._trends[name].over(self._now(), seconds)
        return found.quantile(share) if found.count else None

    def summary(self, name: str) -> dict[str, dict[str, float]]:
        """Return rate, mean, median, 95th and 99th percentile and largest over 1, 5 and 60 minutes."""
        now = self._now()
        described = {}
        for window, seconds in WINDOWS.items():
            found = self._trends[name].over(now, seconds)
            described[window] = {
                "count": found.count,
                "rate": found.total / seconds,
                "mean": found.total / found.count if found.count else 0.0,
                "p50": found.quantile(0.5),
                "p95": found.quantile(0.95),
                "p99": found.quantile(0.99),
                "max": found.largest,
            }
        return described

    def series(self, name: str, seconds: float) -> list[tuple[float, float]]:
        """Return points for a plot, oldest first: how long ago in seconds, and the value.

        The value of a counter is its rate a second, of a gauge its mean, of a duration its 95th percentile.
        """
        now = self._now()
        kind = self._metrics[name].kind
        points = []
        for begin, sketch in self._trends[name].series(now, seconds):
            if kind is Kind.COUNTER:
                step = 5.0 if seconds <= WINDOWS["5m"] else 60.0
                value = sketch.total / step
            elif kind is Kind.GAUGE:
                value = sketch.total / sketch.count
            else:
                value = sketch.quantile(0.95)
            points.append((now - begin, value))
        return points

    def export(self) -> bytes:
        """Return all in the text format of Prometheus."""
        return generate_latest(self._registry)
