"""The output buffer: starts, counts, stops, and is cleared exactly once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.pcm import FRAME_BYTES
from openai_link.simulator.engine.output_audio import (
    Interrupted,
    OutputAudio,
    PlaybackStarted,
    PlaybackStopped,
)

FRAME = b"\x01\x00" * 480


def test_playback_begins_after_three_frames_and_ends_in_the_slot_after_the_last() -> None:
    output = OutputAudio()
    output.begin("resp", "item")
    output.append("item", FRAME * 2)
    assert output.next_frame() == (None, [])
    output.append("item", FRAME)
    assert output.next_frame() == (FRAME, [PlaybackStarted("resp")])
    assert output.playing == "resp"
    output.finish("item")
    assert [output.next_frame() for _ in range(3)] == [(FRAME, []), (FRAME, []), (None, [])]
    output.generated("resp")
    assert output.next_frame() == (None, [PlaybackStopped("resp")])
    assert not output.playing
    assert output.next_frame() == (None, [])


def test_a_short_reply_is_played_once_it_is_complete_and_padded() -> None:
    output = OutputAudio()
    output.begin("resp", "item")
    output.append("item", b"\x01\x00" * 10)
    output.finish("item")
    pcm, events = output.next_frame()
    assert pcm == b"\x01\x00" * 10 + bytes(FRAME_BYTES - 20)
    assert events == [PlaybackStarted("resp")]


def test_while_more_is_generated_an_empty_buffer_pauses_without_an_end() -> None:
    output = OutputAudio()
    output.begin("resp", "item")
    output.append("item", FRAME * 3)
    assert [output.next_frame()[0] for _ in range(4)] == [FRAME, FRAME, FRAME, None]
    output.append("item", FRAME)
    assert output.next_frame() == (FRAME, [])


def test_the_next_reply_follows_in_the_same_slot() -> None:
    output = OutputAudio()
    for name in ("a", "b"):
        output.begin(f"resp_{name}", name)
        output.append(name, FRAME)
        output.finish(name)
    assert output.next_frame() == (FRAME, [PlaybackStarted("resp_a")])
    assert output.next_frame() == (FRAME, [PlaybackStopped("resp_a"), PlaybackStarted("resp_b")])


def test_two_messages_of_a_response_are_played_as_one() -> None:
    output = OutputAudio()
    heard: list[bytes | None] = []
    told: list[object] = []

    def play(slots: int) -> None:
        for _ in range(slots):
            pcm, events = output.next_frame()
            heard.append(pcm)
            told.extend(events)

    output.begin("resp", "a")
    output.append("a", FRAME)
    output.finish("a")
    play(2)
    output.begin("resp", "b")
    output.append("b", FRAME)
    output.finish("b")
    output.generated("resp")
    play(3)
    assert heard == [FRAME, None, FRAME, None, None]
    assert told == [PlaybackStarted("resp"), PlaybackStopped("resp")]


def test_a_reply_without_sound_never_starts() -> None:
    output = OutputAudio()
    output.begin("resp", "item")
    output.finish("item")
    output.generated("resp")
    assert output.next_frame() == (None, [])


def test_clearing_tells_what_was_played_and_ignores_what_comes_later() -> None:
    output = OutputAudio()
    output.begin("resp_a", "a")
    output.append("a", FRAME * 5)
    output.begin("resp_b", "b")
    output.next_frame()
    output.next_frame()
    assert output.clear() == [
        Interrupted("resp_a", "a", 40),
        Interrupted("resp_b", "b", 0),
    ]
    output.append("a", FRAME * 5)
    output.finish("a")
    assert output.next_frame() == (None, [])
    assert output.clear() == [] and not output.playing


@given(st.lists(st.integers(0, 3_000).map(lambda n: 2 * n), max_size=10))
def test_every_sample_comes_out_once_and_in_order(sizes: list[int]) -> None:
    output = OutputAudio()
    output.begin("resp", "item")
    data = bytes(i % 251 for i in range(sum(sizes)))
    position = 0
    for size in sizes:
        output.append("item", data[position : position + size])
        position += size
    output.finish("item")
    played = b""
    while (pcm := output.next_frame()[0]) is not None:
        played += pcm
    assert played[: len(data)] == data
    assert len(played) - len(data) < FRAME_BYTES
