"""Asks other nodes over NATS, and hands on what they answer. Whatever is asked for has a limit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from aiohttp import web

from mixer_core.cluster.connection import Connection
from mixer_core.cluster.names import Names
from mixer_core.runtime.errors import (
    ClusterAwayError,
    ClusterError,
    NobodyThereError,
    ProblemError,
    RecordError,
    UnreadableError,
)
from mixer_core.runtime.foreign_data import read_json

from ..http.elsewhere import Gathered
from ..http.mistakes import Mistakes
from .parcels import FETCH_LIMIT_S, Parcels, from_bytes
from .relay_wire import Relayed, Replied, decode, encode
from .replay import SUBJECT

RETRY_S = 2
GATHER_LIMIT_S = 2.0
MAX_GATHERED = 64
"""Nodes that are asked for a list; there may be thousands."""
MAX_GATHERED_BYTES = 1 << 20
"""Of one node's answer."""


class Asking:
    """The way to the other nodes."""

    def __init__(
        self,
        connection: Connection,
        names: Names,
        parcels: Parcels,
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._connection = connection
        self._names = names
        self._parcels = parcels
        self._mistakes = Mistakes(log)
        self._waiting: dict[str, set[asyncio.Timeout]] = {}
        """By node: those who wait for it."""

    async def ask(self, node: str, relayed: Relayed, body: bytes, limit_s: float) -> Replied:
        """The answer, or its beginning. Raises ProblemError: 503 or 504, there is none."""
        with self._sent(relayed, body) as whole, self._told(node):
            try:
                async with asyncio.timeout(limit_s) as limit:
                    whole = msgspec.structs.replace(whole, limit_ms=int(limit_s * 1_000))
                    subject = self._names.of_node(node, SUBJECT)
                    with self._until_lost(node, limit):
                        answer = await self._connection.request(subject, encode(whole), limit_s)
            except TimeoutError as error:
                raise _silent(node) from error
            return decode(answer.data, Replied)

    async def answer(self, request: web.Request, node: str, replied: Replied) -> web.StreamResponse:
        """The response for the browser, which may already be under way when it breaks off."""
        if not replied.parcel:
            headers = dict(replied.headers)
            if request.method != "HEAD":
                headers.pop("Content-Length", None)
            return web.Response(status=replied.status, headers=headers, body=replied.body)
        response = web.StreamResponse(status=replied.status, headers=replied.headers)
        await response.prepare(request)
        await response.write(replied.body)
        index, is_last = 0, False
        while not is_last:
            try:
                piece = await self._parcels.fetch(node, replied.parcel, index, FETCH_LIMIT_S)
            except (ClusterError, RecordError) as error:
                self._mistakes.warn("piece", f"an answer of {node} broke off: {error}")
                raise ConnectionError("an answer broke off") from error
            index, is_last = index + 1, piece.is_last
            if piece.data:
                await response.write(piece.data)
        await response.write_eof()
        return response

    async def gather(self, relayed: Relayed, nodes: Sequence[str]) -> Gathered:
        """The JSON that all nodes answer to the same request."""
        asked = sorted(nodes)[:MAX_GATHERED]
        found = await asyncio.gather(*(self._content(node, relayed) for node in asked))
        contents: dict[str, dict[str, Any]] = {}
        silent = dict.fromkeys(sorted(nodes)[MAX_GATHERED:], "there are too many machines to ask")
        for node, content in zip(asked, found, strict=True):
            if isinstance(content, str):
                silent[node] = content
            else:
                contents[node] = content
        return Gathered(contents, silent)

    def node_lost(self, node: str) -> None:
        """It does not live: nobody waits for it any longer."""
        now_s = asyncio.get_running_loop().time()
        for limit in self._waiting.pop(node, ()):
            if not limit.expired():
                limit.reschedule(now_s)

    async def _content(self, node: str, relayed: Relayed) -> dict[str, Any] | str:
        """What one node answers; or why there is nothing of it, as a sentence."""
        try:
            async with asyncio.timeout(GATHER_LIMIT_S):
                replied = await self.ask(node, relayed, b"", GATHER_LIMIT_S)
                body = await self._whole(node, replied)
            if replied.status != 200:
                return f"it answers {replied.status}"
            content = read_json(body)
        except TimeoutError:
            return f"it does not answer within {GATHER_LIMIT_S:g} s"
        except ProblemError as error:
            return error.detail
        except (ClusterError, RecordError, UnreadableError) as error:
            self._mistakes.warn("list", f"a list of {node} cannot be used: {error}")
            return "what it answers cannot be used"
        return content if isinstance(content, dict) else "what it answers cannot be used"

    async def _whole(self, node: str, replied: Replied) -> bytes:
        body, index, is_last = bytearray(replied.body), 0, not replied.parcel
        while not is_last:
            piece = await self._parcels.fetch(node, replied.parcel, index, GATHER_LIMIT_S)
            body += piece.data
            index, is_last = index + 1, piece.is_last
            if len(body) > MAX_GATHERED_BYTES:
                raise ClusterError("it is too long")
        return bytes(body)

    @contextlib.contextmanager
    def _sent(self, relayed: Relayed, body: bytes) -> Iterator[Relayed]:
        """The request with the first piece of its body; the rest waits until it is fetched."""
        piece_bytes = self._parcels.piece_bytes
        whole = msgspec.structs.replace(relayed, body=body[:piece_bytes], size=len(body))
        if len(body) <= piece_bytes:
            yield whole
            return
        parcel = self._parcels.offer(from_bytes(body, piece_bytes), lambda: None)
        try:
            yield msgspec.structs.replace(whole, parcel=parcel)
        finally:
            self._parcels.drop(parcel)

    @contextlib.contextmanager
    def _told(self, node: str) -> Iterator[None]:
        """Turns what went wrong into words for the browser."""
        try:
            yield
        except NobodyThereError as error:
            words = f"the machine {node}, which has this room, is starting or gone: try again"
            raise ProblemError(503, "Not there", words, RETRY_S) from error
        except ClusterAwayError as error:
            if self._connection.is_connected:
                raise _silent(node) from error
            words = (
                "this machine cannot reach the others, and one of them has this room: calls go "
                "on; try again"
            )
            raise ProblemError(503, "Cut off", words, RETRY_S) from error
        except (ClusterError, RecordError) as error:
            self._mistakes.warn("relay", f"{node} could not be asked: {error}")
            words = f"the machine {node}, which has this room, could not take the request"
            raise ProblemError(503, "Not taken", words, RETRY_S) from error

    @contextlib.contextmanager
    def _until_lost(self, node: str, limit: asyncio.Timeout) -> Iterator[None]:
        waiting = self._waiting.setdefault(node, set())
        waiting.add(limit)
        try:
            yield
        finally:
            waiting.discard(limit)
            if not waiting and self._waiting.get(node) is waiting:
                del self._waiting[node]


def _silent(node: str) -> ProblemError:
    words = f"the machine {node}, which has this room, does not answer: try again"
    return ProblemError(504, "No answer", words, RETRY_S)
