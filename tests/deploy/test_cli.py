"""What ``mixminus run`` checks and says before supervisord takes over."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deploy.cli import assistant, check_networks, check_not_running, check_port
from mixer_core.runtime import process
from mixer_core.runtime.errors import AlreadyRunningError, PortBusyError, SettingsError
from openai_link.settings import OpenaiLinkSettings


@pytest.mark.parametrize(
    ("settings", "simulated", "words"),
    [
        (OpenaiLinkSettings(), True, "the local simulator (OPENAI_API_KEY is not set)"),
        (OpenaiLinkSettings(upstream="simulator"), True, "the local simulator"),
        (OpenaiLinkSettings(model="m-1"), False, "m-1 at https://api.openai.com/v1"),
    ],
)
def test_it_says_who_the_assistant_is(
    settings: OpenaiLinkSettings, simulated: bool, words: str
) -> None:
    assert assistant(settings, simulated) == words


@pytest.mark.sockets
def test_a_port_in_use_is_named_with_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortBusyError, match=f"port {port} .* MIXMINUS_SIGNALING__HTTP_PORT"):
            check_port("127.0.0.1", port, "SIGNALING")
    check_port("127.0.0.1", port, "SIGNALING")


def test_a_lock_that_is_held_means_another_gateway(short_dir: Path) -> None:
    check_not_running(short_dir, "signaling")
    with (
        process.lock(short_dir, "signaling"),
        pytest.raises(AlreadyRunningError, match="MIXMINUS_RUNTIME__DIR"),
    ):
        check_not_running(short_dir, "signaling")
    check_not_running(short_dir, "signaling")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"UDP_PORTS": "all"}, "udp_ports"),
        ({"ICE_SERVERS": "turn:turn.example.org"}, "TURN_SECRET is not set"),
        ({"ICE_SERVERS": "turn.example.org"}, "write stun:HOST"),
    ],
)
def test_wrong_networks_are_told_before_the_start(variables: dict[str, str], words: str) -> None:
    env = {f"MIXMINUS_MEDIA_WORKER__{key}": value for key, value in variables.items()}
    with pytest.raises(SettingsError, match=words) as caught:
        check_networks(env)
    assert caught.value.exit_code == 78
    assert "\n" not in str(caught.value)
