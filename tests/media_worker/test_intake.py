"""Mistakes and floods are answered within bounds, and never keep a microphone open."""

from __future__ import annotations

import json
from typing import Any

from media_worker.intake import Intake
from media_worker.protocol.browser_messages import Interrupt, Mute, Ptt, Say
from mixer_core.runtime.errors import BrowserMessageError
from mixer_core.runtime.units import MS_NS, S_NS

SAY = '{"type":"say","text":"hi"}'


def mute(muted: bool) -> str:
    return json.dumps({"type": "mute", "muted": muted})


def ptt(down: bool) -> str:
    return json.dumps({"type": "ptt", "down": down})


def test_a_flood_of_good_messages_is_refused_and_reported_once() -> None:
    intake = Intake()

    def say(now_ns: int) -> Any:
        return intake.control(SAY, False, now_ns)

    answers = [say(0) for _ in range(100)]
    assert answers[:5] == [Say("hi")] * 5 and answers[6:] == [None] * 94
    error = json.loads(answers[5])
    assert error["code"] == "too_fast" and "say: 5 at once" in error["message"]
    assert (intake.too_fast_total, intake.bad_total) == (95, 0)
    assert say(499 * MS_NS) is None
    assert say(500 * MS_NS) == Say("hi")
    assert say(500 * MS_NS) is None, "it is the same burst"
    assert intake.control('{"type":"interrupt"}', False, 0) == Interrupt(), "a rate of its own"
    assert isinstance([say(9 * S_NS) for _ in range(6)][-1], str), "reported again after a pause"


def test_a_flood_never_keeps_a_microphone_open() -> None:
    intake, is_muted = Intake(), False
    for _ in range(100):
        for wanted in (True, False):
            read = intake.control(mute(wanted), is_muted, 0)
            is_muted = read.muted if isinstance(read, Mute) else is_muted
            assert is_muted or not wanted
    assert is_muted, "unmuting was refused in the end"


def test_a_push_to_talk_button_that_was_pressed_can_be_released() -> None:
    intake = Intake()
    passed = [intake.control(ptt(down), False, 0) for down in [True, False] * 100]
    assert [read for read in passed if isinstance(read, Ptt)] == [Ptt(True), Ptt(False)] * 10


def test_a_release_at_the_end_of_a_flood_passes_once() -> None:
    intake = Intake()
    for _ in range(30):
        intake.control(ptt(True), False, 0)
    assert intake.control(ptt(False), False, 0) == Ptt(False)
    assert intake.control(ptt(False), False, 0) is None, "it is up already"


def test_mistakes_are_counted_and_answered_within_bounds() -> None:
    intake = Intake()
    answers = [intake.control("{", False, 0) for _ in range(15)]
    assert [answer is not None for answer in answers] == [True] * 10 + [False] * 5
    wrong = BrowserMessageError("odd_length", "PCM16 needs an even number of bytes, got 3")
    answer = intake.bad_audio(wrong, 0)
    assert answer is not None and json.loads(answer) == {
        "type": "error",
        "code": "odd_length",
        "message": str(wrong),
    }
    assert intake.bad_audio(wrong, 999 * MS_NS) is None
    assert intake.bad_audio(wrong, 1000 * MS_NS) is not None
    assert intake.bad_total == 18
