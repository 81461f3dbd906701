"""Who plays the assistant, and where the simulator is."""

from __future__ import annotations

import pytest

from openai_link.secrets import uses_simulator
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.settings import SimulatorSettings


@pytest.mark.parametrize(
    ("upstream", "env", "simulated"),
    [
        ("auto", {}, True),
        ("auto", {"OPENAI_API_KEY": " "}, True),
        ("auto", {"OPENAI_API_KEY": "sk-x"}, False),
        ("simulator", {"OPENAI_API_KEY": "sk-x"}, True),
        ("openai", {}, False),
    ],
)
def test_the_simulator_plays_the_assistant_only_without_a_key_or_when_told(
    upstream: str, env: dict[str, str], simulated: bool
) -> None:
    settings = OpenaiLinkSettings(upstream=upstream)  # type: ignore[arg-type]
    assert uses_simulator(settings, env) is simulated


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("192.0.2.7", "http://192.0.2.7:8765/v1"),
        ("0.0.0.0", "http://127.0.0.1:8765/v1"),
        ("::", "http://127.0.0.1:8765/v1"),
        ("", "http://127.0.0.1:8765/v1"),
        ("::1", "http://[::1]:8765/v1"),
    ],
)
def test_the_simulator_is_reached_where_it_listens(host: str, url: str) -> None:
    assert SimulatorSettings(http_host=host).base_url == url
