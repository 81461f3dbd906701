"""Nodes ask each other for pledges by HTTP, while NATS is away: both sides of it.

``POST /cluster/pledge`` with a small JSON body; the answer is ``{"yes": true}`` or false. Both
carry an HMAC (RFC 2104, SHA-256) by a key that all nodes have from the cluster, and the answer's
covers the question with its random number: nobody else can promise anything. Nothing is secret.
Who says no says also whether it has the cluster itself, and takes rooms.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import aiohttp
import msgspec
from aiohttp import web

from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.names import Names
from mixer_core.cluster.records import NodeRecord
from mixer_core.cluster.tasks import end, lasting
from mixer_core.runtime.errors import ClusterError, ConflictError, RecordError, UnreadableError
from mixer_core.runtime.foreign_data import read_json_by

from .parcels import read_piece

PATH = "/cluster/pledge"
KEY_NAME = "pledges"
KEY_BYTES = 32
MAX_BODY_BYTES = 2_048
BODY_TIMEOUT_S = 1.0
SIGNATURE = "Mixminus-Signature"
RETRY_S = 1.0
LOOK_S = 60.0
"""Between two looks whether NATS still has the key, where the connection lasts."""

Word = Annotated[str, msgspec.Meta(max_length=64)]
Asked = Callable[[str, str, str], bool]
"""Node and incarnation that ask, and the incarnation of this node that they know."""


@dataclass(frozen=True, slots=True)
class Question:
    """Do not call ``node`` lost for a lease more."""

    node: Word
    incarnation: Word
    known: Word
    """Incarnation of who is asked."""
    number: Word
    """Random."""
    asked: Word = ""
    """Who is asked: nodes may share an address. Empty: an earlier release did not say."""


_QUESTION = msgspec.json.Decoder(Question)


class Pledges:
    """Of one node; ``start``, and ``close`` at the end."""

    def __init__(
        self,
        jetstream: JetStream,
        names: Names,
        log: logging.LoggerAdapter[logging.Logger],
        replicas: int = 1,
        on_word: Callable[[bool], None] = lambda takes: None,
    ) -> None:
        """``on_word``: told whether another node that was asked has the cluster itself."""
        self._on_word = on_word
        self._bucket = Bucket(jetstream, names.keys)
        self._is_due = asyncio.Event()
        jetstream.connection.tell_on_connect(self._is_due.set)
        self._bucket_name = names.keys
        self._replicas = replicas
        self._log = log
        self._key = b""
        """Empty: not known yet; then nobody is asked, and nothing promised."""
        self._http: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Get the key as soon as NATS is there, and see to it that NATS has it."""
        self._http = aiohttp.ClientSession(auto_decompress=False)
        work = lasting(self._fetch, "looking after the key of pledges", self._log)
        self._task = asyncio.get_running_loop().create_task(work)

    async def close(self) -> None:
        """Ask and answer nothing more."""
        if self._task is not None:
            await end([self._task])
        if self._http is not None:
            await self._http.close()

    async def _fetch(self) -> None:
        told = False
        while True:
            self._is_due.clear()
            try:
                self._key = await self._shared_key()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._is_due.wait()
            except RecordError as error:
                if not told:
                    told = True
                    self._log.warning("! nodes cannot go on without NATS: %s", error)
                await asyncio.sleep(RETRY_S)
            except ClusterError as error:
                self._log.debug("= the key of pledges is not known yet: %s", error)
                await asyncio.sleep(RETRY_S)

    async def _shared_key(self) -> bytes:
        await self._bucket.ensure(self._replicas)
        entry = await self._bucket.get(KEY_NAME)
        if entry is None:
            fresh = self._key or secrets.token_bytes(KEY_BYTES)
            try:
                await self._bucket.create(KEY_NAME, fresh)
            except ConflictError:
                return await self._shared_key()
            return fresh
        if len(entry.value) < KEY_BYTES:
            words = f"the key {KEY_NAME} is damaged: delete it from the bucket {self._bucket_name}"
            raise RecordError(words)
        return entry.value

    # -- asking -----------------------------------------------------------------------------------

    async def ask(self, other: NodeRecord, known: str, node: str, incarnation: str) -> bool:
        """Whether another node promises; see ``node.Ask``. Bounded by the caller."""
        if not self._key or self._http is None or not other.public_url:
            return False
        question = Question(node, incarnation, known, secrets.token_hex(16), other.node)
        body = msgspec.json.encode(question)
        url = other.public_url.rstrip("/") + PATH
        headers = {SIGNATURE: self._sign(body), "Content-Type": "application/json"}
        try:
            # Whose answer it is its signature says; certificates of local authorities say nothing.
            async with self._http.post(
                url, data=body, headers=headers, ssl=False, allow_redirects=False
            ) as response:
                answer, _ = await read_piece(response.content, MAX_BODY_BYTES)
                signature = response.headers.get(SIGNATURE, "")
        except (aiohttp.ClientError, OSError, ValueError):
            return False
        if not self._is_signed(body + answer, signature):
            return False
        try:
            said = json.loads(answer)
        except ValueError:
            return False
        if not isinstance(said, dict):
            return False
        self._on_word(said.get("takes") is True)
        return said.get("yes") is True

    # -- answering --------------------------------------------------------------------------------

    def middleware(
        self, node: str, asked: Asked, takes: Callable[[], bool] = lambda: False
    ) -> Callable[..., Awaitable[web.StreamResponse]]:
        """Answers before anybody asks for invitations: the signature is what lets nodes in.

        ``node``: this one. ``takes``: whether it has the cluster.
        """

        @web.middleware
        async def answer(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            if request.method != "POST" or not request.path.endswith(PATH):
                return await handler(request)
            return await self._answer(request, node, asked, takes)

        return answer

    async def _answer(
        self, request: web.Request, node: str, asked: Asked, takes: Callable[[], bool]
    ) -> web.Response:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body, _ = await read_piece(request.content, MAX_BODY_BYTES + 1)
        except TimeoutError:
            return web.Response(status=408)
        if len(body) > MAX_BODY_BYTES:
            return web.Response(status=413)
        if not self._is_signed(body, request.headers.get(SIGNATURE, "")):
            return web.Response(status=403)
        try:
            question = read_json_by(body, _QUESTION)
        except UnreadableError:
            return web.Response(status=400)
        is_meant = question.asked in ("", node)
        yes = is_meant and asked(question.node, question.incarnation, question.known)
        answer = json.dumps({"yes": yes, "takes": not yes and takes()}).encode()
        return web.Response(
            body=answer,
            content_type="application/json",
            headers={SIGNATURE: self._sign(body + answer)},
        )

    def _sign(self, data: bytes) -> str:
        return hmac.new(self._key, data, hashlib.sha256).hexdigest()

    def _is_signed(self, data: bytes, signature: str) -> bool:
        """Without a key nothing is."""
        wanted = self._sign(data).encode()
        given = signature.encode("utf-8", "replace")
        return bool(self._key) and hmac.compare_digest(wanted, given)
