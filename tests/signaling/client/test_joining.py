"""The way in against signaling itself, with a worker that only says what it is told."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import pytest

from signaling.client import Refused, Unreachable, join
from signaling.client.requests import Requests, Seat
from tests.signaling.edge import SDP, asynchronous, running
from tests.support.gateway import free_port

pytestmark = pytest.mark.sockets


@asynchronous
async def test_an_offer_is_answered_and_its_address_leaves(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        edge.program("mixer_core")
        edge.add("worker")
        await edge.idle(workers=1)
        async with Requests(edge.url, None) as requests:
            answer = await requests.offer(SDP, Seat("home", "Ana"))
            assert answer.sdp == "v=0 answer to Ana"
            assert answer.location.startswith(f"{edge.url}/rooms/home/participants/")
            await requests.leave(answer.location)
        await edge.until_get("/rooms", lambda answer: answer.json()["rooms"] == [])


@asynchronous
async def test_a_refusal_says_what_the_gateway_says(tmp_path: Path) -> None:
    async with running(tmp_path) as edge, Requests(edge.url, None) as requests:
        with pytest.raises(Refused, match="Bad room name") as caught:
            await requests.offer(SDP, Seat("No Room", "Ana"))
        assert (caught.value.status, caught.value.may_pass) == (400, False)
        with pytest.raises(Refused) as full:
            await requests.offer(SDP, Seat("home", "Ana"))
        assert full.value.may_pass


@asynchronous
async def test_an_invitation_opens_its_room(tmp_path: Path) -> None:
    async with running(tmp_path, require_invitation=True) as edge:
        now_s = int(time.time())
        _, token = edge.gate.desk.invite(["home"], "speak", "Bob", 3600, False, now_s)
        async with Requests(edge.url, None) as requests:
            await requests.enter(token)
            with pytest.raises(Refused, match=r"garden|invitation"):
                await requests.offer(SDP, Seat("garden", ""))
            with pytest.raises(Refused):
                await requests.invite("home", {"role": "speak"})
        with pytest.raises(Refused, match="401"):
            async with Requests(edge.url, None) as requests:
                await requests.enter("nonsense")


@asynchronous
async def test_nobody_answers(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match="is it running"):
        async with join(url):
            raise AssertionError("it joined")


@asynchronous
async def test_another_node_is_asked_where_the_first_is_gone(tmp_path: Path) -> None:
    async with running(tmp_path, require_invitation=True) as edge:
        edge.program("mixer_core")
        edge.add("worker")
        await edge.idle(workers=1)
        _, token = edge.gate.desk.invite(["home"], "speak", "Bob", 3600, False, int(time.time()))
        gone = f"http://127.0.0.1:{free_port()}"
        async with Requests(gone, None, [edge.url]) as requests:
            await requests.enter(token)
            assert requests.ways.base == edge.url
            answer = await requests.offer(SDP, Seat("home", ""))
            assert answer.location.startswith(edge.url)
            requests.ways.lost()
            with pytest.raises(Unreachable, match=gone):
                await requests.ice_servers()


@asynchronous
async def test_a_node_that_does_not_know_the_session_is_shown_the_token(tmp_path: Path) -> None:
    token = secrets.token_urlsafe(32)
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    async with (
        running(folders[0], {"MIXMINUS_TOKEN": token}, http_host="0.0.0.0") as first,
        running(folders[1], {"MIXMINUS_TOKEN": token}, http_host="0.0.0.0") as second,
        Requests(first.url, None, [second.url]) as requests,
    ):
        await requests.enter(token)
        requests.ways.lost()
        with pytest.raises(Refused) as full:  # It has no worker, but we may come in.
            await requests.offer(SDP, Seat("home", "Ana"))
        assert full.value.status == 503
