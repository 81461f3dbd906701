"""Reading what browsers send: typed, bounded, and with a sentence for each mistake."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_worker.protocol import browser_messages as messages
from media_worker.protocol import gateway_messages
from mixer_core.runtime.errors import BrowserMessageError

GOOD = [
    ('{"type":"hello","name":"Ada"}', messages.Hello("Ada")),
    ('{"type":"hello","name":"Ada","unknown":"field"}', messages.Hello("Ada")),
    ('{"type":"hello","name":"  A   da "}', messages.Hello("A da")),
    ('{"type":"mute","muted":true}', messages.Mute(True)),
    ('{"type":"ptt","down":false}', messages.Ptt(False)),
    ('{"type":"say","text":"hi"}', messages.Say("hi")),
    ('{"type":"interrupt"}', messages.Interrupt()),
    (
        '{"type":"played","epoch":3,"played_ms":12.5,"buffered_ms":40}',
        messages.Played(3, 12.5, 40.0),
    ),
    (
        '{"type":"played","epoch":3,"played_ms":12.5,"buffered_ms":40,'
        '"stamp_ns":9007199254740993,"offset_samples":479.5,"last":true}',
        messages.Played(3, 12.5, 40.0, 2**53 + 1, 479.5, True),
    ),
    ('{"type":"confirm","call":"call_1","allow":true}', messages.Confirm("call_1", True)),
    ('{"type":"place","name":" Living  room "}', messages.Move("Living room")),
    ('{"type":"place","name":""}', messages.Move("")),
    ('{"type":"speaker","use":"take"}', messages.Speaker("take")),
    ('{"type":"ping","t":17}', messages.Ping(17)),
    ('{"type":"ping","t":1.5,"more":[1]}', messages.Ping(1.5)),
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
    ('{"type":"hello","name":"' + "x" * 65 + '"}', "bad_name"),
    ('{"type":"hello","name":"' + "x" * 257 + '"}', "bad_field"),
    ('{"type":"hello","name":"A\\nda"}', "bad_name"),
    ('{"type":"place","name":"A\\nda"}', "bad_place"),
    ('{"type":"place"}', "bad_field"),
    ('{"type":"speaker","use":"loud"}', "bad_field"),
    ('{"type":"hello","name":"\\u202eada"}', "bad_name"),
    ('{"type":"hello","name":"Ass\\u200bistant"}', "bad_name"),
    ('{"type":"hello","name":"\\u0410ssistant"}', "bad_name"),
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
def test_every_kind_of_message_is_read(text: str, message: messages.BrowserMessage) -> None:
    assert messages.read_control(text) == message


@pytest.mark.parametrize(("text", "code"), BAD)
def test_a_mistake_is_named(text: str, code: str) -> None:
    with pytest.raises(BrowserMessageError) as caught:
        messages.read_control(text)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    json.loads(gateway_messages.error(code, str(caught.value)))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        messages.read_control(text)
    except BrowserMessageError as error:
        gateway_messages.error(error.code, str(error))


def test_the_map_for_the_link_carries_type_and_fields() -> None:
    message = messages.Played(3, 12.5, 40.0)
    expected = {"type": "played", "epoch": 3, "played_ms": 12.5, "buffered_ms": 40.0}
    assert messages.event_of(message) == expected
    exact = messages.event_of(messages.Played(3, 12.5, 40.0, 7, 480.0, False))
    assert exact == expected | {"stamp_ns": 7, "offset_samples": 480.0, "last": False}
    confirm = messages.event_of(messages.Confirm("call_1", False))
    assert confirm == {"type": "confirm", "call": "call_1", "allow": False}
