"""The limits per address, applied to requests before anything else looks at them."""

from __future__ import annotations

import logging
import time

from aiohttp import web
from aiohttp.typedefs import Middleware

from mixer_core.runtime.errors import ProblemError

from ..access.gate import SESSION_PATH
from ..limits.clients import client_of
from ..limits.limiter import Limiter, Refusal
from . import problems
from .forwarded import Proxies
from .mistakes import Mistakes

OFFERS = "/participants"
"""The end of the path to which offers go."""


_CLIENT = web.RequestKey("client", str)


def client(request: web.Request) -> str:
    """Who sent a request, as far as limits are concerned; behind the middleware only."""
    return request[_CLIENT]


def middleware(
    limiter: Limiter, proxies: Proxies, log: logging.LoggerAdapter[logging.Logger]
) -> Middleware:
    """Refuses offers and tokens of an address that sends too many."""
    mistakes = Mistakes(log)

    @web.middleware
    async def limited(request: web.Request, handler: problems.Handler) -> web.StreamResponse:
        asker = proxies.asker(request.remote or "", request.headers, request.secure)
        sender = request[_CLIENT] = client_of(asker.address)
        with_token = has_token(request)
        try:
            if with_token:
                limiter.token(sender, time.monotonic_ns())
            if request.method == "POST" and request.path.endswith(OFFERS):
                limiter.offer(sender, time.monotonic_ns())
        except Refusal as refusal:
            if refusal.log_line:
                mistakes.warn(refusal.title, f"{refusal.log_line}: it gets 429")
            raise
        try:
            return await handler(request)
        except ProblemError as error:
            if error.status == 401 and with_token:
                limiter.wrong_token(sender, time.monotonic_ns())
            raise

    return limited


def has_token(request: web.BaseRequest) -> bool:
    """Whether a request tries a token."""
    exchanges = request.method == "POST" and request.path.endswith(SESSION_PATH)
    return exchanges or bool(request.headers.get("Authorization") or request.query.get("token"))
