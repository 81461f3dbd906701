"""During a call over HTTPS: another address, a new certificate, files read again. Nothing ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import ROOT
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.processes
MAKES_A_NETWORK = "ip link add v0 type veth peer name v1"


def in_a_network(*arguments: str) -> Any:
    """What ``lan_call`` found in a network namespace of its own."""
    probe = ["unshare", "-n", "sh", "-c", MAKES_A_NETWORK]
    try:
        allowed = subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except OSError:
        allowed = False
    if not allowed:
        pytest.skip("this user may not make a network namespace with a veth pair")
    command = ["unshare", "-n", sys.executable, "-m", "tests.processes.lan_call", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=5 * PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr[-6000:]
    found = json.loads(done.stdout.splitlines()[-1])
    print(found)
    return found


def test_another_address_renews_the_certificate_and_ends_nothing(short_dir: Path) -> None:
    found = in_a_network("auto", str(short_dir))
    assert found["new"] and found["left"] == 0


def test_files_are_read_again_and_a_bad_one_is_a_warning(short_dir: Path) -> None:
    found = in_a_network("files", str(short_dir))
    assert "no PEM key" in found["warning"] and found["old_kept"]
    assert found["left"] == 0
