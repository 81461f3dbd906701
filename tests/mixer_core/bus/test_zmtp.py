from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.zmtp import (
    GREETING,
    GREETING_BYTES,
    MAX_MESSAGE_BYTES,
    Parser,
    encode,
    hello,
    subscribe,
)
from mixer_core.runtime.errors import FrameError


@given(
    messages=st.lists(st.binary(max_size=1_200), max_size=8),
    cuts=st.lists(st.integers(0, 6_000), max_size=12),
)
def test_messages_survive_any_cutting(messages: list[bytes], cuts: list[int]) -> None:
    stream = hello("PUSH") + b"".join(encode(message) for message in messages)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    parser, got = Parser(), []
    for start, end in itertools.pairwise(places):
        got += parser.feed(stream[start:end])
    assert got == messages


def test_a_message_within_a_message_is_none() -> None:
    inner = encode(bytes(300))
    outer = encode(b"before" + inner)
    parser = Parser()
    parser.feed(hello("PUSH"))
    assert parser.feed(outer[: -len(inner)]) == []
    assert parser.feed(outer[-len(inner) :]) == [b"before" + inner]


def test_a_hello_is_a_greeting_and_a_command() -> None:
    assert len(GREETING) == GREETING_BYTES
    parser = Parser()
    assert parser.feed(hello("SUB")[:-1]) == [] and not parser.is_ready
    assert parser.feed(hello("SUB")[-1:]) == [] and parser.is_ready
    assert parser.feed(encode(subscribe(b"\x07\0\0\0"))) == [b"\x01\x07\0\0\0"]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"GET / HTTP/1.1\r\n" + bytes(60),
        GREETING[:10] + b"\x02" + GREETING[11:],
        GREETING.replace(b"NULL", b"PLAI"),
        GREETING + b"\x40\x01x",
        GREETING + b"\x02" + (MAX_MESSAGE_BYTES + 1).to_bytes(8, "big"),
    ],
)
def test_what_is_no_zmtp_is_refused(nonsense: bytes) -> None:
    with pytest.raises(FrameError):
        Parser().feed(nonsense)


@given(st.binary(max_size=400))
def test_noise_never_raises_anything_else(noise: bytes) -> None:
    parser = Parser()
    try:
        parser.feed(noise)
        parser.feed(GREETING + noise)
    except FrameError:
        pass
