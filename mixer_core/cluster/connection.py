"""The connection to NATS: the only module that knows its client.

It is kept up for ever: whatever goes wrong, a new client is made for the next of the servers, with
the credentials as they are then, and all subscriptions are made again. A server that does not
answer a ping for ``PING_LIMIT_S`` is left. Nothing waits for a connection: what is asked while
there is none fails at once, and nothing that was to be sent goes out later.

Runs on one event loop; only ``asyncio`` is asked of it. Errors of the client never leave this
module, and credentials are never shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from mixer_core.runtime.errors import (
    ClusterAwayError,
    ClusterError,
    MixminusError,
    NobodyThereError,
    SettingsError,
)
from mixer_core.runtime.foreign_text import one_line

from .credentials import read_credentials
from .secured import check_tls, login, make_context
from .settings import ClusterSettings
from .tasks import end

log = logging.getLogger("mixminus.cluster")

CONNECT_LIMIT_S = 3.0
"""For one server, TLS and credentials included."""
PING_EVERY_S = 1.0
PING_LIMIT_S = 2.0
CLOSE_LIMIT_S = 2.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
"""Between two rounds over all servers."""
MAX_WAITING_BYTES = 4 << 20
"""What may wait for the network; with more, publishing is refused."""
MAX_WAITING_REQUESTS = 4_096
"""Messages of one subscription that wait for its handler; further ones are dropped."""
ERROR_HEADER = "Mixminus-Error"
"""Why a request was not served: one line."""

_CLIENT_ERRORS = (
    *(nats.errors.Error, OSError, TimeoutError),
    *(AssertionError, AttributeError, RuntimeError, ValueError),
)
"""What the client raises: its own errors, and what a call comes to that meets a connection as it
is being closed."""

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """One that came."""

    subject: str
    data: bytes
    headers: Headers
    reply: str = ""
    """Subject at which an answer is awaited; empty: nobody does."""


Handler = Callable[[Message], Awaitable[None]]
Server = Callable[[Message], Awaitable[bytes]]
Told = Callable[[], None]


@dataclass(eq=False, slots=True)
class Subscribed:
    """A subscription that lasts until ``close``, over any number of connections."""

    subject: str
    _callback: Callable[[Msg], Coroutine[Any, Any, None]]
    _queue: str
    _owner: Connection
    _served: set[asyncio.Task[None]] = field(default_factory=set)
    _client: Client | None = None
    _now: Subscription | None = None

    async def attach(self, client: Client) -> None:
        """Subscribe on a new connection."""
        self._client = client
        self._now = await client.subscribe(
            self.subject,
            queue=self._queue,
            cb=self._callback,
            pending_msgs_limit=MAX_WAITING_REQUESTS,
        )

    def is_on(self, client: Client) -> bool:
        """Whether it was made on this connection."""
        return self._client is client

    async def close(self) -> None:
        """Hear nothing more; handlers that run are ended."""
        self._owner.subscriptions.discard(self)
        for task in self._served:
            task.cancel()
        now, self._now = self._now, None
        if now is not None:
            with contextlib.suppress(*_CLIENT_ERRORS):
                async with asyncio.timeout(CLOSE_LIMIT_S):
                    await now.unsubscribe()


class Connection:
    """One connection to the cluster's NATS, from ``start`` to ``close``.

    ``name``: shown by NATS' own tools. ``on_connect`` and ``on_disconnect``: told each time, in
    turn; they must not raise.
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
        self._client: Client | None = None
        self._connected = asyncio.Event()
        self._waiting: set[asyncio.Timeout] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost = asyncio.Event()
        self._told = ""
        self.subscriptions: set[Subscribed] = set()

    @property
    def is_connected(self) -> bool:
        """Whether requests can be sent now."""
        return self._client is not None and self._client.is_connected

    @property
    def server(self) -> str:
        """Host and port of the server in use; empty: none is."""
        url = self._client.connected_url if self._client is not None else None
        return url.netloc.rpartition("@")[2] if url is not None else ""

    @property
    def why_not(self) -> str:
        """What went wrong with the last attempt to connect, in words; empty: nothing."""
        return self._told

    @property
    def known_servers(self) -> int:
        """Servers that belong together, as the one in use tells it, itself included."""
        return len(self._client.servers) if self._client is not None else 0

    @property
    def max_payload_bytes(self) -> int:
        """Longest message that the server takes."""
        return self._client.max_payload if self._client is not None else 1 << 20

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._spawn(self._keep())

    async def wait_connected(self, timeout_s: float) -> bool:
        """Wait for a connection, no longer than ``timeout_s``; whether there is one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._connected.wait()
        return self.is_connected

    async def close(self) -> None:
        """End the connection and everything that waits for it. Does not raise."""
        for subscription in tuple(self.subscriptions):
            await subscription.close()
        client, self._client = self._client, None
        await end(self._tasks)
        if client is not None:
            await _close(client)
            self._lose()

    def tell_on_connect(self, told: Told) -> None:
        """Have ``told`` called after each time that a connection is made."""
        self._on_connect.append(told)

    def tell_on_disconnect(self, told: Told) -> None:
        """Have ``told`` called each time that the connection is lost."""
        self._on_disconnect.append(told)

    # --- what is said ---

    async def publish(self, subject: str, data: bytes, headers: Headers | None = None) -> None:
        """Send a message to whoever listens; nobody says whether it arrives.

        Raises:
            ClusterAwayError: there is no connection, or too much waits for it.
            ClusterError: the message is too long.
        """
        await self._publish(subject, data, "", headers)

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
        with self._limited(timeout_s, subject):
            async with asyncio.timeout(timeout_s) as limit:
                with self._in_flight(limit):
                    answer = await client.request(
                        subject, data, timeout=2 * timeout_s + 1, headers=_headers(headers)
                    )
        message = _message(answer)
        if words := message.headers.get(ERROR_HEADER):
            raise ClusterError(one_line(words))
        return message

    async def subscribe(self, subject: str, handler: Handler, queue: str = "") -> Subscribed:
        """Have ``handler`` called for each message, one after the other, until ``close``.

        A handler that raises is told to the log. While there is no connection messages are missed.
        ``queue``: of all who name the same queue only one hears a message.
        """

        async def heard(message: Msg) -> None:
            try:
                await handler(_message(message))
            except Exception:
                log.exception("a message of the cluster could not be handled: %s", subject)

        return await self._subscribe(Subscribed(subject, heard, queue, self))

    async def serve(self, subject: str, server: Server, at_once: int = 64) -> Subscribed:
        """Answer requests at ``subject`` with what ``server`` returns, ``at_once`` at a time.

        Further ones wait. Whoever asks is told where ``server`` raises a MixminusError; anything
        else is our own mistake, and goes to the log, too.
        """
        places = asyncio.Semaphore(at_once)
        served: set[asyncio.Task[None]] = set()

        async def answer(message: Message) -> None:
            headers: dict[str, str] | None = None
            try:
                data = await server(message)
            except MixminusError as error:
                data, headers = b"", {ERROR_HEADER: one_line(str(error))}
            except Exception as error:
                log.exception("a request of the cluster could not be served: %s", subject)
                data, headers = b"", {ERROR_HEADER: f"{type(error).__name__} in the node asked"}
            finally:
                places.release()
            with contextlib.suppress(ClusterAwayError):  # Then nobody waits any more.
                await self._answer(message.reply, data, headers)

        async def heard(message: Msg) -> None:
            await places.acquire()
            task = asyncio.create_task(answer(_message(message)))
            served.add(task)
            task.add_done_callback(served.discard)

        return await self._subscribe(Subscribed(subject, heard, "", self, served))

    async def _answer(self, reply: str, data: bytes, headers: Headers | None) -> None:
        if not reply:
            return
        try:
            await self._publish(reply, data, "", headers)
        except ClusterAwayError:
            raise
        except ClusterError as error:
            await self._publish(reply, b"", "", {ERROR_HEADER: one_line(str(error))})

    async def _publish(
        self, subject: str, data: bytes, reply: str, headers: Headers | None
    ) -> None:
        client = self._sendable(len(data))
        with self._limited(PING_LIMIT_S, subject):
            async with asyncio.timeout(PING_LIMIT_S) as limit:
                with self._in_flight(limit):
                    await client.publish(subject, data, reply, _headers(headers))

    def _sendable(self, size: int) -> Client:
        client = self._client
        if client is None or not client.is_connected:
            raise ClusterAwayError("NATS cannot be reached")
        if client.pending_data_size > MAX_WAITING_BYTES:
            raise ClusterAwayError("NATS does not take what is sent to it")
        if size > client.max_payload:
            raise ClusterError(
                f"a message of {size} bytes is longer than NATS takes ({client.max_payload}): "
                "raise max_payload of its servers"
            )
        return client

    @contextlib.contextmanager
    def _limited(self, timeout_s: float, subject: str) -> Iterator[None]:
        """Turns errors of the client into ours."""
        try:
            yield
        except nats.errors.NoRespondersError as error:
            raise NobodyThereError(f"nobody takes requests at {subject}") from error
        except (TimeoutError, nats.errors.ConnectionClosedError) as error:
            words = f"no answer within {timeout_s:g} s" if self.is_connected else "NATS went away"
            raise ClusterAwayError(f"{subject}: {words}", is_perhaps_done=True) from error
        except _CLIENT_ERRORS as error:
            raise ClusterAwayError(f"{subject}: {_words(error)}", is_perhaps_done=True) from error

    @contextlib.contextmanager
    def _in_flight(self, limit: asyncio.Timeout) -> Iterator[None]:
        """Ends the wait at once where the connection is lost."""
        self._waiting.add(limit)
        try:
            yield
        finally:
            self._waiting.discard(limit)

    async def _subscribe(self, subscribed: Subscribed) -> Subscribed:
        """It lasts whether it can be made now or not; if it can, the server has it then."""
        self.subscriptions.add(subscribed)
        if self._client is not None:
            try:
                async with asyncio.timeout(PING_LIMIT_S):
                    await subscribed.attach(self._client)
                    for _ in range(2):  # The client's first ping overtakes what it has to send.
                        await self._client.rtt(timeout=2 * int(PING_LIMIT_S))
            except _CLIENT_ERRORS:
                self._lost.set()  # The next connection gets it.
        return subscribed

    # --- how it is kept up ---

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self) -> None:
        """Connect, watch the connection, and begin anew, for ever."""
        pause_s = FIRST_PAUSE_S
        while True:
            servers = list(self._settings.servers)
            random.shuffle(servers)
            for server in servers:
                self._lost = lost = asyncio.Event()
                client = await self._connect(server, lost)
                if client is not None:
                    pause_s = FIRST_PAUSE_S
                    await self._watch(client, lost)
            await asyncio.sleep(pause_s * random.uniform(0.75, 1.25))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _connect(self, server: str, lost: asyncio.Event) -> Client | None:
        """A client that is connected and has all subscriptions; None: told to the log."""
        client, seen = Client(), [""]

        async def failed(error: Exception) -> None:
            seen[0] = _words(error)
            if isinstance(error, nats.errors.UnexpectedEOF | OSError):
                lost.set()

        async def closed() -> None:
            lost.set()

        try:
            context = make_context(self._settings.ca_file)
            async with asyncio.timeout(CONNECT_LIMIT_S):
                await client.connect(
                    [server],
                    name=self._name,
                    tls=context,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=int(CONNECT_LIMIT_S),
                    pending_size=0,
                    error_cb=failed,
                    closed_cb=closed,
                    **login(read_credentials(self._settings.credentials_file), server, context),
                )
                check_tls(server, context)
                await client.rtt(timeout=int(PING_LIMIT_S))
                while new := [s for s in self.subscriptions if not s.is_on(client)]:
                    for subscription in new:
                        await subscription.attach(client)
        except (SettingsError, *_CLIENT_ERRORS) as error:
            no_servers = isinstance(error, nats.errors.NoServersError)
            self._tell(f"{server}: {seen[0] if no_servers and seen[0] else _words(error)}")
            await _close(client)
            return None
        except asyncio.CancelledError:
            await _close(client)
            raise
        return client

    async def _watch(self, client: Client, lost: asyncio.Event) -> None:
        """Returns when the connection is lost."""
        self._client = client
        self._connected.set()
        self._told = ""
        log.info("connected to NATS at %s", self.server)
        lost_to = self.server
        for told in self._on_connect:
            told()
        why = "it ended the connection"
        while client.is_connected and not lost.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_EVERY_S):
                    await lost.wait()
                    break
            try:
                async with asyncio.timeout(PING_LIMIT_S):
                    await client.rtt(timeout=2 * int(PING_LIMIT_S))
            except _CLIENT_ERRORS:
                why = "it does not answer" if client.is_connected else why
                break
        self._client = None
        self._lose()
        log.warning("lost the connection to NATS at %s: %s; trying again", lost_to, why)
        self._spawn(_close(client))

    def _lose(self) -> None:
        self._connected.clear()
        now_s = asyncio.get_running_loop().time()
        for limit in tuple(self._waiting):
            if not limit.expired():
                limit.reschedule(now_s)
        for told in self._on_disconnect:
            told()

    def _tell(self, words: str) -> None:
        """One line for each reason, not for each attempt."""
        if words != self._told:
            self._told = words
            log.warning("NATS cannot be reached: %s; trying again", words)


async def _close(client: Client) -> None:
    """Give a client up, whatever state it is in."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_LIMIT_S):
            await client.close()


def _headers(headers: Headers | None) -> dict[str, Any] | None:
    return dict(headers) if headers else None


def _message(message: Msg) -> Message:
    headers = message.headers or {}
    return Message(message.subject, message.data, headers, message.reply)


def _words(error: BaseException) -> str:
    """What an error of the client says, in one line, without what may be secret."""
    text = str(error) or type(error).__name__
    return one_line(text.rpartition("@")[2] if "@" in text else text)
