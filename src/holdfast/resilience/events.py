"""What policies report: one event type, one listener interface, ready adapters.

Without listeners an event costs one check of an empty list. Adapters import their library when they are made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger("holdfast.resilience")


@dataclass(frozen=True, slots=True)
class PolicyEvent:
    """Something that a policy did.

    Attributes:
        policy: ``"retry"``, ``"circuit_breaker"``, ``"rate_limit"``, ``"bulkhead"``, ``"timeout"``,
            ``"hedge"``, ``"fallback"``, ``"chaos"``.
        name: of the policy object or the operation.
        kind: what happened, such as ``"attempt_failed"``, ``"opened"``, ``"rejected"``.
        details: JSON-safe facts; seconds where they are times.
    """

    policy: str
    name: str
    kind: str
    details: Mapping[str, object] = field(default_factory=dict)


Listener = Callable[[PolicyEvent], None]

_listeners: list[Listener] = []


def add_listener(listener: Listener) -> Callable[[], None]:
    """Tell a listener everything from now on; returns what removes it again."""
    _listeners.append(listener)

    def remove() -> None:
        if listener in _listeners:
            _listeners.remove(listener)

    return remove


def emit(policy: str, name: str, kind: str, **details: object) -> None:
    """Tell all listeners. What one of them raises is logged: a policy does not fail of being watched."""
    if not _listeners:
        return
    event = PolicyEvent(policy, name, kind, details)
    for listener in tuple(_listeners):
        try:
            listener(event)
        except Exception:
            log.exception("a listener failed at %s of %s", kind, name)


def structlog_listener() -> Listener:
    """Write events with structlog.

    Raises:
        ImportError: it is not installed.
    """
    import structlog  # noqa: PLC0415 - optional

    logger = structlog.get_logger("holdfast.resilience")

    def listen(event: PolicyEvent) -> None:
        what = f"{event.policy}.{event.kind}"
        logger.info(what, policy_name=event.name, **dict(event.details))

    return listen


def prometheus_listener(registry: Any = None) -> Listener:
    """Count events in ``holdfast_policy_events_total{policy,name,kind}``.

    Args:
        registry: of prometheus-client; its default one when None.

    Raises:
        ImportError: prometheus-client is not installed.
    """
    import prometheus_client  # noqa: PLC0415 - optional

    more = {} if registry is None else {"registry": registry}
    counter = prometheus_client.Counter(
        "holdfast_policy_events",
        "Events of resilience policies",
        ["policy", "name", "kind"],
        **more,
    )

    def listen(event: PolicyEvent) -> None:
        counter.labels(event.policy, event.name, event.kind).inc()

    return listen


def opentelemetry_listener() -> Listener:
    """Add events to the current span.

    Raises:
        ImportError: the OpenTelemetry API is not installed.
    """
    from opentelemetry import trace  # noqa: PLC0415 - optional

    def listen(event: PolicyEvent) -> None:
        attributes = {key: str(value) for key, value in event.details.items()}
        attributes["name"] = event.name
        trace.get_current_span().add_event(f"{event.policy}.{event.kind}", attributes)

    return listen
