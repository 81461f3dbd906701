"""An MCP server that says nothing, or nothing about its tools."""

from __future__ import annotations

import json
import sys

for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request or sys.argv[1] == "CONNECT_TIMEOUT_S" or "list" in request["method"]:
        continue
    version = (request.get("params") or {}).get("protocolVersion", "2025-06-18")
    about = {"name": "silent", "version": "1"}
    result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
