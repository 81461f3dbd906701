"""A tool that the server refuses, through the whole gateway and over both transports."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.processes.looking import joined, simulator_calls, until_said
from tests.support.gateway import Gateway
from tests.support.plain_client import use_loopback

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_it_costs_the_tool_and_not_the_call(transport: str) -> None:
    use_loopback()
    gateway = Gateway(
        OPENAI_LINK__GREET=0,
        OPENAI_LINK__TOOLS=json.dumps(["tests.processes.tools_that_are_refused"]),
        OPENAI_LINK__TRANSPORT=transport,
        SIMULATOR__BRAIN="script",
    )

    async def story() -> None:
        client = await joined(gateway, "den")

        def missing() -> list[str]:
            return [m["message"] for m in client.of_type("error") if m["code"] == "tools_missing"]

        await client.until(lambda: missing(), "nobody is told")
        client.say(type="say", text="Call liked.")
        await until_said(client, "forty-one")
        assert len(missing()) == 1 and "Left out: disliked." in missing()[0]
        states = {m["upstream"] for m in client.of_type("state")}
        assert states <= {"connecting", "ready"}
        await client.close()

    with gateway:
        asyncio.run(story())
        assert len(simulator_calls(gateway)) == 1, (
            "refused calls are none, and updates need no other"
        )
    assert "Traceback" not in gateway.log
