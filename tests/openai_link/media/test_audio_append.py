"""The room's audio as ``input_audio_buffer.append`` events."""

from __future__ import annotations

import base64
import json

from mixer_core.bus.pcm import SILENCE
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.media.audio_append import MAX_FILL_FRAMES, AppendEvent, AudioAppend
from openai_link.media.uplink_pacer import UplinkPacer

LOUD = b"\x00\x20" * 480


def heard(appended: list[AppendEvent]) -> bytes:
    """The audio of append events, as a server joins it."""
    sound = b""
    for event in appended:
        sent = json.loads(event.text)
        assert sent["type"] == "input_audio_buffer.append" and sent["event_id"]
        pcm = base64.b64decode(sent["audio"], validate=True)
        assert event.audio_ms * 48 == len(pcm)
        assert event.is_room == any(pcm)
        sound += pcm
    return sound


def test_frames_and_pauses_become_one_unbroken_sound() -> None:
    append = AudioAppend(UplinkPacer(240, 400, 0))
    sound = heard(append.start(S_NS))
    sound += heard(append.frame(LOUD, False, S_NS + 20 * MS_NS))
    sound += heard(append.frame(LOUD, True, S_NS + 40 * MS_NS))
    assert sound == SILENCE + LOUD + LOUD
    due_ns = append.pacer.next_timeout_ns()
    assert due_ns is not None
    assert heard(append.tick(due_ns)) == SILENCE


def test_time_that_rtp_would_pass_over_is_filled_and_bounded() -> None:
    append = AudioAppend(UplinkPacer(240, 400, 0))
    append.start(0)
    assert heard(append.frame(LOUD, True, 500 * MS_NS)) == SILENCE * 24 + LOUD
    assert len(heard(append.frame(LOUD, True, 60 * S_NS))) == (MAX_FILL_FRAMES + 1) * len(SILENCE)
    ids = [json.loads(e.text)["event_id"] for e in append.frame(LOUD, True, 61 * S_NS)]
    assert len(set(ids)) == len(ids)
