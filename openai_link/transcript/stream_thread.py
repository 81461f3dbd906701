"""A room's log in the cluster, for the journal's thread: a loop of its own for the connection.

The connection has to answer NATS while the journal's thread waits for the disk, so it has a thread
of its own. What is asked of it waits here, never longer than its limit.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from mixer_core.cluster.connection import Connection
from mixer_core.cluster.doubt import StoreDoubt
from mixer_core.cluster.feed import Stored
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.names import Names
from mixer_core.cluster.room_log import RoomLog, Shape
from mixer_core.cluster.settings import ClusterSettings
from mixer_core.journal.stream_batch import Message, Position, StreamId
from mixer_core.runtime import boot_clock
from mixer_core.runtime.errors import ClusterAwayError, ConflictError

from .stream_log import Kept

PUBLISH_S = 2.0
"""Longest wait for an acknowledgement; another leader is elected within about a second."""
ASK_S = 5.0
READ_S = 10.0
CONNECT_S = 3.0
"""Longest wait for the first connection."""
CLOSE_S = 1.0
PAUSE_S = 0.25
"""Between two attempts: while servers elect a leader, NATS says at once that it has none."""
_T = TypeVar("_T")


class StreamThread(threading.Thread):
    """``start`` once, ``close`` once; everything else from one other thread."""

    def __init__(self, settings: ClusterSettings, room: str, keep_days: int) -> None:
        """``keep_days``: age up to which a stream that is made here keeps what is said."""
        super().__init__(name="journal-stream", daemon=True)
        self._settings = settings
        self._room = room
        self._keep_days = keep_days
        self._loop = asyncio.new_event_loop()
        self._is_ready = threading.Event()
        self._deadline_s: float | None = None
        self._doubt = StoreDoubt()

    def start(self) -> None:
        """Begin to connect."""
        super().start()
        self._is_ready.wait()

    def run(self) -> None:
        """Run the loop until ``close``."""
        asyncio.set_event_loop(self._loop)
        settings = self._settings
        self._connection = Connection(
            settings,
            f"journal of {self._room}",
            on_connect=lambda: self._doubt.connected(boot_clock.now_ns()),
            on_disconnect=self._doubt.disconnected,
        )
        shape = Shape(settings.partitions, settings.replicas, self._keep_days)
        names = Names(settings.name)
        self._log = RoomLog(JetStream(self._connection), names, shape, self._room)
        self._loop.call_soon(self._connection.start)
        self._loop.call_soon(self._is_ready.set)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._connection.close())
            self._loop.close()

    # -- as Log -----------------------------------------------------------------------------------

    @property
    def max_payload_bytes(self) -> int:
        """Longest message that the server takes."""
        return self._log.max_payload_bytes

    def limit(self, deadline_s: float | None) -> None:
        """Nothing waits beyond ``deadline_s`` of ``time.monotonic``; None: each has its limit."""
        self._deadline_s = deadline_s

    def pause(self) -> bool:
        """Wait a little before another attempt; False: the limit leaves no time, or is none."""
        if self._deadline_s is None or time.monotonic() + PAUSE_S > self._deadline_s:
            return False
        time.sleep(PAUSE_S)
        return True

    def open(self) -> StreamId:
        """Which stream it is."""
        return self._call(self._log.partition.open(), ASK_S)

    def look_again(self) -> None:
        """The stream may be another one by now: ``open`` looks."""
        self._log.partition.look_again()

    def publish(self, message: Message, last_seq: int) -> int:
        """Write to the log behind ``last_seq``; its sequence.

        A server that decides nothing for too long is left.
        """
        self._doubt.sent(boot_clock.now_ns())
        try:
            seq = self._call(self._log.publish(message, last_seq, PUBLISH_S), 2 * PUBLISH_S)
        except ConflictError:
            self._doubt.decided(boot_clock.now_ns())
            raise
        except ClusterAwayError:
            self.look_again()
            if self._doubt.unanswered(boot_clock.now_ns()):
                leave = self._connection.leave_server
                self._loop.call_soon_threadsafe(leave, "it keeps nothing that is said")
            raise
        self._doubt.decided(boot_clock.now_ns())
        return seq

    def last(self) -> Kept | None:
        """The last message of the log."""
        stored = self._call(self._log.last(), ASK_S)
        return None if stored is None else self._kept(stored)

    def has(self, known: Position) -> bool:
        """Whether the stream is as it was when somebody had read it up to there."""
        return self._call(self._log.partition.has(known), 2 * ASK_S)

    def read(self, after: int) -> list[Kept]:
        """The next messages behind a sequence."""
        return [self._kept(one) for one in self._call(self._log.read(after), READ_S)]

    def close(self) -> None:
        """End the connection and the thread; waits for it, for ``CLOSE_S`` at most."""
        if self._is_ready.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self.join(CLOSE_S)

    def _kept(self, stored: Stored) -> Kept:
        return Kept(stored.sequence, stored.subject == self._log.gone_subject, stored.data)

    def _call(self, asked: Coroutine[Any, Any, _T], limit_s: float) -> _T:
        """Raises ClusterError."""
        now_s = time.monotonic()
        if self._deadline_s is not None:
            limit_s = min(limit_s, max(0.0, self._deadline_s - now_s))

        async def limited() -> _T:
            async with asyncio.timeout(limit_s):
                if self._deadline_s is not None:  # Later it is there, or away.
                    await self._connection.wait_connected(CONNECT_S)
                return await asked

        future = asyncio.run_coroutine_threadsafe(limited(), self._loop)
        try:
            return future.result()
        except TimeoutError as error:
            asked.close()
            words = f"no answer within {limit_s:.1f} s"
            raise ClusterAwayError(words, is_perhaps_done=True) from error
