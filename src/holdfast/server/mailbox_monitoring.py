"""What is read, checked and shown of a gateway that keeps mailboxes: counts and rates, and nothing that names anybody.

A gateway's operator is one of those from whom people's secrets are kept, and so is whoever gets hold of his figures.
So there is no list of mailboxes or connections here, no address, and no way to ask for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.health import HealthCheckResult, HealthStatus
from holdfast.ops import AlertRule, Kind, Metric, RuleKind, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.mailbox.gateway import Gateway
    from holdfast.server.monitoring import Monitoring

NEARLY_FULL: Final = 0.9
"""Share of what a gateway allows from which on it is degraded."""

MAILBOX_METRICS: Final = (
    Metric("mailbox_ready", Kind.GAUGE, "1 while the gateway takes requests and its disk is well, else 0."),
    Metric("mailbox_connections", Kind.GAUGE, "Connections that are open, without pipes."),
    Metric("mailbox_mailboxes", Kind.GAUGE, "Mailboxes."),
    Metric("mailbox_envelopes", Kind.GAUGE, "Envelopes that are kept."),
    Metric("mailbox_kept_bytes", Kind.GAUGE, "Bytes of the envelopes that are kept."),
    Metric("mailbox_pipes", Kind.GAUGE, "Pipes to other gateways that are open."),
    Metric("mailbox_used_share", Kind.GAUGE, "Share used of what the gateway allows, 0 to 1.", "of"),
    Metric("mailbox_deposited_total", Kind.COUNTER, "Envelopes that were taken and kept."),
    Metric("mailbox_repeated_total", Kind.COUNTER, "Envelopes that came again and were kept already."),
    Metric("mailbox_handed_over_total", Kind.COUNTER, "Envelopes that were sent to readers, again after each return."),
    Metric("mailbox_delivered_total", Kind.COUNTER, "Envelopes that readers acknowledged; they are deleted."),
    Metric("mailbox_expired_total", Kind.COUNTER, "Envelopes whose time was over before their reader came."),
    Metric("mailbox_mailboxes_created_total", Kind.COUNTER, "Mailboxes that were made."),
    Metric("mailbox_mailboxes_deleted_total", Kind.COUNTER, "Mailboxes that their readers deleted."),
    Metric("mailbox_subscribed_total", Kind.COUNTER, "Readers that came."),
    Metric("mailbox_refused_total", Kind.COUNTER, "Requests that were refused.", "code"),
    Metric("mailbox_not_written_total", Kind.COUNTER, "Changes that the disk did not take; clients ask again."),
    Metric("mailbox_connections_accepted_total", Kind.COUNTER, "Connections that were taken."),
    Metric("mailbox_connections_refused_total", Kind.COUNTER, "Connections that were cut at once: too many."),
    Metric("mailbox_connections_cut_total", Kind.COUNTER, "Connections that were cut for what they did.", "reason"),
    Metric("mailbox_pipes_opened_total", Kind.COUNTER, "Pipes that were opened."),
    Metric("mailbox_pipes_refused_total", Kind.COUNTER, "Pipes that were refused or led nowhere.", "code"),
)  # fmt: skip

MAILBOX_RULES: Final = (
    AlertRule(
        "GatewayNotReady", "mailbox_ready", RuleKind.BELOW, 0.5, hold=10, severity=Severity.CRITICAL,
        advice="Deposits are refused. Look at room, owner and health of the disk of the data folder.",
    ),
    AlertRule(
        "GatewayAlmostFull", "mailbox_used_share", RuleKind.ABOVE, NEARLY_FULL, hold=60,
        advice="New mailboxes, deposits or connections are refused soon: run another gateway beside this one.",
    ),
    AlertRule(
        "ChangesNotWritten", "mailbox_not_written_total", RuleKind.RATE_ABOVE, 0.1, window=60,
        severity=Severity.CRITICAL,
        advice="The disk does not take what comes; the log says why. Nothing that was answered is lost.",
    ),
    AlertRule(
        "RequestsRefused", "mailbox_refused_total", RuleKind.RATE_ABOVE, 50, window=60,
        advice="Much is refused: the dashboard says by which code. A flood, or clients with a fault.",
    ),
    AlertRule(
        "ConnectionsRefused", "mailbox_connections_refused_total", RuleKind.RATE_ABOVE, 10, window=10,
        advice="More connect, or one address connects more often, than is allowed.",
    ),
    AlertRule(
        "PipesFail", "mailbox_pipes_refused_total", RuleKind.RATE_ABOVE, 1, window=60,
        advice="Pipes lead nowhere: a gateway on the list is away or has moved, the log says which.",
    ),
)  # fmt: skip

_COUNTED: Final = {
    "mailbox_deposited_total": "deposited",
    "mailbox_repeated_total": "repeated",
    "mailbox_handed_over_total": "handed over",
    "mailbox_delivered_total": "acknowledged",
    "mailbox_expired_total": "expired",
    "mailbox_mailboxes_created_total": "created",
    "mailbox_mailboxes_deleted_total": "deleted",
    "mailbox_subscribed_total": "subscribed",
    "mailbox_not_written_total": "not written",
    "mailbox_pipes_opened_total": "pipes opened",
}


def watch_mailboxes(monitoring: Monitoring, gateway: Gateway) -> None:
    """Show a gateway to its operator."""
    metrics = monitoring.metrics
    metrics.declare(*MAILBOX_METRICS)
    metrics.read("mailbox_ready", lambda: int(monitoring.subject.is_ready))
    metrics.read("mailbox_connections", lambda: gateway.statistics().connections)
    metrics.read("mailbox_mailboxes", lambda: gateway.statistics().mailboxes)
    metrics.read("mailbox_envelopes", lambda: gateway.statistics().envelopes)
    metrics.read("mailbox_kept_bytes", lambda: gateway.statistics().size)
    metrics.read("mailbox_pipes", lambda: gateway.statistics().pipes)
    for what in _used(gateway):
        metrics.read("mailbox_used_share", _share_of(gateway, what), what)
    for metric, name in _COUNTED.items():
        metrics.follow(metric, _count_of(gateway, name))
    metrics.follow("mailbox_refused_total", lambda: _by_code(gateway, "refused "))
    metrics.follow("mailbox_pipes_refused_total", lambda: _by_code(gateway, "pipes refused "))
    metrics.follow("mailbox_connections_accepted_total", lambda: gateway.statistics().accepted)
    metrics.follow("mailbox_connections_refused_total", lambda: gateway.statistics().refused)
    metrics.follow("mailbox_connections_cut_total", lambda: _cut(gateway))
    gateway.on_commit(lambda seconds: metrics.observe("holdfast_commit_seconds", seconds))
    monitoring.health.register_check("mailboxes", lambda: _checked(gateway))
    monitoring.alerts.add_rules(*MAILBOX_RULES)
    monitoring.add_trend("mailbox_deposited_total", "Envelopes taken")
    monitoring.add_trend("mailbox_delivered_total", "Envelopes delivered")
    monitoring.add_trend("mailbox_refused_total", "Requests refused")
    monitoring.add_trend("mailbox_connections", "Connections")
    monitoring.add_trend("mailbox_kept_bytes", "Kept")
    monitoring.add_panel("mailboxes", lambda: mailbox_panel(monitoring, gateway))


def mailbox_panel(monitoring: Monitoring, gateway: Gateway) -> dict[str, object]:
    """Describe a gateway for the dashboard."""
    figures, counts = gateway.statistics(), gateway.statistics().counts
    commit = monitoring.metrics.quantile("holdfast_commit_seconds", 0.95, 60.0)
    refused = {
        **_by_code(gateway, "refused "),
        **_named("pipe: ", _by_code(gateway, "pipes refused ")),
    }
    cut = _named("cut: ", _cut(gateway))
    return {
        "title": "Mailboxes",
        "figures": {
            "Mailboxes": figures.mailboxes,
            "Envelopes kept": figures.envelopes,
            "Kept": _bytes(figures.size),
            "Connections": figures.connections,
            "Pipes": figures.pipes,
            "Taken": counts["deposited"],
            "Delivered": counts["acknowledged"],
            "Expired": counts["expired"],
            "Store, 95 of 100 within": None if commit is None else _number(commit * 1000, "ms"),
            "Used": _number(100 * max(_used(gateway).values()), "%"),
        },
        "tables": [
            {
                "title": "Refused since the start",
                "columns": ["What", "How often"],
                "rows": [
                    [name.replace("_", " "), count]
                    for name, count in sorted({**refused, **cut}.items(), key=lambda each: -each[1])
                    if count
                ],
                "empty": "Nothing was refused.",
            }
        ],
    }  # fmt: skip


def _checked(gateway: Gateway) -> HealthCheckResult:
    figures, used = gateway.statistics(), _used(gateway)
    details: dict[str, object] = {
        "mailboxes": figures.mailboxes,
        "envelopes": figures.envelopes,
        "kept_bytes": figures.size,
        "connections": figures.connections,
        "pipes": figures.pipes,
    }
    full = [what for what, share in used.items() if share >= NEARLY_FULL]
    if full:
        text = f"nearly as many {' and '.join(full)} as it allows"
        return HealthCheckResult(HealthStatus.DEGRADED, text, details)
    return HealthCheckResult(HealthStatus.HEALTHY, details=details)


def _used(gateway: Gateway) -> dict[str, float]:
    """Return the share used of each thing that is bounded."""
    figures, allowed = gateway.statistics(), gateway.settings
    pairs = {
        "mailboxes": (figures.mailboxes, allowed.mailboxes_max),
        "bytes": (figures.size, allowed.store_bytes_max),
        "connections": (figures.connections + figures.pipes, allowed.connections_max),
        "pipes": (figures.pipes, allowed.pipes_max),
    }
    return {what: used / most if most else 0.0 for what, (used, most) in pairs.items()}


def _share_of(gateway: Gateway, what: str) -> Callable[[], float]:
    return lambda: _used(gateway)[what]


def _count_of(gateway: Gateway, name: str) -> Callable[[], float]:
    return lambda: gateway.statistics().counts[name]


def _by_code(gateway: Gateway, begin: str) -> dict[str, int]:
    counts = gateway.statistics().counts
    return {name.removeprefix(begin): count for name, count in counts.items() if name.startswith(begin)}  # fmt: skip


def _cut(gateway: Gateway) -> dict[str, int]:
    figures = gateway.statistics()
    return {
        "refusals": figures.counts["cut"],
        "malformed": figures.counts["malformed"],
        "slow": figures.slow,
    }


def _named(begin: str, counts: dict[str, int]) -> dict[str, int]:
    return {begin + name: count for name, count in counts.items()}


def _bytes(size: float) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return _number(size / factor, unit)
    return _number(size, "B")


def _number(value: float, unit: str) -> str:
    """Write a number so that it stays in one line."""
    shown = f"{value:.1f}" if value < 10 and value != int(value) else f"{value:.0f}"  # noqa: PLR2004 - two digits
    return f"{shown}\N{NO-BREAK SPACE}{unit}"
