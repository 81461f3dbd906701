"""``bench journal``: what a word waits for before it is told, alone and in a cluster.

The journal that ships writes to a file alone, or first to the stream of one NATS server, or of
three on this machine: from ``write`` to ``then``, entry by entry; processor time of this process
and of NATS for each record while many come; and how long a node needs to fill its file.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mixer_core.cluster.settings import ClusterSettings
from mixer_core.journal.records import HistoryItem, ItemRecord, Record, Tokens, UsageRecord
from mixer_core.runtime import logs
from openai_link.transcript.cluster_room import ClusterRoom
from openai_link.transcript.journal import Journal
from openai_link.transcript.journal_keeper import Bounds

from ..report.errors import BenchmarkError
from ..report.findings import Findings, Options
from ..report.results import quantiles
from ..rig import usage
from ..rig.hosts import LOOPBACK, Host
from ..rig.nats_servers import NatsServers

SERVERS = (0, 1, 3)
SHARES = (0.5, 0.95, 0.99)
BURST = 16
"""Entries on their way at once while many come."""
FOR_EVER_S = 1e9


@dataclass(frozen=True, slots=True)
class Store:
    """Where a journal is kept."""

    name: str
    path: Path
    room: str
    settings: ClusterSettings | None
    pids: Sequence[int]
    """Of the NATS servers."""

    def journal(self, node: str, epoch: int = 1) -> Journal:
        """A journal of that node, in a file of its own."""
        cluster = None
        if self.settings is not None:
            cluster = ClusterRoom(self.settings, epoch, standby=not epoch)
        return Journal(
            self.path / node / "journal.sqlite3",
            self.room,
            logs.get("bench"),
            _fail,
            lambda day, usd: None,
            Bounds.of(30, 256),
            cluster=cluster,
        )


def run(options: Options, findings: Findings) -> None:
    """The file alone, then one server, then three."""
    count = int(options.scaled(600, 200, 10))
    for servers in SERVERS[:2] if options.smoke else SERVERS:
        with (
            tempfile.TemporaryDirectory(prefix="mmb-journal-") as folder,
            _store(servers, Path(folder)) as store,
        ):
            findings.progress(store.name)
            asyncio.run(_measure(store, count, findings))
    findings.notes.append(
        "write → then: an entry of one item, alone; many: entries of an item and its usage, "
        f"{BURST} at once; NATS is on the same disk, and flushes every 2 minutes as usual"
    )


async def _measure(store: Store, count: int, findings: Findings) -> None:
    journal = store.journal("a")
    await journal.recover(FOR_EVER_S)
    await _write(journal, [_item(0)])
    waits = [await _write(journal, [_item(n)]) for n in range(1, count)]
    shown = {name: round(value, 2) for name, value in quantiles(waits, *SHARES).items()}
    findings.add(store.name, "write → then", "ms", **shown)

    before = time.process_time_ns(), _nats_ns(store)
    began_s = time.monotonic()
    waiting = iter(range(count, 5 * count))
    await asyncio.gather(*(_write_all(journal, waiting) for _ in range(BURST)))
    took_s, records = time.monotonic() - began_s, 8 * count
    findings.add(
        store.name,
        "many",
        "µs of a core per record",
        link=round((time.process_time_ns() - before[0]) / 1e3 / records, 1),
        nats=round((_nats_ns(store) - before[1]) / 1e3 / records, 1),
    )
    findings.add(store.name, "many, pace", "records/s", total=round(records / took_s))
    await journal.close()
    if store.settings is not None:
        other = store.journal("b", epoch=0)
        began_s = time.monotonic()
        items = await other.catch_up(FOR_EVER_S)
        took_ms = (time.monotonic() - began_s) * 1e3
        if len(items) != 5 * count:
            raise BenchmarkError(f"a node has {len(items)} of {5 * count} items")
        findings.add(store.name, f"filled anew, {len(items)} items", "ms", once=round(took_ms))
        await other.close()


async def _write_all(journal: Journal, numbers: Iterator[int]) -> None:
    for number in numbers:
        await _write(journal, [_item(number), _usage(number)])


async def _write(journal: Journal, records: Sequence[Record]) -> float:
    """Milliseconds until they are safe."""
    done = asyncio.get_running_loop().create_future()
    began_ns = time.perf_counter_ns()
    journal.write(records, partial(done.set_result, None))
    await done
    return (time.perf_counter_ns() - began_ns) / 1e6


@contextlib.contextmanager
def _store(servers: int, path: Path) -> Iterator[Store]:
    if not servers:
        yield Store("file alone", path, "home", None, ())
        return
    name = f"{servers} NATS server{'s' if servers > 1 else ''}"
    hosts = [Host(f"nats-{n + 1}", LOOPBACK) for n in range(servers)]
    with NatsServers(hosts) as running:
        running.start()
        settings = ClusterSettings(
            servers=tuple(running.urls), node="a", replicas=servers, public_url="http://localhost"
        )
        pids = [server.pid for server in running.servers]
        yield Store(name, path, "home", settings, pids)


def _nats_ns(store: Store) -> int:
    return sum(usage.cpu_ns(pid) for pid in store.pids)


def _item(number: int) -> ItemRecord:
    text = f"This is what somebody says as number {number}. " * 3
    return ItemRecord(
        HistoryItem(
            *(f"i{number}", number, "message", "user"),
            name="Ann",
            text=text,
            wall_ms=time.time_ns() // 1_000_000,
            final=True,
        )
    )


def _usage(number: int) -> UsageRecord:
    shares = (("p", "Ann", 1.0),)
    return UsageRecord(
        *(f"r{number}", "response", "m", 1 << 41, "2026-11-22", Tokens(1), 0.01, shares)
    )


def _fail(words: str) -> None:
    raise BenchmarkError(words)
