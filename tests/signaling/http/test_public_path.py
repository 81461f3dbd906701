"""The gateway under a sub-path and behind proxies, with the real application."""

from __future__ import annotations

import time
from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from signaling.access.gate import Gate
from signaling.http import listeners
from signaling.http.api import HttpApi, PageParts
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


@pytest.mark.parametrize(
    ("path", "headers", "base"),
    [
        ("/session", {}, "/"),
        ("/voice/session", {}, "/voice"),
        ("/session", {"X-Forwarded-For": "203.0.113.7"}, "/voice"),
    ],
    ids=["in the local network", "a proxy that keeps the path", "a proxy that takes it away"],
)
@asynchronous
async def test_the_local_networks_cookie_is_for_the_path_that_its_browser_sees(
    short_dir: Path, path: str, headers: dict[str, str], base: str
) -> None:
    """Beside a sub-path of a proxy, the local network has the page at the root."""
    async with running(short_dir, public_path="/voice", require_invitation=True) as edge:
        gate = Gate(edge.settings.signaling, {}, edge.ledger, ("nano.local",))
        parts = PageParts(is_lan=True)
        api = HttpApi(edge.gateway, gate, edge.settings.signaling, edge.log, parts)
        listener = listeners.Listener(api.application())
        (socket,) = listeners.bind("127.0.0.1", 0)
        url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        await listener.start([socket])
        _, token = gate.desk.invite(["home"], "speak", "", 600, False, int(time.time()))
        async with edge.http.post(url + path, json={"token": token}, headers=headers) as answer:
            assert answer.status == 200
            cookie = SimpleCookie(answer.headers["Set-Cookie"])["mixminus"]
            assert cookie["path"] == base
        await listener.stop()
