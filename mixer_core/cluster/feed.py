"""Messages of a stream as they come, in order and without a gap, from one connection.

An ordered consumer: NATS numbers what it delivers, so a missing message is noticed, and sends a
heartbeat where there is nothing, so silence is noticed. Either ends the feed: whoever reads it
opens another one behind the last message that came. Source: ADR-17 of
https://github.com/nats-io/nats-architecture-and-design.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from mixer_core.runtime.errors import ClusterAwayError, ClusterError, UnreadableError
from mixer_core.runtime.foreign_data import read_json

from .connection import Connection
from .messages import Headers, Message
from .subscription import Subscribed

HEARTBEAT_S = 1.0
SILENCE_S = 3.0
"""Without a message or a heartbeat for this time a feed is dead."""
OPEN_LIMIT_S = 5.0
_FORGOTTEN_AFTER_S = 10.0
"""NATS drops a consumer that nobody hears after this time."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message of a stream."""

    subject: str
    sequence: int
    """Its number in the stream."""
    data: bytes
    headers: Headers = field(default_factory=dict)
    pending: int = 0
    """How many more of the feed there were when this one was sent."""
    at_ns: int = 0
    """When it was stored, as Unix time by NATS' clock; 0: not known."""


class Feed:
    """One consumer. ``subject`` may have wildcards."""

    def __init__(self, connection: Connection, stream: str, subject: str) -> None:
        self._connection = connection
        self._stream = stream
        self._subject = subject
        self._came: asyncio.Queue[Message] = asyncio.Queue()
        self._delivered = 0
        self._subscribed: Subscribed | None = None

    async def open(self, sequence: int = 0) -> int:
        """Begin with message number ``sequence``; 0: with the last message of each subject.

        Returns how many messages there are.

        Raises:
            ClusterAwayError: NATS cannot be reached, or does not answer.
            ClusterError: it refuses.
        """
        inbox = f"_INBOX.{secrets.token_hex(12)}"
        self._subscribed = await self._connection.subscribe(inbox, self._heard)
        start: dict[str, Any] = {"deliver_policy": "last_per_subject"}
        if sequence:
            start = {"deliver_policy": "by_start_sequence", "opt_start_seq": sequence}
        config = {
            **start,
            "deliver_subject": inbox,
            "filter_subject": self._subject,
            "ack_policy": "none",
            "max_deliver": 1,
            "replay_policy": "instant",
            "flow_control": True,
            "idle_heartbeat": int(HEARTBEAT_S * 1e9),
            "inactive_threshold": int(_FORGOTTEN_AFTER_S * 1e9),
            "mem_storage": True,
            "num_replicas": 1,
        }
        answer = await self._connection.request(
            f"$JS.API.CONSUMER.CREATE.{self._stream}",
            json.dumps({"stream_name": self._stream, "config": config}).encode(),
            OPEN_LIMIT_S,
        )
        try:
            made = read_json(answer.data)
        except UnreadableError as error:
            raise ClusterError(f"{self._stream}: an answer that is {error}") from error
        if not isinstance(made, dict) or "error" in made:
            words = made.get("error") if isinstance(made, dict) else ""
            raise ClusterError(f"{self._stream} cannot be followed: {words}")
        pending, delivered = made.get("num_pending"), made.get("delivered")
        sent = delivered.get("consumer_seq") if isinstance(delivered, dict) else 0
        return (pending if isinstance(pending, int) else 0) + (sent if isinstance(sent, int) else 0)

    async def next(self) -> Stored:
        """The next message; waits for it for as long as heartbeats come.

        Raises:
            ClusterAwayError: one is missing, or nothing was heard for ``SILENCE_S``.
        """
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    message = await self._came.get()
            except TimeoutError as error:
                raise ClusterAwayError(f"{self._stream}: nothing is heard of it") from error
            if "Status" in message.headers:
                await self._control(message)
                continue
            return self._numbered(message)

    async def close(self) -> None:
        """Hear nothing more; NATS forgets the consumer. Does not raise."""
        if self._subscribed is not None:
            await self._subscribed.close()

    async def _heard(self, message: Message) -> None:
        self._came.put_nowait(message)

    async def _control(self, message: Message) -> None:
        """A heartbeat, or a question whether everything before it has been read."""
        asked = message.reply or message.headers.get("Nats-Consumer-Stalled", "")
        if asked:
            await self._connection.publish(asked, b"")
        last = message.headers.get("Nats-Last-Consumer")
        if last is not None and last != str(self._delivered):
            raise ClusterAwayError(f"{self._stream}: messages are missing")

    def _numbered(self, message: Message) -> Stored:
        stream_sequence, number, at_ns, pending = numbers(message.reply)
        if number != self._delivered + 1:
            raise ClusterAwayError(f"{self._stream}: messages are missing")
        self._delivered = number
        headers = message.headers
        return Stored(message.subject, stream_sequence, message.data, headers, pending, at_ns)


def numbers(reply: str) -> tuple[int, int, int, int]:
    """Of a delivered message: its number in the stream, in the feed, when it was stored (Unix time,
    ns), and how many more there are.

    ``$JS.ACK.<stream>.<consumer>.<times>.<stream>.<feed>.<time>.<pending>``, or with domain and
    account before the stream, and a random token behind (ADR-15).

    Raises:
        ClusterError: it is no such subject.
    """
    tokens = reply.split(".")
    places = tokens[5:9] if len(tokens) == 9 else tokens[7:11]
    try:
        stream, delivered, at_ns, pending = (int(token) for token in places)
    except ValueError as error:
        raise ClusterError(f"{reply[:200]!r} is no message of a stream") from error
    return stream, delivered, at_ns, pending
