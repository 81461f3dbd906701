"""What tests of whole calls look at: the simulator's sessions, the link's counters, the room."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient
from tests.support.waiting import PATIENCE_S


def simulator_calls(gateway: Gateway) -> list[dict[str, Any]]:
    """What the simulator knows of its sessions, those that are over too, oldest first."""
    url = f"http://127.0.0.1:{gateway.simulator_port}/simulator/calls"
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        told = json.load(answer)
    calls: list[dict[str, Any]] = told["calls"] + told["ended"]
    return sorted(calls, key=lambda call: call["started_at"])


def settle(gateway: Gateway) -> None:
    """Wait until nothing of an earlier room is left."""
    gateway.wait_ready()
    gateway.wait(
        lambda: (
            not gateway.json("/rooms")["rooms"]
            and all(call["state"] == "ended" for call in simulator_calls(gateway))
        ),
        "an earlier room stays",
    )


def set_faults(gateway: Gateway, faults: str) -> None:
    """Replace the simulator's faults."""
    url = f"http://127.0.0.1:{gateway.simulator_port}/simulator/faults"
    request = urllib.request.Request(url, faults.encode(), method="POST")
    urllib.request.urlopen(request, timeout=PATIENCE_S).close()


def link_metrics(gateway: Gateway) -> dict[str, float]:
    """The counters of the links; they travel once a second."""
    found: dict[str, float] = {}
    for line in gateway.get("/metrics")[1].splitlines():
        if line.startswith("mixminus_") and '{program="openai_link"}' in line:
            name, _, value = line.removeprefix("mixminus_").partition('{program="openai_link"} ')
            found[name] = float(value)
    return found


def words(call: dict[str, Any], role: str) -> list[str]:
    """The texts of the messages of ``role`` in a session."""
    return [
        " ".join(str(part.get("text") or part.get("transcript") or "") for part in item["content"])
        for item in call["items"]
        if item.get("role") == role
    ]


def of_type(call: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The items of one type in a session."""
    return [item for item in call["items"] if item["type"] == kind]


async def joined(gateway: Gateway, room: str, name: str = "Ada") -> PlainClient:
    """A client in a room whose assistant is ready."""
    client = PlainClient(gateway.url, room, name)
    await client.join()
    await until_ready(client)
    return client


async def until_ready(client: PlainClient) -> None:
    """Wait until the assistant is there now."""
    await client.until(
        lambda: [m["upstream"] for m in client.of_type("state")][-1:] == ["ready"], "not ready"
    )


async def until_said(client: PlainClient, text: str, after_s: float = 0.0) -> float:
    """Wait until the assistant's final caption has ``text`` in it; when it came."""

    def found() -> list[float]:
        return [
            m["at"]
            for m in client.of_type("caption")
            if m["final"]
            and m["speaker"] == "assistant"
            and text in m["text"]
            and m["at"] > after_s
        ]

    await client.until(lambda: bool(found()), f"nobody says {text!r}")
    return found()[0]
