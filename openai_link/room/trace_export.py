"""Sends what turns took to an OpenTelemetry collector, through the standard SDK.

The SDK (extra ``traces``) is imported in a thread when the room opens: 0.2 s of a processor and
15 MiB; a room without ``traces_url`` has neither. Its own thread sends batches every 5 s. The
variables ``OTEL_EXPORTER_OTLP_HEADERS`` and ``OTEL_RESOURCE_ATTRIBUTES`` count as usual. Turns that
do not arrive are counted, and told in one line a minute.
"""

from __future__ import annotations

import importlib.util
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mixer_core.runtime.errors import RequirementError
from mixer_core.runtime.repeated import Repeated

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span as OtelSpan

    from .turn_traces import TurnTrace

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
        """Turns that no collector has taken."""
        self._lines = Repeated()
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
            self._lose(1, "they come faster than they are sent")

    def close(self) -> None:
        """Send what waits, but not for long; blocks for at most a second."""
        if self._thread is None:
            return
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            self._lose(MAX_WAITING, "the room has closed")
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

    def _lose(self, turns: int, why: str) -> None:
        self.lost += turns
        more = self._lines.line("lost", time.monotonic_ns())
        if more is not None:
            self._log.warning(
                "! turns are not traced, %d so far: %s (%s)%s", self.lost, why, self._url, more
            )

    def _refused(self, turns: int) -> None:
        if turns:  # Else the beginning of one that is in the next batch.
            self._lose(turns, "the collector cannot be reached or has refused them")

    def _provider(self) -> TracerProvider:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        # What it says of each try is said here, once a minute.
        logging.getLogger(OTLPSpanExporter.__module__).setLevel(logging.CRITICAL)
        exporter = counting(OTLPSpanExporter(endpoint=self._url), self._refused)
        provider = TracerProvider(
            resource=Resource.create({"service.name": "mixminus"}), shutdown_on_exit=False
        )
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return provider


def counting(exporter: SpanExporter, refused: Callable[[int], None]) -> SpanExporter:
    """The exporter, which tells how many turns were in a batch that did not arrive."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Counting(SpanExporter):
        """Passes everything on."""

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            try:
                result = exporter.export(spans)
            except Exception:  # A batch must not end the thread that sends the next one.
                result = SpanExportResult.FAILURE
            if result is not SpanExportResult.SUCCESS:
                refused(sum(span.parent is None for span in spans))
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return exporter.force_flush(timeout_millis)

    return Counting()


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
