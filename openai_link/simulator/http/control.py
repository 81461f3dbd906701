"""``/simulator/…``: reports of sessions and the fault switches; not part of the protocol.

Only for programs on the same machine: requests from elsewhere and from pages in a browser are
refused. If the simulator has an API key, it is required here too.
"""

from __future__ import annotations

import ipaddress
import json

from aiohttp import web

from ..calls.switchboard import Switchboard
from ..engine import refusals
from ..engine.refusals import Refusal
from ..faults import plan
from ..faults.plan import FaultError, Faults
from .websocket_routes import bearer


async def calls(request: web.Request, switchboard: Switchboard) -> web.Response:
    """Return reports of all running sessions, and of the latest that have ended."""
    _check(request, switchboard)
    running = [switchboard.report(call) for call in switchboard.calls.values()]
    return web.json_response({"calls": running, "ended": list(switchboard.ended)})


async def show_faults(request: web.Request, switchboard: Switchboard) -> web.Response:
    """Return the faults that are on."""
    _check(request, switchboard)
    return _shown(switchboard)


async def switch_faults(request: web.Request, switchboard: Switchboard) -> web.Response:
    """Replace all faults with those in the body: text as in the settings, or a JSON object."""
    _check(request, switchboard)
    switchboard.faults.switch(_parsed(await request.text()))
    return _shown(switchboard)


def _shown(switchboard: Switchboard) -> web.Response:
    return web.json_response({"faults": str(switchboard.faults.faults)})


def _parsed(body: str) -> Faults:
    try:
        if not body.lstrip().startswith("{"):
            return plan.parse(body)
        given = json.loads(body)
        if isinstance(given.get("faults"), str):
            return plan.parse(given["faults"])
        return plan.from_mapping(given)
    except FaultError as error:
        raise Refusal("invalid_fault", str(error), "faults") from error
    except ValueError as error:
        raise Refusal("invalid_json", f"The body is not valid JSON: {error}") from error


def _check(request: web.Request, switchboard: Switchboard) -> None:
    if "Origin" in request.headers:
        raise refusals.HttpRefusal(403, "not_from_a_page", "Pages in a browser have no access.")
    try:
        is_near = ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        is_near = False
    if not is_near:
        raise refusals.HttpRefusal(
            403, "not_from_afar", "Only requests from the same machine have access."
        )
    switchboard.keys.check_standard(bearer(request))
