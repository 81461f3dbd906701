"""What one address may do in a minute, on all nodes together: each tells what it has counted.

Small messages that nobody acknowledges: one that is lost lets an address try a few times more. A
node counts at once what comes to it, so an address never gets more than the limit on one node, and
across the nodes no more than what is under way for some 0.2 s.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from mixer_core.cluster.connection import Connection
from mixer_core.cluster.messages import Message
from mixer_core.cluster.names import Names
from mixer_core.cluster.subscription import Subscribed
from mixer_core.cluster.tasks import end, lasting
from mixer_core.runtime.errors import ClusterError, RecordError

from ..limits.limiter import Limiter
from .limit_wire import decode_news, encode_news, pause_s

SUBJECT = "limits"


class SharedLimits:
    """From ``start`` to ``close``."""

    def __init__(
        self,
        connection: Connection,
        names: Names,
        node: str,
        limiter: Limiter,
        nodes: Callable[[], int],
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """``nodes``: how many there are now."""
        self._connection = connection
        self._subject = names.of_all(SUBJECT)
        self._node = node
        self._limiter = limiter
        self._nodes = nodes
        self._log = log
        self._subscribed: Subscribed | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to tell and to hear."""
        self._limiter.share()
        self._subscribed = await self._connection.subscribe(self._subject, self._heard)
        work = lasting(self._tell, "telling what clients have tried", self._log)
        self._task = asyncio.create_task(work)

    async def close(self) -> None:
        """Count for this node alone."""
        if self._task is not None:
            await end([self._task])
        if self._subscribed is not None:
            await self._subscribed.close()

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(pause_s(self._nodes()))
            news = self._limiter.take_news()
            if not news:
                continue
            try:
                await self._connection.publish(self._subject, encode_news(self._node, news))
            except ClusterError as error:  # It counts here.
                self._log.debug("= other nodes are not told of clients: %s", error)

    async def _heard(self, message: Message) -> None:
        try:
            node, news = decode_news(message.data)
        except RecordError as error:
            self._log.debug("! < %s: %s", self._subject, error)
            return
        if node != self._node:
            now_ns = time.monotonic_ns()
            for one in news:
                self._limiter.heard(one, now_ns)
