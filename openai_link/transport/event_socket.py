"""A WebSocket that carries JSON texts: one queue out, one task in, a ping every second."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping

import aiohttp

from mixer_core.runtime.errors import UpstreamError

PING_S = 1.0
"""Between two pings: the answers show that the server is there."""
MAX_AUDIO = 512
"""Texts of audio that may wait for the network (10 s); more end the connection."""
MAX_WAITING = 8_192
"""The same for other texts: a long conversation is told in one go."""
MAX_MESSAGE_BYTES = 16 << 20
"""The largest message of the server."""
CLOSE_TIMEOUT_S = 1.0

_STATUS_CODES = {401: "invalid_api_key", 404: "model_not_found"}


class EventSocket:
    """``open`` once, ``close`` once; callbacks run on the event loop, in order."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        on_text: Callable[[str], None],
        on_end: Callable[[str], None],
    ) -> None:
        """``on_end``: the connection is over, with the reason; at most once, not after close."""
        self._http = http
        self._on_text = on_text
        self._on_end = on_end
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: deque[str] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self.heard_ns = 0
        """When anything came (monotonic)."""
        self.simulated = False
        """The server said that it is a simulator."""

    @property
    def waiting(self) -> int:
        """Texts that wait for the network."""
        return len(self._waiting)

    async def open(self, url: str, headers: Mapping[str, str]) -> None:
        """Connect. Raises UpstreamError where the server is not there or refuses."""
        try:
            self._socket = await self._http.ws_connect(
                url, headers=headers, autoping=False, max_msg_size=MAX_MESSAGE_BYTES
            )
        except TimeoutError as error:
            raise UpstreamError("connect_timeout", "no answer in time") from error
        except aiohttp.WSServerHandshakeError as error:
            code = _STATUS_CODES.get(error.status, f"http_{error.status}")
            raise UpstreamError(code, error.message, error.status) from error
        except aiohttp.ClientError as error:
            raise UpstreamError("unreachable", str(error) or repr(error)) from error
        if self._closed:
            await self._socket.close()
            return
        self.heard_ns = time.monotonic_ns()
        self.simulated = "x-simulated" in self._socket._response.headers
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(job(self._socket)) for job in (self._read, self._write)]

    def send(self, text: str, limit: int = MAX_WAITING) -> bool:
        """Queue a text; False where the connection is not open.

        ``limit``: it ends the connection where as many wait already.
        """
        if self._socket is None or self._socket.closed or self._closed:
            return False
        if len(self._waiting) >= limit:
            reason = "the network does not take what is sent"
            asyncio.get_running_loop().call_soon(self._end, reason)
            return False
        self._waiting.append(text)
        self._wake.set()
        return True

    async def close(self) -> None:
        """Send what waits and say goodbye; bounded. Never raises."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        if self._socket is not None:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    while self._waiting:
                        await self._socket.send_str(self._waiting.popleft())
                    await self._socket.close()
            except (TimeoutError, aiohttp.ClientError, OSError):
                self._waiting.clear()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await socket.receive()
            self.heard_ns = time.monotonic_ns()
            if message.type is aiohttp.WSMsgType.TEXT:
                self._on_text(message.data)
            elif message.type is aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type in _OVER:
                code = socket.close_code
                reason = f" ({message.extra})" if isinstance(message.extra, str) else ""
                self._end(f"the server closed the WebSocket with code {code}{reason}")
                return

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        loop = asyncio.get_running_loop()
        ping_at_s = loop.time()
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(ping_at_s):
                        await self._wake.wait()
                if loop.time() >= ping_at_s:
                    ping_at_s = loop.time() + PING_S
                    await socket.ping()
                self._wake.clear()
                while self._waiting:
                    await socket.send_str(self._waiting.popleft())
        except (aiohttp.ClientError, OSError) as error:
            self._end(f"the WebSocket broke: {error!r}")

    def _end(self, reason: str) -> None:
        if not self._closed:
            on_end, self._on_end = self._on_end, _ignore
            on_end(reason)


_OVER = frozenset(
    {
        aiohttp.WSMsgType.CLOSE,
        aiohttp.WSMsgType.CLOSING,
        aiohttp.WSMsgType.CLOSED,
        aiohttp.WSMsgType.ERROR,
    }
)


def _ignore(_: str) -> None:
    """The end is told once."""
