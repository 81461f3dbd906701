"""The command line: flags become settings; help, greeting, and bad values in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from openai_link.simulator.cli import environment
from openai_link.simulator.faults.plan import NAMES
from openai_link.simulator.service import greeting
from openai_link.simulator.settings import SimulatorSettings
from tests.conformance.process import SimulatorProcess
from tests.support.gateway import ROOT, free_port
from tests.support.waiting import PATIENCE_S


def run_with(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "openai_link.simulator", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_flags_become_settings() -> None:
    given = ["--port", "9000", "--brain", "tone", "--expire-after", "20", "--faults", "drop_udp"]
    assert environment([*given, "--runtime-dir", "/tmp/x"]) == {
        "MIXMINUS_SIMULATOR__HTTP_PORT": "9000",
        "MIXMINUS_SIMULATOR__BRAIN": "tone",
        "MIXMINUS_SIMULATOR__SESSION_MAX_S": "20",
        "MIXMINUS_SIMULATOR__FAULTS": "drop_udp",
        "MIXMINUS_RUNTIME__DIR": "/tmp/x",
    }
    assert environment([]) == {}


def test_every_flag_is_a_setting() -> None:
    names = SimulatorSettings.__dataclass_fields__
    flags = (
        *("--host", "--port", "--api-key", "--script", "--seed", "--expire-after", "--faults"),
        *("--record-dir",),
    )
    for flag in flags:
        [variable] = environment([flag, "1"])
        assert variable.removeprefix("MIXMINUS_SIMULATOR__").lower() in names


def test_the_greeting_tells_how_to_point_a_client_at_it() -> None:
    line = greeting(SimulatorSettings(http_port=9000))
    assert "not OpenAI" in line and "\n" not in line
    assert 'base_url="http://127.0.0.1:9000/v1"' in line
    assert 'websocket_base_url="ws://127.0.0.1:9000/v1"' in line
    assert "sk-secret" not in greeting(SimulatorSettings(api_key="sk-secret"))


@pytest.mark.processes
def test_help_names_the_flags_and_the_faults() -> None:
    done = run_with("--help")
    assert done.returncode == 0
    words = " ".join(done.stdout.split())
    for name in ("--port", "--brain", "--script", "--seed", "--expire-after", *NAMES):
        assert name in words, name


@pytest.mark.processes
def test_it_starts_by_its_flags_alone(short_dir: Path) -> None:
    flags = ("--brain", "script", "--seed", "7", "--faults", "no_rate_limits")
    with SimulatorProcess(short_dir, *flags) as simulator:
        assert simulator.base_url in simulator.greeting
        assert simulator.get("/simulator/faults") == {"faults": "no_rate_limits"}


@pytest.mark.processes
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--faults", "drop_udb"), "[simulator] faults: unknown fault 'drop_udb'"),
        (("--brain", "script", "--script", "/nowhere.toml"), "[simulator] script: /nowhere.toml"),
        (("--port", "many"), "MIXMINUS_SIMULATOR__HTTP_PORT"),
    ],
)
def test_bad_values_are_named_in_one_line(
    short_dir: Path, flags: tuple[str, ...], words: str
) -> None:
    port = () if "--port" in flags else ("--port", str(free_port()))
    done = run_with("--runtime-dir", str(short_dir), *port, *flags)
    assert done.returncode == 78
    assert done.stderr.count("\n") == 1 and words in done.stderr
