"""Browsers that wait to hear of their participant's end.

A browser whose worker died would notice by the silence alone. It keeps a request open instead, and
is told at once.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from mixer_core.runtime.errors import ProblemError

End = Literal["lost", "left", "there"]
"""The worker died and the browser has to join again; it is over in order; it still goes on."""

WAIT_S = 45.0
"""Then the browser asks again: proxies cut requests that take a minute."""
MAX_WAITING = 1_024
MAX_REMEMBERED = 256
"""Ends that are remembered for those who ask too late."""


class Ends:
    """Who waits, and how it ended for the latest participants."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, asyncio.Future[End]] = {}
        self._ended: dict[str, End] = {}
        self._closed = False

    def ended(self, participant: str, end: End) -> None:
        """A participant is gone."""
        self._ended[participant] = end
        if len(self._ended) > MAX_REMEMBERED:
            del self._ended[next(iter(self._ended))]
        waiting = self._waiting.pop(participant, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(end)

    def known(self, participant: str) -> End | None:
        """How it ended for one of the latest."""
        return self._ended.get(participant)

    async def wait(self, participant: str, wait_s: float = WAIT_S) -> End:
        """Wait for the end, but not for long; who asks twice is answered once.

        Raises:
            ProblemError: 503, too many wait.
        """
        if self._closed or participant in self._ended:
            return self._ended.get(participant, "there")
        if len(self._waiting) >= MAX_WAITING:
            raise ProblemError(503, "Busy", "too many wait for the end of a call", 10)
        self._release(participant)
        future: asyncio.Future[End] = self._loop.create_future()
        self._waiting[participant] = future
        try:
            async with asyncio.timeout(wait_s):
                return await future
        except TimeoutError:
            return "there"
        finally:
            if self._waiting.get(participant) is future:
                del self._waiting[participant]

    def close(self) -> None:
        """The gateway stops; calls go on."""
        self._closed = True
        for participant in list(self._waiting):
            self._release(participant)

    def _release(self, participant: str) -> None:
        waiting = self._waiting.pop(participant, None)
        if waiting is not None and not waiting.done():
            waiting.set_result("there")
