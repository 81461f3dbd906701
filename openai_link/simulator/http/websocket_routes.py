"""``GET /v1/realtime``: a session, a sideband to a call, or an error for beta clients."""

from __future__ import annotations

import json
import time

from aiohttp import web

from mixer_core.runtime import logs

from ..calls.event_socket import EventSocket
from ..calls.keys import EPHEMERAL_PREFIX
from ..calls.switchboard import Json, Switchboard
from ..engine import refusals
from ..engine.ids import IdMint
from ..engine.refusals import Refusal
from ..engine.server_events import EventMaker, SendEvent

SUBPROTOCOL = "realtime"
KEY_SUBPROTOCOL = "openai-insecure-api-key."
_BETA_SUBPROTOCOL = "openai-beta.realtime"
_MAX_MESSAGE_BYTES = 21 << 20
"""15 MiB of sound are 20 MiB of base64."""
_CLOSE_TIMEOUT_S = 1.0
_PING_S = 30.0
"""Clients that do not answer pings are disconnected."""
_REFUSED_CODE = 4000

log = logs.get("simulator")


async def serve(request: web.Request, switchboard: Switchboard) -> web.WebSocketResponse:
    """Answer the upgrade. Raises Refusal to refuse it with an HTTP status."""
    _refuse_as_fault(switchboard)
    key = bearer(request)
    call_id = request.query.get("call_id")
    if call_id is not None:
        return await _sideband(request, switchboard, key, call_id)
    token_session = switchboard.keys.session_of(key, int(time.time()))
    if _is_beta(request):
        return await _turn_away(request, switchboard.mint, refusals.beta_disabled())
    wanted = token_session or _wanted_session(request)
    if wanted is None:
        return await _turn_away(request, switchboard.mint, refusals.missing_model())
    call = switchboard.open_socket(wanted)
    try:
        socket = await _prepare(request)
    except BaseException:
        switchboard.forget(call, "the upgrade failed")
        raise
    await call.serve(EventSocket(socket, request.transport))
    return socket


def bearer(request: web.Request) -> str | None:
    """Return the key from a header, a subprotocol (browsers) or the query (Azure), or None."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    for protocol in _subprotocols(request):
        if protocol.startswith(KEY_SUBPROTOCOL):
            return protocol.removeprefix(KEY_SUBPROTOCOL)
    return request.headers.get("api-key") or request.query.get("api-key")


async def _sideband(
    request: web.Request, switchboard: Switchboard, key: str | None, call_id: str
) -> web.WebSocketResponse:
    if key is not None and key.startswith(EPHEMERAL_PREFIX):
        raise refusals.call_not_found()
    switchboard.keys.check_standard(key)
    call = switchboard.find(call_id)
    if call is None:
        raise refusals.call_not_found()
    socket = await _prepare(request)
    await call.attend(EventSocket(socket, request.transport))
    return socket


async def _turn_away(request: web.Request, mint: IdMint, refusal: Refusal) -> web.WebSocketResponse:
    """Accept, send an error, and close: so the service refuses some clients."""
    socket = await _prepare(request)
    action = EventMaker(mint).error(refusal, None)
    assert isinstance(action, SendEvent)
    await socket.send_str(json.dumps(action.event))
    reason = f"{refusal.kind}.{refusal.code}"
    await socket.close(code=_REFUSED_CODE, message=reason.encode())
    return socket


async def _prepare(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(
        timeout=_CLOSE_TIMEOUT_S,
        heartbeat=_PING_S,
        protocols=(SUBPROTOCOL,),
        max_msg_size=_MAX_MESSAGE_BYTES,
        compress=False,
    )
    await socket.prepare(request)
    return socket


def _wanted_session(request: web.Request) -> Json | None:
    """Return the session in the query, or None if it names no model (Azure: no deployment)."""
    if request.query.get("intent") == "transcription":
        return {"type": "transcription"}
    model = request.query.get("model") or request.query.get("deployment")
    return {"type": "realtime", "model": model} if model else None


def _is_beta(request: web.Request) -> bool:
    header = request.headers.get("OpenAI-Beta", "")
    beta_protocol = any(p.startswith(_BETA_SUBPROTOCOL) for p in _subprotocols(request))
    return "realtime=v1" in header or beta_protocol


def _subprotocols(request: web.Request) -> list[str]:
    return [p.strip() for p in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]


def _refuse_as_fault(switchboard: Switchboard) -> None:
    faults = switchboard.faults.faults
    if faults.no_quota:
        raise refusals.no_quota()
    if faults.websocket_refused:
        raise refusals.with_status(faults.websocket_refused)
