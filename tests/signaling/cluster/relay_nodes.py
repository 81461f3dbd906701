"""Several gateways of one cluster in one process: real HTTP, a real NATS server, fakes behind them.

Who has which room is a table that a test may change at any time; all else is what ships.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from mixer_core.cluster.connection import Connection
from mixer_core.cluster.names import Names
from signaling.cluster.owner_actions import Here, Nobody, Place, There
from signaling.cluster.relay import Surroundings
from signaling.cluster.relaying import Relaying
from signaling.http.api import HttpApi, PageParts
from signaling.http.recording_routes import RecordingShelf
from signaling.settings import Settings
from tests.signaling.edge import Edge, FakeChild, running
from tests.support.nats_server import NatsServer
from tests.support.waiting import PATIENCE_S


@dataclass
class Table:
    """Which node has which room, as all nodes see it."""

    rooms: dict[str, str] = field(default_factory=dict)
    placed: list[str] = field(default_factory=list)
    """Nodes for rooms of nobody, in this order; then the one that is asked."""
    away: str = ""
    """Why nobody knows."""
    gone: set[str] = field(default_factory=set)
    """Nodes that do not live."""
    looks: int = 0

    def of(self, node: str) -> Owners:
        return Owners(self, node)


@dataclass
class Owners:
    """The table, as one node asks it."""

    table: Table
    node: str

    async def where(self, room: str) -> Place:
        self.table.looks += 1
        if self.table.away:
            return Nobody(self.table.away, 3)
        owner = self.table.rooms.get(room)
        if owner is None:
            return Nobody()
        return Here(1) if owner == self.node else There(owner)

    async def claim(
        self,
        room: str,
        needs: Collection[str] = (),
        avoid: Collection[str] = (),
        here: bool = False,
    ) -> Place:
        if not self.table.away and room not in self.table.rooms:
            wanted = [node for node in self.table.placed if node not in avoid]
            chosen = self.node if here or not wanted else wanted[0]
            if chosen in avoid:
                return Nobody("all machines are full", 7)
            self.table.rooms[room] = chosen
        return await self.where(room)

    async def refused(self, room: str) -> None:
        self.table.rooms.pop(room, None)


class Node(Edge):
    """A gateway of the cluster."""

    def __init__(
        self,
        node: str,
        table: Table,
        connection: Connection,
        names: Names,
        folder: Path,
        settings: Settings,
        env: dict[str, str],
    ) -> None:
        super().__init__(folder, settings, env)
        self.node, self.table, self.connection, self.names = node, table, connection, names
        self.others: list[str] = []

    async def extended(self, parts: PageParts) -> PageParts:
        """With the relay."""
        around = Surroundings(
            peers=lambda: self.others,
            is_gone=lambda node: node in self.table.gone,
            is_open=lambda room: any(view.room == room for view in self.gateway.rooms()),
        )
        self.owners = self.table.of(self.node)
        self.relaying = Relaying(
            self.connection,
            self.names,
            self.node,
            self.owners,
            around,
            self.gateway,
            self.settings.signaling.max_body_bytes,
            self.log,
        )
        self.relay = self.relaying.relay
        self.shelf = RecordingShelf(self.settings.state_dir, 30, self.log)
        parts = replace(parts, cluster=self.relay, recordings=self.shelf)
        inner = replace(parts, relayed_by=self.relaying.trust)
        api = HttpApi(self.gateway, self.gate, self.settings.signaling, self.log, inner)
        await self.relaying.start(api, self.gate)
        return parts

    async def stop(self) -> None:
        self.shelf.close()
        await self.relaying.close()
        await super().stop()

    def counted(self, name: str) -> int:
        """A counter of this node."""
        return int(self.gateway.metrics.values.get(name, 0))


@dataclass
class Nodes:
    """All of them."""

    table: Table
    all: dict[str, Node]

    def __getitem__(self, node: str) -> Node:
        return self.all[node]


@asynccontextmanager
async def nodes(
    folder: Path,
    server: NatsServer,
    names: Names,
    *which: str,
    own: dict[str, dict[str, Any]] | None = None,
    shared: bool = True,
    **settings: Any,
) -> AsyncIterator[Nodes]:
    """Gateways called ``which``.

    ``own``: settings of single ones. ``shared``: they have one state directory, so that invitations
    are the cluster's.
    """
    table, found = Table(), dict[str, Node]()
    (folder / "state").mkdir(mode=0o700)
    async with AsyncExitStack() as stack:
        for node in which or ("a", "b"):
            connection = Connection(server.settings(node=node), node)
            connection.start()
            stack.push_async_callback(connection.close)
            assert await connection.wait_connected(PATIENCE_S)
            (folder / node).mkdir(mode=0o700)
            if shared:
                (folder / node / "state").symlink_to(folder / "state")
            make = partial(Node, node, table, connection, names)
            more = {"max_participants": 20} | settings | (own or {}).get(node, {})
            edge = await stack.enter_async_context(running(folder / node, make=make, **more))
            assert isinstance(edge, Node)
            found[node] = edge
        for edge in found.values():
            edge.others = [name for name in found if name != edge.node]
        yield Nodes(table, found)


async def staffed(node: Node, workers: int = 1) -> tuple[FakeChild, FakeChild]:
    """Idle children: one of the workers, and a link."""
    children = [node.add("worker") for _ in range(workers)]
    link = node.add("link")
    await node.idle(workers, 1)
    return children[0], link
