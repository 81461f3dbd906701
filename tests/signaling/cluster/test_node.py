"""Nodes of a cluster with a real NATS server: they join, are lost, hold by each other's word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from mixer_core.cluster.connection import Connection
from mixer_core.cluster.incarnations import DIGITS, next_incarnation
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.lease_actions import Terms
from mixer_core.cluster.names import Names
from mixer_core.cluster.records import NodeRecord, encode_record
from mixer_core.runtime import logs
from mixer_core.runtime.units import MS_NS, S_NS
from signaling.cluster import bygone
from signaling.cluster.node import ClusterNode
from signaling.cluster.node_views import Listeners
from signaling.cluster.pledges import PATH, SIGNATURE, Pledges
from tests.support.nats_server import NatsServer, names, nats_server, needs_nats
from tests.support.waiting import PATIENCE_S

__all__ = ["names", "nats_server"]
pytestmark = [pytest.mark.processes, needs_nats]
QUICK = Terms(lease_ns=900 * MS_NS, renew_ns=300 * MS_NS, close_ns=50 * MS_NS)
PATIENT = Terms(lease_ns=30 * S_NS, renew_ns=300 * MS_NS, close_ns=50 * MS_NS)
"""Where a machine that stands still for a moment must not lose a lease."""
WAIT_S = QUICK.wait_ns(QUICK.lease_ns) / 1e9


class One:
    """A node, its answers to others, and what it tells."""

    def __init__(
        self,
        server: NatsServer,
        names: Names,
        name: str,
        state_dir: Path,
        terms: Terms = QUICK,
    ) -> None:
        log = logs.get("signaling")
        self.connection = Connection(server.settings(), name)
        jetstream = JetStream(self.connection)
        self.takers = 0
        self.pledges = Pledges(jetstream, names, log, on_word=self._heard)
        self.told: list[str] = []
        self.url = ""
        self.node = ClusterNode(
            jetstream,
            names,
            lambda: NodeRecord(name, "", public_url=self.url),
            state_dir,
            self.pledges.ask,
            Listeners(
                lease_begins=lambda incarnation: self.told.append(f"begins {incarnation}"),
                lease_pauses=lambda why: self.told.append(f"pauses: {why}"),
                lease_resumes=lambda incarnation: self.told.append(f"resumes {incarnation}"),
                lease_ends=lambda why: self.told.append(f"ends: {why}"),
                lost=lambda node: self.told.append(f"lost {node}"),
            ),
            log,
            terms=terms,
        )

    async def start(self) -> None:
        answer = self.pledges.middleware(
            self.node.name, self.node.asked, lambda: self.node.lease.held
        )
        self.app = web.Application(middlewares=[answer])
        self._runner = web.AppRunner(self.app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self.connection.start()
        self.pledges.start()
        self.node.start()

    def _heard(self, takes: bool) -> None:
        self.takers += takes

    async def kill(self) -> None:
        """As if the process were killed: nothing is said."""
        await self.node.close()
        await self.pledges.close()
        await self.connection.close()
        await self._runner.cleanup()

    def holds(self) -> bool:
        return bool(self.node.incarnation)


@asynccontextmanager
async def cluster(
    server: NatsServer, names: Names, state_dir: Path, *which: str, terms: Terms = QUICK
) -> AsyncIterator[list[One]]:
    nodes = [One(server, names, name, state_dir, terms) for name in which]
    try:
        for one in nodes:
            await one.start()
        for one in nodes:
            await until_true(lambda one=one: len(one.node.nodes()) == len(which) and one.holds())
            await until_true(lambda one=one: len(record(one).known) == len(which) - 1)
        yield nodes
    finally:
        for one in nodes:
            await one.kill()


def record(one: One) -> NodeRecord:
    found = one.node.record(one.node.name)
    assert found is not None
    return found


async def until_true(ready: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(limit_s):
        while not ready():
            await asyncio.sleep(0.02)


def test_a_killed_node_is_lost_and_comes_back_as_another_incarnation(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, tmp_path, "a", "b") as (a, b):
            before = a.node.incarnation
            await until_true(lambda: b.node.is_live("a"))
            await a.kill()
            await until_true(lambda: b.node.verdict("a", before) == "lost")
            assert "lost a" in b.told and not b.node.is_live("a")
            await until_true(lambda: told_of(b).gone)
            assert not told_of(b).left_ms
            again = One(nats_server, names, "a", tmp_path)
            await again.start()
            try:
                await until_true(again.holds)
                assert again.node.incarnation > before
                await until_true(lambda: b.node.is_live("a"))
            finally:
                await again.kill()

    asyncio.run(test())


def test_a_restarted_node_joins_at_once_and_its_old_rooms_are_free_after_the_wait(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    async def test() -> None:
        usual = Terms()
        async with cluster(nats_server, names, tmp_path, "a", "b", terms=usual) as (a, b):
            before = a.node.incarnation
            await a.kill()
            again = One(nats_server, names, "a", tmp_path, usual)
            await again.start()
            try:
                await until_true(again.holds)
                await until_true(lambda: b.node.verdict("a", before) == "lost")
                assert b.node.verdict("a", again.node.incarnation) == "live"
                assert "lost a" not in b.told
            finally:
                await again.kill()

    asyncio.run(test())


def test_without_nats_the_nodes_go_on_by_each_others_word_until_one_is_missing(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, tmp_path, "a", "b", terms=Terms()) as (a, b):
            held = [one.node.incarnation for one in (a, b)]
            nats_server.pause()
            try:
                await until_true(lambda: a.node.lease.pledged and b.node.lease.pledged)
                await asyncio.sleep(2 * Terms().lease_ns / S_NS)
                assert [one.node.incarnation for one in (a, b)] == held
                await b.kill()
                await until_true(lambda: not a.holds())
                await until_true(lambda: "has not answered in time" in a.told[-1])
            finally:
                nats_server.resume()
            await until_true(a.holds)
            assert a.node.incarnation > held[0]

    asyncio.run(test())


def test_who_cannot_be_told_of_a_pause_keeps_no_node_from_its_next_lease(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    def fails(why: str) -> None:
        raise KeyError(why)

    async def test() -> None:
        async with cluster(nats_server, names, tmp_path, "a", "b") as (a, b):
            before = a.node.incarnation
            a.node._tell = replace(a.node._tell, lease_pauses=fails)
            nats_server.pause()
            try:
                await b.kill()
                await until_true(lambda: not a.holds())
            finally:
                nats_server.resume()
            await until_true(a.holds)
            assert a.node.incarnation > before

    asyncio.run(test())


def test_facts_that_cannot_be_told_keep_a_node_out_for_no_longer_than_that(
    nats_server: NatsServer, names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, tmp_path, "a", "b") as (a, b):
            tries = 0

            def fails() -> NodeRecord:
                nonlocal tries
                tries += 1
                raise KeyError("nobody thought of it")

            with monkeypatch.context() as broken:
                broken.setattr(a.node._deeds, "_facts", fails)
                await until_true(lambda: not a.holds() and tries > 3)
            await until_true(lambda: a.holds() and b.node.is_live("a"))

    asyncio.run(test())


def test_a_mistake_while_a_node_joins_keeps_it_out_for_no_longer_than_that(
    nats_server: NatsServer, names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        one = One(nats_server, names, "a", tmp_path)
        prepare, tries = one.node._store.prepare, 0

        async def fails_once(replicas: int) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise KeyError("nobody thought of it")
            await prepare(replicas)

        monkeypatch.setattr(one.node._store, "prepare", fails_once)
        await one.start()
        try:
            await until_true(one.holds)
        finally:
            await one.kill()

    asyncio.run(test())


def test_the_record_of_a_lost_node_is_removed_once_nothing_can_name_it_and_it_may_come_back(
    nats_server: NatsServer, names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, tmp_path, "a", "b", "c") as (a, b, c):
            before = b.node.incarnation
            await b.kill()
            await until_true(lambda: all(one.node.verdict("b", before) == "lost" for one in (a, c)))
            assert all(one.node.record("b") is not None for one in (a, c))
            monkeypatch.setattr(bygone, "KEPT_NS", 1)
            await until_true(lambda: all(one.node.record("b") is None for one in (a, c)))
            monkeypatch.undo()
            assert all(one.holds() for one in (a, c))
            again = One(nats_server, names, "b", tmp_path)
            await again.start()
            try:
                await until_true(lambda: again.holds() and a.node.is_live("b"))
                assert again.node.incarnation > before
            finally:
                await again.kill()

    asyncio.run(test())


@pytest.mark.parametrize("digit", ["z", "f"])
def test_a_damaged_record_of_its_name_keeps_no_node_out(
    nats_server: NatsServer, names: Names, tmp_path: Path, digit: str
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, tmp_path, "b") as (b,):
            damaged = NodeRecord("a", digit * DIGITS, gone=True)
            await b.node._store._bucket.put("a", encode_record(damaged))
            a = One(nats_server, names, "a", tmp_path)
            await a.start()
            try:
                await until_true(lambda: a.holds() and b.node.is_live("a"))
            finally:
                await a.kill()

    asyncio.run(test())


def test_a_word_that_arrived_without_an_answer_is_found_where_the_next_one_is_refused(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    """Node b has called node a lost, and was not told so; it sees no changes."""

    async def test() -> None:
        async with cluster(nats_server, names, tmp_path, "a", "b") as (a, b):
            before = a.node.incarnation
            assert b.node._watch is not None
            await b.node._watch.close()
            await a.kill()
            entry = await b.node._store.entry("a")
            assert entry is not None
            gone = replace(told_of(b), gone=True)
            await b.node._store._bucket.update("a", encode_record(gone), entry.revision)
            await until_true(lambda: b.node.verdict("a", before) == "lost")
            assert "lost a" in b.told and not b.node.asked("a", before, b.node.incarnation)

    asyncio.run(test())


@pytest.mark.parametrize("text", ["{0}", "{0}\n{1}", "{1}\n{0}", "rubbish {0} "])
def test_all_incarnations_that_are_noted_are_its_own(
    nats_server: NatsServer, names: Names, tmp_path: Path, text: str
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, tmp_path, "a") as (a,):
            held = a.node.incarnation
        file, all_of_them = sorted(tmp_path.iterdir())
        assert file.read_text() == held and all_of_them.name == f"{file.name}.all"
        all_of_them.unlink()  # As the release before leaves it.
        file.write_text(text.format(held, next_incarnation(held, 0)))
        async with cluster(nats_server, names, tmp_path, "a") as (a,):
            assert a.node.incarnation > next_incarnation(held, 0)

    asyncio.run(test())


def test_a_pledge_is_given_to_nodes_only(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, tmp_path, "a", "b") as (a, b):
            other = record(b)
            own = b.node.incarnation
            said = await a.pledges.ask(other, own, "a", a.node.incarnation)
            assert not said, "who reaches NATS promises nothing"
            assert a.takers == 1, "it says that it takes rooms"
            assert a.pledges._http is not None
            for headers in ({}, {SIGNATURE: "0" * 64}, {SIGNATURE: "ä"}):
                async with a.pledges._http.post(
                    b.url + PATH, data=b"{}", headers=headers
                ) as response:
                    assert response.status == 403
            big = b"x" * 5_000
            async with a.pledges._http.post(b.url + PATH, data=big) as response:
                assert response.status == 413
            async with a.pledges._http.post(
                b.url + PATH, data=b"[]", headers={SIGNATURE: a.pledges._sign(b"[]")}
            ) as response:
                assert response.status == 400

    asyncio.run(test())


def test_a_node_answers_for_itself_only(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, tmp_path, "a", "b") as (a, b):
            willing = b.pledges.middleware("b", lambda node, incarnation, own: True)
            async with TestServer(web.Application(middlewares=[willing])) as shared:
                url = str(shared.make_url("/"))
                said = [
                    await a.pledges.ask(replace(record(one), public_url=url), "", "x", "1")
                    for one in (a, b)
                ]
            assert said == [False, True], "nodes behind one address are different nodes"

    asyncio.run(test())


def test_who_leaves_is_not_waited_for(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, tmp_path, "a", "b", terms=PATIENT) as (a, b):
            before = a.node.incarnation
            a.node.tell()  # A renewal is under way.
            await a.node.leave()
            await until_true(lambda: b.node.verdict("a", before) == "lost", 15.0)
            assert told_of(b).gone and told_of(b).left_ms

    asyncio.run(test())


def test_who_is_stopped_with_rooms_is_waited_for_and_has_left_all_the_same(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    async def test() -> None:
        async with cluster(nats_server, names, tmp_path, "a", "b") as (a, b):
            before = a.node.incarnation
            await a.node.leave(has_rooms=True)
            await until_true(lambda: told_of(b).left_ms > 0)
            await a.kill()
            await until_true(lambda: b.node.verdict("a", before) == "lost")
            assert told_of(b).gone and told_of(b).left_ms
            again = One(nats_server, names, "a", tmp_path)
            await again.start()
            await until_true(lambda: b.node.is_live("a") and not told_of(b).left_ms)
            await again.kill()

    asyncio.run(test())


def told_of(other: One) -> NodeRecord:
    """What another node knows of node a."""
    record = other.node.record("a")
    assert record is not None
    return record
