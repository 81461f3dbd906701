"""The journal of a clustered room on a real NATS server: owners, deaths, outages, deletions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mixer_core.cluster import doubt
from mixer_core.cluster.connection import Connection
from mixer_core.cluster.jetstream import JetStream, StreamShape
from mixer_core.cluster.names import Names
from mixer_core.cluster.settings import ClusterSettings
from mixer_core.journal.records import ClosedRecord, ItemRecord, Record
from mixer_core.journal.stream_batch import Message
from mixer_core.runtime import logs
from mixer_core.runtime.errors import ClusterAwayError, JournalError, StaleJournalError
from openai_link.transcript.cluster_room import ClusterRoom
from openai_link.transcript.journal import Journal
from openai_link.transcript.stream_log import Log
from openai_link.transcript.stream_thread import StreamThread
from tests.support.nats_server import NatsServer, names, nats_server, needs_nats
from tests.support.waiting import PATIENCE_S, until, wait_until

from .journal_writer import item, usage
from .stream_world import NOW_MS, ROOM, Killed, Process

__all__ = ["names", "nats_server"]
pytestmark = [needs_nats, pytest.mark.processes]

LONG = ItemRecord(replace(item(1).item, item="i1b", text="x" * 3_000_000))
WRITES: tuple[tuple[Record, ...], ...] = (
    (item(1), usage(1), LONG),
    (item(2), ClosedRecord(NOW_MS, "empty"), item(3)),
)
"""Six messages: a claim, three for three megabytes, the end of a conversation, the next one."""


class Threads:
    """Connections of processes, which all end with the test."""

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings
        self._all: list[StreamThread] = []

    def log(self, wrap: Callable[[Log], Log] = lambda log: log) -> Callable[[object], Log]:
        """A process's log, on a connection of its own."""
        thread = StreamThread(self.settings, ROOM, keep_days=30)
        thread.start()
        self._all.append(thread)
        return lambda point: wrap(thread)

    def close(self) -> None:
        for thread in self._all:
            thread.close()


@pytest.fixture
def threads(nats_server: NatsServer, names: Names) -> Iterator[Threads]:
    made = Threads(nats_server.settings(name=names.cluster, node="a"))
    yield made
    made.close()


class Dying:
    """A log whose process dies at a publishing: before it, or before its acknowledgement comes."""

    def __init__(self, log: Log, number: int, is_sent: bool) -> None:
        self._log, self._left, self._is_sent = log, number, is_sent

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)

    def publish(self, message: Message, last_seq: int) -> int:
        self._left -= 1
        if self._left >= 0:
            return self._log.publish(message, last_seq)
        if self._is_sent:
            self._log.publish(message, last_seq)
        raise Killed


def words(path: Path) -> list[tuple[int, str, int]]:
    """Conversation, item and length of all that a file has."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(
            "SELECT conversation, item, length(text) FROM item WHERE NOT removed "
            "ORDER BY conversation, position, item"
        ).fetchall()


@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("number", range(7))
def test_an_owner_dies_while_it_publishes_and_the_next_one_has_all(
    number: int, is_sent: bool, threads: Threads, short_dir: Path
) -> None:
    first = Process(
        threads.log(lambda log: Dying(log, number, is_sent)), short_dir / "a", "a", epoch=1
    )
    with contextlib.suppress(Killed):
        first.recover()
        for records in WRITES:
            first.write(*records)
        assert number == 6, "there is one more message"
    first.keeper.close()
    second = Process(threads.log(), short_dir / "b", "b", epoch=2)
    second.recover()
    second.write(item(70))
    found = words(short_dir / "b")
    names = [name for _, name, _ in found]
    said = [record.item.item for record in first.safe if isinstance(record, ItemRecord)]
    assert names == [*["i1", "i1b", "i2", "i3"][: len(names) - 1], "i70"]
    assert set(said) < set(names)
    lengths = {name: length for _, name, length in found}
    assert lengths.get("i1b", 3_000_000) == 3_000_000
    observer = Process(threads.log(), short_dir / "c", "c", epoch=0)
    observer.journal.catch_up(0)
    assert words(short_dir / "c") == found
    with pytest.raises((StaleJournalError, Killed)):
        first.write(item(71))
    for process in (second, observer):
        process.keeper.close()


def test_a_stale_owner_is_refused_by_the_server(threads: Threads, short_dir: Path) -> None:
    first = Process(threads.log(), short_dir / "a", "a", epoch=1)
    first.recover()
    first.write(item(1))
    second = Process(threads.log(), short_dir / "b", "b", epoch=2)
    assert second.recover() == ["i1"]
    for _ in range(2):
        with pytest.raises(StaleJournalError, match=r"node b \(epoch 2\)"):
            first.write(item(2))
    second.write(item(3))
    assert [name for _, name, _ in words(short_dir / "b")] == ["i1", "i3"]
    for process in (first, second):
        process.keeper.close()


def test_nats_goes_away_for_a_while_and_nothing_is_lost(short_dir: Path) -> None:
    async def main() -> None:
        troubles: list[str] = []
        safe: list[int] = []
        with NatsServer() as server:
            cluster = ClusterRoom(server.settings(node="a"), epoch=1)
            journal = Journal(
                short_dir / "a",
                ROOM,
                logs.get("openai_link"),
                troubles.append,
                lambda day, usd: None,
                cluster=cluster,
            )
            assert await journal.recover(300) == []
            journal.write([item(1)], lambda: safe.append(1))
            await until(lambda: safe == [1])
            server.stop()
            journal.write([item(2)], lambda: safe.append(2))
            await until(lambda: bool(troubles))
            assert safe == [1], "another machine may have the room, and never hear of it"
            assert len(troubles) == 1 and "NATS does not answer" in troubles[0], troubles
            assert [name for _, name, _ in words(short_dir / "a")] == ["i1"], "it is not safe yet"
            assert journal.counters()["journal_waiting_records"] == 1
            server.start()
            journal.write([item(3)], lambda: safe.append(3))
            await until(lambda: safe == [1, 2, 3] and len(words(short_dir / "a")) == 3)
            assert len(troubles) == 1 and not any(journal.counters().values())
            await journal.close()
            assert [name for _, name, _ in words(short_dir / "a")] == ["i1", "i2", "i3"]
            other = Threads(server.settings(node="b"))
            observer = Process(other.log(), short_dir / "b", "b", epoch=0)
            observer.journal.catch_up(0)
            assert words(short_dir / "b") == words(short_dir / "a")
            observer.end()
            other.close()

    asyncio.run(main())


def test_a_journal_is_told_once_that_its_room_is_elsewhere(
    threads: Threads, short_dir: Path
) -> None:
    async def main() -> None:
        stale: list[str] = []
        journal = Journal(
            short_dir / "a",
            ROOM,
            logs.get("openai_link"),
            pytest.fail,
            lambda day, usd: None,
            cluster=ClusterRoom(threads.settings, epoch=1, on_stale=stale.append),
        )
        await journal.recover(300)
        other = Process(threads.log(), short_dir / "b", "b", epoch=2)
        await asyncio.to_thread(other.recover)
        answered: list[int] = []
        journal.write([item(1)], lambda: answered.append(1))
        journal.write([item(2)], lambda: answered.append(2))
        await until(lambda: answered == [1, 2])
        journal.write([item(3)], lambda: answered.append(3))
        await until(lambda: len(answered) == 3)
        assert stale == ["This machine no longer has the room, another one does."]
        assert journal.dropped == 3
        assert await journal.recover(300) == []
        await journal.close()
        other.keeper.close()

    asyncio.run(main())


def test_who_is_to_have_the_room_follows_it_and_writes_once_it_is_granted(
    threads: Threads, short_dir: Path
) -> None:
    async def main() -> None:
        owner = Process(threads.log(), short_dir / "a", "a", epoch=1)
        await asyncio.to_thread(owner.recover)
        await asyncio.to_thread(owner.write, item(1))
        journal = Journal(
            short_dir / "b",
            ROOM,
            logs.get("openai_link"),
            pytest.fail,
            lambda day, usd: None,
            cluster=ClusterRoom(replace(threads.settings, node="b"), epoch=1, standby=True),
        )
        assert [one.item for one in await journal.catch_up(1e9)] == ["i1"]
        safe: list[int] = []
        journal.write([item(5)], lambda: safe.append(5))
        await asyncio.to_thread(owner.write, item(2))
        assert [one.item for one in await journal.catch_up(1e9)] == ["i1", "i2"]
        assert safe == []
        await journal.grant(2)
        assert [one.item for one in await journal.recover(1e9)] == ["i1", "i2"]
        journal.let_go()
        await until(lambda: safe == [5])
        with pytest.raises(StaleJournalError):
            await asyncio.to_thread(owner.write, item(3))
        await journal.close()
        assert [name for _, name, _ in words(short_dir / "b")] == ["i1", "i2", "i5"]
        owner.keeper.close()

    asyncio.run(main())


def test_a_full_stream_is_told_and_what_waited_goes_out(
    nats_server: NatsServer, names: Names, short_dir: Path
) -> None:
    async def main() -> None:
        connection = Connection(nats_server.settings(), "test")
        connection.start()
        assert await connection.wait_connected(PATIENCE_S)
        shape = StreamShape(
            names.journal_stream(0),
            (names.journal_subjects(0),),
            more={"max_bytes": 4_000, "discard": "new"},
        )
        await JetStream(connection).ensure(shape)
        troubles: list[str] = []
        safe: list[int] = []
        journal = Journal(
            short_dir / "a",
            ROOM,
            logs.get("openai_link"),
            troubles.append,
            lambda day, usd: None,
            cluster=ClusterRoom(nats_server.settings(name=names.cluster, node="a"), epoch=1),
        )
        await journal.recover(300)
        for number in range(8):
            journal.write([item(number)], lambda number=number: safe.append(number))
            await until(lambda number=number: number in safe or bool(troubles))
        assert len(safe) < 8
        assert len(troubles) == 1 and "make room in NATS" in troubles[0], troubles
        config = (await JetStream(connection).info(shape.name))["config"]
        config["max_bytes"] = -1
        update = f"$JS.API.STREAM.UPDATE.{shape.name}"
        await connection.request(update, json.dumps(config).encode(), 5)
        await until(lambda: len(safe) == 8)
        assert len(words(short_dir / "a")) == 8
        assert len(troubles) == 1
        await journal.close()
        await connection.close()

    asyncio.run(main())


def test_nothing_of_nats_is_needed_to_be_told_that_it_is_away(short_dir: Path) -> None:
    away = Threads(ClusterSettings(servers=("nats://127.0.0.1:1",), node="a"))
    process = Process(away.log(), short_dir / "a", "a", epoch=1)
    assert process.recover() == []
    with pytest.raises(JournalError, match="NATS does not answer"):
        process.write(item(1))
    process.end()


def test_a_server_that_keeps_nothing_is_left_for_another_one(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def decides_nothing(*arguments: object) -> int:
        raise ClusterAwayError("no answer", is_perhaps_done=True)

    monkeypatch.setattr(doubt, "FIRST_NS", 0)
    with NatsServer() as one, NatsServer() as two:
        one.routes = [one, two]
        thread = StreamThread(one.settings(name=names.cluster), ROOM, keep_days=30)
        thread.start()
        try:
            wait_until(lambda: thread._connection.is_connected, "it is not connected")
            former = thread._connection.server
            monkeypatch.setattr(thread._log, "publish", decides_nothing)
            with pytest.raises(ClusterAwayError):
                thread.publish(Message(writer="w", number=1, epoch=1), 0)
            wait_until(lambda: thread._connection.server not in ("", former), "it stays")
        finally:
            thread.close()
