"""When a reply sounds, by the sound alone: crackles, pauses, forgetful servers, several replies."""

from __future__ import annotations

from typing import Any

from mixer_core.runtime.units import MS_NS
from openai_link.facts import (
    ItemVoiced,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
)
from openai_link.playback.sound_watch import END_NS, FORGOTTEN_NS, Heard, SoundWatch


class Line:
    """A server's sound, 20 ms at a time; what is heard is taken as a fact, as a session does."""

    def __init__(self, **options: Any) -> None:
        self.watch = SoundWatch(**options)
        self.now_ms = 0
        self.heard: list[tuple[int, str, str]] = []

    def fact(self, *given: Any) -> None:
        for fact in given:
            self.watch.on_fact(fact, self.now_ms * MS_NS)

    def begin(self, response: str, done: bool = True, voiced: bool = True) -> None:
        self.fact(ResponseStarted(response))
        if voiced:
            self.fact(ItemVoiced(response, f"item of {response}"))
        if done:
            self.fact(ResponseEnded(response, "completed"))

    def sound(self, ms: int, loud: bool = True) -> None:
        for _ in range(ms // 20):
            self._take(self.watch.frame(480, not loud, self.now_ms * MS_NS))
            self.now_ms += 20
            self._take(self.watch.tick(self.now_ms * MS_NS))

    def silence(self, ms: int) -> None:
        self.sound(ms, loud=False)

    def flush(self) -> None:
        self._take(self.watch.flushed())

    def _take(self, heard: list[Heard]) -> None:
        for said in heard:
            self.heard.append((self.now_ms, said.what, said.response))
            started = said.what == "started"
            fact = PlaybackStarted if started else PlaybackEnded
            arguments = (said.response,) if started else (said.response, said.what == "cleared")
            self.fact(fact(*arguments))

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(what, response) for _, what, response in self.heard]


def test_a_reply_begins_with_its_sound_and_ends_after_it() -> None:
    line = Line()
    line.begin("a")
    line.silence(500)
    line.sound(1_000)
    line.silence(3_000)
    (began, *_), (ended, *_) = line.heard
    assert line.told == [("started", "a"), ("stopped", "a")]
    assert 500 <= began <= 600 and abs(ended - 1_500 - END_NS // MS_NS) <= 40


def test_a_crackle_is_no_reply_and_a_pause_no_end() -> None:
    line = Line()
    line.begin("a", done=False)
    line.sound(40)
    line.silence(1_000)
    assert line.told == []
    line.sound(400)
    line.silence(3_000)
    assert line.told == [("started", "a")], "it is still being made"
    line.fact(ResponseEnded("a", "completed"))
    line.sound(400)
    line.silence(800)
    line.sound(400)
    assert line.told == [("started", "a")]
    line.silence(1_100)
    assert line.told == [("started", "a"), ("stopped", "a")]


def test_replies_in_a_row_are_told_apart_by_the_pause_between_them() -> None:
    line = Line()
    line.begin("a")
    line.sound(600)
    line.begin("b")
    line.silence(400)
    line.sound(600)
    line.silence(2_000)
    assert line.told == [("started", "a"), ("stopped", "a"), ("started", "b"), ("stopped", "b")]


def test_a_response_that_brings_no_sound_takes_no_others_sound() -> None:
    """A tool call, or one that was cancelled before it could be heard."""
    line = Line()
    line.begin("tool", voiced=False)
    line.fact(ResponseStarted("never"), ResponseEnded("never", "cancelled"))
    line.begin("b")
    line.sound(600)
    assert line.told == [("started", "b")]


def test_who_speaks_over_it_clears_it() -> None:
    line = Line()
    line.begin("a")
    line.sound(600)
    line.flush()
    assert line.told == [("started", "a"), ("cleared", "a")]
    line.flush()
    assert len(line.told) == 2


def test_a_server_that_tells_is_believed_and_only_helped_out() -> None:
    line = Line()
    line.watch.told()
    line.begin("a")
    line.sound(500)
    assert line.told == [], "its own word may be on the way"
    line.fact(PlaybackStarted("a"))
    line.sound(500)
    line.flush()
    line.silence(FORGOTTEN_NS // MS_NS - 100)
    assert line.told == []
    line.silence(200)
    assert line.told == [("stopped", "a")], "it forgot to say so"
    line.begin("tool", voiced=False)
    line.sound(3_000)
    assert len(line.told) == 1, "noise is no tool call's reply"
    line.begin("b")
    line.sound(1_100)
    assert line.told[1:] == [("started", "b")], "it forgot that too"


def test_nothing_is_watched_where_replies_are_played_here() -> None:
    line = Line(server_plays=False)
    line.begin("a")
    line.sound(500)
    line.fact(PlaybackStarted("a"))
    line.flush()
    assert line.told == [] and line.watch.next_timeout_ns() is None


def test_sound_of_which_nothing_is_told_is_a_reply() -> None:
    line = Line()
    line.sound(480)
    assert line.told == []
    line.sound(400)
    line.silence(1_500)
    assert line.told == [("started", "of_sound_1"), ("stopped", "of_sound_1")]


def test_the_tail_of_a_reply_is_no_other_one() -> None:
    line = Line()
    line.watch.told()
    line.begin("r1")
    line.fact(PlaybackStarted("r1"))
    line.sound(600)
    line.fact(PlaybackEnded("r1", False))
    line.sound(300)
    line.silence(1_000)
    assert line.told == []


def test_a_reply_that_is_named_while_it_sounds_goes_on_under_its_name() -> None:
    line = Line()
    line.sound(600)
    line.begin("r1")
    line.sound(600)
    assert line.told == [("started", "of_sound_1"), ("stopped", "of_sound_1"), ("started", "r1")]
