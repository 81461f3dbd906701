"""Secrets are ready for use, or a settings error that names the variable and never shows them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.errors import EXIT_CONFIG, SettingsError
from mixer_core.runtime.secrets import checked, secret

NAME = "SOME_TOKEN"
VALUE = "sk-proj-0123456789"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", " ", "\t\n", "\n\n", "\u00a0", "\u2028"])
def test_white_space_at_the_ends_is_taken_off(ending: str) -> None:
    assert secret({NAME: f"{ending}{VALUE}{ending}"}, NAME) == VALUE


@pytest.mark.parametrize("value", ["", " ", "\n", "\r\n", "\t \u00a0", "\x1f"])
def test_white_space_alone_is_none(value: str) -> None:
    assert secret({NAME: value}, NAME) == ""


def test_a_variable_that_is_not_set_or_not_named_is_none() -> None:
    assert secret({}, NAME) == "" and secret({"": "x"}, "") == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("sk-\nx", "a line end (U+000A)"),
        ("sk-\r\nx", "a line end (U+000D)"),
        ("sk-\u2028x", "a line end (U+2028)"),
        ("sk-\x00x", "a control character (U+0000)"),
        ("sk-\x1b[0mx", "a control character (U+001B)"),
        ("sk-\x7fx", "a control character (U+007F)"),
        ("sk-\tx", "a control character (U+0009)"),
        ("sk-é", "no HTTP header carries (U+00E9) is its character 4 of 4"),
        ("sk-x–y", "no HTTP header carries (U+2013)"),
        ("sk-\u200bx", "no HTTP header carries (U+200B)"),
        ("sk-x…", "no HTTP header carries (U+2026)"),
        ("sk-\udcff", "not UTF-8"),
        ("\ufeffsk-x", "byte order mark"),
        ("\ufeff", "byte order mark"),
        ('"sk-x"', "in quotes"),
        ("'sk-x'\n", "in quotes"),
        ("“sk-x”", "in quotes"),
        ('""', "in quotes"),
    ],
)
def test_what_no_header_carries_is_an_error_with_the_variables_name(value: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        secret({NAME: value}, NAME)
    assert str(caught.value).startswith(f"{NAME} cannot be used: ")
    assert words in str(caught.value) and "sk" not in str(caught.value)
    assert caught.value.exit_code == EXIT_CONFIG
    assert "\n" not in str(caught.value)


def test_a_secret_that_travels_in_no_header_may_have_any_letters() -> None:
    assert secret({NAME: " pässwörd\n"}, NAME, ascii_only=False) == "pässwörd"
    with pytest.raises(SettingsError, match="a line end"):
        checked("a\nb", NAME, ascii_only=False)


@pytest.mark.parametrize("mark", ["\ufeff", "\u200b", "\u2060", "\u202e"])
@pytest.mark.parametrize("place", [0, 4])
def test_what_nobody_sees_is_found_in_any_secret(mark: str, place: int) -> None:
    value = "pässwort"[:place] + mark + "pässwort"[place:]
    with pytest.raises(SettingsError, match=r"invisible|byte order mark"):
        checked(value, NAME, ascii_only=False)


@given(st.text(max_size=30))
def test_whatever_passes_can_stand_in_a_header_and_keeps_its_own_characters(value: str) -> None:
    try:
        found = checked(value, NAME)
    except SettingsError as error:
        assert value.strip() not in str(error) or len(value.strip()) < 3
        return
    assert found == value.strip()
    assert found.isascii() and found.isprintable()
