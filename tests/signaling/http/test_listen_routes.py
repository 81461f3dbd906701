"""Listening over plain HTTP: who may, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mixer_core.bus.control import Offer
from mixer_core.bus.roles import Role
from mixer_core.runtime.errors import ProblemError
from signaling.access.gate import Gate
from signaling.access.ledger import Ledger
from signaling.http import limiting, listeners
from signaling.http.api import HttpApi
from signaling.http.forwarded import Proxies
from signaling.http.lan_pages import LanPages, Listening
from signaling.http.listen_routes import ListenRoutes
from tests.signaling.edge import SDP, Edge, HttpAnswer, asynchronous, problem, running

pytestmark = pytest.mark.sockets
TOKEN = "correct-horse-battery"


class Plain:
    """The plain port beside a running edge."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.ledger = Ledger(edge.settings.state_dir)
        gate = Gate(edge.settings.signaling, edge.env, self.ledger, ())
        api = HttpApi(edge.gateway, gate, edge.settings.signaling, edge.log)
        limit = limiting.middleware(edge.gateway.allowances.limiter, Proxies(""), edge.log)
        listening = Listening(ListenRoutes(api.rooms, gate.desk), [limit])
        pages = LanPages(lambda: None, 8443, lambda: ("mixminus.local",), edge.log, listening)
        self.listener = listeners.Listener(pages.application())
        self.desk = gate.desk

    def token(self, role: Role = "listen", once: bool = False) -> str:
        """A new invitation's."""
        return self.desk.invite(["home"], role, "", 600, once, int(time.time()))[1]

    async def request(self, method: str, path: str, bearer: str, **more: Any) -> HttpAnswer:
        """A request with a token."""
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/sdp"}
        async with self.edge.http.request(method, self.url + path, headers=headers, **more) as got:
            return HttpAnswer(got.status, got.headers, await got.read())

    async def join(self, bearer: str, room: str = "home") -> HttpAnswer:
        """POST of an offer."""
        return await self.request("POST", f"/listen/rooms/{room}/participants", bearer, data=SDP)


@asynccontextmanager
async def opened(folder: Path, **settings: Any) -> AsyncIterator[Plain]:
    """The port, and a worker that answers."""
    async with running(folder, {"MIXMINUS_TOKEN": TOKEN}, **settings) as edge:
        plain = Plain(edge)
        (socket,) = listeners.bind("127.0.0.1", 0)
        plain.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        await plain.listener.start([socket])
        try:
            yield plain
        finally:
            await plain.listener.stop()


@asynchronous
async def test_a_listener_joins_leaves_and_may_come_again(short_dir: Path) -> None:
    async with opened(short_dir) as plain:
        worker = plain.edge.add("worker")
        plain.edge.add("link")
        await plain.edge.idle(workers=1, links=1)
        token = plain.token(once=True)
        answer = await plain.request("POST", "/listen/session", token)
        session = answer.json()["session"]
        assert answer.status == 200 and "Set-Cookie" not in answer.headers
        joined = await plain.join(session)
        assert joined.status == 201, joined.text
        (offer,) = [m for m in worker.received if isinstance(m, Offer)]
        assert offer.role == "listen"
        location = f"/listen{joined.headers['Location']}"
        assert (await plain.request("DELETE", location, session)).status == 200
        problem(await plain.request("POST", "/listen/session", token), 401)


@asynchronous
async def test_an_invitation_for_one_that_another_node_has_claimed_lets_nobody_in(
    short_dir: Path,
) -> None:
    async with opened(short_dir) as plain:
        claimed: list[str] = []

        async def claim(invitation: str) -> None:
            """Of two nodes' ledgers: the first one who comes gets it."""
            if invitation in claimed:
                raise ProblemError(401, "Invitation used", "one has come by it")
            claimed.append(invitation)

        plain.ledger.claim = claim
        token = plain.token(once=True)
        assert (await plain.request("POST", "/listen/session", token)).status == 200
        other, token = plain.desk.invite(["home"], "listen", "", 600, True, int(time.time()))
        await claim(other.id)
        problem(await plain.request("POST", "/listen/session", token), 401)


@asynchronous
async def test_tokens_that_allow_more_are_not_taken_and_not_used_up(short_dir: Path) -> None:
    async with opened(short_dir) as plain:
        for role in ("speak", "admin"):
            token = plain.token(role, once=True)
            found = problem(await plain.request("POST", "/listen/session", token), 403)
            assert "secure page" in found["detail"]
            _, session = plain.desk.exchange(token, "", int(time.time()))
            problem(await plain.join(session), 403)
        problem(await plain.request("POST", "/listen/session", TOKEN), 403)
        problem(await plain.join(TOKEN), 401)


@asynchronous
async def test_without_a_good_token_nobody_listens(short_dir: Path) -> None:
    async with opened(short_dir) as plain:
        problem(await plain.request("POST", "/listen/session", "nonsense"), 401)
        problem(await plain.join(""), 401)
        problem(await plain.join(plain.token()), 401)
        session = (await plain.request("POST", "/listen/session", plain.token())).json()["session"]
        problem(await plain.join(session, "kitchen"), 403)


@asynchronous
async def test_wrong_tokens_are_limited_here_too(short_dir: Path) -> None:
    async with opened(short_dir) as plain:
        found = {(await plain.request("POST", "/listen/session", "x")).status for _ in range(60)}
        assert found == {401, 429}


@asynchronous
async def test_the_page_and_what_it_needs_are_there(short_dir: Path) -> None:
    async with opened(short_dir) as plain:
        page = await plain.request("GET", "/listen", "")
        assert "https://127.0.0.1:8443/" in page.text
        for name in ("style.css", "listen.js", "captions.js", "icon.svg"):
            assert (await plain.request("GET", f"/lan/{name}", "")).status == 200
        problem(await plain.request("GET", "/trust", ""), 404)
