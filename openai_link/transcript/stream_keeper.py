"""Keeps the journal of a clustered room: in the cluster's stream first, then in the file.

Has the methods of ``JournalKeeper``, for the journal's thread, and waits. What ``write`` returns
from is acknowledged by the stream. The file follows; where it cannot, it is filled from the stream
later, and nobody is troubled: the words are safe.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol, TypeVar

from mixer_core.journal.records import HistoryItem, ItemRecord, Record
from mixer_core.journal.stream_batch import Batch, Entry, Message, Reader, StreamId, TooNewError
from mixer_core.journal.stream_batch import decode as decode_message
from mixer_core.runtime.errors import (
    ClusterError,
    ConflictError,
    JournalError,
    RecordError,
    StaleJournalError,
)
from mixer_core.runtime.units import S_NS

from .journal_keeper import JournalKeeper
from .journal_store import JournalStore
from .stream_owner import Outgoing, Owner, Seen

RETRY_MOST_NS = 2 * S_NS
"""NATS comes back as a whole, and an attempt costs little: what waited is soon written."""
PATIENCE_NS = 6 * S_NS
"""Longer than a lease: what a node that is cut off alone cannot write, it tells nobody."""
RECOVERY_S = 4.0
"""Longest that a room waits for its log: then it begins with what its own file has."""
CLAIMS = 20
"""How often a claim may come too late: the owner before is still writing."""
TRIES = 8
"""How often a message is sent that the stream refuses although nobody else has written."""
_UNREADABLE = Message(writer="", number=0, epoch=0, what="damaged")
_T = TypeVar("_T")


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

    def open(self) -> StreamId: ...

    def publish(self, message: Message, last_seq: int) -> int: ...

    def last(self) -> Kept | None: ...

    def read(self, after: int) -> list[Kept]: ...

    def close(self) -> None: ...


class StreamKeeper:
    """The journal of one room, for one thread."""

    retry_most_ns: ClassVar[int] = RETRY_MOST_NS
    patience_ns: ClassVar[int] = PATIENCE_NS

    def __init__(
        self,
        keeper: JournalKeeper,
        stream: Log,
        owner: Owner,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """``keeper``: of the file."""
        self._keeper = keeper
        self._stream = stream
        self._owner = owner
        self._log = log
        self._known_seq = 0
        """How far the file knows the log."""
        self._is_behind = False
        """The file lacks something that the stream has."""

    # -- as JournalKeeper -------------------------------------------------------------------------

    def run(self, do: Callable[[JournalStore], _T]) -> _T:
        """Do something with the file. Raises JournalError."""
        return self._keeper.run(do)

    def write(self, records: Sequence[Record], wall_ms: int) -> None:
        """Have the records acknowledged by the stream.

        Raises:
            StaleJournalError: another process has the room.
            JournalError: they are not, for now; ``written`` says how many of the first ones are.
        """
        done = 0
        try:
            self._own(wall_ms)
            while done < len(records):
                done += self._step(records[done:], wall_ms)
        except JournalError as error:
            error.written = done
            raise
        except ClusterError as error:
            raise _away(error, done) from error
        except RecordError as error:
            raise _too_new(error, done) from error
        except (ValueError, TypeError) as error:
            raise _refused(error, done) from error

    def recover(self, oldest_ms: int) -> tuple[list[HistoryItem], list[ItemRecord]]:
        """Claim the room, and continue its conversation: the items, and which became final.

        The latter are for the caller to write. Where the stream does not answer in time, that is
        what the file knows; the room is claimed later.

        Raises:
            StaleJournalError: another process has the room.
            JournalError: the file cannot be read.
        """
        self._stream.limit(time.monotonic() + RECOVERY_S)
        try:
            self._own(int(time.time() * 1000))
        except StaleJournalError:
            raise
        except (ClusterError, RecordError, JournalError) as error:
            self._log.warning("! the room's log in the cluster is not known yet: %s", error)
        finally:
            self._stream.limit(None)
        resumed = self._keeper.run(lambda store: store.resume(oldest_ms))
        self._owner.conversation = self._keeper.run(lambda store: store.conversation)
        return resumed.items, resumed.changes

    def catch_up(self, oldest_ms: int) -> list[HistoryItem]:
        """The items of the conversation that another process leads, as they are now.

        Raises:
            JournalError: the stream does not answer, or the file cannot be written.
        """
        self._stream.limit(time.monotonic() + RECOVERY_S)
        try:
            self._fill()
        except ClusterError as error:
            raise _away(error, 0) from error
        except RecordError as error:
            raise _too_new(error, 0) from error
        finally:
            self._stream.limit(None)
        self._keeper.run(lambda store: store.resume(oldest_ms))
        return self._keeper.run(JournalStore.items)

    def grant(self, epoch: int) -> None:
        """The room is this process's from now on, with that epoch."""
        self._owner.epoch = epoch

    def is_of(self, conversation: int) -> bool:
        """Whether the conversation with that id is written to."""
        return self._owner.conversation == conversation

    def care(self) -> None:
        """Look after the file; not each time."""
        self._keeper.care()

    def forget_conversation(self) -> None:
        """The conversation is not in the file; the stream has it."""

    def close(self) -> None:
        """Close the file; ``run`` opens it again."""
        self._keeper.close()

    def end(self) -> None:
        """Close the file and the connection."""
        self._keeper.close()
        self._stream.close()

    # -- the stream -------------------------------------------------------------------------------

    def _own(self, wall_ms: int) -> None:
        """Claim the room, once. Raises ClusterError, RecordError, JournalError."""
        owner = self._owner
        for _ in range(CLAIMS):
            if owner.is_claimed:
                return
            if owner.outgoing is None:
                seen = self._fill()
                owner.check(seen)
                self._check_conversation()
                owner.claim(0 if seen is None else seen.seq, wall_ms)
            self._send()
        raise JournalError(
            f"the room {owner.room} cannot be claimed: others go on writing to its log",
            "another machine goes on writing what is said in this room",
        )

    def _step(self, records: Sequence[Record], wall_ms: int) -> int:
        """Send the first of the records; returns how many they were."""
        owner = self._owner
        if owner.outgoing is not None:  # It has to be known first what became of it.
            taken = {id(record) for record in owner.outgoing.records}
            count = next((n for n, one in enumerate(records) if id(one) not in taken), len(records))
            self._send()
            return count
        in_time = self._in_time(records)
        if not in_time:
            return 1
        count = owner.begin(in_time, wall_ms, self._stream.max_payload_bytes)
        if owner.outgoing is not None:
            self._send()
        return count

    def _in_time(self, records: Sequence[Record]) -> Sequence[Record]:
        """The first records, up to one that is of a conversation which was deleted."""
        deleted = self._owner.deleted
        if not deleted:
            return records
        for at, record in enumerate(records):
            if isinstance(record, ItemRecord):
                has = partial(JournalStore.has_item, conversations=deleted, item=record.item.item)
                if self._keeper.run(has):
                    return records[:at]
        return records

    def _send(self) -> None:
        """Send what is on its way, and have it in the file."""
        owner = self._owner
        outgoing = owner.outgoing
        assert outgoing is not None
        stream = self._stream.open()
        while not outgoing.is_sent:
            if not self._publish(outgoing.next, stream):
                return  # A claim that came too late.
        is_deleted = self._store(outgoing, stream)
        owner.finished()
        if is_deleted:
            self._send_again(outgoing)
        self._follow()

    def _send_again(self, outgoing: Outgoing) -> None:
        """The conversation was deleted while these records were written: they begin another one."""
        self._owner.gone()
        wall_ms = outgoing.pieces[0].wall_ms
        records: Sequence[Record] = outgoing.records
        while records:
            records = records[self._step(records, wall_ms) :]

    def _publish(self, piece: Message, stream: StreamId) -> bool:
        """Send one message until it is acknowledged; False: it must not be sent any more."""
        owner = self._owner
        for _ in range(TRIES):
            try:
                seq = self._stream.publish(piece, owner.expected)
            except ConflictError:
                seen = _seen(self._stream.last())
                match owner.refused(seen):
                    case "again":
                        continue
                    case "behind":
                        return False
                assert seen is not None
                seq = seen.seq
            owner.acknowledged(seq, stream)
            return True
        raise ClusterError("the stream refuses a message although nobody else has written")

    def _store(self, outgoing: Outgoing, stream: StreamId) -> bool:
        """Have in the file what the stream has; whether its conversation was deleted."""
        first, conversation = outgoing.pieces[0], self._owner.conversation or 0
        batch = Batch(first, outgoing.first_seq, outgoing.seq, conversation, outgoing.records)
        try:
            if self._is_behind:
                self._read(stream)
            applied = self._keeper.run(
                lambda store: store.fill(
                    self._owner.node, stream, [batch], self._known_seq, outgoing.seq
                )
            )
            if applied is None:  # Another file has taken its place.
                self._read(stream)
                return False
            self._known_seq = max(self._known_seq, outgoing.seq)
            self._is_behind = False
            return applied == ["deleted"]
        except JournalError as error:
            self._lag(error)
        except ClusterError as error:
            self._is_behind = True
            self._log.warning("! the file of the journal is filled in later: %s", error)
        return False

    def _fill(self) -> Seen | None:
        """Have in the file what the stream has of the room; returns the log's last message."""
        stream = self._stream.open()
        seen = _seen(self._stream.last())
        try:
            self._read(stream)
        except JournalError as error:
            self._lag(error)
        return seen

    def _read(self, stream: StreamId) -> None:
        for _ in range(TRIES):
            if self._read_on(stream):
                return
        raise JournalError("the journal's file is exchanged again and again")

    def _read_on(self, stream: StreamId) -> bool:
        """False: meanwhile another file has taken the place of the one that was filled."""
        node = self._owner.node
        after = self._keeper.run(lambda store: store.position(node, stream))
        reader = Reader(stream, after)
        self._known_seq, unknown = after, 0
        while found := self._stream.read(after):
            entries: list[Entry] = []
            for kept in found:
                entry = (reader.add_gone if kept.is_gone else reader.add)(kept.seq, kept.data)
                if entry is not None:
                    entries.append(entry)
                    unknown += entry.unknown if isinstance(entry, Batch) else 0
            known, new = self._known_seq, tuple(entries)
            fill = partial(
                JournalStore.fill,
                node=node,
                stream=stream,
                entries=new,
                after_seq=known,
                known_seq=reader.known_seq,
            )
            if self._keeper.run(fill) is None:
                return False
            after, self._known_seq = found[-1].seq, max(known, reader.known_seq)
        if unknown:
            self._log.warning("! %d entries of the room's log cannot be read here", unknown)
        return True

    def _check_conversation(self) -> None:
        """A conversation that the owner before has ended does not go on."""
        conversation = self._owner.conversation
        if (
            conversation is not None
            and not self._is_behind
            and not self._keeper.run(lambda store: store.goes_on(conversation))
        ):
            self._owner.conversation = None

    def _follow(self) -> None:
        """The file's pruning spares the conversation that is written to."""
        conversation = self._owner.conversation
        try:
            self._keeper.run(lambda store: store.continue_with(conversation))
        except JournalError as error:
            self._lag(error)

    def _lag(self, error: JournalError) -> None:
        if not self._is_behind:
            self._is_behind = True
            self._log.warning(
                "! %s; the cluster has what is said, and it is filled in later", error
            )


def _seen(kept: Kept | None) -> Seen | None:
    if kept is None:
        return None
    try:
        return Seen(kept.seq, decode_message(kept.data))
    except TooNewError:
        raise
    except RecordError:
        return Seen(kept.seq, _UNREADABLE)


def _away(error: Exception, written: int) -> JournalError:
    is_full = "maximum" in str(error) or "resources" in str(error)
    cause = (
        "the cluster's store is full: make room in NATS, and it goes on by itself"
        if is_full
        else "the cluster's NATS does not answer: it goes on by itself when it does"
    )
    found = JournalError(
        f"the journal cannot be written to the cluster ({cause}; {error})",
        f"the journal cannot be written ({cause})",
    )
    found.written = written
    return found


def _too_new(error: Exception, written: int) -> JournalError:
    words = "the cluster's journal is of a later release: update mixminus on this machine"
    found = JournalError(f"{error}", words)
    found.written = written
    return found


def _refused(error: Exception, written: int) -> JournalError:
    found = JournalError(
        f"something that was said cannot be written to the cluster ({error})",
        "something that was said cannot be stored",
    )
    found.written = written
    return found
