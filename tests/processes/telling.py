"""What tests of tools share: a story in a room of its own, and what is told of tools."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.processes.looking import joined, of_type, simulator_calls
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient


def outputs(gateway: Gateway) -> list[str]:
    """What the newest session was told by tools."""
    return [
        item["output"] for item in of_type(simulator_calls(gateway)[-1], "function_call_output")
    ]


def statuses(client: PlainClient, name: str) -> list[str]:
    """What the room was told of a tool; who has just come may be asked the same question twice."""
    told = [(m["call"], m["status"]) for m in client.of_type("tool") if m["name"] == name]
    return [status for _, status in dict.fromkeys(told)]


def run(gateway: Gateway, room: str, story: Any) -> dict[str, Any]:
    """Tell a story in a room of its own."""

    async def call() -> dict[str, Any]:
        client = await joined(gateway, room)
        try:
            return dict(await story(client))
        finally:
            await client.close()

    figures = asyncio.run(call())
    print(figures)
    return figures
