"""The HTTP API: client secrets, calls, hang-up, and errors in the service's format."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import BodyPartReader, web

from ..calls.keys import DEFAULT_S, Unauthorized
from ..calls.offers import invalid_offer
from ..calls.switchboard import Switchboard
from ..engine import refusals
from ..engine.refusals import HttpRefusal, Refusal
from . import control, websocket_routes
from .websocket_routes import bearer

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_BODY_BYTES = 512 * 1024
_SWITCHBOARD = web.AppKey("switchboard", Switchboard)
_TELEPHONE_VERBS = ("accept", "reject", "refer")
_EXPOSED = "Location, X-Request-Id"
_API = r"/{path:/*(?:openai/+(?:deployments/+[^/]+/+|v1/+)?|v1/+)realtime"
"""Beginning of the API's paths: OpenAI's ``/v1``, or Azure's ``/openai`` and ``/openai/v1``.
Slashes that a client doubles where it joins paths are taken as one."""


def make_app(switchboard: Switchboard) -> web.Application:
    """Return the application; its shutdown ends all sessions."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_errors])
    app[_SWITCHBOARD] = switchboard
    app.router.add_post(f"{_API}/+client_secrets/*}}", _client_secrets)
    app.router.add_post(f"{_API}/+calls/*}}", _calls)
    app.router.add_post(f"{_API}/+calls/+}}{{call_id}}/hangup", _hangup)
    for verb in _TELEPHONE_VERBS:
        app.router.add_post(f"{_API}/+calls/+}}{{call_id}}/{verb}", _sip_only)
    app.router.add_get(f"{_API}/*}}", _websocket)
    app.router.add_get("/simulator/calls", _control(control.calls))
    app.router.add_get("/simulator/faults", _control(control.show_faults))
    app.router.add_post("/simulator/faults", _control(control.switch_faults))
    app.router.add_get("/healthz", _healthz)
    app.router.add_route("OPTIONS", f"{_API}(?:/.*)?}}", _preflight)
    app.on_response_prepare.append(_label)
    app.on_shutdown.append(_shut_down)
    return app


async def _client_secrets(request: web.Request) -> web.Response:
    switchboard = request.app[_SWITCHBOARD]
    switchboard.keys.check_standard(bearer(request))
    body = _json_object(await request.read(), "The request body") if request.can_read_body else {}
    secret = switchboard.keys.create(body, int(time.time()))
    session = switchboard.preview_session(secret.session)
    reply = {"value": secret.value, "expires_at": secret.expires_at_s, "session": session}
    return web.json_response(reply, headers={"openai-processing-ms": "1"})


async def _calls(request: web.Request) -> web.Response:
    switchboard = request.app[_SWITCHBOARD]
    token_session = switchboard.keys.session_of(bearer(request), int(time.time()))
    if request.content_type == "multipart/form-data":
        offer, session = await _read_form(request)
    elif request.content_type == "application/sdp":
        offer, session = _text(await request.read()), None
    else:
        raise web.HTTPUnsupportedMediaType()
    chosen = token_session or session or {"type": "realtime"}
    call_id, answer = await switchboard.place_call(offer, chosen)
    return web.Response(
        status=201,
        body=answer.encode(),
        headers={
            "Content-Type": "text/plain; charset=utf-8",
            "Location": f"{_calls_path(request.path)}/{call_id}",
        },
    )


def _calls_path(path: str) -> str:
    """The path of the request, as a client joins it to an address."""
    return re.sub("/+", "/", path).rstrip("/")


async def _hangup(request: web.Request) -> web.Response:
    switchboard = request.app[_SWITCHBOARD]
    switchboard.keys.check_standard(bearer(request))
    if not await switchboard.hang_up(request.match_info["call_id"]):
        raise refusals.call_not_found()
    return web.Response(status=200)


async def _sip_only(request: web.Request) -> web.Response:
    """accept, reject and refer are for SIP calls, which the simulator does not have."""
    request.app[_SWITCHBOARD].keys.check_standard(bearer(request))
    raise refusals.call_not_found()


async def _websocket(request: web.Request) -> web.StreamResponse:
    return await websocket_routes.serve(request, request.app[_SWITCHBOARD])


def _control(
    answer: Callable[[web.Request, Switchboard], Awaitable[web.StreamResponse]],
) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await answer(request, request.app[_SWITCHBOARD])

    return handler


async def _healthz(request: web.Request) -> web.Response:
    calls = len(request.app[_SWITCHBOARD].calls)
    return web.json_response({"status": "ok", "simulator": True, "calls": calls})


async def _preflight(request: web.Request) -> web.Response:
    """Allow pages of any origin."""
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
            "Access-Control-Allow-Headers": request.headers.get(
                "Access-Control-Request-Headers", "authorization, content-type"
            ),
            "Access-Control-Max-Age": str(DEFAULT_S),
        },
    )


async def _read_form(request: web.Request) -> tuple[str, Json | None]:
    """Return the fields ``sdp`` and ``session``; as in the service, ``sdp`` must not be a file."""
    offer, session, total = "", None, 0
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise refusals.invalid_value("body", "multipart", "Expected a flat form.")
        data = bytearray()
        while chunk := await part.read_chunk():
            total += len(chunk)
            if total > MAX_BODY_BYTES:
                raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, total)
            data += chunk
        if part.name == "sdp" and part.filename is None:
            offer = _text(bytes(data))
        elif part.name == "session":
            session = _json_object(bytes(data), "The field 'session'")
    return offer, session


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid_offer("the text is not UTF-8") from error


def _json_object(data: bytes, what: str) -> Json:
    try:
        value = json.loads(data or b"{}")
    except ValueError as error:
        raise Refusal("invalid_json", f"{what} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise Refusal("invalid_type", f"{what} must be a JSON object.")
    return value


def _refused(status: int, refusal: Refusal) -> web.Response:
    return web.json_response({"error": refusal.body()}, status=status)


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every error a body in the service's format."""
    try:
        return await handler(request)
    except Unauthorized as refusal:
        return _refused(401, refusal)
    except HttpRefusal as refusal:
        return _refused(refusal.status, refusal)
    except Refusal as refusal:
        return _refused(429 if refusal.code == "rate_limit_exceeded" else 400, refusal)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = "body_too_large" if error.status == 413 else "invalid_request"
        message = f"{error.reason} ({request.method} {request.path})"
        return _refused(error.status, Refusal(code, message))


async def _label(request: web.Request, response: web.StreamResponse) -> None:
    """Mark every response as simulated, and let pages of any origin read it."""
    response.headers["x-simulated"] = "1"
    response.headers["openai-version"] = "2020-10-01"
    if request.path.startswith("/simulator/"):
        return
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED


async def _shut_down(app: web.Application) -> None:
    await app[_SWITCHBOARD].close()
