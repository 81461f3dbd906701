"""From the browser's pieces to frames: nothing lost, nothing sent for nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_worker.uplink import Uplink, UplinkFrame
from mixer_core.bus import frames, pcm
from mixer_core.runtime.errors import BrowserMessageError

MS = 1_000_000
S = 1_000 * MS
LOUD = b"\x01\x02" * 480
PAUSE = frames.FLAG_PAUSE


def plain() -> Uplink:
    return Uplink(framed=False, hangover_ms=400)


def framed() -> Uplink:
    return Uplink(framed=True, hangover_ms=400)


def message(seq: int, samples: bytes = LOUD, flags: int = 0) -> bytes:
    return frames.encode_audio(0, 0, seq, flags, 99, samples)


def test_cuts_pieces_of_any_even_length_into_frames() -> None:
    uplink = plain()
    assert uplink.push(LOUD[:400], 10) == []
    assert uplink.push(LOUD[: 1200 - 400] + LOUD[:400], 30) == [UplinkFrame(0, 0, 10, LOUD)]
    assert uplink.push(LOUD[:720], 50) == [UplinkFrame(1, 0, 30, LOUD)]
    assert uplink.frames_total == 2


def test_pads_the_rest_of_a_client_that_stopped() -> None:
    uplink = plain()
    uplink.push(LOUD[:96], 5 * MS)
    due_ns = uplink.next_timeout_ns()
    assert due_ns is not None and 66 * MS < due_ns <= 67 * MS
    assert uplink.timeout(66 * MS) == []
    padded = LOUD[:96] + bytes(864)
    assert uplink.timeout(67 * MS) == [UplinkFrame(0, PAUSE, 5 * MS, padded)]
    assert uplink.next_timeout_ns() is None


def test_announces_the_pause_of_a_client_that_stopped_on_a_whole_frame() -> None:
    uplink = plain()
    assert uplink.push(LOUD, 0) == [UplinkFrame(0, 0, 0, LOUD)]
    assert uplink.timeout(419 * MS) == []
    assert uplink.timeout(420 * MS) == [UplinkFrame(1, PAUSE, 420 * MS, pcm.SILENCE)]
    assert uplink.timeout(900 * MS) == []


def test_the_gap_after_a_long_piece_is_no_silence() -> None:
    uplink = plain()
    out: list[UplinkFrame] = []
    sent_bytes = 0
    for size in (2, 1498, 640, 4096) * 10:
        now_ns = sent_bytes * pcm.FRAME_NS // 960
        while (due_ns := uplink.next_timeout_ns()) is not None and due_ns <= now_ns:
            out += uplink.timeout(due_ns)
        out += uplink.push(b"\x01" * size, now_ns)
        sent_bytes += size
    assert not any(frame.flags for frame in out)
    assert {frame.pcm for frame in out} == {b"\x01" * 960}


def test_refuses_odd_and_endless_pieces_and_goes_on() -> None:
    uplink = plain()
    for piece, code in ((b"\1" * 961, "odd_length"), (bytes(200_000), "too_long")):
        with pytest.raises(BrowserMessageError) as caught:
            uplink.push(piece, 0)
        assert caught.value.code == code
    assert len(uplink.push(LOUD, 1)) == 1


def test_sends_silence_for_the_hang_over_only() -> None:
    uplink = plain()
    assert uplink.push(pcm.SILENCE, 0) == []
    uplink.push(LOUD, 0)
    sent = [uplink.push(pcm.SILENCE, i * S) for i in range(30)]
    assert [len(part) for part in sent] == [1] * 20 + [0] * 10
    assert [part[0].flags for part in sent[:20]] == [0] * 19 + [PAUSE]
    assert uplink.push(LOUD, 40 * S)[0].flags == 0
    assert uplink.suppressed_total == 11


def test_mute_sends_one_silent_frame_with_pause_then_nothing() -> None:
    uplink = plain()
    uplink.push(LOUD + LOUD[:10], 0)
    assert uplink.set_muted(True, 7) == [UplinkFrame(1, PAUSE, 7, pcm.SILENCE)]
    assert uplink.set_muted(True, 8) == []
    assert uplink.push(LOUD, 9) == []
    assert uplink.timeout(10_000 * MS) == []
    assert uplink.set_muted(False, 10) == []
    assert uplink.push(LOUD, 11) == [UplinkFrame(2, 0, 11, LOUD)]


def test_mute_before_any_sound_sends_nothing() -> None:
    assert plain().set_muted(True, 0) == []


def test_a_long_piece_is_handed_out_a_little_faster_than_it_sounds() -> None:
    uplink = plain()
    pieces = [bytes([1 + index]) * 960 for index in range(10)]
    out = uplink.push(b"".join(pieces), 0)
    assert len(out) == 4
    while len(out) < 10:
        due_ns = uplink.next_timeout_ns()
        assert due_ns is not None
        assert uplink.timeout(due_ns - 1) == []
        out += uplink.timeout(due_ns)
    assert [frame.pcm for frame in out] == pieces
    assert [frame.stamp_ns for frame in out] == [0] * 4 + [19 * MS * n for n in range(1, 7)]


def test_what_a_client_sends_too_fast_is_dropped_and_counted() -> None:
    uplink = plain()
    for _ in range(10):
        uplink.push(LOUD * 20, 0)
    assert (uplink.frames_total, uplink.dropped_total) == (4, 200 - 4 - 64)


def test_mute_drops_what_waits() -> None:
    uplink = plain()
    uplink.push(LOUD * 10, 0)
    assert [frame.flags for frame in uplink.set_muted(True, 1)] == [PAUSE]
    assert uplink.next_timeout_ns() is None
    assert uplink.suppressed_total == 6


def test_framed_keeps_the_clients_count_and_pause() -> None:
    uplink = framed()
    assert uplink.push(message(500), 3) == [UplinkFrame(500, 0, 3, LOUD)]
    assert uplink.push(message(502), 4) == [UplinkFrame(502, 0, 4, LOUD)]
    assert uplink.push(message(501), 5) == [UplinkFrame(501, 0, 5, LOUD)]
    assert uplink.late_total == 1
    assert uplink.push(message(503, flags=PAUSE), 6) == [UplinkFrame(503, PAUSE, 6, LOUD)]
    assert uplink.push(message(502), 7) == []
    assert uplink.push(message(600), 8) == [UplinkFrame(600, 0, 8, LOUD)]
    assert uplink.next_timeout_ns() is None


def test_framed_mute_slips_a_frame_into_the_count() -> None:
    uplink = framed()
    uplink.push(message(8), 0)
    assert uplink.set_muted(True, 1) == [UplinkFrame(9, PAUSE, 1, pcm.SILENCE)]
    assert uplink.push(message(9), 2) == []
    uplink.set_muted(False, 3)
    assert uplink.push(message(10), 4) == [UplinkFrame(11, 0, 4, LOUD)]


def test_framed_count_wraps() -> None:
    uplink = framed()
    uplink.push(message(frames.U32), 0)
    assert uplink.push(message(0), 1) == [UplinkFrame(0, 0, 1, LOUD)]
    assert uplink.late_total == 0


sounds = st.binary(min_size=1, max_size=1500).map(
    lambda data: bytes(b | 1 for b in (data if len(data) % 2 == 0 else data + b"\1"))
)


@given(st.lists(sounds, max_size=20))
def test_cutting_never_loses_a_sample(pieces: list[bytes]) -> None:
    uplink = plain()
    out = [frame for i, piece in enumerate(pieces) for frame in uplink.push(piece, i * MS)]
    while (due_ns := uplink.next_timeout_ns()) is not None:
        out += uplink.timeout(due_ns)
    sent = b"".join(frame.pcm for frame in out)
    whole = b"".join(pieces)
    assert sent[: len(whole)] == whole
    assert not sent[len(whole) :].strip(b"\0")
    assert [frame.seq for frame in out] == list(range(len(out)))
    stamps = [frame.stamp_ns for frame in out if frame.pcm != pcm.SILENCE]
    assert stamps == sorted(stamps)


@given(
    st.lists(
        st.one_of(st.sampled_from(["loud", "silent", "mute", "unmute"]), st.integers(1, 900)),
        max_size=120,
    ),
    st.booleans(),
)
def test_suppression_keeps_its_promises(steps: list[str | int], is_framed: bool) -> None:
    uplink = Uplink(framed=is_framed, hangover_ms=100)
    sent: list[UplinkFrame] = []
    now, seq, muted, loud_in = 0, 0, False, 0
    for step in steps:
        now += 20 * MS
        if step in ("mute", "unmute"):
            muted = step == "mute"
            sent += uplink.set_muted(muted, now)
        elif isinstance(step, int):
            now += step * MS
            while (due_ns := uplink.next_timeout_ns()) is not None and due_ns <= now:
                sent += uplink.timeout(now)
        else:
            samples = LOUD if step == "loud" else pcm.SILENCE
            loud_in += step == "loud" and not muted
            sent += uplink.push(message(seq, samples) if is_framed else samples, now)
            seq += 1
    assert sum(frame.pcm == LOUD for frame in sent) == loud_in
    assert all(frames.seq_delta(b.seq, a.seq) > 0 for a, b in pairwise(sent))
    for before, after in pairwise(sent):
        if before.flags & PAUSE:
            assert after.pcm == LOUD
    silent_run = 0
    for frame in sent:
        silent_run = silent_run + 1 if frame.pcm == pcm.SILENCE else 0
        assert silent_run <= 6
    assert uplink.paused == (not sent or bool(sent[-1].flags & PAUSE))
    assert uplink.frames_total == len(sent)
