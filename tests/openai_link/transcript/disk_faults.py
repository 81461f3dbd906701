"""Everything that can go wrong with the journal's file, and what comes of it.

``python -m tests.openai_link.transcript.disk_faults`` prints the table: fault, what the room was
told, what was lost of what had been announced, whether the call went on.

Each fault meets the same life: words are said and kept ("earlier"), a call begins and more are said
("before"), then the fault strikes, words are said ("during"), it is healed where somebody would
heal it, words are said ("after"), and in the end the next call begins.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mixer_core.journal import reading
from mixer_core.journal.file import journal_path
from mixer_core.runtime import logs
from mixer_core.runtime.errors import JournalError
from mixer_core.runtime.units import MS_NS
from openai_link.transcript import journal_queue
from openai_link.transcript.journal import Journal
from openai_link.transcript.journal_store import JournalStore
from tests.support.sqlite_disk import IOERR_FSYNC, IOERR_WRITE, Disk, disk, library
from tests.support.waiting import PATIENCE_S

from .journal_writer import item

ROOM = "home"
COUNTS = {"earlier": 60, "before": 5, "during": 5, "after": 5, "next call": 1}
"""Items said in each part of the life."""
WAIT_S = PATIENCE_S
_PAGE = 4096
When = Literal["open", "closed"]


@dataclass
class Scene:
    """One life of a journal."""

    folder: Path
    disk: Disk | None
    told: list[str] = field(default_factory=list)
    said: list[int] = field(default_factory=list)
    """Numbers of the items that the room was told of, in order."""
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    """What heals the fault."""

    @property
    def path(self) -> Path:
        """Of the journal."""
        return journal_path(self.folder)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    name: str
    breaks: Callable[[Scene], None]
    when: When
    """While a call has the file open, or between two calls."""
    words: str
    """In what the room is told; empty: it is told nothing, since nothing is missing."""
    may_lose: frozenset[str] = frozenset()
    """Parts of the life of which words may be gone from the journal, with the file."""
    needs_disk: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a fault."""

    told: list[str]
    lost: dict[str, int]
    """Part of the life → items that were announced and are not in the journal at its end."""
    aside: int
    """How many of these are in a file that was moved or put aside."""
    goes_on: bool
    """Whoever waited was answered."""
    is_in_order: bool
    """They were answered in the order in which they spoke."""


def page(number: int, content: bytes) -> Callable[[Scene], None]:
    """Overwrite a page of the main file; negative: from the end."""

    def breaks(scene: Scene) -> None:
        with scene.path.open("r+b") as file:
            file.seek(number * _PAGE, os.SEEK_SET if number >= 0 else os.SEEK_END)
            file.write(content)

    return breaks


def words_page(content: bytes) -> Callable[[Scene], None]:
    """Overwrite a page in the middle of what was said."""

    def breaks(scene: Scene) -> None:
        place = scene.path.read_bytes().find(b"word 30 ")
        page(place // _PAGE, content)(scene)

    return breaks


def in_place(make: Callable[[Path], object]) -> Callable[[Scene], None]:
    """Something else stands in the journal's place until it is healed."""

    def breaks(scene: Scene) -> None:
        kept = scene.folder.with_name("kept")
        scene.folder.rename(kept)
        scene.folder.mkdir(mode=0o700)
        make(scene.path)

        scene.stack.callback(put_back, kept, scene.folder)

    return breaks


def put_back(kept: Path, folder: Path) -> None:
    """Put a directory back, although a journal may be making one in its place at this moment."""
    for number in range(1_000):
        with contextlib.suppress(OSError):
            if folder.exists():
                folder.rename(folder.with_name(f"bad-{number}"))
            kept.rename(folder)
            return
    raise RuntimeError(f"{folder} is made again and again")


def failing(code: int, reads: bool = False) -> Callable[[Scene], None]:
    """The disk fails until it is healed."""

    def breaks(scene: Scene) -> None:
        assert scene.disk is not None
        scene.stack.enter_context(scene.disk.failing(code, reads))

    return breaks


def remove(*suffixes: str) -> Callable[[Scene], None]:
    """Delete the main file or its companions."""

    def breaks(scene: Scene) -> None:
        for suffix in suffixes:
            Path(f"{scene.path}{suffix}").unlink(missing_ok=True)

    return breaks


def move(*suffixes: str) -> Callable[[Scene], None]:
    """Rename them, as the words about a damaged file once advised."""

    def breaks(scene: Scene) -> None:
        for suffix in suffixes:
            old = Path(f"{scene.path}{suffix}")
            if old.exists():
                old.rename(Path(f"{scene.path}.mine{suffix}"))

    return breaks


def exchange_by_copy(scene: Scene) -> None:
    """A copy takes the file's place, as after an edit or a restored backup."""
    shutil.copy(scene.path, f"{scene.path}.copy")
    os.replace(f"{scene.path}.copy", scene.path)


def move_directory(scene: Scene) -> None:
    """The whole state directory is moved away."""
    scene.folder.rename(scene.folder.with_name("moved"))


def truncate(share: float) -> Callable[[Scene], None]:
    """Cut the main file."""
    return lambda scene: os.truncate(scene.path, int(scene.path.stat().st_size * share))


def damage_log(scene: Scene) -> None:
    """Overwrite the middle of the write-ahead log."""
    log = Path(f"{scene.path}-wal")
    with log.open("r+b") as file:
        file.seek(log.stat().st_size // 2)
        file.write(b"\xa5" * 5_000)


def limit_size(scene: Scene) -> None:
    """No file may grow (RLIMIT_FSIZE), as with a quota."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    scene.stack.callback(resource.setrlimit, resource.RLIMIT_FSIZE, (soft, hard))


def foreign(path: Path) -> None:
    """A database of another program."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipe (name TEXT)")


def newer(path: Path) -> None:
    """A journal of a later version."""
    JournalStore(path, ROOM).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 99")


def directory_is_a_file(scene: Scene) -> None:
    """The state directory is a file."""
    kept = scene.folder.with_name("kept")
    scene.folder.rename(kept)
    scene.folder.write_text("no directory")
    scene.stack.callback(put_back, kept, scene.folder)


EARLIER = frozenset({"earlier"})
OLD = frozenset({"earlier", "before"})
DAMAGE = "put aside"
FAULTS = (
    Fault("disk full", failing(sqlite3.SQLITE_FULL), "open", "disk is full", needs_disk=True),
    Fault("read-only", failing(sqlite3.SQLITE_READONLY), "open", "only be read", needs_disk=True),
    Fault("write errors", failing(IOERR_WRITE), "open", "disk fails", needs_disk=True),
    Fault("flush errors", failing(IOERR_FSYNC), "open", "disk fails", needs_disk=True),
    Fault("reads fail, too", failing(IOERR_WRITE, True), "open", "disk fails", needs_disk=True),
    Fault("no file may grow", limit_size, "open", "disk fails"),
    Fault("file and log removed", remove("", "-wal", "-shm"), "open", "moved or removed", OLD),
    Fault("file removed", remove(""), "open", "moved or removed", OLD),
    Fault("log removed", remove("-wal"), "open", "moved or removed"),
    Fault("shared memory removed", remove("-shm"), "open", "moved or removed"),
    Fault("log and memory removed", remove("-wal", "-shm"), "open", "moved or removed"),
    Fault("file moved", move(""), "open", "moved or removed", OLD),
    Fault("all files moved", move("", "-wal", "-shm"), "open", "moved or removed", OLD),
    Fault("directory moved", move_directory, "open", "moved or removed", OLD),
    Fault(
        "replaced by a copy", exchange_by_copy, "open", "moved or removed", frozenset({"before"})
    ),
    Fault("first page lost, open", page(0, bytes(_PAGE)), "open", "", OLD),
    Fault("a page of words lost, open", words_page(bytes(_PAGE)), "open", "", OLD),
    Fault("log damaged, open", damage_log, "open", "", OLD),
    Fault("first page lost", page(0, bytes(_PAGE)), "closed", DAMAGE, EARLIER),
    Fault("header lost", page(0, b"\xff" * 100), "closed", DAMAGE),
    Fault("middle page lost", page(9, bytes(_PAGE)), "closed", DAMAGE, EARLIER),
    Fault("middle page foreign", page(9, b"\xa5" * _PAGE), "closed", DAMAGE, EARLIER),
    Fault("last page lost", page(-1, bytes(_PAGE)), "closed", DAMAGE, EARLIER),
    Fault("cut in half", truncate(0.5), "closed", DAMAGE, EARLIER),
    Fault("cut to nothing", truncate(0), "closed", "found empty", EARLIER),
    Fault(
        "all zeros",
        lambda scene: scene.path.write_bytes(bytes(scene.path.stat().st_size)) and None,
        "closed",
        DAMAGE,
        EARLIER,
    ),
    Fault("a later version", in_place(newer), "closed", "version 99"),
    Fault("another program's database", in_place(foreign), "closed", "another program"),
    Fault(
        "a text file in its place",
        lambda scene: scene.path.write_text("no" * 5_000) and None,
        "closed",
        DAMAGE,
        EARLIER,
    ),
    Fault("a directory in its place", in_place(Path.mkdir), "closed", "a directory in its place"),
    Fault("a pipe in its place", in_place(os.mkfifo), "closed", "a pipe in its place"),
    Fault(
        "a link to nothing",
        in_place(lambda p: p.symlink_to("/nowhere/x")),
        "closed",
        "link to nothing",
    ),
    Fault("its directory is a file", directory_is_a_file, "closed", "its directory is none"),
)


def life(fault: Fault, folder: Path) -> Outcome:
    """Live through a fault."""
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(disk()) if fault.needs_disk else None
        stack.enter_context(_impatient())
        return asyncio.run(_life(fault, Scene(folder / "state", made)))


async def _life(fault: Fault, scene: Scene) -> Outcome:
    ranges = _ranges()
    store = JournalStore(scene.path, ROOM)
    for number in ranges["earlier"]:
        store.write([item(number)], int(time.time() * 1000))
    store.close()
    goes_on = True
    if fault.when == "closed":
        fault.breaks(scene)
    journal = _journal(scene)
    await journal.recover(60)
    for part in ("before", "during", "after"):
        if part == "during" and fault.when == "open":
            fault.breaks(scene)
        if part == "after":
            scene.stack.close()
        for number in ranges[part]:
            journal.write([item(number)], lambda n=number: scene.said.append(n))  # type: ignore[misc]
        goes_on &= await _answered(scene, ranges[part])
    await _settled(scene, fault)
    await journal.close()
    journal = _journal(scene)
    await journal.recover(60)
    for number in ranges["next call"]:
        journal.write([item(number)], lambda n=number: scene.said.append(n))  # type: ignore[misc]
    goes_on &= await _answered(scene, ranges["next call"])
    await journal.close()
    kept = _kept(scene.path)
    lost = {part: len(set(numbers) - kept) for part, numbers in ranges.items()}
    elsewhere = set().union(*(_kept(p) for p in scene.folder.parent.rglob("*") if _is_file(p)))
    missing = {n for numbers in ranges.values() for n in numbers} - kept
    return Outcome(
        scene.told,
        {part: count for part, count in lost.items() if count},
        len(missing & elsewhere),
        goes_on,
        scene.said == sorted(scene.said),
    )


def _journal(scene: Scene) -> Journal:
    return Journal(
        scene.path, ROOM, logs.get("openai_link"), scene.told.append, lambda day, usd: None
    )


async def _answered(scene: Scene, numbers: range) -> bool:
    return await _until(lambda: set(numbers) <= set(scene.said))


async def _settled(scene: Scene, fault: Fault) -> None:
    """A disk that works again is found out by the next attempt."""
    numbers = {n for part in ("during", "after") for n in _ranges()[part]}
    if not await _until(lambda: numbers <= _kept(scene.path), 2.0 if fault.may_lose else WAIT_S):
        return


async def _until(condition: Callable[[], bool], seconds: float = WAIT_S) -> bool:
    end_s = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end_s:
            return False
        await asyncio.sleep(0.005)
    return True


def _ranges() -> dict[str, range]:
    result, first = {}, 0
    for part, count in COUNTS.items():
        result[part] = range(first, first + count)
        first += count
    return result


def _kept(path: Path) -> set[int]:
    """Numbers of the items that can be read in a journal."""
    try:
        found = reading.transcript(path, ROOM, 1_000, None)
    except JournalError as error:
        if not error.is_damage:
            return set()
        with contextlib.suppress(JournalError):
            found = reading.salvaged(path, ROOM, 1_000)
            return {int(known.item[1:]) for known in found.items}
        return set()
    return {int(known.item[1:]) for known in found.items} if found else set()


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.name.endswith(("-wal", "-shm", ".lock"))


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """A disk that fails is tried again soon."""
    before = journal_queue.RETRY_NS
    journal_queue.RETRY_NS = (20 * MS_NS,)  # type: ignore[assignment]
    try:
        yield
    finally:
        journal_queue.RETRY_NS = before


def main() -> int:
    """Print the table."""
    logs.setup("error")
    print("| fault | file | what the room was told | lost of what was announced | call goes on |")
    print("|---|---|---|---|---|")
    for fault in FAULTS:
        if fault.needs_disk and library() is None:
            continue
        with tempfile.TemporaryDirectory(prefix="mm-disk-") as folder:
            outcome = life(fault, Path(folder))
        lost = (
            ", ".join(f"{count} said {part}" for part, count in outcome.lost.items()) or "nothing"
        )
        if outcome.aside:
            lost += f" ({outcome.aside} of them in the file that was moved or put aside)"
        told = " ".join(dict.fromkeys(outcome.told)) or "–"
        goes_on = "yes" if outcome.goes_on and outcome.is_in_order else "NO"
        print(f"| {fault.name} | {fault.when} | {told} | {lost} | {goes_on} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
