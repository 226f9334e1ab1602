"""Alerts: rules over metrics, and a machine that raises and clears them without flapping.

A rule holds for a while before it is raised, and is cleared only when its value is well on the other side. What
is raised goes to the log, to whoever listens (the dashboard) and to a webhook.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from holdfast import limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.ops.metrics import Metrics

log = logging.getLogger("holdfast.alerts")

INTERVAL: Final = 0.5
"""Seconds between two looks: an alert without delay is seen within one second."""


class RuleKind(StrEnum):
    """What a rule watches."""

    ABOVE = "above"
    BELOW = "below"
    ABSENT = "absent"
    RATE_ABOVE = "rate above"
    P95_ABOVE = "p95 above"


class Severity(StrEnum):
    """How bad."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """When to raise an alert.

    Attributes:
        name: of the alert.
        metric: watched.
        kind: above or below a threshold, absent, rate a second above it, 95th percentile above it.
        threshold: in the unit of the metric.
        hold: seconds for which it has to be so before it is raised.
        clear: at which it is cleared again; None: a tenth on the other side of the threshold.
        window: seconds that rates and percentiles look back on.
        severity: how bad.
        advice: what to do, for a person.
    """

    name: str
    metric: str
    kind: RuleKind
    threshold: float = 0.0
    hold: float = 0.0
    clear: float | None = None
    window: float = 60.0
    severity: Severity = Severity.WARNING
    advice: str = ""


RULES: Final = (
    AlertRule(
        "StoreUnavailable", "holdfast_health", RuleKind.ABOVE, 1.5, severity=Severity.CRITICAL,
        advice="A critical part is not well: see /health. Look at disk and permissions of the data folder.",
    ),
    AlertRule(
        "DiskAlmostFull", "holdfast_disk_free_bytes", RuleKind.BELOW, 500e6, hold=10,
        severity=Severity.CRITICAL, advice="Free some room, or move the data folder.",
    ),
    AlertRule(
        "LoopLagging", "holdfast_loop_lag_seconds", RuleKind.ABOVE, 0.5, hold=5,
        advice="Something blocks the event loop, or the machine is too busy: see the log.",
    ),
    AlertRule(
        "CommitsSlow", "holdfast_commit_seconds", RuleKind.P95_ABOVE, 0.5, hold=10,
        advice="The disk is slow: acknowledgements wait for it.",
    ),
    AlertRule(
        "ConnectionsLost", "holdfast_connections_closed_total", RuleKind.RATE_ABOVE, 50, window=10,
        advice="Many clients lose their connection at once: a network or a proxy before us has trouble.",
    ),
    AlertRule(
        "HandshakesRefused", "holdfast_connections_refused_total", RuleKind.RATE_ABOVE, 10, window=10,
        advice="More come than are admitted: they are asked to come later.",
    ),
    AlertRule(
        "MessagesRefused", "holdfast_messages_failed_total", RuleKind.RATE_ABOVE, 20, window=30,
        advice="Clients send what is refused, or too fast.",
    ),
    AlertRule(
        "OutboxStuck", "holdfast_outbox_oldest_seconds", RuleKind.ABOVE, 600, hold=30,
        advice="A destination cannot be reached: see the outbox and its breakers.",
    ),
    AlertRule(
        "ErrorsMany", "holdfast_errors_total", RuleKind.RATE_ABOVE, 5, window=60,
        advice="See the recent errors.",
    ),
    AlertRule(
        "MetricsMissing", "holdfast_uptime_seconds", RuleKind.ABSENT, hold=10,
        severity=Severity.CRITICAL, advice="Nothing is sampled any more: restart the server.",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that was raised or cleared.

    Attributes:
        rule: of it.
        is_raised: or cleared.
        value: that did it, None when there was none.
        at: seconds on the clock that the machine is given.
    """

    rule: AlertRule
    is_raised: bool
    value: float | None
    at: float


@dataclass(slots=True)
class _State:
    since: float | None = None
    is_raised: bool = False


class AlertMachine:
    """One rule.

    Args:
        rule: watched.
    """

    def __init__(self, rule: AlertRule) -> None:
        self.rule = rule
        self._state = _State()

    @property
    def is_raised(self) -> bool:
        """Whether it is raised now."""
        return self._state.is_raised

    def look(self, now: float, value: float | None) -> Alert | None:
        """Take the value of now; return what it changes."""
        rule, state = self.rule, self._state
        if state.is_raised:
            if self._is_clear(value):
                self._state = _State()
                return Alert(rule, is_raised=False, value=value, at=now)
            return None
        if not self._is_met(value):
            state.since = None
            return None
        if state.since is None:
            state.since = now
        if now - state.since >= rule.hold:
            state.is_raised = True
            return Alert(rule, is_raised=True, value=value, at=now)
        return None

    def _is_met(self, value: float | None) -> bool:
        if self.rule.kind is RuleKind.ABSENT:
            return value is None
        if value is None:
            return False
        if self.rule.kind is RuleKind.BELOW:
            return value < self.rule.threshold
        return value > self.rule.threshold

    def _is_clear(self, value: float | None) -> bool:
        if self.rule.kind is RuleKind.ABSENT:
            return value is not None
        if value is None:
            return True
        if self.rule.kind is RuleKind.BELOW:
            limit = self.rule.threshold * 1.1 if self.rule.clear is None else self.rule.clear
            return value >= limit
        limit = self.rule.threshold * 0.9 if self.rule.clear is None else self.rule.clear
        return value <= limit


Listener = Callable[[Alert], object]
Webhook = Callable[[dict[str, object]], Awaitable[object]]


@dataclass
class Alerts:
    """Watches all rules.

    Attributes:
        metrics: looked at.
        rules: watched.
        webhook: awaited with a JSON-safe description of each alert; errors are logged.
        history: the last alerts, oldest first.
    """

    metrics: Metrics
    rules: Iterable[AlertRule] = RULES
    webhook: Webhook | None = None
    history: deque[Alert] = field(default_factory=lambda: deque(maxlen=limits.ALERTS_KEPT))

    def __post_init__(self) -> None:
        self._machines: list[AlertMachine] = []
        self.add_rules(*self.rules)
        self._listeners: list[Listener] = []
        self._sending: set[asyncio.Task[None]] = set()

    def add_rules(self, *rules: AlertRule) -> None:
        """Watch further rules, of a program.

        Raises:
            ValueError: a rule watches a metric that was not declared.
        """
        for rule in rules:
            if rule.metric not in self.metrics.names:
                raise ValueError(
                    f"The rule {rule.name} watches {rule.metric!r}, which is not there."
                )
            self._machines.append(AlertMachine(rule))

    @property
    def raised(self) -> list[AlertRule]:
        """The rules whose alert is raised now."""
        return [machine.rule for machine in self._machines if machine.is_raised]

    def on_alert(self, listener: Listener) -> Listener:
        """Call back with each alert that is raised or cleared; usable as a decorator."""
        self._listeners.append(listener)
        return listener

    async def run(self) -> None:
        """Look twice a second until cancelled."""
        while True:
            self.metrics.sample()
            self.look(asyncio.get_running_loop().time())
            await asyncio.sleep(INTERVAL)

    def look(self, now: float) -> list[Alert]:
        """Look once; return what changed."""
        found = []
        for machine in self._machines:
            alert = machine.look(now, self._value(machine.rule))
            if alert is not None:
                found.append(alert)
                self._tell(alert)
        return found

    def _value(self, rule: AlertRule) -> float | None:
        if rule.kind is RuleKind.RATE_ABOVE:
            return self.metrics.rate(rule.metric, rule.window)
        if rule.kind is RuleKind.P95_ABOVE:
            return self.metrics.quantile(rule.metric, 0.95, rule.window)
        values = self.metrics.values(rule.metric)
        return max(values.values()) if values else None

    def _tell(self, alert: Alert) -> None:
        self.history.append(alert)
        rule = alert.rule
        if alert.is_raised:
            level = logging.ERROR if rule.severity is Severity.CRITICAL else logging.WARNING
            log.log(
                level,
                "alert %s: %s is %s. %s",
                rule.name,
                rule.metric,
                _shown(alert.value),
                rule.advice,
            )
        else:
            log.info("alert %s is over: %s is %s", rule.name, rule.metric, _shown(alert.value))
        for listener in self._listeners:
            try:
                listener(alert)
            except Exception:  # a listener's bug is not the alert's
                log.exception("a listener for alerts failed")
        if self.webhook is not None:
            self._send(self.webhook, alert)

    def _send(self, webhook: Webhook, alert: Alert) -> None:
        if len(self._sending) >= limits.WEBHOOKS_PENDING_MAX:
            log.warning("the webhook is too slow: %s is not told", alert.rule.name)
            return

        async def send() -> None:
            try:
                await webhook(described(alert))
            except Exception as error:  # noqa: BLE001 - the log has the alert itself
                log.warning("the webhook failed for %s: %s", alert.rule.name, error)

        task = asyncio.get_running_loop().create_task(send(), name="holdfast-webhook")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


def described(alert: Alert) -> dict[str, object]:
    """Describe an alert for JSON."""
    rule = alert.rule
    return {
        "alert": rule.name,
        "state": "raised" if alert.is_raised else "cleared",
        "severity": rule.severity.value,
        "metric": rule.metric,
        "kind": rule.kind.value,
        "threshold": rule.threshold,
        "value": alert.value,
        "advice": rule.advice,
    }


def _shown(value: float | None) -> str:
    return "not there" if value is None else f"{value:.4g}"
