"""The HTTP API: joining and leaving, rooms, transcripts, health, metrics; and the page."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Middleware

from .. import clock
from ..access.gate import Gate
from ..access.identity import Facts, Vouch
from ..gateway import Gateway
from ..settings import SignalingSettings
from . import acceptor, limiting, problems
from .access_routes import AccessRoutes
from .conversation_routes import ConversationRoutes
from .elsewhere import Cluster
from .forwarded import Proxies, clean_path, own_path
from .operation_routes import OperationRoutes
from .pages import Pages, add_security_headers
from .picture_routes import PictureRoutes
from .recording_routes import RecordingRoutes, RecordingShelf
from .requests import facts_of, raw_query, set_facts
from .room_routes import RoomRoutes
from .transcript_pages import TranscriptReader


@dataclass(frozen=True, slots=True)
class PageParts:
    """What the API serves beside the gateway."""

    pages: Pages = field(default_factory=Pages)
    transcripts: TranscriptReader | None = None
    """None: no journal is read."""
    recordings: RecordingShelf | None = None
    """None: there are none."""
    warnings: Callable[[], list[str]] = list
    """What stands on ``/readyz`` beside the programs."""
    public_url: Callable[[], str] = str
    """The page's address for other machines, for invitations that are made at this one; empty:
    there is none."""
    is_lan: bool = False
    """It listens on the local network: browsers come directly, unless a proxy says otherwise."""
    cluster: Cluster | None = None
    """The other machines; None: there are none."""
    first: tuple[Middleware, ...] = ()
    """What looks at requests before anything else does."""
    relayed_by: Proxies | None = None
    """It serves what other nodes relay, and knows who asks; None: it serves browsers."""


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
        self._is_lan = parts.is_lan
        self._cluster, self._first = parts.cluster, parts.first
        self._is_relayed = parts.relayed_by is not None
        self._proxies = parts.relayed_by or Proxies(settings.trusted_proxies)
        self._path = clean_path(settings.public_path)
        self._access = AccessRoutes(gateway, gate, parts.public_url)
        most = settings.max_body_bytes
        self.rooms = RoomRoutes(gateway, gate, most, parts.transcripts, self._access, parts.cluster)
        """Joining and leaving, for the plain port too."""
        self._conversations = ConversationRoutes(gateway, parts.transcripts)
        self._recordings = RecordingRoutes(parts.recordings, parts.cluster)
        self._pictures = PictureRoutes(gateway, self.rooms.owners, log)
        self._operation = OperationRoutes(gateway, parts.warnings, parts.cluster)

    def application(self) -> web.Application:
        """The aiohttp application with all routes."""
        app = web.Application(
            middlewares=[
                self._count,
                problems.middleware(self._log),
                *self._first,
                *self._relaying(),
                limiting.middleware(self._gateway.allowances.limiter, self._proxies, self._log),
                self._check,
            ],
            client_max_size=self._settings.max_body_bytes,
        )
        app[acceptor.CONNECTIONS] = self._gateway.allowances.connections
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
        router.add_get(f"{prefix}/selftest", self._pages.serve("selftest.html"))
        router.add_get(f"{prefix}/favicon.ico", self._pages.icon)
        router.add_get(f"{prefix}/web/{{path:.+}}", self._pages.file)
        self._operation.add_to(router, prefix)
        self.rooms.add_to(router, prefix)
        self._conversations.add_to(router, prefix)
        self._recordings.add_to(router, prefix)
        self._pictures.add_to(router, prefix)
        self._access.add_to(router, prefix)

    async def _to_index(self, request: web.Request) -> web.Response:
        """The page's links are relative: they need the slash."""
        return web.Response(status=308, headers={"Location": f"{self._path}/{raw_query(request)}"})

    def _relaying(self) -> list[Middleware]:
        if self._cluster is None:
            return []
        if self._is_relayed:
            return [self._cluster.relayed()]
        return [self._cluster.middleware(self._vouch)]

    def _vouch(self, request: web.Request) -> Vouch:
        """Raises ProblemError (403)."""
        return self._gate.vouch(self._facts(request))

    def _facts(self, request: web.Request) -> Facts:
        secure = request.scheme == "https"
        asker = self._proxies.asker(request.remote or "", request.headers, secure)
        path = own_path(request.path, self._path)
        is_direct = self._is_lan and not asker.forwarded and path == request.path
        base = "" if is_direct else self._path
        return facts_of(request, path, asker, base)

    @web.middleware
    async def _check(self, request: web.Request, handler: problems.Handler) -> web.StreamResponse:
        facts = self._facts(request)
        set_facts(request, facts, self._gate.identify(facts, clock.now_s()))
        return await handler(request)

    @web.middleware
    async def _count(self, request: web.Request, handler: problems.Handler) -> web.StreamResponse:
        response = await handler(request)
        self._gateway.metrics.count(f"http_{response.status // 100}xx_total")
        return response
