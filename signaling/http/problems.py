"""Every error as problem details (RFC 9457), including the errors of aiohttp itself."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from mixer_core.runtime.errors import MixminusError, ProblemError, RuntimeDirError

CONTENT_TYPE = "application/problem+json"
RETRY_S = 10
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_DETAILS = {
    404: "there is nothing at this address",
    413: "the body is too large",
    417: "send no Expect header",
    500: "the gateway has failed: its log says why",
    503: "the gateway cannot read or write a file that it needs: its log says which",
}
_HEADERS = {401: {"WWW-Authenticate": 'Bearer realm="mixminus"'}}


def response(
    status: int,
    title: str,
    detail: str,
    retry_after_s: int | None = None,
    extra: dict[str, Any] | None = None,
) -> web.Response:
    """An error response; ``extra`` are more members of the problem."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    headers = dict(_HEADERS.get(status, {}))
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return web.Response(
        status=status,
        body=json.dumps(body | (extra or {}), ensure_ascii=False).encode("utf-8", "replace"),
        content_type=CONTENT_TYPE,
        headers=headers,
    )


def from_error(error: ProblemError) -> web.Response:
    """The response for ``error``."""
    return response(error.status, error.title, error.detail, error.retry_after_s, error.extra)


def from_http(error: web.HTTPException) -> web.Response:
    """The response in place of aiohttp's; ``Allow`` is kept."""
    status = error.status
    detail = _DETAILS.get(status, error.reason)
    allowed = error.headers.get("Allow", "")
    if status == 405:
        detail = f"the methods of this address are {allowed or 'none'}"
    result = response(status, HTTPStatus(status).phrase, detail)
    if allowed:
        result.headers["Allow"] = allowed
    return result


def middleware(log: logging.LoggerAdapter[logging.Logger]) -> Middleware:
    """Turns what a handler raises into a response."""

    @web.middleware
    async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ProblemError as error:
            return from_error(error)
        except web.HTTPException as error:
            return error if error.status < 400 else from_http(error)
        except RuntimeDirError as error:
            log.warning("! %s", error)
            return response(503, "Not available", _DETAILS[503], RETRY_S)
        except ConnectionError:
            raise
        except MixminusError as error:  # Says in one line what is wrong, and what to do.
            log.error("! %s %s: %s", request.method, request.path, error)
            return response(500, HTTPStatus(500).phrase, _DETAILS[500])
        except Exception:
            log.exception("! %s %s failed", request.method, ascii(request.path[:200]))
            return response(500, HTTPStatus(500).phrase, _DETAILS[500])

    return problems


class ProblemRequestHandler(web.RequestHandler):
    """aiohttp's connection, with problem details for requests that reach no handler."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The response to a request that could not be read; the connection closes."""
        detail = "this is not a valid HTTP request" if status == 400 else _DETAILS[500]
        result = response(status, HTTPStatus(status).phrase, detail)
        result.headers.update({"Server": "mixminus", "X-Content-Type-Options": "nosniff"})
        result.force_close()
        return result
