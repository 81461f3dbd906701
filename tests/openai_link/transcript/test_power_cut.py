"""The power fails at every write in turn: what was announced is there, and the file is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixer_core.journal import reading
from mixer_core.journal.file import open_writer
from mixer_core.runtime.errors import JournalError
from openai_link.transcript.journal_store import JournalStore
from tests.support.sqlite_disk import Disk, after, disk, flushed, library
from tests.support.tables import points

from .journal_writer import item

COMMITS = 12
CHECKPOINT_AT = (4, 8)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Disk, list[int]]:
    """Everything that a short life writes, and how many steps were done at each announcement."""
    if library() is None:
        pytest.skip("this Python has a SQLite of its own, which takes no disk of ours")
    path = tmp_path_factory.mktemp("power") / "j"
    announced: list[int] = []
    with disk() as made:
        made.notes = True
        store = JournalStore(path, "home")
        for number in range(COMMITS):
            store.write([item(number)], 1 << 41)
            announced.append(len(made.steps))
            if number in CHECKPOINT_AT:
                store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        store.pruning.by_size(0)
        store.close()
        made.notes = False
    return made, announced


@pytest.mark.parametrize("what", ["all that was written", "the last write is torn", "flushed only"])
def test_what_was_announced_is_there(
    what: str, recorded: tuple[Disk, list[int]], tmp_path: Path
) -> None:
    made, announced = recorded
    steps = made.steps[: announced[-1] + 1]
    assert {step.kind for step in steps} >= {"write", "sync"} and len(steps) > 2 * COMMITS
    for count in points(range(len(steps) + 1)):
        folder = tmp_path / str(count)
        folder.mkdir()
        done = steps[:count]
        if what == "flushed only":
            after(flushed(done), folder)
        else:
            after(done, folder, torn=what.startswith("the last"))
        safe = sum(at <= count for at in announced)
        if what.startswith("the last"):
            safe = sum(at < count for at in announced)
        path = folder / "j"
        if safe:
            assert kept(path) >= safe, f"after {count} steps {safe} were announced"
        writer = open_writer(path, "OFF")
        assert writer.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        writer.close()


def kept(path: Path) -> int:
    """How many items are there, without a gap."""
    try:
        items = reading.items_of(path, 1)
    except JournalError:
        return -1
    assert [known.item for known in items] == [f"i{n}" for n in range(len(items))]
    return len(items)
