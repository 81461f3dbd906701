"""This process as a node of its cluster: all parts, built, joined and closed in order.

Only ``service`` imports it, and only where ``[cluster]`` is on.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from importlib import metadata

from aiohttp.typedefs import Middleware

from mixer_core.bus.control import Grant
from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.connection import Connection
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.lease_actions import Terms
from mixer_core.cluster.names import Names
from mixer_core.cluster.records import NodeRecord
from mixer_core.cluster.room_log import Shape
from mixer_core.cluster.start import this_node
from mixer_core.cluster.tasks import end, lasting
from mixer_core.journal.file import journal_path
from mixer_core.runtime import boot_clock
from mixer_core.runtime.errors import ClusterError
from mixer_core.runtime.units import MS_NS

from ..access.gate import Gate
from ..access.ledger import Ledger
from ..gateway import Gateway
from ..http.api import HttpApi
from ..http.transcript_pages import TranscriptReader
from ..settings import Settings
from .filling import Place, SharedTranscripts
from .moving import Moving
from .node import ClusterNode
from .node_views import Listeners
from .owner_actions import Verdict
from .owner_shell import OwnerShell
from .placer import Placer
from .pledges import Pledges
from .relay import Relay, Surroundings
from .relaying import Relaying
from .report import Report, shown
from .rooms_bucket import RoomsBucket
from .shared import Shared
from .stranded import Stranded
from .trust import RelayTrust

LOOK_S = 1.0
SOON_S, SETTLED_S = 0.1, 3.0
"""After the start it looks more often for so long: whose rooms are claimed within the lease of the
process before goes on without a pause."""
CONNECT_S = 3_600.0
RETRY_S = 1.0
NO_INCARNATION = "0" * 16


class Assembly:
    """From ``start`` to ``close``."""

    def __init__(
        self,
        settings: Settings,
        gateway: Gateway,
        transcripts: TranscriptReader,
        ledger: Ledger,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """Raises SettingsError: the node has no name."""
        section = settings.cluster
        node, names = this_node(section), Names(section.name)
        self._node_name, self._settings, self._gateway, self._log = node, settings, gateway, log
        self._connection = Connection(section, f"mixminus {node}")
        jetstream = JetStream(self._connection)
        self._placer = Placer(node, lambda: secrets.randbits(62), self._verdict)
        rooms, nodes = (Bucket(jetstream, name) for name in (names.rooms, names.nodes))
        rooms_bucket = RoomsBucket(rooms, nodes, lambda: self._node.joined, log)
        self._owners = OwnerShell(node, rooms_bucket, self._placer, self, log)
        self._stranded = Stranded()
        self._pledges = Pledges(
            *(jetstream, names, log, section.replicas),
            on_word=lambda takes: self._stranded.heard(takes, boot_clock.now_ns()),
        )
        self._moving = Moving(
            gateway, self._owners, self._connection, names, node, log, lambda: self._node.tell()
        )
        self._node = ClusterNode(
            jetstream,
            names,
            self._facts,
            settings.state_dir,
            self._pledges.ask,
            Listeners(
                self._owners.lease_begins,
                self._renewed,
                lambda why: self._owners.lease_pauses(),
                self._owners.lease_resumes,
                self._ended,
                self._reported,
                self._lost,
            ),
            log,
            replicas=section.replicas,
        )
        self._transcripts = SharedTranscripts(
            self._connection,
            names,
            Shape(section.partitions, section.replicas, settings.openai_link.journal_keep_days),
            Place(
                journal_path(settings.state_dir), node, lambda room: room in self._owners.rooms()
            ),
            transcripts.scrub,
            log,
        )
        transcripts.join(self._transcripts)
        self._shared = Shared(
            self._connection,
            *(names, node, settings, gateway, ledger, lambda: len(self._node.nodes()), log),
        )
        most = settings.signaling.max_body_bytes
        self._relaying = Relaying(
            self._connection, names, node, self._owners, self._around(), gateway, most, log
        )
        gateway.registry.grant_by(self._granted)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def relay(self) -> Relay:
        """For the applications."""
        return self._relaying.relay

    @property
    def trust(self) -> RelayTrust:
        """For the application that serves what others relay."""
        return self._relaying.trust

    @property
    def pledges(self) -> Middleware:
        """Answers other nodes, on the ports where they reach this one."""
        return self._pledges.middleware(self._node.name, self._node.asked, self._has_cluster)

    async def start(self, inner: HttpApi, gate: Gate) -> None:
        """Join; waits for nobody. ``inner`` and ``gate``: as in ``Relaying.start``."""
        self._connection.start()
        await self._relaying.start(inner, gate)
        await self._moving.start()
        self._pledges.start()
        self._transcripts.start()
        await self._shared.start()
        loop = asyncio.get_running_loop()
        for work, what in ((self._prepare, "joining"), (self._look, "looking after rooms")):
            self._tasks.append(loop.create_task(lasting(work, what, self._log)))

    async def close(self) -> None:
        """Leave: what this node has stays its own until its lease runs out, if it has anything."""
        await end(self._tasks)
        await self._relaying.close()
        await self._moving.close()
        await self._node.leave(has_rooms=bool(self._owners.rooms()))
        await self._owners.close()
        await self._node.close()
        await self._transcripts.close()
        await self._shared.close()
        await self._pledges.close()
        await self._connection.close()

    # -- what the parts tell each other -----------------------------------------------------------

    def own(self, room: str, epoch: int) -> None:
        """This node has a room from now on."""
        self._grant(room, epoch, self._node.until_ns)
        self._gateway.alter(lambda registry, now_ns: registry.timeout(now_ns))  # It opens a link.

    def lose(self, room: str, _: str) -> None:
        """Another node has it; its link was fenced before, or has left its session."""
        self._gateway.lose(room)

    def _renewed(self, until_ns: int) -> None:
        sent_ns = until_ns - Terms().lease_ns
        renewal = self._gateway.metrics.histogram("cluster_renew_ms")
        renewal.observe_ns(max(0, boot_clock.now_ns() - sent_ns))
        for room, epoch in self._owners.rooms().items():
            self._grant(room, epoch, until_ns)

    def _ended(self, _: str) -> None:
        for room, epoch in self._owners.rooms().items():
            self._grant(room, epoch, 0)
        self._owners.lease_ends()

    def _has_cluster(self) -> bool:
        """Whether this node has its lease from NATS, and so may take rooms."""
        lease = self._node.lease
        return lease.held and not lease.pledged

    def _send_away(self) -> None:
        """Those who are better off at another node; see ``stranded``."""
        who = self._stranded.who_goes(self._node.lease.held, boot_clock.now_ns())
        if who == "nobody":
            return
        for view in self._gateway.rooms():
            hear_each_other = view.mode == "conference" and len(view.participants) > 1
            if view.participants and (who == "everybody" or not hear_each_other):
                words = "= its people are sent to other machines, which have the cluster"
                self._log.info(words, extra={"room": view.room})
                self._gateway.lose(view.room)

    def _grant(self, room: str, epoch: int, until_ns: int) -> None:
        grant = Grant(room, epoch, until_ns)
        self._gateway.alter(lambda registry, now_ns: registry.tell_link(grant, now_ns))

    def _granted(self, room: str) -> tuple[int, int] | None:
        """The epoch of a room, and until when it may talk here; None: it is not this node's."""
        epoch, until_ns = self._owners.rooms().get(room), self._node.until_ns
        return None if epoch is None or not until_ns else (epoch, until_ns)

    def _reported(self, record: NodeRecord) -> None:
        self._placer.seen(record, boot_clock.now_ns())

    def _lost(self, node: str) -> None:
        self._placer.gone(node)
        if node != self._node_name:
            self.relay.node_lost(node)

    def _verdict(self, node: str, incarnation: str, _: int) -> Verdict:
        return self._node.verdict(node, incarnation)

    # -- what this node says ----------------------------------------------------------------------

    def _facts(self) -> NodeRecord:
        section, counts = self._settings.cluster, self._gateway.registry.counts()
        return NodeRecord(
            self._node_name,
            NO_INCARNATION,
            public_url=section.public_url,
            labels=section.labels,
            capacity=section.capacity or self._settings.signaling.max_participants,
            load=self._gateway.burden(),
            sessions=counts["participants"],
            draining=self._moving.is_draining,
            release=metadata.version("mixminus"),
        )

    def _around(self) -> Surroundings:
        return Surroundings(
            peers=self._peers,
            is_gone=self._is_gone,
            is_open=lambda room: room in self._gateway.registry.occupied(),
            needs=lambda room: frozenset(self._settings.room_rules(room).labels),
            state=lambda: self._report().as_json(),
            warnings=lambda: self._report().warnings(),
        )

    def _peers(self) -> list[str]:
        own = self._node_name
        return [view.node for view in self._node.nodes() if view.is_live and view.node != own]

    def _is_gone(self, node: str) -> bool:
        record = self._node.record(node)
        return record is not None and record.gone

    def _report(self) -> Report:
        lease = self._node.lease
        return Report(
            self._node_name,
            self._connection.is_connected,
            self._connection.server,
            lease.held,
            lease.left_ms,
            lease.pledged,
            lease.why_not,
            shown(self._node.nodes(), time.time_ns() // MS_NS),
            len(self._owners.rooms()),
            self._moving.state(),
        )

    # -- time -------------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        """Have the bucket of rooms as soon as NATS is there, and only then be one of the nodes."""
        told = ""
        while True:
            await self._connection.wait_connected(CONNECT_S)
            try:
                await self._owners.prepare(self._settings.cluster.replicas)
                break
            except ClusterError as error:
                if str(error) != told:
                    told = str(error)
                    self._log.info("= the cluster's rooms are not known yet: %s", told)
                await asyncio.sleep(RETRY_S)
        self._node.start()

    async def _look(self) -> None:
        begun_s = asyncio.get_running_loop().time()
        while True:
            self._owners.occupied(self._gateway.registry.occupied())
            self._gateway.metrics.values.update(self._report().gauges())
            self._send_away()
            past_s = asyncio.get_running_loop().time() - begun_s
            await asyncio.sleep(SOON_S if past_s < SETTLED_S else LOOK_S)
