"""The HTTP side of a Realtime call: SDP offer and answer, client secrets, hanging up."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from mixer_core.runtime.errors import UpstreamError

from ..realtime.upstream import Upstream

MAX_ANSWER_BYTES = 256 * 1024
HANG_UP_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The server has accepted the call."""

    sdp: str
    call_id: str
    """``rtc_…``; empty if the server does not say."""
    simulated: bool
    """The server says that it is a simulator."""


async def exchange(
    http: aiohttp.ClientSession, upstream: Upstream, session: Mapping[str, Any], offer: str
) -> Answer:
    """Offer a call with the whole ``session`` and return the answer.

    Raises:
        UpstreamError: refused, unreachable, or an answer that cannot be used.
    """
    url = f"{upstream.base_url}/realtime/calls"
    key = upstream.api_key
    if upstream.ephemeral:
        key = await client_secret(http, upstream, session)
        body: Any = offer.encode()
        headers = {"Content-Type": "application/sdp"}
    else:
        body = aiohttp.FormData()
        body.add_field("sdp", offer, content_type="application/sdp")
        body.add_field("session", json.dumps(session), content_type="application/json")
        headers = {}
    async with _request(http, upstream, url, key, data=body, headers=headers) as response:
        text = await _checked(response)
        call_id = _call_id(response.headers.get("Location", ""))
        simulated = "x-simulated" in response.headers
    if not text.startswith("v=0"):
        raise UpstreamError("bad_answer", "the answer to the offer is not SDP")
    return Answer(text, call_id, simulated)


async def client_secret(
    http: aiohttp.ClientSession, upstream: Upstream, session: Mapping[str, Any]
) -> str:
    """An ephemeral key for one call with ``session``. Raises UpstreamError."""
    url = f"{upstream.base_url}/realtime/client_secrets"
    async with _request(http, upstream, url, json={"session": session}) as response:
        text = await _checked(response)
    try:
        return str(json.loads(text)["value"])
    except (ValueError, KeyError, TypeError) as error:
        raise UpstreamError(
            "bad_answer", "the answer with the client secret has no value"
        ) from error


async def hang_up(
    http: aiohttp.ClientSession,
    upstream: Upstream,
    call_id: str,
    log: logging.LoggerAdapter[logging.Logger],
) -> None:
    """End the call on the server. Never raises; a failure is logged."""
    url = f"{upstream.base_url}/realtime/calls/{call_id}/hangup"
    try:
        async with asyncio.timeout(HANG_UP_TIMEOUT_S):
            async with _request(http, upstream, url) as response:
                log.info("> hang up %s: %s", call_id, response.status)
    except (UpstreamError, TimeoutError) as error:
        log.warning("! > hang up %s: %s", call_id, error or "no answer in time")


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


async def _checked(response: aiohttp.ClientResponse) -> str:
    """The body of a successful answer, whatever its content type; UpstreamError otherwise."""
    try:
        body = await response.content.read(MAX_ANSWER_BYTES)
        while len(body) < MAX_ANSWER_BYTES and not response.content.at_eof():
            body += await response.content.read(MAX_ANSWER_BYTES)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise UpstreamError("unreachable", f"the answer was cut off: {error!r}") from error
    text = body.decode("utf-8", "replace")
    if response.status in (200, 201):
        return text
    raise refusal(response.status, text)


def refusal(status: int, body: str) -> UpstreamError:
    """The error that an HTTP answer stands for; bodies are ``{"error": {code, message, …}}``."""
    try:
        error = json.loads(body)["error"]
        code, message = error.get("code") or error.get("type"), error.get("message")
    except (ValueError, KeyError, TypeError, AttributeError):
        code, message = None, body
    return UpstreamError(str(code or f"http_{status}"), str(message or "")[:500], status)


def _call_id(location: str) -> str:
    name = location.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1]
    return name if name.startswith("rtc_") else ""
