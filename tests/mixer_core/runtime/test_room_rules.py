"""What holds in a room, by its section, that of all others, and today's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.room_rules import OTHERS, RoomRules, Rooms
from mixer_core.runtime.setting_origins import changed, origins
from mixer_core.runtime.settings import CommonSettings, load, load_all

KEYS: Mapping[str, st.SearchStrategy[Any]] = {
    "mode": st.sampled_from(("assistant", "conference")),
    "instructions": st.text(max_size=5),
    "voice": st.sampled_from(("marin", "cedar", "")),
    "tools": st.lists(st.sampled_from(("*", "a", "b__*")), max_size=2).map(tuple),
    "transcript": st.booleans(),
    "daily_budget_usd": st.sampled_from((0.0, 0.5)),
}
SAID = st.fixed_dictionaries({}, optional=dict(KEYS))


@dataclass(frozen=True, slots=True)
class Settings(CommonSettings):
    """Of a program that knows rooms."""

    rooms: Rooms = field(default_factory=Rooms)


def settings_of(folder: Path, text: str, **variables: str) -> Settings:
    file = folder / "own.toml"
    file.write_text(text, encoding="utf-8")
    return load_all(Settings, {"MIXMINUS_CONFIG": str(file), **variables})


@given(SAID, SAID, SAID, st.sampled_from(("kitchen", "garage", OTHERS)))
def test_each_key_comes_from_the_first_that_says_it(
    own: dict[str, Any], others: dict[str, Any], today: dict[str, Any], room: str
) -> None:
    rules = Rooms({"kitchen": own, OTHERS: others}).rules(room, **today)
    order = ([own] if room == "kitchen" else []) + [others, today]
    for key in fields(RoomRules):
        said = [one[key.name] for one in order if key.name in one]
        assert getattr(rules, key.name) == (said or [getattr(RoomRules(), key.name)])[0]


@given(SAID, SAID)
def test_what_changes_is_what_differs(before: dict[str, Any], after: dict[str, Any]) -> None:
    old, new = Settings(rooms=Rooms(den=before)), Settings(rooms=Rooms(den=after))
    told = {key for section, key, _ in changed(old, new) if section == "rooms.den"}
    missing = object()
    assert told == {key for key in KEYS if before.get(key, missing) != after.get(key, missing)}


def test_a_file_and_the_environment_name_rooms(tmp_path: Path) -> None:
    rooms = settings_of(
        tmp_path,
        "[rooms.kitchen]\nvoice = 'cedar'\nrecording = true\n"
        "[rooms._others]\naddress = 'addressed'\n",
        MIXMINUS_ROOMS__KITCHEN__VOICE="marin",
        MIXMINUS_ROOMS__A__B__TOOLS='["x"]',
        MIXMINUS_ROOMS___OTHERS__ADDRESS_OPEN_S="3",
    ).rooms
    kitchen = rooms.rules("kitchen", voice="ash", language="de")
    assert (kitchen.voice, kitchen.recording, kitchen.language) == ("marin", True, "de")
    assert (kitchen.address, kitchen.address_open_s) == ("addressed", 3.0)
    assert rooms.rules("a__b").tools == ("x",) and rooms.rules("other").tools == ("*",)


def test_it_is_told_where_a_rooms_keys_come_from_and_when_they_count(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("[rooms]\n[rooms.den]\n\nvoice = 'ash'\npersona = 'Owl'\n", encoding="utf-8")
    env = {"MIXMINUS_CONFIG": str(file), "MIXMINUS_ROOMS__DEN__PERSONA": "Cat"}
    told = {(o.section, o.key): (o.value, o.where, o.when) for o in origins(Settings, env)}
    assert told["rooms.den", "voice"] == ("ash", f"{file}:4", "session")
    assert told["rooms.den", "persona"] == ("Cat", "MIXMINUS_ROOMS__DEN__PERSONA", "now")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[rooms.Kitchen]\nvoice = 'x'", r"line 1: \[rooms.Kitchen\]: there can be no room"),
        ("[rooms._all]\n", r"\[rooms._all\]: .*_others is for all rooms without a section"),
        ("[rooms.'a\\nb']\n", "there can be no room"),
        ("[rooms.den]\nvoise = 'x'", r"line 2: \[rooms.den\] voise is an unknown setting.*voice"),
        ("[rooms.den]\nmode = 'party'", r"\[rooms.den\] mode = 'party' is not possible"),
        ("[rooms.den]\nlanguage = 'German'", r"\[rooms.den\] language"),
        ('[rooms.den]\nlanguage = "de\\n"', r"\[rooms.den\] language"),
        ('[rooms.den]\npersona = "x\\n"', r"\[rooms.den\] persona"),
        ("[rooms.den]\ndaily_budget_usd = -1", r"\[rooms.den\] daily_budget_usd"),
        ("[rooms.den]\naddress_names = ['']", r"\[rooms.den\] address_names"),
        ("[rooms.den]\npersona = \"a\\tb\"", r"\[rooms.den\] persona"),
        ("[rooms]\nvoice = 'x'", r"line 2: \[rooms\] voice has no name.*write \[rooms.NAME\]"),
    ],
)  # fmt: skip
def test_what_no_room_can_have_is_named_with_its_line(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        settings_of(tmp_path, text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("MIXMINUS_ROOMS__VOICE", "MIXMINUS_ROOMS__<NAME>__<KEY>"),
        ("MIXMINUS_ROOMS__DEN__VOISE", "VOISE is an unknown setting"),
        ("MIXMINUS_ROOMS__-__VOICE", "there can be no room '-'"),
    ],
)
def test_nor_in_a_variable(variable: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load(Settings, {variable: "x"})


def test_an_assistant_answers_to_a_name_whatever_is_set() -> None:
    assert RoomRules().called == ("assistant",)
    assert RoomRules(persona="Owl").called == ("Owl",)
    assert RoomRules(persona="Owl", address_names=("Chef", "Cook")).called == ("Chef", "Cook")
