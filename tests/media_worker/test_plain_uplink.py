"""From a plain client's pieces to frames: nothing lost, nothing sent for nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_worker.plain_uplink import PlainUplink
from media_worker.uplink import UplinkFrame
from mixer_core.bus import frames, pcm
from mixer_core.runtime.errors import BrowserMessageError
from mixer_core.runtime.units import MS_NS, S_NS

LOUD = b"\x01\x02" * 480
PAUSE = frames.FLAG_PAUSE


def plain() -> PlainUplink:
    return PlainUplink(hangover_ms=400)


def test_cuts_pieces_of_any_even_length_into_frames() -> None:
    uplink = plain()
    assert uplink.push(LOUD[:400], 10) == []
    assert uplink.push(LOUD[: 1200 - 400] + LOUD[:400], 30) == [UplinkFrame(0, 0, 10, LOUD)]
    assert uplink.push(LOUD[:720], 50) == [UplinkFrame(1, 0, 30, LOUD)]
    assert uplink.frames_total == 2


def test_pads_the_rest_of_a_client_that_stopped() -> None:
    uplink = plain()
    uplink.push(LOUD[:96], 5 * MS_NS)
    due_ns = uplink.next_timeout_ns()
    assert due_ns is not None and 66 * MS_NS < due_ns <= 67 * MS_NS
    assert uplink.timeout(66 * MS_NS) == []
    padded = LOUD[:96] + bytes(864)
    assert uplink.timeout(67 * MS_NS) == [UplinkFrame(0, PAUSE, 5 * MS_NS, padded)]
    assert uplink.next_timeout_ns() is None


def test_announces_the_pause_of_a_client_that_stopped_on_a_whole_frame() -> None:
    uplink = plain()
    assert uplink.push(LOUD, 0) == [UplinkFrame(0, 0, 0, LOUD)]
    assert uplink.timeout(419 * MS_NS) == []
    assert uplink.timeout(420 * MS_NS) == [UplinkFrame(1, PAUSE, 420 * MS_NS, pcm.SILENCE)]
    assert uplink.timeout(900 * MS_NS) == []


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
    sent = [uplink.push(pcm.SILENCE, i * S_NS) for i in range(30)]
    assert [len(part) for part in sent] == [1] * 20 + [0] * 10
    assert [part[0].flags for part in sent[:20]] == [0] * 19 + [PAUSE]
    assert uplink.push(LOUD, 40 * S_NS)[0].flags == 0
    assert uplink.suppressed_total == 11


def test_mute_sends_one_silent_frame_with_pause_then_nothing() -> None:
    uplink = plain()
    uplink.push(LOUD + LOUD[:10], 0)
    assert uplink.set_muted(True, 7) == [UplinkFrame(1, PAUSE, 7, pcm.SILENCE)]
    assert uplink.set_muted(True, 8) == []
    assert uplink.push(LOUD, 9) == []
    assert uplink.timeout(10_000 * MS_NS) == []
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
    assert [frame.stamp_ns for frame in out] == [0] * 4 + [19 * MS_NS * n for n in range(1, 7)]


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


sounds = st.binary(min_size=1, max_size=1500).map(
    lambda data: bytes(b | 1 for b in (data if len(data) % 2 == 0 else data + b"\1"))
)


@given(st.lists(sounds, max_size=20))
def test_cutting_never_loses_a_sample(pieces: list[bytes]) -> None:
    uplink = plain()
    out = [frame for i, piece in enumerate(pieces) for frame in uplink.push(piece, i * MS_NS)]
    while (due_ns := uplink.next_timeout_ns()) is not None:
        out += uplink.timeout(due_ns)
    sent = b"".join(frame.pcm for frame in out)
    whole = b"".join(pieces)
    assert sent[: len(whole)] == whole
    assert not sent[len(whole) :].strip(b"\0")
    assert [frame.seq for frame in out] == list(range(len(out)))
    stamps = [frame.stamp_ns for frame in out if frame.pcm != pcm.SILENCE]
    assert stamps == sorted(stamps)
