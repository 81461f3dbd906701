"""Whatever comes over TCP: never a fault of ours, never a traceback, one line an interval."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from signaling.http import problems
from signaling.registry import actions
from tests.signaling.edge import Edge, asynchronous, problem, running
from tests.signaling.http.test_bad_requests import DEEP, JSON, TOKEN, head
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.sockets
SDP = b"Content-Type: application/sdp\r\n"
OFFERS = "POST /rooms/home/participants"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
FREE = {"max_wrong_tokens_per_minute": 0, "max_offers_per_minute": 0}

BODIES = {
    **{
        f"{coding} that is none": head("POST /session", JSON + b"Content-Encoding: " + coded, b"zz")
        for coding, coded in {
            "gzip": b"gzip\r\n",
            "deflate": b"deflate\r\n",
            "br": b"br\r\n",
            "zstd": b"zstd\r\n",
            "bytes": b"\xff\xfe\r\n",
        }.items()
    },
    "gzip, an offer": head(OFFERS, SDP + b"Content-Encoding: gzip\r\n", b"zz"),
    "gzip, nobody reads it": head("GET /rooms", b"Content-Encoding: gzip\r\n", b"zz"),
    "gzip, no such page": head("POST /nowhere", b"Content-Encoding: gzip\r\n", b"zz"),
    "a bomb": head(
        "POST /session",
        JSON + b"Content-Encoding: gzip\r\n",
        gzip.compress(b"0" * 10_000_000)[:4000],
    ),
    "chunk: no number": head("POST /session", JSON + CHUNKED) + b"zz\r\nabc\r\n0\r\n\r\n",
    "chunk: below zero": head("POST /session", JSON + CHUNKED) + b"-1\r\nabc\r\n0\r\n\r\n",
    "chunk: huge": head("POST /session", JSON + CHUNKED) + b"f" * 22 + b"\r\nabc\r\n",
    "chunk: too long": head("POST /session", JSON + CHUNKED) + b"3\r\nabcdef\r\n0\r\n\r\n",
    "chunk: bad later": head("POST /session", JSON + CHUNKED) + b"2\r\n{}\r\nzz\r\n",
    "chunk: bad where none is read": head("GET /rooms", CHUNKED) + b"zz\r\nabc\r\n",
    "chunk: trailers": head("POST /session", JSON + CHUNKED)
    + b"2\r\n{}\r\n0\r\n\xff: \xff\r\n\r\n",
    "transfer twice": head("POST /session", JSON + b"Transfer-Encoding: chunked, chunked\r\n"),
    "two lengths": head("POST /session", JSON + b"Content-Length: 1\r\nContent-Length: 2\r\n")
    + b"xx",
    "length and chunks": head("POST /session", JSON + CHUNKED + b"Content-Length: 3\r\n")
    + b"0\r\n",
    "length below zero": head("POST /session", JSON + b"Content-Length: -1\r\n"),
    "length too long": head("POST /session", JSON + b"Content-Length: " + b"9" * 30 + b"\r\n"),
    "NaN": head("POST /session", JSON, b'{"token":NaN}'),
    "a long number": head("POST /session", JSON, b'{"token":' + b"9" * 8_000 + b"}"),
    "a key twice": head("POST /session", JSON, b'{"token":"a","token":"b"}'),
    "null": head("POST /session", JSON, b"null"),
    "UTF-16": head("POST /session", JSON, '{"token":"a"}'.encode("utf-16")),
    "endless time": head(
        "POST /rooms/home/invitations", JSON, b'{"role":"speak","lifetime_s":1e999}'
    ),
    "64 bits": head(
        "POST /rooms/home/invitations", JSON, b'{"role":"speak","lifetime_s":%d}' % 2**63
    ),
    "a name of half characters": head(
        "POST /rooms/home/invitations", JSON, b'{"name":"\\ud83d\\u0000"}'
    ),
    "rules without end": head("PATCH /rooms/home", JSON, b'{"rules":' + DEEP),
    "an offer of numbers": head(OFFERS, JSON, b'{"sdp":1,"type":2}'),
}
HEADS = {
    "expect": head("POST /session", JSON + b"Expect: \xff\r\n", b"{}"),
    "expect, no such page": head("GET /nowhere", b"Expect: \xff\xfe\r\n"),
    "expect something": head("GET /", b"Expect: the spanish inquisition\r\n"),
    "charset": head("POST /session", b"Content-Type: application/json; charset=\xff\r\n", b"{}"),
    "type": head("POST /session", b"Content-Type: ;;;=\r\n", b"{}"),
    "type with parameters": head(
        OFFERS, b"Content-Type: application/sdp; a*0=x; a*1*=%FF''%FF; a*=utf-9''%FF\r\n", b"v=0"
    ),
    "parts without a border": head(
        OFFERS, b"Content-Type: multipart/form-data; boundary=\r\n", b"--"
    ),
    "cookie in octal": head("GET /rooms", b'Cookie: mixminus="\\377\\999; $Version=1; a\r\n'),
    "many cookies": head(
        "GET /rooms", b"Cookie: " + b"; ".join(b"a%d=b" % i for i in range(600)) + b"\r\n"
    ),
    "cookies of nothing": head("GET /rooms", b"Cookie: =;=;;==\r\n"),
    "session of bytes": head("GET /rooms", b"Cookie: mixminus=\xed\xa0\x80.\xff.a\r\n"),
    "authorization": head("GET /rooms", b"Authorization: Bearer \xff\xfe.\xed\xa0\x80.c\r\n"),
    "no token": head("GET /rooms", b"Authorization: Bearer\r\n"),
    "another scheme": head("GET /rooms", b"Authorization: Basic \xff\r\n"),
    "many dots": head("GET /rooms", b"Authorization: Bearer " + b"a." * 3_000 + b"\r\n"),
    "host with a user": head("GET /rooms", b"").replace(b"localhost", b"a@\xff"),
    "host half bracketed": head("GET /rooms").replace(b"localhost", b"[::1"),
    "host with a long port": head("GET /rooms").replace(b"localhost", b"localhost:" + b"9" * 9),
    "host of letters": head("GET /rooms").replace(b"localhost", "ℋ.ß".encode()),
    "no host": b"GET /rooms HTTP/1.1\r\n\r\n",
    "two hosts": head("GET /rooms", b"Host: evil\r\n"),
    "forwarded for nobody": head("GET /rooms", b"X-Forwarded-For: " + b"," * 4_000 + b"\r\n"),
    "forwarded": head(
        "GET /rooms",
        b"X-Forwarded-For: [::1, 1.2.3.4:99999999, \xff\r\nX-Forwarded-Host: [\r\n"
        b"X-Forwarded-Proto: \xff\r\nForwarded: for=\xff\r\nVia: \xff\r\n",
    ),
    "forwarded zone": head("GET /rooms", b"X-Forwarded-For: fe80::1%" + b"a" * 3_000 + b"\r\n"),
    "range": head("GET /web/main.js", b"Range: bytes=-\r\n"),
    "long range": head("GET /web/main.js", b"Range: bytes=" + b"9" * 30 + b"-\r\n"),
    "range of bytes": head("GET /web/main.js", b"Range: \xff\r\nIf-Range: \xff\r\n"),
    "dates": head(
        "GET /web/main.js",
        b"If-Modified-Since: Mon, 99 Foo 99999 99:99:99 GMT\r\nIf-Unmodified-Since: \xff\r\n",
    ),
    "year 0": head("GET /web/main.js", b"If-Modified-Since: Sat, 01 Jan 0000 00:00:00 GMT\r\n"),
    "etags": head("GET /", b'If-None-Match: \xff,,"\r\nIf-Match: \xff\r\n'),
    "accept": head("GET /web/main.js", b"Accept-Encoding: gzip;q=\xff\r\nAccept: \xff\r\n"),
    "socket": head(
        "GET /rooms",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: \xff\r\n",
    ),
    "upgrade": head("GET /", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, \xff\r\n"),
    "folded": head("GET /rooms", b"X: a\r\n b\r\n"),
    "a header without a name": head("GET /rooms", b": a\r\n"),
    "a header with NUL": head("GET /rooms", b"X: a\x00b\r\n"),
    "headers": head("GET /rooms", b"".join(b"x%d: y\r\n" % i for i in range(3_000))),
    "a long header": head("GET /rooms", b"X: " + b"a" * 50_000 + b"\r\n"),
}
LINES = {
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "HTTP/3": b"GET / HTTP/3.0\r\nHost: localhost\r\n\r\n",
    "HTTP/9…": b"GET / HTTP/" + b"9" * 30 + b".1\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 64 + b"\r\n\r\n",
    "zeros": b"\0" * 100 + b"\r\n\r\n",
    "all bytes": bytes(range(256)) + b"\r\n\r\n",
    "many requests": head("GET /healthz") * 20,
    "a good one and a bad one": head("GET /healthz") + b"GARBAGE\r\n\r\n",
    "a long address": head("GET /" + "a" * 20_000),
    "a long query": head("GET /rooms?token=" + "a" * 7_000),
    "percent": head("GET /%"),
    "percent, no digits": head("GET /%zz%?%=%&%u1234"),
    "NUL": head("GET /rooms/%00"),
    "up and away": head("GET /web/%2e%2e/%2e%2e%2fsettings.py"),
    "file with NUL": head("GET /web/a%00b.js"),
    "file of bytes": head("GET /web/%FF%ED%A0%80"),
    "long file": head("GET /web/" + "a" * 5_000),
    "whole address": head("GET http://[::1/rooms"),
    "whole address, port": head("GET http://a:99999999/rooms"),
    "star": head("OPTIONS *"),
    "connect": head("CONNECT localhost:80"),
    "no slash": head("GET rooms"),
    "method": head("A" * 3_000 + " /"),
    "small method": head("get /"),
    "participant": head("DELETE /rooms/home/participants/p-1.%F0%9F%98%80"),
    "dots": head("DELETE /rooms/home/participants/" + "." * 3_000),
    "ticket": head(OFFERS + "?ticket=" + "%FF" * 50 + "&name=%E2%80%AE", SDP, b"v=0"),
    "transcript": head("GET /rooms/home/transcript?format=%FF&after=" + "9" * 30 + "&limit=-1"),
}


async def first_line(edge: Edge, request: bytes) -> tuple[bytes, bytes]:
    """The status line and the rest of what comes back within a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    answer = b""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        writer.write(request)
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return answer.split(b"\r\n", 1)[0], answer


@pytest.mark.parametrize("trust", ["", "127.0.0.1"], ids=["direct", "proxied"])
@pytest.mark.parametrize("kind", [BODIES, HEADS, LINES], ids=["bodies", "heads", "lines"])
@asynchronous
async def test_nothing_that_comes_is_a_fault_of_ours(
    short_dir: Path, caplog: pytest.LogCaptureFixture, kind: dict[str, bytes], trust: str
) -> None:
    env = {"MIXMINUS_TOKEN": TOKEN}
    async with running(
        short_dir, env, trusted_proxies=trust, require_invitation=True, **FREE
    ) as edge:
        for name, request in kind.items():
            status, answer = await first_line(edge, request)
            assert status.startswith(b"HTTP/"), (name, answer)
            assert status.split()[1][:1] in (b"1", b"2", b"3", b"4"), (name, answer)
        assert (await edge.request("GET", "/healthz")).status == 200
    for record in caplog.records:
        assert record.levelno < logging.ERROR and not record.exc_info, record.getMessage()
    kinds = Counter(record.getMessage()[:40] for record in caplog.records)
    assert not kinds or max(kinds.values()) <= 2, kinds


@asynchronous
async def test_a_flood_of_one_mistake_is_one_line(
    short_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(short_dir, {"MIXMINUS_TOKEN": TOKEN}, **FREE) as edge:
        for request in (BODIES["gzip that is none"], HEADS["authorization"], HEADS["expect"]):
            for _ in range(30):
                await first_line(edge, request)
        for number in range(300):
            bearer = {"Authorization": f"Bearer wrong-{number}"}
            assert (await edge.request("GET", "/rooms", headers=bearer)).status == 200
    told = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(told) <= 3, [record.getMessage() for record in told]


@asynchronous
async def test_a_packed_body_is_refused_in_words_and_never_unpacked(short_dir: Path) -> None:
    async with running(short_dir, **FREE) as edge:
        packed = gzip.compress(b'{"token":"a"}')
        for name in ("gzip", "GZIP", "deflate", "x-unknown", "gzip, gzip"):
            headers = {"Content-Type": "application/json", "Content-Encoding": name}
            answer = await edge.request("POST", "/session", data=packed, headers=headers)
            assert "without Content-Encoding" in problem(answer, 415)["detail"]
        headers = {"Content-Type": "application/json", "Content-Encoding": "identity"}
        answer = await edge.request("POST", "/session", data=b'{"token":"a"}', headers=headers)
        problem(answer, 401)


@asynchronous
async def test_a_fault_of_ours_is_told_with_its_traceback_once_an_interval(
    short_dir: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(short_dir) as edge:

        def broken() -> list[actions.RoomView]:
            raise ZeroDivisionError("made for a test")

        monkeypatch.setattr(edge.gateway, "rooms", broken)
        for _ in range(20):
            answer = await edge.request("GET", "/rooms")
            assert problem(answer, 500)["detail"] == "the gateway has failed: its log says why"
    faults = [record for record in caplog.records if record.exc_info]
    assert len(faults) == 1 and "GET /rooms" in faults[0].getMessage()


def test_a_connection_that_breaks_in_aiohttp_is_told_once_for_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What reaches ``log_exception`` came from outside, unless it is no error of the wire."""

    async def both() -> None:
        loop = asyncio.get_running_loop()
        server = web.Server(lambda request: web.Response())  # type: ignore[arg-type,return-value]
        handler = problems.ProblemRequestHandler(server, loop=loop)
        for _ in range(20):
            handler.log_exception("Unhandled exception", exc_info=web.RequestPayloadError("x"))
            handler.log_exception("Unhandled exception", exc_info=KeyError("x"))
        await server.shutdown()

    asyncio.run(both())
    outside, ours = caplog.records
    assert outside.levelno == logging.WARNING and not outside.exc_info
    assert ours.levelno == logging.ERROR and ours.exc_info
