"""Carries out what a node's membership decides: by NATS, and by asking the other nodes.

Whatever goes wrong, ``Member`` gets an answer: a lease that waits for one is never renewed again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from mixer_core.cluster import lease_actions as do
from mixer_core.cluster.buckets import Entry
from mixer_core.cluster.member import Action, Member
from mixer_core.cluster.records import NodeRecord
from mixer_core.cluster.watch import Evict
from mixer_core.runtime import boot_clock
from mixer_core.runtime.errors import ClusterError, ConflictError

from .node_store import NodeStore

Ask = Callable[[NodeRecord, str, str, str], Awaitable[bool]]
"""Asks another node (its record) for a pledge: its incarnation as it is known, this node's name and
incarnation. False: it says no, or nothing."""


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told of what came of it; all on the loop."""

    did: Callable[[list[Action]], object]
    """What follows, by ``Member``."""
    changed: Callable[[str, Entry], object]
    """A node's record was read."""
    evicted: Callable[[str], object]
    """A node is lost: this one has written so."""
    unwritable: Callable[[str], object]
    """Why the own record could not be written, in words; it is tried again."""


class NodeDeeds:
    """Of one node. Its methods are tasks, which raise nothing that is expected."""

    def __init__(
        self,
        store: NodeStore,
        member: Member,
        records: Mapping[str, NodeRecord],
        facts: Callable[[], NodeRecord],
        ask: Ask,
        told: Told,
        ask_s: float,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """Prepare.

        Args:
            store: the nodes' records. member: decides.
            records: the same as they were last seen.
            facts: what this node says of itself, but for the lease.
            ask: asks other nodes for pledges, each no longer than ``ask_s``.
            told: who hears of it. log: for mistakes.
        """
        self._store, self._member, self._records = store, member, records
        self._facts, self._ask, self._ask_s = facts, ask, ask_s
        self._told, self._log = told, log
        self._mistake = ""
        """What went wrong last that nobody has thought of; it stands in the log once."""

    async def carry_out(self, action: do.ReadOwn | do.WriteOwn | do.AskPledges | Evict) -> None:
        """One of them."""
        match action:
            case do.ReadOwn():
                await self._read_own()
            case do.WriteOwn():
                await self._write_own(action)
            case do.AskPledges():
                await self._ask_pledges(action)
            case Evict():
                await self._evict(action)

    async def remove(self, node: str, revision: int) -> None:
        """Remove the record of a node that is gone for good; the watch tells whether it is."""
        with contextlib.suppress(ClusterError, TimeoutError):
            await self._store.remove(node, revision)
            self._log.info("= the record of node %s, which was lost, is removed", node)

    async def _read_own(self) -> None:
        member = self._member
        try:
            claim, revision = await self._store.claim(member.node)
        except (ClusterError, TimeoutError):
            actions = member.unanswered(None, boot_clock.now_ns())
        except Exception as error:
            self._wrong(f"this node's record cannot be read: {error!r}")
            actions = member.unanswered(None, boot_clock.now_ns())
        else:
            actions = member.found(claim, revision, boot_clock.now_ns())
        self._told.did(actions)

    async def _write_own(self, write: do.WriteOwn) -> None:
        claim, member = write.claim, self._member
        try:
            await self._store.note(member.lease.own)
            revision = await self._store.write(self._facts(), claim, write.revision)
        except ConflictError:
            actions = member.refused(claim, boot_clock.now_ns())
        except (ClusterError, TimeoutError):
            actions = member.unanswered(claim, boot_clock.now_ns())
        except OSError as error:
            self._told.unwritable(f"the incarnation cannot be noted: {error}")
            actions = member.unanswered(claim, boot_clock.now_ns())
        except Exception as error:
            self._wrong(f"this node's record cannot be written: {error!r}")
            actions = member.unanswered(claim, boot_clock.now_ns())
        else:
            actions = member.written(claim, revision, boot_clock.now_ns())
        self._told.did(actions)

    def _wrong(self, why: str) -> None:
        if self._mistake != why:
            self._mistake = why
            self._log.exception("! %s", why)

    async def _evict(self, act: Evict) -> None:
        known = self._records.get(act.node)
        if known is None:
            return
        try:
            revision = await self._store.write(known, act.claim, act.revision)
        except ConflictError:
            await self._evicted_or_kept(act)
            return
        except (ClusterError, TimeoutError):
            return
        self._member.watch.evicted(act, revision, boot_clock.now_ns())
        self._told.evicted(act.node)

    async def _evicted_or_kept(self, act: Evict) -> None:
        """The record has changed: by its node, or by what this one wrote before without an answer.
        Until it is read, the node may have been called lost."""
        try:
            entry = await self._store.entry(act.node)
        except (ClusterError, TimeoutError):
            return
        if entry is not None and entry.revision > act.revision:
            self._member.watch.kept(act)
            self._told.changed(act.node, entry)

    async def _ask_pledges(self, act: do.AskPledges) -> None:
        answers = (self._one(node, known, act.incarnation) for node, known in act.nodes)
        if all(await asyncio.gather(*answers)):
            now_ns = boot_clock.now_ns()
            self._told.did(self._member.pledged(act.asked_ns, act.incarnation, now_ns))

    async def _one(self, node: str, known: str, incarnation: str) -> bool:
        record = self._records.get(node)
        if record is None:
            return False
        try:
            async with asyncio.timeout(self._ask_s):
                return await self._ask(record, known, self._member.node, incarnation)
        except TimeoutError:
            return False
