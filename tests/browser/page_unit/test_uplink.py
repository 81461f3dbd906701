"""uplink.js: 480-sample frames, the pause after 400 ms of silence, mute."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

FEED = """
const maker = new m.FrameMaker();
const sent = [];
const feed = (value, count) => maker.take(new Float32Array(count).fill(value), count,
  (frame) => sent.push([frame.pcm[0], frame.pcm[479], frame.flags]), () => {});
"""


def test_frames_are_cut_at_480_samples_whatever_comes_in(run: Run) -> None:
    sent = run(
        "audio/uplink.js", FEED + "for (let i = 0; i < 30; i += 1) feed(0.5, 64); return sent;"
    )
    assert sent == [[16384, 16384, 0]] * 4


def test_full_scale_clips_without_wrapping(run: Run) -> None:
    sent = run("audio/uplink.js", FEED + "feed(1.5, 480); feed(-1.5, 480); return sent;")
    assert [row[0] for row in sent] == [32767, -32767]


def test_silence_pauses_with_its_twentieth_frame_and_sound_resumes(run: Run) -> None:
    flags = run(
        "audio/uplink.js",
        FEED
        + "feed(0.1, 480); for (let i = 0; i < 60; i += 1) feed(0, 480); feed(0.1, 480);"
        + "return sent.map((row) => row[2]);",
    )
    assert flags == [0] * 20 + [1] + [0]


def test_nothing_is_sent_before_the_first_sound(run: Run) -> None:
    assert run("audio/uplink.js", FEED + "feed(0, 48000); return sent.length;") == 0


def test_dither_counts_as_silence(run: Run) -> None:
    assert run("audio/uplink.js", FEED + "feed(2 / 32767, 4800); return sent.length;") == 0


def test_mute_ends_the_stream_in_a_faded_frame_and_unmute_begins_a_new_one(run: Run) -> None:
    last, while_muted, after = run(
        "audio/uplink.js",
        FEED
        + """feed(0.5, 480 + 200);
        const last = maker.setMuted(true);
        const before = sent.length; feed(0.5, 4800); const whileMuted = sent.length - before;
        maker.setMuted(false); feed(0.5, 480);
        const edge = [last.pcm[0], last.pcm[199], last.pcm[200], last.flags];
        return [edge, whileMuted, sent.at(-1)];""",
    )
    assert last == [16384, 228, 0, 1]
    assert while_muted == 0
    assert after == [0, 16384, 0]


def test_muting_a_paused_stream_sends_nothing(run: Run) -> None:
    assert run("audio/uplink.js", FEED + "return maker.setMuted(true);") is None
