"""One WebSocket for events, with a bounded queue of outgoing messages."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from aiohttp import WSMsgType, web

_MAX_QUEUED = 8_192
_GOING_AWAY = 1001


class EventSocket:
    """Sends in order and never blocks; a client that does not read is disconnected."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None):
        """``socket`` has been prepared; ``transport``: its TCP connection."""
        self._socket = socket
        self._transport = transport
        self._queue: deque[str] = deque()
        self._closing: tuple[int, str] | None = None
        self._aborted = False
        self._wakeup = asyncio.Event()

    def send(self, text: str) -> None:
        """Queue one message; dropped when the socket is closing."""
        if self._closing is not None:
            return
        if len(self._queue) >= _MAX_QUEUED:
            self.abort()
            return
        self._queue.append(text)
        self._wakeup.set()

    def close_soon(self, code: int = _GOING_AWAY, reason: str = "") -> None:
        """Close after everything in the queue is sent. Idempotent."""
        if self._closing is None:
            self._closing = (code, reason)
            self._wakeup.set()

    def abort(self) -> None:
        """Abort the TCP connection without a close frame."""
        self._aborted = True
        self._closing = self._closing or (_GOING_AWAY, "")
        self._queue.clear()
        self._wakeup.set()
        if self._transport is not None:
            self._transport.abort()

    async def run(self, on_text: Callable[[str], None]) -> None:
        """Pass every message to ``on_text`` until either side closes."""
        writing = asyncio.create_task(self._write())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    on_text(message.data)
                elif message.type is WSMsgType.BINARY:
                    on_text(message.data.decode("utf-8", "replace"))
            if self._closing is not None:
                await writing
        finally:
            self._closing = self._closing or (_GOING_AWAY, "")
            writing.cancel()

    async def _write(self) -> None:
        try:
            while True:
                while self._queue:
                    await self._socket.send_str(self._queue.popleft())
                if self._aborted:
                    return
                if self._closing is not None:
                    code, reason = self._closing
                    await self._socket.close(code=code, message=reason.encode()[:120])
                    return
                self._wakeup.clear()
                await self._wakeup.wait()
        except ConnectionError:
            self._queue.clear()  # The reader notices the end too.
