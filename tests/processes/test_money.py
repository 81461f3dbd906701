"""A day's budget through the whole gateway: told as it is spent, a warning, a stop with its why."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.processes.looking import joined, simulator_calls
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient, use_loopback

pytestmark = pytest.mark.processes

BUDGET_USD = 0.02


def errors(client: PlainClient, code: str) -> list[str]:
    """The messages of errors with this code."""
    return [m["message"] for m in client.of_type("error") if m["code"] == code]


async def spend(client: PlainClient) -> int:
    """Ask until the assistant is stopped; how many answers were counted."""
    for _ in range(40):
        if errors(client, "budget_spent"):
            break
        counted = len(client.of_type("usage"))
        client.say(type="say", text="Tell me something.")
        await client.until(
            lambda counted=counted: (
                len(client.of_type("usage")) > counted or bool(errors(client, "budget_spent"))
            ),
            "no answer",
        )
    return len(client.of_type("usage"))


def test_the_budget_warns_then_stops_and_stays_stopped() -> None:
    use_loopback()

    async def call(gateway: Gateway) -> dict[str, Any]:
        client = await joined(gateway, "spender")
        answers = await spend(client)
        await client.until(
            lambda: client.of_type("state")[-1]["upstream"] == "failed", "not stopped"
        )
        calls = len(simulator_calls(gateway))
        client.say(type="say", text="Are you there?")
        await client.until(lambda: bool(errors(client, "not_connected")), "no refusal")
        late = PlainClient(gateway.url, "spender", "Eve")
        await late.join()
        await late.until(
            lambda: any(m["upstream"] == "failed" for m in late.of_type("state")), "no word"
        )
        told = {
            "answers": answers,
            "day": client.of_type("usage")[-1]["day"],
            "warnings": errors(client, "budget_low"),
            "stop": errors(client, "budget_spent"),
            "more calls": len(simulator_calls(gateway)) - calls,
            "http": json.loads((await asyncio.to_thread(gateway.get, "/rooms/spender"))[1])[
                "usage"
            ],
        }
        await late.close()
        await client.close()
        return told

    with Gateway(
        OPENAI_LINK__GREET=0,
        OPENAI_LINK__DAILY_BUDGET_USD=str(BUDGET_USD),
        SIMULATOR__BRAIN="script",
    ) as gateway:
        told = asyncio.run(call(gateway))
    assert len(told["warnings"]) == 1 and "budget" in told["warnings"][0]
    assert told["stop"] and "tomorrow" in told["stop"][0]
    assert told["day"]["cost_usd"] >= BUDGET_USD > told["day"]["cost_usd"] / 2
    assert told["more calls"] == 0
    assert told["http"]["day"]["cost_usd"] >= BUDGET_USD
