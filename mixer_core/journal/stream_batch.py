"""The journal of a clustered room as messages of a stream. Sans-I/O.

A message has the records of one commit, or a piece of them where they are longer than NATS takes.
Messages are MessagePack maps. Nodes of two releases that follow each other share a stream: what is
unknown here is passed over, what is absent has its default, and no field ever changes its meaning.

All nodes give a conversation the same id: it is made of the sequence of its first message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, TypeVar

import msgspec

from ..runtime.errors import RecordError
from .records import (
    SIMULATED,
    ClosedRecord,
    ForgottenRecord,
    ItemRecord,
    Record,
    RemovedRecord,
    SessionRecord,
    UsageRecord,
)

VERSION = 1
"""Of messages; goes up with a release that the one before last could not live with."""
ENVELOPE_BYTES = 1_024
"""Room for all of a message but its records, headers included."""
LEAST_PIECE_BYTES = 256
MAX_PIECES = 256
MAX_BATCH_BYTES = 64 << 20
EPOCH_S = 1_735_689_600
"""2025: sequences of streams are counted from here."""
PER_SECOND = 1_000
"""Sequences that a stream may use in each second of its life and never meet those of the next."""
PARTITIONS = 128
"""Ids end with the partition, in 8 bits; those that a file alone gives, with more than this."""
_LOCAL_BELOW = 1 << 40
"""No id of a stream is below."""
_KINDS: Mapping[str, type[Record]] = {
    "item": ItemRecord,
    "removed": RemovedRecord,
    "session": SessionRecord,
    "closed": ClosedRecord,
    "forgotten": ForgottenRecord,
    "usage": UsageRecord,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}

_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
_Word = Annotated[str, msgspec.Meta(max_length=64)]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a room's log."""

    writer: _Word
    """Random, of the process that wrote it."""
    number: _Count
    """Counts that process's messages: the same one, sent again, has the same."""
    epoch: _Count
    """Of the room's ownership: greater with each owner."""
    node: _Word = ""
    conversation: _Count = 0
    """To which the records belong; 0: it begins with this message."""
    wall_ms: _Count = 0
    """When it was written, Unix time."""
    what: _Word = "records"
    """``claim``: nothing but that the writer has the room now. Others are passed over."""
    piece: _Count = 0
    pieces: Annotated[int, msgspec.Meta(ge=1, le=MAX_PIECES)] = 1
    is_wordless: bool = False
    """Nothing that was said is in it: it stays where its conversation is deleted."""
    body: bytes = b""
    """The records, or a piece of them."""
    v: Annotated[int, msgspec.Meta(ge=1)] = VERSION


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A conversation is deleted, wherever it is kept."""

    room: Annotated[str, msgspec.Meta(max_length=256)]
    conversation: _Count
    wall_ms: _Count = 0
    node: _Word = ""
    v: Annotated[int, msgspec.Meta(ge=1)] = VERSION


@dataclass(frozen=True, slots=True)
class StreamId:
    """Which stream it is: made anew, it counts from 1 again."""

    created_s: int
    """When it was made, Unix time."""
    partition: int = 0

    def conversation(self, seq: int) -> int:
        """The id of a conversation that begins with the message of that sequence."""
        first = max(self.created_s - EPOCH_S, _LOCAL_BELOW // (PER_SECOND << 8) + 1) * PER_SECOND
        return (first + seq) << 8 | self.partition

    def first_seq(self, conversation: int) -> int | None:
        """The sequence of its first message; None: it is not of this stream."""
        seq = (conversation >> 8) - (self.conversation(0) >> 8)
        return seq if seq > 0 and conversation & 255 == self.partition else None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit wrote, whole."""

    message: Message
    """The first of its pieces."""
    first_seq: int
    seq: int
    """Of the last piece: the log is known up to here."""
    conversation: int
    """The id; 0: none, as of a claim."""
    records: tuple[Record, ...] = ()
    unknown: int = 0
    """Records that this release cannot read."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a log is known."""

    seq: int = 0
    """Of the last message that is known; 0: none is."""
    mark: str = ""
    """Tells that message from another one of the same sequence; empty: it is not known."""


def mark_of(data: bytes) -> str:
    """Tells a message, as it is sent, from others; 16 hexadecimal digits."""
    return hashlib.blake2s(data, digest_size=8).hexdigest()


def is_local(conversation: int) -> bool:
    """Whether a file alone gave this id, so that it means nothing on other machines."""
    return conversation < _LOCAL_BELOW or conversation & 255 >= PARTITIONS


def local_id(highest: int) -> int:
    """The id of a conversation of no cluster, above the highest of the file."""
    number = highest + 1
    if is_local(number):
        return number
    return number & ~255 | PARTITIONS


def cut(records: Sequence[Record]) -> int:
    """How many of the records go together: a conversation's end stands at the end.

    Who deletes a conversation does so in a message without words, which may stay.
    """
    for at, record in enumerate(records):
        if isinstance(record, ForgottenRecord):
            return at or 1
        if isinstance(record, ClosedRecord):
            return at + 1
    return len(records)


def encode_records(records: Sequence[Record]) -> bytes:
    """For ``Message.body``. Raises ValueError and TypeError: one of them is no record."""
    return msgspec.msgpack.encode([(_NAMES[type(record)], record) for record in records])


def is_wordless(records: Sequence[Record]) -> bool:
    """Whether nothing that was said, nor by whom, is in the records."""
    return all(isinstance(record, ClosedRecord | ForgottenRecord) for record in records)


def pieces(message: Message, body: bytes, max_payload_bytes: int) -> list[Message]:
    """The message with this body, as several where it is too long for one.

    Raises:
        ValueError: it is too long for any number of messages.
    """
    size = max(LEAST_PIECE_BYTES, max_payload_bytes - ENVELOPE_BYTES)
    count = max(1, -(-len(body) // size))
    if count > MAX_PIECES or len(body) > MAX_BATCH_BYTES:
        raise ValueError(f"{len(body)} bytes are more than one commit of the journal may have")
    return [
        replace(
            message,
            number=message.number + piece,
            piece=piece,
            pieces=count,
            body=body[piece * size : (piece + 1) * size],
        )
        for piece in range(count)
    ]


def encode(message: Message | Tombstone) -> bytes:
    """A message as it is sent."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes) -> Message:
    """A message of a room's log. Raises RecordError."""
    return _decoded(data, _MESSAGE)


def decode_tombstone(data: bytes) -> Tombstone:
    """A message that says what is deleted. Raises RecordError."""
    return _decoded(data, _TOMBSTONE)


def spent_at(record: UsageRecord, node: str) -> UsageRecord:
    """As another node has it, that has not spent this money: its day is an account of its own."""
    day, simulated, _ = record.day.partition(SIMULATED)
    return replace(record, day=f"{day}@{node}{simulated}")


Entry = Batch | Tombstone


@dataclass(slots=True)
class Reader:
    """Makes batches of the messages of one room, which come in order."""

    stream: StreamId
    known_seq: int = 0
    """Up to here what was read is whole: reading may go on behind it in another process."""
    _mark: str = ""
    """Of the message at ``known_seq``."""
    _pieces: list[Message] = field(default_factory=list)
    _first_seq: int = 0
    _size: int = 0

    @property
    def known(self) -> Position:
        """Up to where what was read is whole."""
        return Position(self.known_seq, self._mark)

    def add(self, seq: int, data: bytes) -> Batch | None:
        """The next message of the log; None: more pieces are to come.

        A message that is damaged is a batch without records, so that the others can be read. Pieces
        of a writer that did not live to send the last one are given up: nobody was told of them.

        Raises:
            TooNewError: a later release wrote it, which this one cannot follow.
        """
        try:
            message = decode(data)
        except TooNewError:
            raise
        except RecordError:
            return self._useless(_DAMAGED, seq, data)
        self._size += len(message.body)
        if not message.piece:
            self._pieces, self._first_seq, self._size = [message], seq, len(message.body)
        elif self._pieces and _follows(self._pieces[-1], message) and self._size <= MAX_BATCH_BYTES:
            self._pieces.append(message)
        else:
            return self._useless(message, seq, data)
        if len(self._pieces) < message.pieces:
            self._knows(self._first_seq - 1)
            return None
        self._knows(seq, data)
        return self._batch(seq)

    def add_gone(self, seq: int, data: bytes) -> Tombstone | None:
        """The next message that says what is deleted; None: it cannot be read.

        Raises:
            TooNewError: see above.
        """
        if not self._pieces:
            self._knows(seq, data)
        try:
            return decode_tombstone(data)
        except TooNewError:
            raise
        except RecordError:
            return None

    def _knows(self, seq: int, data: bytes | None = None) -> None:
        if seq != self.known_seq:
            self.known_seq, self._mark = seq, "" if data is None else mark_of(data)

    def _useless(self, message: Message, seq: int, data: bytes) -> Batch:
        self._pieces.clear()
        self._knows(seq, data)
        return Batch(message, seq, seq, 0, unknown=1)

    def _batch(self, seq: int) -> Batch:
        first, first_seq = self._pieces[0], self._first_seq
        body = b"".join(message.body for message in self._pieces)
        self._pieces.clear()
        if first.what != "records":
            return Batch(first, first_seq, seq, 0, unknown=int(first.what != "claim"))
        conversation = first.conversation or self.stream.conversation(first_seq)
        records = list(_records(body))
        known = tuple(record for record in records if record is not None)
        return Batch(first, first_seq, seq, conversation, known, len(records) - len(known))


class TooNewError(RecordError):
    """A later release wrote it, which this one cannot follow."""


_T = TypeVar("_T", Message, Tombstone)


def _follows(before: Message, message: Message) -> bool:
    return (message.writer, message.number, message.piece, message.pieces) == (
        *(before.writer, before.number + 1, before.piece + 1, before.pieces),
    )


def _records(body: bytes) -> Iterator[Record | None]:
    """The records in a body; None: one that this release cannot read."""
    try:
        found = msgspec.msgpack.decode(body, type=list[tuple[str, msgspec.Raw]])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        yield None
        return
    for name, raw in found:
        try:
            decoder = _DECODERS.get(name)
            yield None if decoder is None else decoder.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            yield None


def _decoded(data: bytes, decoder: msgspec.msgpack.Decoder[_T]) -> _T:
    try:
        found = decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RecordError(f"a message of the journal's stream cannot be read: {error}") from error
    if found.v > VERSION + 1:
        raise TooNewError(
            f"the journal's stream has messages of version {found.v}, this release knows "
            f"{VERSION}: update mixminus on this machine"
        )
    return found


_MESSAGE = msgspec.msgpack.Decoder(Message)
_TOMBSTONE = msgspec.msgpack.Decoder(Tombstone)
_DECODERS = {name: msgspec.msgpack.Decoder(kind) for name, kind in _KINDS.items()}
_DAMAGED = Message(writer="", number=0, epoch=0, what="damaged")
