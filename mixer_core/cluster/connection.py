"""The connection to the cluster's NATS: what is said and heard over it.

Nothing waits for a connection: what is asked while there is none fails at once, and nothing that
was to be sent goes out later. Runs on one event loop; only ``asyncio`` is asked of it. Credentials
are never shown.
"""

from __future__ import annotations

import asyncio

from mixer_core.runtime.errors import ClusterAwayError, ClusterError
from mixer_core.runtime.foreign_text import one_line

from .kept_client import KeptClient
from .messages import ERROR_HEADER, Handler, Headers, Message, Server
from .nats_client import CLIENT_ERRORS, PING_LIMIT_S, UNREACHABLE, NatsClient, our_errors
from .subscription import Serving, Subscribed, telling


class Connection(KeptClient):
    """One connection, from ``start`` to ``close``."""

    async def publish(self, subject: str, data: bytes, headers: Headers | None = None) -> None:
        """Send a message to whoever listens; nobody says whether it arrives.

        Raises:
            ClusterAwayError: there is no connection, or too much waits for it.
            ClusterError: the message is too long.
        """
        client = self._sendable(len(data))
        with our_errors(PING_LIMIT_S, subject, self._is_up):
            async with asyncio.timeout(PING_LIMIT_S) as limit:
                with self._in_flight(limit):
                    await client.publish(subject, data, headers)

    async def request(
        self, subject: str, data: bytes, timeout_s: float, headers: Headers | None = None
    ) -> Message:
        """Ask, and wait for one answer, no longer than ``timeout_s``.

        Raises:
            ClusterAwayError: no connection, or no answer in time.
            NobodyThereError: nobody takes requests at ``subject``.
            ClusterError: who was asked could not serve it, or the message is too long.
        """
        client = self._sendable(len(data))
        with our_errors(timeout_s, subject, self._is_up):
            async with asyncio.timeout(timeout_s) as limit:
                with self._in_flight(limit):
                    answer = await client.request(subject, data, 2 * timeout_s + 1, headers)
        if words := answer.headers.get(ERROR_HEADER):
            raise ClusterError(one_line(words))
        return answer

    async def subscribe(self, subject: str, handler: Handler, queue: str = "") -> Subscribed:
        """Have ``handler`` called for each message, one after the other, until ``close``.

        A handler that raises is told to the log. While there is no connection messages are missed.
        ``queue``: of all who name the same queue only one hears a message.
        """
        subscribed = Subscribed(subject, telling(subject, handler), self.subscriptions, queue)
        return await self._subscribe(subscribed)

    async def serve(self, subject: str, server: Server, at_once: int = 64) -> Subscribed:
        """Answer requests at ``subject`` with what ``server`` returns, ``at_once`` at a time.

        Further ones wait. Whoever asks is told where ``server`` raises a MixminusError; anything
        else is our own mistake, and goes to the log, too.
        """
        serving = Serving(subject, server, at_once, self.publish)
        subscribed = Subscribed(subject, serving.heard, self.subscriptions, _served=serving.tasks)
        return await self._subscribe(subscribed)

    async def _subscribe(self, subscribed: Subscribed) -> Subscribed:
        """It lasts whether it can be made now or not; if it can, the server has it then."""
        self.subscriptions.add(subscribed)
        if self._client is not None:
            try:
                async with asyncio.timeout(PING_LIMIT_S):
                    await subscribed.attach(self._client)
                    for _ in range(2):  # The client's first ping overtakes what it has to send.
                        await self._client.ping()
            except CLIENT_ERRORS:
                self._lost.set()  # The next connection gets it.
        return subscribed

    def _sendable(self, size_bytes: int) -> NatsClient:
        """The client, if it takes a message of that size now. Raises ClusterError."""
        client = self._client
        if client is None:
            raise ClusterAwayError(UNREACHABLE)
        client.check_sendable(size_bytes)
        return client

    def _is_up(self) -> bool:
        return self.is_connected
