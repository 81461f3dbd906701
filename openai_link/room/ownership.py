"""Whether the room is this machine's: what the orders of a cluster do to it.

The cluster grants the room from time to time; without a grant that holds, all sessions end
(``guard``). It has the room left to another machine, or taken over from one. Without a cluster
nothing of this happens.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from mixer_core.bus.control import Grant, OpenLink, Yield, Yielded
from mixer_core.runtime import boot_clock
from mixer_core.runtime.units import MS_NS

from . import guard
from .driver import Driver
from .journal_feed import JournalFeed
from .voice_sockets import VoiceSockets

STALE = "stale"
"""Why sessions end whose room another machine has for good."""
WRITTEN_S = 0.1
"""Between two looks whether what was said is written."""


class Ownership:
    """Of one room; used on the event loop."""

    def __init__(
        self,
        order: OpenLink,
        driver: Driver,
        journal_feed: JournalFeed,
        voices: VoiceSockets,
        on_yielded: Callable[[Yielded], object],
        on_over: Callable[[], object],
    ) -> None:
        """``on_yielded``: tells signaling that the room was left to another machine. ``on_over``:
        the process is to end, and another one to serve the room."""
        self._driver, self._engine, self._log = driver, driver.engine, driver.log
        self._journal_feed, self._voices = journal_feed, voices
        self._on_yielded, self._on_over = on_yielded, on_over
        self._loop = asyncio.get_running_loop()
        self.is_guarded = bool(order.epoch)
        """There is a cluster: call ``look`` before anything is sent or played."""
        self.is_elsewhere = order.standby
        """Another machine has the room."""
        self._yields: Yield | None = None
        """The order to leave the room."""
        self._guard: guard.Guard | None = None
        if self.is_guarded:
            boot_ns = boot_clock.now_ns()
            self._guard = guard.Guard(order.epoch, order.until_ns, order.standby, boot_ns)
        self._due_ns: int | None = None
        """When ``look`` has to be called, whatever happens."""
        self._journal_epoch = self._granted_epoch = order.epoch
        """Under which the journal is written, and under which the room was granted last."""
        self._is_stale = False
        """The journal takes nothing of this process any more."""

    def begin(self, now_ns: int) -> None:
        """The room is about to be opened."""
        if self.is_paused:
            self._driver.do(self._engine.suspend(guard.REASON, guard.WORDS, now_ns))
        self._watch(now_ns)

    # -- the guard --------------------------------------------------------------------------------

    @property
    def is_paused(self) -> bool:
        """No session may be open now: the room is not granted."""
        return self._guard is not None and self._guard.is_paused

    def next_timeout_ns(self) -> int | None:
        """When to call ``look`` at the latest (monotonic); None: nothing ends by itself."""
        return self._due_ns

    def look(self) -> None:
        """Before anything else of a room in a cluster: end all sessions if it is time."""
        if self._guard is not None and self._guard.must_pause(boot_clock.now_ns()):
            self._pause()

    def before_opening(self) -> None:
        """A session is opened now; where none may be, it ends before its connection is begun."""
        if self._guard is not None and not self._guard.may_open(boot_clock.now_ns()):
            self._loop.call_soon(self._pause_still)

    def _pause_still(self) -> None:
        """Unless the room was granted meanwhile."""
        if self.is_paused:
            self._pause()

    def _pause(self) -> None:
        self._due_ns = None
        self._log.warning("! fenced: the room is not granted any more")
        self._voices.lose_all(guard.WORDS)
        self._driver.did(self._engine.suspend(guard.REASON, guard.WORDS, time.monotonic_ns()))

    def _watch(self, now_ns: int) -> None:
        left_ns = None if self._guard is None else self._guard.left_ns(boot_clock.now_ns())
        self._due_ns = None if left_ns is None else now_ns + left_ns

    # -- orders of the cluster --------------------------------------------------------------------

    def grant(self, grant: Grant) -> None:
        """The room is this machine's until then."""
        self.look()
        if self._guard is not None:
            change = self._guard.grant(grant.epoch, grant.until_ns, boot_clock.now_ns())
            now_ns = time.monotonic_ns()
            self._watch(now_ns)
            if change == "pause":
                self._pause()
            elif change == "resume":
                self._log.info("= the room is granted again")
                self._driver.did(self._engine.resume(guard.REASON, now_ns))
            self._driver.arm()
        if not grant.until_ns:
            return
        self._granted_epoch = max(self._granted_epoch, grant.epoch)
        if self.is_elsewhere:
            self.is_elsewhere = False
            self._journal_epoch = grant.epoch
            self._driver.start(self._journal_feed.take_over(grant.epoch))
        self._end_if_back()

    def leave(self, order: Yield) -> None:
        """Leave the room in its next pause, for another machine."""
        self._yields = order
        self._leave(order, time.monotonic_ns() + order.within_ms * MS_NS)

    def _leave(self, order: Yield, until_ns: int) -> None:
        """The assistant talks on while the journal takes nothing: the room could not be given."""
        if self._yields is not order:
            return
        if self._journal_feed.is_late:
            self._loop.call_later(WRITTEN_S, self._leave, order, until_ns)
            return
        now_ns = time.monotonic_ns()
        self._driver.did(self._engine.yield_room(max(0, until_ns - now_ns), now_ns))

    def stay(self) -> None:
        """The room stays here after all."""
        self._yields = None
        self._driver.did(self._engine.stay(time.monotonic_ns()))

    def owe_answer(self) -> None:
        """The machine that had the room before owes people an answer."""
        self._driver.did(self._engine.owes_answer(time.monotonic_ns()))

    # -- what the room has come to ----------------------------------------------------------------

    def stale(self, words: str) -> None:
        """Another machine has the room for good."""
        if self._yields is None:  # Else it was given to it.
            self._log.warning("! %s", words)
        now_ns = time.monotonic_ns()
        self._driver.did(self._engine.suspend(STALE, words, now_ns, for_good=True))
        self._is_stale = True
        self._end_if_back()

    def _end_if_back(self) -> None:
        """The room was another machine's and is here again: who serves it needs a new journal."""
        if self._is_stale and self._granted_epoch > self._journal_epoch:
            self._journal_epoch = self._granted_epoch
            self._log.info("= the room is here again: another process serves it")
            self._on_over()

    def yielded(self, owed: bool) -> None:
        """No session is left; ``owed``: people wait for an answer."""
        order = self._yields
        if order is not None:
            told = Yielded(order.room, order.order, owed)
            self._journal_feed.journal.write((), partial(self._tell_yielded, order, told))

    def _tell_yielded(self, order: Yield, told: Yielded) -> None:
        """All that was said is written, or the journal lets nobody wait any longer.

        What it has not written yet would be lost with the room: that is waited for. Whoever has
        ordered it knows when to give up.
        """
        if self._yields is not order:
            return  # The room stays here after all.
        if self._journal_feed.waiting_records:
            self._loop.call_later(WRITTEN_S, self._tell_yielded, order, told)
        else:
            self._on_yielded(told)
