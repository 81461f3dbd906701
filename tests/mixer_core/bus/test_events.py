from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.events import StreamInfo, decode_event, decode_map, encode_map
from mixer_core.runtime.errors import FrameError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(
    st.builds(
        StreamInfo,
        st.sampled_from(["browser", "link"]),
        TEXT, TEXT, TEXT,
        st.booleans(),
        st.sampled_from(["assistant", "conference"]),
    )
)  # fmt: skip
def test_a_stream_info_comes_back(info: StreamInfo) -> None:
    assert StreamInfo.decode(info.encode()) == info


@pytest.mark.parametrize(
    "content",
    [
        {"role": "ghost", "room": "r"},
        {"room": "r"},
        {"role": "link", "room": 7},
        {"role": "link", "room": "r", "mode": "party"},
    ],
)
def test_a_wrong_stream_info_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(FrameError, match="wrong field"):
        StreamInfo.decode(encode_map(content))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_map_or_a_frame_error(payload: bytes) -> None:
    try:
        assert isinstance(decode_map(payload), dict)
    except FrameError:
        return


@pytest.mark.parametrize("depth", [100, 1_010, 5_000])
def test_a_deep_event_is_a_frame_error(depth: int) -> None:
    with pytest.raises(FrameError, match=r"levels deep|not valid MessagePack"):
        decode_event(b"\x81\xa4type" + b"\x91" * depth + b"\xc0")


def test_an_event_needs_a_type() -> None:
    assert decode_event(encode_map({"type": "identify"})) == {"type": "identify"}
    with pytest.raises(FrameError, match="`type`"):
        decode_event(encode_map({"type": 1}))
    with pytest.raises(FrameError, match="must be a map"):
        decode_event(msgpack.packb([1]))


def test_an_event_over_16_kib_is_not_made() -> None:
    with pytest.raises(FrameError, match="is over"):
        encode_map({"text": "x" * 20_000})
