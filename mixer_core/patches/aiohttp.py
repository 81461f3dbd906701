"""What aiohttp's WebSocket client keeps to itself. Written for aiohttp 3.14."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

WRITTEN_FOR = "3.14"
NAMES = {
    "ClientWebSocketResponse": {"_response": "the headers of the answer that opened the WebSocket"}
}


def upgrade_headers(socket: aiohttp.ClientWebSocketResponse) -> Mapping[str, str]:
    """Headers of the HTTP response that opened ``socket``; names compare without case."""
    return socket._response.headers
