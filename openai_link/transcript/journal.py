"""A room's journal, as its event loop sees it: nothing here waits for the disk.

Whatever is announced as final is in the file first: ``write(records, then)`` calls ``then`` once
the records are committed. A thread of the journal's own does the work (``journal_thread``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mixer_core.journal.file import journal_path, local_day
from mixer_core.journal.records import HistoryItem, ItemRecord, Record, RemovedRecord
from mixer_core.runtime.units import MS_NS

from ..settings import Settings
from .cluster_room import ClusterRoom
from .journal_keeper import Bounds, JournalKeeper, Keeper
from .journal_queue import Entry
from .journal_thread import JournalThread, Listeners, Question

DEFAULT_BOUNDS = Bounds.of(keep_days=30, max_mb=256)
CLOSE_TIMEOUT_S = 2.0
"""Longest that ``close`` waits for the last commit."""
_T = TypeVar("_T")
Then = Callable[[], None]


class Journal:
    """One room's journal; made and used on the event loop."""

    def __init__(
        self,
        path: Path,
        room: str,
        log: logging.LoggerAdapter[logging.Logger],
        on_trouble: Callable[[str], None],
        on_day: Callable[[str, float], None],
        bounds: Bounds = DEFAULT_BOUNDS,
        keep_words: bool = True,
        *,
        cluster: ClusterRoom | None = None,
    ) -> None:
        """Start the thread, which opens the file.

        Args:
            path: of the database.
            room: name of the room.
            log: log of the link.
            on_trouble: called on the loop once per failure, with a sentence for people.
            on_day: called on the loop after each commit of usage: local day, dollars of all rooms.
            bounds: what is kept of all rooms.
            keep_words: False: only sessions and usage are kept, nothing that was said.
            cluster: the room is one of a cluster.
        """
        self._loop = asyncio.get_running_loop()
        self._keep_words = keep_words
        on_stale = (lambda words: None) if cluster is None else cluster.on_stale

        def make(tell: Callable[[str], None]) -> Keeper:
            keeper = JournalKeeper(path, room, bounds, tell, log)
            if cluster is None:
                return keeper
            from .stream_parts import stream_keeper  # Only this needs NATS.

            return stream_keeper(keeper, cluster, room, log)

        is_held = cluster is not None and cluster.standby
        listeners = Listeners(self._later, on_trouble, on_day, on_stale)
        self._thread = JournalThread(make, listeners, log, is_held=is_held)
        self._thread.start()

    @classmethod
    def open(
        cls,
        settings: Settings,
        room: str,
        log: logging.LoggerAdapter[logging.Logger],
        on_trouble: Callable[[str], None],
        on_day: Callable[[str, float], None] = lambda day, usd: None,
        on_stale: Callable[[str], None] = lambda words: None,
        *,
        epoch: int = 0,
        standby: bool = False,
    ) -> Journal:
        """The journal of ``room`` according to the settings.

        Without ``journal`` nothing that was said is kept; usage is, for the daily budget.

        Args:
            settings: of the link. room: its name. log: of the link.
            on_trouble: see the constructor. on_day: there, too.
            on_stale: called on the loop once another process has the room for good, with a sentence
                for people; what is written from then on is kept nowhere.
            epoch: of the room's ownership in the cluster; 0: the room is of this machine alone.
            standby: another process still has the room: nothing is written before ``grant``.
        """
        section = settings.openai_link
        cluster = None
        if epoch and settings.cluster.is_on:
            keep_days = section.journal_keep_days
            cluster = ClusterRoom(settings.cluster, epoch, standby, keep_days, on_stale)
        return cls(
            journal_path(settings.state_dir),
            room,
            log,
            on_trouble,
            on_day,
            Bounds.of(section.journal_keep_days, section.journal_max_mb),
            section.journal,
            cluster=cluster,
        )

    @property
    def dropped(self) -> int:
        """Records that were lost: the disk failed for too long, or they cannot be written."""
        return self._thread.dropped

    def counters(self) -> dict[str, int]:
        """For the metrics of the room."""
        lag = self._thread.lag()
        return {
            "journal_lag_ms": lag.oldest_ns // MS_NS,
            "journal_waiting_records": lag.records,
            "journal_lost_records_total": self._thread.dropped,
        }

    def keep_words(self, is_wanted: bool) -> None:
        """Whether what is said from now on is kept."""
        self._keep_words = is_wanted

    def write(self, records: Sequence[Record], then: Then | None = None) -> None:
        """Add records to the journal without waiting; ``then`` is called once they are committed.

        Entries are committed, and their ``then`` called, in the order of the calls. Without
        records, ``then`` follows all earlier ones.
        """
        if not self._keep_words:
            records = [r for r in records if not isinstance(r, ItemRecord | RemovedRecord)]
        if records or then is not None:
            self._thread.put(Entry(tuple(records), then))

    async def recover(self, max_age_s: float) -> list[HistoryItem]:
        """The items of a conversation that nobody ended, last written within ``max_age_s``.

        Call it before the first ``write``, which then continues that conversation. A journal that
        cannot be read has no items.
        """
        if not self._keep_words:
            return []
        oldest_ms = int((time.time() - max_age_s) * 1000)
        nothing: tuple[list[HistoryItem], list[ItemRecord]] = [], []
        items, changes = await self._ask(lambda keeper: keeper.recover(oldest_ms), nothing)
        if changes:
            self.write(changes)
        return items

    async def catch_up(self, max_age_s: float) -> list[HistoryItem]:
        """The items, as they are now, of a conversation that another process leads.

        For one that is to take the room over. None, where they cannot be read.
        """
        oldest_ms = int((time.time() - max_age_s) * 1000)
        return await self._ask(lambda keeper: keeper.catch_up(oldest_ms), [])

    async def grant(self, epoch: int) -> None:
        """The room is this process's, with that epoch: ``recover`` claims it.

        What was held is written behind that.
        """
        await self._ask(lambda keeper: keeper.grant(epoch), None)

    def let_go(self) -> None:
        """After ``grant`` and ``recover``: what was held is written."""
        self._thread.let_go()

    async def is_of(self, conversation: int) -> bool:
        """Whether the conversation with that id is written to; so it may be where nobody knows."""
        return await self._ask(lambda keeper: keeper.is_of(conversation), otherwise=True)

    async def day_total(self, simulated: bool = False) -> tuple[str, float]:
        """Today (local) and its dollars over all rooms so far; 0 if they cannot be read.

        ``simulated``: the account of the rooms that a simulator answers.
        """
        day = local_day(int(time.time() * 1000), simulated)
        return day, await self._ask(lambda k: k.run(lambda store: store.day_usd(day)), 0.0)

    async def room_total(self, day: str) -> float:
        """Dollars of a day of ``day_total`` in this room; 0 if they cannot be read."""
        return await self._ask(lambda k: k.run(lambda store: store.room_usd(day)), 0.0)

    async def close(self) -> None:
        """Write what waits, bounded in time, and end the thread."""
        self._thread.finish()
        await asyncio.to_thread(self._thread.join, CLOSE_TIMEOUT_S)

    async def _ask(self, question: Callable[[Keeper], _T], otherwise: _T) -> _T:
        future: asyncio.Future[_T] = self._loop.create_future()

        def settle(result: _T) -> None:
            if not future.done():
                future.set_result(result)

        self._thread.ask(
            Question(
                lambda keeper: self._later(settle, question(keeper)),
                lambda: self._later(settle, otherwise),
            )
        )
        return await future

    def _later(self, function: Callable[..., None], *arguments: object) -> None:
        """Call on the loop, if it still runs."""
        with contextlib.suppress(RuntimeError):  # The loop was closed without ``close``.
            self._loop.call_soon_threadsafe(function, *arguments)
