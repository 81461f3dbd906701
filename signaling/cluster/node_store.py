"""The nodes' records in NATS, and the own incarnations on the own disk."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from mixer_core.cluster.buckets import Bucket, Entry, Watch
from mixer_core.cluster.doubt import StoreDoubt
from mixer_core.cluster.incarnations import DIGITS, MAX_OWN, is_incarnation
from mixer_core.cluster.kept_client import KeptClient
from mixer_core.cluster.lease_actions import Claim, Known
from mixer_core.cluster.records import NodeRecord, decode_record, encode_record
from mixer_core.runtime import boot_clock
from mixer_core.runtime.errors import ClusterAwayError, ConflictError, RecordError
from mixer_core.runtime.files import read_file, replace_file
from mixer_core.runtime.units import MS_NS, S_NS

_T = TypeVar("_T")
DAMAGED = Claim("", 0, gone=True)
"""A record that cannot be read is replaced as if its node were gone."""


class NodeStore:
    """As one node sees it. A server that decides no write for too long is left."""

    def __init__(
        self,
        bucket: Bucket,
        connection: KeptClient,
        file: Path,
        limit_ns: int,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """Prepare.

        Args:
            bucket: of the nodes. connection: what it goes over.
            file: where the newest of the own incarnations is noted, alone, as the release before
                reads it; all of them are noted beside it, in ``.all``.
            limit_ns: for one answer of NATS.
            log: for what people should know.
        """
        self._bucket = bucket
        self._connection = connection
        self._doubt = StoreDoubt()
        if connection.is_connected:
            self._doubt.connected(boot_clock.now_ns())
        connection.tell_on_connect(lambda: self._doubt.connected(boot_clock.now_ns()))
        connection.tell_on_disconnect(self._doubt.disconnected)
        self._file = file
        self._all = file.with_name(f"{file.name}.all")
        self._limit_s = limit_ns / S_NS
        self._log = log
        self._noted: tuple[str, ...] = ()

    async def prepare(self, replicas: int) -> None:
        """Make the bucket, unless it is there. Raises ClusterError."""
        await self._asked(self._bucket.ensure(replicas))

    async def made(self) -> str:
        """When the bucket was made, as NATS tells it. Raises ClusterError."""
        return (await self._bucket.state())[0]

    def watch(
        self, changed: Callable[[str, Entry | None], None], begun: Callable[[], None]
    ) -> Watch:
        """Follow all records; ``begun``: revisions are not those of before."""
        return self._bucket.watch(changed, on_begun=begun)

    def read(self, node: str, entry: Entry) -> NodeRecord | None:
        """What was stored for a node; None: it is damaged, which the log says."""
        try:
            record = decode_record(entry.value, NodeRecord)
        except RecordError as error:
            self._log.warning("! the record of node %s: %s", node[:80], error)
            return None
        if not is_incarnation(record.incarnation) or record.node != node:
            self._log.warning("! the record of node %s is damaged", node[:80])
            return None
        return record

    async def entry(self, node: str) -> Entry | None:
        """What was stored for a node; None: nothing. Raises ClusterError, TimeoutError."""
        return await self._asked(self._bucket.get(node), self._limit_s)

    async def claim(self, node: str) -> tuple[Claim | None, int]:
        """What a node claims, and of which revision that is; None and 0: there is no record.

        Raises:
            ClusterError, TimeoutError: no answer.
        """
        entry = await self.entry(node)
        if entry is None:
            return None, 0
        record = self.read(node, entry)
        return (DAMAGED if record is None else claim_of(record)), entry.revision

    async def write(self, record: NodeRecord, claim: Claim, revision: int) -> int:
        """Write a node's record with this claim, if the store has ``revision`` (0: none).

        Raises:
            ConflictError: it has another one.
            ClusterError, TimeoutError: no answer.
        """
        value = encode_record(with_claim(record, claim))
        if revision:
            work = self._bucket.update(record.node, value, revision, self._limit_s)
        else:
            work = self._bucket.create(record.node, value, self._limit_s)
        written = await self._asked(work, self._limit_s)
        self._doubt.decided(boot_clock.now_ns())
        return written

    async def remove(self, node: str, revision: int) -> None:
        """Remove a node's record, if the store has ``revision``. Raises as ``write`` does."""
        await self._asked(self._bucket.delete(node, revision, self._limit_s), self._limit_s)

    async def _asked(self, work: Awaitable[_T], limit_s: float | None = None) -> _T:
        """What the store says, in that time. Raises as ``work`` does, and TimeoutError."""
        try:
            async with asyncio.timeout(limit_s):
                return await work
        except ConflictError:
            self._doubt.decided(boot_clock.now_ns())
            raise
        except (ClusterAwayError, TimeoutError):
            if self._doubt.unanswered(boot_clock.now_ns()):
                self._connection.leave_server("it acknowledges nothing")
            raise

    def noted(self) -> tuple[str, ...]:
        """The incarnations of this machine that may be in the store, the newest one last."""
        self._noted = tuple(dict.fromkeys([*_incarnations(self._all), *_incarnations(self._file)]))
        return self._noted

    async def note(self, own: tuple[str, ...]) -> None:
        """Note them, unless that was done. Raises OSError."""
        if own != self._noted:
            await asyncio.to_thread(replace_file, self._all, "\n".join(own).encode())
            await asyncio.to_thread(replace_file, self._file, own[-1].encode())
            self._noted = own


def _incarnations(file: Path) -> list[str]:
    """Those in a file, the newest one last; none, where there is no such file."""
    try:
        text = read_file(file, MAX_OWN * (DIGITS + 2)).decode("ascii", "replace")
    except OSError:
        return []
    return [line for line in text.split() if is_incarnation(line)]


def claim_of(record: NodeRecord) -> Claim:
    """What a record says of the lease."""
    known: Known = tuple(sorted(record.known.items()))
    return Claim(record.incarnation, record.beat, known, record.gone)


def with_claim(record: NodeRecord, claim: Claim) -> NodeRecord:
    """A record that says this of the lease."""
    return replace(
        record,
        incarnation=claim.incarnation,
        beat=claim.beat,
        known=dict(claim.known),
        gone=claim.gone,
    )


def proposed() -> int:
    """For incarnations: newer than all before, even if the store has forgotten those."""
    return time.time_ns() // MS_NS
