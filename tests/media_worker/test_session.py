"""A call's policy, event by event, without a socket or a clock."""

from __future__ import annotations

import json
from typing import Any

import pytest

from media_worker import session
from media_worker.session import Announce, Close, DropQueuedAudio, SendAudio, SendBus, SendControl
from media_worker.settings import MediaWorkerSettings
from mixer_core.bus import events
from mixer_core.bus.control import Offer
from mixer_core.bus.frames import FLAG_PAUSE, Frame, Kind
from mixer_core.runtime.errors import BrowserMessageError

MS = 1_000_000
S = 1_000 * MS
STREAM = 77
OFFER = Offer("p-1", "home", STREAM, "conference", "Ada", "v=0")
INFO = events.StreamInfo("browser", "home", "p-1", "Ada", False, "conference")


def new() -> session.Session:
    return session.Session(OFFER, MediaWorkerSettings(), 0)


def opened(*, framed: bool = True) -> session.Session:
    call = new()
    call.opened(framed=framed, now_ns=0)
    return call


def in_room() -> session.Session:
    call = opened()
    call.bus_frame(Frame(Kind.START, STREAM), MS)
    return call


def texts(actions: list[session.Action]) -> list[dict[str, Any]]:
    return [json.loads(action.text) for action in actions if isinstance(action, SendControl)]


def bus(actions: list[session.Action]) -> list[SendBus]:
    return [action for action in actions if isinstance(action, SendBus)]


def event(epoch: int = 0, flags: int = 0, **content: Any) -> Frame:
    return Frame(Kind.EVENT, STREAM, epoch, 0, flags, 0, events.encode_map(content))


def test_opening_announces_and_starts() -> None:
    call = new()
    assert call.opened(framed=False, now_ns=5) == [
        Announce(),
        SendBus(Kind.START, 0, INFO.encode()),
    ]
    assert call.status == "connected"
    assert call.opened(framed=False, now_ns=6) == []


def test_start_is_repeated_fast_until_acknowledged_and_then_slowly() -> None:
    call = opened()
    for now_ms in (50, 100, 150):
        assert call.next_timeout_ns() == now_ms * MS
        assert [a.kind for a in bus(call.timeout(now_ms * MS, 0))] == [Kind.START]
    call.bus_frame(Frame(Kind.START, STREAM), 160 * MS)
    assert call.next_timeout_ns() == 1160 * MS
    call.timeout(1160 * MS, 1160 * MS)
    assert call.next_timeout_ns() == 1210 * MS


def test_welcome_comes_once_with_the_epoch_of_the_room() -> None:
    call = opened()
    welcome = call.bus_frame(Frame(Kind.START, STREAM, epoch=9), MS)
    assert texts(welcome) == [
        {
            "type": "welcome",
            "room": "home",
            "participant": "p-1",
            "mode": "conference",
            "version": 1,
            "stream": STREAM,
            "epoch": 9,
            "push_to_talk": False,
            "speaks": True,
        }
    ]
    assert call.bus_frame(Frame(Kind.START, STREAM, epoch=9), 2 * MS) == []
    assert bus(call.timeout(2 * S, 2 * S))[0].epoch == 9


def test_a_connection_that_does_not_open_is_given_up() -> None:
    call = new()
    assert call.next_timeout_ns() == 10 * S
    assert call.timeout(10 * S - 1, 0) == []
    assert call.timeout(10 * S, 10 * S) == [
        Announce(),
        Close("no channel was opened within 10 s"),
    ]
    assert call.status == "closed"
    assert call.next_timeout_ns() is None


def test_a_silent_peer_is_dead_after_three_seconds() -> None:
    call = in_room()
    heard = 700 * MS
    call.timeout(1001 * MS, heard)
    now = 0
    while call.status == "connected":
        due = call.next_timeout_ns()
        assert due is not None and due > now
        now = due
        actions = call.timeout(now, heard)
        call.bus_frame(Frame(Kind.START, STREAM), now)
    assert now == heard + 3 * S
    assert actions == [SendBus(Kind.STOP, 0), Announce(), Close("nothing came for 3 s")]


def test_a_newer_epoch_in_any_frame_flushes() -> None:
    call = in_room()
    expected = [DropQueuedAudio(), SendControl('{"type":"flush","epoch":4}')]
    assert call.bus_frame(Frame(Kind.FLUSH, STREAM, epoch=4), 0) == expected
    assert call.bus_frame(Frame(Kind.FLUSH, STREAM, epoch=4), 0) == []
    assert call.bus_frame(Frame(Kind.FLUSH, STREAM, epoch=3), 0) == []
    assert texts(call.bus_frame(event(5, type="state", assistant="idle"), 0)) == [
        {"type": "flush", "epoch": 5},
        {"type": "state", "assistant": "idle"},
    ]
    assert call.epoch_seen(6)
    assert call.epoch == call.outbox.epoch == 6


def test_identify_is_answered_with_start_at_once() -> None:
    actions = in_room().bus_frame(event(type="identify"), 5 * MS)
    assert actions == [SendBus(Kind.START, 0, INFO.encode())]


@pytest.mark.parametrize("kind", sorted(session.FORWARDED))
def test_forwards_what_is_for_browsers(kind: str) -> None:
    assert texts(in_room().bus_frame(event(type=kind, x=1), 0)) == [{"type": kind, "x": 1}]


def test_keeps_what_is_not_for_this_browser() -> None:
    call = in_room()
    assert call.bus_frame(event(flags=STREAM + 1, type="state"), 0) == []
    assert call.bus_frame(event(type="secret"), 0) == []
    assert call.bus_frame(Frame(Kind.EVENT, STREAM, payload=b"\xc1"), 0) == []
    assert call.unknown_events_total == 2
    assert texts(call.bus_frame(event(flags=STREAM, type="state"), 0)) == [{"type": "state"}]


def test_marks_the_browsers_own_entry() -> None:
    people = [{"participant": "p-1", "name": "Ada"}, {"participant": "p-2", "name": "Bob"}]
    (text,) = texts(in_room().bus_frame(event(type="participants", participants=people), 0))
    assert [entry["you"] for entry in text["participants"]] == [True, False]


def test_hello_and_mute_change_the_stream_info() -> None:
    call = in_room()
    actions = call.control_text('{"type":"hello","name":"Eve","place":"den"}', 0)
    assert actions[1] == Announce()
    assert events.StreamInfo.decode(bus(actions)[0].payload).name == "Eve"
    assert call.place == "den"
    assert call.control_text('{"type":"hello","name":""}', 0) == []
    actions = call.control_text('{"type":"mute","muted":true}', 0)
    assert events.StreamInfo.decode(bus(actions)[0].payload).muted
    assert call.info.name == "Eve"


def test_mute_pauses_the_stream_before_it_tells() -> None:
    call = opened(framed=False)
    assert call.uplink is not None
    call.uplink.push(b"\1\1" * 480, 0)
    first, start, announce = call.control_text('{"type":"mute","muted":true}', 9)
    assert isinstance(first, SendAudio) and first.frame.flags == FLAG_PAUSE
    assert isinstance(start, SendBus) and isinstance(announce, Announce)


def test_what_is_said_before_the_channels_are_open_is_kept() -> None:
    call = new()
    assert call.control_text('{"type":"hello","name":"Eve"}', 0) == [Announce()]
    assert call.control_text('{"type":"mute","muted":true}', 0) == [Announce()]
    start = bus(call.opened(framed=True, now_ns=1))[0]
    info = events.StreamInfo.decode(start.payload)
    assert (info.name, info.muted) == ("Eve", True)
    assert call.uplink is not None and call.uplink.muted


def test_the_rest_goes_to_the_link_with_the_name() -> None:
    call = in_room()
    (action,) = call.control_text('{"type":"say","text":"hi"}', 0)
    assert isinstance(action, SendBus) and action.kind is Kind.EVENT
    assert events.decode_event(action.payload) == {
        "type": "say",
        "text": "hi",
        "participant": "p-1",
        "name": "Ada",
        "stream": STREAM,
    }


def test_answers_and_reports_go_to_the_link_with_participant_and_stream() -> None:
    call = in_room()
    sender = {"participant": "p-1", "name": "Ada", "stream": STREAM}
    (answer,) = bus(call.control_text('{"type":"confirm","call":"c-1","allow":true}', 0))
    assert events.decode_event(answer.payload) == {
        "type": "confirm",
        "call": "c-1",
        "allow": True,
        **sender,
    }
    text = (
        '{"type":"played","epoch":2,"played_ms":60.5,"buffered_ms":80,'
        '"stamp_ns":123456789012345678,"offset_samples":12,"last":true}'
    )
    (report,) = bus(call.control_text(text, 0))
    assert events.decode_event(report.payload) == {
        "type": "played",
        "epoch": 2,
        "played_ms": 60.5,
        "buffered_ms": 80.0,
        "stamp_ns": 123456789012345678,
        "offset_samples": 12.0,
        "last": True,
        **sender,
    }


def test_the_longest_allowed_line_fits_into_an_event() -> None:
    call = in_room()
    text = json.dumps({"type": "say", "text": "𝄞" * 4000}, ensure_ascii=False)
    assert bus(call.control_text(text, 0)) or call.bad_messages_total == 1


def test_ping_is_answered_here() -> None:
    assert in_room().control_text('{"type":"ping","t":12}', 0) == [
        SendControl('{"type":"pong","t":12}')
    ]


def test_a_flood_of_good_messages_is_refused_and_told_once() -> None:
    call = in_room()
    say = '{"type":"say","text":"hi"}'
    answers = [call.control_text(say, 0) for _ in range(100)]
    assert [bool(bus(actions)) for actions in answers] == [True] * 5 + [False] * 95
    (error,) = [text for actions in answers for text in texts(actions)]
    assert error["code"] == "too_fast" and "say" in error["message"]
    assert call.too_fast_total == 95 and call.bad_messages_total == 0
    assert call.control_text(say, 499 * MS) == []
    assert bus(call.control_text(say, 500 * MS))
    assert call.control_text(say, 500 * MS) == [], "it is the same burst"
    assert bus(call.control_text('{"type":"interrupt"}', 0)), "others have paces of their own"
    answers = [call.control_text(say, 9 * S) for _ in range(6)]
    assert len(texts(answers[-1])) == 1, "it is told again after a pause"


def test_a_flood_never_keeps_a_microphone_open() -> None:
    call = in_room()
    for _ in range(100):
        call.control_text('{"type":"mute","muted":true}', 0)
        assert call.info.muted
        call.control_text('{"type":"mute","muted":false}', 0)
    call.control_text('{"type":"mute","muted":true}', 0)
    assert call.info.muted
    sent = []
    for down in [True, False] * 100:
        text = json.dumps({"type": "ptt", "down": down})
        sent += [events.decode_event(a.payload)["down"] for a in bus(call.control_text(text, 0))]
    assert len(sent) == 20 and sent == [True, False] * 10


def test_a_release_at_the_end_of_a_flood_is_sent() -> None:
    call = in_room()
    down, up = '{"type":"ptt","down":true}', '{"type":"ptt","down":false}'
    for _ in range(30):
        call.control_text(down, 0)
    assert [events.decode_event(a.payload)["down"] for a in bus(call.control_text(up, 0))] == [
        False
    ]
    assert bus(call.control_text(up, 0)) == [], "it is up already"


def test_mistakes_are_counted_and_told_within_bounds() -> None:
    call = in_room()
    told = [len(call.control_text("{", 0)) for _ in range(15)]
    assert told == [1] * 10 + [0] * 5
    wrong = BrowserMessageError("odd_length", "PCM16 needs an even number of bytes, got 3")
    assert texts(call.bad_audio(wrong, 0)) == [
        {"type": "error", "code": "odd_length", "message": str(wrong)}
    ]
    assert call.bad_audio(wrong, 999 * MS) == []
    assert len(call.bad_audio(wrong, 1000 * MS)) == 1
    assert call.bad_messages_total == 18
    assert call.status == "connected"


def test_a_mixer_that_is_gone_is_told_once_and_its_return_welcomed() -> None:
    call = in_room()
    told: list[dict[str, Any]] = []
    for now_ms in range(0, 6000, 50):
        told += texts(call.timeout(now_ms * MS, now_ms * MS))
    assert [text["code"] for text in told] == ["mixer_gone"]
    back = call.bus_frame(Frame(Kind.START, STREAM), 6 * S)
    assert [text["type"] for text in texts(back)] == ["welcome"]


@pytest.mark.parametrize(
    ("end", "detail"),
    [
        (lambda call: call.leave(0), "left"),
        (lambda call: call.stopped(0), "the gateway stops"),
        (lambda call: call.peer_closed("the connection ended", 0), "the connection ended"),
    ],
)
def test_every_end_stops_the_stream_once(end: Any, detail: str) -> None:
    call = in_room()
    assert end(call) == [SendBus(Kind.STOP, 0), Announce(), Close(detail)]
    assert call.detail == detail
    assert end(call) == []
    assert call.control_text('{"type":"ping","t":1}', 0) == []
    assert call.bus_frame(event(type="state"), 0) == []


def test_a_call_that_never_opened_has_no_stream_to_stop() -> None:
    assert new().leave(0) == [Announce(), Close("left")]


def test_the_rest_of_a_plain_client_is_sent_in_time() -> None:
    call = opened(framed=False)
    assert call.uplink is not None
    call.bus_frame(Frame(Kind.START, STREAM), 0)
    call.uplink.push(b"\1\1" * 48, 10 * MS)
    assert call.next_timeout_ns() == call.uplink.next_timeout_ns()
    (action,) = call.timeout(72 * MS, 10 * MS)
    assert isinstance(action, SendAudio)
