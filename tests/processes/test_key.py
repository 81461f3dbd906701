"""A wrong OPENAI_API_KEY is told to the room in words, once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateway import ROOT, Gateway, free_port
from tests.support.plain_client import PlainClient, use_loopback
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.processes


@pytest.fixture
def strict_server(short_dir: Path) -> Iterator[str]:
    """The base URL of a simulator that accepts one key only."""
    port = free_port()
    env = {key: value for key, value in os.environ.items() if not key.startswith("MIXMINUS_")} | {
        "MIXMINUS_RUNTIME__DIR": str(short_dir),
        "MIXMINUS_SIMULATOR__HTTP_PORT": str(port),
        "MIXMINUS_SIMULATOR__API_KEY": "sk-right-one-123456",
    }
    process = subprocess.Popen([sys.executable, "-m", "openai_link.simulator"], cwd=ROOT, env=env)
    yield f"http://127.0.0.1:{port}/v1"
    process.terminate()
    assert process.wait(PATIENCE_S) == 0


def test_a_wrong_key_is_told_in_words_without_a_storm(strict_server: str) -> None:
    use_loopback()
    gateway = Gateway(OPENAI_LINK__BASE_URL=strict_server, OPENAI_LINK__RETRY_DELAY_MS=100)
    gateway.env["OPENAI_API_KEY"] = "sk-wrong-one-654321"

    async def call() -> PlainClient:
        client = PlainClient(gateway.url, "locked")
        await client.join()
        await client.until(lambda: client.of_type("error"), "no error is told")
        await asyncio.sleep(2)
        await client.close()
        return client

    with gateway:
        client = asyncio.run(call())
    (error,) = client.of_type("error")
    assert error["code"] == "invalid_api_key"
    assert "OPENAI_API_KEY" in error["message"]
    assert client.of_type("state")[-1]["upstream"] == "failed"
    assert "sk-wrong" not in gateway.log and "sk-wrong" not in str(client.messages)
