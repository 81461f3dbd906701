"""A session, input by input."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from media_worker.actions import (
    Action,
    Announce,
    Close,
    DropQueuedAudio,
    SendAudio,
    SendBus,
    SendControl,
)
from media_worker.protocol.gateway_messages import AssistantTraits
from media_worker.protocol.room_events import FORWARDED
from media_worker.session import Session
from media_worker.settings import MediaWorkerSettings
from mixer_core.bus import events
from mixer_core.bus.announcement import RETRY_NS
from mixer_core.bus.control import Offer
from mixer_core.bus.frames import FLAG_PAUSE, Frame, Kind
from mixer_core.bus.place import Place
from mixer_core.bus.rules import AdminRules, ChosenAddress
from mixer_core.runtime.errors import BrowserMessageError
from mixer_core.runtime.units import MS_NS, S_NS

STREAM = 77
OFFER = Offer("p-1", "home", STREAM, "conference", "Ada", "v=0")
INFO = events.StreamInfo("browser", "home", "p-1", "Ada", False, "conference")


def new() -> Session:
    return Session(OFFER, MediaWorkerSettings(), 0)


def opened(*, framed: bool = True) -> Session:
    session = new()
    session.opened(framed=framed, now_ns=0)
    return session


def in_room() -> Session:
    session = opened()
    session.bus_frame(Frame(Kind.START, STREAM), MS_NS)
    return session


def texts(actions: list[Action]) -> list[dict[str, Any]]:
    return [json.loads(action.text) for action in actions if isinstance(action, SendControl)]


def bus(actions: list[Action]) -> list[SendBus]:
    return [action for action in actions if isinstance(action, SendBus)]


def event(epoch: int = 0, flags: int = 0, **content: Any) -> Frame:
    return Frame(Kind.EVENT, STREAM, epoch, 0, flags, 0, events.encode_map(content))


def test_opening_announces_and_starts() -> None:
    session = new()
    assert session.opened(framed=False, now_ns=5) == [
        Announce(),
        SendBus(Kind.START, 0, INFO.encode()),
    ]
    assert session.status == "connected"
    assert session.opened(framed=False, now_ns=6) == []


def test_start_is_repeated_fast_until_acknowledged_and_then_slowly() -> None:
    session = opened()
    for now_ms in (50, 100, 150):
        assert session.next_timeout_ns() == now_ms * MS_NS
        assert [a.kind for a in bus(session.timeout(now_ms * MS_NS, 0))] == [Kind.START]
    session.bus_frame(Frame(Kind.START, STREAM), 160 * MS_NS)
    assert session.next_timeout_ns() == 1160 * MS_NS
    session.timeout(1160 * MS_NS, 1160 * MS_NS)
    assert session.next_timeout_ns() == 1210 * MS_NS


def test_welcome_comes_once_with_the_epoch_of_the_room() -> None:
    session = opened()
    welcome = session.bus_frame(Frame(Kind.START, STREAM, epoch=9), MS_NS)
    assert texts(welcome) == [
        {
            "type": "welcome",
            "room": "home",
            "participant": "p-1",
            "name": "Ada",
            "role": "admin",
            "verified": False,
            "mode": "conference",
            "version": 1,
            "stream": STREAM,
            "epoch": 9,
            "push_to_talk": False,
            "speaks": True,
            "images": None,
            "rules": {
                "locked": False,
                "enter_muted": False,
                "stop": "admin",
                "confirm": "speak",
                "address": "",
            },
            "silenced": False,
        }
    ]
    assert session.bus_frame(Frame(Kind.START, STREAM, epoch=9), 2 * MS_NS) == []
    assert bus(session.timeout(2 * S_NS, 2 * S_NS))[0].epoch == 9


@pytest.mark.parametrize(
    ("everywhere", "by_button", "chosen", "told"),
    [
        (False, False, "", False),
        (True, False, "", True),
        (False, True, "", True),
        (False, True, "always", False),
        (False, False, "push_to_talk", True),
    ],
)
def test_the_first_message_says_whether_a_button_decides(
    everywhere: bool, by_button: bool, chosen: ChosenAddress, told: bool
) -> None:
    """By the gateway's settings, those of the room, or an admin."""
    offer = replace(OFFER, by_button=by_button, rules=AdminRules(address=chosen))
    session = Session(offer, MediaWorkerSettings(), 0, AssistantTraits(push_to_talk=everywhere))
    session.opened(framed=True, now_ns=0)
    (welcome,) = texts(session.bus_frame(Frame(Kind.START, STREAM), MS_NS))
    assert welcome["push_to_talk"] is told


def test_a_connection_that_does_not_open_is_given_up() -> None:
    session = new()
    assert session.next_timeout_ns() == 10 * S_NS
    assert session.timeout(10 * S_NS - 1, 0) == []
    assert session.timeout(10 * S_NS, 10 * S_NS) == [
        Announce(),
        Close("no channel was opened within 10 s"),
    ]
    assert session.status == "closed"
    assert session.next_timeout_ns() is None


def test_a_silent_peer_is_dead_after_twelve_seconds() -> None:
    session = in_room()
    heard = 700 * MS_NS
    session.timeout(1001 * MS_NS, heard)
    now = 0
    while session.status == "connected":
        due = session.next_timeout_ns()
        assert due is not None and due > now
        now = due
        actions = session.timeout(now, heard)
        session.bus_frame(Frame(Kind.START, STREAM), now)
    assert now == heard + 12 * S_NS
    assert actions == [SendBus(Kind.STOP, 0), Announce(), Close("nothing came for 12 s")]


def test_a_newer_epoch_in_any_frame_flushes() -> None:
    session = in_room()
    expected = [DropQueuedAudio(), SendControl('{"type":"flush","epoch":4}')]
    assert session.bus_frame(Frame(Kind.FLUSH, STREAM, epoch=4), 0) == expected
    assert session.bus_frame(Frame(Kind.FLUSH, STREAM, epoch=4), 0) == []
    assert session.bus_frame(Frame(Kind.FLUSH, STREAM, epoch=3), 0) == []
    assert texts(session.bus_frame(event(5, type="state", assistant="idle"), 0)) == [
        {"type": "flush", "epoch": 5},
        {"type": "state", "assistant": "idle"},
    ]
    assert session.epoch_seen(6)
    assert session.epoch == session.outbox.epoch == 6


def test_identify_is_answered_with_start_at_once() -> None:
    actions = in_room().bus_frame(event(type="identify"), 5 * MS_NS)
    assert actions == [SendBus(Kind.START, 0, INFO.encode())]


def test_a_mixer_that_is_there_again_is_told_at_once_and_the_browser_nothing() -> None:
    session = in_room()
    assert session.mixer_connected(5 * MS_NS) == [SendBus(Kind.START, 0, INFO.encode())]
    assert session.next_timeout_ns() == 5 * MS_NS + RETRY_NS


@pytest.mark.parametrize("kind", sorted(FORWARDED))
def test_forwards_what_is_for_browsers(kind: str) -> None:
    assert texts(in_room().bus_frame(event(type=kind, x=1), 0)) == [{"type": kind, "x": 1}]


def test_keeps_what_is_not_for_this_browser() -> None:
    session = in_room()
    assert session.bus_frame(event(flags=STREAM + 1, type="state"), 0) == []
    assert session.bus_frame(event(type="secret"), 0) == []
    assert session.bus_frame(Frame(Kind.EVENT, STREAM, payload=b"\xc1"), 0) == []
    assert session.unknown_events_total == 2
    assert texts(session.bus_frame(event(flags=STREAM, type="state"), 0)) == [{"type": "state"}]


def test_marks_the_browsers_own_entry() -> None:
    people = [{"participant": "p-1", "name": "Ada"}, {"participant": "p-2", "name": "Bob"}]
    (text,) = texts(in_room().bus_frame(event(type="participants", participants=people), 0))
    assert [entry["you"] for entry in text["participants"]] == [True, False]


def test_hello_and_mute_change_the_stream_info() -> None:
    session = in_room()
    actions = session.control_text('{"type":"hello","name":"Eve"}', 0)
    assert actions[1] == Announce()
    assert events.StreamInfo.decode(bus(actions)[0].payload).name == "Eve"
    assert session.control_text('{"type":"hello","name":""}', 0) == []
    actions = session.control_text('{"type":"mute","muted":true}', 0)
    assert events.StreamInfo.decode(bus(actions)[0].payload).muted
    assert session.info.name == "Eve"


def test_mute_pauses_the_stream_before_it_tells() -> None:
    session = opened(framed=False)
    assert session.uplink is not None
    session.uplink.push(b"\1\1" * 480, 0)
    first, start, announce = session.control_text('{"type":"mute","muted":true}', 9)
    assert isinstance(first, SendAudio) and first.frame.flags == FLAG_PAUSE
    assert isinstance(start, SendBus) and isinstance(announce, Announce)


def test_what_is_said_before_the_channels_are_open_is_kept() -> None:
    session = new()
    assert session.control_text('{"type":"hello","name":"Eve"}', 0) == [Announce()]
    assert session.control_text('{"type":"mute","muted":true}', 0) == [Announce()]
    start = bus(session.opened(framed=True, now_ns=1))[0]
    info = events.StreamInfo.decode(start.payload)
    assert (info.name, info.muted) == ("Eve", True)
    assert session.uplink is not None and session.uplink.muted


def test_the_rest_goes_to_the_link_with_the_name() -> None:
    session = in_room()
    (action,) = session.control_text('{"type":"say","text":"hi"}', 0)
    assert isinstance(action, SendBus) and action.kind is Kind.EVENT
    assert events.decode_event(action.payload) == {
        "type": "say",
        "text": "hi",
        "participant": "p-1",
        "name": "Ada",
        "stream": STREAM,
    }


def recording_is(phase: str) -> Frame:
    return event(type="state", recording={"phase": phase, "words": ""})


def test_who_objects_to_a_recording_says_so_until_none_runs() -> None:
    session = in_room()
    (said,) = session.control_text('{"type":"record","on":false}', 0)
    assert isinstance(said, SendBus)
    for _ in range(3):  # What went to a mixer that has ended is said again, and again.
        assert bus(session.bus_frame(recording_is("on"), 0)) == [said]
    assert not bus(session.bus_frame(event(type="state"), 0)), "a state that tells nothing of it"
    assert not bus(session.bus_frame(recording_is("off"), 0))
    assert not bus(session.bus_frame(recording_is("soon"), 0)), "the next one is not objected to"


def test_who_wants_a_recording_no_longer_objects() -> None:
    session = in_room()
    for on in ("false", "true"):
        session.control_text(f'{{"type":"record","on":{on}}}', 0)
    assert not bus(session.bus_frame(recording_is("soon"), 0))


def test_confirmations_and_playback_reports_go_to_the_link() -> None:
    session = in_room()
    sender = {"participant": "p-1", "name": "Ada", "stream": STREAM}
    (answer,) = bus(session.control_text('{"type":"confirm","call":"c-1","allow":true}', 0))
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
    (report,) = bus(session.control_text(text, 0))
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
    session = in_room()
    text = json.dumps({"type": "say", "text": "𝄞" * 4000}, ensure_ascii=False)
    (line,) = bus(session.control_text(text, 0))
    assert events.decode_event(line.payload)["text"] == "𝄞" * 4000


def test_ping_is_answered_here() -> None:
    assert in_room().control_text('{"type":"ping","t":12}', 0) == [
        SendControl('{"type":"pong","t":12}')
    ]


def test_mistakes_are_answered_and_the_session_goes_on() -> None:
    session = in_room()
    assert [text["code"] for text in texts(session.control_text("{", 0))] == ["bad_json"]
    wrong = BrowserMessageError("odd_length", "PCM16 needs an even number of bytes, got 3")
    assert [text["code"] for text in texts(session.bad_audio(wrong, 0))] == ["odd_length"]
    assert session.bad_audio(wrong, 1) == []
    assert session.status == "connected"


def test_a_flood_is_refused() -> None:
    session = in_room()
    answers = [session.control_text('{"type":"say","text":"hi"}', 0) for _ in range(7)]
    assert [len(bus(actions)) for actions in answers] == [1] * 5 + [0] * 2
    assert [text["code"] for text in texts(answers[5])] == ["too_fast"]
    assert answers[6] == []


def test_a_mixer_that_is_gone_is_reported_once_and_its_return_welcomed() -> None:
    session = in_room()
    reported: list[dict[str, Any]] = []
    for now_ms in range(0, 6000, 50):
        reported += texts(session.timeout(now_ms * MS_NS, now_ms * MS_NS))
    assert [text["code"] for text in reported] == ["mixer_gone"]
    back = session.bus_frame(Frame(Kind.START, STREAM), 6 * S_NS)
    assert [text["type"] for text in texts(back)] == ["welcome"]


@pytest.mark.parametrize(
    ("end", "detail"),
    [
        (lambda session: session.leave(), "left"),
        (lambda session: session.stopped("the gateway stops"), "the gateway stops"),
        (lambda session: session.peer_closed("the connection ended"), "the connection ended"),
    ],
)
def test_every_end_stops_the_stream_once(end: Any, detail: str) -> None:
    session = in_room()
    assert end(session) == [SendBus(Kind.STOP, 0), Announce(), Close(detail)]
    assert session.detail == detail
    assert end(session) == []
    assert session.control_text('{"type":"ping","t":1}', 0) == []
    assert session.bus_frame(event(type="state"), 0) == []


def test_a_call_that_never_opened_has_no_stream_to_stop() -> None:
    assert new().leave() == [Announce(), Close("left")]


def test_the_rest_of_a_plain_client_is_sent_in_time() -> None:
    session = opened(framed=False)
    assert session.uplink is not None
    session.bus_frame(Frame(Kind.START, STREAM), 0)
    session.uplink.push(b"\1\1" * 48, 10 * MS_NS)
    assert session.next_timeout_ns() == session.uplink.next_timeout_ns()
    (action,) = session.timeout(72 * MS_NS, 10 * MS_NS)
    assert isinstance(action, SendAudio)


def place_of(actions: list[Action]) -> Place:
    """What the mixer is told of the place."""
    return events.StreamInfo.decode(bus(actions)[0].payload).place


def test_a_device_moves_and_the_mixer_knows_where_it_is_and_since_when() -> None:
    session = in_room()
    moved = session.control_text('{"type":"place","name":"Kitchen"}', 5 * S_NS)
    assert place_of(moved) == Place("Kitchen", came_ns=5 * S_NS) and Announce() in moved
    assert session.control_text('{"type":"place","name":"Kitchen"}', 6 * S_NS) == []
    asked = session.control_text('{"type":"speaker","use":"take"}', 7 * S_NS)
    assert place_of(asked) == Place("Kitchen", 5 * S_NS, asked_ns=7 * S_NS)
    worn = session.control_text('{"type":"speaker","use":"headphones"}', 8 * S_NS)
    assert place_of(worn) == Place("Kitchen", 5 * S_NS, headphones=True)
    away = session.control_text('{"type":"place","name":""}', 9 * S_NS)
    assert place_of(away) == Place(headphones=True)


def test_a_held_button_is_told_to_the_mixer_only_where_there_is_a_place() -> None:
    session = in_room()
    (alone,) = bus(session.control_text('{"type":"ptt","down":true}', S_NS))
    assert alone.kind is Kind.EVENT
    (up,) = bus(session.control_text('{"type":"ptt","down":false,"held_ms":40.5}', S_NS))
    assert events.decode_map(up.payload)["held_ms"] == 40.5, "the link hears how long it was held"
    session.control_text('{"type":"place","name":"Kitchen"}', S_NS)
    held = session.control_text('{"type":"ptt","down":true}', S_NS)
    assert place_of(held).held and bus(held)[1].kind is Kind.EVENT
    assert not place_of(session.control_text('{"type":"ptt","down":false}', S_NS)).held


def test_a_button_that_was_held_before_is_up_until_the_page_says_that_it_is_down() -> None:
    offered = Place("Kitchen", 5, asked_ns=6, headphones=True, held=True)
    session = Session(replace(OFFER, place=offered), MediaWorkerSettings(), 9)
    assert session.info.place == replace(offered, held=False)
    session.opened(framed=True, now_ns=9)
    assert place_of(session.control_text('{"type":"ptt","down":true}', S_NS)).held


def test_who_joins_with_a_place_came_there_at_that_time_unless_they_were_there_before() -> None:
    known = Place("Kitchen", came_ns=3, asked_ns=4)
    for offered, expected in ((Place("Kitchen"), Place("Kitchen", came_ns=9)), (known, known)):
        session = Session(replace(OFFER, place=offered), MediaWorkerSettings(), 9)
        assert session.info.place == expected


def roster(hears: str = "", others: int = 1) -> Frame:
    people = [{"participant": "p-1", "name": "Ada"} | ({"hears": hears} if hears else {})]
    people += [{"participant": f"p-{n}", "name": "Bob"} for n in range(2, 2 + others)]
    return event(type="participants", participants=people)


@pytest.mark.parametrize(
    ("hears", "others", "words"),
    [
        ("assistant", 1, "hears the assistant from another loudspeaker: choose the same place"),
        ("p-2", 1, "hears Bob from another loudspeaker"),
        ("p-9", 1, "hears somebody from another"),
        ("assistant", 0, "from its own loudspeaker: use headphones"),
    ],
)
def test_who_hears_another_device_is_told_so_once_and_that_it_is_over(
    hears: str, others: int, words: str
) -> None:
    session = in_room()
    told = [
        [text for text in texts(session.bus_frame(roster(heard, others), S_NS)) if "code" in text]
        for heard in ("", hears, hears, "", "")
    ]
    assert [len(notices) for notices in told] == [0, 1, 0, 1, 0]
    assert told[1][0]["code"] == "echo" and words in told[1][0]["message"]
    assert told[3] == [{"type": "notice", "code": "echo", "message": "", "in_ms": 0}]
