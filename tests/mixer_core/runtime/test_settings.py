"""The machinery of the settings, with a program made up for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.settings import (
    CommonSettings,
    Milliseconds,
    Port,
    SectionView,
    default_state_dir,
    load,
)


@dataclass(frozen=True, slots=True)
class Sensor:
    """A part of an oven, as a table of its own."""

    pin: int = 0


@dataclass(frozen=True, slots=True)
class OvenSettings:
    """A section with a key of every kind."""

    port: Port = 80
    heat_up_ms: Milliseconds = 5
    light: bool = True
    mode: Literal["bake", "grill"] = "bake"
    trays: tuple[str, ...] = ("upper",)
    sensors: dict[str, Sensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KitchenView(SectionView):
    """What the oven must know of the kitchen."""

    door: str = "open"


@dataclass(frozen=True, slots=True)
class Settings(CommonSettings):
    """What the oven reads."""

    oven: OvenSettings = field(default_factory=OvenSettings)
    kitchen: KitchenView = field(default_factory=KitchenView)


def test_without_anything_the_defaults_hold() -> None:
    assert load(Settings, {}) == Settings()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[oven]\nport = 9000\nheat_up_ms = 3\n")
    oven = load(Settings, {"MIXMINUS_CONFIG": str(file), "MIXMINUS_OVEN__PORT": "9001"}).oven
    assert (oven.port, oven.heat_up_ms) == (9001, 3)


def test_lists_and_tables_are_set_as_json() -> None:
    oven = load(
        Settings,
        {
            "MIXMINUS_OVEN__TRAYS": '["upper", "lower"]',
            "MIXMINUS_OVEN__SENSORS": '{"core": {"pin": 7}}',
        },
    ).oven
    assert oven.trays == ("upper", "lower")
    assert oven.sensors == {"core": Sensor(7)}


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("Yes", True), ("0", False), ("no", False), ("false", False)]
)
def test_a_boolean_can_be_set_by_a_word(text: str, value: bool) -> None:
    assert load(Settings, {"MIXMINUS_OVEN__LIGHT": text}).oven.light is value


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"MIXMINUS_OVEN__PROT": "1"}, "MIXMINUS_OVEN__PROT is an unknown setting.* has .*port"),
        ({"MIXMINUS_PORT": "1"}, "MIXMINUS_PORT is not a setting: write MIXMINUS_<SECTION>__<KEY>"),
        ({"MIXMINUS_OVEN__PORT": "eighty"}, "MIXMINUS_OVEN__PORT = 'eighty'.*Expected `int`"),
        ({"MIXMINUS_OVEN__PORT": "70000"}, "<= 65535"),
        ({"MIXMINUS_OVEN__LIGHT": "perhaps"}, "Expected `bool`"),
        ({"MIXMINUS_OVEN__MODE": "party"}, "Invalid enum value"),
        ({"MIXMINUS_OVEN__TRAYS": "upper"}, "Expected `array`"),
        ({"MIXMINUS_KITCHEN__DOOR": '["x"]', "MIXMINUS_RUNTIME__LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        ({"MIXMINUS_CONFIG": "/nowhere/mixminus.toml"}, "cannot be read"),
    ],
)
def test_a_wrong_variable_is_named_with_what_is_allowed(
    variables: dict[str, str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        load(Settings, variables)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[oven]\nprot = 1", r"\[oven\] prot is an unknown setting"),
        ("port = 1", "port belongs to no section"),
        ("[oven]\nport = '80'", r"\[oven\] port = '80' is not possible: Expected `int`"),
        ("[oven", "is not valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_section_and_key(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=words) as caught:
        load(Settings, {"MIXMINUS_CONFIG": str(file)})
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_sections_of_programs_that_it_does_not_know_are_ignored(tmp_path: Path) -> None:
    file = tmp_path / "others.toml"
    file.write_text("[garage]\ndoor = 1\n[oven]\nport = 9000\n")
    variables = {"MIXMINUS_CONFIG": str(file), "MIXMINUS_GARDEN__TREES": "3"}
    assert load(Settings, variables).oven.port == 9000


def test_of_a_section_of_another_program_only_the_declared_keys_are_read(tmp_path: Path) -> None:
    file = tmp_path / "kitchen.toml"
    file.write_text("[kitchen]\ndoor = 'shut'\nfloor = 'wet'\n")
    variables = {"MIXMINUS_CONFIG": str(file), "MIXMINUS_KITCHEN__WALLS": "white"}
    assert load(Settings, variables).kitchen.door == "shut"
    file.write_text("[kitchen]\ndoor = 3\n")
    with pytest.raises(SettingsError, match=r"\[kitchen\] door = 3 is not possible"):
        load(Settings, variables)


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert default_state_dir({"XDG_STATE_HOME": "/state"}) == "/state/mixminus"
    with pytest.raises(SettingsError, match="MIXMINUS_RUNTIME__STATE_DIR"):
        default_state_dir({})


@pytest.mark.parametrize(
    "text",
    ['{"a": {"pin": "hunter2"}}', '{"a": "hunter2"}', '"hunter2"', '{"a": "hunter2', "[" * 99_999],
)
def test_what_stands_in_a_table_is_not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match="SENSORS is not possible") as caught:
        load(Settings, {"MIXMINUS_OVEN__SENSORS": text})
    assert "hunter2" not in str(caught.value) and len(str(caught.value)) < 200


def test_an_unknown_key_in_an_entry_of_a_table_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"a\.pim is an unknown setting; there are pin"):
        load(Settings, {"MIXMINUS_OVEN__SENSORS": '{"a": {"pim": 5}}'})


@pytest.mark.parametrize("key", ["MODE", "TRAYS", "PORT"])
@pytest.mark.parametrize("text", ["\udcff", '["\\ud800"]'])
def test_text_that_cannot_be_sent_is_an_error(key: str, text: str) -> None:
    with pytest.raises(SettingsError, match=key) as caught:
        load(Settings, {f"MIXMINUS_OVEN__{key}": text})
    str(caught.value).encode()
