"""The directory of recordings: names from outside, damage, age."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixer_core.journal import recordings
from mixer_core.journal.recordings import Contents, TrackFile
from mixer_core.journal.retention import DAY_MS, Look
from mixer_core.runtime.units import MS_NS

NOON_MS = 1_790_000_000_000


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


class Shelf:
    """Recordings, kept for a day, and a clock that may be set."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.wall_ms, self.boot, self.boot_ns = folder, NOON_MS, "a", 0

    def wait(self, days: float) -> None:
        self.wall_ms += int(days * DAY_MS)
        self.boot_ns += int(days * DAY_MS * MS_NS)

    def sweep(self) -> list[str]:
        now = Look(self.wall_ms, self.boot, self.boot_ns)
        return recordings.delete_old(self.folder, DAY_MS, now)


def test_what_is_old_goes_and_nothing_else(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    assert shelf.sweep() == [] and list(tmp_path.iterdir()) == []
    old, new = made(tmp_path, NOON_MS), made(tmp_path, NOON_MS + 2 * DAY_MS, "den")
    (tmp_path / "recordings/home/notes").mkdir()
    shelf.wait(2)
    assert shelf.sweep() == []
    shelf.wait(0.5)
    assert shelf.sweep() == [f"home/{old.name}"]
    assert new.is_dir() and not old.exists() and (tmp_path / "recordings/home/notes").is_dir()
    assert recordings.delete(tmp_path, "den", new.name) and not new.exists()
    assert not recordings.delete(tmp_path, "den", new.name)


def test_a_clock_that_is_wrong_for_a_while_deletes_nothing(tmp_path: Path) -> None:
    shelf, path = Shelf(tmp_path), made(tmp_path, NOON_MS)
    shelf.sweep()
    shelf.wall_ms += 40 * DAY_MS
    assert shelf.sweep() == [], "it has just been set"
    shelf.wait(0.3)
    assert shelf.sweep() == [], "the look before says otherwise"
    shelf.wall_ms -= 40 * DAY_MS
    shelf.wait(0.3)
    assert shelf.sweep() == [] and path.is_dir()
    shelf.boot, shelf.boot_ns = "b", 0
    shelf.wait(1)
    assert shelf.sweep() == []
    shelf.wait(1)
    assert shelf.sweep() == [f"home/{path.name}"]


def test_a_time_that_cannot_be_right_makes_nothing_old(tmp_path: Path) -> None:
    shelf, first, odd = Shelf(tmp_path), made(tmp_path, 5_000_000), made(tmp_path, NOON_MS)
    odd = odd.rename(odd.with_name("99999999T999999Z-0a1b2c"))
    shelf.sweep()
    shelf.wait(9)
    assert shelf.sweep() == [] and first.is_dir() and odd.is_dir()


def test_what_goes_on_is_not_deleted(tmp_path: Path) -> None:
    shelf, path = Shelf(tmp_path), made(tmp_path, NOON_MS)
    held = recordings.hold(path)
    shelf.sweep()
    shelf.wait(3)
    assert shelf.sweep() == []
    with pytest.raises(BlockingIOError):
        recordings.delete(tmp_path, "home", path.name)
    assert len(list(path.iterdir())) == 2
    os.close(held)
    shelf.wait(1)
    assert shelf.sweep() == [f"home/{path.name}"]


def test_a_look_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    shelf, path = Shelf(tmp_path), made(tmp_path, NOON_MS)
    (tmp_path / recordings.FOLDER / recordings.LOOK).write_bytes(b"\xff 1 2")
    shelf.wait(3)
    assert shelf.sweep() == []
    shelf.wait(1)
    assert shelf.sweep() == [f"home/{path.name}"]


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


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow; deleting still works."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_is_old_goes_from_a_full_disk_too(tmp_path: Path) -> None:
    shelf, path = Shelf(tmp_path), made(tmp_path, NOON_MS)
    shelf.wait(2)
    shelf.sweep()
    shelf.wait(1)
    told: list[str] = []
    now = Look(shelf.wall_ms, shelf.boot, shelf.boot_ns)
    with full_disk():
        gone = recordings.delete_old(tmp_path, DAY_MS, now, lambda name, error: told.append(name))
    assert gone == [f"home/{path.name}"] and not path.exists()
    assert told == [recordings.LOOK]


def test_one_that_cannot_be_deleted_costs_none_of_the_others(tmp_path: Path) -> None:
    shelf, moved = Shelf(tmp_path), made(tmp_path, NOON_MS)
    elsewhere = moved.rename(tmp_path / "elsewhere")
    moved.symlink_to(elsewhere)
    others = [made(tmp_path, NOON_MS + 1_000), made(tmp_path, NOON_MS, "zoo")]
    shelf.wait(2)
    shelf.sweep()
    shelf.wait(1)
    told: list[str] = []
    now = Look(shelf.wall_ms, shelf.boot, shelf.boot_ns)
    gone = recordings.delete_old(tmp_path, DAY_MS, now, lambda name, error: told.append(name))
    assert gone == [f"{path.parent.name}/{path.name}" for path in others]
    assert told == [f"home/{moved.name}"] and elsewhere.is_dir()
