"""Reading what browsers send: typed, bounded, and with a sentence for each mistake."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_worker import protocol
from mixer_core.bus import frames, pcm
from mixer_core.runtime.errors import BrowserMessageError

GOOD = [
    ('{"type":"hello","name":"Ada","place":"kitchen"}', protocol.Hello("Ada", "kitchen")),
    ('{"type":"hello","name":"Ada"}', protocol.Hello("Ada", "")),
    ('{"type":"hello","name":" A\\n\\u0000 da "}', protocol.Hello("A da", "")),
    ('{"type":"mute","muted":true}', protocol.Mute(True)),
    ('{"type":"ptt","down":false}', protocol.Ptt(False)),
    ('{"type":"say","text":"hi"}', protocol.Say("hi")),
    ('{"type":"interrupt"}', protocol.Interrupt()),
    (
        '{"type":"played","epoch":3,"played_ms":12.5,"buffered_ms":40}',
        protocol.Played(3, 12.5, 40.0),
    ),
    (
        '{"type":"played","epoch":3,"played_ms":12.5,"buffered_ms":40,'
        '"stamp_ns":9007199254740993,"offset_samples":479.5,"last":true}',
        protocol.Played(3, 12.5, 40.0, 2**53 + 1, 479.5, True),
    ),
    ('{"type":"confirm","call":"call_1","allow":true}', protocol.Confirm("call_1", True)),
    ('{"type":"ping","t":17}', protocol.Ping(17)),
    ('{"type":"ping","t":1.5,"more":[1]}', protocol.Ping(1.5)),
]
BAD = [
    ("", "bad_json"),
    ("{", "bad_json"),
    ("[1]", "bad_json"),
    ('"hello"', "bad_json"),
    ('{"type":"hello","name":"\\ud800"}', "bad_json"),
    ("[" * 9000, "bad_json"),
    ('{"a":NaN}', "bad_json"),
    ("\udcff", "bad_json"),
    ("{}", "unknown_type"),
    ('{"type":7}', "unknown_type"),
    ('{"type":"dance"}', "unknown_type"),
    ('{"type":"hello"}', "bad_field"),
    ('{"type":"hello","name":5}', "bad_field"),
    ('{"type":"hello","name":"' + "x" * 65 + '"}', "bad_field"),
    ('{"type":"mute","muted":1}', "bad_field"),
    ('{"type":"say","text":""}', "bad_field"),
    ('{"type":"played","epoch":70000,"played_ms":1,"buffered_ms":1}', "bad_field"),
    ('{"type":"played","epoch":1,"played_ms":-1,"buffered_ms":1}', "bad_field"),
    ('{"type":"played","epoch":1,"played_ms":1,"buffered_ms":1,"stamp_ns":-1}', "bad_field"),
    ('{"type":"played","epoch":1,"played_ms":1,"buffered_ms":1,"stamp_ns":1.5}', "bad_field"),
    (
        '{"type":"played","epoch":1,"played_ms":1,"buffered_ms":1,"offset_samples":481}',
        "bad_field",
    ),
    ('{"type":"confirm","call":"","allow":true}', "bad_field"),
    ('{"type":"confirm","call":"' + "x" * 129 + '","allow":true}', "bad_field"),
    ('{"type":"confirm","call":"call_1"}', "bad_field"),
    ('{"type":"confirm","call":"call_1","allow":"yes"}', "bad_field"),
    ('{"type":"ping","t":99999999999999999999999}', "bad_field"),
    ('{"type":"say","text":"' + "x" * 17_000 + '"}', "too_long"),
    ('{"type":"say","text":"' + "ä" * 9_000 + '"}', "too_long"),
]


@pytest.mark.parametrize(("text", "message"), GOOD)
def test_reads_what_the_design_lists(text: str, message: protocol.BrowserMessage) -> None:
    assert protocol.read_control(text) == message


@pytest.mark.parametrize(("text", "code"), BAD)
def test_names_what_is_wrong(text: str, code: str) -> None:
    with pytest.raises(BrowserMessageError) as caught:
        protocol.read_control(text)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    json.loads(protocol.error(code, str(caught.value)))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        protocol.read_control(text)
    except BrowserMessageError as error:
        protocol.error(error.code, str(error))


@given(st.binary(max_size=1100))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        frame = protocol.read_frame(data)
    except BrowserMessageError as error:
        assert error.code in ("frame_length", "frame_version", "frame_kind")
    else:
        assert len(frame.pcm) == pcm.FRAME_BYTES


def test_reads_an_audio_frame() -> None:
    data = frames.encode_audio(0, 7, 41, frames.FLAG_PAUSE, 123, bytes(range(240)) * 4)
    expected = protocol.ChannelFrame(7, 41, frames.FLAG_PAUSE, bytes(range(240)) * 4)
    assert protocol.read_frame(data) == expected


@pytest.mark.parametrize(
    ("position", "value", "code"),
    [(4, 2, "frame_version"), (5, 1, "frame_kind"), (5, 99, "frame_kind")],
)
def test_refuses_frames_of_another_version_or_kind(position: int, value: int, code: str) -> None:
    data = bytearray(frames.encode_audio(0, 0, 0, 0, 0, pcm.SILENCE))
    data[position] = value
    with pytest.raises(BrowserMessageError) as caught:
        protocol.read_frame(bytes(data))
    assert caught.value.code == code


@pytest.mark.parametrize("length", [0, 23, 24, 983, 985])
def test_refuses_frames_of_another_length(length: int) -> None:
    data = frames.encode_audio(0, 0, 0, 0, 0, pcm.SILENCE + b"\0")[:length]
    with pytest.raises(BrowserMessageError) as caught:
        protocol.read_frame(data)
    assert caught.value.code == "frame_length"


def test_the_map_for_the_link_carries_type_and_fields() -> None:
    message = protocol.Played(3, 12.5, 40.0)
    expected = {"type": "played", "epoch": 3, "played_ms": 12.5, "buffered_ms": 40.0}
    assert protocol.event_of(message) == expected
    exact = protocol.event_of(protocol.Played(3, 12.5, 40.0, 7, 480.0, False))
    assert exact == expected | {"stamp_ns": 7, "offset_samples": 480.0, "last": False}
    confirm = protocol.event_of(protocol.Confirm("call_1", False))
    assert confirm == {"type": "confirm", "call": "call_1", "allow": False}


def test_builders_make_the_objects_of_the_design() -> None:
    assert json.loads(protocol.pong(4)) == {"type": "pong", "t": 4}
    assert json.loads(protocol.flush(9)) == {"type": "flush", "epoch": 9}
    assert json.loads(protocol.to_json({"type": "level", "levels": {"p": float("-inf")}})) == {
        "type": "level",
        "levels": {"p": None},
    }
    manners = protocol.Manners(push_to_talk=True, speaks=False)
    assert json.loads(protocol.welcome("home", "p-1", "conference", 5, 2, manners)) == {
        "type": "welcome",
        "room": "home",
        "participant": "p-1",
        "mode": "conference",
        "version": 1,
        "stream": 5,
        "epoch": 2,
        "push_to_talk": True,
        "speaks": False,
    }
