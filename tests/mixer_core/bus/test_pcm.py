from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.pcm import FRAME_BYTES, SILENCE, FrameCutter, is_silence


@given(st.lists(st.binary(max_size=3000).map(lambda b: b[: len(b) // 2 * 2]), max_size=20))
def test_no_byte_is_lost_or_moved_by_cutting(pieces: list[bytes]) -> None:
    cutter = FrameCutter()
    cut = [frame for piece in pieces for frame in cutter.push(piece)]
    assert all(len(frame) == FRAME_BYTES for frame in cut)
    whole = b"".join(pieces)
    assert b"".join(cut) == whole[: len(cut) * FRAME_BYTES]
    assert cutter.pending_bytes == len(whole) - len(cut) * FRAME_BYTES
    rest = cutter.flush()
    tail = whole[len(cut) * FRAME_BYTES :]
    assert rest == (tail + SILENCE[len(tail) :] if tail else None)
    assert cutter.pending_bytes == 0


def test_an_odd_piece_is_refused_and_the_stream_stays_whole() -> None:
    cutter = FrameCutter()
    cutter.push(b"\x01\x00" * 100)
    with pytest.raises(ValueError, match="even number"):
        cutter.push(b"\x01" * 3)
    assert cutter.pending_bytes == 200


def test_a_huge_piece_is_refused() -> None:
    with pytest.raises(ValueError, match="is over"):
        FrameCutter(max_bytes=1920).push(bytes(1922))


@given(st.binary(max_size=2000))
def test_silence_means_every_byte_is_zero(pcm: bytes) -> None:
    assert is_silence(pcm) == (not any(pcm))
