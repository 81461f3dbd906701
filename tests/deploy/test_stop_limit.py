"""A stop may take as long as the settings say, and whoever runs the service knows it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy import installed, preflight
from deploy.supervise import SPARE_S
from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.settings import RuntimeSettings
from tests.support.gateway import ROOT

UNIT, COMPOSE = ROOT / "deploy/service/mixminus.service", ROOT / "deploy/compose.yaml"
USUAL_S = preflight.stop_s(RuntimeSettings().drain_s)


@pytest.mark.parametrize("drain_s", [0, 0.5, 30, 120, 3_600])
def test_what_the_installer_writes_is_enough(drain_s: float) -> None:
    stop_s = preflight.stop_s(drain_s)
    preflight.check_drain(drain_s, {preflight.SERVICE_STOP_VARIABLE: str(stop_s)})
    assert stop_s > drain_s + SPARE_S


@pytest.mark.parametrize("given", ["45", " 45\n"])
def test_settings_that_would_be_cut_are_refused(given: str) -> None:
    env = {preflight.SERVICE_STOP_VARIABLE: given}
    for drain_s in (0, 30, 37):
        preflight.check_drain(drain_s, env)
    with pytest.raises(SettingsError, match=r"drain_s = 38 .* killed 45 s after"):
        preflight.check_drain(38, env)
    preflight.check_drain(3_600, {})
    preflight.check_drain(3_600, {preflight.SERVICE_STOP_VARIABLE: "infinity"})


def test_the_files_as_they_are_fit_the_defaults() -> None:
    unit, compose = UNIT.read_text(), COMPOSE.read_text()
    assert f"\nTimeoutStopSec={USUAL_S}\nEnvironment=SERVICE_STOP_S={USUAL_S}\n" in unit
    assert f"stop_grace_period: {USUAL_S}s" in compose and f"SERVICE_STOP_S={USUAL_S}" in compose


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("sed") is None, reason="needs sed")
def test_the_installer_writes_what_the_release_says(tmp_path: Path) -> None:
    """Its own lines, with a release that says 135 s, and one that cannot be asked."""
    script = (ROOT / "deploy/install.sh").read_text()
    (function,) = re.findall(r"^stop_limit\(\) .*?^}$", script, re.MULTILINE | re.DOTALL)
    (edit,) = re.findall(
        r"^  sed -e \"s\|\^TimeoutStopSec.*?mixminus\.service\"$", script, re.M | re.S
    )
    for answer, wanted in (("echo 135", "135"), ("echo usage; false", "45"), ("echo x", "45")):
        lines = (
            f"STOP_S=45 TEMP={tmp_path} from={UNIT.parent}",
            f"ask_release() {{ {answer}; }}",
            function,
            "limit=$(stop_limit r)",
            edit,
        )
        subprocess.run(["sh", "-euc", "\n".join(lines)], check=True)
        written = (tmp_path / "mixminus.service").read_text()
        assert f"TimeoutStopSec={wanted}\nEnvironment=SERVICE_STOP_S={wanted}\n" in written


def test_the_installed_release_says_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXMINUS_RUNTIME__DRAIN_S", "119.5")
    assert installed.main(["stop"]) == 0
    assert capsys.readouterr().out == "135\n"
