"""Owners of rooms with a real NATS server: several nodes in one process, one bucket."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.names import Names
from mixer_core.cluster.records import NodeRecord, RoomRecord, decode_record
from mixer_core.runtime.errors import ClusterError
from mixer_core.runtime.units import MS_NS
from signaling.cluster import owner_shell
from signaling.cluster.owner_actions import Here, Nobody, There, Verdict
from signaling.cluster.owner_shell import OwnerShell, now_ns
from signaling.cluster.owners import KEEP_S
from signaling.cluster.placer import Placer
from signaling.cluster.remaking import Joined
from signaling.cluster.rooms_bucket import RESTART, RoomsBucket
from tests.mixer_core.cluster.test_connection import connected, run
from tests.support.nats_server import NatsServer, needs_nats
from tests.support.waiting import until

pytestmark = [pytest.mark.processes, needs_nats]
log = logging.LoggerAdapter(logging.getLogger("test"), {})
WAIT_NS = 200 * MS_NS
"""Before the bucket of rooms is made."""


@dataclass
class Node:
    """One node's shell, and what it was told."""

    name: str
    placer: Placer
    rooms: RoomsBucket
    owned: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    unix_s: int = 0
    """What its clock shows."""
    shell: OwnerShell = field(init=False)

    def __post_init__(self) -> None:
        self.shell = OwnerShell(
            *(self.name, self.rooms, self.placer, self, log), unix_s=lambda: self.unix_s
        )

    @property
    def bucket(self) -> Bucket:
        return self.rooms.bucket

    def own(self, room: str, epoch: int) -> None:
        self.owned[room] = epoch

    def lose(self, room: str, why: str) -> None:
        self.owned.pop(room, None)
        self.lost.append(room)


@dataclass
class Cluster:
    """The nodes; ``incarnations`` are those that hold their leases."""

    nodes: list[Node]
    joined: Joined | None = None
    """How all of them stand in the bucket of nodes."""
    incarnations: dict[str, str] = field(default_factory=dict)

    def verdict(self, node: str, incarnation: str, now_ns: int) -> Verdict:
        return "live" if self.incarnations.get(node) == incarnation else "lost"

    def begin(self, node: Node, incarnation: str) -> None:
        self.incarnations[node.name] = incarnation
        node.shell.lease_begins(incarnation)
        record = NodeRecord(node=node.name, incarnation=incarnation, capacity=1_000)
        for other in self.nodes:
            other.placer.seen(record, now_ns())

    def end(self, node: Node) -> None:
        del self.incarnations[node.name]
        node.shell.lease_ends()
        for other in self.nodes:
            other.placer.gone(node.name)

    async def join(self, room: str, entry: Node) -> str:
        """What happens to an offer that comes to ``entry``; the node that took it.

        Who is told to ask again does: NATS may answer late where the machine is busy.
        """
        for _ in range(10):
            found = await self._offered(room, entry)
            if isinstance(found, str):
                return found
            assert found.retry_after_s, found
            await asyncio.sleep(found.retry_after_s)
        raise AssertionError(f"nobody takes {room}: {found}")

    async def _offered(self, room: str, entry: Node) -> str | Nobody:
        for _ in range(3):
            found = await entry.shell.claim(room)
            if isinstance(found, There):
                target = next(node for node in self.nodes if node.name == found.node)
                found = await target.shell.claim(room, here=True)
                entry = target if isinstance(found, Here) else entry
            if isinstance(found, Here):
                return entry.name
            if isinstance(found, Nobody):
                return found
        raise AssertionError(f"nobody takes {room}")


@asynccontextmanager
async def cluster(server: NatsServer, names: Names, count: int = 3) -> AsyncIterator[Cluster]:
    rng = random.Random(3)
    async with connected(server) as connection:
        made = Cluster([])
        for name in "abc"[:count]:
            placer = Placer(name, lambda: rng.getrandbits(32), made.verdict)
            jetstream = JetStream(connection)
            rooms, leases = Bucket(jetstream, names.rooms), Bucket(jetstream, names.nodes)
            bucket = RoomsBucket(rooms, leases, lambda: made.joined, log, WAIT_NS)
            made.nodes.append(Node(name, placer, bucket))
        await made.nodes[0].shell.prepare()
        for node in made.nodes:
            made.begin(node, f"{node.name}1")
        try:
            yield made
        finally:
            await asyncio.gather(*(node.shell.close() for node in made.nodes))


def test_two_hundred_rooms_at_once_have_one_owner_each(
    nats_server: NatsServer, names: Names
) -> None:
    """Two people come to each room at the same time, through different nodes."""

    async def test() -> None:
        async with cluster(nats_server, names) as made:
            rooms = [f"room-{number}" for number in range(200)]
            offers = [
                (room, made.nodes[(n + k) % 3]) for n, room in enumerate(rooms) for k in (0, 1)
            ]
            taken = await asyncio.gather(*(made.join(room, entry) for room, entry in offers))
            assert taken[0::2] == taken[1::2], "both people of a room are at one node"
            owners = [node.name for room in rooms for node in made.nodes if room in node.owned]
            assert owners == taken[0::2]
            counts = Counter(owners)
            assert max(counts.values()) - min(counts.values()) <= 20, counts
            assert {node.name: len(node.shell.rooms()) for node in made.nodes} == counts
            for room in rooms[:3]:
                stored = await made.nodes[0].bucket.get(room)
                assert stored is not None
                record = decode_record(stored.value, RoomRecord)
                assert record.node == taken[2 * rooms.index(room)] and record.epoch == 1

    run(test)


def test_a_room_is_taken_over_claimed_again_given_and_released(
    nats_server: NatsServer, names: Names
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, 2) as made:
            a, b = made.nodes
            assert await a.shell.claim("kitchen", here=True) == Here(1)
            assert await b.shell.where("kitchen") == There("a")
            made.end(a)
            assert await b.shell.where("kitchen") == Nobody()
            assert await b.shell.claim("kitchen") == Here(2)
            made.begin(a, "a2")
            a.shell.occupied(["kitchen"])
            await until(lambda: a.lost == ["kitchen"], "a hears that it has lost the room")
            made.end(b)
            made.begin(b, "b2")
            b.shell.occupied(["kitchen"])
            await until(lambda: b.owned == {"kitchen": 3}, "b claims its room again")
            assert b.shell.target("kitchen", {"b"}) == ("a", "")
            assert b.shell.target("kitchen", {"a", "b"})[1]
            await b.shell.announce("kitchen", "a")
            assert await b.shell.give("kitchen", "a") and b.lost == ["kitchen"]
            assert await a.shell.take("kitchen") == "" and a.owned == {"kitchen": 4}
            assert await b.shell.take("kitchen") == "a has it"
            await a.shell.refused("kitchen")
            assert a.shell.rooms() == {} and await b.shell.where("kitchen") == Nobody()

    run(test)


def test_a_room_that_the_bucket_has_forgotten_has_a_greater_epoch_than_all_before(
    nats_server: NatsServer, names: Names
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, 1) as made:
            (a,) = made.nodes
            a.unix_s = 1_795_000_000
            assert await a.shell.claim("kitchen", here=True) == Here(a.unix_s)
            await a.shell.refused("kitchen")
            assert await a.shell.claim("kitchen", here=True) == Here(a.unix_s + 1)
            await a.shell.refused("kitchen")
            await a.bucket._jetstream.purge(f"KV_{names.rooms}")
            a.unix_s += KEEP_S
            assert await a.shell.claim("kitchen", here=True) == Here(a.unix_s)

    run(test)


class Renewed(Bucket):
    """A bucket of nodes in which a node renews its lease between any two looks."""

    async def state(self) -> tuple[str, int]:
        await self.put("c", b"{}")
        return await super().state()


async def join_again(made: Cluster, nodes: Bucket) -> None:
    """All nodes have new leases, in the bucket of nodes that is there now."""
    for node in made.nodes:
        made.end(node)
        made.begin(node, f"{node.name}{(await nodes.state())[1]}")
    made.joined = Joined((await nodes.state())[0], now_ns())


def test_the_bucket_of_rooms_is_not_made_anew_while_leases_of_before_hold(
    nats_server: NatsServer, names: Names, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, 2) as made:
            a, b = made.nodes
            jetstream = a.bucket._jetstream
            nodes = Bucket(jetstream, names.nodes)
            await nodes.ensure()
            made.joined = Joined((await nodes.state())[0], now_ns())
            for node in (a, b):
                node.shell.occupied([])
            await until(lambda: not (a.rooms.is_open or b.rooms.is_open), "they know it")
            assert await a.shell.claim("kitchen", here=True) == Here(1)
            await jetstream._ask(f"STREAM.DELETE.KV_{names.rooms}", {})
            assert isinstance(await b.shell.claim("kitchen", here=True), Nobody)
            await until(lambda: RESTART in caplog.text, "somebody is told")
            assert not await b.bucket.is_there() and a.owned == {"kitchen": 1} and not b.owned
            third, fourth = (
                RoomsBucket(b.bucket, leases, lambda: None, log, WAIT_NS)
                for leases in (Renewed(jetstream, names.nodes), nodes)
            )
            with pytest.raises(ClusterError, match="stop all nodes"):
                await third.prepare()
            assert not await b.bucket.is_there()
            await fourth.prepare()
            assert await b.bucket.is_there()

    run(test)


def test_the_bucket_of_rooms_is_made_anew_by_a_lease_in_another_bucket_of_nodes(
    nats_server: NatsServer, names: Names
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, 2) as made:
            a, b = made.nodes
            jetstream = a.bucket._jetstream
            nodes = Bucket(jetstream, names.nodes)
            await nodes.ensure()
            made.joined = Joined((await nodes.state())[0], now_ns())
            a.shell.occupied([])
            await until(lambda: not a.rooms.is_open)
            assert await a.shell.claim("kitchen", here=True) == Here(1)
            for name in (names.rooms, names.nodes):
                await jetstream._ask(f"STREAM.DELETE.KV_{name}", {})
            assert isinstance(await b.shell.claim("kitchen", here=True), Nobody)
            await nodes.ensure()
            assert isinstance(await b.shell.claim("kitchen", here=True), Nobody)
            assert not await b.bucket.is_there(), "the leases are of the bucket that is lost"
            await join_again(made, nodes)
            since_ns = now_ns()
            while not await a.bucket.is_there():
                a.shell.occupied(["kitchen"])
                await asyncio.sleep(0.01)
            assert now_ns() - since_ns >= WAIT_NS, "others may not have noticed yet"
            while not a.owned.get("kitchen", 0) > 1:
                a.shell.occupied(["kitchen"])
                await asyncio.sleep(0.01)

    run(test)


def test_whatever_goes_wrong_with_a_record_the_next_question_is_asked(
    nats_server: NatsServer, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*arguments: object) -> None:
        raise KeyError("nobody thought of it")

    async def test() -> None:
        async with cluster(nats_server, names, 1) as made:
            (a,) = made.nodes
            for what in ("get", "create"):
                with monkeypatch.context() as broken:
                    broken.setattr(a.bucket, what, fails)
                    found = await a.shell.claim("kitchen", here=True)
                    assert isinstance(found, Nobody) and "see the log" in found.why
            assert isinstance(await a.shell.claim("kitchen", here=True), Here)

    run(test)


def test_who_cannot_be_told_of_a_room_keeps_nobody_from_an_answer(
    nats_server: NatsServer, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(room: str, epoch: int) -> None:
        raise KeyError("nobody thought of it")

    async def test() -> None:
        async with cluster(nats_server, names, 1) as made:
            (a,) = made.nodes
            monkeypatch.setattr(a, "own", fails)
            assert isinstance(await a.shell.claim("kitchen", here=True), Here)

    run(test)


def test_who_comes_while_a_node_starts_waits_for_its_lease_but_not_for_long(
    nats_server: NatsServer, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, 1) as made:
            (a,) = made.nodes
            late = Node("late", a.placer, a.rooms)
            monkeypatch.setattr(owner_shell, "JOIN_LIMIT_S", 0.05)
            found = await late.shell.claim("kitchen", here=True)
            assert isinstance(found, Nobody) and found.retry_after_s
            monkeypatch.setattr(owner_shell, "JOIN_LIMIT_S", 60.0)
            coming = [
                asyncio.create_task(late.shell.claim(room, here=True))
                for room in ("kitchen", "den")
            ]
            await asyncio.sleep(0)
            assert isinstance(await late.shell.where("kitchen"), Nobody), "who looks has no time"
            made.begin(late, "0001")
            found_there = await asyncio.gather(*coming)
            assert all(isinstance(one, Here) for one in found_there)
            ending = Node("ending", a.placer, a.rooms)
            waits = asyncio.create_task(ending.shell.claim("hall", here=True))
            await asyncio.sleep(0)
            await ending.shell.close()
            assert await waits == Nobody("this machine is restarting", 2)

    run(test)


def test_while_nats_is_away_what_is_owned_is_known_and_nothing_else_is_taken() -> None:
    async def test(server: NatsServer) -> None:
        async with cluster(server, Names("away"), 2) as made:
            a = made.nodes[0]
            assert await a.shell.claim("kitchen", here=True) == Here(1)
            server.stop(signal.SIGKILL)
            assert await a.shell.claim("kitchen") == Here(1)
            found = await a.shell.claim("hall")
            assert isinstance(found, Nobody) and "NATS" in found.why and found.retry_after_s
            await until(lambda: not a.bucket._jetstream.connection.is_connected, "it is noticed")
            assert not await a.shell.give("kitchen", "b"), "it was certainly not written"
            assert a.shell.rooms() == {"kitchen": 1} and a.lost == []
            server.start()
            assert await a.bucket._jetstream.connection.wait_connected(30.0)
            assert await a.shell.claim("hall", here=True) == Here(1)
        assert (await a.shell.where("kitchen")) == Nobody("this machine is restarting", 2)

    with NatsServer() as server:
        run(lambda: test(server))
