"""The day's money of the whole cluster: this node's part is told, the others' is heard.

The budget of a day then holds for the cluster. What is spent reaches the links of the other nodes
within some three seconds, and so much more may be spent. While NATS is away what was last heard
counts, and what is spent meanwhile is told as soon as it is back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from mixer_core.bus.control import SpentElsewhere
from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.money import Money, Purse, money_key, spent_elsewhere
from mixer_core.cluster.records import decode_record, encode_record
from mixer_core.cluster.tasks import end, lasting
from mixer_core.journal import reading
from mixer_core.journal.file import journal_path, local_day
from mixer_core.journal.records import SIMULATED
from mixer_core.runtime.errors import ClusterError, JournalError, NoJournalError, RecordError

LOOK_S = 1.5
"""Between two looks at the journal."""
KEPT_S = 3 * 86_400.0
"""Sums of older days leave the bucket."""


def local_today() -> str:
    """The day that this machine's clock and calendar say."""
    return local_day(int(time.time() * 1000))


class MoneyShare:
    """From ``start`` to ``close``."""

    def __init__(
        self,
        bucket: Bucket,
        node: str,
        state_dir: Path,
        tell: Callable[[SpentElsewhere], None],
        log: logging.LoggerAdapter[logging.Logger],
        replicas: int = 1,
        today: Callable[[], str] = local_today,
    ) -> None:
        """``tell`` is given what the others have spent ``today``, each time that it changes."""
        self._bucket = bucket
        self._node = node
        self._path = journal_path(state_dir)
        self._tell = tell
        self._log = log
        self._replicas = replicas
        self._today = today
        self._purse = Purse()
        self._is_made = False
        self._told: SpentElsewhere | None = None
        self._trouble = ""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to tell and to hear."""
        self._watch = self._bucket.watch(lambda key, entry: self._heard(), self._heard)
        work = lasting(self._run, "telling what was spent", self._log)
        self._tasks.append(asyncio.create_task(work))

    async def close(self) -> None:
        """Hear and tell no more; what was spent last is told by the next process of this node."""
        await end(self._tasks)
        await self._watch.close()

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
                self._trouble = ""
            except (ClusterError, JournalError) as error:
                self._is_made = False  # It may be missing.
                if self._trouble != type(error).__name__:  # One line for each time that it begins.
                    self._trouble = type(error).__name__
                    self._log.warning("! what was spent is not told to the cluster: %s", error)
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        if not self._is_made:
            await self._bucket.ensure(self._replicas, KEPT_S)
            self._is_made = True
        day = self._today()
        self._heard()
        if not self._watch.is_current:
            return  # What the bucket has of this node is not known.
        counted = await asyncio.to_thread(_counted, self._path, day)
        entry = self._watch.entries.get(money_key(day, self._node))
        try:
            known = decode_record(entry.value, Money) if entry else None
        except RecordError:
            known = None
        due = self._purse.due(day, counted, known)
        if due is not None:
            await self._bucket.put(money_key(day, self._node), encode_record(due))

    def _heard(self) -> None:
        day = self._today()
        entries = ((key, entry.value) for key, entry in self._watch.entries.items())
        spent = spent_elsewhere(entries, day, self._node)
        told = SpentElsewhere(day, round(spent.usd, 6), round(spent.simulated_usd, 6))
        if told != self._told:
            self._told = told
            self._tell(told)


def _counted(path: Path, day: str) -> Money:
    """By this node's rooms; days of other nodes have other names. Raises JournalError."""
    try:
        with reading.open_reading(path) as connection:
            usd, simulated = (
                reading.day_cost_usd(connection, name) for name in (day, day + SIMULATED)
            )
    except NoJournalError:
        return Money()
    return Money(usd, simulated)
