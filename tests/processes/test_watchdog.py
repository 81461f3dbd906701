"""What freezes is started anew, and what can never start again ends everything, with its reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.gateway import ROOT, Gateway
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

FROZEN = ("signaling", "openai_link", "openai_link.simulator")


def test_frozen_programs_are_started_anew_and_what_never_starts_again_ends_all(
    short_dir: Path,
) -> None:
    gateway = Gateway(RUNTIME__WATCHDOG_S=2)
    marker = short_dir / "unusable"
    (short_dir / "sitecustomize.py").write_text(
        "import os, sys\n"
        f"if os.path.exists({str(marker)!r}) and 'signaling' in sys.orig_argv:\n"
        "    os.write(2, b'signaling: libssl is of another release\\n')\n"
        "    os._exit(78)\n"
    )
    gateway.env["PYTHONPATH"] = f"{short_dir}:{gateway.env.get('PYTHONPATH', '')}"
    try:
        gateway.start()
        assert gateway.pids("--standby") == []
        before = {name: gateway.program(name) for name in FROZEN}
        for pid in before.values():
            os.kill(pid, signal.SIGSTOP)
        for name, pid in before.items():
            called = name.rpartition(".")[2]
            words = f"mixminus: {called} (process {pid}) has not moved for 2 s"
            gateway.wait(lambda w=words: w in gateway.log, f"nobody sees that {name} hangs")
        gateway.wait_ready()
        assert all(gateway.program(name) != pid for name, pid in before.items())

        marker.touch()
        os.kill(gateway.program("signaling"), signal.SIGKILL)
        assert gateway.process is not None
        assert gateway.process.wait(PATIENCE_S) == 78
        gateway.reader.join(PATIENCE_S)
        last = gateway.log.strip().splitlines()[-1]
        assert last == "signaling: libssl is of another release"
        assert gateway.processes() == []
        assert "Traceback" not in gateway.log
    finally:
        gateway.close()


@pytest.mark.parametrize(
    ("command", "variables", "words"),
    [
        ("ulimit -n 64", {}, "this user may open 64"),
        ("true", {"MIXMINUS_SIGNALING__HTTP_HOST": "0.0.0.0"}, "MIXMINUS_TOKEN"),
        ("true", {"MIXMINUS_RUNTIME__DIR": f"/tmp/mm-{'x' * 80}"}, "bytes too long"),
        ("unset HOME", {"MIXMINUS_RUNTIME__STATE_DIR": "/proc/none"}, "state directory"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_starts(
    command: str, variables: dict[str, str], words: str
) -> None:
    idle = Gateway()
    try:
        done = subprocess.run(
            ["sh", "-c", f"{command}; exec {sys.executable} -m deploy.cli run"],
            cwd=ROOT,
            env=idle.env | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    finally:
        idle.close()
    assert done.returncode == 78
    (line,) = done.stderr.strip().splitlines()
    assert words in line and done.stdout == ""
