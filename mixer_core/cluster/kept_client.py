"""A client of NATS that is kept up for ever.

Whatever goes wrong, a new client is made for the next of the servers, with the credentials as they
are then, and all subscriptions are made again. A server that does not answer a ping for
``PING_LIMIT_S`` is left, and one that ``leave_server`` doubts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from mixer_core.runtime.errors import SettingsError

from .nats_client import CLIENT_ERRORS, CONNECT_LIMIT_S, PING_LIMIT_S, NatsClient
from .settings import ClusterSettings
from .subscription import Subscribed
from .tasks import end

log = logging.getLogger("mixminus.cluster")

PING_EVERY_S = 1.0
NOTICE_S = 0.02
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
"""Between two rounds over all servers."""

Told = Callable[[], None]


class KeptClient:
    """Kept up from ``start`` to ``close``.

    ``name``: shown by NATS' own tools. ``on_connect`` and ``on_disconnect``: told each time, in
    turn.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        name: str,
        *,
        on_connect: Told | None = None,
        on_disconnect: Told | None = None,
    ) -> None:
        self._settings = settings
        self._name = name
        self._on_connect = [on_connect] if on_connect else []
        self._on_disconnect = [on_disconnect] if on_disconnect else []
        self._client: NatsClient | None = None
        self._connected = asyncio.Event()
        self._waiting: set[asyncio.Timeout] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost = asyncio.Event()
        self._doubt = ""
        """Why the server in use is left; empty: it is not."""
        self._told = ""
        self.subscriptions: set[Subscribed] = set()

    @property
    def is_connected(self) -> bool:
        """Whether requests can be sent now."""
        return self._client is not None and self._client.is_connected

    @property
    def server(self) -> str:
        """Host and port of the server in use; empty: none is."""
        return self._client.server if self._client is not None else ""

    @property
    def why_not(self) -> str:
        """What went wrong with the last attempt to connect, in words; empty: nothing."""
        return self._told

    @property
    def known_servers(self) -> int:
        """Servers that belong together, as the one in use tells it, itself included."""
        return self._client.known_servers if self._client is not None else 0

    @property
    def max_payload_bytes(self) -> int:
        """Longest message that the server takes."""
        return self._client.max_payload_bytes if self._client is not None else 1 << 20

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._spawn(self._keep())

    async def wait_connected(self, timeout_s: float) -> bool:
        """Wait for a connection, no longer than ``timeout_s``; whether there is one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._connected.wait()
                while not self.is_connected:  # It ends before that is noticed here.
                    await asyncio.sleep(NOTICE_S)
                    await self._connected.wait()
        return self.is_connected

    async def close(self) -> None:
        """End the connection and everything that waits for it. Does not raise."""
        for subscription in tuple(self.subscriptions):
            await subscription.close()
        client, self._client = self._client, None
        await end(self._tasks)
        if client is not None:
            await client.close()
            self._lose()

    def leave_server(self, why: str) -> None:
        """The server in use is of no use: go on with another one, and try it again after those. It
        stays where there is no other one. ``why``: for the log."""
        if self._client is not None and len(set(self._settings.servers)) > 1:
            self._doubt = why
            self._lost.set()

    def tell_on_connect(self, told: Told) -> None:
        """Have ``told`` called after each time that a connection is made."""
        self._on_connect.append(told)

    def tell_on_disconnect(self, told: Told) -> None:
        """Have ``told`` called each time that the connection is lost."""
        self._on_disconnect.append(told)

    @contextlib.contextmanager
    def _in_flight(self, limit: asyncio.Timeout) -> Iterator[None]:
        """Ends the wait at once where the connection is lost."""
        self._waiting.add(limit)
        try:
            yield
        finally:
            self._waiting.discard(limit)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self) -> None:
        """Connect, watch the connection, and begin anew, for ever."""
        pause_s, left = FIRST_PAUSE_S, ""
        while True:
            servers = list(self._settings.servers)
            random.shuffle(servers)
            servers.sort(key=lambda server: server == left)
            for server in servers:
                self._lost, self._doubt = asyncio.Event(), ""
                client = await self._connect(server, self._lost)
                if client is not None:
                    pause_s = FIRST_PAUSE_S
                    await self._watch(client, self._lost)
                    left = server if self._doubt else ""
                    if left:
                        break
            await asyncio.sleep(pause_s * random.uniform(0.75, 1.25))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _connect(self, server: str, lost: asyncio.Event) -> NatsClient | None:
        """A client that is connected and has all subscriptions; None: told to the log."""
        client = NatsClient(self._settings, server, lost)
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                await client.connect(self._name)
                while new := [s for s in self.subscriptions if not s.is_on(client)]:
                    for subscription in new:
                        await subscription.attach(client)
        except Exception as error:  # Whatever the client raises: another attempt follows.
            if not isinstance(error, (SettingsError, *CLIENT_ERRORS)):
                log.exception("an attempt to connect has failed in an unknown way")
            self._tell(client.why_not(error))
            await client.close()
            return None
        except asyncio.CancelledError:
            await client.close()
            raise
        return client

    async def _watch(self, client: NatsClient, lost: asyncio.Event) -> None:
        """Returns when the connection is lost."""
        self._client = client
        self._connected.set()
        self._told = ""
        log.info("connected to NATS at %s", self.server)
        lost_to = self.server
        _tell_all(self._on_connect)
        why = "it ended the connection"
        while client.is_connected and not lost.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_EVERY_S):
                    await lost.wait()
                    break
            try:
                async with asyncio.timeout(PING_LIMIT_S):
                    await client.ping()
            except Exception:
                why = "it does not answer" if client.is_connected else why
                break
        self._client = None
        self._lose()
        why = self._doubt or why
        log.warning("lost the connection to NATS at %s: %s; trying again", lost_to, why)
        self._spawn(client.close())

    def _lose(self) -> None:
        self._connected.clear()
        now_s = asyncio.get_running_loop().time()
        for limit in tuple(self._waiting):
            if not limit.expired():
                limit.reschedule(now_s)
        _tell_all(self._on_disconnect)

    def _tell(self, words: str) -> None:
        """One line for each reason, not for each attempt."""
        if words != self._told:
            self._told = words
            log.warning("NATS cannot be reached: %s; trying again", words)


def _tell_all(listeners: list[Told]) -> None:
    """The connection goes on whatever they raise."""
    for told in listeners:
        try:
            told()
        except Exception:
            log.exception("somebody could not be told of the connection to NATS")
