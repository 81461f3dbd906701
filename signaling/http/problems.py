"""Every error as problem details (RFC 9457), including the errors of aiohttp itself."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Middleware

from mixer_core.runtime import logs
from mixer_core.runtime.errors import MixminusError, ProblemError, RuntimeDirError

from .mistakes import Mistakes

CONTENT_TYPE = "application/problem+json"
RETRY_S = 10
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_DETAILS = {
    400: "this is not a valid HTTP request",
    404: "there is nothing at this address",
    413: "the body is too large",
    417: "send no Expect header",
    500: "the gateway has failed: its log says why",
    503: "the gateway cannot read or write a file that it needs: its log says which",
}
_OUTSIDE = (web.RequestPayloadError, HttpProcessingError, ConnectionError, UnicodeError)
"""What is raised for what the other side did."""
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
    mistakes = Mistakes(log)

    @web.middleware
    async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ProblemError as error:
            return from_error(error)
        except web.HTTPException as error:
            return error if error.status < 400 else from_http(error)
        except RuntimeDirError as error:
            mistakes.warn(str(error), str(error))
            return response(503, "Not available", _DETAILS[503], RETRY_S)
        except ConnectionError:
            raise
        except MixminusError as error:  # Says in one line what is wrong, and what to do.
            where = ascii(f"{request.method} {request.path[:200]}")
            mistakes.warn(type(error).__name__, f"{where}: {error}")
            return response(500, HTTPStatus(500).phrase, _DETAILS[500])
        except UnicodeError as error:  # Bytes of the request that are no text.
            mistakes.warn("UnicodeError", f"{_place(request)}: {error}")
            return response(400, HTTPStatus(400).phrase, _DETAILS[400])
        except Exception as error:
            mistakes.fail(f"{_place(request)} failed", error)
            return response(500, HTTPStatus(500).phrase, _DETAILS[500])

    return problems


def _place(request: web.BaseRequest) -> str:
    """The method, and the route where there is one: what strangers cannot vary."""
    match = request.match_info if isinstance(request, web.Request) else None
    resource = match.route.resource if match is not None else None
    return f"{request.method[:20]} {resource.canonical if resource is not None else '(no route)'}"


class ProblemRequestHandler(web.RequestHandler):
    """aiohttp's connection, with problem details for requests that reach no handler."""

    __slots__ = ("mistakes",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.mistakes = Mistakes(logs.get("signaling"))
        """Shared by the connections of a listener, once it has said so."""

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """What aiohttp could not carry on with, such as a body whose rest makes no sense."""
        error = kw.get("exc_info")
        if isinstance(error, BaseException) and not isinstance(error, _OUTSIDE):
            self.mistakes.fail("a connection failed", error)
        else:
            words = "a request broke off in a way that makes no sense"
            name = type(error).__name__
            self.mistakes.warn(name, f"{words} ({name})")

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The response to a request that could not be read; the connection closes."""
        if isinstance(exc, UnicodeError):  # Bytes of the request that are no text.
            status = 400
        elif isinstance(exc, _OUTSIDE):  # Such as the end of a client in the middle of its body.
            self.mistakes.warn("gone", "a request broke off before its end")
        elif status >= 500 and exc is not None:
            self.mistakes.fail("a request failed before it was looked at", exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        result = response(status, HTTPStatus(status).phrase, _DETAILS.get(status, _DETAILS[500]))
        result.headers.update({"Server": "mixminus", "X-Content-Type-Options": "nosniff"})
        result.force_close()
        return result
