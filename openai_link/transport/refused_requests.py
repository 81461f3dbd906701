"""Every refused request of an HTTP session becomes one ``UpstreamError``, its body included."""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import SimpleNamespace
from typing import Final

import aiohttp

from ..realtime.refusals import read_refusal, unusable
from .redirects import refuse_redirects

MAX_BODY_BYTES = 64 * 1024
"""As much of the body is read; its words are at the beginning."""
BODY_TIMEOUT_S = 3.0
"""A body that does not end is read no longer."""
_AGAIN: Final = "again"


def request_rules() -> list[aiohttp.TraceConfig]:
    """For a client session: redirects and refusals end a request with UpstreamError.

    The hook runs before ``ws_connect`` looks at the answer, which would throw its body away.
    """
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(_check)
    return [refuse_redirects(), trace]


async def _check(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
) -> None:
    response = params.response
    is_no_upgrade = "Upgrade" in params.headers and 200 <= response.status < 300
    if response.status < 300 and not is_no_upgrade:
        return
    body = await _body(response)
    if not body and _ends_with_the_connection(response, params, context):
        await _ask_again(session, params)
    response.close()
    if is_no_upgrade:
        words = f"the answer to the upgrade is no WebSocket ({response.status})"
        raise unusable(words, body.decode("utf-8", "replace"))
    raise read_refusal(response.status, response.headers, body, time.time())


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """What comes of the body within the bounds."""
    body = b""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while len(body) < MAX_BODY_BYTES:
                more = await response.content.read(MAX_BODY_BYTES - len(body))
                if not more:
                    break
                body += more
    return body


def _ends_with_the_connection(
    response: aiohttp.ClientResponse,
    params: aiohttp.TraceRequestEndParams,
    context: SimpleNamespace,
) -> bool:
    """Whether a refused upgrade has a body that ``ws_connect`` did not ask for: of no length."""
    is_upgrade = "Upgrade" in params.headers and context.trace_request_ctx != _AGAIN
    has_length = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    return is_upgrade and not has_length


async def _ask_again(session: aiohttp.ClientSession, params: aiohttp.TraceRequestEndParams) -> None:
    """The same request as one whose body ends with the connection; UpstreamError with its words."""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with session.request(
            params.method, params.url, headers=params.headers, trace_request_ctx=_AGAIN
        ):
            return  # Accepted this time: the next attempt will be, too.
