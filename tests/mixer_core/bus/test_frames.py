from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus import frames
from mixer_core.bus.frames import Frame, Kind
from mixer_core.runtime.errors import FrameError

U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFF_FFFF)
U64 = st.integers(0, 2**64 - 1)
PCM = st.binary(min_size=960, max_size=960)


def any_frame() -> st.SearchStrategy[Frame]:
    audio = st.builds(Frame, st.just(Kind.AUDIO), U32, U16, U32, U32, U64, PCM)
    other = st.builds(
        Frame,
        st.sampled_from([Kind.START, Kind.STOP, Kind.FLUSH, Kind.EVENT]),
        U32, U16, U32, U32, U64, st.binary(max_size=200),
    )  # fmt: skip
    return st.one_of(audio, other)


@given(any_frame())
def test_what_is_encoded_is_decoded(frame: Frame) -> None:
    message = frames.encode(frame)
    assert len(message) == frames.HEADER_BYTES + len(frame.payload)
    assert frames.decode(message) == frame


def test_the_example_of_the_readme_has_these_bytes() -> None:
    frame = Frame(Kind.AUDIO, 0x00C0FFEE, 3, 9, frames.FLAG_PAUSE, 1_000_000_000, bytes(960))
    header = bytes.fromhex("eeffc000 01 02 0300 09000000 01000000 00ca9a3b00000000")
    assert frames.encode(frame) == header + bytes(960)
    assert frames.topic(0x00C0FFEE) == header[:4]


@given(U32, U16, U32, U32, U64, PCM)
def test_the_fast_encoder_makes_the_same_bytes(
    stream: int, epoch: int, seq: int, flags: int, stamp_ns: int, pcm: bytes
) -> None:
    slow = frames.encode(Frame(Kind.AUDIO, stream, epoch, seq, flags, stamp_ns, pcm))
    assert frames.encode_audio(stream, epoch, seq, flags, stamp_ns, pcm) == slow


@given(st.binary(max_size=1100))
def test_any_bytes_are_a_frame_or_a_frame_error(data: bytes) -> None:
    try:
        frame = frames.decode(data)
    except FrameError:
        return
    assert frames.encode(frame) == data


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m[:23], "shorter than its 24-byte header"),
        (lambda m: m[:4] + b"\x02" + m[5:], "version 2"),
        (lambda m: m[:5] + b"\x09" + m[6:], "kind 9"),
        (lambda m: m[:-1], "960 bytes, got 959"),
    ],
)
def test_a_broken_frame_is_refused_in_words(change, words: str) -> None:  # type: ignore[no-untyped-def]
    message = frames.encode_audio(1, 0, 0, 0, 0, bytes(960))
    with pytest.raises(FrameError, match=words):
        frames.decode(change(message))


def test_an_oversized_event_is_refused() -> None:
    header = frames.encode(Frame(Kind.EVENT, 1))
    with pytest.raises(FrameError, match="is over"):
        frames.decode(header + bytes(frames.MAX_PAYLOAD_BYTES + 1))


@given(U32, st.integers(-(2**31), 2**31 - 1))
def test_seq_delta_undoes_an_addition_across_the_wrap(seq: int, step: int) -> None:
    assert frames.seq_delta((seq + step) & 0xFFFF_FFFF, seq) == step


@given(U16, st.integers(1, 0x7FFF))
def test_an_epoch_a_little_later_is_newer_and_not_older(epoch: int, step: int) -> None:
    later = (epoch + step) & 0xFFFF
    assert frames.epoch_newer(later, epoch)
    assert not frames.epoch_newer(epoch, later)
    assert frames.newest_epoch(epoch, later) == frames.newest_epoch(later, epoch) == later


@given(U16)
def test_an_epoch_is_not_newer_than_itself(epoch: int) -> None:
    assert not frames.epoch_newer(epoch, epoch)
