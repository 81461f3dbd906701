"""Transcripts on any node: filled when somebody asks, deleted everywhere, also at who was away."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import pytest

from mixer_core.cluster.connection import Connection
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.names import Names
from mixer_core.cluster.room_log import Partition, RoomLog, Shape
from mixer_core.cluster.settings import ClusterSettings
from mixer_core.journal.file import journal_path, open_writer
from mixer_core.journal.records import ClosedRecord, Record
from mixer_core.journal.stream_batch import EPOCH_S, StreamId, Tombstone, local_id
from mixer_core.runtime import logs
from mixer_core.runtime.errors import ProblemError
from openai_link.transcript.stream_thread import StreamThread
from signaling.cluster.filling import Place, SharedTranscripts
from signaling.http.transcript_pages import TranscriptReader
from tests.openai_link.transcript.journal_writer import item
from tests.openai_link.transcript.stream_world import NOW_MS, ROOM, Process
from tests.support.contents import contents
from tests.support.nats_server import NatsServer, needs_nats
from tests.support.waiting import PATIENCE_S, until

pytestmark = [needs_nats, pytest.mark.processes]
LOG = logs.get("signaling")


class Node:
    """The transcripts of a node, and its file."""

    def __init__(self, folder: Path, connection: Connection, names: Names, name: str) -> None:
        self.path = journal_path(folder)
        self.rooms: set[str] = set()
        self.reader = TranscriptReader(folder, LOG)
        place = Place(self.path, name, self.rooms.__contains__)
        self.shared = SharedTranscripts(
            connection, names, Shape(1, 1, 30), place, self.reader.scrub, LOG
        )
        self.reader.join(self.shared)

    async def words(self) -> list[tuple[int, str]]:
        """Conversation and item, newest conversation first."""
        found = []
        for listed in await self.reader.listed(ROOM, 50, None):
            one = await self.reader.conversation(ROOM, listed.id, 50)
            assert one is not None
            found += [(one.id, known.item) for known in one.items]
        return found

    def content(self) -> bytes:
        """Of all its files."""
        return b"".join(contents(self.path.parent).values())


@asynccontextmanager
async def node(server: NatsServer, folder: Path, names: Names, name: str) -> AsyncIterator[Node]:
    connection = Connection(server.settings(), name)
    connection.start()
    await connection.wait_connected(PATIENCE_S)
    made = Node(folder / name, connection, names, name)
    made.shared.start()
    try:
        yield made
    finally:
        await made.shared.close()
        made.reader.close()
        await connection.close()


def said(settings: ClusterSettings, path: Path, *writes: tuple[Record, ...], epoch: int = 1) -> int:
    """A link of node ``a`` opens the room, writes, and ends; the conversation's id."""
    thread = StreamThread(settings, ROOM, keep_days=30)
    thread.start()
    process = Process(lambda point: thread, path, "a", epoch)
    process.recover()
    for records in writes:
        process.write(*records)
    conversation = process.owner.conversation
    process.end()
    return conversation or 0


def keep(path: Path, conversation: int, text: str) -> None:
    """The file has a conversation of which the stream knows nothing."""
    with closing(open_writer(path).db) as db:
        db.execute("INSERT INTO conversation VALUES (?, ?, 1, 1, 1, 'left')", (conversation, ROOM))
        db.execute(
            "INSERT INTO item VALUES (?, 'i1', (SELECT ifnull(max(revision), 0) + 1 FROM item), 1, "
            "'message', 'user', '', '', ?, 1, 1, NULL, '', '', '', '', '', NULL, '', 0)",
            (conversation, text),
        )


def knows_of_a_tombstone(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT 1 FROM mark WHERE name = 'gone of 0'").fetchone() is not None


async def bury(server: NatsServer, names: Names, conversation: int) -> None:
    """Node ``b`` deletes a conversation, and dies in the middle of that."""
    connection = Connection(server.settings(), "dies")
    connection.start()
    await connection.wait_connected(PATIENCE_S)
    log = RoomLog(JetStream(connection), names, Shape(1, 1, 30), ROOM)
    await log.bury(Tombstone(ROOM, conversation, NOW_MS, "b"))
    await connection.close()


async def stream_bytes(server: NatsServer, names: Names) -> bytes:
    """All that the stream still has."""
    connection = Connection(server.settings(), "look")
    connection.start()
    await connection.wait_connected(PATIENCE_S)
    try:
        partition = Partition(JetStream(connection), names, Shape(1, 1, 30), 0)
        found = await partition.read(names.journal_subjects(0), 0)
        return b"".join(stored.data for stored in found)
    finally:
        await connection.close()


def test_a_room_that_nobody_has_is_known_at_every_node(
    nats_server: NatsServer, names: Names, short_dir: Path
) -> None:
    settings = nats_server.settings(name=names.cluster, node="a")
    path = journal_path(short_dir / "a")

    async def main() -> None:
        first = await asyncio.to_thread(said, settings, path, (item(1),), (item(2),))
        async with node(nats_server, short_dir, names, "b") as b:
            assert await b.words() == [(first, "i1"), (first, "i2")]
            again = await asyncio.to_thread(
                said, settings, path, (ClosedRecord(NOW_MS), item(3)), epoch=2
            )
            assert again > first
            assert await b.words() == [(again, "i3"), (first, "i1"), (first, "i2")]
            assert await b.reader.running(ROOM) == again
            assert await b.reader.listed("garage", 50, None) == []
            b.rooms.add(ROOM)
            await asyncio.to_thread(said, settings, path, (item(4),), epoch=3)
            assert len(await b.words()) == 3, "a room of its own is in its file already"
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT DISTINCT id FROM conversation ORDER BY id").fetchall() == [
                (first,),
                (again,),
            ]

    asyncio.run(main())


def test_a_deletion_reaches_all_nodes_and_the_stream(
    nats_server: NatsServer, names: Names, short_dir: Path
) -> None:
    settings = nats_server.settings(name=names.cluster, node="a")
    path = journal_path(short_dir / "a")

    async def main() -> None:
        doomed = await asyncio.to_thread(said, settings, path, (item(1),), (item(2),))
        stays = await asyncio.to_thread(
            said, settings, path, (ClosedRecord(NOW_MS), item(33)), epoch=2
        )
        async with (
            node(nats_server, short_dir, names, "a") as a,
            node(nats_server, short_dir, names, "b") as b,
        ):
            async with node(nats_server, short_dir, names, "away") as away:
                assert len(await away.words()) == 3
            assert len(await a.words()) == len(await b.words()) == 3
            assert b"word 1" in await stream_bytes(nats_server, names)
            assert await b.reader.delete(ROOM, doomed)
            left = await stream_bytes(nats_server, names)
            assert b"word 1" not in left and b"word 2" not in left and b"word 33" in left

            def is_gone(one: Node) -> bool:
                content = one.content()
                return b"word 1" not in content and b"word 2" not in content

            await until(lambda: is_gone(a) and is_gone(b))
            assert await a.words() == await b.words() == [(stays, "i33")]
            assert not is_gone(away), "it is away"
            async with node(nats_server, short_dir, names, "away") as away:
                await until(lambda: is_gone(away))
                assert await away.words() == [(stays, "i33")]
            async with node(nats_server, short_dir, names, "new") as new:
                assert await new.words() == [(stays, "i33")]
            # What could not be finished is finished by saying it again.
            assert await b.reader.delete(ROOM, doomed)

    asyncio.run(main())


def test_a_conversation_is_deleted_everywhere_though_its_stream_is_gone(
    nats_server: NatsServer, names: Names, short_dir: Path
) -> None:
    earlier = StreamId(EPOCH_S + 1, 0).conversation(5)
    alone = local_id(earlier)

    async def main() -> None:
        async with (
            node(nats_server, short_dir, names, "a") as a,
            node(nats_server, short_dir, names, "b") as b,
        ):
            for one in (a, b):
                keep(one.path, earlier, "word 1")
                keep(one.path, alone, "word 2")
            assert await a.reader.delete(ROOM, alone), "its number means nothing to others"
            assert await a.reader.delete(ROOM, earlier)
            await until(lambda: b"word 1" not in b.content())
            assert b"word 2" in b.content() and b"word " not in a.content()

    asyncio.run(main())


def test_a_deletion_that_ended_in_the_middle_is_finished_at_the_next_start(
    nats_server: NatsServer, names: Names, short_dir: Path
) -> None:
    settings = nats_server.settings(name=names.cluster, node="a")

    async def main() -> None:
        doomed = await asyncio.to_thread(
            said, settings, journal_path(short_dir / "a"), (item(1),), (item(2),)
        )
        await bury(nats_server, names, doomed)
        async with node(nats_server, short_dir, names, "c") as c:
            assert await c.words() == []
        assert b"word 1" in await stream_bytes(nats_server, names), "that was another node's"
        async with node(nats_server, short_dir, names, "b"):
            await until(lambda: _has_no_words(nats_server, names))

    async def _has_no_words(server: NatsServer, names: Names) -> bool:
        return b"word 1" not in await stream_bytes(server, names)

    asyncio.run(main())


def test_what_is_deleted_after_nats_lost_its_end_is_deleted_everywhere(short_dir: Path) -> None:
    async def main() -> None:
        with NatsServer() as server:
            settings, names = server.settings(node="a"), Names()
            said_by_a = partial(said, settings, journal_path(short_dir / "a"))
            doomed = await asyncio.to_thread(said_by_a, (item(1),), (ClosedRecord(NOW_MS), item(2)))
            kept = short_dir / "kept"
            server.stop()
            shutil.copytree(server.dir / "store", kept)
            server.start()
            async with node(server, short_dir, names, "b") as b:
                await asyncio.to_thread(said_by_a, (ClosedRecord(NOW_MS), item(3)), epoch=2)
                assert len(await b.words()) == 3
                earlier, lost = {found for found, _ in await b.words()} - {doomed}
                assert await b.reader.delete(ROOM, max(earlier, lost))
                await until(lambda: knows_of_a_tombstone(b.path))
            server.stop(signal.SIGKILL)
            shutil.rmtree(server.dir / "store")
            shutil.copytree(kept, server.dir / "store")
            server.start()
            await bury(server, names, doomed)
            async with node(server, short_dir, names, "b") as b:
                await until(lambda: b"word 2" not in b.content())
                assert len(await b.words()) == 1
                again = partial(said_by_a, (item(4),), (item(5),), epoch=3)
                await asyncio.to_thread(again)
                assert [name for _, name in await b.words()][:2] == ["i4", "i5"]

    asyncio.run(main())


def test_without_nats_a_transcript_is_refused_in_words(names: Names, short_dir: Path) -> None:
    async def main() -> None:
        with NatsServer() as server:
            async with node(server, short_dir, names, "b") as b:
                assert await b.words() == []
                server.stop()
                with pytest.raises(ProblemError, match="NATS does not answer") as raised:
                    await b.words()
                assert raised.value.status == 503 and raised.value.retry_after_s
                b.rooms.add(ROOM)
                assert await b.words() == [], "its own rooms are known without it"

    asyncio.run(main())
