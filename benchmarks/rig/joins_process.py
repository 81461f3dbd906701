"""Somebody who joins again and again: ``python -m benchmarks.rig.joins_process ADDRESS``.

Another person stays in the room and makes a sound all the time, so that frames can be counted.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import aiohttp
import uvloop

from mixer_core.patches.aioice.gathering import offer_addresses
from mixer_core.runtime.units import MS_NS

from .caller import Caller, Line
from .caller_process import quietly
from .commands import serve

JOIN_TIMEOUT_S = 20.0
LOOK_S = 0.02


class Joins:
    """The commands."""

    def __init__(self) -> None:
        self._resident: Caller | None = None
        self._number = 0

    async def do_stay(self, way: str, room: str, token: str) -> str:
        """Let the other one come, by this node. Returns the address of the stay."""
        self._resident = Caller(way, room, "Resident", token=token)
        self._resident.start()
        async with asyncio.timeout(JOIN_TIMEOUT_S):
            while not self._resident.is_there:
                await asyncio.sleep(LOOK_S)
        return self._resident.location

    async def do_join(self, way: str, room: str, token: str, stay_s: float) -> dict[str, Any]:
        """Join by a node, stay, leave: ms until the answer and until the channels are open, the
        candidates of the answer, and the frames heard."""
        self._number += 1
        heard = Caller(way, room, f"Guest {self._number}", token=token, hums=False)
        line, bearer = Line(heard), {"Authorization": f"Bearer {token}"}
        began_ns = time.monotonic_ns()
        await line.join(f"{way}/rooms/{room}/participants", heard.name, "", bearer, JOIN_TIMEOUT_S)
        opened_ns = time.monotonic_ns()
        heard.begin()
        await asyncio.sleep(stay_s)
        frames = heard.frames_heard
        left_ns = time.monotonic_ns()
        async with (
            aiohttp.ClientSession(headers=bearer) as http,
            http.delete(line.location) as answer,
        ):
            answer.raise_for_status()
        gone_ns = time.monotonic_ns()
        await line.pc.close()
        return {
            "answer_ms": (line.answered_ns - line.posted_ns) / MS_NS,
            "open_ms": (opened_ns - began_ns) / MS_NS,
            "leave_ms": (gone_ns - left_ns) / MS_NS,
            "frames": frames,
            "node": line.location.rpartition("~")[2],
            "hosts": candidates(line.pc.remoteDescription.sdp),
        }

    async def do_look(self, way: str, room: str, token: str, count: int) -> list[float]:
        """Look into the room so many times; ms of each."""
        spent: list[float] = []
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            for _ in range(count):
                began_ns = time.monotonic_ns()
                async with http.get(f"{way}/rooms/{room}") as answer:
                    answer.raise_for_status()
                    await answer.read()
                spent.append((time.monotonic_ns() - began_ns) / MS_NS)
        return spent

    async def do_leave(self) -> None:
        """The other one leaves."""
        if self._resident is not None:
            await self._resident.stop()


def candidates(sdp: str) -> list[str]:
    """The addresses of an answer's candidates."""
    lines = [line for line in sdp.splitlines() if line.startswith("a=candidate:")]
    return sorted({line.split()[4] for line in lines})


async def main() -> None:
    """Serve until standard input ends."""
    address = sys.argv[1]
    offer_addresses(lambda: [address])
    asyncio.get_running_loop().set_exception_handler(quietly)
    await serve(Joins())


if __name__ == "__main__":
    uvloop.run(main())
