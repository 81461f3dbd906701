"""The page's files, and the headers that protect it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from mixer_core.runtime.errors import ProblemError

WEB_DIR = Path(__file__).parents[1] / "web"
INDEX = "index.html"

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "media-src 'self' blob:",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self)",
}
MIME_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What is served. The system's table may give modules a type that browsers refuse."""


async def add_security_headers(_: web.Request, response: web.StreamResponse) -> None:
    """For ``Application.on_response_prepare``."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "mixminus"


class Pages:
    """Serves one folder: nothing outside it, nothing hidden, only ``MIME_TYPES``."""

    def __init__(self, folder: Path = WEB_DIR) -> None:
        self._folder = folder.resolve()

    async def index(self, _: web.Request) -> web.StreamResponse:
        """``GET /``"""
        return self._file(INDEX)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """``GET /web/{path}``"""
        return self._file(request.match_info["path"])

    def serve(self, name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """A handler for one file."""

        async def handler(_: web.Request) -> web.StreamResponse:
            return self._file(name)

        return handler

    async def icon(self, _: web.Request) -> web.StreamResponse:
        """``GET /favicon.ico``: browsers ask for it by themselves."""
        return web.Response(status=204)

    def _file(self, name: str) -> web.StreamResponse:
        """A file with its ETag, or 304. Raises ProblemError (404)."""
        path = self._find(name)
        if path is None:
            raise ProblemError(404, "Not Found", "the page has no such file")
        mime_type = MIME_TYPES[path.suffix]
        headers = {"Content-Type": mime_type, "Cache-Control": "no-cache"}
        return web.FileResponse(path, headers=headers)

    def _find(self, name: str) -> Path | None:
        """The file of that name; None if there is none that may be served."""
        try:
            path = (self._folder / name).resolve()
            if not path.is_file() or not path.is_relative_to(self._folder):
                return None
        except (OSError, ValueError):
            return None
        is_hidden = any(part.startswith(".") for part in path.relative_to(self._folder).parts)
        return None if is_hidden or path.suffix not in MIME_TYPES else path
