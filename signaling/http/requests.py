"""What handlers read of a request, and how they answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from mixer_core.runtime.errors import ProblemError, UnreadableError
from mixer_core.runtime.foreign_data import read_json_by

from ..access.identity import Facts, Identity
from .forwarded import Asker

JSON_TYPE = "application/json"
COOKIE = "mixminus"
"""Name of the session cookie."""
BODY_TIMEOUT_S = 10.0
"""Timeout after which an incomplete body gets 408."""
_FACTS = web.RequestKey("facts", Facts)
_IDENTITY = web.RequestKey("identity", Identity)
_BODY = web.RequestKey("body", bytes)
_T = TypeVar("_T")


def header(request: web.BaseRequest, name: str) -> str:
    """The first header of that name, as text that can be written; empty: there is none.

    Bytes that are not UTF-8 come as lone surrogates, which nothing can encode.
    """
    value = request.headers.get(name, "")
    return value.encode("utf-8", "replace").decode()


def raw_query(request: web.Request) -> str:
    """``?`` and the query as it came, for an address to go on with; empty: there is none."""
    query = request.rel_url.raw_query_string
    return f"?{query}" if query else ""


def facts_of(request: web.Request, path: str, asker: Asker, base: str = "") -> Facts:
    """What the gate looks at; ``path`` and ``base`` as in ``Facts``."""
    return Facts(
        method=request.method,
        path=path,
        host=asker.host.encode("utf-8", "replace").decode(),
        origin=header(request, "Origin") if "Origin" in request.headers else None,
        address=asker.address,
        secure=asker.secure,
        forwarded=asker.forwarded,
        authorization=header(request, "Authorization"),
        query_token=request.query.get("token", ""),
        cookie=request.cookies.get(COOKIE, ""),
        base=asker.vouch.base if asker.vouch else base,
        vouch=asker.vouch,
    )


def set_facts(request: web.Request, facts: Facts, identity: Identity) -> None:
    """Note where a request comes from, and whose it is."""
    request[_FACTS], request[_IDENTITY] = facts, identity


def known_facts(request: web.Request) -> Facts:
    """Where a request comes from."""
    return request[_FACTS]


def identity_of(request: web.Request) -> Identity:
    """Whose request it is."""
    return request[_IDENTITY]


async def read_json(
    request: web.Request, cls: type[_T], most_bytes: int, timeout_s: float | None = None
) -> _T:
    """The body as a ``cls``; ``timeout_s`` as in ``read_body``.

    Raises ProblemError (400, 408, 413, 415).
    """
    if request.content_type != JSON_TYPE:
        raise ProblemError(415, "Unsupported Media Type", f"send the body as {JSON_TYPE}")
    body = await read_body(request, most_bytes, timeout_s)
    try:
        return read_json_by(body, msgspec.json.Decoder(cls))
    except UnreadableError as error:
        raise ProblemError(400, "Bad JSON", f"the body is {error}") from error


async def read_body(request: web.Request, most_bytes: int, timeout_s: float | None = None) -> bytes:
    """The body, also for whoever asks again; ``timeout_s``: None is ``BODY_TIMEOUT_S``.

    Raises ProblemError (400, 408, 413, 415).
    """
    limit_s = BODY_TIMEOUT_S if timeout_s is None else timeout_s
    too_large = ProblemError(
        413, "Content Too Large", f"this body may have at most {most_bytes} bytes"
    )
    encoding = header(request, "Content-Encoding").strip().lower()
    if encoding not in ("", "identity"):
        raise ProblemError(
            415, "Unsupported Media Type", "send the body as it is, without Content-Encoding"
        )
    known: bytes | None = request.get(_BODY)
    if (request.content_length or len(known or b"")) > most_bytes:
        raise too_large
    if known is not None:
        return known
    try:
        async with asyncio.timeout(limit_s):
            body = request[_BODY] = await _read_at_most(request, most_bytes, too_large)
            return body
    except TimeoutError as error:
        detail = f"the body was not complete within {limit_s:g} s"
        raise ProblemError(408, "Request Timeout", detail) from error
    except web.RequestPayloadError as error:
        raise ProblemError(400, "Bad body", "the body cannot be read") from error


async def _read_at_most(request: web.Request, most_bytes: int, too_large: ProblemError) -> bytes:
    """The body, as far as it may go: its length may be unknown, or that of a compressed one."""
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > most_bytes:
            raise too_large
    return bytes(body)


def json_response(content: dict[str, Any], status: int = 200, **more: Any) -> web.Response:
    """A JSON answer."""
    body = json.dumps(content, ensure_ascii=False).encode()
    return web.Response(status=status, body=body, content_type=JSON_TYPE, **more)
