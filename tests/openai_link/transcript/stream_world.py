"""A cluster's stream in memory, and processes of a room that die or freeze at any point.

``Stream`` answers as JetStream does (expected last sequence of a subject, ids of messages, deleted
messages); ``Process`` is the keeper that ships on a file of its own or of another process.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mixer_core.journal.records import Record
from mixer_core.journal.stream_batch import (
    EPOCH_S,
    Message,
    Position,
    StreamId,
    Tombstone,
    decode,
    encode,
    mark_of,
)
from mixer_core.runtime import logs
from mixer_core.runtime.errors import ClusterAwayError, ConflictError
from openai_link.transcript.journal_keeper import Bounds, JournalKeeper
from openai_link.transcript.journal_store import JournalStore
from openai_link.transcript.stream_keeper import StreamKeeper
from openai_link.transcript.stream_log import Kept, Log
from openai_link.transcript.stream_owner import Owner

ROOM = "home"
NOW_MS = (EPOCH_S + 60_000_100) * 1000
_T = TypeVar("_T")
_names = itertools.count(1)


class Killed(BaseException):
    """The process was killed here."""


@dataclass
class Stream:
    """The stream: what it has, and what it does wrong."""

    created_s: int = EPOCH_S + 60_000_000
    last_seq: int = 0
    kept: dict[int, Kept] = field(default_factory=dict)
    idents: dict[str, int] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    """What was sent under each id: the same each time."""
    is_away: bool = False
    pauses: int = 0
    """It is there again once who asks has waited so often."""
    loses: int = 0
    """Acknowledgements that are lost, the next ones."""
    payload: int = 1 << 20
    looks_at_ids_last: bool = False
    """It compares sequences before, as NATS does from 2.15 on."""

    def add(self, data: bytes, is_gone: bool = False) -> int:
        self.last_seq += 1
        self.kept[self.last_seq] = Kept(self.last_seq, is_gone, data)
        return self.last_seq

    def bury(self, conversation: int) -> None:
        """As another node does."""
        self.add(encode(Tombstone(ROOM, conversation, NOW_MS)), is_gone=True)

    def delete(self, conversation: int) -> None:
        """As another node does: its messages with words are taken out, too."""
        self.bury(conversation)
        stream = StreamId(self.created_s)
        for seq, kept in tuple(self.kept.items()):
            if kept.is_gone:
                continue
            message = decode(kept.data)
            own = message.conversation or stream.conversation(seq)
            if own == conversation and message.what == "records" and not message.is_wordless:
                del self.kept[seq]

    def lose_after(self, seq: int) -> None:
        """As a server whose machine loses its power."""
        self.last_seq = min(self.last_seq, seq)
        self.kept = {number: kept for number, kept in self.kept.items() if number <= seq}
        self.idents = {ident: number for ident, number in self.idents.items() if number <= seq}

    def last(self) -> Kept | None:
        log = [kept for kept in self.kept.values() if not kept.is_gone]
        return log[-1] if log else None


@dataclass
class ModelLog:
    """As a process sees it. ``point`` is called before and after everything that it does."""

    stream: Stream
    point: Callable[[str], None]

    @property
    def max_payload_bytes(self) -> int:
        return self.stream.payload

    def limit(self, deadline_s: float | None) -> None:
        pass

    def pause(self) -> bool:
        if not self.stream.pauses:
            return False
        self.stream.pauses -= 1
        self.stream.is_away = self.stream.pauses > 0
        return True

    def close(self) -> None:
        pass

    def open(self) -> StreamId:
        return self._done("open", lambda: StreamId(self.stream.created_s))

    def look_again(self) -> None:
        pass

    def has(self, known: Position) -> bool:
        def has() -> bool:
            kept = self.stream.kept.get(known.seq)
            if kept is not None:
                return known.mark in ("", mark_of(kept.data))
            return known.seq <= self.stream.last_seq

        return self._done("has", has)

    def publish(self, message: Message, last_seq: int) -> int:
        def publish() -> int:
            stream, ident = self.stream, f"{message.writer}-{message.number}"
            body = stream.bodies.setdefault(ident, message.body)
            assert body == message.body, "one id, two messages"
            if ident in stream.idents and not stream.looks_at_ids_last:
                return stream.idents[ident]
            last = stream.last()
            if (0 if last is None else last.seq) != last_seq:
                raise ConflictError("wrong last sequence", 10071)
            if ident in stream.idents:
                return stream.idents[ident]
            seq = stream.idents[ident] = stream.add(encode(message))
            if stream.loses:
                stream.loses -= 1
                raise ClusterAwayError("no answer", is_perhaps_done=True)
            return seq

        return self._done("publish", publish)

    def last(self) -> Kept | None:
        return self._done("last", self.stream.last)

    def read(self, after: int) -> list[Kept]:
        found = [kept for seq, kept in self.stream.kept.items() if seq > after][:3]
        return self._done("read", lambda: found)

    def _done(self, what: str, do: Callable[[], _T]) -> _T:
        self.point(f"before {what}")
        if self.stream.is_away:
            raise ClusterAwayError("NATS cannot be reached")
        result = do()
        self.point(f"after {what}")
        return result


class PointedKeeper(JournalKeeper):
    """The keeper of the file, with points where its process may die."""

    point: Callable[[str], None] = staticmethod(lambda what: None)

    def run(self, do: Callable[[JournalStore], _T]) -> _T:
        self.point("before file")
        result = super().run(do)
        self.point("after file")
        return result


class Process:
    """A link child of a node."""

    def __init__(
        self,
        log: Callable[[Callable[[str], None]], Log],
        path: Path,
        node: str,
        epoch: int,
        point: Callable[[str], None] = lambda what: None,
    ) -> None:
        self.troubles: list[str] = []
        self.keeper = PointedKeeper(
            path, ROOM, Bounds.of(30, 256), self.troubles.append, logs.get("openai_link")
        )
        self.keeper.point = point
        self.owner = Owner(ROOM, node, f"writer{next(_names)}", epoch)
        self.journal = StreamKeeper(self.keeper, log(point), self.owner, logs.get("openai_link"))
        self.safe: list[Record] = []
        """What was acknowledged, so that people may have been told."""

    def recover(self) -> list[str]:
        """As ``Journal.recover``; the items of a conversation that goes on."""
        items, changes = self.journal.recover(0)
        if changes:
            self.write(*changes)
        return [item.item for item in items]

    def write(self, *records: Record) -> None:
        self.journal.write(records, NOW_MS)
        self.safe += records

    def end(self) -> None:
        self.journal.end()


def on(stream: Stream) -> Callable[[Callable[[str], None]], Log]:
    """The log of a process on a model."""
    return lambda point: ModelLog(stream, point)
