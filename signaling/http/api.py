"""The HTTP API: joining and leaving, rooms, transcripts, health, metrics; and the page."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import msgspec
from aiohttp import web

from mixer_core.bus.events import Mode
from mixer_core.runtime.errors import ProblemError

from ..access.gate import Gate
from ..access.owners import Owners
from ..access.permissions import check, may_enter
from ..gateway import Gateway
from ..registry.actions import Join, Look, Remove, ReplyAnswer, ReplyRoom, RoomView
from ..registry.names import check_offer, check_room
from ..settings import SignalingSettings
from . import acceptor, health, limiting, metrics_page, problems
from .access_routes import AccessRoutes
from .forwarded import Proxies, clean_path, own_path
from .pages import Pages, add_security_headers
from .requests import JSON_TYPE, facts_of, identity_of, json_response, read_body, set_facts
from .transcript_pages import TranscriptReader

SDP_TYPE = "application/sdp"
REPLACES = "Mixminus-Replaces"
"""Header of an offer: the last part of the browser's former ``Location``."""
MODES = ("assistant", "conference")


class _JsonOffer(msgspec.Struct):
    """The JSON form of an offer."""

    sdp: str
    type: str


@dataclass(frozen=True, slots=True)
class PageParts:
    """What the API serves beside the gateway."""

    pages: Pages = field(default_factory=Pages)
    transcripts: TranscriptReader | None = None
    """None: no journal is read."""
    warnings: Callable[[], list[str]] = list
    """What stands on ``/readyz`` beside the programs."""
    public_url: Callable[[], str] = str
    """The page's address for other machines, for invitations that are made at this one; empty:
    there is none."""


class HttpApi:
    """The handlers, and the application that routes to them."""

    def __init__(
        self,
        gateway: Gateway,
        gate: Gate,
        settings: SignalingSettings,
        log: logging.LoggerAdapter[logging.Logger],
        parts: PageParts | None = None,
    ) -> None:
        """Raises SettingsError: ``trusted_proxies`` or ``public_path`` cannot be read."""
        parts = parts or PageParts()
        self._gateway = gateway
        self._gate = gate
        self._settings = settings
        self._log = log
        self._pages = parts.pages
        self._transcripts = parts.transcripts
        self._warnings = parts.warnings
        self._proxies = Proxies(settings.trusted_proxies)
        self._path = clean_path(settings.public_path)
        self._owners = Owners(gate.desk.key)
        self._access = AccessRoutes(gateway, gate, self._path, parts.public_url)

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
        app[acceptor.CONNECTIONS] = self._gateway.connections
        app[acceptor.PROXIES] = self._proxies
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
        router.add_get(f"{prefix}/ice", self.ice)
        router.add_get(f"{prefix}/rooms", self.rooms)
        router.add_get(f"{prefix}/rooms/{{room}}", self.room)
        router.add_get(f"{prefix}/rooms/{{room}}/transcript", self.transcript)
        participants = f"{prefix}/rooms/{{room}}/participants"
        router.add_post(participants, self.join)
        router.add_delete(f"{participants}/{{participant}}", self.leave)
        self._access.add_to(router, prefix)

    async def _to_index(self, request: web.Request) -> web.Response:
        """The page's links are relative: they need the slash."""
        query = f"?{request.query_string}" if request.query_string else ""
        return web.Response(status=308, headers={"Location": f"{self._path}/{query}"})

    async def join(self, request: web.Request) -> web.Response:
        """POST of an offer: 201 with the answer, as SDP or JSON like the offer."""
        room, query, identity = request.match_info["room"], request.query, identity_of(request)
        check(identity, "join", check_room(room))
        sdp, as_json = await self._read_offer(request)
        name, mode = identity.name or query.get("name", ""), _mode(query.get("mode"))
        if identity.role != "admin":
            mode = None
        replaces = self._owners.participant(request.headers.get(REPLACES, "")) or ""
        reserved = (
            self._gate.desk.names(int(time.time())) if identity.is_guest else frozenset[str]()
        )
        join = Join(
            0,
            room,
            name,
            mode,
            sdp,
            identity.role,
            identity.verified,
            identity.subject if identity.is_guest else "",
            replaces,
            reserved,
            limiting.client(request),
            query.get("ticket", ""),
        )
        reply = cast(
            ReplyAnswer, await self._gateway.ask(lambda number: replace(join, request=number))
        )
        address = self._owners.address(reply.participant)
        location = f"{self._path}/rooms/{reply.room}/participants/{address}"
        headers = {"Location": location}
        if not as_json:
            return web.Response(
                status=201, body=reply.sdp.encode(), content_type=SDP_TYPE, headers=headers
            )
        answer = {
            "sdp": reply.sdp,
            "type": "answer",
            "participant": reply.participant,
            "location": location,
        }
        return json_response(answer, status=201, headers=headers)

    async def leave(self, request: web.Request) -> web.Response:
        """DELETE of a participant: 200, and 404 if it is not there.

        The address of ``Location`` is a secret of the participant; admins give the plain id.
        """
        room, address = request.match_info["room"], request.match_info["participant"]
        participant = self._owners.participant(address)
        if participant is None:
            participant = address
            await self._access.remove(request, participant)
        else:
            owned = participant
            await self._gateway.ask(lambda number: Remove(number, room, owned))
        return json_response({"room": room, "participant": participant, "status": "left"})

    async def ice(self, request: web.Request) -> web.Response:
        """GET of the STUN and TURN servers, with credentials, for those who may join."""
        check(identity_of(request), "join")
        return json_response(self._gateway.ice_servers())

    async def rooms(self, request: web.Request) -> web.Response:
        """GET of all rooms that the asker may enter."""
        identity = identity_of(request)
        check(identity, "look")
        views = [view for view in self._gateway.rooms() if may_enter(identity, view.room)]
        return json_response({"rooms": [_room_json(view) for view in views]})

    async def room(self, request: web.Request) -> web.Response:
        """GET of one room."""
        room = check_room(request.match_info["room"])
        check(identity_of(request), "look", room)
        reply = await self._gateway.ask(lambda number: Look(number, room))
        content = _room_json(cast(ReplyRoom, reply).view)
        if self._transcripts is not None:
            content["usage"] |= await self._transcripts.usage(content["room"])
        return json_response(content)

    async def transcript(self, request: web.Request) -> web.Response:
        """GET of a room's transcript, as JSON or text; the room may be empty now."""
        room = check_room(request.match_info["room"])
        check(identity_of(request), "transcript", room)
        if self._transcripts is None:
            raise ProblemError(404, "No journal", "this gateway keeps no journal")
        is_open = any(view.room == room for view in self._gateway.rooms())
        return await self._transcripts.respond(request, is_open)

    async def healthz(self, _: web.Request) -> web.Response:
        """Liveness: this process answers."""
        return json_response({"status": "ok"})

    async def readyz(self, request: web.Request) -> web.Response:
        """Readiness: 200 if every program is up, else 503 with what is missing."""
        check(identity_of(request), "operate")
        programs, missing = self._gateway.programs()
        states: dict[str, object] = {"programs": health.as_json(programs)}
        if warnings := self._warnings():
            states["warnings"] = warnings
        if missing:
            words = "waiting for " + ", ".join(missing)
            return problems.response(503, "Not ready", words, 1, {"ready": False, **states})
        return json_response({"ready": True, **states})

    async def metrics(self, request: web.Request) -> web.Response:
        """The metrics as Prometheus text."""
        check(identity_of(request), "operate")
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
        body = await read_body(request, self._settings.max_body_bytes)
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

    @web.middleware
    async def _check(self, request: web.Request, handler: problems.Handler) -> web.StreamResponse:
        secure = request.scheme == "https"
        asker = self._proxies.asker(request.remote or "", request.headers, secure)
        facts = facts_of(request, own_path(request.path, self._path), asker)
        set_facts(request, facts, self._gate.identify(facts, int(time.time())))
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
