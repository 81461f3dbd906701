"""The file of a clustered room's journal: it follows the cluster's stream.

Where the file cannot be written it is behind, and is filled from the stream later: nobody is
troubled, for the words are safe.
"""

from __future__ import annotations

import logging
from functools import partial

from mixer_core.journal.stream_batch import (
    Batch,
    Entry,
    Position,
    Reader,
    StreamId,
    encode,
    mark_of,
)
from mixer_core.runtime.errors import ClusterError, JournalError

from .journal_keeper import JournalKeeper
from .journal_store import JournalStore
from .stream_log import Log, seen
from .stream_owner import Outgoing, Seen

READS = 8
"""How often the file is filled anew because another one has taken its place."""


class StreamFile:
    """The file of one room's journal, for one thread."""

    def __init__(
        self,
        keeper: JournalKeeper,
        stream: Log,
        node: str,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._keeper = keeper
        self._stream = stream
        self._node = node
        self._log = log
        self._known_seq = 0
        """How far the file knows the log."""
        self._is_behind = False
        """The file lacks something that the stream has."""

    def store(self, outgoing: Outgoing, stream: StreamId, conversation: int | None) -> bool:
        """Have in the file what was sent to the stream; whether its conversation was deleted.

        Where the file cannot be written it is filled in later.
        """
        first, records = outgoing.pieces[0], outgoing.records
        batch = Batch(first, outgoing.first_seq, outgoing.seq, conversation or 0, records)
        known = Position(outgoing.seq, mark_of(encode(outgoing.pieces[-1])))
        try:
            if self._is_behind or outgoing.first_seq <= self._known_seq:
                self._read(stream)
            applied = self._keeper.run(
                lambda store: store.fill(self._node, stream, [batch], self._known_seq, known)
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

    def fill(self) -> Seen | None:
        """Have in the file what the stream has of the room; returns the log's last message.

        Raises:
            ClusterError: the stream does not answer.
            RecordError: its last message is of a later release.
        """
        self._stream.look_again()
        stream = self._stream.open()
        last = seen(self._stream.last())
        try:
            self._read(stream)
        except JournalError as error:
            self._lag(error)
        return last

    def doubt(self) -> None:
        """The stream may have lost its end: it is asked before the file is written again."""
        self._is_behind = True

    def goes_on(self, conversation: int) -> bool:
        """Whether it has no end, as far as the file knows. Raises JournalError."""
        return self._is_behind or self._keeper.run(lambda store: store.goes_on(conversation))

    def has_deleted(self, conversation: int) -> bool:
        """Whether its words were taken out, as far as the file knows: it is filled before. Raises
        ClusterError, RecordError."""
        self.fill()
        try:
            return self._keeper.run(lambda store: store.is_deleted(conversation))
        except JournalError as error:
            self._lag(error)
            return False

    def follow(self, conversation: int | None) -> None:
        """The file's pruning spares the conversation that is written to."""
        try:
            self._keeper.run(lambda store: store.continue_with(conversation))
        except JournalError as error:
            self._lag(error)

    def _read(self, stream: StreamId) -> None:
        for _ in range(READS):
            if self._read_on(stream):
                return
        raise JournalError("the journal's file is exchanged again and again")

    def _read_on(self, stream: StreamId) -> bool:
        """False: begin again, since there is another file, or the stream has lost its end."""
        node = self._node
        there = self._keeper.run(lambda store: store.position(node, stream))
        if not self._stream.has(there):
            self._log.warning("! the cluster has lost the end of the room's log: it is read anew")
            self._keeper.run(lambda store: store.set_back(node, stream, there))
            return False
        after = there.seq
        reader = Reader(stream, after)
        self._known_seq, unknown = after, 0
        while found := self._stream.read(after):
            entries: list[Entry] = []
            for kept in found:
                entry = (reader.add_gone if kept.is_gone else reader.add)(kept.seq, kept.data)
                if entry is not None:
                    entries.append(entry)
                    unknown += entry.unknown if isinstance(entry, Batch) else 0
            before, new = self._known_seq, tuple(entries)
            fill = partial(
                JournalStore.fill,
                node=node,
                stream=stream,
                entries=new,
                after_seq=before,
                known=reader.known,
            )
            if self._keeper.run(fill) is None:
                return False
            after, self._known_seq = found[-1].seq, max(before, reader.known_seq)
        if unknown:
            self._log.warning("! %d entries of the room's log cannot be read here", unknown)
        return True

    def _lag(self, error: JournalError) -> None:
        if not self._is_behind:
            self._is_behind = True
            self._log.warning(
                "! %s; the cluster has what is said, and it is filled in later", error
            )
