"""Every secret is clean wherever it is used; one that cannot be used is refused at the start."""

from __future__ import annotations

from typing import Any

import pytest

from mixer_core.runtime.errors import SettingsError
from openai_link.realtime.session_object import choose_upstream
from openai_link.secrets import HOME_ASSISTANT, check_secrets, uses_simulator
from openai_link.settings import McpServer, OpenaiLinkSettings, Settings
from openai_link.simulator.settings import SimulatorSettings
from signaling.access.gate import machine_token
from signaling.ice import IceServers
from signaling.settings import NetworkSettings

BROKEN = "abc\ndef-0123456789"


def settings(api_key: str = "", **link: Any) -> Settings:
    return Settings(
        openai_link=OpenaiLinkSettings(**link), simulator=SimulatorSettings(api_key=api_key)
    )


@pytest.mark.parametrize("key", ["sk-x\r\n", "sk-x\n", " sk-x ", "\tsk-x"])
def test_the_key_travels_without_its_line_end(key: str) -> None:
    upstream = choose_upstream(settings(upstream="openai"), key)
    assert upstream.headers() == {"Authorization": "Bearer sk-x"}


@pytest.mark.parametrize("key", [" ", "\n", "\r\n"])
def test_a_key_of_white_space_is_none(key: str) -> None:
    assert uses_simulator(OpenaiLinkSettings(), {"OPENAI_API_KEY": key})
    with pytest.raises(SettingsError, match="OPENAI_API_KEY is not set"):
        choose_upstream(settings(upstream="openai"), key)


@pytest.mark.parametrize("upstream", ["auto", "openai"])
def test_a_broken_key_is_a_settings_error(upstream: str) -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY cannot be used"):
        choose_upstream(settings(upstream=upstream), BROKEN)


def test_a_key_that_is_not_used_does_not_matter() -> None:
    assert choose_upstream(settings(upstream="simulator"), BROKEN).simulated
    check_secrets(settings(upstream="simulator"), {"OPENAI_API_KEY": BROKEN, "OTHER_KEY": BROKEN})


@pytest.mark.parametrize(
    ("link", "variable"),
    [
        ({"upstream": "openai"}, "OPENAI_API_KEY"),
        ({"tools": (HOME_ASSISTANT,)}, "HOME_ASSISTANT_TOKEN"),
        ({"mcp_servers": {"a": McpServer(url="http://a", token_variable="A_PASS")}}, "A_PASS"),
    ],
)
def test_whatever_is_used_is_checked_at_the_start(link: dict[str, Any], variable: str) -> None:
    check_secrets(settings(**link), {variable: "fine\n"})
    with pytest.raises(SettingsError, match=f"^{variable} cannot be used"):
        check_secrets(settings(**link), {variable: BROKEN})


def test_the_simulators_key_is_one_too() -> None:
    with pytest.raises(SettingsError, match="api_key cannot be used"):
        check_secrets(settings(api_key=BROKEN), {})
    upstream = choose_upstream(settings(api_key="own\n", upstream="simulator"), "")
    assert upstream.api_key == "own"


def test_the_machines_token_and_the_turn_secret() -> None:
    assert machine_token({"MIXMINUS_TOKEN": "0123456789abcdef\r\n"}) == "0123456789abcdef"
    with pytest.raises(SettingsError, match=r"^MIXMINUS_TOKEN cannot be used"):
        machine_token({"MIXMINUS_TOKEN": "0123456789\x00abcdef"})
    network = NetworkSettings(ice_servers="turn:relay.example:3478", turn_username="ada")
    variable = network.turn_secret_variable
    told = IceServers(network, {variable: " pässword\n"}).as_json(0)["ice_servers"][0]
    assert told["credential"] == "pässword"
    with pytest.raises(SettingsError, match=f"^{variable} cannot be used"):
        IceServers(network, {variable: BROKEN})
