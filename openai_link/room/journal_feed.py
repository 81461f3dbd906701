"""What a room's journal brings its engine: what it knows, what is written, what has gone wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mixer_core.bus.control import OpenLink
from mixer_core.journal.lateness import LATE_NS
from mixer_core.runtime.units import MS_NS

from ..settings import Settings
from ..transcript.journal import Journal
from .driver import Driver

RESUME_S = 300.0
"""A conversation that nobody ended, because the process died, goes on after at most this time."""


class JournalFeed:
    """Of one room; has its journal."""

    def __init__(
        self,
        order: OpenLink,
        settings: Settings,
        driver: Driver,
        on_stale: Callable[[str], None],
    ) -> None:
        """``on_stale``: another machine has the room for good; a sentence that says so."""
        self._driver, self._engine = driver, driver.engine
        self._conversation = asyncio.Lock()
        """Held while it is taken from the journal, or deleted: so deleted words do not return."""
        self.journal = Journal.open(
            settings,
            order.room,
            driver.log,
            self._failed,
            self._day_spent,
            on_stale,
            epoch=order.epoch,
            standby=order.standby,
        )

    async def recover(self, simulated: bool, is_elsewhere: bool) -> None:
        """Tell the engine what was said and spent before.

        Args:
            simulated: by the account of the simulator.
            is_elsewhere: another machine has the room, and goes on writing.
        """
        journal = self.journal
        known = journal.catch_up if is_elsewhere else journal.recover
        async with self._conversation:
            items = await known(RESUME_S)
            day, cost_usd = await journal.day_total(simulated)
            room_usd = await journal.room_total(day)
            now_ns = time.monotonic_ns()
            told = self._engine.journal_recovered(items, day, cost_usd, now_ns, room_usd=room_usd)
            self._driver.did(told)

    async def take_over(self, epoch: int) -> None:
        """The room of another machine is here: tell the engine what was said there."""
        async with self._conversation:
            await self.journal.grant(epoch)
            items = await self.journal.recover(RESUME_S)
            self._driver.did(self._engine.granted(items, time.monotonic_ns()))
        self.journal.let_go()

    async def forget(self, conversation: int, name: str) -> bool:
        """Have the engine forget what was said so far, if it is of that conversation.

        Args:
            conversation: its id in the journal; 0: whichever goes on.
            name: of who deletes it, or empty.

        Returns whether it was; it is deleted once ``all_written`` returns.
        """
        async with self._conversation:
            if conversation and not await self.journal.is_of(conversation):
                return False
            self._driver.did(self._engine.forget(name, time.monotonic_ns()))
        return True

    @property
    def waiting_records(self) -> int:
        """Records that are not written yet."""
        return self.journal.counters()["journal_waiting_records"]

    @property
    def is_late(self) -> bool:
        """What was said is not written for so long that people are told."""
        return self.journal.counters()["journal_lag_ms"] * MS_NS >= LATE_NS

    async def all_written(self) -> None:
        """Return once all that was to be written so far is."""
        written = asyncio.Event()
        self.journal.write((), written.set)
        await written.wait()

    def written(self, ticket: int) -> None:
        """Records with that ticket are safe, or never will be."""
        self._driver.did(self._engine.journal_written(ticket, time.monotonic_ns()))

    def _failed(self, message: str) -> None:
        self._driver.did(self._engine.journal_failed(message, time.monotonic_ns()))

    def _day_spent(self, day: str, cost_usd: float) -> None:
        self._driver.did(self._engine.day_spent(day, cost_usd, time.monotonic_ns()))
