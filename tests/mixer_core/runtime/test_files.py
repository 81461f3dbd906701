"""Small files: whole or not at all, whatever stands in their place."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from mixer_core.runtime.files import (
    create_file,
    make_private_directory,
    read_file,
    replace_file,
)


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "a"
    replace_file(path, b"one")
    replace_file(path, b"two" * 100_000)
    assert read_file(path, 300_000) == b"two" * 100_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["a"]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    replace_file(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", full)
    for write in (replace_file, create_file):
        with pytest.raises(OSError, match="no space"):
            write(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]


def test_of_two_who_make_a_file_one_does(tmp_path: Path) -> None:
    assert create_file(tmp_path / "a", b"first")
    assert not create_file(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first" and os.listdir(tmp_path) == ["a"]


def test_what_a_dead_process_has_left_is_swept(tmp_path: Path) -> None:
    dead = next(pid for pid in range(2, 1 << 22) if not Path("/proc", str(pid)).exists())
    left, other = tmp_path / f".a.{dead}.new", tmp_path / f".b.{dead}.new"
    mine = tmp_path / f".a.{os.getppid()}.new"
    for path in (left, other, mine):
        path.write_bytes(b"half")
    replace_file(tmp_path / "a", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a", other.name, mine.name}


@pytest.mark.parametrize("kind", ["pipe", "directory", "device", "loop", "too large", "missing"])
def test_what_is_no_small_file_is_not_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to("a")
    elif kind == "too large":
        path.write_bytes(bytes(11))
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError):
        read_file(path, 10)
    assert os.listdir("/proc/self/fd") == before, "it is still open"


def test_directories_are_private(tmp_path: Path) -> None:
    make_private_directory(tmp_path / "a" / "b")
    make_private_directory(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
