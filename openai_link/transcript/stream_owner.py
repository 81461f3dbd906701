"""What the owner of a room writes to the cluster's stream, and what a refusal means. Sans-I/O.

Each message says which one must be the last of the room's log for it to be taken: its writer's own
last one. So two writers are never both believed: the first message of a new owner, its claim, makes
every later one of the owner before impossible. A message whose acknowledgement is lost is sent
again as it was: the stream knows its id, or the log's last message is it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from mixer_core.journal.records import ClosedRecord, ForgottenRecord, Record
from mixer_core.journal.stream_batch import (
    Message,
    StreamId,
    cut,
    encode_records,
    is_wordless,
    pieces,
)
from mixer_core.runtime.errors import StaleJournalError

Verdict = Literal["again", "done", "behind"]


@dataclass(frozen=True, slots=True)
class Seen:
    """The last message of a room's log."""

    seq: int
    message: Message


@dataclass(slots=True)
class Outgoing:
    """Records on their way, as one message or several."""

    records: tuple[Record, ...]
    pieces: list[Message]
    sent: int = 0
    """Pieces that the stream has."""
    first_seq: int = 0
    seq: int = 0
    """Of its last piece."""

    def continue_as(self, conversation: int) -> None:
        """The first piece began this conversation: the others say so."""
        rest = [replace(piece, conversation=conversation) for piece in self.pieces[self.sent :]]
        self.pieces[self.sent :] = rest

    @property
    def next(self) -> Message:
        """The piece to send."""
        return self.pieces[self.sent]

    @property
    def is_sent(self) -> bool:
        """The stream has all of it."""
        return self.sent == len(self.pieces)


@dataclass(slots=True)
class Owner:
    """One process that writes a room's log."""

    room: str
    node: str
    writer: str
    """Random, of this process."""
    epoch: int
    conversation: int | None = None
    """To which the next record belongs; None: it begins one."""
    is_claimed: bool = False
    """The stream knows this process as the owner."""
    expected: int = 0
    """The sequence that must be the log's last one."""
    outgoing: Outgoing | None = None
    """What may have reached the stream, and has to be sent to its end before anything else."""
    deleted: list[int] = field(default_factory=list)
    """Conversations of this process that were deleted: what is late does not come back."""
    _number: int = 0

    def check(self, seen: Seen | None) -> None:
        """Whether the room may be claimed, by its log's last message. Raises StaleJournalError."""
        if seen is not None and seen.message.epoch > self.epoch:
            raise self._stale(seen)

    def claim(self, last_seq: int, wall_ms: int) -> None:
        """Begin to claim the room: ``outgoing`` is to be sent.

        ``last_seq``: of the log; 0: it is empty.
        """
        self.expected = last_seq
        message = self._message(wall_ms, "claim")
        self.outgoing = Outgoing((), pieces(message, b"", 1 << 20))

    def begin(self, records: Sequence[Record], wall_ms: int, max_payload_bytes: int) -> int:
        """Make ``outgoing`` of the first of the records; returns how many they are.

        Without a conversation its end needs no message: ``outgoing`` stays None then.

        Raises:
            ValueError, TypeError: they cannot be written to a stream at all.
        """
        count = cut(records)
        taken = tuple(records[:count])
        if self.conversation is None and isinstance(taken[0], ClosedRecord | ForgottenRecord):
            return count
        message = replace(self._message(wall_ms), is_wordless=is_wordless(taken))
        made = pieces(message, encode_records(taken), max_payload_bytes)
        self.outgoing = Outgoing(taken, made)
        return count

    def acknowledged(self, seq: int, stream: StreamId) -> None:
        """The stream has the next piece of ``outgoing``."""
        outgoing = self._outgoing()
        outgoing.first_seq = outgoing.first_seq or seq
        outgoing.seq = self.expected = seq
        outgoing.sent += 1
        self._number = max(self._number, outgoing.pieces[outgoing.sent - 1].number)
        if self.conversation is None and outgoing.records:
            self.conversation = stream.conversation(seq)
            outgoing.continue_as(self.conversation)

    def finished(self) -> Outgoing:
        """All of ``outgoing`` is where it belongs."""
        outgoing, self.outgoing = self._outgoing(), None
        self.is_claimed = True
        last = outgoing.records[-1] if outgoing.records else None
        if isinstance(last, ForgottenRecord) and self.conversation is not None:
            self.deleted.append(self.conversation)
        if isinstance(last, ClosedRecord | ForgottenRecord):
            self.conversation = None
        return outgoing

    def gone(self) -> None:
        """The conversation was deleted by others: the next record begins another one."""
        if self.conversation is not None:
            self.deleted.append(self.conversation)
        self.conversation = None

    def drop(self) -> Outgoing:
        """What is on its way is not sent any further: its records are sent anew.

        Its numbers are not given again, for the stream may remember them.
        """
        outgoing, self.outgoing = self._outgoing(), None
        self._number = outgoing.pieces[-1].number
        return outgoing

    def set_back(self, seen: Seen | None, stream: StreamId) -> None:
        """The owner's last message is no longer there: perhaps the stream has lost its end.

        What is on its way is sent from its beginning. A conversation whose beginning is lost does
        not go on, since its number may be given to another one; only its end is written.
        """
        outgoing, last_seq = self._outgoing(), 0 if seen is None else seen.seq
        self.expected = last_seq
        outgoing.sent = outgoing.first_seq = 0
        is_end = outgoing.records and isinstance(
            outgoing.records[-1], ClosedRecord | ForgottenRecord
        )
        if self.conversation is None or is_end:
            return
        first_seq = stream.first_seq(self.conversation) or 0
        if first_seq > last_seq or not outgoing.pieces[0].conversation:
            self.conversation = None
            outgoing.continue_as(0)

    def refused(self, seen: Seen | None) -> Verdict:
        """The stream expects another last message than the owner's.

        ``again``: nobody has written since, but the last message is no longer there (its age was
        over, or it was deleted), ``set_back`` follows; ``done``: it is the piece itself, whose
        acknowledgement was lost; ``behind``: a claim came too late, since the owner before has
        written: read, claim again.

        Raises:
            StaleJournalError: somebody else has written since.
        """
        if seen is None or seen.seq <= self.expected:
            if seen is not None:  # The stream may have lost its end, and have another owner since.
                self.check(seen)
            return "again"
        piece = self._outgoing().next
        if (seen.message.writer, seen.message.number) == (self.writer, piece.number):
            return "done"
        if piece.what == "claim":
            self.check(seen)
            self.outgoing = None
            return "behind"
        raise self._stale(seen)

    def _message(self, wall_ms: int, what: str = "records") -> Message:
        return Message(
            writer=self.writer,
            number=self._number + 1,
            epoch=self.epoch,
            node=self.node,
            conversation=self.conversation or 0,
            wall_ms=wall_ms,
            what=what,
        )

    def _outgoing(self) -> Outgoing:
        assert self.outgoing is not None
        return self.outgoing

    def _stale(self, seen: Seen) -> StaleJournalError:
        node = seen.message.node or "another one"
        return StaleJournalError(
            f"the room {self.room} is written by node {node} (epoch {seen.message.epoch}), no "
            f"longer by this process (epoch {self.epoch})",
            "this machine no longer has the room, another one does",
        )
