"""No redirects for requests that carry a key."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp

from mixer_core.runtime.errors import UpstreamError


def refuse_redirects() -> aiohttp.TraceConfig:
    """For a client session: a redirect ends the request, HTTP or WebSocket, with UpstreamError.

    aiohttp follows redirects to other servers with every header but ``Authorization``, and with
    the body of the request.
    """
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse)
    return trace


async def _refuse(
    _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestRedirectParams
) -> None:
    response = params.response
    target = response.headers.get("Location", "nowhere")[:200]
    response.close()
    raise UpstreamError(
        "redirected",
        f"{response.url.origin()} answered {response.status} and points to {target}: redirects are "
        "not followed, because they would carry the key along; set base_url to the final address",
        response.status,
    )
