"""An MCP server on standard input and output that lists whatever a JSON file says.

It is written without a library, so that it can send what no library would. The file holds a list of
editions: the tools before and after each change. Calling the tool ``next`` goes on to the following
edition, and tells so; ``busy`` does nothing else while the file ``until`` is missing, and makes the
file ``begun`` first; after ``mute`` it lists no tools any more, and says that it is there;
``file`` answers with what a file has; any other tool with its own name and its arguments.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

Json = dict[str, Any]
PAGE = 40
"""Tools on one page of a list."""
FILE = [
    {"type": "text", "text": "Here it is:"},
    {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "milk\neggs"}},
    {"type": "resource", "resource": {"uri": "file:///b.bin", "blob": "AAAA"}},
    {"type": "resource_link", "uri": "https://h/c", "name": "c"},
    {"type": "image", "data": "AAAA", "mimeType": "image/png"},
]


class Server:
    """Answers one line at a time."""

    def __init__(self, editions: list[list[Any]]) -> None:
        self._editions = editions
        self._is_mute = False

    def answer(self, request: Json) -> list[Json]:
        """The messages that follow a request."""
        method, given = request["method"], request.get("params") or {}
        if method == "initialize":
            about = {"name": "raw", "version": "1"}
            offers = {"tools": {"listChanged": True}}
            version = given.get("protocolVersion", "2025-06-18")
            return [
                _result(request, protocolVersion=version, capabilities=offers, serverInfo=about)
            ]
        if self._is_mute and method in ("tools/list", "ping"):
            return [_result(request)] if method == "ping" else []
        if method == "tools/list":
            return [_result(request, **self._page(int(given.get("cursor") or 0)))]
        if method == "tools/call":
            return self._call(request, given["name"], given.get("arguments"))
        return [{"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "no"}}]

    def _page(self, start: int) -> Json:
        tools = self._editions[0]
        page: Json = {"tools": tools[start : start + PAGE]}
        return page | ({"nextCursor": str(start + PAGE)} if start + PAGE < len(tools) else {})

    def _call(self, request: Json, name: str, arguments: Any) -> list[Json]:
        if name == "exit":
            raise SystemExit
        if name == "busy":
            Path(arguments["begun"]).touch()
            while not Path(arguments["until"]).exists():
                time.sleep(0.01)
        if name == "mute":
            self._is_mute = True
        if name == "file":
            return [_result(request, content=FILE)]
        if name == "malformed":
            return [_result(request, content=5)]
        text = json.dumps([name, self._is_mute if name == "is_mute" else arguments])
        messages = [_result(request, content=[{"type": "text", "text": text}])]
        if name == "next":
            self._editions = self._editions[1:]
            changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
            messages += [changed, changed, changed]
        return messages


def _result(request: Json, **result: Any) -> Json:
    return {"jsonrpc": "2.0", "id": request["id"], "result": result}


def main() -> None:
    """Until standard input ends."""
    server = Server(json.loads(Path(sys.argv[1]).read_text()))
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request and "method" in request:
            for message in server.answer(request):
                print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
