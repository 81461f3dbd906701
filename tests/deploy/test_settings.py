"""All sections together: the packaged file, and what programs read of each other's sections."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import re
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
from mixer_core.runtime.named_sections import NamedSections
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


def test_the_packaged_file_explains_every_key_in_the_words_of_its_declaration() -> None:
    comments = packaged_comments()
    for section in fields(AllSettings):
        declaration = type(getattr(AllSettings(), section.name))
        if issubclass(declaration, NamedSections):
            continue  # Nothing is set there; the page of the settings explains the keys.
        for key, words in declared_comments(declaration).items():
            assert comments[section.name, key].startswith(words), (section.name, key)


def declared_comments(section: type) -> dict[str, str]:
    """Key → the text below its declaration."""
    (declaration,) = ast.parse(inspect.getsource(section)).body
    assert isinstance(declaration, ast.ClassDef)
    comments: dict[str, str] = {}
    for key, text in itertools.pairwise(declaration.body):
        if isinstance(key, ast.AnnAssign):
            assert isinstance(key.target, ast.Name) and isinstance(text, ast.Expr), section
            assert isinstance(text.value, ast.Constant)
            comments[key.target.id] = " ".join(str(text.value.value).split())
    return comments


def packaged_comments() -> dict[tuple[str, str], str]:
    """Section and key → the comment above it."""
    comments: dict[tuple[str, str], str] = {}
    section, above = "", ""
    for line in PACKAGED.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            above = f"{above} {line[1:].strip()}".strip()
            continue
        if table := re.fullmatch(r"\[(\w+)\.?(\w*)\]", line):
            section = table[1]
            comments[section, table[2]] = above
        elif key := re.match(r"(\w+) = ", line):
            comments[section, key[1]] = above
        above = ""
    return comments


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
        if isinstance(read, NamedSections):
            assert type(read) is type(owned)
        elif isinstance(read, SectionView):
            for key in fields(read):
                assert getattr(read, key.name) == getattr(owned, key.name), key.name
        else:
            assert read == owned


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[signal]\n", r"there is no section \[signal\], only runtime, cluster, "),
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


def test_the_examples_in_the_packaged_file_can_be_used(tmp_path: Path) -> None:
    lines = PACKAGED.read_text(encoding="utf-8").split("# [rooms.kitchen]")[1].splitlines()
    file = tmp_path / "example.toml"
    file.write_text("\n".join(["[rooms.kitchen]", *(line.lstrip("# ") for line in lines)]))
    rooms = load_all(AllSettings, {"MIXMINUS_CONFIG": str(file)}).rooms
    assert sorted(rooms) == ["_others", "children", "kitchen", "meeting"]


def test_a_misspelt_section_of_a_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=r"MIXMINUS_SIGNALLING__MODE: there is no section"):
        load_all(AllSettings, {"MIXMINUS_SIGNALLING__MODE": "conference"})
