"""An MCP server over HTTP cannot grow this process by what it answers."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx2
import pytest

from mixer_core.runtime.foreign_data import MAX_DEPTH, MAX_VALUES
from openai_link.tools import mcp_http
from openai_link.tools.mcp_http import MAX_ANSWER_BYTES, _Answer, http_client
from openai_link.tools.mcp_streams import _TidyReader
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.sockets
SHARE = MAX_ANSWER_BYTES // 4
EVENTS = b"data: [" + b"1," * (MAX_VALUES // 4) + b"1]\n\n"


def answer(body: bytes, more: str = "") -> bytes:
    """What is read of a server that answers so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()

    async def main() -> bytes:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with http_client({}) as http:
                return (await http.get(f"http://127.0.0.1:{port}/")).content

    return asyncio.run(main())


STREAM = "Content-Type: text/event-stream; charset=utf-8\r\n"


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (b"x" * MAX_ANSWER_BYTES, ""),
        (EVENTS * 8, STREAM),
        ((b"y" * SHARE + b"\n\n") * 8, STREAM),
    ],
)
def test_what_is_within_the_budget_is_read(body: bytes, more: str) -> None:
    assert answer(body, more) == body


class Pieces(httpx2.AsyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


@pytest.mark.parametrize("end", [(b"\n", b"\n"), (b"\r\n\r", b"\n"), (b"\r\n", b"\r\n")])
def test_an_event_ends_also_where_its_blank_line_comes_in_two_pieces(
    end: tuple[bytes, bytes],
) -> None:
    pieces = [b"y" * SHARE + end[0], end[1]] * 8
    stream = _Answer(Pieces(pieces), httpx2.Request("GET", "http://h/"), True)

    async def read() -> int:
        return sum([len(piece) async for piece in stream])

    assert asyncio.run(read()) == sum(map(len, pieces))


@pytest.mark.parametrize(
    ("body", "more", "words"),
    [
        (b"x" * (MAX_ANSWER_BYTES + 1), "", "longer than 4 MB"),
        (b"[" + b"[]," * MAX_VALUES, "", "values"),
        (b"[" + b"[],\n\n" * MAX_VALUES, "Content-Type: application/json\r\n", "values"),
        (
            b"data: " + b"[]," * MAX_VALUES + b"\n\n",
            "Content-Type: text/event-stream\r\n",
            "values",
        ),
        (gzip.compress(b"x" * SHARE), "Content-Encoding: gzip\r\n", "packed"),
    ],
)
def test_what_is_beyond_it_is_cut_off(body: bytes, more: str, words: str) -> None:
    with pytest.raises(httpx2.ReadError, match=words):
        answer(body, more)


@pytest.mark.parametrize(("depth", "is_kept"), [(MAX_DEPTH - 2, True), (MAX_DEPTH + 1, False)])
def test_an_answer_that_is_too_deep_is_none(depth: int, is_kept: bool) -> None:
    value: object = 1
    for _ in range(depth):
        value = [value]

    class Message(SimpleNamespace):
        def model_copy(self, update: dict[str, object]) -> Message:
            return Message(**{**vars(self), **update})

    class Stream:
        async def receive(self) -> object:
            return SimpleNamespace(message=Message(result={"content": value}))

    read = asyncio.run(_TidyReader(Stream()).receive())
    assert read.message.result == ({"content": value} if is_kept else {})


@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
def test_the_end_of_a_session_is_not_waited_for(
    begins: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that hangs, or never ends its answer: what connects anew comes after it."""
    monkeypatch.setattr(mcp_http, "LEAVE_S", 0.05)
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begins)
        await over.wait()
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with asyncio.timeout(PATIENCE_S), http_client({}) as http:
                asked = http.delete(f"http://127.0.0.1:{port}/")
                if begins:
                    assert (await asked).status_code == 200
                else:
                    with pytest.raises(httpx2.ReadTimeout):
                        await asked
            over.set()

    asyncio.run(main())
