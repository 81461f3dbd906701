"""Asks the Realtime server for a session, as a room does, and hangs up."""

from __future__ import annotations

import asyncio
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

from mixer_core.runtime import logs
from mixer_core.runtime.errors import SettingsError, UpstreamError
from mixer_core.runtime.metrics import Histogram
from openai_link.realtime.problems import explain
from openai_link.realtime.refusals import read_event
from openai_link.realtime.session_object import choose_upstream, session_object
from openai_link.realtime.upstream import Upstream
from openai_link.room_settings import RoomSettings
from openai_link.secrets import KEY_VARIABLE, with_secrets
from openai_link.settings import OpenaiLinkSettings, Settings
from openai_link.transport.factory import make_transport, open_http
from openai_link.transport.interface import Callbacks, TransportKind
from openai_link.transport.ways import Ways

from .facts import Server

EVENT_TIMEOUT_S = 5.0
MAX_ROOMS = 32
"""Sections of rooms that are tried."""
OF_THE_WAY = frozenset({"connect_timeout", "connection_lost", "no_answer"})
"""Codes after which the other transport may work."""


def look(settings: Settings, env: Mapping[str, str]) -> Server:
    """Calls in which nothing is said, so they cost nothing. The simulator is not asked."""
    try:
        settings = with_secrets(settings, env)
        upstream = choose_upstream(settings, env.get(KEY_VARIABLE, ""))
    except SettingsError as error:
        return Server(str(error))
    if upstream.simulated:
        return Server()
    return asyncio.run(_look(settings, upstream))


async def _look(settings: Settings, upstream: Upstream) -> Server:
    """As a room without rules, and where that is taken, as the others with what only they have."""
    found = await _ask(settings, upstream)
    if found.trouble:
        return found
    asked, troubles = {_own(settings.openai_link)}, []
    for room in list(settings.rooms)[:MAX_ROOMS]:
        link = RoomSettings.of(settings, room).link
        if _own(link) in asked:
            continue
        asked.add(_own(link))
        theirs = replace(upstream, model=link.model)
        said = await _ask(replace(settings, openai_link=link), theirs)
        if said.trouble:
            troubles.append(f"[rooms.{room}]: {said.trouble}")
    return replace(found, rooms_trouble=tuple(troubles))


def _own(link: OpenaiLinkSettings) -> tuple[str, str, str]:
    """What a server may not know."""
    return link.model, link.voice, link.voice_id


def skew_s(settings: Settings, timeout_s: float = EVENT_TIMEOUT_S) -> float | None:
    """How far this machine's clock is ahead of the server's; None: it does not say.

    The answer's status does not matter: servers put the time on refusals, too (RFC 9110).
    """
    request = urllib.request.Request(settings.openai_link.base_url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            date = response.headers.get("Date")
    except urllib.error.HTTPError as error:
        date = error.headers.get("Date")
        error.close()
    except (OSError, ValueError, http.client.HTTPException):
        return None
    try:
        return time.time() - parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return None


async def _ask(settings: Settings, upstream: Upstream) -> Server:
    wanted = settings.openai_link.transport
    kinds: list[TransportKind] = ["webrtc", "websocket"] if wanted == "auto" else [wanted]
    failures: list[UpstreamError] = []
    for kind in kinds:
        try:
            await _call(kind, settings, upstream)
        except UpstreamError as error:
            failures.append(error)
            if error.code not in OF_THE_WAY and not error.other_way:
                break
        else:
            return Server(udp_trouble=str(failures[0]) if failures else "")
    return Server(explain(failures[-1], upstream).message)


async def _call(kind: TransportKind, settings: Settings, upstream: Upstream) -> None:
    """Raises UpstreamError."""
    link = settings.openai_link
    loop = asyncio.get_running_loop()
    first: asyncio.Future[Mapping[str, Any]] = loop.create_future()

    def on_event(event: Mapping[str, Any]) -> None:
        if not first.done():
            first.set_result(event)

    def on_lost(error: UpstreamError) -> None:
        if not first.done():
            first.set_exception(error)

    log = logs.get("doctor")
    async with open_http(upstream, link) as http:
        transport = make_transport(
            kind,
            upstream,
            link,
            http,
            Histogram(),
            log,
            Callbacks(
                on_answered=lambda: None,
                on_up=lambda: None,
                on_event=on_event,
                on_audio=lambda *_: None,
                on_delivered=lambda *_: None,
                on_lost=on_lost,
                on_change=lambda: None,
            ),
            Ways(upstream, link.transport),
        )
        try:
            async with asyncio.timeout(link.connect_timeout_ms / 1000 + EVENT_TIMEOUT_S):
                await transport.connect(session_object(link))
                event = await first
        except TimeoutError as error:
            words = "the connection does not come up, or no event came in it"
            raise UpstreamError("connect_timeout", words) from error
        finally:
            await transport.close()
        if event.get("type") == "error":
            told = event.get("error")
            told = told if isinstance(told, Mapping) else {}
            code, message, param = (str(told.get(k) or "") for k in ("code", "message", "param"))
            raise read_event(code, message, param)
