"""Spans of OpenTelemetry: from a client's message to its commit and to those who read it.

Nothing is traced, and nothing costs anything, unless an exporter is configured as OpenTelemetry has it
(``OTEL_EXPORTER_OTLP_ENDPOINT``) and ``pip install holdfast[otel]`` has brought its parts.
"""

from __future__ import annotations

import importlib
import logging
import os
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger("holdfast.tracing")

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Followed(Protocol):
    """A transaction: what is called when it is committed, in order, and when it could not be."""

    after: list[Callable[[], None]]
    failed: list[Callable[[Any], None]]


class Span(Protocol):
    """Of one message."""

    def follow(self, tx: Followed) -> None:
        """End with a transaction."""


class Traces(Protocol):
    """Makes spans, or does not."""

    def message(self, **attributes: str | int) -> Span:
        """Begin the span of a client's message."""


class Untraced:
    """Makes no spans, and costs next to nothing."""

    def message(self, **attributes: str | int) -> Untraced:  # noqa: ARG002 - of the protocol
        """Begin nothing."""
        return self

    def follow(self, tx: Followed) -> None:
        """End nothing."""


class Tracing:
    """Makes spans.

    Args:
        tracer: of the OpenTelemetry API.
        shutdown: sends what is left when the program ends.
    """

    def __init__(self, tracer: Any, shutdown: Any = None) -> None:
        self._tracer = tracer
        self._shutdown = shutdown
        self._context = importlib.import_module("opentelemetry.trace").set_span_in_context

    def message(self, **attributes: str | int) -> MessageSpan:
        """Begin the span of a client's message."""
        return MessageSpan(self._tracer, self._context, attributes)

    def shutdown(self) -> None:
        """Send what is left; harmless when there is nothing."""
        if self._shutdown is not None:
            self._shutdown()


class MessageSpan:
    """From the arrival of a message to its last reader, with the commit and the fan-out in it."""

    __slots__ = ("_inner", "_parent", "_root", "_tracer")

    def __init__(self, tracer: Any, in_context: Any, attributes: Mapping[str, str | int]) -> None:
        self._tracer = tracer
        self._root = tracer.start_span("holdfast.message", attributes=attributes)
        self._parent = in_context(self._root)
        self._inner = tracer.start_span("holdfast.commit", context=self._parent)

    def follow(self, tx: Followed) -> None:
        """End with a transaction: the commit when it is, all of it when its last word is said."""
        tx.after.insert(0, self.committed)
        tx.after.append(self.sent)
        tx.failed.append(self.failed)

    def committed(self) -> None:
        """The store has it; now it is sent to those who read it."""
        self._inner.end()
        self._inner = self._tracer.start_span("holdfast.fan_out", context=self._parent)

    def sent(self) -> None:
        """All have been sent it."""
        self._inner.end()
        self._root.end()

    def failed(self, error: BaseException) -> None:
        """The commit failed."""
        self._inner.record_exception(error)
        self._inner.end()
        self._root.end()


def configure_tracing(environment: Mapping[str, str] | None = None) -> Tracing | None:
    """Make spans if an exporter is configured.

    Args:
        environment: the process's own by default.

    Returns:
        None when none is, or when its parts are not installed (the log says so).
    """
    environment = os.environ if environment is None else environment
    if not any(environment.get(name) for name in ENDPOINTS):
        return None
    try:
        trace = importlib.import_module("opentelemetry.trace")
        sdk = importlib.import_module("opentelemetry.sdk.trace")
        export = importlib.import_module("opentelemetry.sdk.trace.export")
        otlp = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        resources = importlib.import_module("opentelemetry.sdk.resources")
    except ImportError as error:
        log.warning("nothing is traced: %s; pip install holdfast[otel]", error)
        return None
    resource = resources.Resource.create(
        {"service.name": environment.get("OTEL_SERVICE_NAME", "holdfast")}
    )
    provider = sdk.TracerProvider(resource=resource)
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return Tracing(provider.get_tracer("holdfast"), provider.shutdown)
