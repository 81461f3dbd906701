"""``GET /ice``, and what workers are told of the same servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixer_core.bus.control import Offer
from signaling.settings import NetworkSettings
from tests.signaling.edge import asynchronous, problem, running

pytestmark = pytest.mark.sockets

TURN = NetworkSettings(ice_servers="stun:a.example, turn:a.example", turn_username="ada")


@asynchronous
async def test_without_servers_the_page_is_told_so(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        answer = await edge.request("GET", "/ice")
        assert answer.json() == {"ice_servers": [], "keep_s": 600}
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_page_and_its_worker_get_the_same_servers(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURN_SECRET", "north")

    @asynchronous
    async def scenario() -> None:
        async with running(short_dir, network=TURN) as edge:
            worker = edge.add("worker")
            await edge.idle(1)
            told = (await edge.request("GET", "/ice")).json()["ice_servers"]
            assert told[0] == {"urls": ["stun:a.example"]}
            assert (told[1]["username"], told[1]["credential"]) == ("ada", "north")
            assert (await edge.join()).status == 201
            (offer,) = (message for message in worker.received if isinstance(message, Offer))
            stun, turn = offer.ice_servers
            assert stun.urls == ("stun:a.example",)
            assert (turn.urls, turn.credential) == (("turn:a.example",), "north")

    scenario()


@asynchronous
async def test_a_stranger_gets_no_credentials(short_dir: Path) -> None:
    async with running(short_dir, require_invitation=True, allowed_hosts="nano.local") as edge:
        headers = {"Host": "nano.local"}
        problem(await edge.request("GET", "/ice", headers=headers), 401)
