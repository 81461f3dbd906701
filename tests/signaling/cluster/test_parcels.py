"""Rests of bodies between two nodes, over a real NATS server."""

from __future__ import annotations

import asyncio

import pytest

from mixer_core.cluster.names import Names
from mixer_core.runtime.errors import ClusterError
from signaling.cluster import parcels
from signaling.cluster.parcels import Parcels
from tests.mixer_core.cluster.test_connection import connected, run
from tests.support.nats_server import NatsServer, needs_nats
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.processes, needs_nats]


def test_a_body_of_which_nothing_more_comes_is_thrown_away(
    monkeypatch: pytest.MonkeyPatch, nats_server: NatsServer, names: Names
) -> None:
    monkeypatch.setattr(parcels, "MOST", 1)
    closed: list[str] = []

    async def stuck(most_bytes: int) -> tuple[bytes, bool]:
        await asyncio.Event().wait()
        return b"", True

    async def test() -> None:
        async with connected(nats_server) as one, connected(nats_server) as two:
            here, there = Parcels(one, names, "one"), Parcels(two, names, "two")
            await here.start()
            name = here.offer(stuck, lambda: closed.append("closed"))
            asked = asyncio.create_task(there.fetch("one", name, 0, PATIENCE_S))
            await asyncio.sleep(0)
            monkeypatch.setattr(parcels, "FETCH_LIMIT_S", 0.05)  # Of the one that serves it.
            with pytest.raises(ClusterError, match="does not come"):
                await asked
            assert closed == ["closed"]
            assert here.offer(stuck, lambda: None), "there is room for another one"
            here.close()

    run(test)
