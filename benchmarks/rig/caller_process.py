"""People of one room in one process: ``python -m benchmarks.rig.caller_process``, by JSON lines."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import uvloop

from . import datagrams
from .asking import AFTER_S, CALM_NS, CALM_TIMEOUT_S, JOIN_TIMEOUT_S, LOOK_S, until_answered
from .caller import Caller
from .commands import serve


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
        await until_answered(self._callers, JOIN_TIMEOUT_S)
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
        await until_answered(self._callers, patience_s)
        await asyncio.sleep(AFTER_S)
        ended_ns = time.monotonic_ns()
        return [caller.outcome(killed_ns, ended_ns) for caller in self._callers]

    async def do_leave(self) -> None:
        """Everybody leaves."""
        await asyncio.gather(*(caller.stop() for caller in self._callers))


def quietly(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Peers that are killed leave aiortc's tasks with nobody to send to: no news here."""
    if not isinstance(context.get("exception"), ConnectionError):
        loop.default_exception_handler(context)


async def main() -> None:
    """Serve until standard input ends."""
    datagrams.use_loopback()
    asyncio.get_running_loop().set_exception_handler(quietly)
    gc.disable()
    await serve(Callers())


if __name__ == "__main__":
    uvloop.run(main())
