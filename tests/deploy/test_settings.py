"""All sections together: the packaged file, and what programs read of each other's sections."""

from __future__ import annotations

import itertools
import json
import tomllib
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest

import media_worker.settings
import mixer_core.settings
import openai_link.settings
import openai_link.simulator.settings
import signaling.settings
from deploy.settings import AllSettings
from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.settings import CommonSettings, SectionView, load, load_all

PACKAGED = Path(__file__).parents[2] / "deploy" / "mixminus.toml"
PROGRAMS: tuple[type[CommonSettings], ...] = (
    signaling.settings.Settings,
    media_worker.settings.Settings,
    mixer_core.settings.Settings,
    openai_link.settings.Settings,
    openai_link.simulator.settings.Settings,
)


def test_the_packaged_file_lists_every_key_at_its_default() -> None:
    assert tomllib.loads(PACKAGED.read_text(encoding="utf-8")) == json.loads(
        msgspec.json.encode(AllSettings())
    )
    assert load_all(AllSettings, {"MIXMINUS_CONFIG": str(PACKAGED)}) == AllSettings()


def test_every_key_of_the_packaged_file_has_a_comment() -> None:
    lines = PACKAGED.read_text(encoding="utf-8").splitlines()
    for above, line in itertools.pairwise(lines):
        if " = " in line and not line.startswith(("#", '"')):
            assert above.startswith("# "), line


@pytest.mark.parametrize("declared", PROGRAMS, ids=lambda declared: declared.__module__)
def test_a_program_reads_the_packaged_file_without_the_others(
    declared: type[CommonSettings],
) -> None:
    assert load(declared, {"MIXMINUS_CONFIG": str(PACKAGED)}) == declared()


@pytest.mark.parametrize("declared", PROGRAMS, ids=lambda declared: declared.__module__)
def test_a_program_declares_a_section_as_its_owner_does(declared: type[CommonSettings]) -> None:
    ours, everything = declared(), AllSettings()
    for section in fields(ours):
        read, owned = getattr(ours, section.name), getattr(everything, section.name)
        if isinstance(read, SectionView):
            for key in fields(read):
                assert getattr(read, key.name) == getattr(owned, key.name), key.name
        else:
            assert read == owned


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[signal]\n", r"there is no section \[signal\], only runtime, signaling, "),
        ("[media_worker]\noutput = 1", r"\[media_worker\] output is an unknown setting"),
        ("[openai_link]\noutput = 'smell'", "Invalid enum value"),
    ],
)
def test_whoever_starts_the_programs_checks_every_section(
    tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=words) as caught:
        load_all(AllSettings, {"MIXMINUS_CONFIG": str(file)})
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_a_misspelt_section_of_a_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=r"MIXMINUS_SIGNALLING__MODE: there is no section"):
        load_all(AllSettings, {"MIXMINUS_SIGNALLING__MODE": "conference"})
