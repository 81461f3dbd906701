"""Which records of a journal are written when: batches, retries, what is dropped. Sans-I/O.

Entries are written in the order in which they come. Those that somebody waits for are due at once;
others wait a moment for company, which spares an SD card. While the disk fails they stay here,
bounded, and are tried again. How long the oldest record waits is a metric (``Lag``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

from mixer_core.journal.records import Record
from mixer_core.runtime.units import MS_NS, S_NS

MAX_WAITING_RECORDS = 4_096
"""Records in the queue; beyond, the oldest are dropped."""
MAX_BATCH_RECORDS = 256
"""Records in one transaction: other rooms wait for it."""
IDLE_WAIT_NS = 500 * MS_NS
"""Records that nobody waits for are written at the latest after this time."""
RETRY_NS = (S_NS, 2 * S_NS, 5 * S_NS, 15 * S_NS, 30 * S_NS)
"""Waits between attempts while the disk fails; the last one repeats."""


@dataclass(slots=True)
class Entry:
    """Records that are written together."""

    records: tuple[Record, ...]
    then: Callable[[], None] | None
    """Somebody waits for them; None once that has been called, or if nobody does."""
    put_ns: int = 0
    """When it came into the queue."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the writing is behind what was said."""

    oldest_ns: int = 0
    """Age of the oldest record that is not safe yet; 0: all are."""
    records: int = 0
    """How many are not."""


class WriteQueue:
    """The queue of one room. Whoever shares it between threads guards it with a lock."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._records = 0
        self._taken: tuple[Entry, ...] = ()
        """What is being written."""
        self._due_ns = 0
        """When to write what nobody waits for."""
        self._is_urgent = False
        self._one_by_one = 0
        """How many entries at the head are written alone, because one of them is bad."""
        self._failures = 0
        self._retry_ns = 0
        """When to try again; 0: the disk works."""
        self.retry_most_ns = RETRY_NS[-1]
        """Longest wait between two attempts."""
        self.lets_pass = True
        """Nobody waits for a disk that fails."""

    @property
    def is_failing(self) -> bool:
        """The last attempt failed, and another one is to come."""
        return self._retry_ns > 0

    def put(self, entry: Entry, now_ns: int) -> list[Entry]:
        """Add an entry; returns those that were dropped for it."""
        if not self._entries:
            self._due_ns = now_ns + IDLE_WAIT_NS
        entry.put_ns = now_ns
        self._entries.append(entry)
        self._records += len(entry.records)
        self._is_urgent |= entry.then is not None
        dropped = []
        while self._records > MAX_WAITING_RECORDS:
            dropped.append(self._pop())
        return dropped

    def next_timeout_ns(self) -> int | None:
        """When the next batch is due, possibly in the past; None: nothing waits."""
        if not self._entries:
            return None
        if self.is_failing:
            return self._retry_ns
        if self._is_urgent or self._records >= MAX_BATCH_RECORDS:
            return 0
        return self._due_ns

    def take(self) -> list[Entry]:
        """Remove and return the next batch, due or not. ``written`` or ``failed`` must follow."""
        batch: list[Entry] = []
        records = 0
        while self._entries and records < MAX_BATCH_RECORDS:
            batch.append(self._pop())
            records += len(batch[-1].records)
            if self._one_by_one:
                self._one_by_one -= 1
                break
        self._is_urgent = self._one_by_one > 0 or any(entry.then for entry in self._entries)
        self._taken = tuple(batch)
        return batch

    def written(self) -> None:
        """The batch has been written."""
        self._taken = ()
        self._failures = self._retry_ns = 0

    def lag(self, now_ns: int) -> Lag:
        """What has not been written, what is being written included."""
        records = self._records + sum(len(entry.records) for entry in self._taken)
        if not records:
            return Lag()
        waiting = (entry.put_ns for entry in chain(self._taken, self._entries) if entry.records)
        return Lag(now_ns - next(waiting), records)

    def failed(self, batch: list[Entry], is_permanent: bool, now_ns: int) -> list[Entry]:
        """The batch could not be written; returns the entries that are given up.

        Args:
            batch: what ``take`` returned.
            is_permanent: trying the same again cannot help: some record is bad. Of several entries,
                each is tried alone; a single one is given up.
            now_ns: current monotonic time.
        """
        self._taken = ()
        if is_permanent and len(batch) > 1:
            self._put_back(batch)
            self._one_by_one, self._is_urgent = len(batch), True
            return []
        wait_ns = RETRY_NS[min(self._failures, len(RETRY_NS) - 1)]
        self._failures += 1
        if is_permanent:
            self._retry_ns = 0
            return batch
        self._retry_ns = now_ns + min(wait_ns, self.retry_most_ns)
        self._put_back(batch)
        return []

    def waiting(self) -> list[Entry]:
        """Everything in the queue, oldest first."""
        return list(self._entries)

    def clear(self) -> list[Entry]:
        """Remove and return everything that is not being written; the latter is given up, too."""
        entries = self.waiting()
        self._entries.clear()
        self._records, self._taken = 0, ()
        return entries

    def let_pass(self) -> list[Entry]:
        """While the disk fails: the entries whose ``then`` is to be called all the same."""
        if not self.lets_pass:
            return []
        self._is_urgent = False
        return [entry for entry in self._entries if entry.then is not None]

    def _pop(self) -> Entry:
        entry = self._entries.popleft()
        self._records -= len(entry.records)
        return entry

    def _put_back(self, batch: list[Entry]) -> None:
        self._entries.extendleft(reversed(batch))
        self._records += sum(len(entry.records) for entry in batch)
