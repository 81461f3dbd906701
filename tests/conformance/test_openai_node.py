"""The package ``openai`` for Node, unmodified, over wss, by the paths of OpenAI and of Azure."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conformance.process import SimulatorProcess
from tests.conformance.test_agents_realtime import SCRIPT
from tests.support import audio
from tests.support.gateway import free_port
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

SILENCE = bytes(2 * 2 * audio.RATE_HZ)


@pytest.mark.parametrize("kind", ["openai", "azure"])
def test_text_a_function_call_a_spoken_turn_and_a_barge_in(
    kind: str, node_client: Path, short_dir: Path
) -> None:
    script, speech = short_dir / "script.toml", short_dir / "speech.pcm"
    script.write_text(SCRIPT, encoding="utf-8")
    words = audio.read_wav(audio.SENTENCE)[: audio.RATE_HZ]
    speech.write_bytes(audio.to_pcm(words) + SILENCE)
    port = free_port()
    flags = ("--brain", "script", "--script", str(script), "--https-port", str(port))
    with SimulatorProcess(short_dir, *flags):
        done = subprocess.run(
            ["node", str(node_client), kind, f"127.0.0.1:{port}", "sk-any", str(speech)],
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(short_dir / "simulator.pem")},
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout)
    assert heard["errors"] == []
    assert heard["said"][:3] == [
        "[simulator] I heard you.",
        "[simulator] The tool says: It is 12:34.",
        "[simulator] I heard you.",
    ]
    assert heard["story"] == [True, "cancelled"]
    path = {"openai": "/v1/realtime?model=", "azure": "/openai/realtime?api-version="}[kind]
    assert heard["url"].startswith(f"wss://127.0.0.1:{port}{path}")
