"""Recordings whose process died, in any state of their files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from mixer_core.journal import left_recordings, recordings
from mixer_core.journal.flac_frames import HEAD_BYTES, TAIL_BYTES, last_frame
from mixer_core.journal.left_recordings import REASON
from mixer_core.journal.recordings import MIX, Contents, TrackFile
from openai_link.recording.flac import FlacFile
from tests.openai_link.recording.test_recording import Pcm, read

BEGAN_MS = 1_790_000_000_000
BLOCK = 576


def sound(samples: int, seed: int = 1) -> Pcm:
    return np.random.default_rng(seed).integers(-8_000, 8_000, samples).astype(np.int16)


def left(folder: Path, seconds: float = 3.01, room: str = "home") -> tuple[Path, Pcm]:
    """A recording as its process would leave it: whole blocks, no end."""
    path = recordings.make(folder, room, BEGAN_MS, "0a1b2c")
    track = TrackFile("01-person.flac", "p-1", "Ada", 0)
    recordings.write(path, Contents(room, BEGAN_MS, "Ada", (track,)))
    samples = sound(round(24_000 * seconds))
    for name in (MIX, track.file):
        file = FlacFile(path / name)
        file.write(samples)
        file.sync()
    return path, samples


def test_it_ends_where_its_files_end_and_is_told_once(tmp_path: Path) -> None:
    path, samples = left(tmp_path)
    assert left_recordings.close_all(tmp_path) == [f"home/{path.name}"]
    found = recordings.read(path)
    whole = len(samples) // BLOCK * BLOCK
    assert found.ended_ms == BEGAN_MS + whole // 24 and found.reason == REASON
    assert (read(path / MIX) == samples[:whole]).all()
    with av.open(str(path / MIX)) as container:
        assert abs(container.duration / 1e6 - whole / 24_000) < 0.001
    assert left_recordings.close_all(tmp_path) == []
    assert [one.by for one in left_recordings.take_untold(tmp_path, "home")] == ["Ada"]
    assert left_recordings.take_untold(tmp_path, "home") == []
    assert left_recordings.take_untold(tmp_path, "den") == []


def test_one_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    path, _ = left(tmp_path)
    size = (path / MIX).stat().st_size
    held = recordings.hold(path)
    assert left_recordings.take_untold(tmp_path, "home") == []
    assert recordings.read(path).ended_ms is None and (path / MIX).stat().st_size == size
    with pytest.raises(BlockingIOError):
        recordings.hold(path)
    os.close(held)
    assert left_recordings.close_left(tmp_path, "home") == [path.name]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.9999])
def test_a_frame_that_is_cut_goes_and_all_before_it_stays(tmp_path: Path, share: float) -> None:
    path, samples = left(tmp_path)
    data = (path / MIX).read_bytes()
    kept = HEAD_BYTES + round(share * (len(data) - HEAD_BYTES))
    (path / MIX).write_bytes(data[:kept])
    left_recordings.close_left(tmp_path, "home")
    ended_ms = recordings.read(path).ended_ms
    assert ended_ms is not None
    known = (ended_ms - BEGAN_MS) * 24
    found = read(path / MIX) if known else np.empty(0, np.int16)
    assert abs(len(found) - known) < 24 and (found == samples[: len(found)]).all()
    assert len(found) >= share * len(samples) - 2 * BLOCK


def test_silence_has_tiny_frames_and_a_last_block_may_be_short(tmp_path: Path) -> None:
    for length in (100 * BLOCK, 100 * BLOCK + 7, 100 * BLOCK + 700, 5):
        file = FlacFile(tmp_path / f"{length}.flac")
        file.write(np.zeros(length, np.int16))
        file.close()
        data = (tmp_path / f"{length}.flac").read_bytes()
        rest = data[HEAD_BYTES:][-TAIL_BYTES:]
        assert last_frame(data[:HEAD_BYTES], rest) == (len(rest), length)


@pytest.mark.parametrize("content", [b"", b"fLaC", bytes(HEAD_BYTES), bytes(100_000)])
def test_a_file_that_is_none_costs_nobody_the_others(tmp_path: Path, content: bytes) -> None:
    path, _ = left(tmp_path)
    (path / MIX).write_bytes(content)
    assert left_recordings.close_left(tmp_path, "home") == [path.name]
    assert recordings.read(path).ended_ms == BEGAN_MS
    assert len(read(path / "01-person.flac")) == 72_240 // BLOCK * BLOCK


def test_damaged_contents_and_foreign_directories_stop_nothing(tmp_path: Path) -> None:
    first, _ = left(tmp_path)
    second = shutil.copytree(first, first.parent / "20270101T000000Z-0a1b2c")
    (first / recordings.CONTENTS).write_text("{")
    (tmp_path / recordings.FOLDER / "No Room").mkdir()
    (tmp_path / recordings.FOLDER / "file").write_text("")
    (first.parent / "20270102T000000Z-0a1b2c").mkdir()  # Its process died before it said anything.
    assert left_recordings.close_all(tmp_path) == [f"home/{second.name}"]
    assert {one.contents.reason for one in recordings.listed(tmp_path, "home")} == {
        "damaged", REASON,
    }  # fmt: skip
    assert all(one.contents.ended_ms for one in recordings.listed(tmp_path, "home"))


def test_one_that_cannot_be_closed_costs_none_of_the_others(tmp_path: Path) -> None:
    """A voice that somebody has moved to another disk, and contents that are no file."""
    first, _ = left(tmp_path)
    second = shutil.copytree(first, first.parent / "20270101T000000Z-0a1b2c")
    third = shutil.copytree(first, first.parent / "20280101T000000Z-0a1b2c")
    voice = first / "01-person.flac"
    voice.symlink_to(voice.rename(tmp_path / "moved.flac"))
    (second / recordings.CONTENTS).unlink()
    (second / recordings.CONTENTS).mkdir()
    told: list[str] = []
    closed = left_recordings.close_all(tmp_path, lambda name, error: told.append(name))
    assert closed == [f"home/{third.name}"] and told == [f"home/{first.name}"]
    assert [one.reason for one in left_recordings.take_untold(tmp_path, "home")] == [REASON]
