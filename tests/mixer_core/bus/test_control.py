from __future__ import annotations

from dataclasses import fields
from typing import get_args

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus import control
from mixer_core.bus.rules import ChosenAddress
from mixer_core.runtime.errors import ControlError
from mixer_core.runtime.room_rules import Address


def any_message() -> st.SearchStrategy[control.Message]:
    return st.one_of(*(st.from_type(cls) for cls in control.MESSAGES.values()))


@given(any_message().filter(lambda m: "nan" not in repr(m)))
def test_what_is_encoded_is_decoded(message: control.Message) -> None:
    try:
        data = control.encode(message)
    except (OverflowError, UnicodeEncodeError):
        return  # integers over 64 bit and lone surrogates have no MessagePack form
    assert control.decode(data) == message


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_control_error(data: bytes) -> None:
    try:
        control.decode(data)
    except ControlError:
        return


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "must be a map"),
        ({"v": 2, "type": "leave", "participant": "p"}, "version 2"),
        ({"v": 1, "type": "dance"}, "'dance' is unknown"),
        ({"v": 1, "type": ["leave"]}, "is unknown"),
        ({"v": 1, "type": "leave"}, "missing required field"),
        ({"v": 1, "type": "leave", "participant": 5}, "Expected `str`"),
        ({"v": 1, "type": "leave", "participant": "p", "extra": 1}, "unknown fields"),
    ],
)
def test_a_wrong_message_is_refused_in_words(content: object, words: str) -> None:
    with pytest.raises(ControlError, match=words):
        control.decode(msgpack.packb(content))


@pytest.mark.parametrize("key", ["v", "type", "participant"])
@pytest.mark.parametrize("depth", [100, 500, 1_010, 5_000])
def test_a_deep_message_is_refused_in_words(key: str, depth: int) -> None:
    message = msgpack.packb({key: 0}).removesuffix(b"\0") + b"\x91" * depth + b"\xc0"
    with pytest.raises(ControlError, match=r"levels deep|not valid MessagePack"):
        control.decode(message)


def test_an_oversized_message_is_refused_unread() -> None:
    with pytest.raises(ControlError, match="is over"):
        control.decode(bytes(control.MAX_BYTES + 1))


def test_every_message_has_documentation_and_a_row_in_the_readme() -> None:
    from pathlib import Path

    readme = Path(control.__file__).with_name("README.md").read_text(encoding="utf-8")
    for name, cls in control.MESSAGES.items():
        assert cls.__doc__ and not cls.__doc__.startswith(cls.__name__ + "("), name
        assert f"`{name}`" in readme
        assert "v" not in {f.name for f in fields(cls)}


def test_an_admin_chooses_among_the_address_rules_of_the_settings() -> None:
    assert set(get_args(ChosenAddress)) == {"", *get_args(Address)}
