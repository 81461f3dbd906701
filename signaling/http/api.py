"""The HTTP API: joining and leaving, rooms, transcripts, health, metrics; and the page."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

import msgspec
from aiohttp import web

from mixer_core.bus.events import Mode
from mixer_core.runtime.errors import ProblemError

from ..gateway import Gateway
from ..registry.actions import Join, Look, Remove, ReplyAnswer, ReplyRoom, RoomView
from ..registry.names import check_offer
from ..settings import SignalingSettings
from . import health, limiting, metrics_page, problems
from .auth import Gate
from .forwarded import Proxies, clean_path
from .pages import Pages, add_security_headers
from .transcript_pages import TranscriptReader

SDP_TYPE, JSON_TYPE = "application/sdp", "application/json"
BODY_TIMEOUT_S = 10.0
"""Timeout after which an incomplete body gets 408."""
MODES = ("assistant", "conference")


class _JsonOffer(msgspec.Struct):
    """The JSON form of an offer."""

    sdp: str
    type: str


class HttpApi:
    """The handlers, and the application that routes to them."""

    def __init__(
        self,
        gateway: Gateway,
        gate: Gate,
        settings: SignalingSettings,
        log: logging.LoggerAdapter[logging.Logger],
        pages: Pages | None = None,
        transcripts: TranscriptReader | None = None,
        warnings: Callable[[], list[str]] = list,
    ) -> None:
        """Args:
        pages: other than the packaged ones, for tests.
        transcripts: None if no journal is read.
        warnings: what stands on ``/readyz`` beside the programs.

        Raises:
            SettingsError: ``trusted_proxies`` or ``public_path`` cannot be read.
        """
        self._gateway = gateway
        self._gate = gate
        self._settings = settings
        self._log = log
        self._pages = pages or Pages()
        self._transcripts = transcripts
        self._warnings = warnings
        self._proxies = Proxies(settings.trusted_proxies)
        self._path = clean_path(settings.public_path)

    def application(self) -> web.Application:
        """The aiohttp application with all routes."""
        app = web.Application(
            middlewares=[
                self._count,
                problems.middleware(self._log),
                limiting.middleware(self._gateway.limiter, self._proxies, self._log),
                self._check,
            ],
            client_max_size=self._settings.max_body_bytes,
        )
        app.on_response_prepare.append(add_security_headers)
        for prefix in dict.fromkeys(("", self._path)):
            self._add_routes(app.router, prefix)
        if self._path:
            app.router.add_get(self._path, self._to_index)
        return app

    def _add_routes(self, router: web.UrlDispatcher, prefix: str) -> None:
        """All routes below ``prefix``: a proxy may hand on the public path, or take it away."""
        router.add_get(f"{prefix}/", self._pages.index)
        router.add_get(f"{prefix}/favicon.ico", self._pages.icon)
        router.add_get(f"{prefix}/web/{{path:.+}}", self._pages.file)
        router.add_get(f"{prefix}/healthz", self.healthz)
        router.add_get(f"{prefix}/readyz", self.readyz)
        router.add_get(f"{prefix}/metrics", self.metrics)
        router.add_get(f"{prefix}/rooms", self.rooms)
        router.add_get(f"{prefix}/rooms/{{room}}", self.room)
        router.add_get(f"{prefix}/rooms/{{room}}/transcript", self.transcript)
        participants = f"{prefix}/rooms/{{room}}/participants"
        router.add_post(participants, self.join)
        router.add_delete(f"{participants}/{{participant}}", self.leave)

    async def _to_index(self, request: web.Request) -> web.Response:
        """The page's links are relative: they need the slash."""
        query = f"?{request.query_string}" if request.query_string else ""
        return web.Response(status=308, headers={"Location": f"{self._path}/{query}"})

    async def join(self, request: web.Request) -> web.Response:
        """POST of an offer: 201 with the answer, as SDP or JSON like the offer."""
        sdp, as_json = await self._read_offer(request)
        room, query = request.match_info["room"], request.query
        name, mode = query.get("name", ""), _mode(query.get("mode"))
        sender, ticket = limiting.client(request), query.get("ticket", "")
        reply = cast(
            ReplyAnswer,
            await self._gateway.ask(
                lambda number: Join(number, room, name, mode, sdp, client=sender, ticket=ticket)
            ),
        )
        headers = {"Location": self._path + reply.location}
        if not as_json:
            return web.Response(
                status=201, body=reply.sdp.encode(), content_type=SDP_TYPE, headers=headers
            )
        answer = {
            "sdp": reply.sdp,
            "type": "answer",
            "participant": reply.participant,
            "location": self._path + reply.location,
        }
        return _json(answer, status=201, headers=headers)

    async def leave(self, request: web.Request) -> web.Response:
        """DELETE of a participant: 200, and 404 if it is not there."""
        room, participant = request.match_info["room"], request.match_info["participant"]
        await self._gateway.ask(lambda number: Remove(number, room, participant))
        return _json({"room": room, "participant": participant, "status": "left"})

    async def rooms(self, _: web.Request) -> web.Response:
        """GET of all rooms."""
        return _json({"rooms": [_room_json(view) for view in self._gateway.rooms()]})

    async def room(self, request: web.Request) -> web.Response:
        """GET of one room."""
        room = request.match_info["room"]
        reply = await self._gateway.ask(lambda number: Look(number, room))
        content = _room_json(cast(ReplyRoom, reply).view)
        if self._transcripts is not None:
            content["usage"] |= await self._transcripts.usage(content["room"])
        return _json(content)

    async def transcript(self, request: web.Request) -> web.Response:
        """GET of a room's transcript, as JSON or text; the room may be empty now."""
        if self._transcripts is None:
            raise ProblemError(404, "No journal", "this gateway keeps no journal")
        room = request.match_info["room"]
        is_open = any(view.room == room for view in self._gateway.rooms())
        return await self._transcripts.respond(request, is_open)

    async def healthz(self, _: web.Request) -> web.Response:
        """Liveness: this process answers."""
        return _json({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        """Readiness: 200 if every program is up, else 503 with what is missing."""
        programs, missing = self._gateway.programs()
        states: dict[str, object] = {"programs": health.as_json(programs)}
        if warnings := self._warnings():
            states["warnings"] = warnings
        if missing:
            words = "waiting for " + ", ".join(missing)
            return problems.response(503, "Not ready", words, 1, {"ready": False, **states})
        return _json({"ready": True, **states})

    async def metrics(self, _: web.Request) -> web.Response:
        """The metrics as Prometheus text."""
        headers = {"Content-Type": metrics_page.CONTENT_TYPE}
        return web.Response(body=self._gateway.metrics_page(), headers=headers)

    async def _read_offer(self, request: web.Request) -> tuple[str, bool]:
        """The offer, and whether it is JSON. Raises ProblemError (400, 408, 413, 415)."""
        content_type = request.content_type if "Content-Type" in request.headers else ""
        if content_type not in (SDP_TYPE, JSON_TYPE):
            raise ProblemError(
                415,
                "Unsupported Media Type",
                f"send the offer as {SDP_TYPE} or {JSON_TYPE}, not {content_type or 'untyped'}",
            )
        body = await self._read_body(request)
        try:
            if content_type == SDP_TYPE:
                return check_offer(body.decode()), False
            offer = msgspec.json.decode(body, type=_JsonOffer)
        except UnicodeDecodeError as error:
            raise ProblemError(400, "Bad SDP", "the offer is not UTF-8 text") from error
        except msgspec.DecodeError as error:
            detail = f'send {{"sdp": "…", "type": "offer"}}: {error}'
            raise ProblemError(400, "Bad JSON", detail) from error
        if offer.type != "offer":
            raise ProblemError(400, "Bad SDP", f"type must be 'offer', not {offer.type[:20]!r}")
        return check_offer(offer.sdp), True

    async def _read_body(self, request: web.Request) -> bytes:
        """The body, at most ``max_body_bytes``. Raises ProblemError (400, 408, 413)."""
        most = self._settings.max_body_bytes
        too_large = ProblemError(
            413,
            "Content Too Large",
            f"an offer may have at most {most} bytes (max_body_bytes)",
        )
        if (request.content_length or 0) > most:
            raise too_large
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                return await request.read()
        except TimeoutError as error:
            detail = f"the body was not complete within {BODY_TIMEOUT_S:g} s"
            raise ProblemError(408, "Request Timeout", detail) from error
        except web.HTTPRequestEntityTooLarge as error:
            raise too_large from error
        except web.RequestPayloadError as error:
            raise ProblemError(400, "Bad body", "the body cannot be read") from error

    @web.middleware
    async def _check(self, request: web.Request, handler: problems.Handler) -> web.StreamResponse:
        headers = request.headers
        asker = self._proxies.asker(request.remote or "", headers, request.scheme == "https")
        self._gate.check(
            request.path.removeprefix(self._path),
            asker,
            headers.get("Origin"),
            headers.get("Authorization", ""),
            request.query.get("token", ""),
        )
        return await handler(request)

    @web.middleware
    async def _count(self, request: web.Request, handler: problems.Handler) -> web.StreamResponse:
        response = await handler(request)
        self._gateway.metrics.count(f"http_{response.status // 100}xx_total")
        return response


def _mode(text: str | None) -> Mode | None:
    """The mode in the query. Raises ProblemError (400)."""
    if text is not None and text not in MODES:
        raise ProblemError(400, "Bad mode", f"mode must be one of {', '.join(MODES)}")
    return cast(Mode | None, text)


def _room_json(view: RoomView) -> dict[str, Any]:
    content = asdict(view)
    content["usage"] = content["link"].pop("usage") or {}
    return content


def _json(content: dict[str, Any], status: int = 200, **more: Any) -> web.Response:
    body = json.dumps(content, ensure_ascii=False).encode()
    return web.Response(status=status, body=body, content_type=JSON_TYPE, **more)
