"""A room's journal in the cluster's stream: its log, and what of it is deleted.

A room has two subjects. ``log`` has what its owners write, each message behind the one before;
``gone`` has a tombstone for each conversation that is deleted, which anybody may write. They are
two, so that a deletion never comes between two messages of an owner.
"""

from __future__ import annotations

import asyncio
import calendar
import time
from dataclasses import dataclass

from mixer_core.journal.stream_batch import (
    Message,
    Position,
    StreamId,
    Tombstone,
    TooNewError,
    decode,
    decode_tombstone,
    encode,
    mark_of,
)
from mixer_core.runtime.errors import ClusterAwayError, ClusterError, RecordError

from .feed import Feed, Stored
from .jetstream import NOT_FOUND, JetStream, StreamShape
from .names import Names, partition_of

QUIET_LIMIT_S = 2.0
"""Longest wait for a message that is known to be there."""
MOST, MOST_BYTES = 256, 8 << 20
"""Messages that are read in one go."""
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Shape:
    """How the streams of the journals are made."""

    partitions: int
    replicas: int
    keep_days: int

    def of(self, names: Names, partition: int) -> StreamShape:
        """The stream of one partition."""
        return StreamShape(
            names.journal_stream(partition),
            (names.journal_subjects(partition),),
            replicas=self.replicas,
            max_age_s=self.keep_days * DAY_S,
        )


class Partition:
    """One of the streams. Methods raise ClusterError."""

    def __init__(self, jetstream: JetStream, names: Names, shape: Shape, number: int) -> None:
        """``number``: which one."""
        self._jetstream = jetstream
        self._shape = shape.of(names, number)
        self.number = number
        self.name = self._shape.name
        self._id: StreamId | None = None

    async def open(self) -> StreamId:
        """Which stream it is; it is made where there is none."""
        if self._id is None:
            try:
                info = await self._jetstream.info(self.name)
            except ClusterError as error:
                if error.code not in NOT_FOUND:
                    raise
                await self._jetstream.ensure(self._shape)
                info = await self._jetstream.info(self.name)
            self._id = StreamId(_seconds(info.get("created")), self.number)
        return self._id

    def look_again(self) -> None:
        """The stream may be another one by now, or gone: ``open`` looks."""
        self._id = None

    async def adjust(self) -> None:
        """Have the stream keep what it has as long, and as often, as the settings say."""
        await self._jetstream.ensure(self._shape)

    async def last(self, subject: str) -> Stored | None:
        """The last message of a subject (or several); None: there is none."""
        return await self._jetstream.last(self.name, subject)

    async def has(self, known: Position) -> bool:
        """Whether the stream is as it was when somebody had read it up to there.

        A server that lost its power may have lost the end, and written other messages since. One
        that is deleted, or too old, tells nothing.
        """
        if not known.seq:
            return True
        stored = await self._jetstream.at(self.name, known.seq)
        if stored is not None:
            return known.mark in ("", mark_of(stored.data))
        state = (await self._jetstream.info(self.name)).get("state")
        last_seq = state.get("last_seq") if isinstance(state, dict) else None
        return isinstance(last_seq, int) and known.seq <= last_seq

    async def read(self, subject: str, after: int) -> list[Stored]:
        """Messages of a subject (or several) behind a sequence, in order: the next ones, or none.

        No more than ``MOST`` or ``MOST_BYTES``. Raises ClusterAwayError.
        """
        feed = Feed(self._jetstream.connection, self.name, subject)
        found: list[Stored] = []
        size = 0
        try:
            left = await feed.open(after + 1)
            while left > 0 and len(found) < MOST and size < MOST_BYTES:
                try:
                    async with asyncio.timeout(QUIET_LIMIT_S):
                        stored = await feed.next()
                except TimeoutError:  # The others were deleted meanwhile, or come later.
                    if found:
                        break
                    raise ClusterAwayError(f"{self.name}: a message does not come") from None
                found.append(stored)
                size += len(stored.data)
                left = stored.pending
        finally:
            await feed.close()
        return found


class RoomLog:
    """Of one room. Methods raise ClusterError."""

    def __init__(
        self,
        jetstream: JetStream,
        names: Names,
        shape: Shape,
        room: str,
        partition: Partition | None = None,
    ) -> None:
        """``partition``: the one that has the room, where it is at hand."""
        self._jetstream = jetstream
        self.room = room
        number = partition_of(room, shape.partitions)
        self.partition = partition or Partition(jetstream, names, shape, number)
        self.subject = names.journal(room, shape.partitions)
        self.gone_subject = names.gone(room, shape.partitions)
        self.subjects = names.journal_of(room, shape.partitions)

    @property
    def max_payload_bytes(self) -> int:
        """Longest message that the server takes, headers included."""
        return self._jetstream.connection.max_payload_bytes

    async def publish(self, message: Message, last_seq: int, timeout_s: float) -> int:
        """Write to the log, if its last message is that of ``last_seq`` (0: none); its sequence.

        Raises:
            ConflictError: another message is the last one.
            ClusterAwayError: no acknowledgement; it may be written all the same.
        """
        return await self._jetstream.publish(
            self.subject,
            encode(message),
            last_sequence=last_seq,
            message_id=f"{message.writer}-{message.number}",
            headers={"Nats-Expected-Stream": self.partition.name},
            timeout_s=timeout_s,
        )

    async def read(self, after: int) -> list[Stored]:
        """The next messages of both subjects behind a sequence; none: that is all."""
        return await self.partition.read(self.subjects, after)

    async def last(self) -> Stored | None:
        """The last message of the log; None: it has none."""
        return await self.partition.last(self.subject)

    async def bury(self, tombstone: Tombstone) -> int:
        """Tell every node, now and later, that a conversation is deleted; the sequence of that."""
        return await self._jetstream.publish(
            self.gone_subject,
            encode(tombstone),
            message_id=f"gone-{tombstone.conversation}-{tombstone.wall_ms}",
            headers={"Nats-Expected-Stream": self.partition.name},
        )

    async def erase(self, conversation: int) -> int:
        """Take a conversation's messages out of the stream; returns how many had words.

        What has none stays: an owner's log must not lose its last message. It may be repeated.
        Raises TooNewError.
        """
        stream = await self.partition.open()
        first = stream.first_seq(conversation)
        if first is None:
            return 0
        after, count = first - 1, 0
        while found := await self.partition.read(self.subject, after):
            doomed = [one.sequence for one in found if _is_of(one, conversation, stream)]
            for seq in doomed:
                await self._jetstream.delete(self.partition.name, seq)
            after, count = found[-1].sequence, count + len(doomed)
        return count


def tombstone_of(stored: Stored) -> Tombstone | None:
    """What a message says is deleted; None: it cannot be read.

    Raises:
        TooNewError: a later release can read it, so it is not passed over.
    """
    try:
        return decode_tombstone(stored.data)
    except TooNewError:
        raise
    except RecordError:
        return None


def _is_of(stored: Stored, conversation: int, stream: StreamId) -> bool:
    """Whether a message has words of a conversation; one that cannot be read has none of it.

    Raises:
        TooNewError: a later release wrote it, and knows.
    """
    try:
        message = decode(stored.data)
    except TooNewError:
        raise
    except RecordError:
        return False
    own = message.conversation or stream.conversation(stored.sequence)
    return own == conversation and message.what == "records" and not message.is_wordless


def _seconds(text: object) -> int:
    """Unix time of an RFC 3339 time in UTC; 0: it is none."""
    try:
        return calendar.timegm(time.strptime(str(text)[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return 0
