"""Words of dead programs on their way to signaling."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixer_core.runtime import given_up

PROGRAMS = ("mixer_core", "mixer_core_standby", "simulator", "openai_link", "media_worker")


@pytest.mark.parametrize("letter", ["x", "é", "語", "🎙", '"', "\\", "\x00", "\udcff"])
def test_whatever_their_last_words_are_all_programs_are_told(tmp_path: Path, letter: str) -> None:
    failed = {program: f"{program}: {letter * 4_000}" for program in PROGRAMS}
    given_up.tell(tmp_path, failed)
    told = given_up.read(tmp_path)
    assert told.keys() == failed.keys()
    for program, words in told.items():
        assert words.startswith(f"{program}: ") and failed[program].startswith(words)
    before = (tmp_path / given_up.NAME).stat()
    given_up.tell(tmp_path, failed)  # Nothing has changed: it is not written again.
    assert (tmp_path / given_up.NAME).stat().st_ino == before.st_ino


def test_a_secret_in_them_is_not_told(tmp_path: Path) -> None:
    given_up.tell(tmp_path, {"openai_link": "ValueError: Bearer abcdefgh sk-proj-12345678"})
    assert given_up.read(tmp_path) == {"openai_link": "ValueError: Bearer [redacted] [redacted]"}
