"""What was said on other machines: read from the cluster's streams into this machine's file.

A room that nobody has now may be asked for at any node: its file is filled then, first. What is
deleted anywhere is deleted here, too: at once, or, by a node that was away, when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mixer_core.cluster.connection import Connection
from mixer_core.cluster.feed import Stored
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.messages import Message
from mixer_core.cluster.names import Names, partition_of
from mixer_core.cluster.room_log import Partition, RoomLog, Shape, tombstone_of
from mixer_core.cluster.tasks import end, lasting
from mixer_core.journal.file import Writer, open_writer
from mixer_core.journal.filling import Filling, Graveyard
from mixer_core.journal.stream_batch import (
    Entry,
    Position,
    Reader,
    StreamId,
    Tombstone,
    is_local,
    mark_of,
)
from mixer_core.runtime.errors import ClusterError, JournalError, ProblemError, RecordError

FILL_S = 8.0
"""Longest that somebody waits for a room's file to be filled; it goes on then, for the next one."""
LOOK_S = 60.0
"""Between two looks for what was deleted, where nobody tells."""
RETRY_S = 5
ROUNDS = 4
"""How often a file may be exchanged while it is filled."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Place:
    """Whose file it is."""

    path: Path
    node: str
    owns: Callable[[str], bool]
    """Whether this node has a room: its link keeps the file as the stream is."""


class SharedTranscripts:
    """The journals of all rooms, for one node; ``start`` once, ``close`` once."""

    def __init__(
        self,
        connection: Connection,
        names: Names,
        shape: Shape,
        place: Place,
        on_deleted: Callable[[], object],
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """``on_deleted``: words were taken out of the file, which may have kept some in gaps."""
        self._connection = connection
        self._jetstream = JetStream(connection)
        self._names = names
        self._shape = shape
        self._place = place
        self._on_deleted = on_deleted
        self._log = log
        self._partitions = [
            Partition(self._jetstream, names, shape, number) for number in range(shape.partitions)
        ]
        self._thread = ThreadPoolExecutor(1, "filling")
        self._fillings: dict[str, asyncio.Task[None]] = {}
        self._is_told = asyncio.Event()
        self._told = ""
        self._is_adjusted = False
        """The streams keep what they have as the settings say."""
        self._following: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Follow what is deleted."""
        self._connection.tell_on_connect(self._is_told.set)
        work = lasting(self._follow, "following what is deleted", self._log)
        self._following = asyncio.get_running_loop().create_task(work)

    async def close(self) -> None:
        """End all that runs."""
        await end([*self._fillings.values(), *([self._following] if self._following else [])])
        self._thread.shutdown(wait=False, cancel_futures=True)

    # -- for the pages ----------------------------------------------------------------------------

    async def fill(self, room: str) -> None:
        """Have in the file what was said in a room on other machines.

        Raises:
            ProblemError: 503, the cluster cannot be asked, or the file cannot be written.
        """
        if self._place.owns(room):
            return
        task = self._fillings.get(room)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._fill(room))
            self._fillings[room] = task
            task.add_done_callback(lambda _: self._fillings.pop(room, None))
        done, _ = await asyncio.wait([task], timeout=FILL_S)
        if not done:
            raise ProblemError(503, "Not filled yet", "the transcript is being fetched", RETRY_S)
        with _problems("what was said in this room cannot be fetched"):
            task.result()

    async def bury(self, room: str, conversation: int, wall_ms: int) -> None:
        """Have a conversation deleted on all machines, and in the stream.

        The files of others may have it though its stream is gone.

        Raises:
            ProblemError: 503, that is not certain.
        """
        if is_local(conversation):
            return  # It is of a time before the cluster.
        log = self._room(room)
        with _problems("the conversation is deleted here, and not yet on the other machines"):
            log.partition.look_again()
            await log.partition.open()
            await log.bury(Tombstone(room, conversation, wall_ms, self._place.node))
            await log.erase(conversation)

    # -- filling ----------------------------------------------------------------------------------

    async def _fill(self, room: str) -> None:
        log = self._room(room)
        log.partition.look_again()
        stream = await log.partition.open()
        for _ in range(ROUNDS):
            last = await log.partition.last(log.subjects)
            if last is None or await self._fill_up_to(log, stream, last.sequence):
                return

    async def _fill_up_to(self, log: RoomLog, stream: StreamId, last_seq: int) -> bool:
        """False: begin again, since there is another file, or the stream has lost its end."""
        node = self._place.node
        there = await self._with(lambda file: Filling(file, log.room, node).position(stream))
        if not await log.partition.has(there):
            await self._with(lambda file: Filling(file, log.room, node).set_back(stream, there))
            return False
        known = after = there.seq
        reader = Reader(stream, known)
        while after < last_seq:
            found = await log.read(after)
            if not found:
                break
            entries = _entries(reader, found, log.gone_subject)

            def write(
                file: Writer,
                new: list[Entry] = entries,
                known: int = known,
                then: Position = reader.known,
            ) -> bool:
                filling = Filling(file, log.room, node)
                return filling.apply(stream, new, known, then) is not None

            if not await self._with(write):
                return False
            after, known = found[-1].sequence, max(known, reader.known_seq)
        return True

    # -- deletions --------------------------------------------------------------------------------

    async def _follow(self) -> None:
        async def heard(_: Message) -> None:
            self._is_told.set()

        subscriptions = [
            await self._connection.subscribe(self._names.all_gone(partition.number), heard)
            for partition in self._partitions
        ]
        wait_s = 0.0
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._is_told.wait()
                self._is_told.clear()
                wait_s = LOOK_S if await self._look() else RETRY_S
        finally:
            for subscription in subscriptions:
                await subscription.close()

    async def _look(self) -> bool:
        """Have deleted here what was deleted anywhere; False: try again soon."""
        if not self._connection.is_connected:
            return False
        try:
            for partition in self._partitions:
                if not self._is_adjusted:
                    await partition.adjust()
                await self._bury_new(partition)
            self._is_adjusted = True
        except (ClusterError, JournalError, RecordError) as error:
            if str(error) != self._told:
                self._told = str(error)
                self._log.warning("! what other machines have deleted may still be here: %s", error)
            return False
        self._told = ""
        return True

    async def _bury_new(self, partition: Partition) -> None:
        partition.look_again()
        stream = await partition.open()
        there = await self._with(lambda file: Graveyard(file, stream).position())
        if not await partition.has(there):
            await self._with(lambda file: Graveyard(file, stream).set_back(there))
            there = Position()
        after = there.seq
        while found := await partition.read(self._names.all_gone(partition.number), after):
            tombstones = [one for stored in found if (one := tombstone_of(stored)) is not None]
            for tombstone in tombstones:
                if tombstone.node == self._place.node:  # Perhaps it ended in the middle of that.
                    await self._room(tombstone.room).erase(tombstone.conversation)
            last = Position(found[-1].sequence, mark_of(found[-1].data))

            def bury(file: Writer, new: list[Tombstone] = tombstones, last: Position = last) -> int:
                return Graveyard(file, stream).bury(new, last)

            if count := await self._with(bury):
                self._log.info("= %d conversations that were deleted elsewhere are deleted", count)
                self._on_deleted()
            after = last.seq

    # -- the rest ---------------------------------------------------------------------------------

    def _room(self, room: str) -> RoomLog:
        partition = self._partitions[partition_of(room, self._shape.partitions)]
        return RoomLog(self._jetstream, self._names, self._shape, room, partition)

    async def _with(self, do: Callable[[Writer], _T]) -> _T:
        """Do something with the file, in the thread. Raises JournalError."""

        def work() -> _T:
            file = open_writer(self._place.path)
            try:
                return do(file)
            finally:
                file.close()

        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _entries(reader: Reader, found: list[Stored], gone_subject: str) -> list[Entry]:
    entries: list[Entry] = []
    for stored in found:
        add = reader.add_gone if stored.subject == gone_subject else reader.add
        entry = add(stored.sequence, stored.data)
        if entry is not None:
            entries.append(entry)
    return entries


@contextlib.contextmanager
def _problems(what: str) -> Iterator[None]:
    """Turn errors into ProblemError (503)."""
    try:
        yield
    except ClusterError as error:
        words = f"{what}: the cluster's NATS does not answer, or refuses; try again"
        raise ProblemError(503, "No cluster", words, RETRY_S) from error
    except RecordError as error:
        words = f"{what}: it is of a later release, update mixminus on this machine"
        raise ProblemError(503, "Too old", words, RETRY_S) from error
    except JournalError as error:
        raise ProblemError(503, "No journal", f"{what}: {error.words}", RETRY_S) from error
