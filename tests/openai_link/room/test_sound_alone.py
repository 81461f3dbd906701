"""Servers over WebRTC that do not say when they play: the sound itself tells."""

from __future__ import annotations

import itertools
from array import array
from dataclasses import replace
from typing import Any

import pytest

from openai_link.media.quiet import ROOM_NOISE_PEAK, is_quiet
from tests.openai_link.room import checks
from tests.openai_link.room.scenes import ANSWERED, QUESTION, SCENES
from tests.openai_link.room.world import Scene, Step, World, say, speak, until, wait

BUFFER = "output_audio_buffer."
NOISE = array("h", [60, -60] * 240).tobytes()
"""-55 dBFS."""


class Untold(World):
    """Leaves out what the server says about its playback, and perhaps its silence."""

    dropped: tuple[str, ...] = (BUFFER,)
    sends_silence = True

    def _receive(self, session: int, event: dict[str, Any]) -> None:
        if not event["type"].startswith(self.dropped):
            super()._receive(session, event)

    def _speak(self, session: int, pcm: bytes) -> None:
        if self.sends_silence or any(pcm):
            super()._speak(session, pcm)


class OnlySound(Untold):
    """Sends packets only while it speaks."""

    sends_silence = False


class Noisy(Untold):
    """Sends noise where others send silence."""

    def _speak(self, session: int, pcm: bytes) -> None:
        super()._speak(session, pcm if any(pcm) else NOISE)


class NeverStops(Untold):
    """Says that it begins, and never that it has stopped."""

    dropped = (f"{BUFFER}stopped",)


def slower(scene: Scene) -> Scene:
    """People wait for the end of a reply a little longer: it is known a second later."""
    return replace(scene, steps=(*scene.steps, wait(5_000)))


@pytest.mark.parametrize("kind", [Untold, OnlySound, Noisy])
@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_every_scene_goes_as_with_a_server_that_tells(kind: type[World], scene: Scene) -> None:
    checks.check_all(kind(slower(scene)))


@pytest.mark.parametrize("kind", [Untold, OnlySound, Noisy, NeverStops])
def test_people_see_when_the_assistant_speaks(kind: type[World]) -> None:
    world = kind(Scene("talk", (wait(300), say(QUESTION), *ANSWERED, wait(1_000))))
    world.finish()
    states = [(at, e["assistant"]) for at, e in world.told if e["type"] == "state"]
    changes = [new for old, new in itertools.pairwise([(0, ""), *states]) if old[1] != new[1]]
    (began,) = [at for at, state in changes if state == "speaking"]
    ended = next(at for at, state in states if at > began and state == "idle")
    loud = [frame[0] for frame in world.frames if not is_quiet(frame[3], ROOM_NOISE_PEAK)]
    assert abs(began - loud[0]) <= 120_000_000
    assert 0 < ended - loud[-1] <= (5_000_000_000 if kind is NeverStops else 1_100_000_000)


@pytest.mark.parametrize("kind", [Untold, OnlySound])
@pytest.mark.parametrize("stop", [Step("interrupt"), speak(800)], ids=["hand", "speech"])
def test_only_the_reply_that_is_spoken_over_is_cut(kind: type[World], stop: Step) -> None:
    steps = (
        wait(300),
        say("Good morning."),
        *ANSWERED,
        say("Good day."),
        *ANSWERED,
        say(QUESTION),
        until("speaking"),
        wait(2_000),
        stop,
        wait(4_000),
    )
    world = kind(Scene("cut", steps, heard=("Stop.",)))
    world.finish()
    replies = [item for item in checks.messages(world) if item.role == "assistant"]
    first, second, third = replies[:3]
    assert (first.text, second.text) == ("You said: Good morning.", "You said: Good day.")
    assert first.heard_ms is second.heard_ms is None
    assert third.heard_ms is not None and abs(third.heard_ms - 2_000) < 300
    assert f"You said: {QUESTION}".startswith(third.text) and third.text
    checks.conclude(world)


class Silent(Untold):
    """Nothing is heard of it at all: neither sound nor a word about it."""

    sends_silence = False

    def _speak(self, session: int, pcm: bytes) -> None:
        pass


def test_a_stop_leaves_earlier_captions_alone_even_if_nothing_was_ever_heard() -> None:
    steps = [wait(300)]
    for number in range(3):
        steps += [say(f"Question {number}."), wait(7_000)]
    world = Silent(Scene("silent", (*steps, Step("interrupt"), wait(1_000))))
    world.finish()
    texts = [item.text for item in checks.messages(world) if item.role == "assistant"]
    assert texts == [f"You said: Question {number}." for number in range(3)]
