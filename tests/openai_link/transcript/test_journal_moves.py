"""Several processes write while somebody takes the files away: nothing announced is lost."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mixer_core.journal import reading
from mixer_core.journal.place import companion
from mixer_core.runtime.errors import JournalError
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


def is_main(file: Path) -> bool:
    return not file.name.endswith(("-wal", "-shm"))


def items(file: Path, room: str) -> set[str]:
    """Ids of a room's items in one of the files."""
    try:
        found = reading.transcript(file, room, 1_000, None)
    except JournalError:
        return set()
    return {known.item for known in found.items} if found else set()
