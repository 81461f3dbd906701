"""What an MCP server may send over HTTP: answers within a budget, as they are.

The package ``mcp`` reads a whole answer to its end, however long it is, and unpacks it however
large it becomes. So one that is too long, packed, or of too many values is cut off here; what is
too deep is left out by ``mcp_streams``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2

from mixer_core.runtime.foreign_data import MAX_VALUES

from .mcp_process import MAX_LINE_BYTES

MAX_ANSWER_BYTES = MAX_LINE_BYTES
"""Longest answer, or event of a stream: as long as a line of a server that is a program."""
LEAVE_S = 2.0
"""Longest wait for the answer to the end of a session."""
_EVENTS = "text/event-stream"
_VALUES = b"[{,"
"""Each of them begins a value."""


def http_client(headers: Mapping[str, str]) -> httpx2.AsyncClient:
    """A client whose answers have an end; ``headers``: those of each request."""
    return httpx2.AsyncClient(
        headers={**headers, "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(30, read=300),
        transport=_BoundedTransport(),
    )


class _BoundedTransport(httpx2.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE":
            return await self._left(request)
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.ReadError("the answer is packed", request=request)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        response.stream = _Answer(response.stream, request, kind == _EVENTS)
        return response

    async def _left(self, request: httpx2.Request) -> httpx2.Response:
        """The end of a session, without a body: what connects anew comes after it, and a server
        that hangs must not hold that up."""
        try:
            async with asyncio.timeout(LEAVE_S):
                response = await super().handle_async_request(request)
                await response.aclose()
        except TimeoutError as error:
            raise httpx2.ReadTimeout("the session's end has no answer", request=request) from error
        to = response.headers.get("location")
        return httpx2.Response(response.status_code, headers={"location": to} if to else None)


class _Answer(httpx2.AsyncByteStream):
    """The bytes of an answer; a blank line ends an event of a stream, and counting begins anew.

    In any other answer it ends nothing: blank lines may stand anywhere between values.

    Raises:
        httpx2.ReadError: there are too many.
    """

    def __init__(self, inner: Any, request: httpx2.Request, has_events: bool) -> None:
        self._inner = inner
        self._request = request
        self._has_events = has_events
        self._tail = b""
        """Line ends so far: a blank line may come in two pieces."""
        self._size_bytes = 0
        self._values = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            self._count(piece)
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _count(self, piece: bytes) -> None:
        known = self._tail + piece
        self._tail = known[-3:]
        newest = max(known.rfind(b"\n\n"), known.rfind(b"\r\n\r\n"))
        if self._has_events and newest >= 0:
            self._size_bytes = self._values = 0
            piece = known[newest:]
        self._size_bytes += len(piece)
        self._values += sum(piece.count(sign) for sign in _VALUES)
        if self._size_bytes > MAX_ANSWER_BYTES or self._values > MAX_VALUES:
            words = f"an answer is longer than {MAX_ANSWER_BYTES >> 20} MB or {MAX_VALUES} values"
            raise httpx2.ReadError(words, request=self._request)
