"""When a node leaves a NATS server that is connected: by the answers that it gets, in fake time."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.connection import Connection
from mixer_core.cluster.doubt import FIRST_NS
from mixer_core.cluster.jetstream import UNDER_WAY, WRONG_LAST_SEQUENCE, JetStream
from mixer_core.cluster.lease_actions import Claim
from mixer_core.cluster.messages import Message
from mixer_core.cluster.names import Names
from mixer_core.cluster.records import NodeRecord
from mixer_core.cluster.settings import ClusterSettings
from mixer_core.runtime import boot_clock, logs
from mixer_core.runtime.errors import ClusterError
from mixer_core.runtime.units import MS_NS
from signaling.cluster.node_store import NodeStore
from tests.mixer_core.cluster.test_connection import run
from tests.support.nats_server import NatsServer, needs_nats
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.processes, needs_nats]
STORE_FULL = 10047
STEP_NS = FIRST_NS * 3 // 4
"""Two of them are too long, one is not."""


@dataclass
class Leader:
    """Stands for the leader of the bucket: answers writes, with ``code`` or with silence.

    Reads go to the server itself, which has no such bucket and says so.
    """

    code: int = 0
    is_silent: bool = False

    async def answer(self, message: Message) -> bytes:
        if self.is_silent:
            await asyncio.Event().wait()
        if self.code:
            return b'{"stream": "S", "error": {"err_code": %d, "description": "no"}}' % self.code
        return b'{"stream": "S", "seq": 7}'


def on_disk(names: Names, file: Path) -> NodeStore:
    """A store of a process that was just started, and never reaches NATS."""
    connection = Connection(ClusterSettings(), "test")
    bucket = Bucket(JetStream(connection), names.nodes)
    return NodeStore(bucket, connection, file, MS_NS, logs.get("signaling"))


def test_incarnations_are_noted_so_that_the_release_before_knows_the_newest(
    names: Names, tmp_path: Path
) -> None:
    file, own = tmp_path / "incarnation-c-a", tuple(f"{number:016x}" for number in (3, 1, 2, 5))

    async def note(*incarnations: str) -> None:
        await on_disk(names, file).note(incarnations)

    assert on_disk(names, file).noted() == ()
    run(lambda: note(*own))
    assert file.read_text() == own[-1], "one line"
    assert on_disk(names, file).noted() == own
    later = f"{7:016x}"
    file.write_text(later)  # As that release notes its own.
    assert on_disk(names, file).noted() == (*own, later)
    run(lambda: note(*own, later))
    file.with_name(f"{file.name}.all").unlink()  # As where that release was the first one.
    assert on_disk(names, file).noted() == (later,)
    file.write_text("\n".join(own))  # As a release in between noted them.
    assert on_disk(names, file).noted() == own


async def write(store: NodeStore) -> None:
    with contextlib.suppress(ClusterError, TimeoutError):
        await store.write(NodeRecord("a", "0" * 16), Claim("0" * 16, 1), 6)


@pytest.mark.parametrize(
    ("between", "then", "is_left"),
    [
        ("nothing", {"is_silent": True}, True),
        ("read", {"is_silent": True}, True),
        ("nothing", {"code": UNDER_WAY}, True),
        ("write", {"is_silent": True}, False),
        ("conflict", {"is_silent": True}, False),
        ("full", {"is_silent": True}, True),
        ("connect", {"is_silent": True}, False),
        ("nothing", {"code": STORE_FULL}, False),
        ("nothing", {"code": WRONG_LAST_SEQUENCE}, False),
        ("nothing", {}, False),
    ],
)
def test_a_server_is_left_where_it_decided_no_write_for_too_long(
    monkeypatch: pytest.MonkeyPatch,
    nats_server: NatsServer,
    names: Names,
    tmp_path: Path,
    between: str,
    then: dict[str, Any],
    is_left: bool,
) -> None:
    now_ns = 1_000 * FIRST_NS
    monkeypatch.setattr(boot_clock, "now_ns", lambda: now_ns)

    async def test() -> None:
        nonlocal now_ns
        settings = replace(nats_server.settings(), servers=(nats_server.url, "nats://localhost:1"))
        made: list[str] = []
        connection = Connection(settings, "test", on_connect=lambda: made.append("one"))
        leader = Leader()
        bucket = Bucket(JetStream(connection), names.nodes)
        store = NodeStore(bucket, connection, tmp_path / "x", 300 * MS_NS, logs.get("signaling"))
        connection.start()
        assert await connection.wait_connected(PATIENCE_S)
        await connection.serve(f"$KV.{names.nodes}.>", leader.answer)
        await write(store)
        now_ns += STEP_NS
        match between:
            case "read":
                assert await store.entry("a") is None
            case "write" | "conflict" | "full":
                codes = {"write": 0, "conflict": WRONG_LAST_SEQUENCE, "full": STORE_FULL}
                leader.code = codes[between]
                await write(store)
            case "connect":
                connection._lost.set()
                await until(lambda: len(made) == 2)
        assert not connection._lost.is_set()
        now_ns += STEP_NS
        leader.code, leader.is_silent = then.get("code", 0), then.get("is_silent", False)
        await write(store)
        assert connection._lost.is_set() is is_left
        await connection.close()

    run(test)
