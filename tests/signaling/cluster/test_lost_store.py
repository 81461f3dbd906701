"""NATS comes back without anything: what it had is made again, by who runs."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from mixer_core.bus.control import SpentElsewhere
from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.names import Names
from mixer_core.journal.file import journal_path
from mixer_core.journal.records import ClosedRecord
from mixer_core.runtime import logs
from mixer_core.runtime.errors import ClusterError
from signaling.cluster.money import MoneyShare
from signaling.cluster.owner_actions import Here
from signaling.cluster.owner_shell import ASK_LIMIT_S, IO_LIMIT_S
from signaling.cluster.pledges import KEY_NAME, Pledges
from signaling.cluster.shared_access import KEY
from tests.mixer_core.cluster.test_connection import connected, run
from tests.openai_link.transcript.journal_writer import item
from tests.support.nats_server import NatsServer, needs_nats
from tests.support.waiting import PATIENCE_S, until

from . import test_filling, test_node, test_owner_shell
from .test_money_share import DAY, spend, today
from .test_shared_access import now_s, sharing

pytestmark = [pytest.mark.processes, needs_nats]
NAMES = Names("wiped")
MANY = 3_000
"""Revisions of the bucket of nodes before it is lost: more than any node writes in this test."""


def lose(server: NatsServer) -> None:
    """NATS ends, and its disk is exchanged."""
    server.stop()
    shutil.rmtree(server.dir / "store")
    server.start()


@asynccontextmanager
async def seen_by(server: NatsServer, bucket: str) -> AsyncIterator[Bucket]:
    """A bucket, by somebody who makes none."""
    async with connected(server) as connection:
        yield Bucket(JetStream(connection), bucket)


def test_nodes_see_each_other_again_and_a_killed_one_is_lost(tmp_path: Path) -> None:
    async def test(server: NatsServer) -> None:
        async with test_node.cluster(server, NAMES, tmp_path, "a", "b", "c") as nodes:
            jetstream = JetStream(nodes[0].connection)
            for _ in range(MANY // 100):
                some = (jetstream.publish(f"$KV.{NAMES.nodes}.zz", b"{}") for _ in range(100))
                await asyncio.gather(*some)
            a, b, c = nodes
            bucket = Bucket(jetstream, NAMES.nodes)
            made, _ = await bucket.state()

            async def is_late() -> bool:
                entry = await bucket.get("c")
                return entry is not None and entry.revision > MANY + 20  # Not its first one then.

            await until(is_late)
            await asyncio.to_thread(lose, server)

            async def is_back() -> bool:
                with contextlib.suppress(ClusterError):
                    return (await bucket.state())[0] != made and await bucket.get("c") is not None
                return False

            await until(is_back)
            await test_node.until_true(c.holds)
            incarnation = c.node.incarnation

            def is_live() -> bool:
                views = [view for one in (a, b) for view in one.node.nodes()]
                live = [(v.record.node, v.record.incarnation) for v in views if v.is_live]
                known = [len(v.record.known) for v in views if v.record.node == "c"]
                return live.count(("c", incarnation)) == 2 and known == [2, 2]

            await test_node.until_true(is_live)
            assert (await bucket.state())[1] < MANY, "the revisions of before are not reached"
            await c.kill()
            nodes.remove(c)
            for one in (a, b):
                await test_node.until_true(
                    lambda one=one: one.node.verdict("c", incarnation) == "lost"
                )

    with NatsServer() as server:
        asyncio.run(test(server))


def test_rooms_are_claimed_again() -> None:
    async def test(server: NatsServer) -> None:
        async with test_owner_shell.cluster(server, NAMES, 2) as made:
            a = made.nodes[0]
            assert await a.shell.claim("kitchen", here=True) == Here(1)
            await asyncio.to_thread(lose, server)
            nodes = Bucket(a.bucket._jetstream, NAMES.nodes)
            assert await nodes._jetstream.connection.wait_connected(PATIENCE_S)
            await nodes.ensure()
            await test_owner_shell.join_again(made, nodes)
            async with asyncio.timeout(PATIENCE_S):
                while await a.shell.claim("kitchen", here=True) != Here(2):
                    await asyncio.sleep(0.1)
            assert a.owned["kitchen"] == 2

    with NatsServer() as server:
        run(lambda: test(server))


def test_what_was_spent_is_told_again(tmp_path: Path) -> None:
    told: list[SpentElsewhere] = []
    log = logs.get("signaling")

    async def test(server: NatsServer) -> None:
        async with connected(server) as first, connected(server) as second:
            shares = [
                MoneyShare(
                    Bucket(JetStream(connection), NAMES.money),
                    *(node, tmp_path / node, tell, log),
                    today=today,
                )
                for node, connection, tell in (
                    ("one", first, lambda spent: None),
                    ("two", second, told.append),
                )
            ]
            spend(tmp_path / "one", "r1", 1.5)
            for share in shares:
                share.start()
            await until(lambda: told[-1:] == [SpentElsewhere(DAY, 1.5)])
            await asyncio.to_thread(lose, server)
            spend(tmp_path / "one", "r2", 1.0)
            await until(lambda: told[-1:] == [SpentElsewhere(DAY, 2.5)])
            for share in shares:
                await share.close()

    with NatsServer() as server:
        run(lambda: test(server))


def test_keys_stay_and_invitations_are_shared_again(tmp_path: Path) -> None:
    async def test(server: NatsServer) -> None:
        async with (
            connected(server) as first,
            connected(server) as second,
            sharing(first, NAMES, tmp_path / "one") as one,
            seen_by(server, NAMES.keys) as keys,
        ):
            pledges = Pledges(JetStream(second), NAMES, logs.get("signaling"))
            pledges.start()

            async def kept(name: str) -> bytes:
                async with asyncio.timeout(PATIENCE_S):
                    while not keys._jetstream.connection.is_connected or (
                        (entry := await keys.get(name)) is None
                    ):
                        await asyncio.sleep(0.1)
                return entry.value

            secret = await kept(KEY_NAME)
            made, _ = one.invite(["den"], "speak", "Ada", 3_600, False, now_s())
            await asyncio.to_thread(lose, server)
            assert await kept(KEY_NAME) == secret
            assert await kept(KEY) == one.key
            async with connected(server) as third, sharing(third, NAMES, tmp_path / "new") as new:
                await until(lambda: made.id in new.book().invitations)
                assert new.key == one.key
            await pledges.close()

    with NatsServer() as server:
        run(lambda: test(server))


def test_a_room_is_looked_up_within_its_limit() -> None:
    async def test(server: NatsServer) -> None:
        async with seen_by(server, NAMES.rooms) as bucket:
            await bucket.ensure()
            server.pause()
            with pytest.raises(ClusterError):
                await bucket.get("room", 0.05)
            assert bucket._jetstream.connection.is_connected, "longer, and that would be noticed"
            server.resume()

    assert 3 * IO_LIMIT_S <= ASK_LIMIT_S, "a read, a write, and what is read after a refusal"
    with NatsServer() as server:
        run(lambda: test(server))


def test_transcripts_are_filled_from_the_stream_that_is_there_now(short_dir: Path) -> None:
    async def test() -> None:
        with NatsServer() as server:
            path = journal_path(short_dir / "a")
            say = partial(test_filling.said, server.settings(name=NAMES.cluster, node="a"), path)
            first = await asyncio.to_thread(say, (item(1),))
            async with test_filling.node(server, short_dir, NAMES, "b") as b:
                assert await b.words() == [(first, "i1")]
                await asyncio.sleep(1.1)  # A stream is known by the second in which it was made.
                await asyncio.to_thread(lose, server)
                again = await asyncio.to_thread(say, (ClosedRecord(1), item(2)), epoch=2)
                await until(lambda: b.shared._connection.is_connected)
                assert (again, "i2") in await b.words()

    asyncio.run(test())
