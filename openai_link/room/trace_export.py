"""Sends what turns took to an OpenTelemetry collector, through the standard SDK.

The SDK (extra ``traces``) is imported in a thread when the room opens: 0.2 s of a processor and
15 MiB; a room without ``traces_url`` has neither. Its own thread sends batches every 5 s. The
variables ``OTEL_EXPORTER_OTLP_HEADERS`` and ``OTEL_RESOURCE_ATTRIBUTES`` count as usual.
"""

from __future__ import annotations

import importlib.util
import logging
import queue
import threading
import time
from typing import TYPE_CHECKING

from mixer_core.runtime.errors import RequirementError

from .turn_traces import TurnTrace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as OtelSpan

MAX_WAITING = 64
"""Turns that wait to be sent; more are lost and counted."""
FLUSH_MS = 500
"""Longest time for the last spans when the room closes."""
MODULES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def check_installed(url: str) -> None:
    """Raise RequirementError where ``url`` is set and the SDK is not installed."""
    if not url:
        return
    try:
        missing = not all(importlib.util.find_spec(name) for name in MODULES)
    except ModuleNotFoundError:
        missing = True
    if missing:
        raise RequirementError(
            "[openai_link] traces_url needs a package: pip install 'mixminus[traces]', "
            "or leave it empty"
        )


class TraceExport:
    """Of one room."""

    def __init__(self, url: str, room: str, log: logging.LoggerAdapter[logging.Logger]) -> None:
        """``url``: of the collector, for OTLP over HTTP, such as
        ``http://127.0.0.1:4318/v1/traces``; empty: nothing is sent."""
        self._url = url
        self._room = room
        self._log = log
        self.lost = 0
        """Turns that were not sent."""
        self._waiting: queue.Queue[tuple[TurnTrace, int] | None] = queue.Queue(MAX_WAITING)
        self._thread: threading.Thread | None = None
        if url:
            self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
            self._thread.start()

    def send(self, trace: TurnTrace) -> None:
        """Send a turn, some time."""
        if self._thread is None:
            return
        try:
            self._waiting.put_nowait((trace, time.time_ns() - time.monotonic_ns()))
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """Send what waits, but not for long; blocks for at most a second."""
        if self._thread is None:
            return
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(2 * FLUSH_MS / 1000)

    def _run(self) -> None:
        try:
            provider = self._provider()
        except Exception as error:  # The room goes on without.
            self._log.warning("! turns are not traced: %r", error)
            return
        while (waiting := self._waiting.get()) is not None:
            record(provider, self._room, *waiting)
        provider.force_flush(FLUSH_MS)

    def _provider(self) -> TracerProvider:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = OTLPSpanExporter(endpoint=self._url)
        provider = TracerProvider(
            resource=Resource.create({"service.name": "mixminus"}), shutdown_on_exit=False
        )
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return provider


def record(provider: TracerProvider, room: str, trace: TurnTrace, offset_ns: int) -> None:
    """Give the spans of a turn to the SDK. ``offset_ns``: of Unix time to the spans' clock."""
    from opentelemetry.context import Context
    from opentelemetry.trace import Status, StatusCode, set_span_in_context

    tracer = provider.get_tracer("mixminus.room")
    context = Context()
    made: list[tuple[OtelSpan, int]] = []
    for span in trace.spans:
        attributes = {f"mixminus.{name}": value for name, value in span.attributes.items()}
        attributes["mixminus.room"] = room
        one = tracer.start_span(
            span.name, context, start_time=span.start_ns + offset_ns, attributes=attributes
        )
        if not made:
            context = set_span_in_context(one, context)
            if trace.outcome == "unanswered":
                one.set_status(Status(StatusCode.ERROR, "no answer"))
        made.append((one, span.end_ns + offset_ns))
    for one, end_ns in reversed(made):
        one.end(end_time=end_ns)
