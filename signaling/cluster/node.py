"""This node's membership in the cluster: ``Member`` with NATS, the clock, a file, and the others.

A record of this node stands in the bucket of the nodes, and is written again each second. What
follows from it (which rooms may talk, who is asked for requests) the listeners are told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixer_core.cluster import lease_actions as do
from mixer_core.cluster.buckets import Bucket, Entry, Watch
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.lease_actions import Terms
from mixer_core.cluster.member import Action, Member
from mixer_core.cluster.names import Names
from mixer_core.cluster.records import NodeRecord
from mixer_core.cluster.tasks import end, lasting
from mixer_core.cluster.watch import Evict, Verdict
from mixer_core.runtime import boot_clock
from mixer_core.runtime.errors import ClusterError
from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.units import MS_NS, S_NS

from .bygone import Bygone
from .node_deeds import Ask, NodeDeeds, Told
from .node_store import NodeStore, claim_of, proposed
from .node_views import LeaseView, Listeners, NodeView
from .remaking import Joined

PREPARE_PAUSE_S = 1.0
"""Between two attempts to make the bucket, or to look at it."""


class ClusterNode:
    """One node; ``start``, and ``close`` at the end."""

    def __init__(
        self,
        jetstream: JetStream,
        names: Names,
        facts: Callable[[], NodeRecord],
        state_dir: Path,
        ask: Ask,
        listeners: Listeners,
        log: logging.LoggerAdapter[logging.Logger],
        *,
        replicas: int = 1,
        terms: Terms | None = None,
    ) -> None:
        """Prepare.

        Args:
            jetstream: of this node's connection.
            names: of the cluster.
            facts: what this node says of itself, as it is now; the lease's fields are left out.
            state_dir: where the own incarnations are noted.
            ask: asks other nodes for pledges.
            listeners: who is told.
            log: for what people should know.
            replicas: copies of the bucket.
            terms: durations; those that all nodes have.
        """
        self._replicas = replicas
        self._tell = listeners
        self._log = log
        self._terms = terms or Terms()
        self.name = facts().node
        file = state_dir / f"incarnation-{names.cluster}-{self.name}"
        bucket, connection = Bucket(jetstream, names.nodes), jetstream.connection
        self._store = NodeStore(bucket, connection, file, self._terms.renew_ns, log)
        self._member = Member(
            self.name, self._terms, self._store.noted(), proposed, boot_clock.now_ns()
        )
        self._records: dict[str, NodeRecord] = {}
        self._bygone = Bygone()
        self._removing: asyncio.Task[None] | None = None
        self._why_not = "this node has not joined the cluster yet"
        self._joined: tuple[str, Joined] | None = None
        """An incarnation of this node, and where it has its lease."""
        self._left_ms = 0
        """When it was stopped on purpose, as Unix time; 0: it was not."""
        self._deeds = NodeDeeds(
            *(self._store, self._member, self._records),
            lambda: replace(facts(), left_ms=self._left_ms),
            ask,
            Told(self._did, self._changed, self._evicted, self._unwritable),
            self._terms.renew_ns / S_NS,
            log,
        )
        self._watch: Watch | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._timer = LazyTimer(self._loop, self._fire, boot_clock.now_ns)
        self._is_closed = False
        connection.tell_on_connect(lambda: self._soon(self.tell))
        connection.tell_on_disconnect(lambda: self._soon(self._lost_store))

    def start(self) -> None:
        """Join the cluster as soon as NATS is there."""
        self._spawn(lasting(self._prepare, "joining the nodes", self._log))

    def tell(self) -> None:
        """Something of ``facts`` has changed: the record is written again at once."""
        self._member.lease.hurry(boot_clock.now_ns())
        self._fire()

    async def leave(self, has_rooms: bool = False) -> None:
        """The node stops on purpose, and says so; it takes two renewals at most.

        ``has_rooms``: they stay its own until the lease runs out. Else the others need not wait for
        that.
        """
        self._left_ms = time.time_ns() // MS_NS
        if self.incarnation:
            await self._settle()  # The answer to what is being written is needed for the last word.
        now_ns = boot_clock.now_ns()
        if has_rooms:
            self._member.lease.hurry(now_ns)
        else:
            self._do([*self._member.lease.leave(now_ns)])
        self._fire()
        await self._settle()

    async def _settle(self) -> None:
        """Wait for what is under way, but not for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._terms.renew_ns / S_NS):
                while self._tasks:
                    await asyncio.wait(tuple(self._tasks))

    async def close(self) -> None:
        """Do nothing more. The lease runs out by itself."""
        self._is_closed = True
        self._timer.close()
        if self._watch is not None:
            await self._watch.close()
        await end(self._tasks)

    # -- what is known ----------------------------------------------------------------------------

    @property
    def incarnation(self) -> str:
        """Of this node; empty: it has no lease."""
        lease = self._member.lease
        return lease.incarnation if lease.holds(boot_clock.now_ns()) else ""

    @property
    def joined(self) -> Joined | None:
        """In which bucket the lease has begun that holds now; None: it is not known, or there is
        none, or it holds by pledges."""
        if self._joined is None or self._member.lease.is_pledged:
            return None
        incarnation, joined = self._joined
        return joined if incarnation == self.incarnation else None

    @property
    def until_ns(self) -> int:
        """Until when the lease holds (boot time); 0: there is none."""
        return self._member.lease.until_ns if self.incarnation else 0

    @property
    def lease(self) -> LeaseView:
        """How the lease is."""
        lease, now_ns = self._member.lease, boot_clock.now_ns()
        held = lease.holds(now_ns)
        left_ms = max(0, lease.until_ns - now_ns) // MS_NS
        return LeaseView(held, left_ms, lease.is_pledged, "" if held else self._why_not)

    def nodes(self) -> list[NodeView]:
        """Every node that has a record, this one too."""
        now_ns = boot_clock.now_ns()
        return [NodeView(record, self._lives(record, now_ns)) for record in self._records.values()]

    def record(self, node: str) -> NodeRecord | None:
        """The record of a node, as it was last seen."""
        return self._records.get(node)

    def is_live(self, node: str) -> bool:
        """Whether a node has a lease, as far as it is known."""
        record = self._records.get(node)
        return record is not None and self._lives(record, boot_clock.now_ns())

    def verdict(self, node: str, incarnation: str, now_ns: int = 0) -> Verdict:
        """Whether an incarnation of a node has its lease; rooms of a lost one may be taken.

        ``now_ns``: boot time; 0: now.
        """
        return self._member.verdict(node, incarnation, now_ns or boot_clock.now_ns())

    def asked(self, node: str, incarnation: str, own: str) -> bool:
        """Another node asks for a pledge; ``own``: this node's incarnation, as it knows it."""
        return self._member.asked(node, incarnation, own, boot_clock.now_ns())

    def _lives(self, record: NodeRecord, now_ns: int) -> bool:
        return self._member.verdict(record.node, record.incarnation, now_ns) == "live"

    # -- the bucket -------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        told = ""
        while self._watch is None:
            try:
                await self._store.prepare(self._replicas)
                self._watch = self._store.watch(self._changed, self._member.watch.forget)
            except ClusterError as error:
                if str(error) != told:
                    told = str(error)
                    self._log.info("= the cluster is not joined yet: %s", told)
                await asyncio.sleep(PREPARE_PAUSE_S)
        self._fire()

    def _changed(self, key: str, entry: Entry | None) -> None:
        """A node's record has come; it must not raise."""
        if entry is None:
            self._records.pop(key, None)
            self._bygone.removed(key)
            return
        record = self._store.read(key, entry)
        if record is None:
            self._bygone.removed(key)  # No record that can be read, that is.
            return
        self._records[key] = record
        self._bygone.heard(key, entry.revision, record.gone, entry.at_ns)
        self._member.seen(key, claim_of(record), entry.revision, boot_clock.now_ns())
        if record.gone:
            self._tell.lost(key)
        else:
            self._tell.reported(record)
        self._arm()

    def _soon(self, told: Callable[[], None]) -> None:
        self._loop.call_soon(told)

    def _lost_store(self) -> None:
        """The connection is lost: the others are asked for pledges, and get them, at once."""
        self._member.lost_store()
        self._fire()

    # -- time -------------------------------------------------------------------------------------

    def _fire(self) -> None:
        if self._is_closed:
            return
        now_ns = boot_clock.now_ns()
        try:
            if self._watch is not None:
                self._do(self._member.tick(now_ns))
        finally:  # Whatever went wrong: time goes on.
            self._arm()

    def _arm(self) -> None:
        due_ns = self._member.next_timeout_ns()
        if due_ns is not None:
            self._timer.arm(max(due_ns, boot_clock.now_ns() + MS_NS))

    # -- actions ----------------------------------------------------------------------------------

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case do.ReadOwn() | do.WriteOwn() | do.AskPledges() | Evict():
                    self._spawn(self._deeds.carry_out(action))
                case _:
                    try:
                        self._told(action)
                    except Exception:  # What is to be read and written goes on.
                        self._log.exception("! somebody could not be told of the lease")

    def _told(self, action: do.Told) -> None:
        match action:
            case do.Begun(incarnation, until_ns):
                self._log.info("= node %s has joined the cluster", self.name)
                self._spawn(self._note_bucket(incarnation))
                self._tell.lease_begins(incarnation)
                self._tell.lease_renewed(until_ns)
            case do.Renewed(until_ns):
                self._tell.lease_renewed(until_ns)
                self._remove_bygone()
            case do.Paused(why):
                self._why_not = why
                self._log.warning("! the rooms of this node pause: %s", why)
                self._tell.lease_pauses(why)
            case do.Resumed(incarnation, until_ns):
                self._log.info("= its rooms go on, as the other nodes leave them to it")
                self._tell.lease_resumes(incarnation)
                self._tell.lease_renewed(until_ns)
            case do.Ended(why):
                self._why_not = why
                self._log.warning("! the rooms of this node pause: %s", why)
                self._tell.lease_ends(why)
            case do.Waiting(why):
                self._why_not = why
                self._log.warning("! %s", why)

    def _remove_bygone(self) -> None:
        """One at a time; several nodes may try, and one of them succeeds."""
        due = self._bygone.due()
        if due is not None and (self._removing is None or self._removing.done()):
            self._removing = self._spawn(self._deeds.remove(*due))

    async def _note_bucket(self, incarnation: str) -> None:
        """A lease has begun: find out in which bucket."""
        while self.incarnation == incarnation:
            try:
                made = await self._store.made()
            except ClusterError:
                await asyncio.sleep(PREPARE_PAUSE_S)
            else:
                self._joined = incarnation, Joined(made, boot_clock.now_ns())
                return

    def _did(self, actions: list[Action]) -> None:
        try:
            self._do(actions)
        finally:
            self._fire()

    def _evicted(self, node: str) -> None:
        self._log.warning("! node %s is lost: its rooms go to others", node)
        self._tell.lost(node)

    def _unwritable(self, why: str) -> None:
        self._why_not = why
        self._log.warning("! %s", why)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._log.error("! a task of the cluster's node failed", exc_info=error)
