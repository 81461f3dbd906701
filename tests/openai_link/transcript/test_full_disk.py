"""A file system that is really full, and then may only be read."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixer_core.journal import reading
from mixer_core.runtime import logs
from mixer_core.runtime.units import MS_NS
from openai_link.transcript import journal_queue
from openai_link.transcript.journal import Journal
from tests.support.waiting import until

from .journal_writer import item


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 400 kB; the test is skipped where nobody may mount one."""
    if mount("-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)):
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def mount(*words: str) -> int:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode


async def remount(folder: Path, options: str) -> None:
    """It is refused while a file is open for writing, and the journal tries again and again."""
    words = ("-o", f"remount,{options}", str(folder))
    await until(lambda: mount(*words) == 0, "the file system stays as it was mounted")


@pytest.mark.processes
def test_what_is_said_meanwhile_is_written_once_there_is_room(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_queue, "RETRY_NS", (20 * MS_NS,))
    told: list[str] = []
    safe: list[int] = []

    async def say(journal: Journal, numbers: range) -> None:
        for number in numbers:
            journal.write([item(number)], lambda n=number: safe.append(n))  # type: ignore[misc]
        await until(lambda: len(safe) == numbers.stop, "somebody waits for the disk")

    async def live(folder: Path) -> None:
        path = folder / "state" / "j"
        journal = Journal(path, "home", logs.get("openai_link"), told.append, lambda day, usd: None)
        await say(journal, range(20))
        with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(4_096)):
                pass
        await say(journal, range(20, 300))
        await remount(folder, "ro")
        await say(journal, range(300, 310))
        assert len(reading.items_of(path, 1)) == 20, "the transcript can be read"
        await remount(folder, "rw,size=8m")
        await until(lambda: len(reading.items_of(path, 1)) == 310, "words are lost")
        await journal.close()

    with small_disk(short_dir) as folder:
        asyncio.run(live(folder))
    (words,) = told
    assert "the disk is full" in words and safe == list(range(310))
