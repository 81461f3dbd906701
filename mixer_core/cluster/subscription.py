"""A subscription that lasts over any number of connections, and requests that are served by one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from mixer_core.runtime.errors import ClusterAwayError, ClusterError, MixminusError
from mixer_core.runtime.foreign_text import one_line

from .messages import ERROR_HEADER, Handler, Headers, Message, Server
from .nats_client import CLIENT_ERRORS, CLOSE_LIMIT_S, Heard, Listening, NatsClient

log = logging.getLogger("mixminus.cluster")

MAX_WAITING_REQUESTS = 4_096
"""Messages of one subscription that wait for its handler; further ones are dropped."""

Publish = Callable[[str, bytes, Headers | None], Coroutine[Any, Any, None]]
"""``Connection.publish``."""


@dataclass(eq=False, slots=True)
class Subscribed:
    """A subscription that lasts until ``close``, over any number of connections."""

    subject: str
    _heard: Heard
    _all: set[Subscribed] = field(repr=False)
    """Those of the connection; it leaves them with ``close``."""
    _queue: str = ""
    _served: set[asyncio.Task[None]] = field(default_factory=set)
    _client: NatsClient | None = None
    _now: Listening | None = None

    async def attach(self, client: NatsClient) -> None:
        """Subscribe on a new connection. Raises CLIENT_ERRORS."""
        self._client = client
        self._now = await client.subscribe(
            self.subject, self._queue, self._heard, MAX_WAITING_REQUESTS
        )

    def is_on(self, client: NatsClient) -> bool:
        """Whether it was made on this connection."""
        return self._client is client

    async def close(self) -> None:
        """Hear nothing more; handlers that run are ended."""
        self._all.discard(self)
        for task in self._served:
            task.cancel()
        now, self._now = self._now, None
        if now is not None:
            with contextlib.suppress(*CLIENT_ERRORS):
                async with asyncio.timeout(CLOSE_LIMIT_S):
                    await now.unsubscribe()


def telling(subject: str, handler: Handler) -> Heard:
    """Has ``handler`` called; what it raises goes to the log."""

    async def heard(message: Message) -> None:
        try:
            await handler(message)
        except Exception:
            log.exception("a message of the cluster could not be handled: %s", subject)

    return heard


class Serving:
    """Requests at one subject that are answered, so many at a time; further ones wait."""

    def __init__(self, subject: str, server: Server, at_once: int, publish: Publish) -> None:
        self._subject = subject
        self._server = server
        self._places = asyncio.Semaphore(at_once)
        self._publish = publish
        self.tasks: set[asyncio.Task[None]] = set()
        """Those that are being answered."""

    async def heard(self, request: Message) -> None:
        """Take a request as soon as there is a place."""
        await self._places.acquire()
        task = asyncio.create_task(self._serve(request))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _serve(self, request: Message) -> None:
        headers: dict[str, str] | None = None
        try:
            data = await self._server(request)
        except MixminusError as error:
            data, headers = b"", {ERROR_HEADER: one_line(str(error))}
        except Exception as error:
            log.exception("a request of the cluster could not be served: %s", self._subject)
            data, headers = b"", {ERROR_HEADER: f"{type(error).__name__} in the node asked"}
        finally:
            self._places.release()
        with contextlib.suppress(ClusterAwayError):  # Then nobody waits any more.
            await self._answer(request.reply, data, headers)

    async def _answer(self, reply: str, data: bytes, headers: Headers | None) -> None:
        if not reply:
            return
        try:
            await self._publish(reply, data, headers)
        except ClusterAwayError:
            raise
        except ClusterError as error:
            await self._publish(reply, b"", {ERROR_HEADER: one_line(str(error))})
