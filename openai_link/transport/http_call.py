"""The HTTP side of a Realtime call: SDP offer and answer, client secrets, hanging up."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from mixer_core.runtime.errors import UnreadableError, UpstreamError
from mixer_core.runtime.foreign_data import read_json

from ..realtime.refusals import unusable
from ..realtime.upstream import Upstream
from .ways import Way, Ways

MAX_ANSWER_BYTES = 256 * 1024
HANG_UP_TIMEOUT_S = 3.0
_SDP = "application/sdp"
_SECRET = re.compile(r"[!-~]{1,4096}")
"""What a header can carry as a bearer token."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The server has accepted the call."""

    sdp: str
    call_id: str
    """``rtc_…``; empty if the server does not say."""
    simulated: bool
    """The server says that it is a simulator."""
    knows_session: bool
    """The session went with the call; else it has to follow by ``session.update``."""


async def exchange(
    http: aiohttp.ClientSession,
    upstream: Upstream,
    session: Mapping[str, Any],
    offer: str,
    ways: Ways | None = None,
) -> Answer:
    """Offer a call with ``session`` and return the answer.

    Args:
        http: with the rules of ``refused_requests``.
        upstream: the server.
        session: the whole session object.
        offer: SDP.
        ways: what is known of how the server wants to be asked; None: nothing.

    Raises:
        UpstreamError: refused, unreachable, or an answer that cannot be used.
    """
    ways = ways or Ways(upstream, "webrtc")
    refused: list[UpstreamError] = []
    for way in ways.order():
        try:
            answer = await _ask(http, upstream, session, offer, way)
        except UpstreamError as error:
            if not ways.is_other(error, after_refusal=bool(refused)):
                raise
            refused.append(error)
            ways.refused(way)
            continue
        ways.worked(way)
        return answer
    raise ways.all_refused(refused)


async def _ask(
    http: aiohttp.ClientSession,
    upstream: Upstream,
    session: Mapping[str, Any],
    offer: str,
    way: Way,
) -> Answer:
    url = f"{upstream.base_url}/realtime/calls"
    key, body = upstream.api_key, aiohttp.FormData()
    options: dict[str, Any] = {"data": offer.encode(), "headers": {"Content-Type": _SDP}}
    if way == "ephemeral":
        key = await client_secret(http, upstream, session)
    elif way == "bare":
        url = f"{url}?{urlencode({'model': upstream.model})}" if upstream.model else url
    else:
        body.add_field("sdp", offer, content_type=_SDP)
        body.add_field("session", json.dumps(session), content_type="application/json")
        options = {"data": body}
    async with _request(http, upstream, url, key, **options) as response:
        text = await _text(response)
        call_id = _call_id(response.headers.get("Location", ""))
        simulated = "x-simulated" in response.headers
    if not text.startswith("v=0"):
        raise unusable("the answer to the offer is not SDP", text)
    return Answer(text, call_id, simulated, knows_session=way != "bare")


async def client_secret(
    http: aiohttp.ClientSession, upstream: Upstream, session: Mapping[str, Any]
) -> str:
    """An ephemeral key for one call with ``session``. Raises UpstreamError."""
    url = f"{upstream.base_url}/realtime/client_secrets"
    body: dict[str, Any] = {"session": session}
    if upstream.secret_lifetime_s:
        body["expires_after"] = {"anchor": "created_at", "seconds": upstream.secret_lifetime_s}
    async with _request(http, upstream, url, json=body) as response:
        text = await _text(response)
    try:
        value = read_json(text)["value"]
    except (UnreadableError, KeyError, TypeError):
        value = None
    if not isinstance(value, str) or not _SECRET.fullmatch(value):
        raise unusable("the answer with the client secret has no value that can be sent", text)
    return value


async def hang_up(
    http: aiohttp.ClientSession,
    upstream: Upstream,
    call_id: str,
    log: logging.LoggerAdapter[logging.Logger],
) -> None:
    """End the call on the server. Never raises; a refusal is logged in its own words.

    A call that is over already is nothing to warn of.
    """
    url = f"{upstream.base_url}/realtime/calls/{call_id}/hangup"
    try:
        async with asyncio.timeout(HANG_UP_TIMEOUT_S):
            async with _request(http, upstream, url) as response:
                log.info("> hang up %s: %s", call_id, response.status)
    except UpstreamError as error:
        is_over = error.status in (404, 410)
        level, mark = (logging.INFO, "") if is_over else (logging.WARNING, "! ")
        log.log(level, "%s> hang up %s: %s %s: %s", mark, call_id, error.status, error.code, error)
    except TimeoutError:
        log.warning("! > hang up %s: no answer in time", call_id)


def _request(
    http: aiohttp.ClientSession, upstream: Upstream, url: str, key: str = "", **options: Any
) -> _Request:
    headers = {**options.pop("headers", {}), **upstream.headers(key)}
    return _Request(http.post(url, headers=headers, **options))


class _Request:
    """``async with`` around an aiohttp request that turns its errors into UpstreamError."""

    def __init__(self, request: Any) -> None:
        self._request = request

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            response: aiohttp.ClientResponse = await self._request.__aenter__()
        except TimeoutError as error:
            raise UpstreamError("connect_timeout", "no answer in time") from error
        except aiohttp.ClientError as error:
            raise UpstreamError("unreachable", str(error) or repr(error)) from error
        return response

    async def __aexit__(self, *exception: Any) -> None:
        await self._request.__aexit__(*exception)


async def _text(response: aiohttp.ClientResponse) -> str:
    """The body of an accepted request, whatever its content type."""
    body = b""
    try:
        while len(body) < MAX_ANSWER_BYTES and not response.content.at_eof():
            body += await response.content.read(MAX_ANSWER_BYTES - len(body))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise UpstreamError("unreachable", f"the answer was cut off: {error!r}") from error
    return body.decode("utf-8", "replace")


def _call_id(location: str) -> str:
    name = location.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1]
    return name if name.startswith("rtc_") else ""
