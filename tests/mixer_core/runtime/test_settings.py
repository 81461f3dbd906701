from __future__ import annotations

import itertools
import json
import tomllib
from pathlib import Path

import msgspec
import pytest

from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.settings import OpenaiLinkSettings, Settings, load, uses_simulator

PACKAGED = Path(__file__).parents[3] / "deploy" / "mixminus.toml"


def test_without_anything_the_defaults_hold() -> None:
    assert load({}) == Settings()


def test_the_packaged_file_lists_every_key_at_its_default() -> None:
    assert tomllib.loads(PACKAGED.read_text(encoding="utf-8")) == json.loads(
        msgspec.json.encode(Settings())
    )
    assert load({"MIXMINUS_CONFIG": str(PACKAGED)}) == Settings()


def test_every_key_of_the_packaged_file_has_a_comment() -> None:
    lines = PACKAGED.read_text(encoding="utf-8").splitlines()
    for above, line in itertools.pairwise(lines):
        if " = " in line and not line.startswith(("#", '"')):
            assert above.startswith("# "), line


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[signaling]\nhttp_port = 9000\nmax_rooms = 3\n")
    settings = load({"MIXMINUS_CONFIG": str(file), "MIXMINUS_SIGNALING__HTTP_PORT": "9001"})
    assert (settings.signaling.http_port, settings.signaling.max_rooms) == (9001, 3)


def test_lists_and_tables_are_set_as_json() -> None:
    link = load(
        {
            "MIXMINUS_OPENAI_LINK__TOOLS": '["house.tools"]',
            "MIXMINUS_OPENAI_LINK__MCP_SERVERS": '{"files": {"command": ["serve", "x"]}}',
        }
    ).openai_link
    assert link.tools == ("house.tools",)
    assert link.mcp_servers["files"].command == ("serve", "x")


@pytest.mark.parametrize("text", ["1", "true", "Yes"])
def test_a_boolean_can_be_set_by_a_word(text: str) -> None:
    assert load({"MIXMINUS_OPENAI_LINK__GREET": text}).openai_link.greet is True
    assert load({"MIXMINUS_OPENAI_LINK__GREET": "no"}).openai_link.greet is False


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"MIXMINUS_SIGNALING__HTP_PORT": "1"}, "MIXMINUS_SIGNALING__HTP_PORT is an unknown"),
        ({"MIXMINUS_SIGNALLING__HTTP_PORT": "1"}, "names no section"),
        ({"MIXMINUS_PORT": "1"}, "is no setting"),
        ({"MIXMINUS_SIGNALING__HTTP_PORT": "eighty"}, "Expected `int`"),
        ({"MIXMINUS_SIGNALING__HTTP_PORT": "70000"}, "<= 65535"),
        ({"MIXMINUS_OPENAI_LINK__GREET": "perhaps"}, "Expected `bool`"),
        ({"MIXMINUS_SIGNALING__MODE": "party"}, "Invalid enum value"),
        ({"MIXMINUS_OPENAI_LINK__TOOLS": "house.tools"}, "Expected `array`"),
        ({"MIXMINUS_CONFIG": "/nowhere/mixminus.toml"}, "cannot be read"),
    ],
)
def test_a_wrong_variable_is_named_with_what_is_allowed(
    variables: dict[str, str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        load(variables)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[signaling]\nhtp_port = 1", r"\[signaling\] htp_port is an unknown setting"),
        ("[signal]\nx = 1", r"\[signal\] is no section"),
        ("http_port = 1", "is no section"),
        ("[signaling]\nhttp_port = '80'", "Expected `int`"),
        ("[signaling", "is no TOML"),
    ],
)
def test_a_wrong_file_is_named_with_section_and_key(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=words) as caught:
        load({"MIXMINUS_CONFIG": str(file)})
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_the_simulator_plays_the_assistant_only_without_a_key_or_when_told() -> None:
    key = {"OPENAI_API_KEY": "x"}
    automatic = OpenaiLinkSettings()
    assert uses_simulator(automatic, {}) and uses_simulator(automatic, {"OPENAI_API_KEY": " "})
    assert not uses_simulator(automatic, key)
    assert uses_simulator(OpenaiLinkSettings(upstream="simulator"), key)
    assert not uses_simulator(OpenaiLinkSettings(upstream="openai"), {})
