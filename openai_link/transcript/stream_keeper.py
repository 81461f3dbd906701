"""Keeps the journal of a clustered room: in the cluster's stream first, then in the file.

Has the methods of ``JournalKeeper``, for the journal's thread, and waits. What ``write`` returns
from is acknowledged by the stream.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, TypeVar

from mixer_core.journal.records import HistoryItem, ItemRecord, Record
from mixer_core.runtime.errors import (
    ClusterError,
    ConflictError,
    JournalError,
    RecordError,
    StaleJournalError,
)
from mixer_core.runtime.units import S_NS

from . import stream_troubles
from .journal_keeper import JournalKeeper
from .journal_store import JournalStore
from .stream_file import StreamFile
from .stream_log import Log, seen
from .stream_owner import Outgoing, Owner

RETRY_MOST_NS = 2 * S_NS
"""NATS comes back as a whole, and an attempt costs little: what waited is soon written."""
RECOVERY_S = 8.0
"""Longest that a room waits for its log, which NATS cannot read while its servers elect who leads
the stream: some five seconds. Then the room begins with what its own file has."""
CLAIMS = 20
"""How often a claim may come too late: the owner before is still writing."""
TRIES = 8
"""How often a message is sent that the stream refuses although nobody else has written."""
_T = TypeVar("_T")


class StreamKeeper:
    """The journal of one room, for one thread."""

    retry_most_ns: ClassVar[int] = RETRY_MOST_NS
    lets_pass: ClassVar[bool] = False

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
        self._file = StreamFile(keeper, stream, owner.node, log)
        self._unread_oldest_ms: int | None = None
        """The room began without its log, in which a conversation not older than this goes on."""
        self._ends: Sequence[Record] = ()
        """What the owner before had left open in it, ended: to be written before anything else."""

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
            self._unread_oldest_ms = None
            while self._ends:
                self._ends = self._ends[self._step(self._ends, wall_ms) :]
            while done < len(records):
                done += self._step(records[done:], wall_ms)
        except JournalError as error:
            error.written = done
            raise
        except ClusterError as error:
            raise stream_troubles.away(error, done) from error
        except RecordError as error:
            raise stream_troubles.too_new(error, done) from error
        except (ValueError, TypeError) as error:
            raise stream_troubles.refused(error, done) from error

    def recover(self, oldest_ms: int) -> tuple[list[HistoryItem], list[ItemRecord]]:
        """Claim the room, and continue its conversation: the items, and which became final.

        The latter are for the caller to write. Where the stream does not answer in time, the items
        are those of the file; the room is claimed later, and its conversation continued then: what
        is still open in the log is ended, and nothing that the owner before has finished.

        Raises:
            StaleJournalError: another process has the room.
            JournalError: the file cannot be read.
        """
        self._stream.limit(time.monotonic() + RECOVERY_S)
        try:
            self._own_in_time(int(time.time() * 1000))
        except StaleJournalError:
            raise
        except (ClusterError, RecordError, JournalError) as error:
            self._unread_oldest_ms = oldest_ms
            self._log.warning("! the room's log in the cluster is not known yet: %s", error)
        finally:
            self._stream.limit(None)
        resumed = self._keeper.run(lambda store: store.resume(oldest_ms))
        self._owner.conversation = self._keeper.run(lambda store: store.conversation)
        is_read = self._unread_oldest_ms is None
        return resumed.items, resumed.changes if is_read else []

    def catch_up(self, oldest_ms: int) -> list[HistoryItem]:
        """The items of the conversation that another process leads, as they are now.

        Raises:
            JournalError: the stream does not answer, or the file cannot be written.
        """
        self._stream.limit(time.monotonic() + RECOVERY_S)
        try:
            self._file.fill()
        except ClusterError as error:
            raise stream_troubles.away(error, 0) from error
        except RecordError as error:
            raise stream_troubles.too_new(error, 0) from error
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

    def _own_in_time(self, wall_ms: int) -> None:
        """Claim the room, as often as the limit of the stream allows. Raises as ``_own``."""
        while True:
            try:
                return self._own(wall_ms)
            except ClusterError:
                if not self._stream.pause():
                    raise

    def _own(self, wall_ms: int) -> None:
        """Claim the room, once. Raises ClusterError, RecordError, JournalError."""
        owner = self._owner
        for _ in range(CLAIMS):
            if owner.is_claimed:
                return
            if owner.outgoing is None:
                last = self._file.fill()
                owner.check(last)
                self._find_conversation()
                self._check_conversation()
                owner.claim(0 if last is None else last.seq, wall_ms)
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
        """The first records, up to one that the file has of a conversation which was deleted."""
        deleted = self._owner.deleted
        if not deleted:
            return records
        for at, record in enumerate(records):
            if self._keeper.run(partial(JournalStore.has, conversations=deleted, record=record)):
                return records[:at]
        return records

    def _send(self) -> None:
        """Send what is on its way, and have it in the file."""
        owner = self._owner
        outgoing = owner.outgoing
        assert outgoing is not None
        while not outgoing.is_sent:
            if not self._publish(outgoing):
                return
        stream = self._stream.open()
        is_deleted = self._file.store(outgoing, stream, owner.conversation)
        owner.finished()
        if is_deleted:
            self._send_again(outgoing)
        self._file.follow(owner.conversation)

    def _send_again(self, outgoing: Outgoing) -> None:
        """The conversation was deleted while these records were written: they begin another one."""
        self._owner.gone()
        wall_ms = outgoing.pieces[0].wall_ms
        records: Sequence[Record] = outgoing.records
        while records:
            records = records[self._step(records, wall_ms) :]

    def _publish(self, outgoing: Outgoing) -> bool:
        """Send the next message until one is acknowledged; False: it must not be sent any more: a
        claim that came too late, or words of a deleted conversation, whose others are sent."""
        owner = self._owner
        for _ in range(TRIES):
            stream = self._stream.open()
            try:
                seq = self._stream.publish(outgoing.next, owner.expected)
            except ConflictError:
                last = seen(self._stream.last())
                match owner.refused(last):
                    case "again":
                        is_deleted = self._was_deleted()
                        owner.set_back(last, stream)
                        if is_deleted and outgoing.records:
                            self._send_again(owner.drop())
                            return False
                        continue
                    case "behind":
                        return False
                assert last is not None
                seq = last.seq
            owner.acknowledged(seq, stream)
            return True
        raise ClusterError("the stream refuses a message although nobody else has written")

    def _was_deleted(self) -> bool:
        """The owner's last message is no longer there: others have deleted the conversation, or the
        stream has lost its end."""
        self._file.doubt()
        conversation = self._owner.conversation
        if conversation is None or not self._file.has_deleted(conversation):
            self._stream.look_again()
            return False
        self._owner.gone()
        return True

    def _find_conversation(self) -> None:
        """What the room does not know yet goes on all the same: nobody's words are left behind.

        Anew for each claim: the owner before may have written since.
        """
        oldest_ms = self._unread_oldest_ms
        if oldest_ms is None:
            return
        try:
            self._ends = self._keeper.run(lambda store: store.resume(oldest_ms)).changes
            self._owner.conversation = self._keeper.run(lambda store: store.conversation)
        except JournalError as error:
            self._log.warning("! the room begins another conversation: %s", error)

    def _check_conversation(self) -> None:
        """A conversation that the owner before has ended does not go on."""
        conversation = self._owner.conversation
        if conversation is not None and not self._file.goes_on(conversation):
            self._owner.conversation = None
