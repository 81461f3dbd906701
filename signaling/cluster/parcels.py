"""Rests of bodies, which the other side of a relayed request fetches piece by piece."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from mixer_core.cluster.connection import Connection
from mixer_core.cluster.messages import Message
from mixer_core.cluster.names import Names
from mixer_core.runtime.errors import ClusterError

from .relay_wire import PIECE_BYTES, Piece, Wanted, decode, encode

IDLE_S = 20.0
"""A parcel of which nothing is fetched for so long is thrown away."""
MOST = 64
"""Parcels at once."""
FETCH_LIMIT_S = 10.0
"""For one piece."""
SUBJECT = "piece"
Source = Callable[[int], Awaitable[tuple[bytes, bool]]]
"""Takes a number of bytes; the next ones, and whether they are the last."""


@dataclass(slots=True)
class _Parcel:
    source: Source
    close: Callable[[], None]
    timer: asyncio.TimerHandle
    index: int = 0
    """Of the piece that may be fetched next."""


class Parcels:
    """Those of one node."""

    def __init__(self, connection: Connection, names: Names, node: str) -> None:
        self._connection = connection
        self._names = names
        self._node = node
        self._loop = asyncio.get_running_loop()
        self._parcels: dict[str, _Parcel] = {}

    async def start(self) -> None:
        """Answer those who fetch."""
        await self._connection.serve(self._names.of_node(self._node, SUBJECT), self._serve)

    def close(self) -> None:
        """Throw all away."""
        for name in list(self._parcels):
            self.drop(name)

    @property
    def piece_bytes(self) -> int:
        """Bytes of a body in one message."""
        return min(PIECE_BYTES, self._connection.max_payload_bytes // 2)

    def offer(self, source: Source, close: Callable[[], None]) -> str:
        """The name under which the rest of a body can be fetched; ``close``: it is thrown away.

        Raises:
            ClusterError: there are too many.
        """
        if len(self._parcels) >= MOST:
            raise ClusterError("too many long bodies are on their way to other machines")
        name = secrets.token_hex(8)
        timer = self._loop.call_later(IDLE_S, self.drop, name)
        self._parcels[name] = _Parcel(source, close, timer)
        return name

    def drop(self, name: str) -> None:
        """Throw one away; it may be gone."""
        parcel = self._parcels.pop(name, None)
        if parcel is not None:
            parcel.timer.cancel()
            parcel.close()

    async def fetch(self, node: str, name: str, index: int, limit_s: float) -> Piece:
        """A piece of another node's parcel. Raises ClusterError, RecordError."""
        subject = self._names.of_node(node, SUBJECT)
        wanted = encode(Wanted(name, index))
        answer = await self._connection.request(subject, wanted, min(limit_s, FETCH_LIMIT_S))
        return decode(answer.data, Piece)

    async def _serve(self, message: Message) -> bytes:
        wanted = decode(message.data, Wanted)
        parcel = self._parcels.get(wanted.parcel)
        if parcel is None or wanted.index != parcel.index:
            raise ClusterError("what is asked for is no longer there")
        parcel.index += 1
        parcel.timer.cancel()
        try:
            async with asyncio.timeout(FETCH_LIMIT_S):
                data, is_last = await parcel.source(self.piece_bytes)
        except TimeoutError as error:
            self.drop(wanted.parcel)
            raise ClusterError("the rest of the body does not come") from error
        except BaseException:
            self.drop(wanted.parcel)
            raise
        parcel.timer = self._loop.call_later(IDLE_S, self.drop, wanted.parcel)
        if is_last:
            self.drop(wanted.parcel)
        return encode(Piece(data, is_last))


def from_bytes(body: bytes, begin: int) -> Source:
    """The bytes of ``body`` from ``begin`` on."""
    left = memoryview(body)[begin:]

    async def source(most_bytes: int) -> tuple[bytes, bool]:
        nonlocal left
        piece, left = bytes(left[:most_bytes]), left[most_bytes:]
        return piece, not left

    return source


def from_answer(answer: aiohttp.ClientResponse) -> Source:
    """What is still to come of an answer over HTTP."""

    async def source(most_bytes: int) -> tuple[bytes, bool]:
        try:
            return await read_piece(answer.content, most_bytes)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ClusterError(f"the body broke off ({type(error).__name__})") from error

    return source


async def read_piece(content: aiohttp.StreamReader, most_bytes: int) -> tuple[bytes, bool]:
    """So many bytes, and whether they are the last."""
    piece = bytearray()
    while len(piece) < most_bytes:
        data = await content.read(most_bytes - len(piece))
        if not data:
            return bytes(piece), True
        piece += data
    return bytes(piece), content.at_eof()
