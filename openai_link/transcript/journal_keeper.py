"""Keeps one room's store usable: opens it, opens it again, has it mended, pruned and checked.

A file that was moved or removed is begun anew, and one that is damaged is put aside; what was being
done is done again then, before anybody is told that it is safe.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

from mixer_core.journal import repair
from mixer_core.journal.records import HistoryItem, ItemRecord, Record
from mixer_core.journal.retention import DAY_MS, Look
from mixer_core.runtime.errors import JournalError
from mixer_core.runtime.units import S_NS

from .journal_queue import RETRY_NS
from .journal_store import JournalStore

CARE_NS = 60 * S_NS
"""Between two looks at size and age."""
CHECKED_FIRST_BYTES, CHECKED_BYTES = 8 << 20, 64 << 20
"""The largest file that is read for damage at the first words of a process, and every 6 hours."""
ATTEMPTS = 8
"""How often something is tried before an error counts; others may exchange files, too."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept, of all rooms together."""

    keep_ms: int
    """Age up to which entries are kept."""
    most_bytes: int
    """Size of the file beyond which the oldest words go."""

    @staticmethod
    def of(keep_days: int, max_mb: int) -> Bounds:
        """From settings."""
        return Bounds(keep_days * DAY_MS, max_mb * 1_000_000)


class Keeper(Protocol):
    """Keeps one room's journal, for one thread: ``JournalKeeper``, or that of a clustered room."""

    retry_most_ns: ClassVar[int]
    """Longest wait between two attempts to write."""
    lets_pass: ClassVar[bool]
    """Nobody waits for what cannot be written yet. False: until it is, or never will be."""

    def run(self, do: Callable[[JournalStore], _T]) -> _T: ...

    def write(self, records: Sequence[Record], wall_ms: int) -> None: ...

    def recover(self, oldest_ms: int) -> tuple[list[HistoryItem], list[ItemRecord]]: ...

    def catch_up(self, oldest_ms: int) -> list[HistoryItem]: ...

    def grant(self, epoch: int) -> None: ...

    def is_of(self, conversation: int) -> bool: ...

    def care(self) -> None: ...

    def forget_conversation(self) -> None: ...

    def close(self) -> None: ...

    def end(self) -> None: ...


class JournalKeeper:
    """The store of one room, for one thread."""

    retry_most_ns: ClassVar[int] = RETRY_NS[-1]
    lets_pass: ClassVar[bool] = True

    def __init__(
        self,
        path: Path,
        room: str,
        bounds: Bounds,
        tell: Callable[[str], None],
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """``tell`` is given sentences for people."""
        self._path = path
        self._room = room
        self._bounds = bounds
        self._tell = tell
        self._log = log
        self._store: JournalStore | None = None
        self._conversation: int | None = None
        """The conversation that continues when the store is opened again."""
        self._care_ns = 0

    def run(self, do: Callable[[JournalStore], _T]) -> _T:
        """Do something with the store, and again if its files had to be exchanged for it.

        Raises:
            JournalError: it cannot be done.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return do(self._opened())
            except JournalError as error:
                if not self._mended(error):
                    raise
        return do(self._opened())

    def write(self, records: Sequence[Record], wall_ms: int) -> None:
        """Commit the records. Raises JournalError; nothing is written then."""
        self.run(lambda store: store.write(records, wall_ms))

    def recover(self, oldest_ms: int) -> tuple[list[HistoryItem], list[ItemRecord]]:
        """The items of the conversation that goes on, and what of them is yet to be written.

        Raises JournalError.
        """
        return self.run(lambda store: store.recover(oldest_ms)), []

    def catch_up(self, oldest_ms: int) -> list[HistoryItem]:
        """The items of the conversation that goes on, as they are. Raises JournalError."""
        self.run(lambda store: store.resume(oldest_ms))
        return self.run(JournalStore.items)

    def grant(self, epoch: int) -> None:
        """Nobody else can have the room."""

    def is_of(self, conversation: int) -> bool:
        """Whether the conversation with that id is written to. Raises JournalError."""
        return self.run(lambda store: store.conversation == conversation)

    def care(self) -> None:
        """Delete what is old or too much, and see whether the file is whole; not each time."""
        store, now_ns = self._store, time.monotonic_ns()
        if store is None or now_ns < self._care_ns:
            return
        is_first, self._care_ns = not self._care_ns, now_ns + CARE_NS
        try:
            count = store.pruning.by_age(_look(), self._bounds.keep_ms, store.conversation)
            if is_first or count is not None:
                store.check(CHECKED_FIRST_BYTES if count is None else CHECKED_BYTES)
            count = (count or 0) + store.pruning.by_size(self._bounds.most_bytes)
            if count:
                self._log.info("= %d old entries of the journal were deleted", count)
        except JournalError as error:
            try:
                if not self._mended(error):
                    self._log.warning("! %s", error)
            except JournalError as failure:
                self._log.warning("! %s", failure)

    def forget_conversation(self) -> None:
        """The conversation is not in the file: the next record begins one."""
        self._conversation = None

    def close(self) -> None:
        """Close the store; ``run`` opens it again."""
        self._end(JournalStore.close)

    def end(self) -> None:
        """Close the store, for good."""
        self.close()

    def _opened(self) -> JournalStore:
        if self._store is None:
            self._store = JournalStore(self._path, self._room, self._conversation)
            if self._store.was_empty:
                self._log.error("! the journal %s was found empty, and is begun anew", self._path)
                self._tell("The journal was found empty, and is begun anew.")
        return self._store

    def _mended(self, error: JournalError) -> bool:
        """Whether the files were exchanged, so that it can be tried again. Raises JournalError."""
        if error.is_moved:
            self._end(JournalStore.leave)
            self._log.warning("! %s: a new one is begun", error)
            self._tell(f"{_sentence(error.words)}: what is said from now on is in a new one.")
            return True
        if not error.is_damage:
            return False
        self.close()
        mended = repair.mend(self._path)
        if mended is not None:
            self._log.error(
                "! %s: it was put aside as %s, %d items of it are in a new one",
                *(error, mended.aside.name, mended.items),
            )
            self._tell(
                "The journal was damaged and was put aside: a new one goes on with the "
                f"{mended.items} entries that could be read."
            )
        return True

    def _end(self, end: Callable[[JournalStore], None]) -> None:
        store, self._store = self._store, None
        if store is None:
            return
        self._conversation = store.conversation
        try:
            end(store)
        except JournalError as error:
            self._log.warning("! %s", error)


def _look() -> Look:
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        boot = ""
    return Look(int(time.time() * 1000), boot, time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
