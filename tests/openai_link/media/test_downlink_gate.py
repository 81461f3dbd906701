"""What passes the gate: inside and outside of replies, and after a flush."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.frames import FLAG_CONCEALED, FLAG_PAUSE
from mixer_core.bus.pcm import FRAME_NS, SILENCE
from openai_link.media.downlink_gate import HANGOVER_FRAMES, REOPEN_NS, DownlinkGate
from openai_link.media.quiet import DECODED_SILENCE_PEAK as QUIET_PEAK

LOUD = struct.pack("<480h", *([900, -900] * 240))
NOISE_FLOOR = struct.pack("<480h", *([QUIET_PEAK, -QUIET_PEAK] * 240))
OTHER = struct.pack("<480h", *([500] * 480))


class Listener:
    """Feeds a gate 20 ms at a time and keeps what passes."""

    def __init__(self) -> None:
        self.gate = DownlinkGate()
        self.now_ns = 0
        self.passed: list[bytes] = []
        self.flags: list[int] = []

    def feed(self, *pieces: bytes) -> int:
        """Returns how many of ``pieces`` passed."""
        before = len(self.passed)
        for pcm in pieces:
            self.now_ns += FRAME_NS
            frame = self.gate.frame(pcm, self.now_ns, self.now_ns)
            if frame is not None:
                assert frame.stamp_ns == self.now_ns
                self.passed.append(frame.pcm)
                self.flags.append(frame.flags)
        return len(self.passed) - before


def test_silence_between_replies_is_not_sent() -> None:
    listener = Listener()
    assert listener.feed(SILENCE, NOISE_FLOOR, SILENCE) == 0
    assert listener.gate.dropped_quiet == 3


def test_a_reply_passes_sample_for_sample_with_its_silences() -> None:
    listener = Listener()
    listener.gate.started()
    reply = [LOUD, *[SILENCE] * 40, OTHER, NOISE_FLOOR, LOUD]
    assert listener.feed(*reply) == len(reply)
    assert listener.passed == reply
    assert set(listener.flags) == {0}


def test_after_the_reply_the_tail_passes_and_ends_with_a_pause() -> None:
    listener = Listener()
    listener.gate.started()
    listener.feed(LOUD)
    listener.gate.stopped(listener.now_ns)
    assert listener.feed(*[SILENCE] * 30) == HANGOVER_FRAMES == 10
    assert listener.flags == [0] * 10 + [FLAG_PAUSE]


def test_sound_that_comes_after_stopped_is_not_cut() -> None:
    listener = Listener()
    listener.gate.started()
    listener.feed(LOUD)
    listener.gate.stopped(listener.now_ns)
    assert listener.feed(*[LOUD] * 15, *[SILENCE] * 30) == 15 + HANGOVER_FRAMES
    assert listener.flags.count(FLAG_PAUSE) == 1


def test_sound_ahead_of_started_passes() -> None:
    listener = Listener()
    assert listener.feed(SILENCE, LOUD, LOUD) == 2
    listener.gate.started()
    assert listener.feed(SILENCE, LOUD) == 2
    assert FLAG_PAUSE not in listener.flags


def test_when_packets_cease_the_pause_is_announced_by_silence() -> None:
    listener = Listener()
    listener.gate.started()
    listener.feed(LOUD)
    assert listener.gate.next_timeout_ns() is None
    listener.gate.stopped(listener.now_ns)
    timeout_ns = listener.gate.next_timeout_ns()
    assert timeout_ns is not None
    assert listener.gate.tick(timeout_ns - 1) is None
    frame = listener.gate.tick(timeout_ns)
    assert frame is not None and (frame.pcm, frame.flags) == (SILENCE, FLAG_PAUSE)
    assert listener.gate.next_timeout_ns() is None
    assert not listener.gate.is_passing


def test_the_end_of_the_session_announces_the_pause_once() -> None:
    gate = DownlinkGate()
    assert gate.end(1) is None
    gate.started()
    frame = gate.end(2)
    assert frame is not None and frame.flags == FLAG_PAUSE
    assert gate.end(3) is None


def test_concealed_frames_are_marked() -> None:
    frame = DownlinkGate().frame(LOUD, 1, 2, concealed=True)
    assert frame is not None and frame.flags == FLAG_CONCEALED


def test_after_a_flush_the_old_reply_is_held_back_until_started() -> None:
    listener = Listener()
    listener.gate.started()
    listener.feed(LOUD)
    listener.gate.flush(listener.now_ns)
    assert listener.feed(LOUD, LOUD, SILENCE, LOUD) == 0
    assert listener.gate.dropped_old == 4
    listener.gate.started()
    assert listener.feed(OTHER) == 1


def test_after_a_flush_two_quiet_frames_show_that_the_old_reply_is_over() -> None:
    listener = Listener()
    listener.gate.started()
    listener.gate.flush(listener.now_ns)
    assert listener.feed(LOUD, SILENCE, NOISE_FLOOR) == 0
    assert listener.feed(OTHER) == 1


def test_after_a_flush_the_gate_is_closed_for_half_a_second_at_most() -> None:
    listener = Listener()
    listener.gate.flush(0)
    frames = REOPEN_NS // FRAME_NS
    assert listener.feed(*[LOUD] * (frames - 1)) == 0
    assert listener.feed(LOUD) == 1


@given(
    before=st.integers(0, 20),
    late=st.integers(0, REOPEN_NS // FRAME_NS - 3),
    quiet=st.integers(0, 30),
    after=st.integers(1, 20),
    announced=st.booleans(),
)
def test_the_old_reply_never_passes_and_the_new_one_always_does(
    before: int, late: int, quiet: int, after: int, announced: bool
) -> None:
    """The new reply is announced by ``started``, or preceded by a silence, or both."""
    listener = Listener()
    listener.gate.started()
    assert listener.feed(*[LOUD] * before) == before
    listener.gate.flush(listener.now_ns)
    assert listener.feed(*[LOUD] * late) == 0
    listener.feed(*[SILENCE] * quiet)
    if announced or quiet < 2:
        listener.gate.started()
    assert listener.feed(*[OTHER] * after) == after
    assert listener.passed.count(LOUD) == before


@given(st.lists(st.sampled_from(["loud", "quiet", "started", "stopped", "flush", "end"])))
def test_every_talk_spurt_but_the_flushed_ends_with_one_pause(steps: list[str]) -> None:
    listener = Listener()
    gate = listener.gate
    for step in steps:
        if step in ("loud", "quiet"):
            listener.feed(LOUD if step == "loud" else SILENCE)
        elif step == "started":
            gate.started()
        elif step == "stopped":
            gate.stopped(listener.now_ns)
        elif step == "flush":
            gate.flush(listener.now_ns)
        else:
            gate.end(listener.now_ns)
    passing = gate.is_passing
    gate.stopped(listener.now_ns)
    before = listener.flags.count(FLAG_PAUSE)
    listener.feed(*[SILENCE] * (HANGOVER_FRAMES + 3))
    assert listener.flags.count(FLAG_PAUSE) - before == passing
