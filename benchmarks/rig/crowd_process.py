"""Visitors who come one after the other, and come back when they are told to wait.

``python -m benchmarks.rig.crowd_process``, by JSON lines. Each comes from an address of its own of
the loopback, and asks again as a page does: after ``Retry-After``, with its ticket.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import uvloop

from mixer_core.runtime.units import MS_NS, S_NS

from . import datagrams
from .commands import serve
from .impairment import ImpairedNetwork
from .load_client import LoadClient, Refused
from .voice import Style

READY_TIMEOUT_S = 10.0
"""Longest wait for the assistant before somebody speaks."""
DEFAULT_RETRY_S = 2.0
"""After an answer without ``Retry-After``, or none."""


@dataclass
class Answer:
    """One answer to an offer."""

    status: int
    """0: none came, or the channel did not open."""
    took_ms: float
    title: str = ""
    detail: str = ""
    retry_after: str = ""


@dataclass
class Visitor:
    """What became of one."""

    address: str
    at_s: float
    """When it came first, from the beginning."""
    answers: list[Answer] = field(default_factory=list)
    admitted_s: float = -1.0
    """When it was let in, from the beginning; -1: not."""


class Crowd(ImpairedNetwork):
    """The visitors of this process."""

    def __init__(self) -> None:
        super().__init__()
        self._visitors: list[Visitor] = []
        self._inside: list[LoadClient] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._began_ns = time.monotonic_ns()

    async def do_offer(
        self, url: str, visitors: list[tuple[str, str, float]], style: Style
    ) -> None:
        """Let visitors come, in the background, until ``stop``.

        Args:
            url: the gateway.
            visitors: room, address and time of coming in s from now.
            style: how those inside speak.
        """
        self._began_ns = time.monotonic_ns()
        for room, address, at_s in visitors:
            visitor = Visitor(address, at_s)
            self._visitors.append(visitor)
            task = asyncio.create_task(self._visit(url, room, visitor, style))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        gc.collect()
        gc.freeze()

    async def do_stop(self) -> None:
        """Nobody tries any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def do_visitors(self) -> list[dict[str, Any]]:
        """What became of everybody."""
        return [asdict(visitor) for visitor in self._visitors]

    async def do_behave(self, style: Style) -> None:
        """All who are inside speak in this style."""
        for client in self._inside:
            client.behave(style)

    async def do_look(self) -> list[dict[str, Any]]:
        """What those inside sent and received since the last look."""
        return [client.look() for client in self._inside]

    async def do_leave(self, count: int) -> int:
        """So many of those inside leave; returns how many did."""
        leaving, self._inside = self._inside[:count], self._inside[count:]
        await asyncio.gather(*(client.leave() for client in leaving))
        return len(leaving)

    async def _visit(self, url: str, room: str, visitor: Visitor, style: Style) -> None:
        await asyncio.sleep(max(0.0, visitor.at_s - self._now_s()))
        client = LoadClient(url, room, 0, 1, True)
        ticket = ""
        try:
            while visitor.admitted_s < 0:
                wait_s, ticket = await self._try(client, visitor, ticket)
                await asyncio.sleep(wait_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(client.ready.wait(), READY_TIMEOUT_S)
            client.behave(style)
        finally:
            if visitor.admitted_s < 0:
                await client.leave()

    async def _try(self, client: LoadClient, visitor: Visitor, ticket: str) -> tuple[float, str]:
        """Ask once; how long to wait, and with which ticket to ask again."""
        began_ns = time.monotonic_ns()

        def note(status: int, *words: str) -> None:
            took_ms = (time.monotonic_ns() - began_ns) / MS_NS
            visitor.answers.append(Answer(status, round(took_ms, 1), *words))

        try:
            await client.join(visitor.address, ticket)
        except Refused as refused:
            problem = refused.problem
            words = (str(problem.get("title")), str(problem.get("detail")), refused.retry_after)
            note(refused.status, *words)
            return float(refused.retry_after or DEFAULT_RETRY_S), str(problem.get("ticket", ""))
        except (OSError, TimeoutError) as error:
            note(0, type(error).__name__, str(error))
            return DEFAULT_RETRY_S, ""
        note(201)
        visitor.answers[-1].took_ms = client.setup_ms()["answered"]
        visitor.admitted_s = self._now_s()
        self._inside.append(client)
        return 0.0, ""

    def _now_s(self) -> float:
        return (time.monotonic_ns() - self._began_ns) / S_NS


async def main() -> None:
    """Serve until standard input ends."""
    datagrams.use_loopback()
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # Of those who hang up.
    gc.disable()
    await serve(Crowd())


if __name__ == "__main__":
    uvloop.run(main())
