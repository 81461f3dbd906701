"""A loaded gateway at its edge: who is told, what newcomers get, what operators see."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixer_core.bus import control
from mixer_core.bus.control_client import ControlClient
from signaling.host import Host
from signaling.registry.load_meter import HostCounters
from tests.signaling.edge import Edge, asynchronous, problem, running
from tests.support.waiting import until

pytestmark = pytest.mark.sockets


class Memory:
    """All memory that is left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mib = 4_000.0
        counters = lambda _: HostCounters(cores=2.0, machine_cores=2, memory_mib=self.mib)  # noqa: E731
        monkeypatch.setattr(Host, "read", counters)


def beating(edge: Edge, name: str, told: list[control.Message]) -> None:
    """A program that takes what it is told."""
    beat = control.Heartbeat(name, 1, True)
    client = ControlClient(edge.context, edge.dir, name, lambda: beat, told.append, edge.log)
    edge.clients.append(client)


async def level(edge: Edge) -> int:
    return int((await edge.request("GET", "/readyz")).json()["load"]["level"])


@asynchronous
async def test_it_is_told_refused_and_shown(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory(monkeypatch)
    async with running(short_dir, refuse_when_busy=True) as edge:
        told: dict[str, list[control.Message]] = {"mixer_core": [], "media_worker": []}
        for name, messages in told.items():
            beating(edge, name, messages)
        workers, link = [edge.add("worker") for _ in range(3)], edge.add("link")
        await edge.idle(3, 1)
        former = await edge.join()
        (busy,) = [worker for worker in workers if worker.received]
        offer = busy.received[0]
        assert isinstance(offer, control.Offer)
        place = {"participant": offer.participant, "room": "home", "stream": offer.stream}
        busy.set(status="connected", **place)
        memory.mib = 10.0

        async def is_busy() -> bool:
            return await level(edge) == 3

        await until(is_busy, "it does not become busy", edge.gateway.load)
        shown = (await edge.request("GET", "/readyz")).json()["load"]
        assert shown["percent"] > 100 and shown["reason"] == "it is short of memory"
        refused = await edge.join("attic")
        words = problem(refused, 503)
        assert refused.headers["Retry-After"] == "5" and words["title"] == "Busy"
        assert "this gateway is busy: it is short of memory" in words["detail"]
        assert words["ticket"] and words["position"] == 1
        page = (await edge.request("GET", "/metrics")).text
        assert 'mixminus_load_level{program="signaling"} 3.0' in page
        assert 'mixminus_load_memory_ratio{program="signaling"}' in page
        await until(lambda: told["mixer_core"], "the mixer is not told", told.values)
        levels = lambda: [m for m in link.received if isinstance(m, control.LoadLevel)]  # noqa: E731
        await until(levels, "the link is not told", lambda: link.received)
        assert levels()[0].level == 3
        assert told == {"mixer_core": [control.LoadLevel(3)], "media_worker": []}
        address = former.headers["Location"].rpartition("/")[2]
        headers = {"Content-Type": "application/sdp", "Mixminus-Replaces": address}
        assert (await edge.join(headers=headers)).status == 201, "its place is its own"


@asynchronous
async def test_switched_off_it_is_only_shown(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Memory(monkeypatch).mib = 1.0
    async with running(short_dir) as edge:
        told: list[control.Message] = []
        beating(edge, "mixer_core", told)
        for _ in range(2):
            edge.add("worker")
        await edge.idle(2)
        assert (await edge.join()).status == 201

        async def is_busy() -> bool:
            return await level(edge) == 3

        await until(is_busy, "it is not shown", edge.gateway.load)
        assert (await edge.join()).status == 201
        assert told == []
