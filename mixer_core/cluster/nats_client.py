"""One connection to one NATS server: the only module that knows NATS' client.

It does not outlive a loss: who wants another one makes another client. What the client raises is
among ``CLIENT_ERRORS``; ``our_errors`` makes ours of them, in words without what may be secret.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Protocol

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from mixer_core.runtime.errors import ClusterAwayError, ClusterError, NobodyThereError
from mixer_core.runtime.foreign_text import one_line

from .credentials import read_credentials
from .messages import Headers, Message
from .secured import check_tls, login, make_context
from .settings import ClusterSettings
from .tasks import end

CONNECT_LIMIT_S = 3.0
"""For one server, TLS and credentials included."""
PING_LIMIT_S = 2.0
CLOSE_LIMIT_S = 2.0
MAX_WAITING_BYTES = 4 << 20
"""What may wait for the network; with more, publishing is refused."""

CLIENT_ERRORS = (
    *(nats.errors.Error, OSError, TimeoutError),
    *(AssertionError, AttributeError, RuntimeError, ValueError),
)
"""What the client raises: its own errors, and what a call comes to that meets a connection as it
is being closed."""
UNREACHABLE = "NATS cannot be reached"
Heard = Callable[[Message], Coroutine[Any, Any, None]]


class Listening(Protocol):
    """A subscription of one connection."""

    async def unsubscribe(self) -> None: ...


class NatsClient:
    """From ``connect`` to ``close``. Methods raise CLIENT_ERRORS unless they say otherwise."""

    def __init__(self, settings: ClusterSettings, server: str, lost: asyncio.Event) -> None:
        """``lost`` is set once the connection is known to be lost."""
        self._client = Client()
        self._settings = settings
        self._server = server
        self._lost = lost
        self._seen = ""
        self._pings: set[asyncio.Task[float]] = set()

    @property
    def is_connected(self) -> bool:
        """Whether requests can be sent now."""
        return self._client.is_connected

    @property
    def server(self) -> str:
        """Host and port of the server; empty: there is none."""
        url = self._client.connected_url
        return url.netloc.rpartition("@")[2] if url is not None else ""

    @property
    def known_servers(self) -> int:
        """Servers that belong together, as this one tells it, itself included."""
        return len(self._client.servers)

    @property
    def max_payload_bytes(self) -> int:
        """Longest message that the server takes."""
        return self._client.max_payload

    async def connect(self, name: str) -> None:
        """Connect and see that the server answers. ``name``: shown by NATS' own tools.

        Raises SettingsError, too: the credentials or the authority's file cannot be used.
        """
        context = make_context(self._settings.ca_file)
        await self._client.connect(
            [self._server],
            name=name,
            tls=context,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=int(CONNECT_LIMIT_S),
            pending_size=0,
            error_cb=self._failed,
            closed_cb=self._closed,
            **login(read_credentials(self._settings.credentials_file), self._server, context),
        )
        check_tls(self._server, context)
        await self._client.rtt(timeout=int(PING_LIMIT_S))

    def why_not(self, error: Exception) -> str:
        """What ``connect`` raised, in words; the client tells some of it only on the way."""
        is_vague = isinstance(error, nats.errors.NoServersError) and self._seen
        return f"{self._server}: {self._seen if is_vague else _words(error)}"

    async def ping(self) -> None:
        """Returns when the server has answered.

        Whoever does not wait for that leaves the client waiting: its reader ends if the answer
        comes to a question that was given up.
        """
        task = asyncio.create_task(self._client.rtt(timeout=2 * int(PING_LIMIT_S)))
        self._pings.add(task)
        task.add_done_callback(self._pings.discard)
        await asyncio.shield(task)

    def check_sendable(self, size_bytes: int) -> None:
        """Whether a message of that size can be sent now.

        Raises:
            ClusterAwayError: there is no connection, or too much waits for it.
            ClusterError: the message is too long.
        """
        if not self.is_connected:
            raise ClusterAwayError(UNREACHABLE)
        if self._client.pending_data_size > MAX_WAITING_BYTES:
            raise ClusterAwayError("NATS does not take what is sent to it")
        if size_bytes > self.max_payload_bytes:
            raise ClusterError(
                f"a message of {size_bytes} bytes is longer than NATS takes "
                f"({self.max_payload_bytes}): raise max_payload of its servers"
            )

    async def publish(self, subject: str, data: bytes, headers: Headers | None) -> None:
        """Send a message."""
        await self._client.publish(subject, data, "", _for_client(headers))

    async def request(
        self, subject: str, data: bytes, timeout_s: float, headers: Headers | None
    ) -> Message:
        """Ask, and wait for one answer."""
        answer = await self._client.request(
            subject, data, timeout=timeout_s, headers=_for_client(headers)
        )
        return _message(answer)

    async def subscribe(self, subject: str, queue: str, heard: Heard, most: int) -> Listening:
        """Have ``heard`` called in turn; ``most`` messages may wait, further ones are dropped."""

        async def came(message: Msg) -> None:
            await heard(_message(message))

        return await self._client.subscribe(subject, queue=queue, cb=came, pending_msgs_limit=most)

    async def close(self) -> None:
        """Give it up, whatever state it is in. Does not raise."""
        await end(self._pings)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await self._client.close()

    async def _failed(self, error: Exception) -> None:
        self._seen = _words(error)
        if isinstance(error, nats.errors.UnexpectedEOF | OSError):
            self._lost.set()

    async def _closed(self) -> None:
        self._lost.set()


@contextlib.contextmanager
def our_errors(timeout_s: float, subject: str, is_connected: Callable[[], bool]) -> Iterator[None]:
    """Turns errors of the client into ClusterAwayError and NobodyThereError."""
    try:
        yield
    except nats.errors.NoRespondersError as error:
        raise NobodyThereError(f"nobody takes requests at {subject}") from error
    except (TimeoutError, nats.errors.ConnectionClosedError) as error:
        words = f"no answer within {timeout_s:g} s" if is_connected() else "NATS went away"
        raise ClusterAwayError(f"{subject}: {words}", is_perhaps_done=True) from error
    except CLIENT_ERRORS as error:
        raise ClusterAwayError(f"{subject}: {_words(error)}", is_perhaps_done=True) from error


def _for_client(headers: Headers | None) -> dict[str, Any] | None:
    return dict(headers) if headers else None


def _message(came: Msg) -> Message:
    return Message(came.subject, came.data, came.headers or {}, came.reply)


def _words(error: BaseException) -> str:
    """What an error of the client says, in one line, without what may be secret."""
    text = str(error) or type(error).__name__
    return one_line(text.rpartition("@")[2] if "@" in text else text)
