"""Streams of NATS: what is acknowledged there is kept. Requests of JetStream's own API.

Everything is asked of a stream's leader, so what was acknowledged is read by anybody who asks
later. Sources: https://docs.nats.io/reference/reference-protocols/nats_api_reference and
https://github.com/nats-io/nats-architecture-and-design (ADR-1, ADR-2, ADR-31).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mixer_core.runtime.errors import (
    ClusterAwayError,
    ClusterError,
    ConflictError,
    NobodyThereError,
    UnreadableError,
)
from mixer_core.runtime.foreign_data import read_json

from .connection import Connection
from .feed import Feed, Stored
from .messages import Headers

API = "$JS.API"
REQUEST_LIMIT_S = 5.0
WRONG_LAST_SEQUENCE = 10071
"""Another last sequence is expected: the subject has another last message."""
UNDER_WAY = 10164
"""An earlier write of the same subject is under way. A leader that has lost its quorum says so
until it notices that, and the earlier write may be kept after all."""
_LOOK_AGAIN_S = 0.05
"""Before a write is sent again that another one was in the way of; twice as long each time."""
NOT_FOUND = (10037, 10059, 10043)
"""No message; no stream; no message by this number."""
_PASSING = (10008, 10009, 10039, 10074, 10077, 10118)
"""JetStream has no leader, is overloaded, or not ready yet."""


@dataclass(frozen=True, slots=True)
class StreamShape:
    """What a stream is to be."""

    name: str
    subjects: tuple[str, ...]
    replicas: int = 1
    max_age_s: float = 0.0
    """Messages that are older are deleted; 0: none is."""
    max_per_subject: int = -1
    """Older messages of a subject are deleted; -1: none is."""
    duplicate_window_s: float = 120.0
    """How long a message's ``Nats-Msg-Id`` is remembered."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the API's stream configuration."""

    def config(self) -> dict[str, Any]:
        """As the API takes it."""
        age_ns = int(self.max_age_s * 1e9)
        window_ns = int(self.duplicate_window_s * 1e9)
        return {
            "name": self.name,
            "subjects": list(self.subjects),
            "retention": "limits",
            "storage": "file",
            "discard": "new" if self.max_per_subject == 1 else "old",
            "num_replicas": self.replicas,
            "max_age": age_ns,
            "max_msgs_per_subject": self.max_per_subject,
            "duplicate_window": min(window_ns, age_ns) if age_ns else window_ns,
            "allow_rollup_hdrs": True,
            **self.more,
        }


_ADJUSTED = ("num_replicas", "max_age", "duplicate_window", "max_msgs_per_subject")
"""What an existing stream is given anew where it has something else."""


class _UnderWayError(ClusterAwayError):
    """Nothing was written, and what the last message will be is not decided yet."""


class JetStream:
    """The streams behind one connection. All methods raise ClusterError, as said there."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def ensure(self, shape: StreamShape) -> None:
        """Make a stream, or give the one that is there its replicas and ages."""
        wanted = shape.config()
        try:
            there = (await self.info(shape.name))["config"]
        except ClusterError as error:
            if error.code not in NOT_FOUND:
                raise
            await self._ask(f"STREAM.CREATE.{shape.name}", wanted)
            return
        changed = {key: wanted[key] for key in _ADJUSTED if there.get(key) != wanted[key]}
        if changed:
            await self._ask(f"STREAM.UPDATE.{shape.name}", {**there, **changed})

    async def info(self, stream: str) -> dict[str, Any]:
        """``config``, ``state`` and ``created`` of a stream."""
        return await self._ask(f"STREAM.INFO.{stream}", {})

    async def publish(
        self,
        subject: str,
        data: bytes,
        *,
        last_sequence: int | None = None,
        message_id: str = "",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = REQUEST_LIMIT_S,
    ) -> int:
        """Write a message, and return its number in the stream once it is kept.

        ``last_sequence``: number of the subject's last message, 0 for none; with any other last
        message nothing is written. ``message_id``: the same one is written once, however often it
        comes within the stream's window; then the number is that of the first. With both, the last
        message of the subject may be sent again until it is acknowledged.

        Raises:
            ConflictError: the subject has another last message.
            ClusterAwayError: no acknowledgement in time, perhaps since an earlier write of the
                subject is not decided; the message, or an earlier one, may be kept or not.
        """
        sent = dict(headers or {})
        if message_id:
            sent["Nats-Msg-Id"] = message_id
        if last_sequence is not None:
            sent["Nats-Expected-Last-Subject-Sequence"] = str(last_sequence)
        loop = asyncio.get_running_loop()
        end_s, pause_s = loop.time() + timeout_s, _LOOK_AGAIN_S
        while True:
            try:
                return await self._publish(subject, data, message_id, sent, end_s - loop.time())
            except _UnderWayError:
                if loop.time() + pause_s >= end_s:
                    raise
            await asyncio.sleep(pause_s)
            pause_s *= 2

    async def _publish(
        self, subject: str, data: bytes, message_id: str, headers: Headers, timeout_s: float
    ) -> int:
        try:
            answer = await self.connection.request(subject, data, timeout_s, headers)
        except NobodyThereError as error:
            raise ClusterAwayError(f"{subject}: no stream takes it now") from error
        try:
            sequence = _checked(answer.data, subject).get("seq")
        except ConflictError as error:
            return await self._earlier(error, answer.data, subject, message_id)
        if not isinstance(sequence, int):
            raise ClusterError(f"{subject}: an acknowledgement without a number")
        return sequence

    async def _earlier(
        self, error: ConflictError, answer: bytes, subject: str, message_id: str
    ) -> int:
        """Number of the subject's last message, if that is the refused one, kept earlier.

        NATS 2.15 compares the sequence before it looks for the id of a message.
        """
        stream = read_json(answer).get("stream")
        if message_id and isinstance(stream, str):
            last = await self.last(stream, subject)
            if last is not None and last.headers.get("Nats-Msg-Id") == message_id:
                return last.sequence
        raise error

    async def last(
        self, stream: str, subject: str, timeout_s: float = REQUEST_LIMIT_S
    ) -> Stored | None:
        """The last message of a subject; None: it has none."""
        return await self._get(stream, {"last_by_subj": subject}, timeout_s)

    async def at(self, stream: str, sequence: int) -> Stored | None:
        """The message with this number; None: it is gone, or there was none."""
        return await self._get(stream, {"seq": sequence})

    async def read(self, stream: str, subject: str, sequence: int = 1) -> AsyncIterator[Stored]:
        """All messages of a subject from number ``sequence`` on that are kept now, in order.

        Raises:
            ClusterAwayError: NATS went away in between; go on after the last one that came.
        """
        last = await self.last(stream, subject)
        if last is None or last.sequence < sequence:
            return
        feed = Feed(self.connection, stream, subject)
        try:
            await feed.open(sequence)
            while True:
                message = await feed.next()
                yield message
                if message.sequence >= last.sequence:
                    return
        finally:
            await feed.close()

    async def purge(self, stream: str, subject: str = "", keep_from: int = 0) -> int:
        """Delete messages, of one subject if it is given, all before number ``keep_from`` if that
        is given; return how many."""
        body: dict[str, Any] = {}
        if subject:
            body["filter"] = subject
        if keep_from:
            body["seq"] = keep_from
        answer = await self._ask(f"STREAM.PURGE.{stream}", body)
        purged = answer.get("purged", 0)
        return purged if isinstance(purged, int) else 0

    async def delete(self, stream: str, sequence: int) -> None:
        """Delete one message, and write over its place on the disk; none is no error."""
        try:
            await self._ask(f"STREAM.MSG.DELETE.{stream}", {"seq": sequence})
        except ClusterError as error:
            if await self.at(stream, sequence) is not None:
                raise error

    async def _get(
        self, stream: str, which: dict[str, Any], timeout_s: float = REQUEST_LIMIT_S
    ) -> Stored | None:
        try:
            answer = await self._ask(f"STREAM.MSG.GET.{stream}", which, timeout_s)
        except ClusterError as error:
            if error.code in NOT_FOUND:
                return None
            raise
        message: Any = answer.get("message")
        try:
            return Stored(
                message["subject"],
                int(message["seq"]),
                base64.b64decode(message.get("data", "")),
                parse_headers(base64.b64decode(message.get("hdrs", ""))),
            )
        except (TypeError, KeyError, ValueError, binascii.Error) as error:
            raise ClusterError(f"{stream}: a message that cannot be read") from error

    async def _ask(
        self, what: str, body: dict[str, Any], timeout_s: float = REQUEST_LIMIT_S
    ) -> dict[str, Any]:
        subject = f"{API}.{what}"
        try:
            answer = await self.connection.request(subject, json.dumps(body).encode(), timeout_s)
        except NobodyThereError as error:
            raise ClusterAwayError("the NATS servers have no JetStream now") from error
        return _checked(answer.data, subject)


def _checked(data: bytes, subject: str) -> dict[str, Any]:
    """An answer of JetStream. Raises ClusterError where it is an error."""
    try:
        answer = read_json(data)
    except UnreadableError as error:
        raise ClusterError(f"{subject}: an answer that is {error}") from error
    if not isinstance(answer, dict):
        raise ClusterError(f"{subject}: an answer that is no object")
    refusal = answer.get("error")
    if not refusal:
        return answer
    code = refusal.get("err_code") if isinstance(refusal, dict) else 0
    words = f"{subject}: {refusal.get('description') if isinstance(refusal, dict) else refusal}"
    if code == WRONG_LAST_SEQUENCE:
        raise ConflictError(words, code)
    if code == UNDER_WAY:
        raise _UnderWayError(words, is_perhaps_done=True)
    if code in _PASSING:
        raise ClusterAwayError(words)
    raise ClusterError(words, code if isinstance(code, int) else 0)


def parse_headers(raw: bytes) -> dict[str, str]:
    """Headers of a stored message; empty: it has none."""
    found: dict[str, str] = {}
    for line in raw.decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            found[name.strip()] = value.strip()
    return found
