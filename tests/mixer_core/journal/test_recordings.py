"""The directory of recordings: names from outside, damage, age."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixer_core.journal import recordings
from mixer_core.journal.recordings import Contents, TrackFile

NOON_MS = 1_790_000_000_000
DAY_MS = 86_400_000


def made(folder: Path, began_ms: int, room: str = "home") -> Path:
    path = recordings.make(folder, room, began_ms, "0a1b2c")
    recordings.write(path, Contents(room, began_ms, "Anna", (TrackFile("01.flac", "p", "A", 0),)))
    (path / recordings.MIX).write_bytes(b"fLaC")
    return path


def test_they_are_listed_newest_first_with_what_is_left_of_them(tmp_path: Path) -> None:
    assert recordings.listed(tmp_path, "home") == []
    old, new = made(tmp_path, NOON_MS), made(tmp_path, NOON_MS + DAY_MS)
    (old / recordings.CONTENTS).write_text("{")
    first, second = recordings.listed(tmp_path, "home")
    assert (first.id, second.id) == (new.name, old.name) and first.files == {"mix.flac": 4}
    assert first.contents.by == "Anna" and second.contents.reason == "damaged"
    assert second.contents.began_ms == NOON_MS and recordings.listed(tmp_path, "den") == []


def test_what_is_old_goes_and_nothing_else(tmp_path: Path) -> None:
    old, new = made(tmp_path, NOON_MS), made(tmp_path, NOON_MS + 2 * DAY_MS, "den")
    (tmp_path / "recordings/home/notes").mkdir()
    assert recordings.delete_old(tmp_path / "none", 1, 0) == []
    now_s = (NOON_MS + 2.5 * DAY_MS) / 1_000
    assert recordings.delete_old(tmp_path, 1, now_s) == [f"home/{old.name}"]
    assert new.is_dir() and not old.exists() and (tmp_path / "recordings/home/notes").is_dir()
    assert recordings.delete(tmp_path, "den", new.name) and not new.exists()
    assert not recordings.delete(tmp_path, "den", new.name)


@pytest.mark.parametrize(
    ("ident", "file"),
    [
        ("..", "mix.flac"), ("", "mix.flac"), ("{id}", "../../x.flac"), ("{id}", "recording.json"),
        ("{id}", ""), ("{id}/..", "mix.flac"), ("{id}", "link.flac"), ("{id}", "none.flac"),
    ],
)  # fmt: skip
def test_no_name_leads_elsewhere(tmp_path: Path, ident: str, file: str) -> None:
    path = made(tmp_path, NOON_MS)
    (path / "link.flac").symlink_to("/etc/hostname")
    assert recordings.file_of(tmp_path, "home", ident.format(id=path.name), file) is None
    assert recordings.file_of(tmp_path, "home", path.name, "mix.flac") == path / "mix.flac"
    if ident != "{id}":
        assert not recordings.delete(tmp_path, "home", ident.format(id=path.name))
    for room in ("..", "/etc", "A", ""):
        with pytest.raises(ValueError, match="no room"):
            recordings.folder_of(tmp_path, room)
