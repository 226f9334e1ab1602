"""Spans from a client's message to its commit and its readers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from holdfast.ops import Tracing, configure_tracing
from holdfast.session import SessionClient
from tests.support.room import Room
from tests.support.serving import listening

if TYPE_CHECKING:
    from pathlib import Path


def exporting() -> tuple[Tracing, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider.get_tracer("test"), provider.shutdown), exporter


async def test_a_message_is_a_span_with_its_commit_and_its_fan_out(tmp_path: Path) -> None:
    tracing, exporter = exporting()
    async with listening(Room(), tmp_path, tracing=tracing) as (_, url):
        async with SessionClient(url, {}) as ada:
            await ada.send({"say": "hi"})
    commit, fan_out, message = exporter.get_finished_spans()
    assert [commit.name, fan_out.name, message.name] == [
        "holdfast.commit", "holdfast.fan_out", "holdfast.message",
    ]  # fmt: skip
    assert message.context is not None
    for inner in (commit, fan_out):
        assert inner.parent is not None
        assert inner.parent.span_id == message.context.span_id
    assert commit.end_time is not None
    assert fan_out.start_time is not None
    assert commit.end_time <= fan_out.start_time
    tracing.shutdown()


async def test_a_commit_that_fails_is_in_its_span(tmp_path: Path) -> None:
    tracing, exporter = exporting()
    async with listening(Room(), tmp_path, tracing=tracing) as (_, url):
        async with SessionClient(url, {}) as ada:
            with pytest.raises(TimeoutError):
                import asyncio

                async with asyncio.timeout(0.5):
                    await ada.send({"break": 1})
    spans = exporter.get_finished_spans()
    assert {span.name for span in spans} == {"holdfast.commit", "holdfast.message"}
    assert any(event.name == "exception" for span in spans for event in span.events)


def test_nothing_is_traced_unless_somebody_asks(caplog: pytest.LogCaptureFixture) -> None:
    assert configure_tracing({}) is None
    assert caplog.records == []


def test_what_is_not_installed_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("holdfast.ops.tracing.importlib.import_module", missing)
    with caplog.at_level(logging.WARNING):
        assert configure_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}) is None
    assert "holdfast[otel]" in caplog.text
