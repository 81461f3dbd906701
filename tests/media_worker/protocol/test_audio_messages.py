"""Audio messages of the framed protocol: read, or refused with a code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_worker.protocol.audio_messages import ChannelFrame, read_frame
from mixer_core.bus import frames, pcm
from mixer_core.runtime.errors import BrowserMessageError


@given(st.binary(max_size=1100))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        frame = read_frame(data)
    except BrowserMessageError as error:
        assert error.code in ("frame_length", "frame_version", "frame_kind")
    else:
        assert len(frame.pcm) == pcm.FRAME_BYTES


def test_reads_an_audio_frame() -> None:
    data = frames.encode_audio(0, 7, 41, frames.FLAG_PAUSE, 123, bytes(range(240)) * 4)
    expected = ChannelFrame(7, 41, frames.FLAG_PAUSE, bytes(range(240)) * 4)
    assert read_frame(data) == expected


@pytest.mark.parametrize(
    ("position", "value", "code"),
    [(4, 2, "frame_version"), (5, 1, "frame_kind"), (5, 99, "frame_kind")],
)
def test_refuses_frames_of_another_version_or_kind(position: int, value: int, code: str) -> None:
    data = bytearray(frames.encode_audio(0, 0, 0, 0, 0, pcm.SILENCE))
    data[position] = value
    with pytest.raises(BrowserMessageError) as caught:
        read_frame(bytes(data))
    assert caught.value.code == code


@pytest.mark.parametrize("length", [0, 23, 24, 983, 985])
def test_refuses_frames_of_another_length(length: int) -> None:
    data = frames.encode_audio(0, 0, 0, 0, 0, pcm.SILENCE + b"\0")[:length]
    with pytest.raises(BrowserMessageError) as caught:
        read_frame(data)
    assert caught.value.code == "frame_length"
