"""A room's log in the cluster's stream, as the thread that writes it sees it. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mixer_core.journal.stream_batch import Message, Position, StreamId, TooNewError
from mixer_core.journal.stream_batch import decode as decode_message
from mixer_core.runtime.errors import RecordError

from .stream_owner import Seen

_UNREADABLE = Message(writer="", number=0, epoch=0, what="damaged")


@dataclass(frozen=True, slots=True)
class Kept:
    """A message of the stream."""

    seq: int
    is_gone: bool
    """It says what is deleted; else it is of the log."""
    data: bytes


class Log(Protocol):
    """A room's log in the stream, for a thread that waits. Methods raise ClusterError."""

    @property
    def max_payload_bytes(self) -> int: ...

    def limit(self, deadline_s: float | None) -> None:
        """Nothing waits beyond ``deadline_s`` of ``time.monotonic``; None: each has its limit."""

    def pause(self) -> bool:
        """Wait a little before another attempt; False: the limit leaves no time, or is none."""

    def open(self) -> StreamId: ...

    def look_again(self) -> None:
        """The stream may be another one by now: ``open`` looks."""

    def publish(self, message: Message, last_seq: int) -> int: ...

    def last(self) -> Kept | None: ...

    def has(self, known: Position) -> bool:
        """Whether the stream is as it was when somebody had read it up to there."""

    def read(self, after: int) -> list[Kept]: ...

    def close(self) -> None: ...


def seen(kept: Kept | None) -> Seen | None:
    """What a log's last message says; one that cannot be read is nobody's.

    Raises:
        TooNewError: it is of a later release.
    """
    if kept is None:
        return None
    try:
        return Seen(kept.seq, decode_message(kept.data))
    except TooNewError:
        raise
    except RecordError:
        return Seen(kept.seq, _UNREADABLE)
