"""The upstream dies in the middle of a reply, or refuses a tool: the answer comes, and nothing is
forgotten. Over both transports."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.processes.looking import joined, set_faults, simulator_calls, until_said, words
from tests.support import audio
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient

pytestmark = pytest.mark.processes


def loud_times(client: PlainClient) -> list[float]:
    """When something audible came."""
    return [at for at, pcm in client.heard if np.abs(audio.from_pcm(pcm)).max(initial=0) > 0.02]


@pytest.mark.parametrize(
    ("transport", "fault"),
    [
        ("webrtc", "close_mid_response=1500*1"),
        ("webrtc", "kill_call_after_ms=1000*1"),
        ("websocket", "close_mid_response=1500*1"),
    ],
)
def test_the_answer_comes_after_all(
    gateway_by: Callable[[str], Gateway], transport: str, fault: str
) -> None:
    gateway = gateway_by(transport)
    earlier, seen_log = len(simulator_calls(gateway)), len(gateway.log)

    async def call() -> dict[str, Any]:
        client = await joined(gateway, fault.partition("=")[0].replace("_", "-"))
        client.say(type="say", text="My name is Ada.")
        await until_said(client, "My name is Ada")
        await client.quiet(0.8)
        asked_s = time.monotonic()
        if fault.startswith("kill"):
            client.say(type="say", text="Tell me a long story.")
            await client.until(lambda: len(loud_times(client)) > 50, "no reply")
            set_faults(gateway, fault)
        else:
            set_faults(gateway, fault)
            client.say(type="say", text="Tell me a long story.")
        await client.until(
            lambda: any(m["upstream"] == "reconnecting" for m in client.of_type("state")),
            "no loss",
        )
        await client.until(lambda: client.of_type("state")[-1]["upstream"] == "ready", "lost")
        ready_s = max(m["at"] for m in client.of_type("state") if m["upstream"] == "ready")
        await client.until(lambda: loud_times(client)[-1] > ready_s, "it stays silent")
        set_faults(gateway, "")
        told = [m["detail"] for m in client.of_type("state") if m["upstream"] == "reconnecting"]
        again_s = next(at for at in loud_times(client) if at > ready_s)
        before_s = max(at for at in loud_times(client) if at < again_s)
        client.say(type="interrupt")
        await client.quiet(0.1)
        client.say(type="say", text="Thank you.")
        await until_said(client, "Thank you")
        calls = simulator_calls(gateway)[earlier:]
        await client.close()
        assert asked_s < before_s < again_s
        return {"silent_s": again_s - before_s, "told": told, "calls": calls}

    seen = asyncio.run(call())
    log = gateway.log[seen_log:]
    asked = words(seen["calls"][-1], "user")
    answers = words(seen["calls"][-1], "assistant")
    print({"transport": transport, "fault": fault, "silent_s": round(seen["silent_s"], 2)})
    print({"history": [asked, [answer[:40] for answer in answers]]})
    assert asked == ["My name is Ada.", "Tell me a long story.", "Thank you."], log
    assert "My name is Ada" in answers[0]
    assert answers[1].endswith("…")  # It ends where it was heard.
    assert seen["told"] and seen["told"][0]
    assert len(seen["calls"]) == 2
    assert "Traceback" not in log, log


def test_a_link_that_is_killed_remembers(gateway_by: Callable[[str], Gateway]) -> None:
    gateway = gateway_by("webrtc")

    async def call() -> tuple[float, list[dict[str, Any]]]:
        client = await joined(gateway, "memory")
        client.say(type="say", text="My name is Ada.")
        await until_said(client, "My name is Ada")
        await client.quiet(0.8)
        os.kill(gateway.children("openai_link")[0], signal.SIGKILL)
        killed_s = time.monotonic()
        asked_s = 0.0

        def asked() -> bool:
            nonlocal asked_s
            if time.monotonic() - asked_s > 0.5:  # Nobody hears it before the new child is there.
                asked_s = time.monotonic()
                client.say(type="say", text="What is my name?")
            return any("What is my name" in m["text"] for m in client.of_type("caption"))

        await client.until(asked, "nobody takes the question")
        talking_s = await until_said(client, "What is my name", after_s=killed_s)
        calls = simulator_calls(gateway)
        await client.close()
        return talking_s - killed_s, calls

    silent_s, calls = asyncio.run(call())
    log = gateway.log
    print({"talking_again_s": round(silent_s, 2), "history": words(calls[-1], "user")})
    assert words(calls[-1], "user")[:2] == ["My name is Ada.", "What is my name?"], log
    assert "the conversation goes on" in log


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_a_refused_tool_costs_the_tool_and_not_the_call(
    gateway_by: Callable[[str], Gateway], transport: str
) -> None:
    gateway = gateway_by(transport)
    earlier, seen_log = len(simulator_calls(gateway)), len(gateway.log)

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

    asyncio.run(story())
    assert len(simulator_calls(gateway)) == earlier + 1, (
        "refused calls are none, and updates need no other"
    )
    assert "Traceback" not in gateway.log[seen_log:]
