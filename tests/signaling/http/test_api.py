"""The HTTP interface on real sockets, with fake children behind the real ROUTER."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import zmq

from mixer_core.bus import endpoints
from mixer_core.bus.control import Leave, Offer, OpenLink
from mixer_core.runtime.room_rules import Rooms
from signaling.access.owners import Owners
from signaling.http.pages import MIME_TYPES, WEB_DIR
from tests.signaling.edge import SDP, Edge, asynchronous, problem, running
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.sockets


@asynchronous
async def test_joining_and_leaving_with_sdp(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        worker, link = edge.add("worker"), edge.add("link")
        await edge.idle(1, 1)
        answer = await edge.join("kitchen", params={"name": "Ada", "mode": "conference"})
        assert answer.status == 201
        assert answer.content_type == "application/sdp"
        assert answer.text == "v=0 answer to Ada"
        location = answer.headers["Location"]
        offer = worker.received[0]
        assert isinstance(offer, Offer)
        assert (offer.room, offer.sdp, offer.mode) == ("kitchen", SDP, "conference")
        assert location.startswith(f"/rooms/kitchen/participants/{offer.participant}.")
        await until(lambda: link.received, "no link is opened")
        assert link.received == [OpenLink("kitchen", link.state.stream, "conference")]
        assert (await edge.request("DELETE", location)).status == 200
        problem(await edge.request("DELETE", location), 404)
        await until(lambda: len(worker.received) == 2, "the worker is not told")
        assert worker.received[1] == Leave(offer.participant)
        problem(await edge.request("GET", "/rooms/kitchen"), 404)


@asynchronous
async def test_addresses_are_of_the_key_that_counts_now(short_dir: Path) -> None:
    """As on a machine that joins a cluster: its signaling takes another key while it runs."""
    async with running(short_dir) as edge:
        edge.add("worker")
        edge.add("worker")
        await edge.idle(2)
        key = bytes(range(32))
        edge.ledger.take_key(key)
        location = (await edge.join()).headers["Location"]
        address = location.rpartition("/")[2]
        assert Owners(lambda: key, "elsewhere").former(address) == address.partition(".")[0]
        assert (await edge.request("DELETE", location)).status == 200


@asynchronous
async def test_joining_with_json(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        edge.add("worker")
        await edge.idle(1)
        answer = await edge.join(json={"sdp": SDP, "type": "offer"}, data=None, headers={})
        assert answer.status == 201 and answer.content_type == "application/json"
        body = answer.json()
        assert body["sdp"] == "v=0 answer to Guest" and body["type"] == "answer"
        assert body["location"] == answer.headers["Location"]
        assert body["participant"] in body["location"]


@asynchronous
async def test_rooms_tell_who_is_there(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        edge.add("worker")
        link = edge.add("link")
        await edge.idle(1, 1)
        assert (await edge.request("GET", "/rooms")).json() == {"rooms": []}
        await edge.join("kitchen", params={"name": "Ada"})

        path = "/rooms/kitchen"
        answer = await edge.until_get(path, lambda a: a.json()["link"]["status"] == "ready")
        room = answer.json()
        (person,) = room["participants"]
        keys = {"participant", "name", "muted", "status", "role", "verified", "silenced", "place"}
        assert person.keys() == keys
        assert (person["name"], person["muted"]) == ("Ada", False)
        assert (room["room"], room["mode"], room["usage"]) == ("kitchen", "assistant", {})
        assert (await edge.request("GET", "/rooms")).json()["rooms"][0]["room"] == "kitchen"
        link.set(metrics={"output_tokens_total": 5, "other_total": 1})
        tokens = {"output_tokens_total": 5}
        await edge.until_get(path, lambda a: bool(a.json()["usage"] == tokens))


@asynchronous
async def test_a_room_tells_its_rules_but_nobody_what_the_assistant_is_told(
    short_dir: Path,
) -> None:
    kitchen = {"persona": "Chef", "instructions": "hidden", "address": "open", "transcript": False}
    async with running(short_dir, rooms=Rooms(kitchen=kitchen | {"mode": "conference"})) as edge:
        edge.add("worker")
        await edge.idle(1)
        await edge.join("kitchen")
        for path in ("/rooms", "/rooms/kitchen"):
            answer = await edge.request("GET", path)
            room = answer.json().get("rooms", [answer.json()])[0]
            told = [room[key] for key in ("mode", "persona", "address", "transcript")]
            assert told == ["conference", "Chef", "open", False]
            assert room["recording_allowed"] is False
            assert b"hidden" not in answer.body


@asynchronous
async def test_a_refusal_reaches_the_browser(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        edge.add("worker", "refuse")
        await edge.idle(1)
        assert problem(await edge.join(), 400)["detail"] == "no fingerprint"


@asynchronous
async def test_no_answer_is_503_with_retry_after(short_dir: Path) -> None:
    async with running(short_dir, answer_timeout_ms=30) as edge:
        answer = await edge.join()
        assert "no media worker is idle" in (problem(answer, 503))["detail"]
        assert answer.headers["Retry-After"] == "2"
        edge.add("worker", "ignore")
        await edge.idle(1)
        assert "did not answer" in problem(await edge.join(), 503)["detail"]


@asynchronous
async def test_a_full_gateway_is_503_with_retry_after(short_dir: Path) -> None:
    async with running(short_dir, max_participants=0) as edge:
        answer = await edge.join()
        assert (problem(answer, 503))["title"] == "Full"
        assert int(answer.headers["Retry-After"]) > 0


BAD_REQUESTS: dict[str, tuple[int, str, str, dict[str, Any]]] = {
    "no such page": (404, "GET", "/nothing", {}),
    "no such room": (404, "GET", "/rooms/attic", {}),
    "no such participant": (404, "DELETE", "/rooms/attic/participants/p-00000001", {}),
    "bad room name to look at": (400, "GET", "/rooms/Attic", {}),
    "bad room name to join": (400, "POST", "/rooms/At%20tic/participants", {}),
    "control characters in the name": (400, "POST", "/rooms/a/participants?name=%07", {}),
    "a long name": (400, "POST", "/rooms/a/participants?name=" + "x" * 65, {}),
    "unknown mode": (400, "POST", "/rooms/a/participants?mode=choir", {}),
    "method": (405, "PATCH", "/rooms", {}),
    "options": (405, "OPTIONS", "/rooms/a/participants", {}),
    "empty body": (400, "POST", "/rooms/a/participants", {"data": b""}),
    "no SDP": (400, "POST", "/rooms/a/participants", {"data": "hello"}),
    "no data channel": (400, "POST", "/rooms/a/participants", {"data": "v=0\r\nm=audio 9\r\n"}),
    "no UTF-8": (400, "POST", "/rooms/a/participants", {"data": b"v=0\r\n\xff"}),
    "type": (415, "POST", "/rooms/a/participants", {"headers": {"Content-Type": "text/plain"}}),
    "too large": (413, "POST", "/rooms/a/participants", {"data": SDP + "a" * 70_000}),
    "foreign host": (403, "GET", "/", {"headers": {"Host": "evil.example"}}),
    "foreign origin": (403, "GET", "/rooms", {"headers": {"Origin": "http://evil.example"}}),
}


@asynchronous
async def test_every_error_is_a_problem(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        for words, (status, method, path, more) in BAD_REQUESTS.items():
            if method == "POST":
                more = {"data": SDP, "headers": {"Content-Type": "application/sdp"}} | more
            answer = await edge.request(method, path, **more)
            assert answer.status == status, words
            problem(answer, status)
        assert "GET" in (await edge.request("PATCH", "/rooms")).headers["Allow"]


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"sdp": 1, "type": "offer"}', '{"sdp": "v=0", "type": "answer"}', "{}"]
)
def test_bad_json_is_400(short_dir: Path, body: str) -> None:
    async def check() -> None:
        async with running(short_dir) as edge:
            headers = {"Content-Type": "application/json; charset=utf-8"}
            problem(await edge.join(data=body, headers=headers), 400)

    asyncio.run(check())


async def endless(counter: list[int]) -> AsyncIterator[bytes]:
    """A body without a length and without an end."""
    while True:
        counter[0] += 8_192
        yield b"a" * 8_192


@asynchronous
async def test_a_chunked_body_is_refused_while_it_arrives(short_dir: Path) -> None:
    async with running(short_dir, max_body_bytes=20_000) as edge:
        sent = [0]
        with contextlib.suppress(aiohttp.ClientConnectionError):
            problem(await edge.join(data=endless(sent)), 413)
        assert sent[0] < 50_000_000
        assert (await edge.request("GET", "/healthz")).status == 200


async def raw(edge: Edge, data: bytes) -> bytes:
    """What comes back on a connection where ``data`` is sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(data)
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    return answer


@asynchronous
async def test_malformed_http_is_a_problem_too(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        for garbage in (b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n"):
            head, _, body = (await raw(edge, garbage)).partition(b"\r\n\r\n")
            assert b" 400 " in head.splitlines()[0], head
            assert b"application/problem+json" in head
            assert json.loads(body)["status"] == 400


@asynchronous
async def test_a_name_with_dots_and_no_host_are_refused(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        answer = await raw(edge, b"GET /rooms HTTP/1.0\r\n\r\n")
        assert b" 403 " in answer.splitlines()[0]


@asynchronous
async def test_a_token_is_required_if_one_is_needed(short_dir: Path) -> None:
    env = {"MIXMINUS_TOKEN": "correct-horse-battery"}
    async with running(short_dir, env, http_host="0.0.0.0") as edge:
        answer = await edge.request("GET", "/rooms")
        problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        problem(await edge.join(), 401)
        right = {"Authorization": "Bearer correct-horse-battery"}
        assert (await edge.request("GET", "/rooms", headers=right)).status == 200
        assert (await edge.request("GET", "/rooms?token=correct-horse-battery")).status == 200
        assert (await edge.request("GET", "/healthz")).status == 200


@asynchronous
async def test_files_have_types_tags_and_headers(short_dir: Path) -> None:
    web = short_dir / "web"
    (web / "deep").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html>")
    (web / "deep" / "app.js").write_text("export {};")
    (web / "secret.pem").write_text("secret")
    (short_dir / "outside.js").write_text("secret")
    (web / "link.js").symlink_to(short_dir / "outside.js")
    (web / ".hidden.js").write_text("secret")
    (web / ".git").mkdir()
    (web / ".git" / "app.js").write_text("secret")
    async with running(short_dir, web=web) as edge:
        page = await edge.request("GET", "/")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        module = await edge.request("GET", "/web/deep/app.js")
        assert module.headers["Content-Type"] == "text/javascript; charset=utf-8"
        for answer in (page, module):
            assert answer.status == 200
            assert answer.headers["Cache-Control"] == "no-cache"
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy and "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Permissions-Policy"] == "microphone=(self)"
        tag = {"If-None-Match": module.headers["ETag"]}
        assert (await edge.request("GET", "/web/deep/app.js", headers=tag)).status == 304
        assert (await edge.request("HEAD", "/")).status == 200
        assert (await edge.request("GET", "/favicon.ico")).status == 204
        hidden = ("secret.pem", "link.js", ".hidden.js", ".git/app.js", "%2e%2e/outside.js")
        for path in (*hidden, "deep", "missing.js", "%00.js"):
            problem(await edge.request("GET", f"/web/{path}"), 404)


def test_every_file_of_the_page_has_a_type() -> None:
    unknown = {
        path.name
        for path in WEB_DIR.rglob("*")
        if path.is_file() and path.suffix not in MIME_TYPES and path.name != "README.md"
    }
    assert unknown == set()


@asynchronous
async def test_readiness_and_metrics_follow_the_programs(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        content = problem(await edge.request("GET", "/readyz"), 503)
        assert "mixer_core: not started" in content["detail"]
        assert set(content["programs"]) == {"mixer_core", "media_worker", "openai_link"}
        edge.program("mixer_core", metrics={"mixes_total": 3, "audio_backlog_ms": 20})
        edge.program("openai_link", needs=("simulator",))
        for name in ("media_worker", "simulator"):
            edge.program(name)
        edge.add("worker")
        edge.add("link")
        answer = await edge.until_get("/readyz", lambda a: a.status == 200)
        assert answer.json()["ready"] is True
        assert "simulator" in answer.json()["programs"]
        page = (await edge.request("GET", "/metrics")).text
        assert 'mixminus_mixes_total{program="mixer_core"} 3.0' in page
        assert 'audio_backlog_ms{program="mixer_core",stage="mixer_core"} 20.0' in page
        assert 'mixminus_workers_idle{program="signaling"} 1.0' in page
        assert 'mixminus_http_2xx_total{program="signaling"}' in page


@asynchronous
async def test_readiness_is_what_a_newcomer_would_find_and_the_control_socket_comes_back(
    short_dir: Path,
) -> None:
    async with running(short_dir / "run") as edge:
        for name in ("mixer_core", "media_worker", "openai_link"):
            edge.program(name)
        edge.add("worker")
        edge.add("link")
        await edge.until_get("/readyz", lambda a: a.status == 200)
        assert edge.mixer is not None
        shutil.rmtree(edge.dir)
        content = problem(await edge.request("GET", "/readyz"), 503)
        assert f"mixer_core: nobody listens at {edge.dir}/audio_in.sock and" in content["detail"]
        assert "audio_out" in edge.mixer.renew()
        await edge.until_get("/readyz", lambda a: a.status == 200)
        assert (await edge.join()).status == 201  # By the connection that was there before.
        edge.add("worker")  # It finds the socket in the new directory.
        await edge.idle(workers=1)


@asynchronous
async def test_a_control_socket_that_cannot_be_bound_again_is_told(short_dir: Path) -> None:
    async with running(short_dir / "run") as edge:
        shutil.rmtree(edge.dir)
        edge.dir.write_text("in the way")
        content = problem(await edge.request("GET", "/readyz"), 503)
        assert f"signaling: the runtime directory {edge.dir} cannot be" in content["detail"]
        edge.dir.unlink()
        answer = await edge.request("GET", "/readyz")
        assert "signaling" not in answer.json()["programs"]


@asynchronous
async def test_a_malformed_control_message_is_counted_and_survived(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        socket = endpoints.open_socket(
            edge.context, endpoints.CONTROL, edge.dir, "connect", "stranger"
        )
        assert socket.poll(5_000, zmq.POLLOUT)
        socket.send(b"\xc1 no msgpack")
        needle = 'mixminus_control_errors_total{program="signaling"} 1.0'
        await until(lambda: needle in edge.gateway.metrics_page().decode(), "not counted")
        socket.close()
        assert (await edge.request("GET", "/healthz")).status == 200


@asynchronous
async def test_a_stop_answers_waiting_requests(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        waiting = asyncio.create_task(edge.join())
        await until(lambda: edge.gateway.rooms(), "the offer is not there")
        edge.gateway.close()
        assert problem(await waiting, 503)["title"] == "Restarting"
        assert problem(await edge.join(), 503)["title"] == "Restarting"
        await edge.stop()
        await edge.start()


@asynchronous
async def test_a_restart_rebuilds_the_rooms_from_states(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        worker, link = edge.add("worker"), edge.add("link")
        await edge.idle(1, 1)
        answer = await edge.join("kitchen", params={"name": "Ada", "mode": "conference"})
        await until(lambda: link.received, "no link is opened")
        before = len(worker.received), len(link.received)
        await edge.stop()
        await edge.start(rebuild_ms=1_500)
        spare = edge.add("link")
        room = (await edge.request("GET", "/rooms/kitchen")).json()
        assert (room["mode"], room["participants"][0]["name"]) == ("conference", "Ada")
        problem(await edge.request("GET", "/rooms/attic"), 404)
        assert (len(worker.received), len(link.received)) == before
        assert spare.received == []
        assert (await edge.request("DELETE", answer.headers["Location"])).status == 200
        await until(lambda: isinstance(worker.received[-1], Leave), "the worker is not told")
