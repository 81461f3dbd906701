"""Requests that no browser sends: each gets an answer in words, and none is a fault of ours."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from pathlib import Path

import jwt
import pytest

from mixer_core.bus.control import Leave
from signaling.access.ledger import BOOK_FILE
from signaling.access.tokens import ALGORITHM
from tests.signaling.edge import Edge, HttpAnswer, asynchronous, problem, running
from tests.signaling.http.test_access import GUARDED, HOST, Browser, invited
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.sockets
TOKEN = "correct-horse-battery"
JSON = b"Content-Type: application/json\r\n"
DEEP = b"[" * 20_000


async def raw(edge: Edge, request: bytes) -> HttpAnswer:
    """Bytes on a connection, and what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(request)
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        body = await reader.readexactly(int(headers.get("Content-Length", 0)))
    writer.close()
    return HttpAnswer(int(lines[0].split()[1]), headers, body)


def head(line: str, headers: bytes = b"", body: bytes = b"") -> bytes:
    length = f"Content-Length: {len(body)}\r\n".encode() if body else b""
    return f"{line} HTTP/1.1\r\nHost: localhost\r\n".encode() + headers + length + b"\r\n" + body


NOT_UTF8 = {
    "token": head("GET /rooms", b"Authorization: Bearer \xff\xfe\r\n"),
    "cookie": head("GET /rooms", b"Cookie: mixminus=\xff.\xff.\xff\r\n"),
    "origin": head("GET /rooms", b"Origin: http://\xff\r\n"),
    "host": b"GET /rooms HTTP/1.1\r\nHost: \xff\r\n\r\n",
    "type": head("POST /rooms/home/participants", b"Content-Type: \xff/\xff\r\n", b"v=0"),
    "place": head(
        "POST /rooms/home/participants",
        b"Content-Type: application/sdp\r\nMixminus-Replaces: \xff.\xff\r\n",
        b"v=0",
    ),
    "path": head("GET /rooms/\udcff".encode("utf-8", "surrogateescape").decode("latin-1")),
    "participant": head("DELETE /rooms/home/participants/%FF.%FF"),
    "query": head("GET /rooms?token=%FF%FE"),
    "name": head(
        "POST /rooms/home/participants?name=%FF%ED%A0%80&mode=%FF",
        b"Content-Type: application/sdp\r\n",
        b"v=0",
    ),
    "forwarded": head("GET /rooms", b"X-Forwarded-For: \xff\r\nX-Forwarded-Host: \xff\r\n"),
    "agent": head("GET /", b"User-Agent: \xff\r\nAccept: \xff\r\n"),
}
NESTED = {
    "exchange": head("POST /session", JSON, b'{"token":"a","more":' + DEEP),
    "token": head("POST /session", JSON, b'{"token":' + DEEP),
    "invite": head("POST /rooms/home/invitations", JSON, b'{"name":' + DEEP),
    "offer": head("POST /rooms/home/participants", JSON, b'{"sdp":"","type":"","x":' + DEEP),
    "surrogate": head("POST /session", JSON, b'{"token":"\\ud800"}'),
    "bytes": head("POST /session", JSON, b'{"token":"\xff"}'),
}


@pytest.mark.parametrize("trust", ["", "127.0.0.1"], ids=["direct", "proxied"])
@asynchronous
async def test_what_no_browser_sends_gets_an_answer_in_words(
    short_dir: Path, caplog: pytest.LogCaptureFixture, trust: str
) -> None:
    free = {"max_wrong_tokens_per_minute": 0, "max_offers_per_minute": 0}
    env = {"MIXMINUS_TOKEN": TOKEN}
    async with running(short_dir, env, trusted_proxies=trust, **free) as edge:
        for name, request in {**NOT_UTF8, **NESTED}.items():
            answer = await raw(edge, request)
            assert answer.status < 500, (name, answer.text)
            if answer.status >= 400:
                assert answer.json()["detail"], name
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@asynchronous
async def test_a_redirect_carries_the_query_as_it_came(short_dir: Path) -> None:
    """Decoded, a line break would end the header, and an ampersand the value."""
    query = "room=a%26b&x=%0d%0aSet-Cookie:%20a=b&y=%C3%A4%FF"
    async with running(short_dir, public_path="/voice") as edge:
        answer = await raw(edge, head(f"GET /voice?{query}"))
        assert answer.status == 308
        location = answer.headers["Location"]
        assert location.lower() == f"/voice/?{query}".lower()
        assert "Set-Cookie" not in answer.headers


@asynchronous
async def test_every_kind_of_bad_token_is_told_apart_in_page_and_api(short_dir: Path) -> None:
    free = {"max_wrong_tokens_per_minute": 0}
    env = {"MIXMINUS_TOKEN": TOKEN}
    async with running(short_dir, env, allowed_hosts=HOST, **free) as edge:
        desk, now_s = edge.gate.desk, int(time.time())
        _, expired = desk.invite(["home"], "speak", "", 60, False, now_s - 3600)
        revoked_made, revoked = desk.invite(["home"], "speak", "", 600, False, now_s)
        desk.revoke(revoked_made.id, now_s)
        _, good = desk.invite(["attic"], "speak", "", 600, False, now_s)
        start, _, signature = good.rpartition(".")
        tampered = f"{start}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
        unsigned = jwt.encode({"use": "invite", "jti": "a", "role": "admin"}, "", "none")
        foreign = jwt.encode({"use": "invite"}, "k" * 32, ALGORITHM)
        kinds = {
            expired: "Invitation expired",
            revoked: "Invitation revoked",
            tampered: "Invitation not valid",
            unsigned: "Invitation not valid",
            foreign: "Invitation not valid",
            f"{'W' * 3000}.b.c": "Invitation not valid",
            good[: len(good) // 2]: "",
        }
        for token, title in kinds.items():
            by_page = await Browser(edge)("POST", "/session", json={"token": token})
            content = problem(by_page, 401)
            bearer = {"Authorization": f"Bearer {token}", "Cookie": ""}
            by_api = problem(await Browser(edge)("GET", "/rooms", headers=bearer), 401)
            if title:
                assert (content["title"], by_api["title"]) == (title, title)
                assert content["detail"] == by_api["detail"]
            assert "ask whoever invited you" in content["detail"]
        bearer = {"Authorization": "Bearer wrong", "Cookie": ""}
        wrong = problem(await Browser(edge)("GET", "/rooms", headers=bearer), 401)
        assert wrong["title"] == "Wrong token" and "MIXMINUS_TOKEN" in wrong["detail"]
        bearer = {"Authorization": f"Bearer {good}", "Cookie": ""}
        unused = problem(await Browser(edge)("GET", "/rooms", headers=bearer), 401)
        assert "POST it to /session" in unused["detail"]


@pytest.mark.parametrize("header", ['{"alg":' + "[" * 2_900, "[" * 2_900])
@asynchronous
async def test_a_token_whose_header_never_ends_is_refused(short_dir: Path, header: str) -> None:
    first = base64.urlsafe_b64encode(header.encode()).decode().rstrip("=")
    async with running(short_dir) as edge:
        answer = await edge.request("POST", "/session", json={"token": f"{first}.e30.AAAA"})
        assert problem(answer, 401)["title"] == "Invitation not valid"


@asynchronous
async def test_a_damaged_list_of_invitations_is_no_fault_of_the_request(
    short_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(short_dir, **GUARDED) as edge:
        bob = await invited(edge, "speak")
        (short_dir / "state" / BOOK_FILE).write_text("[" * 5_000, encoding="utf-8")
        answer = await bob("GET", "/session")
        assert answer.status == 503 and "its log says which" in answer.json()["detail"]
        assert answer.headers["Retry-After"]
    told = [record.getMessage() for record in caplog.records if BOOK_FILE in record.getMessage()]
    assert told and "Traceback" not in caplog.text


@asynchronous
async def test_an_unknown_rule_or_none_changes_nothing(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        edge.add("worker")
        await edge.idle(1)
        await edge.join()
        for bad in (
            {},
            {"rules": {}},
            {"rules": {"lock": True}},
            {"rules": {"locked": "yes"}},
            {"rules": {"stop": "listen"}},
            {"rules": {"address": "never"}},
            {"mode": "choir"},
            {"modes": "conference"},
            [],
        ):
            problem(await edge.request("PATCH", "/rooms/home", json=bad), 400)
        before = (await edge.request("GET", "/rooms/home")).json()
        assert before["rules"] == {
            "locked": False,
            "enter_muted": False,
            "stop": "admin",
            "confirm": "speak",
            "address": "",
        }
        change = {"rules": {"locked": True, "confirm": "admin", "address": "addressed"}}
        answer = (await edge.request("PATCH", "/rooms/home", json=change)).json()
        assert answer["rules"] == before["rules"] | change["rules"]
        assert (await edge.request("GET", "/rooms/home")).json()["rules"] == answer["rules"]


@asynchronous
async def test_the_lock_is_told_to_those_outside(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        for _ in range(3):
            edge.add("worker")
        await edge.idle(3)
        admin, bob = await invited(edge, "admin"), await invited(edge, "speak")
        assert (await admin.join(name="Ada")).status == 201
        change = {"rules": {"locked": True}}
        problem(await bob("PATCH", "/rooms/home", json=change), 403)
        assert (await admin("PATCH", "/rooms/home", json=change)).status == 200
        refused = problem(await bob.join(name="Bob"), 403)
        assert refused["title"] == "Room locked" and "open it" in refused["detail"]
        other = await invited(edge, "admin")
        assert (await other.join(name="Eve")).status == 201
        content = {"rules": {"locked": False}}
        assert (await admin("PATCH", "/rooms/home", json=content)).status == 200
        assert (await bob.join(name="Bob")).status == 201


@asynchronous
async def test_all_tabs_of_a_removed_guest_end(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        workers = [edge.add("worker") for _ in range(2)]
        await edge.idle(2)
        bob = await invited(edge, "speak", "Bob")
        for _ in workers:
            assert (await bob.join()).status == 201
        people = (await edge.request("GET", "/rooms/home")).json()["participants"]
        path = f"/rooms/home/participants/{people[0]['participant']}"
        assert (await edge.request("DELETE", path)).status == 200

        def all_told() -> bool:
            last = [worker.received[-1] for worker in workers]
            return all(isinstance(one, Leave) and one.code == "removed" for one in last)

        await until(all_told, "a tab stays", lambda: [w.received[-1] for w in workers])
