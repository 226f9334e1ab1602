"""What an operator sees of a gateway and of a router: metrics, alert rules, and a section of the dashboard each."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3.gateway import GatewayState
from holdfast.ops import AlertRule, Kind, Metric, RuleKind, Severity
from holdfast.resilience import CircuitState

if TYPE_CHECKING:
    from holdfast.apps.i3.api import Api
    from holdfast.apps.i3.gateway import Gateway
    from holdfast.apps.i3.router import Router
    from holdfast.server.monitoring import Monitoring

ROWS_MAX: Final = 100
"""Rows of a table on the dashboard."""

STATES: Final = {CircuitState.CLOSED.value: 0, CircuitState.HALF_OPEN.value: 1}
"""How a breaker's state is shown as a number; open is 2."""

WELL: Final = frozenset({"on it", "not tried"})
"""How ``Gateway.links`` says of a router that nothing speaks against it."""

GATEWAY_METRICS: Final = (
    Metric("i3_gateway_cpu_percent", Kind.GAUGE, "Share of one processor that the program uses, in percent."),
    Metric("i3_gateway_memory_mb", Kind.GAUGE, "Memory of the program in MB."),
    Metric("i3_gateway_connections", Kind.GAUGE, "Clients of the API that are connected."),
    Metric("i3_gateway_uptime_seconds", Kind.GAUGE, "Seconds since the start."),
    Metric("i3_gateway_ready", Kind.GAUGE, "1 while a router has let us in, else 0."),
    Metric("i3_gateway_muds_online", Kind.GAUGE, "MUDs that are connected to the router."),
    Metric("i3_gateway_packets_sent_total", Kind.COUNTER, "Packets handed to routers."),
    Metric("i3_gateway_packets_received_total", Kind.COUNTER, "Packets that came from routers."),
    Metric("i3_gateway_bad_packets_total", Kind.COUNTER, "Packets that could not be read."),
    Metric("i3_gateway_reconnects_total", Kind.COUNTER, "Times that a router let us in again."),
    Metric("i3_gateway_queued", Kind.GAUGE, "Messages that wait durably for a router."),
    Metric("i3_gateway_paced", Kind.GAUGE, "Packets that wait for their turn at the router."),
    Metric("i3_gateway_expired_total", Kind.COUNTER, "Messages whose time was over before a router came."),
    Metric("i3_gateway_fate_unknown_total", Kind.COUNTER, "Messages that may not have arrived; told to their senders."),
    Metric("i3_gateway_refused_total", Kind.COUNTER, "Messages that were refused for want of room."),
    Metric("i3_gateway_probe_seconds", Kind.GAUGE, "Round trip to the router and back."),
    Metric("i3_gateway_letters_waiting", Kind.GAUGE, "Letters that wait durably for their MUDs."),
    Metric("i3_gateway_letters_delivered_total", Kind.COUNTER, "Letters that their MUDs have acknowledged."),
    Metric("i3_gateway_letters_expired_total", Kind.COUNTER, "Letters that were given up; told to their senders."),
    Metric("i3_gateway_letters_received_total", Kind.COUNTER, "Letters that were put into boxes here."),
    Metric("i3_gateway_posts_total", Kind.COUNTER, "Posts in the groups of news here."),
    Metric("i3_gateway_circuit_router_state", Kind.GAUGE, "0 on a router, 1 trying one, 2 none to be had."),
    Metric("i3_gateway_circuit_router_error_rate", Kind.GAUGE, "Share of known routers that could not be had, 0 to 1."),
    Metric("i3_gateway_circuit_muds_state", Kind.GAUGE, "0 all breakers of MUDs closed, 1 one tries, 2 one is open."),
    Metric("i3_gateway_circuit_muds_error_rate", Kind.GAUGE, "Share of questions to MUDs that failed, 0 to 1."),
    Metric("i3_gateway_circuit_store_state", Kind.GAUGE, "0 the store is well, 1 it is tried, 2 it is left alone."),
    Metric("i3_gateway_circuit_store_error_rate", Kind.GAUGE, "Share of the store's jobs that failed, 0 to 1."),
)  # fmt: skip

GATEWAY_RULES: Final = (
    AlertRule(
        "RouterAway", "i3_gateway_ready", RuleKind.BELOW, 0.5, hold=60, severity=Severity.CRITICAL,
        advice="No router lets us in. What is accepted waits; the dashboard says why for each router.",
    ),
    AlertRule(
        "MessagesWait", "i3_gateway_queued", RuleKind.ABOVE, 1000, hold=30,
        advice="Many messages wait for a router; they expire after their time to live.",
    ),
    AlertRule(
        "MessagesExpired", "i3_gateway_expired_total", RuleKind.RATE_ABOVE, 0.1, window=60,
        advice="Messages expire before a router comes; their senders are told.",
    ),
    AlertRule(
        "RouterPaces", "i3_gateway_paced", RuleKind.ABOVE, 100, hold=30,
        advice="More is said than the router takes; raise pace_rate if it allows more.",
    ),
    AlertRule(
        "MudsDoNotAnswer", "i3_gateway_circuit_muds_state", RuleKind.ABOVE, 1.5, hold=300,
        advice="A MUD has not answered for a while; questions to it are refused at once.",
    ),
)  # fmt: skip

ROUTER_METRICS: Final = (
    Metric("i3_router_connections", Kind.GAUGE, "Connections that are open."),
    Metric("i3_router_muds_up", Kind.GAUGE, "MUDs that are connected and let in."),
    Metric("i3_router_channels", Kind.GAUGE, "Channels."),
    Metric("i3_router_packets_in_total", Kind.COUNTER, "Packets that came."),
    Metric("i3_router_packets_out_total", Kind.COUNTER, "Packets that were passed on or answered."),
)


def watch_gateway(monitoring: Monitoring, gateway: Gateway, api: Api) -> None:
    """Show a gateway to its operator."""
    metrics = monitoring.metrics
    metrics.declare(*GATEWAY_METRICS)

    def share_of_cpu() -> float | None:
        share = metrics.value("holdfast_cpu_share")
        return None if share is None else share * 100

    def memory() -> float | None:
        size = metrics.value("holdfast_memory_bytes")
        return None if size is None else size / 1e6

    metrics.read("i3_gateway_cpu_percent", share_of_cpu)
    metrics.read("i3_gateway_memory_mb", memory)
    metrics.read("i3_gateway_connections", lambda: len(api.sessions))
    metrics.read("i3_gateway_uptime_seconds", monitoring.subject.uptime)
    metrics.read("i3_gateway_ready", lambda: int(gateway.is_ready))
    for metric, name in {
        "i3_gateway_muds_online": "online_muds",
        "i3_gateway_queued": "queued",
        "i3_gateway_paced": "paced",
        "i3_gateway_probe_seconds": "probe_seconds",
        "i3_gateway_letters_waiting": "letters_waiting",
    }.items():
        metrics.read(metric, partial(_figure, gateway, name))
    for metric, name in {
        "i3_gateway_packets_sent_total": "packets_sent",
        "i3_gateway_packets_received_total": "packets_received",
        "i3_gateway_bad_packets_total": "bad_packets",
        "i3_gateway_reconnects_total": "reconnects",
        "i3_gateway_expired_total": "expired",
        "i3_gateway_fate_unknown_total": "fate_unknown",
        "i3_gateway_refused_total": "refused",
        "i3_gateway_letters_delivered_total": "letters_delivered",
        "i3_gateway_letters_expired_total": "letters_expired",
        "i3_gateway_letters_received_total": "letters_received",
        "i3_gateway_posts_total": "posts",
    }.items():
        metrics.follow(metric, partial(_count, gateway, name))
    metrics.read("i3_gateway_circuit_router_state", lambda: _router_state(gateway))
    metrics.read("i3_gateway_circuit_router_error_rate", lambda: _router_rate(gateway))
    metrics.read("i3_gateway_circuit_muds_state", lambda: _worst(gateway.breakers.statistics()))
    metrics.read("i3_gateway_circuit_muds_error_rate", lambda: _rate(gateway.breakers.statistics()))
    database = monitoring.subject.database
    if database is not None:
        store = database.breaker.statistics
        metrics.read("i3_gateway_circuit_store_state", lambda: _worst({"store": store()}))
        metrics.read("i3_gateway_circuit_store_error_rate", lambda: _rate({"store": store()}))
    monitoring.alerts.add_rules(*GATEWAY_RULES)
    monitoring.add_trend("i3_gateway_packets_received_total", "Packets from the router")
    monitoring.add_trend("i3_gateway_packets_sent_total", "Packets to the router")
    monitoring.add_trend("i3_gateway_queued", "Messages that wait for a router")
    monitoring.add_panel("gateway", lambda: gateway_panel(gateway, api))


def watch_router(monitoring: Monitoring, router: Router) -> None:
    """Show a router to its operator."""
    metrics = monitoring.metrics
    metrics.declare(*ROUTER_METRICS)
    metrics.read("i3_router_connections", lambda: router.statistics()["connections"])
    metrics.read("i3_router_muds_up", lambda: router.statistics()["muds_up"])
    metrics.read("i3_router_channels", lambda: router.statistics()["channels"])
    metrics.follow("i3_router_packets_in_total", lambda: router.statistics()["packets_in"])
    metrics.follow("i3_router_packets_out_total", lambda: router.statistics()["packets_out"])
    monitoring.add_trend("i3_router_packets_in_total", "Packets from MUDs")
    monitoring.add_panel("router", lambda: router_panel(router))


def gateway_panel(gateway: Gateway, api: Api) -> dict[str, object]:
    """Describe a gateway for the dashboard."""
    figures = gateway.statistics()
    shown = (
        "state",
        "router",
        "online_muds",
        "mud_count",
        "channel_count",
        "paced",
        "queued",
        "unconfirmed",
        "letters_waiting",
    )
    names = ("Towards the router", "Router", "MUDs online", "MUDs known", "Channels known", "Wait for their turn",
             "Wait for a router", "Not confirmed yet", "Letters that wait")  # fmt: skip
    links = gateway.links()
    muds = sorted(gateway.muds.values(), key=lambda mud: (not mud.is_up, mud.name))
    return {
        "title": f"Intermud-3: {gateway.name}",
        "figures": {
            **dict(zip(names, (_cell(figures[name]) for name in shown), strict=True)),
            "Clients": len(api.sessions),
            "Expired": _cell(figures["expired"]),
            "Fate unknown": _cell(figures["fate_unknown"]),
        },
        "tables": [
            {
                "title": "Routers",
                "columns": ["Name", "Address", "State"],
                "rows": [list(link) for link in links],
                "empty": "No router is known.",
            },
            {
                "title": "Channels that are listened to",
                "columns": ["Name", "Host", "Listens only"],
                "rows": [
                    [name, _host(gateway, name), "yes" if is_only else "no"]
                    for name, is_only in sorted(gateway.subscriptions.items())
                ],
                "empty": "No channel is listened to; a client joins one with channel_join.",
            },
            {
                "title": "MUDs",
                "columns": ["Name", "State", "Driver", "Mudlib"],
                "rows": [
                    [mud.name, "up" if mud.is_up else "down", mud.driver, mud.mudlib]
                    for mud in muds[: ROWS_MAX + 1]
                ],
                "empty": "The router has not sent its list yet.",
            },
        ],
    }


def router_panel(router: Router) -> dict[str, object]:
    """Describe a router for the dashboard."""
    up = router.up
    return {
        "title": f"Intermud-3 router {router.name}",
        "figures": {name.replace("_", " "): value for name, value in router.statistics().items()},
        "tables": [
            {
                "title": "MUDs",
                "columns": ["Name", "State", "Driver"],
                "rows": [
                    [name, "up" if name in up else "down", row.driver]
                    for name, row in sorted(router.muds.items())[: ROWS_MAX + 1]
                ],
                "empty": "No MUD has come yet.",
            },
            {
                "title": "Channels",
                "columns": ["Name", "Host"],
                "rows": [
                    [name, channel.host]
                    for name, channel in sorted(router.channels.items())[: ROWS_MAX + 1]
                ],
                "empty": "There is no channel yet; a MUD makes one with channel_add.",
            },
        ],
    }


def _figure(gateway: Gateway, name: str) -> float | None:
    value = gateway.statistics()[name]
    return float(value) if isinstance(value, int | float) else None


def _count(gateway: Gateway, name: str) -> float:
    return _figure(gateway, name) or 0.0


def _host(gateway: Gateway, channel: str) -> str:
    known = gateway.channels.get(channel)
    return "not in the router's list" if known is None else known.owner


def _cell(value: object) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _router_state(gateway: Gateway) -> int:
    if gateway.is_ready:
        return 0
    return 1 if gateway.state is GatewayState.STARTING else 2


def _router_rate(gateway: Gateway) -> float:
    links = gateway.links()
    return sum(state not in WELL for _, _, state in links) / len(links) if links else 0.0


def _worst(breakers: dict[str, dict[str, object]]) -> int:
    return max((STATES.get(str(each["state"]), 2) for each in breakers.values()), default=0)


def _rate(breakers: dict[str, dict[str, object]]) -> float:
    calls = failures = 0
    for each in breakers.values():
        assert isinstance(each["calls"], int) and isinstance(each["failures"], int)  # noqa: PT018 - two counts
        calls += each["calls"]
        failures += each["failures"]
    return failures / calls if calls else 0.0
