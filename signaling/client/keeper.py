"""The connection of a call, which is made anew where it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import Any

from .connection import Connection, ConnectionEvents
from .errors import CallError, Lost, Refused, Unreachable
from .inbox import Inbox
from .rejoin import S_NS, Heartbeat, RejoinPolicy
from .requests import Requests, Seat

_BEAT_S = 1.0


class Keeper:
    """From ``start`` to ``close``; what comes goes to the inbox."""

    def __init__(self, requests: Requests, seat: Seat, policy: RejoinPolicy, inbox: Inbox) -> None:
        self.seat = seat
        """Where the next connection joins."""
        self.connection: Connection | None = None
        """The one in use; None while it is made anew."""
        self.muted = False
        self.holds = False
        """The talk button is down. A new connection tells the room both at once."""
        self._requests = requests
        self._policy = policy
        self._inbox = inbox
        self._why_lost = ""
        self._ended = asyncio.Event()
        """The connection in use has ended."""
        self._heartbeat = Heartbeat(time.monotonic_ns())
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Join, and stay. Raises ``Refused`` and ``Unreachable``."""
        await self._connect()
        self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Leave the room."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        connection, self.connection = self.connection, None
        if connection is not None:
            await self._requests.leave(connection.location)
            await connection.close()

    def usable(self) -> Connection | None:
        """The connection, while something can be sent."""
        known = self.connection
        return known if known is not None and known.is_open else None

    async def _connect(self) -> None:
        """Open a connection, again and again where it may help."""
        while True:
            try:
                await self._open()
                return
            except (Refused, Unreachable) as error:
                refused = error if isinstance(error, Refused) else None
                if refused is not None and not refused.may_pass:
                    raise
                retry_after_s = refused.retry_after_s if refused is not None else 0.0
                wait_ns = self._policy.failed(retry_after_s, time.monotonic_ns())
                if wait_ns is None:
                    raise
                self._requests.ways.failed(error)
                self.seat = replace(self.seat, ticket=refused.ticket if refused else "")
            await asyncio.sleep(wait_ns / S_NS)

    async def _open(self) -> None:
        def ended(words: str) -> None:
            if connection is self.connection:  # Not an attempt that came to nothing.
                self._lose(words)

        events = ConnectionEvents(self._take, self._hear, ended)
        connection = Connection(events, await self._requests.ice_servers())
        try:
            await connection.open(self._requests, self.seat)
        except BaseException:
            await connection.close()
            if connection.location:
                await self._requests.leave(connection.location)
            raise
        now_ns = time.monotonic_ns()
        self._policy.opened(now_ns)
        self._heartbeat = Heartbeat(now_ns)
        self.seat = replace(self.seat, ticket="", replaces=connection.location)
        self.connection = connection
        if self.muted:
            connection.send({"type": "mute", "muted": True})
        if self.holds:
            connection.send({"type": "ptt", "down": True})
        self._inbox.wake()

    async def _keep(self) -> None:
        """Look after the connection, until the call is over."""
        while self._inbox.error is None:
            try:
                await asyncio.wait_for(self._ended.wait(), _BEAT_S)
            except TimeoutError:
                self._beat()
                continue
            self._ended.clear()
            connection, self.connection = self.connection, None
            if connection is not None:
                await connection.close()
            if self._inbox.error is None:
                await self._again()

    def _beat(self) -> None:
        ask, is_gone = self._heartbeat.tick(time.monotonic_ns())
        if self.connection is None:
            return
        if is_gone:
            self.connection.lose(f"the gateway said nothing for {Heartbeat.GONE_NS // S_NS} s")
        elif ask:
            self.connection.send({"type": "ping", "t": 0})

    async def _again(self) -> None:
        """The connection is lost: make it anew, if the script wants that."""
        wait_ns = self._policy.failed(0.0, time.monotonic_ns())
        if wait_ns is None:
            self._end(Lost(f"the call is lost: {self._why_lost}; keep_trying_s joins again"))
            return
        self._requests.ways.lost()
        try:
            await asyncio.sleep(wait_ns / S_NS)
            await self._connect()
        except CallError as error:
            self._end(error)
        except Exception as error:  # Whatever it was, nobody waits for this call any longer.
            self._end(Lost(f"the call is lost, and cannot be made anew: {error!r}"))

    def _take(self, message: dict[str, Any]) -> None:
        self._heartbeat.heard_ns = time.monotonic_ns()
        self._inbox.take(message)
        if self._inbox.error is not None:
            self._ended.set()

    def _hear(self, pcm: bytes) -> None:
        self._heartbeat.heard_ns = time.monotonic_ns()
        self._inbox.hear(pcm)

    def _lose(self, words: str) -> None:
        self._why_lost = words
        self._ended.set()

    def _end(self, error: CallError) -> None:
        self._inbox.end(error)
        self._ended.set()
