"""The day's money of two nodes, over a real NATS server and real journals."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from mixer_core.bus.control import SpentElsewhere
from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.names import Names
from mixer_core.journal.file import journal_path, open_writer
from mixer_core.journal.records import SIMULATED
from mixer_core.runtime import logs
from signaling.cluster.money import MoneyShare
from tests.mixer_core.cluster.test_connection import connected, run
from tests.support.nats_server import NatsServer, needs_nats
from tests.support.waiting import until

pytestmark = [pytest.mark.processes, needs_nats]
DAY = "2026-11-22"


def today() -> str:
    """A test may begin before midnight and end after it."""
    return DAY


def spend(state_dir: Path, key: str, usd: float, day: str = DAY) -> None:
    """A row of usage, as a link writes it."""
    state_dir.mkdir(exist_ok=True)
    writer = open_writer(journal_path(state_dir))
    writer.db.execute(
        "INSERT INTO conversation (room, began_ms, touched_ms) SELECT 'den', 1, 1 "
        "WHERE NOT EXISTS (SELECT 1 FROM conversation)"
    )
    writer.db.execute(
        "INSERT INTO usage VALUES (1, 'response', ?, 'm', 0, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, ?, "
        "'[]', '')",
        (key, day, usd),
    )
    writer.close()


def test_each_node_hears_what_the_others_have_spent(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    told: dict[str, list[SpentElsewhere]] = {"one": [], "two": []}
    log = logs.get("signaling")

    async def test() -> None:
        async with connected(nats_server) as first, connected(nats_server) as second:
            shares = {
                node: MoneyShare(
                    Bucket(JetStream(connection), names.money),
                    *(node, tmp_path / node, told[node].append, log),
                    today=today,
                )
                for node, connection in (("one", first), ("two", second))
            }
            spend(tmp_path / "one", "r1", 1.5)
            spend(tmp_path / "one", "r2", 8.0, f"{DAY}@two")  # It came from the other node.
            for share in shares.values():
                share.start()
            await until(lambda: told["two"][-1:] == [SpentElsewhere(DAY, 1.5)])
            spend(tmp_path / "two", "r2", 8.0)
            spend(tmp_path / "two", "r3", 0.5, DAY + SIMULATED)
            await until(lambda: told["one"][-1:] == [SpentElsewhere(DAY, 8.0, 0.5)])
            assert told["two"][-1] == SpentElsewhere(DAY, 1.5)
            await shares["one"].close()
            journal_path(tmp_path / "one").unlink()
            again = MoneyShare(
                Bucket(JetStream(first), names.money),
                "one",
                tmp_path / "one",
                told["one"].append,
                log,
                today=today,
            )
            again.start()
            keys = itertools.count()

            def is_told() -> bool:  # The first of it may be before its first look.
                spend(tmp_path / "one", f"n{next(keys)}", 0.25)
                return told["two"][-1].usd > 1.5

            await until(is_told, "a new journal gives no money back", step_s=1.0)
            assert min(spent.usd for spent in told["two"] if spent.usd) == 1.5
            await again.close()
            await shares["two"].close()

    run(test)
