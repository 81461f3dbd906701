"""Streams and buckets against a real server: nothing twice, nothing over another's word."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

import pytest

from mixer_core.cluster.buckets import Bucket, Entry
from mixer_core.cluster.connection import Connection
from mixer_core.cluster.feed import Feed, Stored, numbers
from mixer_core.cluster.jetstream import JetStream, StreamShape, parse_headers
from mixer_core.cluster.messages import Message
from mixer_core.cluster.names import Names
from mixer_core.runtime.errors import ClusterAwayError, ClusterError, ConflictError
from tests.mixer_core.cluster.test_connection import connected, run
from tests.support.nats_server import NatsCluster, NatsServer, needs_nats
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.processes, needs_nats]


def journal(names: Names, replicas: int = 1) -> StreamShape:
    return StreamShape(names.journal_stream(0), (names.journal_subjects(0),), replicas)


def test_a_message_is_kept_once_and_only_behind_the_one_that_was_expected(
    nats_server: NatsServer, names: Names
) -> None:
    async def test() -> None:
        async with connected(nats_server) as connection:
            jetstream = JetStream(connection)
            shape, subject = journal(names), names.journal("kitchen", 1)
            with pytest.raises(ClusterAwayError, match="no stream takes it"):
                await jetstream.publish(subject, b"early")
            await jetstream.ensure(shape)
            await jetstream.ensure(shape)
            first = await jetstream.publish(subject, b"a", last_sequence=0, message_id="1")
            assert await jetstream.publish(subject, b"a", last_sequence=0, message_id="1") == first
            await jetstream.publish(names.journal("garage", 1), b"other")
            with pytest.raises(ConflictError):
                await jetstream.publish(subject, b"b", last_sequence=first + 1, message_id="2")
            second = await jetstream.publish(subject, b"b", last_sequence=first, message_id="2")
            assert second == first + 2
            found = [message async for message in jetstream.read(shape.name, subject)]
            assert [(m.sequence, m.data) for m in found] == [(first, b"a"), (second, b"b")]
            assert found[0].headers["Nats-Msg-Id"] == "1"
            assert [m.data async for m in jetstream.read(shape.name, subject, first + 1)] == [b"b"]
            assert [m async for m in jetstream.read(shape.name, subject, second + 1)] == []
            last = await jetstream.last(shape.name, subject)
            assert last is not None and (last.sequence, last.data) == (second, b"b")
            assert last.headers["Nats-Msg-Id"] == "2"
            await jetstream.delete(shape.name, first)
            await jetstream.delete(shape.name, first)
            assert await jetstream.at(shape.name, first) is None
            assert await jetstream.purge(shape.name, subject) == 1
            assert await jetstream.last(shape.name, subject) is None
            assert [m async for m in jetstream.read(shape.name, subject)] == []
            # What was purged still counts: nobody writes as if the subject were new.
            with pytest.raises(ConflictError):
                await jetstream.publish(subject, b"c", last_sequence=second)
            await jetstream.publish(subject, b"c", last_sequence=0)

    run(test)


def test_a_stream_that_is_there_gets_the_ages_that_are_wanted(
    nats_server: NatsServer, names: Names
) -> None:
    async def test() -> None:
        async with connected(nats_server) as connection:
            jetstream, shape = JetStream(connection), journal(names)
            await jetstream.ensure(shape)
            older = StreamShape(shape.name, shape.subjects, max_age_s=60.0)
            await jetstream.ensure(older)
            config = (await jetstream.info(shape.name))["config"]
            assert config["max_age"] == config["duplicate_window"] == 60_000_000_000
            with pytest.raises(ClusterError):
                await jetstream.info("NOTHING")
            with pytest.raises(ClusterError):  # Somebody else has these subjects.
                await jetstream.ensure(StreamShape(f"{shape.name}X", shape.subjects))

    run(test)


def test_many_messages_are_read_in_order(nats_server: NatsServer, names: Names) -> None:
    async def test() -> None:
        async with connected(nats_server) as connection:
            jetstream = JetStream(connection)
            shape, subject = journal(names), names.journal("kitchen", 1)
            await jetstream.ensure(shape)
            for start in range(0, 3_000, 200):
                await asyncio.gather(
                    *(jetstream.publish(subject, b"x" * 2_000) for _ in range(start, start + 200))
                )
            found = [m.sequence async for m in jetstream.read(shape.name, subject)]
            assert found == list(range(1, 3_001))

    run(test)


def test_a_key_is_written_by_whoever_knows_its_last_revision(
    nats_server: NatsServer, names: Names
) -> None:
    async def test() -> None:
        async with connected(nats_server) as one, connected(nats_server) as two:
            ours, theirs = (Bucket(JetStream(c), names.rooms) for c in (one, two))
            await ours.ensure()
            await theirs.ensure()
            assert await ours.get("kitchen") is None
            first = await ours.create("kitchen", b"one")
            with pytest.raises(ConflictError):
                await theirs.create("kitchen", b"two")
            assert await theirs.get("kitchen") == Entry("kitchen", b"one", first)
            second = await theirs.update("kitchen", b"two", first)
            with pytest.raises(ConflictError):
                await ours.update("kitchen", b"one again", first)
            with pytest.raises(ConflictError):
                await ours.delete("kitchen", first)
            await theirs.delete("kitchen", second)
            assert await ours.get("kitchen") is None
            third = await ours.create("kitchen", b"anew")
            assert third > second and await theirs.put("kitchen", b"x") > third

    run(test)


def test_of_many_that_create_a_key_one_succeeds(nats_server: NatsServer, names: Names) -> None:
    async def test() -> None:
        async with connected(nats_server) as one, connected(nats_server) as two:
            buckets = [Bucket(JetStream(c), names.rooms) for c in (one, two)]
            await buckets[0].ensure()
            created = await asyncio.gather(
                *(buckets[n % 2].create("kitchen", str(n).encode()) for n in range(50)),
                return_exceptions=True,
            )
            assert [type(x) for x in created if not isinstance(x, ConflictError)] == [int]

    run(test)


def test_a_watch_knows_what_is_there_and_hears_of_changes(
    nats_server: NatsServer, names: Names
) -> None:
    changes: list[tuple[str, bytes | None]] = []
    synced: list[int] = []

    async def test() -> None:
        async with connected(nats_server) as one, connected(nats_server) as two:
            bucket = Bucket(JetStream(one), names.nodes)
            await bucket.ensure()
            gone = await bucket.create("gone", b"0")
            await bucket.delete("gone", gone)
            await bucket.create("a", b"1")
            watch = Bucket(JetStream(two), names.nodes).watch(
                lambda key, entry: changes.append((key, entry.value if entry else None)),
                lambda: synced.append(len(changes)),
            )
            await until(lambda: watch.is_current)
            assert changes == [("a", b"1")] and synced == [1]
            # One after the other: a bucket keeps the last value only, and a watch sees no other.
            revision = await bucket.put("b", b"2")
            await until(lambda: len(changes) == 2)
            await bucket.delete("b", revision)
            await until(lambda: len(changes) == 3)
            await bucket.put("a", b"3")
            await until(lambda: len(changes) == 4)
            assert changes[1:] == [("b", b"2"), ("b", None), ("a", b"3")]
            assert list(watch.entries) == ["a"]
            await watch.close()

    run(test)


def test_a_watch_of_an_empty_bucket_is_current(nats_server: NatsServer, names: Names) -> None:
    async def test() -> None:
        async with connected(nats_server) as one:
            bucket = Bucket(JetStream(one), names.nodes)
            watch = bucket.watch(lambda key, entry: None)
            await asyncio.sleep(0.1)
            assert not watch.is_current  # There is no bucket yet.
            await bucket.ensure()
            await until(lambda: watch.is_current)
            await watch.close()

    run(test)


def test_a_watch_goes_on_over_the_end_of_the_server_and_over_another_bucket(names: Names) -> None:
    changes: list[tuple[str, bytes | None]] = []

    async def test() -> None:
        with NatsServer() as server:
            async with connected(server) as connection:
                bucket = Bucket(JetStream(connection), names.rooms)
                await bucket.ensure()
                await bucket.put("stays", b"1")
                await bucket.put("goes", b"1")
                watch = bucket.watch(
                    lambda key, entry: changes.append((key, entry.value if entry else None))
                )
                await until(lambda: watch.is_current)
                server.stop()
                await until(lambda: not watch.is_current)
                assert len(watch.entries) == 2  # What was last known.
                server.start()
                assert await connection.wait_connected(PATIENCE_S)
                await until(lambda: is_done(bucket.get("stays")))
                await bucket.delete("goes")
                await bucket.put("new", b"2")
                await until(lambda: len(changes) == 4)
                assert changes[2:] == [("goes", None), ("new", b"2")]
                await JetStream(connection).connection.request(
                    f"$JS.API.STREAM.DELETE.KV_{names.rooms}", b"", 5
                )
                await bucket.ensure()
                await bucket.put("only", b"3")
                await until(lambda: list(watch.entries) == ["only"])
                assert sorted(changes[4:]) == [("new", None), ("only", b"3"), ("stays", None)]
                await watch.close()

    run(test)


class Breaking(Feed):
    """Ends after its first message, as where a connection is lost."""

    count = 0
    ended: list[int]

    async def next(self) -> Stored:
        if self.count:
            self.ended.append(self.count)
            raise ClusterAwayError("the connection is lost")
        self.count += 1
        return await super().next()


def test_a_watch_that_is_cut_off_while_it_reads_another_bucket_keeps_nothing_that_is_gone(
    nats_server: NatsServer, names: Names
) -> None:
    async def test() -> None:
        async with connected(nats_server) as connection:
            bucket = Bucket(JetStream(connection), names.rooms)
            await bucket.ensure()
            for key in ("goes", "stays", "stays-too"):
                await bucket.put(key, b"1")
            watch = bucket.watch(lambda key, entry: None)
            await until(lambda: watch.is_current)
            whole, ended = bucket.feed, list[int]()

            def feed(keys: str) -> Feed:
                if ended:
                    return whole(keys)
                made = Breaking(connection, f"KV_{names.rooms}", f"$KV.{names.rooms}.{keys}")
                made.ended = ended
                return made

            bucket.feed = feed  # type: ignore[method-assign]
            await JetStream(connection)._ask(f"STREAM.DELETE.KV_{names.rooms}", {})
            await bucket.ensure()
            for key in ("stays", "stays-too"):
                await bucket.put(key, b"2")
            await until(lambda: bool(ended) and watch.is_current)
            assert sorted(watch.entries) == ["stays", "stays-too"]
            assert {entry.value for entry in watch.entries.values()} == {b"2"}
            await watch.close()

    run(test)


@dataclass
class Headless:
    """Stands for a stream's leader that keeps a write to itself: says so ``times`` times."""

    times: int
    said: int = 0

    async def answer(self, message: Message) -> bytes:
        self.said += 1
        if self.said > self.times:
            return b'{"stream": "S", "seq": 7}'
        return b'{"stream": "S", "error": {"code": 400, "err_code": 10164, "description": "wait"}}'


@pytest.mark.parametrize("times", [2, 1_000])
def test_a_write_behind_one_that_is_under_way_waits_and_is_no_conflict(
    nats_server: NatsServer, names: Names, times: int
) -> None:
    async def test() -> None:
        async with connected(nats_server) as connection:
            bucket, leader = Bucket(JetStream(connection), names.rooms), Headless(times)
            await connection.serve(f"$KV.{names.rooms}.>", leader.answer)
            if times == 2:
                assert await bucket.update("kitchen", b"x", 6) == 7
                return
            for attempt in (
                lambda: bucket.update("kitchen", b"x", 6, 0.5),
                lambda: bucket.create("kitchen", b"x", 0.5),
                lambda: bucket.delete("kitchen", 6, 0.5),
            ):
                with pytest.raises(ClusterAwayError) as caught:
                    await attempt()
                assert caught.value.is_perhaps_done, "the earlier one may be of the same writer"
            assert leader.said < 50, "it is not asked all the time"

    run(test)


async def is_done(work: Awaitable[object]) -> bool:
    """Servers that have just been started may have elected nobody yet: then once more."""
    try:
        await work
    except ClusterAwayError:
        return False
    return True


async def is_put(bucket: Bucket) -> bool:
    """A server that led the bucket and is frozen is missed after an election only."""
    try:
        return bool(await bucket.put("kitchen", b"after", 2.0))
    except ClusterAwayError:
        return False


@pytest.mark.parametrize("victim", ["stop", "pause"])
def test_three_servers_lose_nothing_when_one_goes(victim: str, names: Names) -> None:
    async def test() -> None:
        with NatsCluster() as cluster:
            connection = Connection(cluster.settings(), "test")
            connection.start()
            assert await connection.wait_connected(PATIENCE_S)
            jetstream = JetStream(connection)
            shape, subject = journal(names, replicas=3), names.journal("kitchen", 1)
            bucket = Bucket(jetstream, names.rooms)
            await until(lambda: is_done(jetstream.ensure(shape)))
            await until(lambda: is_done(bucket.ensure(3)))
            watch = bucket.watch(lambda key, entry: None)
            kept, last = [], 0
            loser = next(s for s in cluster.servers if connection.server.endswith(f":{s.port}"))
            for number in range(40):
                if number == 10:
                    getattr(loser, victim)()
                while True:  # As whoever writes a journal does: the same again until it is kept.
                    try:
                        last = await jetstream.publish(
                            subject,
                            str(number).encode(),
                            last_sequence=last,
                            message_id=f"m{number}",
                            timeout_s=2.0,
                        )
                        break
                    except ClusterAwayError:
                        await asyncio.sleep(0.05)
                kept.append(last)
            found: list[Stored] = []

            async def is_read() -> bool:
                """NATS 2.9 may give a consumer to the server that is gone: then once more."""
                try:
                    found[:] = [m async for m in jetstream.read(shape.name, subject)]
                except ClusterAwayError:
                    return False
                return True

            await until(is_read)
            assert [m.data for m in found] == [str(n).encode() for n in range(40)]
            assert [m.sequence for m in found] == kept
            await until(lambda: is_put(bucket))
            await until(lambda: "kitchen" in watch.entries and watch.is_current)
            await watch.close()
            await connection.close()

    run(test)


AT_NS = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("$JS.ACK.S.c.1.17.3.1700000000000000000.5", (17, 3, AT_NS, 5)),
        ("$JS.ACK._.account.S.c.1.17.3.1700000000000000000.5.token", (17, 3, AT_NS, 5)),
        ("$JS.ACK.domain.account.S.c.1.17.3.1700000000000000000.5", (17, 3, AT_NS, 5)),
    ],
)
def test_the_numbers_of_a_message(reply: str, found: tuple[int, int, int, int]) -> None:
    assert numbers(reply) == found


@pytest.mark.parametrize("reply", ["", "a.b", "$JS.ACK.S.c.1.x.3.17.5", "." * 20])
def test_what_has_no_numbers(reply: str) -> None:
    with pytest.raises(ClusterError):
        numbers(reply)


def test_headers_of_a_stored_message() -> None:
    assert parse_headers(b"NATS/1.0\r\nA: b\r\nC:d:e\r\nnone\r\n\r\n") == {"A": "b", "C": "d:e"}
    assert parse_headers(b"") == {} == parse_headers(b"\xff")
