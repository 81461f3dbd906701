"""The log of all programs: whole lines, rotation, full disks, somebody else's rotation."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.output import MAX_LINE_BYTES, Lines, Output


def test_lines_come_whole_whatever_pieces_they_were_written_in() -> None:
    lines = Lines()
    assert lines.feed("a", b"one\ntw") == b"one\n"
    assert lines.feed("b", b"other\n") == b"other\n"
    assert lines.feed("a", b"o\nthr") == b"two\n"
    assert lines.end("a") == b"thr\n" and lines.end("a") == b""
    assert (lines.last("a"), lines.last("b"), lines.last("c")) == ("thr", "other", "")


def test_a_line_without_end_is_cut_and_empty_lines_are_no_last_words() -> None:
    lines = Lines()
    assert lines.feed("a", b"x" * MAX_LINE_BYTES) == b"x" * MAX_LINE_BYTES + b"\n"
    lines.feed("a", b"why\n\n \n")
    assert lines.last("a") == "why"


def test_it_rotates_by_size_and_keeps_so_many(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "mixminus.log"
    output = Output(str(log), max_bytes=20, keep=2)
    for number in range(8):
        output.write(f"line {number} ..\n".encode())
    output.close()
    assert log.read_text() == "line 6 ..\nline 7 ..\n"
    kept = sorted(path.name for path in log.parent.iterdir())
    assert kept == ["mixminus.log", "mixminus.log.1", "mixminus.log.2"]
    joined = "".join(Path(f"{log}{end}").read_text() for end in (".2", ".1", ""))
    assert (
        joined.splitlines() == [f"line {number} .." for number in range(8)][-joined.count("\n") :]
    )


def test_nothing_is_kept_where_none_is_wanted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    output = Output(str(log), max_bytes=10, keep=0)
    output.write(b"first one\n")
    output.write(b"second\n")
    output.close()
    assert log.read_bytes() == b"second\n" and len(list(tmp_path.iterdir())) == 1


def test_a_file_that_was_moved_away_is_made_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    output = Output(str(log))
    output.write(b"before\n")
    log.rename(tmp_path / "old")
    output.reopen()
    output.write(b"after\n")
    output.close()
    assert log.read_bytes() == b"after\n"


def test_a_file_that_was_removed_is_begun_anew(tmp_path: Path) -> None:
    log = tmp_path / "log"
    output = Output(str(log), max_bytes=10, keep=2)
    output.write(b"0123456789\n")
    log.unlink()
    output.write(b"after\n")
    output.close()
    assert log.read_bytes() == b"after\n" and [p.name for p in tmp_path.iterdir()] == ["log"]


def test_where_a_file_cannot_be_put_aside_it_begins_anew_and_says_so(tmp_path: Path) -> None:
    log = tmp_path / "log"
    output = Output(str(log), max_bytes=10, keep=1)
    output.write(b"0123456789\n")
    (tmp_path / "log.1").mkdir()
    output.write(b"after\n")
    output.close()
    told, line = log.read_text().splitlines()
    assert told.startswith("mixminus: the log cannot be put aside (") and line == "after"


@pytest.fixture
def no_room() -> Iterator[None]:
    """No file of this process grows beyond 8 bytes, as on a full disk."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_loses_lines_and_says_how_many_when_there_is_room(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    log = tmp_path / "log"
    output = Output(str(log))
    output.write(b"before..\n"[:8])
    request.getfixturevalue("no_room")
    output.write(b"1\n2\n")
    output.write(b"3\n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    output.write(b"4\n")
    output.close()
    told = log.read_text().removeprefix("before..")
    assert told == "mixminus: 3 lines of the log could not be written\n4\n"
