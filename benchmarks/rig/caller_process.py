"""People of one room in one process: ``python -m benchmarks.rig.caller_process``, by JSON lines."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import uvloop

from mixer_core.runtime.units import S_NS

from . import datagrams
from .caller import Caller
from .commands import serve

JOIN_TIMEOUT_S = 30.0
ASK_EVERY_S = 0.4
"""Between two questions while somebody has not been answered."""
LOOK_S = 0.01
AFTER_S = 0.3
"""What comes this long after the last answer still counts."""
CALM_NS = S_NS // 2
CALM_TIMEOUT_S = 20.0


class Callers:
    """The people of one room."""

    def __init__(self) -> None:
        self._callers: list[Caller] = []

    async def do_join(self, url: str, room: str, count: int) -> None:
        """Let so many people join, and wait until all are there and have been answered."""
        self._callers = [Caller(url, room, f"Person {index + 1}") for index in range(count)]
        for caller in self._callers:
            caller.start()
        async with asyncio.timeout(JOIN_TIMEOUT_S):
            while not all(caller.is_there for caller in self._callers):
                await asyncio.sleep(LOOK_S)
        for caller in self._callers:
            caller.begin()
        await self._until_answered(JOIN_TIMEOUT_S)
        gc.collect()
        gc.freeze()

    async def do_begin(self) -> None:
        """Wait until the assistant is quiet and all are there, then count from now on."""
        end_s = time.monotonic() + CALM_TIMEOUT_S
        while time.monotonic() < end_s:
            if all(c.is_there and c.quiet_ns() > CALM_NS for c in self._callers):
                break
            await asyncio.sleep(LOOK_S)
        for caller in self._callers:
            caller.begin()

    async def do_outcome(self, killed_ns: int, patience_s: float) -> list[dict[str, Any]]:
        """Ask until everybody has been answered, or that time is over; what each has seen."""
        await self._until_answered(patience_s)
        await asyncio.sleep(AFTER_S)
        ended_ns = time.monotonic_ns()
        return [caller.outcome(killed_ns, ended_ns) for caller in self._callers]

    async def do_leave(self) -> None:
        """Everybody leaves."""
        await asyncio.gather(*(caller.stop() for caller in self._callers))

    async def _until_answered(self, timeout_s: float) -> None:
        """One question at a time, by who has waited longest: somebody who had to join again."""
        end_s = time.monotonic() + timeout_s
        asked_s = 0.0
        while time.monotonic() < end_s:
            waiting = [caller for caller in self._callers if not caller.answered_ns()]
            if not waiting:
                return
            if time.monotonic() - asked_s >= ASK_EVERY_S:
                first = sorted(waiting, key=lambda caller: -caller.joins)
                if any(caller.ask() for caller in first):
                    asked_s = time.monotonic()
            await asyncio.sleep(LOOK_S)


async def main() -> None:
    """Serve until standard input ends."""
    datagrams.use_loopback()
    gc.disable()
    await serve(Callers())


if __name__ == "__main__":
    uvloop.run(main())
