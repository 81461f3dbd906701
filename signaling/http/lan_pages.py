"""What plain HTTP answers on the local network: a redirect, and how to trust the gateway."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware
from cryptography import x509

from mixer_core.runtime.errors import ProblemError

from ..access.gate import host_name
from ..tls import trust_page
from . import problems
from .listen_routes import ListenRoutes
from .pages import MIME_TYPES, Pages, add_security_headers
from .requests import header, raw_query

FOLDER = Path(__file__).parents[1] / "web_lan"
NAME = "mixminus"
SHARED = {"icon.svg": "icon.svg", "captions.js": "state/captions.js"}
"""What the plain pages take from the page."""
MAX_BODY_BYTES = 1 << 20
"""The routes for listening have their own, smaller limits."""


@dataclass(frozen=True, slots=True)
class Listening:
    """How somebody listens, and what each request goes through before."""

    routes: ListenRoutes
    middlewares: Sequence[Middleware]


class LanPages:
    """The application of the plain port; ``root`` is None without a local authority."""

    def __init__(
        self,
        root: Callable[[], x509.Certificate | None],
        https_port: int,
        names: Callable[[], tuple[str, ...]],
        log: logging.LoggerAdapter[logging.Logger],
        listening: Listening | None = None,
    ) -> None:
        """``names``: the names of this host that a redirect may lead to."""
        self._root = root
        self._port = https_port
        self._names = names
        self._log = log
        self._listening = listening
        self._own, self._page = Pages(FOLDER), Pages()

    def application(self) -> web.Application:
        """The aiohttp application."""
        middlewares = [problems.middleware(self._log)]
        if self._listening:
            middlewares += self._listening.middlewares
        app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
        app.on_response_prepare.append(add_security_headers)
        router = app.router
        router.add_get("/", self.redirect)
        router.add_get("/favicon.ico", self._page.icon)
        router.add_get("/trust", self.trust)
        router.add_get(f"/trust/{trust_page.CERTIFICATE_NAME}", self.certificate)
        router.add_get(f"/trust/{trust_page.PROFILE_NAME}", self.profile)
        router.add_get("/lan/{path:style\\.css|listen\\.js}", self._own.file)
        for name, path in SHARED.items():
            router.add_get(f"/lan/{name}", self._page.serve(path))
        if self._listening:
            router.add_get("/listen", self.listen)
            self._listening.routes.add_to(router)
        return app

    async def redirect(self, request: web.Request) -> web.Response:
        """To HTTPS, under the same name."""
        location = f"{self._url(request)}/{raw_query(request)}"
        return web.Response(status=307, headers={"Location": location})

    async def trust(self, request: web.Request) -> web.Response:
        """The steps for every system."""
        root = self._authority()
        template = (FOLDER / "trust.html").read_text(encoding="utf-8")
        agent = header(request, "User-Agent")
        text = trust_page.page(template, root, f"{self._url(request)}/", agent)
        return web.Response(text=text, headers={"Content-Type": MIME_TYPES[".html"]})

    async def listen(self, request: web.Request) -> web.Response:
        """For browsers without HTTPS: hear and read a room."""
        template = (FOLDER / "listen.html").read_text(encoding="utf-8")
        text = trust_page.fill(template, {"url": f"{self._url(request)}/"})
        return web.Response(text=text, headers={"Content-Type": MIME_TYPES[".html"]})

    async def certificate(self, _: web.Request) -> web.Response:
        """The root as PEM."""
        body = trust_page.certificate_file(self._authority())
        return _download(body, trust_page.CERTIFICATE_TYPE, trust_page.CERTIFICATE_NAME)

    async def profile(self, _: web.Request) -> web.Response:
        """The root as a profile for Apple's systems."""
        body = trust_page.mobile_config(self._authority())
        return _download(body, trust_page.PROFILE_TYPE, trust_page.PROFILE_NAME)

    def _authority(self) -> x509.Certificate:
        root = self._root()
        if root is None:
            detail = "this gateway has a certificate of its owner: there is nothing to install"
            raise ProblemError(404, "Nothing to trust", detail)
        return root

    def _url(self, request: web.Request) -> str:
        """The HTTPS address, under the name that was asked for if it is ours."""
        name = host_name(header(request, "Host"))
        if not _is_address(name) and name not in self._names():
            name = str(request.get_extra_info("sockname", (NAME,))[0])
        return f"https://{f'[{name}]' if ':' in name else name}:{self._port}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _download(body: bytes, content_type: str, name: str) -> web.Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=body, content_type=content_type, headers=headers)
