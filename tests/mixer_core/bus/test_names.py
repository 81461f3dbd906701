"""What people may be called."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.names import MAX_NAME_CHARACTERS, is_reserved, refusal, skeleton, tidy

PASSES = """
Assistant|assistant|ASSISTANT|Аssistаnt|Аѕѕіѕтапт|αssιsταnτ|Assıstant|Àssistänt|ᴀssɪsᴛᴀɴᴛ|ꓮssistant
Ａｓｓｉｓｔａｎｔ|𝐀𝐬𝐬𝐢𝐬𝐭𝐚𝐧𝐭|Ⓐⓢⓢⓘⓢⓣⓐⓝⓣ|🅰ssistant|4ssistant|Ass1stant|A$$istant|A s s i s t a n t
The Assistant|AI Assistant|Assistant 2|Assistant (AI)|~Assistant~|Assistant ✓|System|mixminus
"""
GOOD = """
Ada|Grace Hopper|Ōe|José|Łukasz|Ольга|Ελένη|李雷|नेहा|क्\u200dष|علی\u200cرضا|葛\U000e0100城|ไพโรจน์
O'Brien|Jean-Luc|Anna 2|R2-D2|1|👩\u200d💻|👩🏽\u200d❤\ufe0f\u200d👨🏽|🏳\ufe0f\u200d🌈|1\ufe0f\u20e3
❤\ufe0f Ann|Dana's assistant's friend
"""
HIDDEN = [
    "\u202eada",
    "a\u2066b",
    "a\u200eb",
    "a\u200bb",
    "A\u200da",
    "a\u200cb",
    "\ufeffA",
    "A\u00adda",
    "as\u034fsistant",
    "a\U000e0041",
    "A\u180eb",
    "a\ufe0f",
    "\u3164",
    "\u2800",
    "\u0301",
    "a\x00",
    "a\nb",
    "\x1b[31m",
    "a\u2028b",
    "\ue000",
    "\ud800",
]


def split(names: str) -> list[str]:
    """The names of a table."""
    return names.strip().replace("\n", "|").split("|")


@pytest.mark.parametrize("name", split(GOOD))
def test_names_of_many_scripts_are_fine(name: str) -> None:
    assert refusal(tidy(name)) == ""


@pytest.mark.parametrize("name", split(PASSES))
def test_nobody_passes_for_the_assistant(name: str) -> None:
    assert "assistant" in refusal(tidy(name))


@pytest.mark.parametrize("name", HIDDEN, ids=ascii)
def test_what_hides_or_turns_the_text_is_refused(name: str) -> None:
    assert refusal(tidy(name))


def test_length_and_accents_have_a_limit() -> None:
    assert not refusal("x" * MAX_NAME_CHARACTERS)
    assert "64" in refusal("x" * (MAX_NAME_CHARACTERS + 1))
    assert "accents" in refusal(tidy("a" + "\u0301" * 9))


def test_spaces_become_plain_ones() -> None:
    assert tidy("\u3000山\u3000 田\u00a0") == "山 田"


def test_look_alikes_have_one_skeleton() -> None:
    assert skeleton("Αnnа") == skeleton("anna") == skeleton("A N N A")
    assert skeleton("Anna") != skeleton("Anne")


@given(st.text(max_size=80))
def test_what_is_accepted_is_stable_and_can_be_seen(name: str) -> None:
    accepted = tidy(name)
    assert tidy(accepted) == accepted
    if accepted and not refusal(accepted):
        categories = [unicodedata.category(character) for character in accepted]
        assert any(category[0] not in "MZC" for category in categories)
        assert not {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"} & {*categories}
        assert not is_reserved(accepted)
