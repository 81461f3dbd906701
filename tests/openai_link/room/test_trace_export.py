"""Turns at an OpenTelemetry collector: what the SDK sends over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from mixer_core.runtime import logs
from mixer_core.runtime.errors import RequirementError
from openai_link.room import trace_export
from openai_link.room.trace_export import (
    MAX_WAITING,
    TraceExport,
    check_installed,
    counting,
    record,
)
from openai_link.room.turn_traces import Span, TurnTrace

pytestmark = pytest.mark.sockets
TURN = TurnTrace(
    "played",
    (
        Span("turn", 1_000, 9_000, {"kind": "spoken", "session": 1}),
        Span("committed", 1_000, 3_000),
        Span("tool", 4_000, 8_000, {"tool": "get_time"}),
    ),
)


class Collector:
    """Takes what is posted to it."""

    def __init__(self) -> None:
        bodies: list[bytes] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.bodies = bodies
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_collector_gets_the_turn_and_its_parts_at_their_times(collector: Collector) -> None:
    export = TraceExport(collector.url, "home", logs.get("openai_link", room="home"))
    before_ns = time.time_ns() - time.monotonic_ns()
    export.send(TURN)
    assert export._thread is not None
    export._waiting.put(None)
    export._thread.join(60)
    (body,) = collector.bodies
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert any(a.value.string_value == "mixminus" for a in resource.resource.attributes)
    spans = {span.name: span for scope in resource.scope_spans for span in scope.spans}
    root = spans["turn"]
    assert not root.parent_span_id and len(spans) == 3
    for wanted in TURN.spans:
        span = spans[wanted.name]
        assert span.trace_id == root.trace_id
        assert span.name == "turn" or span.parent_span_id == root.span_id
        assert (
            span.end_time_unix_nano - span.start_time_unix_nano == wanted.end_ns - wanted.start_ns
        )
        assert abs(span.start_time_unix_nano - wanted.start_ns - before_ns) < 1_000_000_000
        given = {a.key: a.value for a in span.attributes}
        assert given["mixminus.room"].string_value == "home"
    assert {a.key for a in spans["tool"].attributes} == {"mixminus.tool", "mixminus.room"}


def test_without_an_address_there_is_no_thread_and_nothing_waits() -> None:
    export = TraceExport("", "home", logs.get("openai_link"))
    export.send(TURN)
    export.close()
    assert export._thread is None and export._waiting.empty()


def test_a_collector_that_is_away_costs_only_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    monkeypatch.setattr(TraceExport, "_run", lambda self: held.wait(60))
    export = TraceExport("http://127.0.0.1:9/", "home", logs.get("openai_link"))
    for _ in range(MAX_WAITING + 3):
        export.send(TURN)
    held.set()
    assert export.lost == 3


class Refusing:
    """An exporter whose collector takes nothing."""

    def __init__(self, error: Exception | None) -> None:
        self.error, self.is_closed = error, False

    def export(self, spans: object) -> SpanExportResult:
        if self.error is not None:
            raise self.error
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.is_closed = True

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


@pytest.mark.parametrize("error", [None, ConnectionError("refused")])
def test_turns_that_do_not_arrive_are_counted_and_told_once(
    caplog: pytest.LogCaptureFixture, error: Exception | None
) -> None:
    export = TraceExport("", "home", logs.get("openai_link"))
    exporter = Refusing(error)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(counting(exporter, export._refused)))
    for _ in range(3):
        record(provider, "home", TURN, 0)
    provider.shutdown()
    assert export.lost == 3 and exporter.is_closed
    told = [entry.getMessage() for entry in caplog.records]
    assert len(told) == 1 and "1 so far: the collector cannot be reached" in told[0]


def test_who_wants_traces_without_the_packages_is_told_so_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_installed("http://127.0.0.1:9/")
    monkeypatch.setattr(trace_export, "MODULES", ("no_such_package_here.sdk",))
    check_installed("")
    with pytest.raises(RequirementError, match=r"mixminus\[traces\]"):
        check_installed("http://127.0.0.1:9/")
