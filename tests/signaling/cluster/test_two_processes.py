"""Two whole signaling processes and a NATS server: a room has one node, any leads there."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import zmq

from mixer_core.bus.control import Offer
from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.connection import Connection
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.names import Names
from mixer_core.cluster.records import NodeRecord, decode_record
from mixer_core.journal.file import journal_path
from mixer_core.runtime import logs
from tests.openai_link.transcript.journal_writer import item
from tests.openai_link.transcript.stream_world import ROOM
from tests.signaling.cluster.test_filling import said
from tests.signaling.edge import SDP, FakeChild, HttpAnswer, asynchronous
from tests.signaling.test_process import environment, started
from tests.support.nats_server import NatsServer
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes


class Machine:
    """A process and the children of its gateway."""

    def __init__(
        self,
        folder: Path,
        env: dict[str, str],
        http: aiohttp.ClientSession,
        process: subprocess.Popen[str],
    ) -> None:
        self.process = process
        self.dir, self.http, self.log = folder, http, logs.get("signaling")
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.url = f"http://127.0.0.1:{env['MIXMINUS_SIGNALING__HTTP_PORT']}"
        self.children = [FakeChild(self, kind) for kind in ("worker", "link")]  # type: ignore[arg-type]

    async def request(self, method: str, path: str, **more: Any) -> HttpAnswer:
        async with self.http.request(method, self.url + path, **more) as answer:
            return HttpAnswer(answer.status, answer.headers, await answer.read())

    async def join(self, room: str) -> HttpAnswer:
        more = {"data": SDP, "headers": {"Content-Type": "application/sdp"}}
        return await self.request("POST", f"/rooms/{room}/participants", **more)

    async def readyz(self) -> dict[str, Any]:
        return dict((await self.request("GET", "/readyz")).json())

    @property
    def offers(self) -> int:
        return sum(isinstance(message, Offer) for message in self.children[0].received)

    def close(self) -> None:
        for child in self.children:
            child.client.close()
        self.context.destroy(linger=0)


@asynccontextmanager
async def machines(
    folder: Path, server: NatsServer, names: Names
) -> AsyncIterator[tuple[Machine, Machine]]:
    """Both, and each knows of the other."""

    def env(node: str) -> dict[str, str]:
        (folder / node).mkdir(mode=0o700)
        own = environment(folder / node)
        port = own["MIXMINUS_SIGNALING__HTTP_PORT"]
        return own | {
            "MIXMINUS_RUNTIME__STATE_DIR": str(folder / node / "state"),
            "MIXMINUS_SIGNALING__REFUSE_WHEN_BUSY": "false",
            "MIXMINUS_CLUSTER__SERVERS": json.dumps([server.url]),
            "MIXMINUS_CLUSTER__NAME": names.cluster,
            "MIXMINUS_CLUSTER__NODE": node,
            "MIXMINUS_CLUSTER__PUBLIC_URL": f"http://127.0.0.1:{port}",
        }

    one, two = env("a"), env("b")
    with started(one) as (process_a, _), started(two) as (process_b, _):
        async with aiohttp.ClientSession() as http:
            a = Machine(folder / "a", one, http, process_a)
            b = Machine(folder / "b", two, http, process_b)
            try:
                for machine, other in ((a, "b"), (b, "a")):
                    await until(lambda m=machine: m.readyz(), "no /readyz")  # type: ignore[misc]
                    await until(
                        lambda m=machine, o=other: knows(m, o),  # type: ignore[misc]
                        "the nodes do not know each other",
                    )
                yield a, b
            finally:
                a.close()
                b.close()


async def knows(machine: Machine, other: str) -> bool:
    """Whether it has a lease and idle children, and sees the other one."""
    told = await machine.readyz()
    states = {one["node"]: one["state"] for one in told["cluster"]["nodes"]}
    page = (await machine.request("GET", "/metrics")).text
    idle = 'mixminus_workers_idle{program="signaling"} 1.0' in page
    return bool(told["cluster"]["lease"]["held"] and states.get(other) == "live" and idle)


@pytest.mark.parametrize(
    ("how", "state"),
    [(signal.SIGTERM, "left"), (signal.SIGKILL, "lost")],
    ids=["stopped", "killed"],
)
def test_who_is_stopped_has_left_and_who_is_killed_is_lost(
    short_dir: Path, nats_server: NatsServer, names: Names, how: signal.Signals, state: str
) -> None:
    async def test() -> None:
        async with machines(short_dir, nats_server, names) as (a, b):
            await names_its_neighbour(nats_server, names, "b", "a")
            b.process.send_signal(how)

            async def states() -> str:
                found = (await a.readyz())["cluster"]["nodes"]
                return str(next(one["state"] for one in found if one["node"] == "b"))

            async def is_known() -> bool:
                return await states() in ("left", "lost")

            await until(is_known, "the other node does not see it")
            assert await states() == state

    asyncio.run(test())


async def names_its_neighbour(server: NatsServer, names: Names, node: str, other: str) -> None:
    """Wait until the node's record says that the other one may soon call it lost."""
    connection = Connection(server.settings(), "test")
    connection.start()
    bucket = Bucket(JetStream(connection), names.nodes)

    async def is_named() -> bool:
        entry = await bucket.get(node)
        return entry is not None and other in decode_record(entry.value, NodeRecord).known

    try:
        assert await connection.wait_connected(PATIENCE_S)
        await until(is_named, "it does not name its neighbour")
    finally:
        await connection.close()


@asynchronous
async def test_a_room_has_one_node_and_any_node_leads_to_it(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with machines(short_dir, nats_server, names) as (a, b):
        first = await a.join("kitchen")
        assert first.status == 201, first.text
        node = first.headers["Location"].rpartition("~")[2]
        owner, other = (a, b) if node == "a" else (b, a)
        assert (owner.offers, other.offers) == (1, 0)
        for machine in (a, b):
            room = (await machine.request("GET", "/rooms/kitchen")).json()
            assert len(room["participants"]) == 1
            listed = (await machine.request("GET", "/rooms")).json()
            assert [one["node"] for one in listed["rooms"]] == [node]
            assert all(one["answered"] for one in listed["nodes"])
        location = first.headers["Location"]
        waiting = asyncio.create_task(other.request("GET", f"{location}/end"))
        assert (await other.request("DELETE", location)).status == 200
        assert (await waiting).json()["status"] == "left"
        assert (await owner.request("DELETE", location)).status == 404
        await transcripts_are_those_of_all(a, b, nats_server, names, short_dir)


async def transcripts_are_those_of_all(
    a: Machine, b: Machine, server: NatsServer, names: Names, folder: Path
) -> None:
    """Of a room that nobody has any more, and was on a machine that is gone."""
    settings = server.settings(name=names.cluster, node="c")
    said_there = partial(said, settings, journal_path(folder / "c"))
    number = await asyncio.to_thread(said_there, (item(1),), (item(2),))
    for machine in (a, b):
        listed = (await machine.request("GET", f"/rooms/{ROOM}/conversations")).json()
        assert [one["conversation"] for one in listed["conversations"]] == [number]
        told = (await machine.request("GET", f"/rooms/{ROOM}/transcript")).json()
        assert [one["item"] for one in told["items"]] == ["i1", "i2"]
    gone = await b.request("DELETE", f"/rooms/{ROOM}/conversations/{number}")
    assert gone.status == 200, gone.text

    async def is_gone() -> bool:
        told = (await a.request("GET", f"/rooms/{ROOM}/transcript")).json()
        return not told["items"]

    await until(is_gone, "the other machine still has it")
