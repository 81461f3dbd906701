"""What other nodes relay to this one: replayed against its own application, over loopback HTTP.

The application sees the request as if the browser had sent it here: all its checks, limits and
words apply, once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import aiohttp
from aiohttp import web
from yarl import URL

from mixer_core.cluster.connection import Connection
from mixer_core.cluster.messages import Message
from mixer_core.cluster.names import Names
from mixer_core.cluster.subscription import Subscribed
from mixer_core.runtime.errors import ClusterError, RecordError

from ..http import listeners, problems
from ..http.mistakes import Mistakes
from ..limits.clients import client_of
from .parcels import Parcels, from_answer, read_piece
from .relay_wire import REPLY_HEADERS, Relayed, Replied, chosen, decode, encode
from .routing import LISTEN_PREFIX
from .slots import AT_THE_OWNER, Slots
from .trust import LET_GO_HEADER, RelayTrust

SUBJECT = "http"
AT_ONCE = 4_096
"""Requests that are looked at; ``Slots`` has the limits, with words."""
CONNECT_LIMIT_S = 10.0
_LOOPBACK = "127.0.0.1"


class Replayer:
    """Serves the requests of other nodes."""

    def __init__(
        self,
        connection: Connection,
        names: Names,
        node: str,
        trust: RelayTrust,
        parcels: Parcels,
        log: logging.LoggerAdapter[logging.Logger],
        count: Callable[[str], None],
    ) -> None:
        """``count``: adds one to a counter."""
        self._connection = connection
        self._subject = names.of_node(node, SUBJECT)
        self._trust = trust
        self._parcels = parcels
        self._mistakes = Mistakes(log)
        self._count = count
        self._slots = Slots(AT_THE_OWNER)
        self._urls: dict[bool, str] = {}
        """Of the page's application, and of that of the plain port of the local network."""
        self._listeners: list[listeners.Listener] = []
        self._served: Subscribed | None = None
        self._http: aiohttp.ClientSession

    async def start(self, app: web.Application, plain: web.Application) -> None:
        """Both are this process's own and believe ``trust``; ``plain``: for those who listen
        without HTTPS. Raises ClusterError, SettingsError."""
        for is_plain, served in ((False, app), (True, plain)):
            (sock,) = listeners.bind(_LOOPBACK, 0)
            self._urls[is_plain] = f"http://{_LOOPBACK}:{sock.getsockname()[1]}"
            listener = listeners.Listener(served)
            self._listeners.append(listener)
            await listener.start([sock])
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            auto_decompress=False,
            # An answer takes as long as whoever reads it: ``limit_ms`` bounds its first piece,
            # ``parcels`` the wait for each further one.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_LIMIT_S),
        )
        self._served = await self._connection.serve(self._subject, self._serve, AT_ONCE)

    @property
    def urls(self) -> list[str]:
        """Where both are served."""
        return list(self._urls.values())

    async def close(self) -> None:
        """Take no more, and end those that run."""
        if self._served is not None:
            await self._served.close()
            await self._http.close()
        await asyncio.gather(*(listener.stop() for listener in self._listeners))

    async def _serve(self, message: Message) -> bytes:
        relayed = decode(message.data, Relayed)
        self._count("replayed_total")
        client = client_of(relayed.vouch.address)
        if not self._slots.take(relayed.kind, client):
            words = "too many requests come to this room from other machines: try again"
            return encode(_problem(503, "Busy", words, 1))
        try:
            async with asyncio.timeout(relayed.limit_ms / 1_000):
                return encode(await self._replay(relayed))
        except (TimeoutError, aiohttp.ClientError, ClusterError, RecordError) as error:
            self._mistakes.warn(
                ("replay", type(error).__name__),
                f"a request that {relayed.node} relayed cannot be served: {error!r}",
            )
            words = "the machine that has this room took too long, or failed: try again"
            return encode(_problem(504, "No answer", words, 2))
        finally:
            self._slots.give(relayed.kind, client)

    async def _replay(self, relayed: Relayed) -> Replied:
        body = await self._body(relayed)
        answer = await self._http.request(
            relayed.method,
            URL(f"{self._url_of(relayed.path)}{relayed.path}", encoded=True),
            headers=relayed.headers | self._trust.headers(relayed.vouch),
            data=body or None,
            allow_redirects=False,
        )
        try:
            return await self._replied(answer)
        except BaseException:
            answer.close()
            raise

    async def _replied(self, answer: aiohttp.ClientResponse) -> Replied:
        piece, is_last = await read_piece(answer.content, self._parcels.piece_bytes)
        parcel = ""
        if is_last:
            answer.release()
        else:
            parcel = self._parcels.offer(from_answer(answer), answer.close)
        headers = chosen(answer.headers, REPLY_HEADERS)
        let_go = LET_GO_HEADER in answer.headers
        return Replied(answer.status, headers, piece, parcel, let_go)

    def _url_of(self, path: str) -> str:
        return self._urls[path.startswith(f"{LISTEN_PREFIX}/")]

    async def _body(self, relayed: Relayed) -> bytes:
        """All of it. Raises ClusterError, RecordError."""
        body, index = bytearray(relayed.body), 0
        while relayed.parcel and len(body) < relayed.size:
            piece = await self._parcels.fetch(
                relayed.node, relayed.parcel, index, relayed.limit_ms / 1_000
            )
            body += piece.data
            index += 1
            if piece.is_last:
                break
        if len(body) != relayed.size:
            raise ClusterError(f"a body of {relayed.size} bytes came as {len(body)}")
        return bytes(body)


def _problem(status: int, title: str, detail: str, retry_after_s: int) -> Replied:
    response = problems.response(status, title, detail, retry_after_s)
    headers = chosen(response.headers, REPLY_HEADERS)
    assert isinstance(response.body, bytes)
    return Replied(status, headers, response.body)
