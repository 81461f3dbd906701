"""The page's files and the headers that protect it."""

from __future__ import annotations

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
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""Named here because the system's own table may call a module something a browser refuses."""


async def add_security_headers(_: web.Request, response: web.StreamResponse) -> None:
    """For ``Application.on_response_prepare``."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "mixminus"


class Pages:
    """Serves one folder: nothing outside it, nothing hidden, only types that are known."""

    def __init__(self, folder: Path = WEB_DIR) -> None:
        self._folder = folder.resolve()

    async def index(self, _: web.Request) -> web.StreamResponse:
        """``GET /``"""
        return self._file(INDEX)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """``GET /web/{path}``"""
        return self._file(request.match_info["path"])

    async def icon(self, _: web.Request) -> web.StreamResponse:
        """``GET /favicon.ico``: browsers ask without being told to."""
        return web.Response(status=204)

    def _file(self, name: str) -> web.StreamResponse:
        """The file with its ETag; aiohttp answers 304 where the browser has it."""
        try:
            path = (self._folder / name).resolve()
            known = path.is_file()
        except (OSError, ValueError):
            known = False
        mime_type = MIME_TYPES.get(path.suffix) if known else None
        if mime_type is None or not path.is_relative_to(self._folder):
            raise ProblemError(404, "Not Found", "the page has no such file")
        headers = {"Content-Type": mime_type, "Cache-Control": "no-cache"}
        return web.FileResponse(path, headers=headers)
