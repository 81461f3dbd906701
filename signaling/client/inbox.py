"""What has come and nobody has read yet, and who waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from .conversation import Conversation
from .errors import CallError, SentAway

Found = TypeVar("Found")
MOST_FRAMES = 250
"""Five seconds."""
MOST_MESSAGES = 1_000
_log = logging.getLogger("mixminus.client")


class Inbox:
    """Of one call, whichever connection it comes by; what nobody reads is dropped, oldest first."""

    def __init__(self) -> None:
        self.conversation = Conversation()
        """The room, as it was told."""
        self.messages: deque[dict[str, Any]] = deque(maxlen=MOST_MESSAGES)
        """Every message but ``level`` and ``pong``."""
        self.frames: deque[bytes] = deque()
        """What is heard: PCM16, 20 ms each."""
        self.missed_frames = 0
        """Frames that nobody read in time."""
        self.error: CallError | None = None
        """What has ended the call."""
        self.has_left = False
        """The script has."""
        self._waiters: list[asyncio.Future[None]] = []

    def take(self, message: dict[str, Any]) -> None:
        """A message of the gateway; ``bye`` ends the call."""
        kind = message.get("type")
        if kind in ("level", "pong"):
            return
        self.messages.append(message)
        self.conversation.take(message)
        if kind == "flush":
            self.frames.clear()
        elif kind == "error":
            _log.warning("%s: %s", message.get("code"), message.get("message"))
        elif kind == "bye":
            self.end(SentAway(str(message.get("code", "")), str(message.get("message", ""))))
        self.wake()

    def hear(self, pcm: bytes) -> None:
        """A frame came."""
        if len(self.frames) == MOST_FRAMES:
            self.frames.popleft()
            self.missed_frames += 1
        self.frames.append(pcm)
        self.wake()

    def end(self, error: CallError) -> None:
        """The call is over; the first reason counts."""
        self.error = self.error or error
        self.wake()

    def leave(self) -> None:
        """The script has left: readers come to their end."""
        self.has_left = True
        self.wake()

    def check(self) -> None:
        """Raises CallError: the call is over."""
        if self.error is not None:
            raise self.error
        if self.has_left:
            raise CallError("this client has left the call")

    def wake(self) -> None:
        """Everybody who waits looks again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, look: Callable[[], Found | None]) -> Found | None:
        """What ``look`` finds first; None: the script has left. Raises CallError."""
        while (found := look()) is None:
            if self.error is not None:
                raise self.error
            if self.has_left:
                return None
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        return found
