"""The timed faults of one call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .fault_box import FaultBox, TimedFault


class FaultTimers:
    """Times each fault from its stage of the call; one switched on later, from the switch."""

    def __init__(
        self, box: FaultBox, close_channel: Callable[[], None], kill: Callable[[], None]
    ) -> None:
        self._box = box
        self._effects: dict[TimedFault, Callable[[], None]] = {
            "close_channel": close_channel,
            "close_mid_response": close_channel,
            "kill_call": kill,
        }
        self._reached: set[TimedFault] = set()
        self._timers: dict[TimedFault, asyncio.TimerHandle] = {}
        box.watch(self._switched)

    def connected(self) -> None:
        """The call is connected."""
        self._reach("kill_call")

    def opened(self) -> None:
        """The event channel is open."""
        self._reach("close_channel")

    def replying(self) -> None:
        """The first sound or text of a reply is sent."""
        self._reach("close_mid_response")

    def stop(self) -> None:
        """The call is over."""
        self._box.unwatch(self._switched)
        self._cancel()

    def _reach(self, stage: TimedFault) -> None:
        if stage not in self._reached:
            self._reached.add(stage)
            self._arm(stage)

    def _switched(self) -> None:
        self._cancel()
        self._reached.discard("close_mid_response")  # It waits for the next reply.
        for stage in self._reached:
            self._arm(stage)

    def _arm(self, stage: TimedFault) -> None:
        timed = self._box.claim(stage)
        if timed is not None:
            loop = asyncio.get_running_loop()
            self._timers[stage] = loop.call_later(timed.after_ms / 1000, self._effects[stage])

    def _cancel(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
