"""A WebSocket that carries JSON texts: a queue out, a reader, a writer, a ping every second.

Servers may send their texts as binary messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from mixer_core.patches.aiohttp import upgrade_headers
from mixer_core.runtime.errors import UpstreamError

from ..realtime.refusals import read_close

PING_S = 1.0
"""Between two pings: the answers show that the server is alive."""
MAX_WAITING_AUDIO_MS = 10_000
"""Audio that may wait for the network; more ends the connection."""
MAX_WAITING_TEXTS = 8_192
"""The same for texts without audio: a long conversation is seeded all at once."""
MAX_MESSAGE_BYTES = 16 << 20
"""The largest message accepted from the server."""
CLOSE_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class _Outgoing:
    text: str
    audio_ms: int
    stamp_ns: int


class EventSocket:
    """``open`` once, ``close`` once; callbacks run on the event loop, in order."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        on_text: Callable[[str], None],
        on_sent: Callable[[int], None],
        on_end: Callable[[UpstreamError], None],
    ) -> None:
        """Prepare.

        Args:
            http: makes the connection.
            on_text: one message from the server.
            on_sent: a text that was given a stamp has been handed to the network; its stamp.
            on_end: the connection has ended, and why; at most once, not after ``close``.
        """
        self._http = http
        self._on_text = on_text
        self._on_sent = on_sent
        self._on_end = on_end
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: deque[_Outgoing] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self.waiting_audio_ms = 0
        """Audio that waits for the network."""
        self.last_received_ns = 0
        """When anything last came (monotonic); 0: nothing yet."""
        self.simulated = False
        """The server said that it is a simulator."""

    async def open(self, url: str, headers: Mapping[str, str]) -> None:
        """Connect. Raises UpstreamError if the server refuses or cannot be reached."""
        try:
            self._socket = await self._http.ws_connect(
                url, headers=headers, autoping=False, max_msg_size=MAX_MESSAGE_BYTES
            )
        except TimeoutError as error:
            raise UpstreamError("connect_timeout", "no answer in time") from error
        except aiohttp.WSServerHandshakeError as error:
            words = f"{error.message.lower()} ({error.status}): there is no WebSocket"
            raise UpstreamError("bad_answer", words) from error
        except aiohttp.ClientError as error:
            raise UpstreamError("unreachable", str(error) or repr(error)) from error
        if self._closed:
            await self._socket.close()
            return
        self.last_received_ns = time.monotonic_ns()
        self.simulated = "x-simulated" in upgrade_headers(self._socket)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(job(self._socket)) for job in (self._read, self._write)]

    def send(self, text: str, audio_ms: int = 0, stamp_ns: int = 0) -> bool:
        """Queue a text; False if the connection is not open, or ends because too much waits.

        Args:
            text: one event as JSON.
            audio_ms: duration of the audio in it.
            stamp_ns: given to ``on_sent``; 0: nobody wants to know.
        """
        if self._socket is None or self._socket.closed or self._closed:
            return False
        if self._is_full(audio_ms):
            lost = UpstreamError("connection_lost", "the network does not take what is sent")
            asyncio.get_running_loop().call_soon(self._end, lost)
            return False
        self._waiting.append(_Outgoing(text, audio_ms, stamp_ns))
        self.waiting_audio_ms += audio_ms
        self._wake.set()
        return True

    async def close(self) -> None:
        """Send what waits and say goodbye; bounded. Never raises."""
        if self._closed:
            return
        self._closed = True
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        if self._socket is not None:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._send_waiting(self._socket)
                    await self._socket.close()
            except (TimeoutError, aiohttp.ClientError, OSError):
                self._waiting.clear()

    def _is_full(self, audio_ms: int) -> bool:
        if audio_ms:
            return self.waiting_audio_ms + audio_ms > MAX_WAITING_AUDIO_MS
        return len(self._waiting) >= MAX_WAITING_TEXTS

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await socket.receive()
            self.last_received_ns = time.monotonic_ns()
            if message.type is aiohttp.WSMsgType.TEXT:
                self._on_text(message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                self._on_text(message.data.decode("utf-8", "replace"))
            elif message.type is aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type in _OVER:
                reason = message.extra if isinstance(message.extra, str) else ""
                self._end(read_close(socket.close_code, reason))
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
                await self._send_waiting(socket)
        except (aiohttp.ClientError, OSError) as error:
            self._end(UpstreamError("connection_lost", f"the WebSocket broke: {error!r}"))

    async def _send_waiting(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while self._waiting:
            outgoing = self._waiting.popleft()
            self.waiting_audio_ms -= outgoing.audio_ms
            await socket.send_str(outgoing.text)
            if outgoing.stamp_ns:
                self._on_sent(outgoing.stamp_ns)

    def _end(self, error: UpstreamError) -> None:
        if not self._closed:
            on_end, self._on_end = self._on_end, _ignore
            on_end(error)


_OVER = frozenset(
    {
        aiohttp.WSMsgType.CLOSE,
        aiohttp.WSMsgType.CLOSING,
        aiohttp.WSMsgType.CLOSED,
        aiohttp.WSMsgType.ERROR,
    }
)


def _ignore(_: UpstreamError) -> None:
    """The end is reported once."""
