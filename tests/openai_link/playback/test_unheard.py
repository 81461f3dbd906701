"""Replies without any sound, by what went to the mixer."""

from __future__ import annotations

import pytest

from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.facts import (
    Fact,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    Unheard,
)
from openai_link.playback.unheard import (
    INFERRED_NS,
    LEAST_SAMPLES,
    MAX_REPLIES,
    PATIENCE_NS,
    UnheardReplies,
)

START_NS = 5 * S_NS
FRAME = 480


def ended(response: str, **more: object) -> ResponseEnded:
    fields = {"status": "completed", "items": (f"item of {response}",), **more}
    return ResponseEnded(response, **fields)  # type: ignore[arg-type]


def unheard(response: str) -> list[Unheard]:
    return [Unheard(response, (f"item of {response}",))]


def after(*facts: Fact, now_ns: int = 0) -> UnheardReplies:
    replies = UnheardReplies(START_NS)
    for fact in facts:
        assert replies.on_fact(fact, now_ns) == []
    return replies


def sounds(replies: UnheardReplies, samples: int = 4_800) -> None:
    for _ in range(samples // FRAME):
        replies.sound(FRAME)


def test_a_reply_that_never_begins_is_told_once() -> None:
    replies = after(ResponseStarted("r"), ended("r"), now_ns=S_NS)
    assert replies.next_timeout_ns() == S_NS + START_NS
    assert replies.tick(S_NS + START_NS - 1) == []
    assert replies.tick(S_NS + START_NS) == unheard("r")
    assert replies.tick(20 * S_NS) == [] and replies.next_timeout_ns() is None


@pytest.mark.parametrize("when", ["before", "while it is made", "after"])
@pytest.mark.parametrize("is_told", [True, False])
def test_sound_at_any_time_is_enough(when: str, is_told: bool) -> None:
    replies = UnheardReplies(START_NS)
    replies.on_fact(ResponseStarted("r"), 0)
    started = [PlaybackStarted("r")] if is_told else []
    if when != "after":
        for fact in started:
            replies.on_fact(fact, 0)
        sounds(replies)
    replies.on_fact(ended("r"), S_NS)
    if when == "after":
        for fact in started:
            replies.on_fact(fact, 2 * S_NS)
        sounds(replies)
    assert replies.on_fact(PlaybackEnded("r", False), 3 * S_NS) == []
    assert replies.next_timeout_ns() is None and replies.flushed(9 * S_NS) == []


def test_one_that_is_played_in_silence_is_told_at_its_end() -> None:
    replies = after(ResponseStarted("r"), PlaybackStarted("r"), ended("r"))
    replies.sound(LEAST_SAMPLES - 1)
    assert replies.next_timeout_ns() is None
    assert replies.on_fact(PlaybackEnded("r", False), 3 * S_NS) == unheard("r")


@pytest.mark.parametrize("waited_ns", [PATIENCE_NS - 1, PATIENCE_NS])
def test_who_speaks_after_a_silence_has_waited_in_vain(waited_ns: int) -> None:
    replies = after(ResponseStarted("r"), ended("r"))
    found = replies.flushed(waited_ns)
    assert found == (unheard("r") if waited_ns >= PATIENCE_NS else [])
    assert replies.tick(60 * S_NS) == []


def test_one_behind_another_was_not_waited_for() -> None:
    replies = after(ResponseStarted("a"), PlaybackStarted("a"))
    sounds(replies)
    replies.on_fact(ended("a"), S_NS)
    replies.on_fact(ResponseStarted("b"), S_NS)
    replies.on_fact(ended("b"), S_NS)
    assert replies.next_timeout_ns() is None, "the first is still played"
    assert replies.flushed(9 * S_NS) == []


def test_one_behind_another_has_its_time_once_that_is_over() -> None:
    replies = after(ResponseStarted("a"), PlaybackStarted("a"))
    sounds(replies)
    for fact in (ended("a"), ResponseStarted("b"), ended("b")):
        replies.on_fact(fact, S_NS)
    replies.on_fact(PlaybackEnded("a", False), 8 * S_NS)
    assert replies.next_timeout_ns() == 8 * S_NS + START_NS
    assert replies.tick(8 * S_NS + START_NS) == unheard("b")


@pytest.mark.parametrize(
    "more",
    [
        {"status": "cancelled"},
        {"status": "failed"},
        {"status": "incomplete"},
        {"in_conversation": False},
        {"is_written": True},
        {"is_empty": True},
        {"items": (), "has_other": True},
    ],
)
def test_what_is_told_otherwise_or_was_no_speech_is_not_told(more: dict[str, object]) -> None:
    replies = after(ResponseStarted("r"), ended("r", **more))
    assert replies.next_timeout_ns() is None and replies.flushed(9 * S_NS) == []


def test_one_whose_end_is_only_inferred_has_longer() -> None:
    replies = after(ResponseStarted("r"), ended("r", inferred=True))
    assert replies.tick(INFERRED_NS - 1) == []
    assert replies.tick(INFERRED_NS) == unheard("r")
    replies = after(ResponseStarted("r"), ended("r", inferred=True), ended("r"))
    assert replies.next_timeout_ns() == START_NS


def test_there_are_not_too_many() -> None:
    replies = UnheardReplies(START_NS)
    for number in range(1_000):
        replies.on_fact(ResponseStarted(f"r{number}"), 0)
        replies.on_fact(ended(f"r{number}"), 0)
    assert len(replies.tick(START_NS + 10 * MS_NS)) == MAX_REPLIES
