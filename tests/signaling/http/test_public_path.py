"""The gateway under a sub-path and behind proxies, with the real application."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.signaling.edge import asynchronous, problem, running

pytestmark = pytest.mark.sockets
TOKEN = "correct-horse-battery"
BEARER = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/sdp"}


@asynchronous
async def test_everything_is_there_with_and_without_the_path(short_dir: Path) -> None:
    async with running(short_dir, public_path="/voice") as edge:
        edge.add("worker"), edge.add("link")
        await edge.idle(workers=1, links=1)
        for prefix in ("", "/voice"):
            for path in ("/", "/web/main.js", "/rooms", "/healthz"):
                assert (await edge.request("GET", prefix + path)).status == 200, prefix + path
        answer = await edge.request("GET", "/voice?room=a", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (308, "/voice/?room=a")
        assert (await edge.request("GET", "/voices/rooms")).status == 404
        joined = await edge.join()
        location = joined.headers["Location"]
        assert location.startswith("/voice/rooms/home/participants/")
        assert (await edge.request("DELETE", location)).status == 200


@asynchronous
async def test_through_a_proxy_nobody_is_local(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        assert (await edge.request("GET", "/rooms")).status == 200
        for headers in ({"X-Forwarded-For": "203.0.113.7"}, {"Via": "1.1 tunnel"}):
            problem(await edge.request("GET", "/rooms", headers=headers), 401)


@asynchronous
async def test_a_named_proxy_hands_on_host_and_origin(short_dir: Path) -> None:
    env = {"MIXMINUS_TOKEN": TOKEN}
    settings = {"trusted_proxies": "127.0.0.1", "allowed_hosts": "talk.example"}
    async with running(short_dir, env, **settings) as edge:
        through = {"X-Forwarded-Host": "talk.example", "X-Forwarded-Proto": "https"}
        page = {"Origin": "https://talk.example"}
        good = await edge.request("GET", "/rooms", headers=BEARER | through | page)
        assert good.status == 200
        problem(await edge.request("GET", "/rooms", headers=through), 401)
        foreign = through | {"X-Forwarded-Host": "evil.example"}
        problem(await edge.request("GET", "/rooms", headers=BEARER | foreign), 403)
        page = {"Origin": "https://evil.example"}
        problem(await edge.request("GET", "/rooms", headers=BEARER | through | page), 403)
    async with running(short_dir, env, allowed_hosts="talk.example") as edge:
        problem(await edge.request("GET", "/rooms", headers=BEARER | through | page), 403)
