"""A room's record: written, shown, going on after the death of the link, and played again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.support.gateway import ROOT, Gateway
from tests.support.plain_client import PlainClient, use_loopback
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes

TRANSCRIPT = "/rooms/home/transcript"


def texts(gateway: Gateway) -> list[str]:
    """The words in the journal, in order."""
    status, _ = gateway.get(TRANSCRIPT)
    return [i.get("text", "") for i in gateway.json(TRANSCRIPT)["items"]] if status == 200 else []


async def say(gateway: Gateway, client: PlainClient, words: str) -> None:
    """Write ``words`` and wait until the answer is final."""

    def answered() -> bool:
        captions = client.of_type("caption")
        return any(c["final"] and f'"{words}"' in c["text"] for c in captions)

    client.say(type="say", text=words)
    await client.until(answered, f"no answer to {words!r}")
    assert any(f'"{words}"' in text for text in texts(gateway)), "announced, and not in the journal"


def replay(gateway: Gateway) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.cli", "replay", "home"]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=gateway.env,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


async def reaches(client: PlainClient, *upstream: str, since: int = 0) -> None:
    """Wait until the states of the assistant, after the first ``since``, were these in turn."""
    for state in upstream:
        await client.until(
            lambda s=state, n=since: any(m["upstream"] == s for m in client.of_type("state")[n:]),
            f"the assistant does not become {state}",
        )
        told = [m["upstream"] for m in client.of_type("state")]
        since = told.index(state, since)


async def priced(gateway: Gateway) -> dict[str, Any]:
    """The room with what it cost, which is written a moment after the last word."""

    def told() -> dict[str, Any] | None:
        room: dict[str, Any] = gateway.json("/rooms/home")
        return room if room["usage"]["room"]["cost_usd"] > 0 else None

    return dict(await until(told, "no cost is told", lambda: gateway.log, step_s=0.1) or {})


def test_a_room_has_a_record() -> None:
    async def call(gateway: Gateway) -> dict[str, Any]:
        client = PlainClient(gateway.url, "home", "Ada")
        await client.join()
        await reaches(client, "ready")
        await say(gateway, client, "first")
        await client.quiet()
        seen = len(client.of_type("state"))
        os.kill(gateway.children("openai_link")[0], signal.SIGKILL)
        await reaches(client, "connecting", "ready", since=seen)
        await say(gateway, client, "second")
        room = await priced(gateway)
        await client.close()
        return room

    use_loopback()
    with Gateway(OPENAI_LINK__GREET="0") as gateway:
        room = asyncio.run(call(gateway))
        said = texts(gateway)
        assert [text for text in said if text in ("first", "second")] == ["first", "second"]
        assert len(said) == 4, said
        assert room["usage"]["room"]["cost_usd"] > 0
        assert room["usage"]["day"]["people"].keys() == {"Ada"}
        status, shown = gateway.get(f"{TRANSCRIPT}?format=text")
        assert status == 200 and "Ada: first" in shown
        done = replay(gateway)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Turns: 2 replayed, 0 different" in done.stdout
