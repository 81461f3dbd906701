"""Server events of the Realtime API: both transports' reading, the dialects, a room's engine."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from mixer_core.bus.events import encode_map
from mixer_core.journal.records import ItemRecord, Record, UsageRecord
from mixer_core.runtime.errors import FrameError, UpstreamError
from mixer_core.runtime.foreign_text import MAX_WORDS
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.units import MS_NS
from openai_link.realtime.problems import explain
from openai_link.realtime.refusals import read_close, read_event, read_refusal, unusable
from openai_link.realtime.upstream import Upstream
from openai_link.room import actions as do
from openai_link.room.actions import Action
from openai_link.room.engine import RoomEngine
from openai_link.room.parts import RoomConfig
from openai_link.settings import OpenaiLinkSettings
from openai_link.tools.actions import RunTool
from openai_link.transport.interface import Callbacks
from openai_link.transport.peer_call import RealtimeCall
from openai_link.transport.websocket_transport import WebsocketTransport
from tests.fuzz.border import Border

UPSTREAM = Upstream("openai", "http://127.0.0.1:9/v1", "sk-test", False)
WALL_MS = 1_800_000_000_000
STEP_NS = 20 * MS_NS
MOST_TICKS = 400
PER_EVENT = 80
"""Actions that one event may lead to, on the average."""
DIALECTS = ("auto", "ga", "beta")


class _Log(logging.Handler):
    """What is written to the log."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class _Room:
    """An engine whose sessions come up at once; its actions must be such as can be carried out."""

    def __init__(self, settings: OpenaiLinkSettings) -> None:
        self.now_ns = 0
        self.session = 0
        self.actions = 0
        config = RoomConfig("den", settings, UPSTREAM, "t", lambda ms: "day", lambda: 0.5)
        self.engine = RoomEngine(config, WALL_MS, 0)
        self.do(self.engine.open(0))
        self.do(self.engine.journal_recovered([], "day", 0.0, 0))
        people = [{"participant": "p-1", "name": "Ada"}]
        self.do(self.engine.roster({"type": "participants", "participants": people}, 0))

    def do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self.actions += 1
            match action:
                case do.OpenSession(session):
                    self.session = session
                    self.do(self.engine.session_answered(session, False, self.now_ns))
                    self.do(self.engine.session_up(session, self.now_ns))
                case do.SendEvent(_, event) | do.ClearOutput(_, event):
                    json.dumps(event, ensure_ascii=False).encode()
                case do.TellBrowsers(event):
                    _can_be_told(event)
                case do.WriteJournal(records, ticket):
                    _can_be_written(records)
                    if ticket is not None:
                        self.do(self.engine.journal_written(ticket, self.now_ns))
                case RunTool(call):
                    self.do(self.engine.tool_answered(call, '{"result":"done"}', self.now_ns))
                case do.Log(_, text):
                    assert len(text) < 4_000 and "\n" not in text

    def event(self, event: Mapping[str, Any]) -> None:
        self.now_ns += STEP_NS
        self.do(self.engine.server_event(self.session, event, self.now_ns))

    def live(self) -> None:
        """Let time pass until nothing is due soon."""
        until_ns, busy = self.now_ns + 5_000 * MS_NS, 0
        for _ in range(MOST_TICKS):
            due_ns = self.engine.next_timeout_ns()
            if due_ns is None or due_ns > until_ns:
                return
            busy = busy + 1 if due_ns <= self.now_ns else 0
            assert busy < 5, "a time-out stays due"
            self.now_ns = max(self.now_ns, due_ns)
            self.do(self.engine.tick(self.now_ns))


def _can_be_told(event: Mapping[str, Any]) -> None:
    """One that does not fit is left out by the mixer's client, and only that."""
    try:
        encode_map(dict(event))
    except (FrameError, ValueError, OverflowError):
        return


def _can_be_written(records: Sequence[Record]) -> None:
    """SQLite takes every value."""
    for record in records:
        rows: list[Any] = [record]
        if isinstance(record, ItemRecord):
            rows = [record.item]
        elif isinstance(record, UsageRecord):
            rows = [record, record.tokens]
            json.dumps(record.shares)
        for row in rows:
            values = [getattr(row, f.name) for f in fields(row)]
            plain = [v for v in values if v is None or isinstance(v, str | int | float)]
            _DATABASE.execute(f"SELECT {', '.join('?' * len(plain))}", plain)


_DATABASE = sqlite3.connect(":memory:", check_same_thread=False)


def attempt_events(data: bytes) -> None:
    """Nothing is raised or logged as a fault; what follows can be sent, told and written."""
    handler = _Log()
    logger = logging.Logger("fuzz", logging.INFO)
    logger.addHandler(handler)
    log: logging.LoggerAdapter[logging.Logger] = logging.LoggerAdapter(logger)
    texts = _texts(data)
    beta = DIALECTS[len(data) % 3]
    settings = OpenaiLinkSettings(
        transport="websocket" if len(data) % 2 else "webrtc",
        dialect=beta,  # type: ignore[arg-type]
        greet=not len(data) % 5,
    )
    room = _Room(settings)
    if len(data) % 2:
        _by_websocket(room, settings, texts, log)
    else:
        _by_webrtc(room, texts, log)
    room.live()
    room.do(room.engine.session_lost(room.session, UpstreamError("x", "gone"), room.now_ns))
    room.live()
    room.do(room.engine.stop(room.now_ns))
    assert room.actions <= 200 + PER_EVENT * len(texts) + 20 * MOST_TICKS, room.actions
    faults = [record for record in handler.records if record.levelno >= logging.ERROR]
    if faults:
        error = faults[0].exc_info[1] if faults[0].exc_info else None
        raise AssertionError(faults[0].getMessage()) from error


def _texts(data: bytes) -> list[str]:
    """A JSON list is a list of events, anything else is one message."""
    text = data.decode("utf-8", "replace")
    try:
        events = json.loads(text)
        if isinstance(events, list):
            return [json.dumps(event) for event in events[:60]]
    except (ValueError, RecursionError):
        pass
    return [text]


def _by_websocket(room: _Room, settings: OpenaiLinkSettings, texts: list[str], log: Any) -> None:
    lost: list[UpstreamError] = []

    def on_lost(error: UpstreamError) -> None:
        lost.append(error)
        room.do(room.engine.session_lost(room.session, error, room.now_ns))

    def on_audio(pcm: bytes, stamp_ns: int, _: int, concealed: bool) -> None:
        assert len(pcm) == 960
        room.engine.reply_audio(room.session, pcm, stamp_ns, concealed, room.now_ns)

    def on_delivered(item: str, samples: int) -> None:
        room.engine.samples_delivered(room.session, item, samples, room.now_ns)

    callbacks = Callbacks(
        on_answered=_nothing,
        on_up=_nothing,
        on_event=room.event,
        on_audio=on_audio,
        on_delivered=on_delivered,
        on_lost=on_lost,
        on_change=_nothing,
    )
    latency = Metrics().histogram("uplink_latency_ms")
    http: Any = None
    transport = WebsocketTransport(UPSTREAM, settings, http, latency, log, callbacks)
    for text in texts:
        transport._text(text)
    assert len(lost) <= 1
    transport.counters()


def _by_webrtc(room: _Room, texts: list[str], log: Any) -> None:
    none: Any = None
    call = RealtimeCall(
        UPSTREAM, none, none, log, _nothing, _nothing, _ignore, room.event, _ignore, none
    )
    for number, text in enumerate(texts):
        call._message(text.encode("utf-8", "replace") if number % 2 else text)


def _nothing() -> None:
    pass


def _ignore(_: object) -> None:
    pass


def _seeds_events() -> Iterator[bytes]:
    """Conversations that our simulator holds."""
    from tests.fuzz.borders.recorded import conversations

    for events in conversations():
        for padding in ("", " ", "  ", "   ", "    ", "     "):
            yield json.dumps(events).encode() + padding.encode()


# -- refusals -------------------------------------------------------------------------------------

STATUSES = (400, 401, 403, 404, 408, 415, 422, 429, 500, 501, 502, 503, 529, 302)
MOST_CODE = 200


def attempt_refusals(data: bytes) -> None:
    """Headers, a NUL, a body: an error in one line of text comes of it, and nothing else."""
    head, _, body = data.partition(b"\0")
    lines = [line.partition(":") for line in head.decode("latin-1").split("\n")]
    headers = {name.strip(): value.strip() for name, _, value in lines}
    status = STATUSES[len(data) % len(STATUSES)]
    text = body.decode("utf-8", "replace")
    for error in (
        read_refusal(status, headers, body, 1.8e9),
        read_event(headers.get("code", ""), text, headers.get("param", "")),
        read_close(1000 + status, text),
        unusable("the answer is not SDP", text),
    ):
        words = str(error)
        assert len(words) <= MAX_WORDS + 200, len(words)
        assert words.isprintable() or not any(ord(c) < 32 for c in words)
        assert len(error.code) <= MOST_CODE or error.code == headers.get("code")
        assert 0 <= error.retry_after_s <= 86_400
        problem = explain(error, UPSTREAM)
        assert "\n" not in problem.message


def _seeds_refusals() -> Iterator[bytes]:
    bodies: list[Any] = [
        {"error": {"code": "invalid_api_key", "type": "auth", "message": "Incorrect API key"}},
        {"error": "code", "error_description": "words"},
        {"detail": [{"loc": ["body", "model"], "msg": "field required"}]},
        {"errors": [{"code": 7, "message": "Rate limit: try again in 1m30s"}]},
        {"message": 'upstream said {"error": {"message": "inner", "code": "x"}}'},
    ]
    for body in bodies:
        yield b"Content-Type: application/json\0" + json.dumps(body).encode()
    page = b"<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>"
    yield b"Content-Type: text/html; charset=latin-1\0" + page
    yield b"Retry-After: Wed, 21 Oct 2030 07:28:00 GMT\nretry-after-ms: 1500\0wait 2 minutes"
    yield b'code: 429\nparam: session.tools[3]\0event: error\ndata: {"message": "slow down"}'
    yield b"\0\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36"


BORDERS = (
    Border(
        "events",
        "Realtime server events, over WebRTC and WebSocket",
        "no exception in a transport or the engine; client events are JSON, what people are told "
        "fits or is left out, SQLite takes every record; no time-out stays due",
        attempt_events,
        _seeds_events,
        (
            *("openai_link.realtime.reducer", "openai_link.realtime.reduce_items"),
            *("openai_link.realtime.reduce_responses", "openai_link.realtime.reduce_calls"),
            *("openai_link.realtime.item_words", "openai_link.realtime.our_messages"),
            *("openai_link.realtime.reduce_errors", "openai_link.realtime.dialect"),
            *("openai_link.realtime.answers", "openai_link.realtime.captions"),
            *("openai_link.realtime.item_content", "openai_link.realtime.confirmed"),
            *("openai_link.transport.websocket_transport", "openai_link.media.reply_player"),
            *("openai_link.room.session_course", "openai_link.room.realtime_session"),
            *("openai_link.room.session_terms", "openai_link.room.record"),
        ),
        form="json",
        tokens=(
            *(b'"type":', b'"item":', b'"response":', b'"output":', b'"content":', b"null"),
            *(b"response.done", b"conversation.item.added", b"in_progress", b"completed"),
            *(b"error", b"session.created", b"audio", b"text", b"call_1", b"item_1", b"resp_1"),
        ),
        most_bytes=24_000,
        short=60,
    ),
    Border(
        "refusals",
        "refusals of the Realtime server: status, headers, body, close reason",
        "an UpstreamError in one line of bounded length, a wait of at most a day, and no markup",
        attempt_refusals,
        _seeds_refusals,
        (
            *("openai_link.realtime.refusals", "openai_link.realtime.refusal_body"),
            *("openai_link.realtime.problems", "mixer_core.runtime.foreign_text"),
        ),
        tokens=(
            *(b'"error":', b'{"', b'"message":', b"<title>", b"<!", b"]]>", b"<![CDATA["),
            *(b"try again in ", b"9999999h", b"\x1f\x8b\x08", b"\xff\xfe", b"\\u0000", b"\\ud800"),
            *(b"Retry-After: ", b"Content-Type: ", b"charset=", b"insufficient_quota", b"data: "),
        ),
        short=300,
    ),
)
