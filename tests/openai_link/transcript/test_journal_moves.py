"""Several processes write while somebody takes the files away: nothing announced is lost."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mixer_core.journal import reading
from mixer_core.journal.place import companion
from mixer_core.runtime.errors import JournalError
from openai_link.transcript.journal_store import JournalStore
from tests.openai_link.transcript.journal_writer import item
from tests.support.gateway import ROOT
from tests.support.waiting import PATIENCE_S

ROOMS = ("a", "b", "c")
COUNT = 250
HARM = (
    ("shared memory removed", ("-shm",), False),
    ("log and memory removed", ("-wal", "-shm"), False),
    ("file moved", ("",), True),
    ("all moved", ("", "-wal", "-shm"), True),
)


@pytest.mark.processes
@pytest.mark.parametrize(("name", "suffixes", "moves"), HARM, ids=[harm[0] for harm in HARM])
def test_nothing_announced_is_lost(
    name: str, suffixes: tuple[str, ...], moves: bool, short_dir: Path
) -> None:
    path = short_dir / "state" / "journal.sqlite3"
    command = [sys.executable, "-m", "tests.openai_link.transcript.journal_writer", str(path)]
    writers = [start(short_dir, [*command, room, str(COUNT)], room) for room in ROOMS]
    chance, number = random.Random(name), 0
    while not all((short_dir / f"{room}.out").stat().st_size for room in ROOMS):
        time.sleep(0.005)
    while any(writer.poll() is None for writer in writers) and not (moves and number):
        for suffix in suffixes:
            file = companion(path, suffix)
            try:
                if moves:
                    file.rename(short_dir / f"moved-{number}{suffix}")
                else:
                    file.unlink()
            except FileNotFoundError:
                continue
        number += 1
        time.sleep(chance.uniform(0.05, 0.3))
    for room, writer in zip(ROOMS, writers, strict=True):
        writer.wait(PATIENCE_S)
        out, err = ((short_dir / f"{room}.{kind}").read_text() for kind in ("out", "err"))
        said = [int(line) for line in out.splitlines() if line.isdigit()]
        assert writer.returncode == 0 and "Traceback" not in err, (out[-500:], err[-2_000:])
        assert said == list(range(COUNT)), f"room {room}"
        files = [path, *short_dir.glob("moved-*"), *path.parent.glob("*.aside-*")]
        kept = set().union(*(items(file, room) for file in files if is_main(file)))
        missing = {f"i{n}" for n in said} - kept
        assert not missing, (name, room, len(missing), sorted(missing)[:9], err[-500:])
    if path.exists():
        reading.check(path)


def start(folder: Path, command: list[str], room: str) -> subprocess.Popen[bytes]:
    """A process that writes; what it says goes to files."""
    with (folder / f"{room}.out").open("wb") as out, (folder / f"{room}.err").open("wb") as err:
        return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err)


def started_writer(path: Path, room: str) -> subprocess.Popen[bytes]:
    """A process that has written one item and waits for a line to write another one."""
    command = [sys.executable, "-m", "tests.openai_link.transcript.store_writer", str(path), room]
    pipe = subprocess.PIPE
    writer = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe)
    assert writer.stdout is not None and writer.stdout.readline() == b"written\n"
    return writer


def is_main(file: Path) -> bool:
    return not file.name.endswith(("-wal", "-shm"))


def items(file: Path, room: str) -> set[str]:
    """Ids of a room's items in one of the files."""
    try:
        found = reading.transcript(file, room, 1_000, None)
    except JournalError:
        return set()
    return {known.item for known in found.items} if found else set()


@pytest.mark.processes
@pytest.mark.parametrize("suffixes", [("-shm",), ("-wal", "-shm")], ids=["memory", "log as well"])
@pytest.mark.parametrize("reads", [False, True], ids=["", "and somebody reads"])
def test_a_log_without_its_memory_is_joined_by_nobody(
    suffixes: tuple[str, ...], reads: bool, short_dir: Path
) -> None:
    path = short_dir / "journal.sqlite3"
    first = started_writer(path, "a")  # In a process of its own: SQLite's memory is per process.
    for suffix in suffixes:
        companion(path, suffix).unlink()
    if reads:
        with contextlib.suppress(JournalError):
            reading.check(path)
    before = path.stat().st_ino
    second = JournalStore(path, "b")
    second.write([item(0)], 1)
    assert path.stat().st_ino != before, "the files of the first one are not shared"
    second.close()
    out, _ = first.communicate(b"\n", PATIENCE_S)
    assert b"moved" in out, "what it writes now is not announced"
    files = [path, *path.parent.glob("*.aside-*")]
    kept = set().union(*(items(file, "a") for file in files if is_main(file)))
    assert kept >= {"i0"} and items(path, "b") == {"i0"}


@pytest.mark.processes
@pytest.mark.parametrize("removed", [(), ("-shm",), ("-wal", "-shm")])
def test_files_left_by_a_killed_writer_are_not_exchanged(
    removed: tuple[str, ...], short_dir: Path
) -> None:
    path = short_dir / "journal.sqlite3"
    first = started_writer(path, "a")
    before = path.stat().st_ino
    first.kill()
    first.wait(PATIENCE_S)
    for suffix in removed:
        companion(path, suffix).unlink()
    JournalStore(path, "b").close()
    JournalStore(path, "b").close()
    assert path.stat().st_ino == before
    assert "-wal" in removed or items(path, "a") == {"i0"}
    assert not list(path.parent.glob("*.aside-*"))
