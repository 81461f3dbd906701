"""A node is drained: two gateways, a real NATS server, and a browser that joins again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mixer_core.bus.control import (
    DrainNode,
    Leave,
    Message,
    OpenLink,
    OwesAnswer,
    Stay,
    Yield,
    Yielded,
)
from mixer_core.bus.control_client import ControlClient
from mixer_core.cluster.names import Names
from mixer_core.runtime.units import MS_NS
from signaling.cluster import moving
from signaling.cluster.moving import Moving
from tests.signaling.cluster.relay_nodes import Node, Nodes, nodes, staffed
from tests.signaling.edge import FakeChild, asynchronous
from tests.support.nats_server import NatsServer
from tests.support.waiting import until

pytestmark = pytest.mark.sockets


@dataclass
class Owning:
    """The table of all nodes, and what becomes of this one's rooms."""

    node: Node
    others: list[str]
    takes: bool = True
    """The next owner can write the record."""
    gives: bool = True
    is_lapsed: bool = False
    """This node has lost its lease."""
    log: list[str] = field(default_factory=list)

    def rooms(self) -> dict[str, int]:
        table = {} if self.is_lapsed else self.node.table.rooms
        return {room: 7 for room, node in table.items() if node == self.node.node}

    def target(self, room: str, avoid: Collection[str]) -> tuple[str, str]:
        free = [node for node in self.others if node not in avoid]
        return (free[0], "") if free else ("", "no node has room")

    async def give(self, room: str, target: str) -> bool:
        self.log.append(f"give {room} to {target}")
        if self.gives:
            self.node.table.rooms[room] = target
            self.node.gateway.lose(room)
        return self.gives

    async def take(self, room: str) -> str:
        self.log.append(f"take {room}")
        return "" if self.takes else "NATS is away"


class LinkThatYields:
    """What a link child does when it is told to leave its room."""

    def __init__(self, link: FakeChild, owed: bool = False, is_deaf: bool = False) -> None:
        self._link, self._owed, self._is_deaf = link, owed, is_deaf
        self._before = link._receive
        link.client._on_message = self._receive

    def _receive(self, message: Message) -> None:
        self._before(message)
        if isinstance(message, Yield) and not self._is_deaf:
            self._link.client.send(Yielded(message.room, message.order, self._owed))


@dataclass
class Pair:
    """Node a has a room with somebody in it; b has idle children."""

    nodes: Nodes
    movings: dict[str, Moving]
    owning: dict[str, Owning]
    links: dict[str, FakeChild]
    location: str

    async def drain(self) -> None:
        """By the command line's way."""
        a = self.nodes["a"]
        command = ControlClient(
            a.context, a.dir, "drain-1", lambda: DrainNode(30_000), lambda _: None, a.log
        )
        a.clients.append(command)
        await until(lambda: self.movings["a"].is_draining, "the order is not heard")


@asynccontextmanager
async def pair(
    folder: Path, server: NatsServer, names: Names, owed: bool = False, is_deaf: bool = False
) -> AsyncIterator[Pair]:
    async with nodes(folder, server, names) as cluster:
        movings, owning, links = {}, {}, {}
        for name, other in (("a", "b"), ("b", "a")):
            node = cluster[name]
            owning[name] = Owning(node, [other])
            movings[name] = Moving(
                node.gateway, owning[name], node.connection, names, name, node.log
            )
            await movings[name].start()
            _, links[name] = await staffed(node)
        LinkThatYields(links["a"], owed, is_deaf)
        cluster.table.rooms["home"] = "a"
        answer = await cluster["a"].join("home", params={"mode": "conference"})
        await until(lambda: links["a"].state.status == "ready", "the room has no link")
        try:
            yield Pair(cluster, movings, owning, links, answer.headers["Location"])
        finally:
            for one in movings.values():
                await one.close()


@asynchronous
async def test_a_room_moves_and_its_browser_joins_again_where_it_is(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with pair(short_dir, nats_server, names, owed=True) as both:
        a = both.nodes["a"]
        waiting = asyncio.create_task(a.request("GET", f"{both.location}/end"))
        await both.drain()
        ended = await waiting
        assert ended.json()["status"] == "lost", "the page joins again at once"
        assert any(isinstance(m, Yield) for m in both.links["a"].received)
        await until(
            lambda: any(isinstance(m, OwesAnswer) for m in both.links["b"].received),
            "the next link does not know of the answer that is owed",
        )
        opened = next(m for m in both.links["b"].received if isinstance(m, OpenLink))
        assert opened.standby and (opened.epoch, opened.mode) == (7, "conference")
        assert both.owning["a"].log == ["give home to b"]
        assert both.owning["b"].log == ["take home"]
        former = both.location.rpartition("/")[2]
        again = await a.join("home", headers={
            "Content-Type": "application/sdp", "Mixminus-Replaces": former
        })  # fmt: skip
        assert again.status == 201 and again.headers["Location"].endswith("~b")
        room = (await a.request("GET", "/rooms/home")).json()
        assert room["mode"] == "conference", "it is the room that it was"
        opened_again = [m for m in both.links["b"].received if isinstance(m, OpenLink)]
        assert opened_again == [opened]
        assert any(isinstance(m, Leave) for m in both.links["a"].received)
        state = both.movings["a"].state()
        assert state is not None and state["moved"] == 1 and state["left"] == {}
        assert a.gateway.is_needed(), "it hands on what its pages ask, for a moment"
        assert both.movings["b"].state() is None


@asynchronous
async def test_a_room_that_cannot_be_written_stays_and_its_link_goes_on(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with pair(short_dir, nats_server, names) as both:
        both.owning["a"].gives = False
        await both.drain()
        link = both.links["a"]
        await until(lambda: any(isinstance(m, Stay) for m in link.received), "it does not go on")
        await until(
            lambda: any(isinstance(m, Leave) for m in both.links["b"].received),
            "the other node still waits for the room",
        )
        state = both.movings["a"].state()
        assert state is not None and "could not be written" in state["left"]["home"]
        assert len((await both.nodes["a"].request("GET", "/rooms/home")).json()["participants"])


@asynchronous
async def test_a_drain_outlasts_the_loss_of_a_lease(
    short_dir: Path, nats_server: NatsServer, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "LOOK_NS", 10 * MS_NS)
    async with pair(short_dir, nats_server, names) as both:
        owning, draining = both.owning["a"], both.movings["a"]
        owning.is_lapsed = True
        await both.drain()
        looks = 0

        def target(room: str, avoid: Collection[str]) -> tuple[str, str]:
            nonlocal looks
            looks += 1
            return "b", ""

        monkeypatch.setattr(owning, "target", target)
        await asyncio.sleep(0.2)
        state = draining.state()
        assert state is not None and not state["finished"] and not looks
        owning.is_lapsed = False
        await until(lambda: owning.log == ["give home to b"], "it does not move")


@asynchronous
async def test_nobody_to_take_the_rooms_is_told_and_they_stay_when_the_time_is_up(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with pair(short_dir, nats_server, names) as both:
        both.owning["a"].others = []
        both.movings["a"].begin(0.3)
        state = both.movings["a"].state()
        assert state is not None
        await until(lambda: (both.movings["a"].state() or {})["finished"], "it does not end")
        assert (both.movings["a"].state() or {})["stay"] == ["home"]
        assert not both.nodes["a"].gateway.is_needed()


@asynchronous
async def test_two_nodes_that_drain_do_not_give_each_other_their_rooms(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with pair(short_dir, nats_server, names) as both:
        both.movings["b"].begin(30)
        await both.drain()
        moving_a = both.movings["a"]
        await until(
            lambda: (
                "drains, too" in str((moving_a.state() or {})["left"].get("home"))
                or "no node has room" in str((moving_a.state() or {})["left"].get("home"))
            ),
            "it is not refused",
        )
        assert both.owning["a"].log == []


@asynchronous
async def test_a_node_without_a_session_does_not_get_the_room(
    short_dir: Path, nats_server: NatsServer, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "SESSION_S", 0.3)
    async with pair(short_dir, nats_server, names) as both:
        link = both.links["b"]
        link.client._on_message = link.received.append
        await both.drain()
        await until(lambda: any(isinstance(m, Leave) for m in link.received), "it is not given up")
        assert not any(isinstance(m, Yield) for m in both.links["a"].received)
