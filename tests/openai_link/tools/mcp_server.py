"""An MCP server for the tests: over standard input and output, or by HTTP on a port given."""

from __future__ import annotations

import os
import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("shed")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def fail() -> str:
    """Fail with an exception."""
    raise RuntimeError("the shed is locked")


@server.tool(name="read.env")
def read_env(variable: str) -> str:
    """Tell a variable of the environment."""
    return os.environ.get(variable, "unset")


@server.tool()
def process() -> int:
    """Tell the process id."""
    return os.getpid()


@server.tool()
def die() -> str:
    """End the process in the middle of the call."""
    os._exit(9)


if len(sys.argv) > 1:
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
else:
    server.run()
