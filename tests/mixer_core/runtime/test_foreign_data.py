"""Text of others that would end its reader, or grow it, is refused in words."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import msgpack
import msgspec
import pytest

from mixer_core.runtime.errors import UnreadableError
from mixer_core.runtime.foreign_data import MAX_DEPTH, MAX_VALUES, read_json, read_json_by
from mixer_core.runtime.foreign_data import read_packed as packed

_DECODER = msgspec.json.Decoder()
READERS: list[Callable[[str], Any]] = [read_json, lambda text: read_json_by(text, _DECODER)]


def nested(opening: str, inside: str, closing: str, depth: int) -> str:
    return opening * depth + inside + closing * depth


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 990, 5_000, 100_000])
@pytest.mark.parametrize("shape", [("[", "1", "]"), ('{"a":', "1", "}"), ('[{"a":', "1", "}]")])
def test_deep_text_is_refused(
    read: Callable[[str], Any], shape: tuple[str, str, str], depth: int
) -> None:
    for text in (nested(*shape, depth), shape[0] * depth):
        with pytest.raises(UnreadableError) as refused:
            read(text)
        assert len(str(refused.value)) < 200


@pytest.mark.parametrize("read", READERS)
def test_what_is_wide_is_not_deep(read: Callable[[str], Any]) -> None:
    text = "[" + ",".join(["[1]"] * 1_000) + "]"
    assert read(text) == [[1]] * 1_000
    assert read(nested("[", "1", "]", MAX_DEPTH)) is not None


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("value", ["[]", "{}", "0.1", '"ab"', '{"a":[]}'])
def test_many_values_are_refused_before_they_take_memory(
    read: Callable[[str], Any], value: str
) -> None:
    text = "[" + ",".join([value] * (MAX_VALUES * 4)) + "]"
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError, match="longer than"):
            read(text)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data", ["", "{", b"\xff", b'"\xed\xa0\x80"', "9" * 5_000, "\x00", '{"a":1}{}', "nul"]
)
def test_broken_text_is_refused(data: str | bytes) -> None:
    with pytest.raises(UnreadableError, match="not valid JSON"):
        read_json(data)


def test_valid_json_of_another_shape_is_not_called_broken() -> None:
    decoder = msgspec.json.Decoder(dict[str, int])
    for text in ('{"a": "b"}', "[1]"):
        with pytest.raises(UnreadableError, match=r"^not what is expected here: Expected"):
            read_json_by(text, decoder)
    with pytest.raises(UnreadableError, match="not valid JSON"):
        read_json_by("{", decoder)


def test_a_value_that_something_follows() -> None:
    assert read_json('{"a": 1} and words', is_whole=False) == {"a": 1}


def test_untidy_text_is_read() -> None:
    assert read_json('\ufeff{"a": NaN, "b": "\\ud800"}') == {"a": None, "b": "\ud800"}
    assert read_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 1_010, 5_000])
def test_deep_messagepack_is_refused(depth: int) -> None:
    for opening in (b"\x91", b"\x81\xa1a"):
        with pytest.raises(UnreadableError):
            packed(b"\x81\xa1v" + opening * depth + b"\xc0")


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x81\x01\x02", b"\xdd\xff\xff\xff\xff", b"\x01\x02"]
)
def test_broken_messagepack_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableError, match="MessagePack"):
        packed(data)


def test_messagepack_is_read() -> None:
    assert packed(msgpack.packb({"a": [1, {"b": None}]})) == {"a": [1, {"b": None}]}
