"""Requests that wait for the registry's reply, each under a number of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from mixer_core.runtime.errors import ProblemError

from .registry.actions import Answered, Reply, ReplyProblem


class Replies:
    """Who waits, and what comes of it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answered]] = {}
        self._closed = False

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def ask(self, begin: Callable[[int], None]) -> Answered:
        """The reply to what ``begin`` asks under the number that it is given.

        Raises:
            ProblemError: the reply is a problem, or the gateway is closed.
            Exception: what ``begin`` raises; then nobody waits.
        """
        if self._closed:
            raise ProblemError(503, "Restarting", "the gateway is restarting", 2)
        request = next(self._numbers)
        future: asyncio.Future[Answered] = self._loop.create_future()
        self._waiting[request] = future
        try:
            begin(request)
            return await future
        finally:
            del self._waiting[request]

    def settle(self, reply: Reply) -> None:
        """Give a reply to its request; it is dropped where nobody waits any more."""
        future = self._waiting.get(reply.request)
        if future is None or future.done():
            return
        if isinstance(reply, ReplyProblem):
            future.set_exception(reply.error())
        else:
            future.set_result(reply)

    def close(self) -> None:
        """Refuse what comes from now on. What still waits has the registry's last replies."""
        self._closed = True
